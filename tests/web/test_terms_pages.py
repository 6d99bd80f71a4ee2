"""Advanced terms on the pages, and a subscription's life: close one's own, catch up, move money, leave."""

import re
from decimal import Decimal

import pytest

from obscura.core import clock
from obscura.core.nudge.models import Nudge
from pools import services as pools
from pools.models import Pool, Subscription
from pools.types import FIXED, Advanced, Martingale, Pair, dump
from tests.web.test_pages import HTMX, terms, text
from trading.models import Holding, LeadPosition, Signal

STYLE = Advanced(
    sizing=FIXED,
    value=Decimal(20),
    reserve_pct=Decimal(5),
    leverage_long=2,
    leverage_short=3,
    max_positions=4,
    max_pair_usd=Decimal(90),
    max_exposure_usd=Decimal(500),
    stop_loss_pct=Decimal("2.5"),
    take_profit_pct=Decimal(8),
    trailing_pct=Decimal(3),
    max_slippage_bps=25,
    signal_ttl_s=20,
    allow=frozenset({"BTCUSDT", "ETHUSDT"}),
    deny=frozenset({"DOGEUSDT"}),
    burst_opens=3,
    burst_ms=1500,
    equity_stop_pct=Decimal(15),
    equity_stop_trailing=True,
    keep_open=True,
    martingale=Martingale(Decimal(2), 2, Decimal(180)),
    pairs={"BTCUSDT": Pair(sizing=FIXED, value=Decimal(25), max_usd=Decimal(60), max_slippage_bps=10)},
)
ADVANCED = {"mode": "advanced"}


@pytest.fixture
def copy(stage):
    return f"/pools/{stage.pool.pk}/copy/"


@pytest.fixture
def cleo(stage, client_at):
    """Cleo's browser; she has a paper account and copies nothing."""
    user = stage.cast.cleo()
    browser = client_at("alpha.testserver", user=user)
    browser.account = stage.paper_account(user, label="Cleo on paper")
    return browser


@pytest.fixture
def holds(stage):
    def make(symbol: str, qty: str) -> None:
        LeadPosition.objects.create(
            pool_id=stage.pool.pk, trader_id=stage.ada.pk, market="spot", symbol=symbol, qty=Decimal(qty),
            updated_at=clock.now(),
        )  # fmt: skip

    return make


