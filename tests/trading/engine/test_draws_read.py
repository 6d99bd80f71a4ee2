"""Draws as followers and partners read them, and as anybody checks them without us."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from obscura.core import clock
from pools import services as pools
from pools.models import Pool
from tenants import services as tenants
from tenants.scope import entered
from tests.api.conftest import Desk
from tests.support.processes import ROOT
from trading.conductor.plan import plan
from trading.domain.priorities import CRITICAL, LOW
from trading.draws import commit, draws_of
from trading.models import DrawChain


@pytest.fixture
def desk(stand) -> Desk:
    key, _ = tenants.mint_api_key(
        tenant_id=stand.tenant.pk, label="desk", environment="test", scopes=("pool:read",), actor="test"
    )
    return Desk("alpha.testserver", key)


def checked(told: dict) -> tuple[int, str]:
    """The verdict of the verifier, which is given nothing but the answer."""
    command = [sys.executable, "-m", "trading.domain.draw"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(told), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def test_what_the_api_tells_can_be_checked_without_us(stand, desk):
    followers = [stand.follower(f"f{n}") for n in range(60)]
    stand.signal("buy")
    before = desk.get(f"/v2/pools/{stand.pool.id}/draws").json()
    assert before["results"] == []
    stand.plan()

    path = f"/v2/pools/{stand.pool.id}/draws?subscription_id=sub_{followers[41].pk}"
    body = desk.get(path).json()

    [told] = body["results"]
    assert (told["number"], told["index"], told["followers"], told["rank"]) == (1, 1, 60, 41)
    assert [one["first"] for one in body["commitments"]] == [1, 1025]
    assert before["commitments"][0]["commitment"] == told["commitment"]
    assert checked(told) == (0, "The draw is as it was committed to.")
    assert checked(told | {"place": told["place"] % 60 + 1})[0] == 1
    assert checked(told | {"seed": "00" * 32})[0] == 1


def test_a_draw_is_shown_without_a_place_to_who_did_not_follow(stand, desk):
    stand.follower("ben")
    stand.signal("buy")
    stand.plan()

    [told] = desk.get(f"/v2/pools/{stand.pool.id}/draws?subscription_id=sub_999").json()["results"]

    assert (told["rank"], told["place"]) == (None, None)
    assert checked(told)[0] == 0


def test_a_seed_is_shown_when_all_before_it_are_used_up(stand):
    stand.follower("ben")
    stand.signal("buy", priority=LOW)
    stand.signal("buy", symbol="ETHUSDT", price="3000", priority=CRITICAL)
    plan(tenant=stand.tenant, pool_id=stand.pool.id, most=1)

    [second] = draws_of(stand.pool.id).drawn
    assert (second.seq, second.seed) == (2, None)

    stand.plan()
    assert all(one.seed for one in draws_of(stand.pool.id).drawn)


def test_draws_are_read_page_by_page(stand, desk):
    stand.follower("ben")
    for _ in range(3):
        stand.signal("buy")
    stand.plan()
    path = f"/v2/pools/{stand.pool.id}/draws?limit=2"

    first = desk.get(path).json()
    second = desk.get(f"{path}&before={first['before']}").json()

    assert [one["number"] for one in first["results"] + second["results"]] == [3, 2, 1]
    assert (first["before"], second["before"]) == (2, None)
    assert desk.get(f"{path}&before=-1").json()["error"]["code"] == "draws_invalid"


def test_others_pools_are_not_there(stand, desk):
    own = Pool.objects.create(
        kind="custom", name="Ben's", status="active", owner=stand.people.ben(), created_at=clock.now()
    )
    beta = tenants.tenant_by_schema("t_beta")
    with entered(beta):
        foreign = Pool.objects.create(kind="partner", name="Elsewhere", status="active", created_at=clock.now())

    for pool in (own, foreign):
        answer = desk.get(f"/v2/pools/{pool.pk}/draws")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "pool_unknown")


def test_each_follower_reads_his_own_place(stand, client_at):
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    signal = stand.signal("buy")
    stand.plan()
    signal.refresh_from_db()
    place = {one: f"{stand.order(one, signal).place} of 2" for one in (ben, cleo)}
    browser = client_at("alpha.testserver", user=ben.user)

    text = browser.get(f"/pools/{stand.pool.id}/draws/").text

    assert place[ben] in text and place[cleo] not in text
    assert bytes(signal.seed).hex() in text
    assert bytes(DrawChain.objects.get(number=0).anchor).hex() in text
    assert f"/pools/{stand.pool.id}/draws/" in browser.get(f"/pools/{stand.pool.id}/").text


def test_a_pool_that_is_activated_has_committed_before_its_first_trade(stand):
    made = pools.create_pool(kind="partner", name="Kestrel", actor="test")
    assert not DrawChain.objects.filter(pool_id=made.id).exists()

    pools.activate_pool(pool_id=made.id, actor="test")

    published = DrawChain.objects.get(pool_id=made.id, number=0)
    assert commit(made.id)[0].anchor == bytes(published.anchor).hex()
    assert DrawChain.objects.filter(pool_id=made.id).count() == 2
