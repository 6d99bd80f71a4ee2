"""The signer's own record: what it did is in it, in a chain that a restart goes on with, and what is gone is told."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import pytest

from citadel.client import SignerRefused
from citadel.domain.trail import GENESIS, Told, fits
from citadel.signer.trail import MOST_NAMED, MOVES, Trail, named
from tests.citadel.conftest import CROWD
from tests.citadel.support import BEN, CLEO, TENANT, Exchange, Vault, now_ms, order_chunk, seal, sealed_mandate, until
from tests.citadel.test_signer import Raw, send_message


def told(vault: Vault, *, after: int = 0) -> list[Told]:
    """The signer's record, checked: nothing is missing and everything follows."""
    client = vault.client()
    answer = client.audit(after=after)
    entries: list[Told] = []
    while answer["entries"]:
        entries += [Told(*one) for one in answer["entries"]]
        answer = client.audit(after=entries[-1].sequence)
    client.close()
    assert answer["lost"] == 0
    previous = GENESIS if after == 0 else entries[0].previous
    for number, one in enumerate(entries, after + 1):
        assert one.sequence == number
        assert fits(one, chain=answer["chain"], previous=previous)
        previous = one.digest
    return entries


def kinds(entries: list[Told]) -> list[str]:
    return [one.kind for one in entries]


def stopped(vault: Vault) -> Vault:
    """Told to stop, and started again."""
    vault.signer.terminate()
    vault.signer.wait(timeout=10)
    vault.start_signer()
    return vault


def killed(vault: Vault) -> Vault:
    vault.signer.kill()
    vault.signer.wait()
    vault.start_signer()
    return vault


def test_a_chunk_is_one_entry(vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, CLEO])
    before = told(vault)[-1].sequence
    chunk = order_chunk([BEN, CLEO])

    async def run() -> None:
        sender = vault.sender()
        await sender.send(chunk)
        await sender.close()

    asyncio.run(run())

    [one] = told(vault, after=before)
    assert one.kind == "signed"
    facts = dict(one.facts)
    assert len(facts.pop("mandates")) == 64
    assert len(facts.pop("chunk")) == 32
    assert facts == {
        "venue": "binance", "market": "spot", "env": "paper", "method": "POST", "path": "/api/v3/order",
        "rows": 2, "signed": 2, "unknown": 0, "refused": {}, "tenants": {str(TENANT): 2},
    }  # fmt: skip
    assert abs(one.at - now_ms()) < 60_000


def test_the_mandates_of_a_chunk_are_in_its_entry(vault: Vault) -> None:
    vault.enrol([BEN])
    client = vault.client()

    def sent() -> str:
        with Raw(vault) as raw:
            name = os.urandom(4).hex().encode()
            row = [0, BEN.account, b"&quantity=0.001&newClientOrderId=" + name, BEN.subscription]
            assert raw.ask(send_message(rows=[row]))["taken"] == 1
        return told(vault)[-1].facts["mandates"]

    first, again = sent(), sent()
    assert client.mandates([sealed_mandate(BEN, number=2)]) == []
    client.close()

    assert first == again
    assert sent() != first


def test_rows_that_are_refused_are_counted_by_their_code(vault: Vault) -> None:
    vault.enrol([BEN])
    row = [0, BEN.account, b"&quantity=5&newClientOrderId=a", BEN.subscription]  # 300,000 dollars
    other = [1, BEN.account, b"&quantity=0.001&newClientOrderId=b", BEN.subscription]

    with Raw(vault) as raw:
        assert raw.ask(send_message(rows=[row, other]))["taken"] == 1

    facts = told(vault)[-1].facts
    assert (facts["rows"], facts["signed"], facts["refused"]) == (1, 1, {"mandate_order_cap": 1})


def test_a_subscription_that_is_none_does_no_harm(vault: Vault) -> None:
    vault.enrol([BEN])
    cancel = {"method": "DELETE", "head": b"symbol=BTCUSDT&timestamp=%d" % now_ms()}
    with Raw(vault) as raw:
        for number, odd in enumerate((b"x", -1, (1 << 64) - 1)):
            rows = [[0, BEN.account, b"&origClientOrderId=a", odd], [1, BEN.account, b"&origClientOrderId=b", 1]]
            assert raw.ask(send_message(rows=rows, **cancel))["taken"] == 2
            assert told(vault)[-1].facts["tenants"] == {str(TENANT): 2}, number
        assert raw.ask({"op": "ping", "id": 1})["ok"] is True

    assert kinds(told(vault)).count("signed") == 3