def fields_of(page: str) -> dict[str, str]:
    """What a browser would send of the form on a page, untouched."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        said = dict(re.findall(r'([a-z_]+)="([^"]*)"', tag))
        kind, name = said.get("type", "text"), said.get("name")
        if name and name != "csrfmiddlewaretoken" and (kind not in ("radio", "checkbox") or " checked" in tag):
            found[name] = said.get("value", "on" if kind == "checkbox" else "")
    for name, body in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', body) or re.search(r'<option value="([^"]*)"', body)
        found[name] = chosen[1]
    return found


# Terms


def test_a_style_that_is_shown_and_saved_untouched_stays_what_it_was(stage, browser, copy):
    Subscription.objects.filter(pk=stage.subscription.pk).update(settings=dump(STYLE), mode="advanced")
    address = f"{copy}?change={stage.subscription.pk}"

    page = browser.get(address).content.decode()
    answer = browser.post(address, fields_of(page), follow=True)

    assert "The new terms hold from the next trade on." in text(answer), text(answer)
    assert Subscription.objects.get(pk=stage.subscription.pk).settings == dump(STYLE)


def test_going_back_to_amounts_alone_takes_the_style_away(stage, browser, copy):
    Subscription.objects.filter(pk=stage.subscription.pk).update(settings=dump(STYLE), mode="advanced")

    browser.post(f"{copy}?change={stage.subscription.pk}", terms(stage.account))

    row = Subscription.objects.get(pk=stage.subscription.pk)
    assert (row.mode, row.settings) == ("fixed_amount", {})


def test_what_is_typed_in_the_hidden_part_does_not_count(cleo, copy):
    cleo.post(copy, terms(cleo.account, stop_loss="-5", mode="fixed_amount"))

    assert Subscription.objects.get(account=cleo.account).settings == {}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"stop_loss": "-5"}, "A stop lies on the losing side"),
        ({"sizing": "fixed"}, "Give 10 to 1,000,000,000 USD for each copy."),
        ({"sizing": "risk", "value": "1"}, "A size by risk needs a stop loss"),
        ({"max_pair": "600"}, "This cannot be more than what you invest, $500."),
        ({"equity_stop": "30"}, "You are ready to lose $100, which comes before this stop"),
        ({"burst_opens": "3"}, "Give both: how many opens"),
        ({"allow": "BTCUSDT", "deny": "btc/usdt"}, "Take BTCUSDT out of one of the two lists."),
        ({"levels": "many"}, "Enter a whole number."),
        ({"martingale": "on", "multiplier": "99999", "levels": "100"}, "Multiply by 1.1 to 4."),
        ({"martingale": "on", "multiplier": "9", "levels": "20", "ladder_seen": "x"}, "Look at every step of it first"),
        ({"martingale": "on"}, "Multiply by 1.1 to 4."),
        (
            {"pair-TOTAL_FORMS": "1", "pair-INITIAL_FORMS": "0", "pair-0-symbol": "btcusdt", "pair-0-stop_loss": "100"},
            "Stop at 0.1 to 99 percent.",
        ),
        (
            {"pair-TOTAL_FORMS": "1", "pair-INITIAL_FORMS": "0", "pair-0-stop_loss": "5"},
            "Say which pair these are for, or remove the row.",
        ),
    ],
)
def test_what_does_not_go_together_is_said_beside_what_was_typed(cleo, copy, typed, words):
    answer = cleo.post(copy, terms(cleo.account, **ADVANCED, **typed))

    assert answer.status_code == 422
    assert words in text(answer)
    assert not Subscription.objects.filter(account=cleo.account).exists()


def test_a_pair_stands_in_one_row_alone(cleo, copy):
    rows = {"pair-TOTAL_FORMS": "2", "pair-INITIAL_FORMS": "0", "pair-0-symbol": "BTCUSDT", "pair-1-symbol": "btc/usdt"}

    answer = cleo.post(copy, terms(cleo.account, **ADVANCED, **rows))

    assert (answer.status_code, "This pair stands in another row already." in text(answer)) == (422, True)


def test_a_martingale_is_taken_only_with_the_sign_that_its_steps_were_drawn(cleo, copy):
    wanted = terms(cleo.account, **ADVANCED, sizing="fixed", value="20", multiplier="1.5", levels="2", martingale="on")

    first = cleo.post(copy, wanted)
    seen = re.search(r'name="ladder_seen" value="([0-9a-f]+)"', first.content.decode())[1]
    other = cleo.post(copy, wanted | {"ladder_seen": seen, "levels": "1"})

    assert (first.status_code, other.status_code) == (422, 422)
    assert "Look at every step of it first" in text(first)
    assert "2 losses $45 $95" in text(first)
    assert not Subscription.objects.filter(account=cleo.account).exists()
    assert cleo.post(copy, wanted | {"ladder_seen": seen}).status_code == 302
    assert Subscription.objects.get(account=cleo.account).settings["martingale"]["multiplier"] == "1.5"


def test_the_summary_tells_the_style_and_draws_the_ladder_apart(cleo, copy):
    typed = terms(cleo.account, **ADVANCED, sizing="fixed", value="20", multiplier="2", levels="3", stop_loss="5")

    answer = cleo.get(copy, typed, **HTMX)

    page = answer.content.decode()
    assert page.strip().startswith('<section id="summary"')
    assert "Each copy uses $20 of your money." in text(answer)
    assert 'hx-swap-oob="true"' in page
    # 20 + 40 + 80 + 160 = 300, above the 100 that may go: drawn, and marked.
    assert "3 losses $160 $300" in text(answer)
    assert page.count("sum over") == 2
    assert not Subscription.objects.filter(account=cleo.account).exists()


def test_rows_come_and_go_and_nothing_is_saved(cleo, copy):
    typed = terms(cleo.account, **ADVANCED, stop_loss="5")

    one = cleo.post(copy, typed | {"do": "add"})
    sent = fields_of(one.content.decode()) | {"pair-0-symbol": "BTCUSDT"}
    two = cleo.post(copy, sent | {"do": "add"})
    rest = cleo.post(copy, fields_of(two.content.decode()) | {"do": "remove-0"})

    assert [answer.status_code for answer in (one, two, rest)] == [200, 200, 200]
    assert [fields_of(answer.content.decode())["pair-TOTAL_FORMS"] for answer in (one, two, rest)] == ["1", "2", "1"]
    assert fields_of(two.content.decode())["pair-0-symbol"] == "BTCUSDT"
    assert "BTCUSDT" not in fields_of(rest.content.decode()).values()
    assert fields_of(rest.content.decode())["stop_loss"] == "5"
    assert not Subscription.objects.filter(account=cleo.account).exists()


# Begin


def test_what_is_open_is_listed_with_its_reasons_and_then_begun(cleo, copy, holds):
    holds("DOGEUSDT", "900")
    typed = terms(cleo.account, begin="open")

    listed = cleo.get(copy, typed, **HTMX)
    answer = cleo.post(copy, typed, follow=True)

    assert "DOGE/USDT Ada Lead 900 Not copied The exchange&#x27;s rules for this symbol are not known" in text(listed)
    assert "What is open is being copied." in text(answer)
    made = Subscription.objects.get(account=cleo.account)
    assert [(one.symbol, one.effect, one.only_for) for one in Signal.objects.all()] == [("DOGEUSDT", "open", made.pk)]


def test_new_trades_only_is_what_is_chosen_unless_said_otherwise(cleo, copy, holds):
    holds("DOGEUSDT", "900")

    page = cleo.get(copy).content.decode()
    cleo.post(copy, fields_of(page))

    assert fields_of(page)["begin"] == "new"
    assert Subscription.objects.filter(account=cleo.account).exists()
    assert Signal.objects.count() == 0


# Close one's own, catch up, move money, leave


def mine(stage, rest):
    return f"/portfolio/{stage.subscription.pk}/{rest}/"


def test_one_symbol_is_closed_and_the_page_says_so(stage, browser, holds):
    stage.holding("0.001", "60")
    stage.holding("0.02", "60", symbol="ETHUSDT")
    holds("BTCUSDT", "0.5")

    answer = browser.post(mine(stage, "close"), {"what": "spot:BTCUSDT"}, follow=True)
    again = browser.post(mine(stage, "close"), {"what": "spot:BTCUSDT"}, follow=True)

    assert "BTC/USDT is being closed." in text(answer)
    assert "BTC/USDT is closed already, or being closed." in text(again)
    [signal] = Signal.objects.all()
    assert (signal.symbol, signal.effect, signal.source, signal.fraction) == ("BTCUSDT", "close", "owner", 1)
    marked = Holding.objects.filter(closed_by_owner=True)
    assert [row.symbol for row in marked] == ["BTCUSDT"]
    assert browser.post(mine(stage, "close"), {"what": "everything"}).status_code == 404


def test_only_what_is_ticked_is_brought_in_line(stage, browser, holds):
    stage.holding("0.02", "60", symbol="ETHUSDT")
    stage.holding("5", "60", symbol="SOLUSDT")
    holds("SOLUSDT", "100")

    page = browser.get(mine(stage, "catch-up"))
    key = f"spot:ETHUSDT:BOTH:{stage.ada.pk.hex}"
    nothing = browser.post(mine(stage, "catch-up"), {}, follow=True)
    assert Signal.objects.count() == 0
    done = browser.post(mine(stage, "catch-up"), {"take": key}, follow=True)

    assert "ETH/USDT Ada Lead nothing · you 0.02 Close 0.02" in text(page)
    assert "SOL/USDT Ada Lead 100 · you 5 In line" in text(page)
    assert f'value="{key}" id="take-2" checked' in page.content.decode()
    assert "nothing was done" in text(nothing)
    assert "1 order is on the way." in text(done)
    assert [one.symbol for one in Signal.objects.all()] == ["ETHUSDT"]


def test_money_goes_in_and_out_and_never_below_what_is_in_use(stage, browser):
    Subscription.objects.filter(pk=stage.subscription.pk).update(exposure=Decimal(700))

    more = browser.post(mine(stage, "money"), {"way": "add", "amount": "500"}, follow=True)
    less = browser.post(mine(stage, "money"), {"way": "withdraw", "amount": "801"})

    assert "Northern Momentum may invest $1,500 now." in text(more)
    assert less.status_code == 422
    assert "$700 is in use, so $800 can be taken out." in text(less)
    assert Subscription.objects.get(pk=stage.subscription.pk).total_investment == 1500


@pytest.mark.parametrize(
    ("way", "status", "words"),
    [
        ("now", "closing", "What is open is being closed."),
        ("follow", "closing", "What is open still closes with the lead."),
        ("leave", "ended", "What it held stays in your account"),
    ],
)
def test_how_it_is_stopped_is_chosen(stage, browser, way, status, words):
    stage.holding("0.001", "60")

    asked = browser.get(mine(stage, "leave"))
    answer = browser.post(mine(stage, "leave"), {"close": way}, follow=True)

    assert "BTC/USDT 0.001 for $60" in text(asked)
    assert words in text(answer)
    assert Subscription.objects.get(pk=stage.subscription.pk).status == status
    assert Signal.objects.count() == (way == "now")


def test_without_a_choice_nothing_is_stopped(stage, browser):
    answer = browser.post(mine(stage, "leave"), {}, follow=True)

    assert "Say what becomes of what is open" in text(answer)
    assert Subscription.objects.get(pk=stage.subscription.pk).status == "active"


def test_the_portfolio_says_the_style_and_which_limit_stopped_it(stage, browser):
    Subscription.objects.filter(pk=stage.subscription.pk).update(
        settings=dump(Advanced(stop_loss_pct=Decimal(5))), mode="advanced", status="paused", stopped_by="equity_stop"
    )

    page = text(browser.get("/portfolio/"))

    assert "Advanced Stop loss at 5%" in page
    assert "Your equity stop was reached." in page


@pytest.mark.parametrize("rest", ["close", "leave", "catch-up", "money"])
def test_nobody_reaches_anothers_subscription(stage, client_at, beta, rest):
    stage.holding("0.001", "60")
    body = {"what": "spot:BTCUSDT", "close": "now", "way": "add", "amount": "5"}
    for browser in (
        client_at("alpha.testserver", user=stage.cast.cleo()),
        client_at("beta.testserver", user=stage.cast.ben(at=beta)),
    ):
        assert browser.post(mine(stage, rest), body).status_code == 404
        assert browser.get(mine(stage, rest)).status_code == (405 if rest == "close" else 404)
    assert client_at("alpha.testserver").post(mine(stage, rest), body).status_code == 302
    assert browser.post(f"/portfolio/{10**30}/{rest}/", body).status_code == 404
    row = Subscription.objects.get(pk=stage.subscription.pk)
    assert (row.status, row.total_investment, Signal.objects.count()) == ("active", 1000, 0)


# Stop everything


def test_everything_is_stopped_and_copied_again_by_its_owner(stage, browser):
    held = Holding.objects.create(
        subscription_id=stage.subscription.pk, trader_id=stage.ada.pk, market="spot", symbol="BTCUSDT",
        qty=Decimal("0.01"),
        cost=Decimal(600), updated_at=clock.now(),
    )  # fmt: skip
    asked = text(browser.get("/portfolio/stop/"))
    assert "Northern Momentum" in asked and "BTC/USDT 0.01 for $600" in asked

    after = text(browser.post("/portfolio/stop/", {"close": "leave"}, follow=True))

    stage.subscription.refresh_from_db()
    assert (stage.subscription.status, stage.subscription.stopped_by) == ("paused", "halt")
    assert "Everything is stopped. What is open still closes with its lead." in after
    assert "You stopped everything. 1 pool waits until you copy again." in after
    assert Nudge.objects.filter(task="trading.close_user").exists() is False

    again = text(browser.post("/portfolio/copy-again/", follow=True))
    stage.subscription.refresh_from_db()
    held.refresh_from_db()
    assert (stage.subscription.status, stage.subscription.stopped_by, held.qty) == ("active", "", Decimal("0.01"))
    assert "1 pool is copied again, from the next trade on." in again
    assert "You stopped everything" not in again
    assert "Nothing was waiting" in text(browser.post("/portfolio/copy-again/", follow=True))


def test_stopping_everything_closes_what_is_open_where_that_was_said(
    stage, browser, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        said = text(browser.post("/portfolio/stop/", {"close": "now"}, follow=True))

    assert "Everything is stopped. What is open is being closed." in said
    [promise] = Nudge.objects.filter(task="trading.close_user")
    assert (promise.ids, promise.queue) == ({"user_id": str(stage.ben.pk)}, "critical")


def test_what_becomes_of_what_is_open_has_to_be_said(stage, browser):
    said = text(browser.post("/portfolio/stop/", {"close": "perhaps"}, follow=True))

    stage.subscription.refresh_from_db()
    assert stage.subscription.status == "active"
    assert "Say what becomes of what is open." in said


def test_who_copies_nothing_has_nothing_to_stop_and_stops_nobody(stage, cleo):
    assert "There is nothing to stop" in text(cleo.get("/portfolio/stop/"))
    cleo.post("/portfolio/stop/", {"close": "now"})
    cleo.post("/portfolio/copy-again/")

    stage.subscription.refresh_from_db()
    assert stage.subscription.status == "active"


# Shares of profit


def test_what_is_due_of_profits_is_on_the_portfolio_when_the_copying_is_over_too(stage, browser, cleo):
    assert "Shares of profit" not in text(browser.get("/portfolio/"))
    Pool.objects.update(fee_percentage=Decimal(20))
    for result in ("100", "130.55"):
        Subscription.objects.filter(pk=stage.subscription.pk).update(realised=Decimal(result))
        pools.settle_month()
    Subscription.objects.filter(pk=stage.subscription.pk).update(status="ended")

    said = text(browser.get("/portfolio/"))

    # 20 and 3 percent of 100, and of the 30.55 above it, each down to the cent: 23.00 and 6.11 + 0.91.
    assert "Due in all $30.02" in said
    assert "Northern Momentum the end of a month $130.55 $30.55 $7.02" in said
    assert "Northern Momentum the end of a month $100 $100 $23" in said
    assert "written down here and not collected yet" in said
    assert "Shares of profit" not in text(cleo.get("/portfolio/"))
