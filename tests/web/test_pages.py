"""The pages of signed-in people: what they show, what they refuse, and that nobody sees what is another's."""

import re
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from citadel.models import ExchangeAccount
from pools.models import Subscription
from tenants.scope import entered
from tests.web.stage import Stage
from trading.domain.order_state import Status

HTMX = {"HTTP_HX_REQUEST": "true"}


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def pages_of(stage):
    pool, account = stage.pool.pk, stage.account.pk
    return [
        "/pools/",
        f"/pools/{pool}/",
        f"/pools/{pool}/copy/",
        "/copies/",
        "/portfolio/",
        "/exchange-accounts/",
        "/exchange-accounts/new/",
        "/profile/",
        f"/exchange-accounts/{account}/limits/",
        f"/exchange-accounts/{account}/check/",
        f"/exchange-accounts/{account}/remove/",
        f"/portfolio/{stage.subscription.pk}/pause/",
    ]


def test_whoever_is_not_signed_in_is_sent_to_the_entrance(stage, client_at):
    nobody = client_at("alpha.testserver")

    for address in pages_of(stage)[:9]:
        answer = nobody.get(address)

        assert (answer.status_code, answer["Location"]) == (302, f"{reverse('account_login')}?next={address}")


def test_nobody_acts_without_signing_in(stage, client_at):
    for address in pages_of(stage)[9:]:
        assert client_at("alpha.testserver").post(address).status_code == 302

    assert Subscription.objects.get(pk=stage.subscription.pk).status == "active"
    assert ExchangeAccount.objects.get(pk=stage.account.pk).status == "active"


def test_every_page_is_drawn_within_the_content_policy(stage, browser):
    stage.order()
    stage.denial()

    for address in pages_of(stage)[:9]:
        answer = browser.get(address)

        assert answer.status_code == 200, address
        assert "style=" not in answer.content.decode()
        assert "<script>" not in answer.content.decode()
        assert "script-src 'self'" in answer["Content-Security-Policy"]


def test_the_first_page_is_the_landing_or_the_pools(stage, browser, client_at):
    assert "Copy a trader. Keep your keys." in text(client_at("alpha.testserver").get("/"))
    assert browser.get("/")["Location"] == "/pools/"


# -- brand, theme, errors -----------------------------------------------------------------------------------------


def test_a_tenants_pages_carry_its_name_and_its_colours(stage, browser):
    page = browser.get("/pools/").content.decode()
    address = re.search(r'href="(/brand\.css\?v=[0-9a-f]{8})"', page)[1]

    sheet = browser.get(address)

    assert "· Alpha</title>" in page
    assert sheet["Content-Type"] == "text/css; charset=utf-8"
    assert sheet["Cache-Control"] == "public, max-age=31536000, immutable"
    assert browser.get("/brand.css?v=00000000")["Cache-Control"] == "public, max-age=300"


def test_the_theme_comes_from_the_cookie_and_from_nothing_else(stage, browser):
    browser.cookies["theme"] = "dark"
    assert '<html lang="en" data-theme="dark">' in browser.get("/pools/").content.decode()

    browser.cookies["theme"] = '"><script>'
    assert '<html lang="en">' in browser.get("/pools/").content.decode()


def test_what_is_not_there_says_what_to_do(stage, browser):
    answer = browser.get("/nowhere/")

    assert answer.status_code == 404
    assert "Nothing is here" in text(answer)


def test_a_program_is_answered_in_its_own_language(stage, browser):
    answer = browser.get("/nowhere/", HTTP_ACCEPT="application/json")

    assert answer.json()["error"]["code"] == "not_found"


def test_a_form_of_another_page_is_refused(stage, client_at):
    strict = client_at("alpha.testserver", user=stage.ben, enforce_csrf_checks=True)

    answer = strict.post(f"/portfolio/{stage.subscription.pk}/stop/")

    assert answer.status_code == 403
    assert "This form has gone stale" in text(answer)
    assert Subscription.objects.get(pk=stage.subscription.pk).status == "active"