def test_a_chunk_that_nobody_takes_is_an_entry_as_well(vault: Vault) -> None:
    vault.enrol([BEN])
    vault.egress.kill()
    vault.egress.wait()

    with Raw(vault) as raw:
        assert raw.ask(send_message())["taken"] == 0

    facts = told(vault)[-1].facts
    assert (facts["rows"], facts["signed"], facts["refused"]) == (0, 1, {"egress_unavailable": 1})


def test_seals_keys_and_what_does_not_open_are_entries(vault: Vault) -> None:
    client = vault.client()
    sealed = vault.enrol([BEN], open_them=False)
    wrapped = client.new_key(tenant=TENANT, version=2)
    client.hold([(TENANT, 2, wrapped)])
    entries = [(TENANT, BEN.account, sealed[BEN.account])]
    client.rewrap(entries, version=2, keys=[])
    client.retire(tenant=TENANT, minimum=2)
    assert client.open([*entries, (TENANT + 1, BEN.account, sealed[BEN.account])])[0] == 0
    client.close()

    found = told(vault)
    assert [(one.kind, one.facts) for one in found] == [
        ("start", {"keys": "local"}),
        ("sealed", {"tenant": TENANT, "account": BEN.account.hex(), "version": 1}),
        ("key_made", {"tenant": TENANT, "version": 2}),
        ("rewrapped", {"version": 2, "tenants": {str(TENANT): 1}}),
        ("keys_retired", {"tenant": TENANT, "below": 2}),
        (
            "unopened",
            {
                "op": "open",
                "codes": {"key_version_retired": 1, "envelope_refused": 1},
                "tenants": {str(TENANT): 1, str(TENANT + 1): 1},
            },
        ),
    ]


def test_a_withdrawal_that_is_asked_for_is_an_entry_with_its_path(vault: Vault) -> None:
    with Raw(vault) as raw:
        for _ in range(2):
            answer = raw.ask(send_message(path="/sapi/v1/capital/withdraw/apply"))
            assert answer["code"] == "request_not_allowed"
        raw.ask(send_message(path="no path\n at all"))
        raw.ask({"op": "s3cret of somebody", "id": 1})
    stopped(vault)

    counted: Counter[tuple[str, str, str]] = Counter()
    for one in told(vault):
        if one.kind == "refused":
            counted[one.facts["op"], one.facts["code"], one.facts.get("request", "")] += one.facts["count"]
    assert counted == {
        ("send", "request_not_allowed", "binance spot paper POST /sapi/v1/capital/withdraw/apply"): 2,
        ("send", "request_not_allowed", "binance spot paper POST ?"): 1,
        ("?", "unknown_op", ""): 1,
    }


def test_payloads_that_are_signed_alone_are_summed_up(vault: Vault) -> None:
    vault.enrol([BEN])
    client = vault.client()
    payload = f"apiKey={BEN.api_key}&recvWindow=10000&timestamp={now_ms()}".encode()
    for _ in range(3):
        client.hmac(account=BEN.account, payload=payload)
    client.close()
    stopped(vault)

    found = [one.facts for one in told(vault) if one.kind == "payloads"]
    assert sum(facts["count"] for facts in found) == 3
    assert {tenant for facts in found for tenant in facts["tenants"]} == {str(TENANT)}


def test_nothing_secret_is_in_the_record(vault: Vault) -> None:
    vault.enrol(CROWD[:5])
    with Raw(vault) as raw:
        raw.ask(
            send_message(rows=[[0, CROWD[0].account, b"&quantity=0.001&newClientOrderId=a", CROWD[0].subscription]])
        )

    text = str(told(vault))
    assert [one for person in CROWD[:5] for one in (person.secret, person.api_key) if one in text] == []


def test_the_record_goes_on_after_the_signer_was_killed(vault: Vault) -> None:
    vault.enrol([BEN], open_them=False)
    before = told(vault)
    killed(vault)

    after = told(vault)
    assert after[: len(before)] == before  # what nobody had fetched is still there
    assert kinds(after) == ["start", "sealed", "start"]
    stopped(vault)
    assert kinds(told(vault)) == ["start", "sealed", "start", "stop", "start"]


def test_no_order_is_sent_without_a_trace_whenever_the_signer_is_killed(vault: Vault, exchange: Exchange) -> None:
    vault.enrol(CROWD)

    async def run(first: int) -> None:
        sender = vault.sender()
        before = exchange.executed.total()
        chunks = [order_chunk(CROWD[:20], first=first + 20 * n) for n in range(30)]
        sending = [asyncio.create_task(sender.send(chunk)) for chunk in chunks]
        await until(lambda: exchange.executed.total() > before + 40)
        vault.signer.kill()
        await asyncio.gather(*sending)
        await sender.close()

    for turn in range(3):
        asyncio.run(run(1_000 * turn))
        vault.signer.wait()
        vault.start_signer()
        vault.enrol(CROWD)

    entries = told(vault)
    recorded = sum(one.facts["signed"] for one in entries if one.kind == "signed")
    recorded += sum(one.facts["rows"] for one in entries if one.kind == "unrecorded")
    assert recorded >= exchange.executed.total() > 120


