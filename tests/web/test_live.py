"""The live feed: what was missed comes first, then what is new; never another's, never lost, at worst twice."""

import asyncio
import contextlib
import re
from datetime import timedelta

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from obscura.asgi import application
from obscura.core import clock, redis_clients
from obscura.web import hub as hubs
from obscura.web import live
from tenants import feed
from tenants.scope import entered
from tests.web.sockets import Socket
from tests.web.stage import Stage
from trading import services as trading
from trading.domain.order_state import Status
from trading.models import Denial

HOST = "alpha.testserver"
pytestmark = pytest.mark.usefixtures("redis_db")


@contextlib.asynccontextmanager
async def socket(browser, *, topic="copies", after=0, host=HOST, **headers):
    """A page's socket with the cookies of a browser."""
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    sent = [(b"host", host.encode()), (b"cookie", cookies.encode()), (b"origin", f"http://{host}".encode())]
    sent = [(name, value) for name, value in sent if name.decode() not in headers]
    sent += [(name.encode(), value.encode()) for name, value in headers.items() if value]
    one = Socket(application, f"/ws/live/?topic={topic}&after={after}", sent)
    try:
        yield one
    finally:
        await one.close()


async def connected(one):
    assert (await one.open())["type"] == "websocket.accept"


async def rows(one):
    """The (id, outcome) pairs of the next message, as they stand in the table."""
    message = orjson.loads(await one.text())
    assert (message["target"], message["swap"]) == ("#copies", "afterbegin")
    found = re.findall(r'<tr data-id="([^"]+)".*?<span class="text-[a-z]+">([^<]+)</span>', message["content"], re.S)
    return found


async def closed(one):
    await one.open()
    message = await one.next()
    assert message["type"] == "websocket.close"
    return message["code"]


async def listening():
    """Until the hub of this loop hears what is published."""
    async with asyncio.timeout(5):
        await hubs.hub().hears.wait()


async def publish(*published, schema="t_alpha"):
    await sync_to_async(feed.publish)(schema, list(published))


def row_of(one):
    wanted = f"{'d' if isinstance(one, Denial) else 'o'}{one.pk}"
    (row,) = [row for row in trading.copies_of(one.user_id, limit=500) if row["id"] == wanted]
    return row


async def test_what_was_missed_comes_first_and_what_is_new_after_it(stage, browser, noon):
    make, read = sync_to_async(stage.order), sync_to_async(row_of)
    await make(at=noon - timedelta(minutes=5))
    missed = await make(at=noon + timedelta(seconds=1))

    async with socket(browser, after=int(noon.timestamp() * 1_000_000)) as one:
        await connected(one)
        assert await rows(one) == [(f"o{missed.pk}", "Copied")]

        await listening()
        denied = await sync_to_async(stage.denial)(at=noon + timedelta(seconds=2))
        await publish(await read(denied))
        assert await rows(one) == [(f"d{denied.pk}", "Not copied")]


async def test_a_row_is_told_again_when_it_changes_and_not_when_it_does_not(stage, browser, noon):
    order = await sync_to_async(stage.order)(status=Status.UNSURE, at=noon)
    row = await sync_to_async(row_of)(order)

    async with socket(browser) as one:
        await connected(one)
        assert await rows(one) == [(f"o{order.pk}", "Checking with the venue")]
        await listening()
        await publish(row)
        await publish(row | {"outcome": "copied", "cursor": row["cursor"] + 1})
        assert await rows(one) == [(f"o{order.pk}", "Copied")]


async def test_an_older_state_that_comes_late_is_dropped(stage, browser, noon):
    order = await sync_to_async(stage.order)(at=noon)
    row = await sync_to_async(row_of)(order)

    async with socket(browser) as one:
        await connected(one)
        assert await rows(one) == [(f"o{order.pk}", "Copied")]
        await listening()
        first = await sync_to_async(stage.denial)(at=noon)
        await publish(await sync_to_async(row_of)(first))
        assert await rows(one) == [(f"d{first.pk}", "Not copied")]

        await publish(row | {"outcome": "working", "cursor": row["cursor"] - 1})
        last = await sync_to_async(stage.denial)(at=noon + timedelta(seconds=1))
        await publish(await sync_to_async(row_of)(last))
        assert await rows(one) == [(f"d{last.pk}", "Not copied")]


async def test_nobody_hears_of_others(stage, beta, browser, cast, noon):
    cleo = await sync_to_async(cast.cleo)()
    account = await sync_to_async(stage.paper_account)(cleo)
    hers = await sync_to_async(stage.order)(of=await sync_to_async(stage.follow)(cleo, account), at=noon)
    foreign = await sync_to_async(_order_at)(beta, cast)

    async with socket(browser) as one:
        await connected(one)
        await listening()
        await publish(await sync_to_async(row_of)(hers))
        # A row of Beta under the id of a user of Alpha's: channel and user decide together.
        await publish(foreign | {"user": str(stage.ben.pk)}, schema="t_beta")
        mine = await sync_to_async(stage.order)(at=noon)
        await publish(await sync_to_async(row_of)(mine))
        assert await rows(one) == [(f"o{mine.pk}", "Copied")]
        with pytest.raises(TimeoutError):
            await one.next(within=0.2)


def _order_at(tenant, cast):
    with entered(tenant):
        return row_of(Stage(cast).order())