# -- isolation ----------------------------------------------------------------------------------------------------


def test_another_users_things_answer_like_what_is_not_there(stage, client_at):
    cleo = client_at("alpha.testserver", user=stage.cast.cleo())

    for address in pages_of(stage)[9:]:
        assert cleo.post(address).status_code == 404, address
    assert cleo.get(f"/pools/{stage.pool.pk}/copy/?change={stage.subscription.pk}").status_code == 404
    assert Subscription.objects.get(pk=stage.subscription.pk).status == "active"
    assert ExchangeAccount.objects.get(pk=stage.account.pk).status == "active"


def test_another_tenants_things_answer_like_what_is_not_there(stage, beta, client_at):
    elsewhere = client_at("beta.testserver", user=stage.cast.ben(at=beta))

    for address in pages_of(stage)[9:]:
        assert elsewhere.post(address).status_code == 404, address
    for address in pages_of(stage)[1:3]:
        assert elsewhere.get(address).status_code == 404, address
    assert "Northern Momentum" not in text(elsewhere.get("/pools/"))


def test_a_session_of_one_tenant_opens_nothing_at_another(stage, beta, browser):
    browser.defaults["SERVER_NAME"] = "beta.testserver"

    assert browser.get("/pools/").status_code == 302


def test_a_custom_pool_is_seen_by_its_owner_alone(stage, browser, client_at):
    own = stage.open_pool("Mine alone", stage.ada, kind="custom", owner=stage.ben)

    assert "Mine alone" in text(browser.get("/pools/"))
    cleo = client_at("alpha.testserver", user=stage.cast.cleo())
    assert "Mine alone" not in text(cleo.get("/pools/"))
    assert cleo.get(f"/pools/{own.pk}/").status_code == 404


# -- pools --------------------------------------------------------------------------------------------------------


def test_pools_are_found_by_name_lead_and_kind(stage, browser):
    stage.open_pool("Slow Carry", stage.trader("Kestrel"), kind="curated")

    assert "Slow Carry" in text(browser.get("/pools/?q=kestr"))
    assert "Northern" not in text(browser.get("/pools/?q=kestr"))
    assert "Northern" not in text(browser.get("/pools/?kind=curated"))
    assert "No pool fits these filters" in text(browser.get("/pools/?q=nothing"))


def test_htmx_gets_the_grid_alone_and_history_the_whole_page(stage, browser):
    part = browser.get("/pools/?q=north", **HTMX)
    whole = browser.get("/pools/?q=north", **HTMX, HTTP_HX_HISTORY_RESTORE_REQUEST="true")

    assert part.content.decode().strip().startswith('<div id="grid">')
    assert "<!doctype html>" in whole.content.decode()
    assert "HX-Request" in part["Vary"]


def test_what_is_not_known_of_a_pool_is_a_dash_and_never_a_figure(stage, browser):
    page = browser.get(f"/pools/{stage.pool.pk}/").content.decode()

    assert page.count('title="Not known yet: nobody has followed for thirty days"') == 1
    assert page.count('title="Not known yet: no day is over"') == 1
    assert "%" not in re.search(r'<dl class="panel strip.*?</dl>', page, re.DOTALL)[0].replace("100%", "")


def test_a_paused_pool_says_why_it_cannot_be_copied(stage, client_at):
    paused = stage.open_pool("Resting", stage.ada, status="paused")

    page = text(client_at("alpha.testserver", user=stage.cast.cleo()).get(f"/pools/{paused.pk}/"))

    assert "This pool is paused" in page
    assert "Copy this pool" not in page


# -- subscribing --------------------------------------------------------------------------------------------------


def terms(account, **changes):
    return {"investment": "500", "ready_to_lose": "100", "account": str(account.pk)} | changes


