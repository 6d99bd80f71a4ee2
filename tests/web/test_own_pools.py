"""A person's own pools: who may lead in them, how they are made and closed, and that nobody else sees them."""

import re
from decimal import Decimal
from uuid import uuid4

import pytest

from obscura.web.own_pool_form import FOLLOWS, NO_LEAD, NO_ONE, NO_WEIGHT, NOT_OFFERED, TWICE
from pools.models import Pool, PoolTrader, Subscription, Trader
from tenants.scope import entered
from tests.web.stage import Stage

NEW = "/pools/new/"
OWN_FAULTS = [
    ({"name": ""}, "This field is required"),
    ({"name": "x" * 81}, "at most 80 characters"),
    ({"name": "two\tparts"}, "A name has 1 to 80 printable characters."),
    ({"sentence": "x" * 201}, "at most 200 characters"),
    ({"risk": "none"}, "Select a valid choice"),
    ({"lead_1": ""}, NO_LEAD),
    ({"lead_1": "trader:1"}, NOT_OFFERED),
    ({"weight_1": ""}, NO_WEIGHT),
    ({"weight_1": "0"}, NO_WEIGHT),
    ({"weight_1": "101"}, "less than or equal to 100"),
    ({"weight_1": "-1"}, "greater than or equal to 0"),
    ({"weight_1": "12.5"}, "Enter a whole number"),
    ({"weight_1": "NaN"}, "Enter a whole number"),
    ({"weight_2": "50"}, NO_ONE),
]


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


@pytest.fixture
def lead(stage):
    """Ada trades on an account that is watched, in Northern Momentum, for 12% of profit."""
    account = stage.paper_account(stage.cast.ada(), label="Ada trades")
    Trader.objects.filter(pk=stage.ada.pk).update(account=account, user=account.owner)
    Pool.objects.filter(pk=stage.pool.pk).update(fee_percentage=12)
    return f"trader:{stage.ada.pk}"


@pytest.fixture
def cleo(stage):
    return stage.cast.cleo()


@pytest.fixture
def desk(cleo, client_at):
    """Cleo's browser at Alpha."""
    return client_at("alpha.testserver", user=cleo)


def asked(lead, **changes):
    return {"name": "Half of Ada", "risk": "low", "lead_1": lead, "weight_1": "50"} | changes


def own(user):
    return Pool.objects.filter(kind="custom", owner=user)


# -- making one ---------------------------------------------------------------------------------------------------


def test_a_pool_of_a_trader_everybody_may_copy(stage, lead, cleo, desk):
    answer = desk.post(NEW, asked(lead, sentence="Ada at half size."), follow=True)

    made = own(cleo).get()
    assert answer.redirect_chain == [(f"/pools/{made.pk}/", 302)]
    assert "Half of Ada is yours, and open." in text(answer)
    assert (made.status, made.risk_class, made.description) == ("active", "low", "Ada at half size.")
    assert made.fee_percentage == 12, "as much as in the lead's own pool"
    assert list(made.places.values_list("trader_id", "weight")) == [(stage.ada.pk, Decimal("0.5"))]


def test_an_account_of_ones_own_becomes_a_lead(stage, cleo, desk):
    account = stage.paper_account(cleo, label="My desk")
    assert "Copy my own trading from My desk (paper)" in text(desk.get(NEW))

    desk.post(NEW, asked(f"account:{account.pk}", weight_1="100"))

    trader = Trader.objects.get(account=account)
    made = own(cleo).get()
    assert (trader.name, trader.user_id) == ("My desk", cleo.pk)
    assert (made.fee_percentage, made.places.get().weight) == (0, 1)
    assert f'value="trader:{trader.pk}"' in desk.get(NEW).content.decode(), "and may lead in further pools"


def test_several_leads_have_a_weight_each(stage, lead, cleo, desk):
    account = stage.paper_account(cleo, label="My desk")

    desk.post(NEW, asked(lead, lead_3=f"account:{account.pk}", weight_3="20"))

    weights = dict(own(cleo).get().places.values_list("trader__name", "weight"))
    assert weights == {"Ada": Decimal("0.5"), "My desk": Decimal("0.2")}