async def test_a_pools_socket_hears_of_that_pool_alone(stage, browser, noon):
    other = await sync_to_async(stage.open_pool)("Slow Carry", stage.ada)
    elsewhere = await sync_to_async(stage.follow)(stage.ben, stage.account, other)
    await sync_to_async(stage.order)(of=elsewhere, at=noon)

    async with socket(browser, topic=f"copies:{stage.pool.pk}") as one:
        await connected(one)
        await listening()
        await publish(await sync_to_async(row_of)(await sync_to_async(stage.order)(of=elsewhere, at=noon)))
        here = await sync_to_async(stage.order)(at=noon)
        await publish(await sync_to_async(row_of)(here))
        assert await rows(one) == [(f"o{here.pk}", "Copied")]


async def test_who_is_not_signed_in_is_sent_away(stage, client_at):
    async with socket(client_at(HOST)) as one:
        assert await closed(one) == live.NOT_SIGNED_IN


@pytest.mark.parametrize("shut", ["signed out", "shut out", "new password"])
async def test_who_is_no_longer_signed_in_hears_no_more(stage, browser, noon, monkeypatch, shut):
    async with socket(browser, after=int(noon.timestamp()) * 1_000_000) as one:
        await connected(one)
        await listening()
        await sync_to_async(_end)(stage.ben, browser, shut)
        monkeypatch.setattr(live, "ASK_AGAIN_S", 0)
        denied = await sync_to_async(stage.denial)(at=noon)
        await publish(await sync_to_async(row_of)(denied))
        assert await one.next() == {"type": "websocket.close", "code": live.NOT_SIGNED_IN}


def _end(ben, browser, shut):
    if shut == "signed out":
        browser.session.flush()
    elif shut == "shut out":
        type(ben).objects.filter(pk=ben.pk).update(is_active=False)
    else:
        ben.set_password("another long phrase")
        ben.save()


async def test_a_session_of_another_tenant_is_nobodys(stage, beta, cast, client_at):
    await sync_to_async(cast.ben)(at=beta)

    async with socket(await sync_to_async(client_at)(HOST, user=stage.ben), host="beta.testserver") as one:
        assert await closed(one) == live.NOT_SIGNED_IN


@pytest.mark.parametrize("topic", ["", "prices", "copies:", "copies:1", "copies:%27"])
async def test_a_topic_that_does_not_exist_is_closed(browser, topic):
    async with socket(browser, topic=topic) as one:
        assert await closed(one) == live.NO_SUCH_TOPIC


async def test_a_page_of_another_origin_gets_no_socket(browser):
    async with socket(browser, origin="http://evil.example") as one:
        assert await one.open() == {"type": "websocket.close", "code": 4403}


@pytest.mark.parametrize("after", ["-1", "x", "9" * 40, "%00", "١٢"])
async def test_a_cursor_that_is_none_gives_everything(stage, browser, noon, after):
    order = await sync_to_async(stage.order)(at=noon)

    async with socket(browser, after=after) as one:
        await connected(one)
        assert await rows(one) == [(f"o{order.pk}", "Copied")]


async def test_many_changes_become_few_messages(stage, browser):
    order = await sync_to_async(stage.order)(status=Status.WORKING)
    row = await sync_to_async(row_of)(order)

    async with socket(browser, after=row["cursor"]) as one:
        await connected(one)
        await rows(one)
        await listening()
        for number in range(1, 200):
            await publish(row | {"cursor": row["cursor"] + number, "lag_ms": number})
        messages = []
        while not messages or "199 ms" not in messages[-1]:
            messages.append(await one.text())

    assert len(messages) < 40


async def test_who_does_not_keep_up_is_told_to_come_back(stage, browser, monkeypatch):
    monkeypatch.setattr(hubs, "MOST_WAITING", 3)
    row = await sync_to_async(row_of)(await sync_to_async(stage.denial)())

    async with socket(browser, after=row["cursor"]) as one:
        await connected(one)
        await rows(one)
        await listening()
        await publish(*(row | {"id": f"d{number}"} for number in range(900, 910)))
        while (message := await one.next())["type"] != "websocket.close":
            assert message["type"] == "websocket.send"

    assert message["code"] == live.COME_BACK


async def test_when_the_broker_comes_back_what_passed_meanwhile_is_read_from_the_tables(stage, browser, noon):
    async with socket(browser) as one:
        await connected(one)
        await listening()
        await sync_to_async(_cut_subscribers)()
        unheard = await sync_to_async(stage.denial)(at=noon)
        assert await rows(one) == [(f"d{unheard.pk}", "Not copied")]


def _cut_subscribers():
    client = redis_clients.sync()
    for entry in client.client_list(_type="pubsub"):
        if int(entry["psub"]) and int(entry["db"]) == settings.REDIS_DATABASE:
            client.client_kill_filter(_id=entry["id"])


async def test_nothing_is_lost_while_sockets_come_and_go(stage, browser):
    """Denials are written and told one by one; a page drops its socket again and again and comes back by cursor."""
    start = clock.now()
    wanted, seen, cursor = set(), set(), int(start.timestamp() * 1_000_000)

    def one_more(number):
        made = stage.denial(at=start + timedelta(milliseconds=number * 20))
        wanted.add(f"d{made.pk}")
        return row_of(made)

    async def market():
        for number in range(60):
            await publish(await sync_to_async(one_more)(number))
            await asyncio.sleep(0.01)

    async def page():
        nonlocal cursor
        while not (writing.done() and wanted == seen):
            async with socket(browser, after=cursor) as one:
                await connected(one)
                for _ in range(2):
                    with contextlib.suppress(TimeoutError):
                        content = orjson.loads(await one.text(within=1))["content"]
                        seen.update(re.findall(r'data-id="([^"]+)"', content))
                        cursor = max([cursor, *map(int, re.findall(r'data-cursor="(\d+)"', content))])

    writing = asyncio.create_task(market())
    async with asyncio.timeout(60):
        await page()

    assert len(wanted) == 60
    assert seen == wanted