def test_cleo_copies_a_pool(stage, client_at):
    cleo = stage.cast.cleo()
    account = stage.paper_account(cleo)

    answer = client_at("alpha.testserver", user=cleo).post(
        f"/pools/{stage.pool.pk}/copy/", terms(account, daily_loss="20"), follow=True
    )

    made = Subscription.objects.get(user=cleo)
    assert (made.total_investment, made.max_loss, made.daily_loss_limit) == (Decimal(500), Decimal(100), Decimal(20))
    assert "You copy Northern Momentum" in text(answer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ready_to_lose": "501"}, "You cannot lose more than you invest: $500 is the most."),
        ({"investment": "50", "ready_to_lose": "10"}, "Invest at least $100"),
        ({"daily_loss": "101"}, "The daily limit cannot be above what you are ready to lose"),
        ({"investment": ""}, "This field is required"),
        ({"investment": "ten"}, "Enter a number"),
        ({"investment": "NaN"}, "Enter a number"),
        ({"ready_to_lose": "1.001"}, "2 decimal places"),
        ({"profit_target": "-5"}, "greater than or equal to 0.01"),
    ],
)
def test_amounts_that_do_not_go_together_are_said_beside_the_field(stage, client_at, changes, words):
    cleo = stage.cast.cleo()
    account = stage.paper_account(cleo)

    answer = client_at("alpha.testserver", user=cleo).post(f"/pools/{stage.pool.pk}/copy/", terms(account, **changes))

    assert answer.status_code == 422
    assert words in text(answer)
    assert not Subscription.objects.filter(user=cleo).exists()


def test_another_users_account_cannot_be_chosen(stage, client_at):
    cleo = stage.cast.cleo()
    stage.paper_account(cleo)

    answer = client_at("alpha.testserver", user=cleo).post(f"/pools/{stage.pool.pk}/copy/", terms(stage.account))

    assert answer.status_code == 422
    assert not Subscription.objects.filter(user=cleo).exists()


def test_a_refusal_of_the_whole_says_its_remedy(stage, browser):
    answer = browser.post(f"/pools/{stage.pool.pk}/copy/", terms(stage.account))

    assert answer.status_code == 422
    assert "This account copies this pool already. Change the amounts of the subscription" in text(answer)


def test_the_summary_follows_the_hand_and_saves_nothing(stage, client_at):
    cleo = stage.cast.cleo()
    account = stage.paper_account(cleo, label="Cleo on paper")
    browser = client_at("alpha.testserver", user=cleo)

    answer = browser.get(f"/pools/{stage.pool.pk}/copy/", terms(account, ready_to_lose="150"), **HTMX)

    assert answer.content.decode().strip().startswith('<section id="summary"')
    assert "You keep at least $350" in text(answer)
    assert "on Cleo on paper" in text(answer)
    assert not Subscription.objects.filter(user=cleo).exists()

    wrong = browser.get(f"/pools/{stage.pool.pk}/copy/", terms(account, ready_to_lose="900"), **HTMX)
    assert "These amounts do not fit together yet" in text(wrong)
    assert "$500 is the most" in text(wrong)


def test_without_an_account_the_way_to_one_is_shown(stage, client_at):
    page = text(client_at("alpha.testserver", user=stage.cast.cleo()).get(f"/pools/{stage.pool.pk}/copy/"))

    assert "An exchange account comes first" in page


def test_amounts_of_a_subscription_are_changed(stage, browser):
    address = f"/pools/{stage.pool.pk}/copy/?change={stage.subscription.pk}"
    assert 'value="1000.00"' in browser.get(address).content.decode()

    answer = browser.post(address, terms(stage.account, investment="800"), follow=True)

    assert Subscription.objects.get(pk=stage.subscription.pk).total_investment == Decimal(800)
    assert "The new terms hold from the next trade on." in text(answer)


@pytest.mark.parametrize(
    ("action", "status", "words"),
    [("pause", "paused", "is paused"), ("resume", "active", "is copied again"), ("stop", "closing", "is stopped")],
)
def test_a_subscription_is_paused_resumed_and_stopped(stage, browser, action, status, words):
    answer = browser.post(f"/portfolio/{stage.subscription.pk}/{action}/", follow=True)

    assert Subscription.objects.get(pk=stage.subscription.pk).status == status
    assert words in text(answer)