def test_a_lead_of_two_pools_asks_for_the_lesser_share(stage, lead, cleo, desk):
    stage.open_pool("Cheaper", stage.ada, fee_percentage=5)

    desk.post(NEW, asked(lead))

    assert own(cleo).get().fee_percentage == 5


def test_an_account_that_leads_is_not_offered_for_copying(stage, cleo, desk):
    account = stage.paper_account(cleo, label="My desk")
    desk.post(NEW, asked(f"account:{account.pk}"))
    address = f"/pools/{own(cleo).get().pk}/copy/"

    assert "An account that leads cannot copy" in text(desk.get(address))
    stage.paper_account(cleo, label="Another")
    page = desk.get(address).content.decode()
    assert ("Another (paper)" in page, "My desk (paper)" in page) == (True, False)


def test_everything_on_the_page_is_within_the_content_policy(stage, lead, desk):
    page = desk.get(NEW)

    assert page.status_code == 200
    assert "style=" not in page.content.decode()
    assert "<script>" not in page.content.decode()


def test_the_way_to_a_new_pool_begins_at_the_pools(stage, desk):
    assert f'href="{NEW}"' in desk.get("/pools/").content.decode()


# -- what cannot be made ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "words"), OWN_FAULTS)
def test_what_is_wrong_is_said_beside_its_field(lead, cleo, desk, changes, words):
    answer = desk.post(NEW, asked(lead, **changes))

    assert answer.status_code == 422
    assert words in text(answer)
    assert not own(cleo).exists()


def test_a_lead_has_one_row(stage, lead, cleo, desk):
    answer = desk.post(NEW, asked(lead, lead_2=lead, weight_2="10"))

    assert (answer.status_code, own(cleo).count()) == (422, 0)
    assert TWICE in text(answer)


def test_an_account_that_follows_is_shown_and_cannot_lead(stage, browser):
    page = browser.get(NEW)
    assert "Paper one follows a pool. Stop that copy first" in text(page)

    answer = browser.post(NEW, asked(f"account:{stage.account.pk}"))

    assert "There is no lead to choose yet" in text(page)
    assert answer.status_code == 422
    assert not Trader.objects.filter(account=stage.account).exists()


def test_an_account_that_follows_is_refused_beside_its_row(stage, lead, browser):
    page = browser.get(NEW).content.decode()
    assert re.search(rf'<option value="account:{stage.account.pk}" disabled>', page)

    answer = browser.post(NEW, asked(f"account:{stage.account.pk}"))

    assert answer.status_code == 422
    assert FOLLOWS.format("Paper one") in text(answer)


def test_leads_that_are_seen_elsewhere_or_send_signals_are_said_to_be_out(stage, desk):
    stage.open_pool("Curated abroad", kind="curated", remote=True)

    page = text(desk.get(NEW))

    assert "Leads of curated pools: not here" in page
    assert "Leads that send signals: not here" in page


@pytest.mark.parametrize("fields", [{"status": "paused"}, {"kind": "custom"}, {"remote": True, "kind": "curated"}])
def test_a_lead_is_offered_by_open_pools_of_everybody_alone(stage, lead, cleo, desk, fields):
    if fields.get("kind") == "custom":
        fields = fields | {"owner": stage.ben}
    Pool.objects.filter(pk=stage.pool.pk).update(**fields)

    answer = desk.post(NEW, asked(lead))

    assert (answer.status_code, own(cleo).count()) == (422, 0)


@pytest.mark.parametrize("changes", [{"status": "pending"}, {"status": "revoked"}, {"exchange": "okx"}])
def test_an_account_that_is_not_watched_cannot_lead(stage, lead, cleo, desk, changes):
    account = stage.paper_account(cleo, label="My desk", **changes)

    answer = desk.post(NEW, asked(f"account:{account.pk}"))

    assert answer.status_code == 422
    assert NOT_OFFERED in text(answer)


def test_there_is_a_most_of_own_pools(stage, lead, cleo, desk):
    for number in range(20):
        stage.open_pool(f"Mine {number}", kind="custom", owner=cleo)

    answer = desk.post(NEW, asked(lead))

    assert answer.status_code == 422
    assert "There are twenty pools of yours already, and more there cannot be. Close a pool" in text(answer)
    assert own(cleo).count() == 20