def test_what_was_pushed_out_of_the_buffer_is_told(vault: Vault) -> None:
    vault.signer.terminate()
    vault.signer.wait(timeout=10)
    vault.start_signer(OBSCURA_SIGNER_AUDIT="3")
    client = vault.client()
    key, _ = client.intake_key()
    for _ in range(5):
        client.enrol(tenant=TENANT, account=BEN.account, sealed=seal(key, BEN))

    answer = client.audit(after=1)  # start, stop, start, then five seals: 8 in all, of which 3 are kept
    assert (answer["last"], answer["lost"]) == (8, 4)
    assert [one[0] for one in answer["entries"]] == [6, 7, 8]
    assert client.audit(after=5)["lost"] == 0
    assert client.audit(after=8)["entries"] == []
    beyond = client.audit(after=99)
    assert (beyond["entries"], beyond["lost"], beyond["last"]) == ([], 0, 8)
    client.close()
    vault.signer.kill()
    vault.signer.wait()
    vault.start_signer(OBSCURA_SIGNER_AUDIT="3")
    client = vault.client()
    assert [one[0] for one in client.audit(after=0)["entries"]] == [7, 8, 9]
    assert client.audit(after=0)["lost"] == 6
    client.close()


def test_a_signer_without_its_journal_begins_another_chain(vault: Vault) -> None:
    client = vault.client()
    first = client.audit(after=0)["chain"]
    vault.signer.kill()
    vault.signer.wait()
    for file in (vault.directory / "vault").glob("journal.*"):
        file.unlink()
    vault.start_signer()

    answer = client.audit(after=0)
    client.close()
    assert answer["chain"] != first
    assert [one[:1] + one[2:3] for one in answer["entries"]] == [[1, "start"]]


def test_nonsense_is_refused(quiet_vault: Vault) -> None:
    client = quiet_vault.client()
    with pytest.raises(SignerRefused) as refusal:
        client.audit(after=-1)
    client.close()
    with Raw(quiet_vault) as raw:
        answers = [raw.ask({"op": "audit", "id": 1, **more})["code"] for more in ({}, {"after": "1"}, {"after": True})]

    assert refusal.value.code == "bad_fields"
    assert answers == ["bad_fields"] * 3


# the record alone
def test_entries_that_cannot_be_journaled_are_kept_and_those_that_are_too_many_are_told() -> None:
    journal: list[list[object]] = []
    full = True

    def record(one: list[object]) -> None:
        if full:
            raise OSError(28, "full")
        journal.append(one)

    trail = Trail(record, kept=3)
    trail.begin()
    for number in range(5):
        trail.note("sealed", {"number": number}, 1_000 + number)
        with pytest.raises(OSError):
            trail.settle(2_000)
    assert trail.after(0)["entries"] == []
    full = False
    trail.settle(3_000)

    entries = [Told(*one) for one in trail.after(0)["entries"]]
    assert trail.sequence == 4
    assert [(one.kind, one.facts) for one in entries] == [("sealed", {"number": n}) for n in (2, 3, 4)]
    assert trail.after(0)["lost"] == 1  # the entry that says how many were dropped, of a buffer of three
    assert [(one[2], one[3]) for one in journal[0][4]][0] == ("dropped", {"entries": 2})


def test_kinds_of_refusal_beyond_what_is_told_apart_are_summed_up_but_a_withdrawal_is_not() -> None:
    journal: list[list[object]] = []
    trail = Trail(journal.append)
    trail.begin()
    place = {"venue": "binance", "market": "spot", "env": "live", "method": "POST"}
    for number in range(MOST_NAMED + 20):
        trail.refuse("send", "request_not_allowed", 1_000, request={**place, "path": f"/{number}"})
    trail.refuse("send", "request_not_allowed", 1_000, request={**place, "path": "/sapi/v1/capital/withdraw/apply"})
    trail.settle(1_500)
    assert journal == []
    trail.settle(2_000)

    facts = [one[3] for one in journal[0][4]]
    assert len(facts) == MOST_NAMED + 2
    assert facts[-2:] == [
        {"op": "*", "code": "request_not_allowed", "count": 20},
        {"op": "*", "code": "request_not_allowed", "count": 1, "request": MOVES},
    ]


def test_the_tenants_of_an_entry_are_counted_and_the_rarest_summed_up() -> None:
    assert named([7, 8, 7]) == {"7": 2, "8": 1}
    many = named([*range(1, MOST_NAMED + 11), 5, 5])
    assert (len(many), many["5"], many["others"]) == (MOST_NAMED + 1, 3, 10)
