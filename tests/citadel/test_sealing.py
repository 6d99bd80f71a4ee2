"""A sealed box is one account's: what the signer does with boxes of others, of other forms, and with broken ones."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from nacl.public import PrivateKey, PublicKey, SealedBox

from citadel.client import SignerRefused
from citadel.sealing import SealedError, SealedForAnother, SealedRefused, SealedVersionUnknown, seal, unseal
from tests.citadel.support import BEN, CLEO, TENANT, Person, Vault
from tests.citadel.support import seal as sealed_by_the_web

PAIR = PrivateKey(bytes(range(32)))
KEYS = {"apiKey": BEN.api_key, "secret": BEN.secret}
INSIDE = {"v": 1, "tenant": TENANT, "account": BEN.account, "fields": KEYS}


def box(inside: object, *, key: bytes = bytes(PAIR.public_key)) -> bytes:
    """Sealed by hand, whatever it is."""
    return bytes(SealedBox(PublicKey(key)).encrypt(msgpack.packb(inside)))


def opened(sealed: bytes, *, tenant: int = TENANT, account: bytes = BEN.account) -> dict[Any, Any]:
    return unseal(intake=PAIR, tenant=tenant, account=account, sealed=sealed)


def ours(**changes: Any) -> bytes:
    place = {"tenant": TENANT, "account": BEN.account, **changes}
    return seal(intake=bytes(PAIR.public_key), fields=KEYS, **place)


def test_what_is_sealed_for_an_account_opens_for_it():
    assert opened(ours()) == KEYS
    assert opened(box(INSIDE)) == KEYS


@pytest.mark.parametrize("changes", [{"account": CLEO.account}, {"tenant": 8}, {"account": CLEO.account, "tenant": 8}])
def test_it_opens_for_no_other_account_and_no_other_tenant(changes):
    with pytest.raises(SealedForAnother):
        opened(ours(), **changes)
    with pytest.raises(SealedForAnother):
        opened(ours(**changes))


@pytest.mark.parametrize(
    "inside",
    [
        KEYS,  # the form before there were versions
        {},
        INSIDE | {"v": 0},
        INSIDE | {"v": 2},
        INSIDE | {"v": True},
        INSIDE | {"v": 1.0},
        INSIDE | {"v": "1"},
        {name: value for name, value in INSIDE.items() if name != "v"},
    ],
)
def test_another_form_is_not_read(inside):
    with pytest.raises(SealedVersionUnknown):
        opened(box(inside))


@pytest.mark.parametrize(
    "inside",
    [
        None,
        [1],
        "text",
        [["v", 1]],
        INSIDE | {"more": 1},
        INSIDE | {b"tenant": TENANT},
        INSIDE | {"tenant": str(TENANT)},
        INSIDE | {"tenant": float(TENANT)},
        INSIDE | {"account": BEN.account.hex()},
        INSIDE | {"account": list(BEN.account)},
        INSIDE | {"fields": list(KEYS.items())},
        INSIDE | {"fields": None},
        *({name: value for name, value in INSIDE.items() if name != missing} for missing in INSIDE if missing != "v"),
    ],
)
def test_another_shape_is_refused(inside):
    with pytest.raises(SealedRefused):
        opened(box(inside))


def test_true_is_not_tenant_one():
    with pytest.raises(SealedRefused):
        opened(box(INSIDE | {"tenant": True}), tenant=1)


def test_a_box_that_is_cut_short_anywhere_is_refused():
    whole = ours()

    for size in range(len(whole)):
        with pytest.raises(SealedRefused):
            opened(whole[:size])


def test_a_box_with_a_flipped_bit_is_refused():
    whole = ours()

    for at in range(len(whole)):
        with pytest.raises(SealedRefused):
            opened(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


@pytest.mark.parametrize("inside", [b"", b"\xc1", b"\x84\xa1v\x01", msgpack.packb(INSIDE) + b"\x00", b"\x91" * 5000])
def test_a_box_of_something_else_is_refused(inside):
    with pytest.raises(SealedRefused):
        opened(bytes(SealedBox(PAIR.public_key).encrypt(inside)))


def test_two_boxes_of_the_same_keys_have_nothing_in_common():
    assert len({ours()[:32] for _ in range(50)}) == 50


def test_no_error_says_what_was_inside():
    for sealed in (ours(account=CLEO.account), box(KEYS), box(INSIDE | {"more": BEN.secret}), ours()[:-1]):
        with pytest.raises(SealedError) as refusal:
            opened(sealed)
        assert (str(refusal.value), refusal.value.args, refusal.value.__cause__) == ("", (), None)


# ------------------------------------------------------------------------------------------------ the signer itself


@pytest.mark.parametrize(
    ("tenant", "person", "code"),
    [
        (TENANT, CLEO, "sealed_for_another"),
        (8, BEN, "sealed_for_another"),
        (8, CLEO, "sealed_for_another"),
    ],
)
def test_the_signer_gives_bens_keys_to_nobody_else(quiet_vault: Vault, tenant: int, person: Person, code: str):
    client = quiet_vault.client()
    key, _ = client.intake_key()
    before = client.stats()

    with pytest.raises(SignerRefused) as refusal:
        client.enrol(tenant=tenant, account=person.account, sealed=sealed_by_the_web(key, BEN))

    after = client.stats()
    assert refusal.value.code == code
    assert after["refusals"][code] == before["refusals"].get(code, 0) + 1
    assert (after.get("enrolled"), after["accounts"]) == (before.get("enrolled"), before["accounts"])
    log = quiet_vault.log("signer")
    last = log.splitlines()[-1]
    assert '"event":"enrol_refused"' in last
    assert f'"tenant":{tenant},"account":"{person.account.hex()}","code":"{code}"' in last
    assert BEN.secret not in log
    assert BEN.api_key not in log
    client.close()


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        (KEYS, "sealed_version_unknown"),
        (INSIDE | {"v": 2}, "sealed_version_unknown"),
        (INSIDE | {"more": 1}, "sealed_refused"),
        (INSIDE | {"fields": KEYS | {"secret": 5}}, "credential_malformed"),
    ],
)
def test_the_signer_takes_one_form_alone(quiet_vault: Vault, inside: object, code: str):
    client = quiet_vault.client()
    key, _ = client.intake_key()

    with pytest.raises(SignerRefused) as refusal:
        client.enrol(tenant=TENANT, account=BEN.account, sealed=box(inside, key=key))

    assert refusal.value.code == code
    assert BEN.secret not in quiet_vault.log("signer")
    client.close()