# -- nobody else's ------------------------------------------------------------------------------------------------


def test_whoever_is_not_signed_in_makes_nothing(stage, lead, client_at):
    nobody = client_at("alpha.testserver")

    assert nobody.get(NEW).status_code == 302
    assert nobody.post(NEW, asked(lead)).status_code == 302
    assert not Pool.objects.filter(kind="custom").exists()


def test_another_users_account_and_trader_are_like_none(stage, lead, cleo, desk):
    spare = stage.paper_account(stage.ben, label="Ben's spare")
    hidden = Trader.objects.create(name="Hidden", account=spare, created_at=stage.pool.created_at)
    fresh = stage.paper_account(stage.ben, label="Ben's fresh")

    for key in (f"account:{fresh.pk}", f"account:{spare.pk}", f"trader:{hidden.pk}", f"trader:{uuid4()}"):
        answer = desk.post(NEW, asked(lead, lead_2=key, weight_2="10"))

        assert answer.status_code == 422, key
        assert NOT_OFFERED in text(answer)
    assert not own(cleo).exists()
    assert "Ben&#x27;s" not in desk.get(NEW).content.decode()


def test_another_tenants_traders_and_accounts_are_like_none(stage, beta, cast, desk, cleo):
    with entered(beta):
        there = Stage(cast)
        spare = there.paper_account(cast.cleo(), label="Cleo at Beta")
        Trader.objects.filter(pk=there.ada.pk).update(account=there.paper_account(cast.ada(), label="Ada"))
    stage.paper_account(cleo, label="My desk")

    for key in (f"trader:{there.ada.pk}", f"account:{spare.pk}"):
        answer = desk.post(NEW, asked(key))

        assert (answer.status_code, own(cleo).count()) == (422, 0)
    assert "Cleo at Beta" not in text(desk.get(NEW))


@pytest.mark.parametrize("action", ["pause", "resume", "close"])
def test_nobody_else_sees_or_moves_an_own_pool(stage, lead, cleo, desk, browser, beta, client_at, action):
    desk.post(NEW, asked(lead))
    made = own(cleo).get()
    elsewhere = client_at("beta.testserver", user=stage.cast.cleo(at=beta))

    for other in (browser, elsewhere):
        assert other.get(f"/pools/{made.pk}/").status_code == 404
        assert other.get(f"/pools/{made.pk}/copy/").status_code == 404
        assert other.post(f"/pools/{made.pk}/{action}/").status_code == 404
        assert "Half of Ada" not in text(other.get("/pools/"))
    assert own(cleo).get().status == "active"


@pytest.mark.parametrize("action", ["pause", "resume", "close"])
def test_a_pool_of_everybody_is_moved_by_nobody_here(stage, desk, action):
    assert desk.post(f"/pools/{stage.pool.pk}/{action}/").status_code == 404
    assert "Pause pool" not in text(desk.get(f"/pools/{stage.pool.pk}/"))
    assert Pool.objects.get(pk=stage.pool.pk).status == "active"


# -- its life -----------------------------------------------------------------------------------------------------


def test_an_own_pool_is_paused_resumed_and_closed(stage, lead, cleo, desk):
    desk.post(NEW, asked(lead))
    made = own(cleo).get()
    subscription = stage.follow(cleo, stage.paper_account(cleo), made)
    page = f"/pools/{made.pk}/"

    assert "Half of Ada is paused." in text(desk.post(f"{page}pause/", follow=True))
    assert "Resume pool" in text(desk.get(page))
    assert "Half of Ada is open again." in text(desk.post(f"{page}resume/", follow=True))
    assert "Half of Ada is closed." in text(desk.post(f"{page}close/", follow=True))

    assert Subscription.objects.get(pk=subscription.pk).status == "closing"
    assert "Resume pool" not in text(desk.get(page))
    assert "The pool is closed." in text(desk.post(f"{page}resume/", follow=True))
    assert PoolTrader.objects.filter(pool=made).count() == 1, "what is open still closes with the lead"