def test_what_is_stopped_cannot_be_resumed(stage, browser):
    browser.post(f"/portfolio/{stage.subscription.pk}/stop/")

    answer = browser.post(f"/portfolio/{stage.subscription.pk}/resume/", follow=True)

    assert Subscription.objects.get(pk=stage.subscription.pk).status == "closing"
    assert "The subscription is closing." in text(answer)


def test_actions_take_posts_and_known_words_alone(stage, browser):
    assert browser.get(f"/portfolio/{stage.subscription.pk}/stop/").status_code == 405
    assert browser.post(f"/portfolio/{stage.subscription.pk}/sell/").status_code == 404
    assert browser.post(f"/portfolio/{10**30}/stop/").status_code == 404


def test_the_portfolio_says_where_a_subscription_stands(stage, browser):
    stage.order()
    stage.denial()
    stage.holding("0.001", "60")
    Subscription.objects.filter(pk=stage.subscription.pk).update(exposure=60, reserved=5, realised=Decimal("-12.50"))

    page = text(browser.get("/portfolio/"))

    assert "$65 of $1,000" in page
    assert "$12.50 of $200 ready to lose" in page
    assert "1 copied, 1 not copied" in page.replace(" ,", ",")
    assert "BTC/USDT 0.001 for $60" in page


def test_a_portfolio_takes_as_many_questions_for_four_pools_as_for_one(stage, browser):
    browser.get("/portfolio/")
    with CaptureQueriesContext(connection) as one:
        browser.get("/portfolio/")
    for name in ("Two", "Three", "Four"):
        stage.follow(stage.ben, stage.account, stage.open_pool(name, stage.ada))

    with CaptureQueriesContext(connection) as four:
        assert "Four" in text(browser.get("/portfolio/"))

    assert len(four) == len(one)


# -- copies -------------------------------------------------------------------------------------------------------


def test_copies_list_what_was_and_what_was_not_copied_and_why(stage, browser):
    stage.order()
    stage.denial("below_min_notional", detail={"minimum": "5"})

    page = text(browser.get("/copies/"))

    assert "Copied" in page
    assert "Not copied Below the venue&#x27;s minimum of $5" in page
    assert "BTC/USDT Buy Northern Momentum" in page


def test_only_the_newest_page_of_all_is_live(stage, browser, noon):
    for second in range(51):
        stage.order(at=noon + timedelta(seconds=second))

    first = browser.get("/copies/").content.decode()
    older = re.search(r'href="(/copies/\?before=[^"]+)"', first)[1]
    second = browser.get(older).content.decode()

    assert 'hx-ws:connect="/ws/live/?topic=copies"' in first
    assert first.count("<tr data-id=") == 50
    assert second.count("<tr data-id=") == 1
    assert "hx-ws:connect" not in second
    assert "hx-ws:connect" not in browser.get("/copies/?show=copied").content.decode()


def test_a_page_of_copies_that_does_not_exist_is_said_so(stage, browser):
    assert browser.get("/copies/?before=nonsense").status_code == 400


def test_the_page_knows_the_newest_position_it_shows(stage, browser, noon):
    stage.order(at=noon, status=Status.SENDING)
    stage.denial(at=noon - timedelta(seconds=9))

    assert f'id="copies" data-cursor="{int(noon.timestamp()) * 1_000_000}"' in browser.get("/copies/").content.decode()


# -- the reader ---------------------------------------------------------------------------------------------------


def test_a_name_is_changed(stage, browser):
    answer = browser.post("/profile/", {"name": "Benjamin"}, follow=True)

    assert "Saved." in text(answer)
    assert stage.cast.ben().name == "Benjamin"
    assert browser.post("/profile/", {"name": "x" * 81}).status_code == 422


def test_a_stage_can_stand_at_two_tenants_at_once(stage, beta, cast, browser):
    with entered(beta):
        Stage(cast)

    assert browser.get(f"/pools/{uuid4()}/").status_code == 404
    assert "1 pool " in text(browser.get("/pools/"))
