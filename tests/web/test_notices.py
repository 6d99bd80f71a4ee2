"""What the guard tells a follower stands on the portfolio and in the list of copies."""

from __future__ import annotations

from datetime import timedelta

from obscura.core import clock
from obscura.web.rows import drawn
from tests.trading.support import follow, lead
from trading import copies
from trading.models import Notice

HOST = "alpha.testserver"
WORDS = "The lead's account cannot be heard since 12:03 UTC; your stops still work."


def notice(subscription, **fields) -> Notice:
    told = {"code": "lead_silent", "words": WORDS, "at": clock.now(), **fields}
    return Notice.objects.create(
        subscription_id=subscription.pk, user_id=subscription.user_id, pool_id=subscription.pool_id, **told
    )


def test_it_stands_on_its_own_card_until_it_is_over_and_in_the_list_for_good(alpha, cast, client_at):
    pool, _ = lead(cast.ada())
    ben, _ = follow(pool, cast.ben()), follow(pool, cast.cleo())
    told = notice(ben)
    browser, others = client_at(HOST, user=cast.ben()), client_at(HOST, user=cast.cleo())
    shown = WORDS.replace("'", "&#x27;")

    assert shown in browser.get("/portfolio/").text
    assert shown in browser.get("/copies/").text
    assert shown not in browser.get("/copies/?show=not_copied").text
    assert shown not in others.get("/portfolio/").text + others.get("/copies/").text

    told.over_at = clock.now()
    told.save()
    assert shown not in browser.get("/portfolio/").text
    assert shown in browser.get("/copies/").text


def test_pages_of_copies_lead_through_notices_without_a_gap(alpha, cast):
    from trading import services as trading

    pool, _ = lead(cast.ada())
    ben = follow(pool, cast.ben())
    at = clock.now()
    for number in range(5):
        moment = at - timedelta(seconds=number // 2)  # two of one moment
        notice(ben, place=str(number), words=f"number {number}", at=moment, over_at=moment)

    found, before = [], None
    for _ in range(3):
        page = trading.copies_page(ben.user_id, before=before, limit=2)
        found += [row["reason"] for row in page.rows]
        before = page.older

    assert sorted(found) == [f"number {number}" for number in range(5)]
    assert before is None


def test_the_live_feed_draws_it_as_the_page_does():
    at = clock.now()
    row = copies.notice_row(id=7, user="ben", pool="tide", symbol="BTCUSDT", market="spot", at=at, words="Sold & told")

    text = drawn([row], {"tide": "Tide"})

    assert 'data-id="n7"' in text
    assert "BTC/USDT" in text
    assert "Sold &amp; told" in text
    assert "Not copied" not in text