def test_a_closed_pool_leaves_the_list_when_nothing_is_copied_in_it(stage, lead, cleo, desk):
    desk.post(NEW, asked(lead))
    desk.post(f"/pools/{own(cleo).get().pk}/close/")

    desk.get("/pools/")  # reads what was said of it

    assert "0 pools" in text(desk.get("/pools/?kind=custom"))


def test_actions_take_posts_and_known_words_alone(stage, lead, cleo, desk):
    desk.post(NEW, asked(lead))
    made = own(cleo).get()

    assert desk.get(f"/pools/{made.pk}/close/").status_code == 405
    assert desk.post(f"/pools/{made.pk}/sell/").status_code == 404
    assert desk.delete(f"/pools/{made.pk}/change/").status_code == 405


def test_the_words_of_an_own_pool_are_changed_and_its_leads_stay(stage, lead, cleo, desk):
    desk.post(NEW, asked(lead, sentence="Ada at half size."))
    address = f"/pools/{own(cleo).get().pk}/change/"
    assert 'value="Ada at half size."' in desk.get(address).content.decode()

    answer = desk.post(address, {"name": "Quiet half", "sentence": "", "risk": "medium"}, follow=True)

    made = own(cleo).get()
    assert "Saved." in text(answer)
    assert (made.name, made.description, made.risk_class) == ("Quiet half", "", "medium")
    assert made.places.get().weight == Decimal("0.5")
    wrong = desk.post(address, {"name": "two\tparts", "sentence": "x" * 201, "risk": "none"})
    assert wrong.status_code == 422
    assert "Quiet half" in text(wrong)


def test_nobody_changes_the_words_of_what_is_not_his(stage, lead, cleo, desk, browser):
    desk.post(NEW, asked(lead))
    made = own(cleo).get()

    for other, pool in ((browser, made), (desk, stage.pool)):
        assert other.get(f"/pools/{pool.pk}/change/").status_code == 404
        assert other.post(f"/pools/{pool.pk}/change/", {"name": "Taken", "risk": "low"}).status_code == 404
    desk.post(f"/pools/{made.pk}/close/")
    assert desk.get(f"/pools/{made.pk}/change/").status_code == 404
    assert not Pool.objects.filter(name="Taken").exists()


# -- an account stops leading -------------------------------------------------------------------------------------


def test_an_account_stops_leading_when_its_pools_are_closed_and_copied_by_nobody(stage, cleo, desk):
    account = stage.paper_account(cleo, label="My desk")
    desk.post(NEW, asked(f"account:{account.pk}"))
    made = own(cleo).get()
    subscription = stage.follow(cleo, stage.paper_account(cleo, label="Copies"), made)
    address = f"/exchange-accounts/{account.pk}/release/"
    assert "leads, and therefore copies nothing" in text(desk.get("/exchange-accounts/"))

    assert "leads in Half of Ada. Close what it leads first." in text(desk.post(address, follow=True))
    desk.post(f"/pools/{made.pk}/close/")
    assert "Copies of this account are still open." in text(desk.post(address, follow=True))
    Subscription.objects.filter(pk=subscription.pk).update(status="ended")
    assert "My desk leads no more." in text(desk.post(address, follow=True))

    assert not Trader.objects.filter(account=account).exists()
    assert "Copy my own trading from My desk (paper)" in text(desk.get(NEW))


def test_an_account_that_leads_is_not_removed(stage, cleo, desk):
    account = stage.paper_account(cleo, label="My desk")
    desk.post(NEW, asked(f"account:{account.pk}"))

    answer = desk.post(f"/exchange-accounts/{account.pk}/remove/", follow=True)

    assert "A trader leads on My desk. Let it stop leading first." in text(answer)


def test_what_others_lead_with_is_released_by_nobody_else(stage, lead, desk, client_at):
    account = Trader.objects.get(pk=stage.ada.pk).account
    address = f"/exchange-accounts/{account.pk}/release/"

    assert desk.post(address).status_code == 404
    assert client_at("alpha.testserver").post(address).status_code == 302
    mine = client_at("alpha.testserver", user=account.owner).post(address, follow=True)
    assert "This account leads in Northern Momentum" not in text(mine)
    assert "Ask the people who run this service" in text(mine)
    assert Trader.objects.get(pk=stage.ada.pk).account == account
