"""A sealed box is one account's: what the signer does with boxes of others, of other forms, and with broken ones."""

from __future__ import annotations

import json
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


# ------------------------------------------------------------------------------------- version 2, as browsers make it

TEXT = {"v": 2, "tenant": TENANT, "account": BEN.account.hex(), "fields": KEYS}


def spelt(inside: object) -> bytes:
    return json.dumps(inside, separators=(",", ":"), ensure_ascii=False).encode()


def text_box(plain: bytes, *, key: bytes = bytes(PAIR.public_key)) -> bytes:
    """Sealed by hand, whatever it is."""
    return bytes(SealedBox(PublicKey(key)).encrypt(plain))


def without(name: str) -> dict[str, object]:
    return {one: value for one, value in TEXT.items() if one != name}


def test_a_box_of_text_opens_for_its_account_and_for_no_other():
    assert opened(ours(version=2)) == KEYS
    assert opened(text_box(spelt(TEXT))) == KEYS
    for changes in ({"account": CLEO.account}, {"tenant": 8}, {"account": CLEO.account, "tenant": 8}):
        with pytest.raises(SealedForAnother):
            opened(ours(version=2), **changes)
        with pytest.raises(SealedForAnother):
            opened(ours(version=2, **changes))


def test_whatever_a_key_may_hold_comes_back_as_it_was():
    fields = {"secret": '"\\/\b\f\n\r\t\x00\x7f\u2028é€😀', "password": "</script>"}

    assert opened(text_box(spelt(TEXT | {"fields": fields}))) == fields
    assert opened(text_box(spelt(TEXT | {"fields": {}}))) == {}


@pytest.mark.parametrize(
    "inside", [KEYS, {}, *(TEXT | {"v": v} for v in (0, 1, 3, True, 2.0, "2", None)), without("v")]
)
def test_text_of_another_version_is_not_read(inside):
    with pytest.raises(SealedVersionUnknown):
        opened(text_box(spelt(inside)))


@pytest.mark.parametrize(
    "inside",
    [
        TEXT | {"more": 1},
        TEXT | {"tenant": str(TENANT)},
        TEXT | {"tenant": float(TENANT)},
        TEXT | {"account": BEN.account.hex().upper()[:-1] + "A"},
        TEXT | {"account": BEN.account.hex()[:-1]},
        TEXT | {"account": BEN.account.hex() + "\n"},
        TEXT | {"account": f"{BEN.account.hex():0>33}"},
        TEXT | {"account": 1},
        TEXT | {"account": None},
        TEXT | {"fields": [["apiKey", BEN.api_key]]},
        TEXT | {"fields": None},
        *(without(name) for name in TEXT if name != "v"),
    ],
)
def test_text_of_another_shape_is_refused(inside):
    with pytest.raises(SealedRefused):
        opened(text_box(spelt(inside)))


@pytest.mark.parametrize(
    "plain",
    [
        json.dumps(TEXT).encode(),
        b" " + spelt(TEXT),
        spelt(TEXT) + b"\n",
        spelt(TEXT) + b"{}",
        spelt({name: TEXT[name] for name in reversed(TEXT)}),
        spelt(TEXT).replace(b'"v":2', b'"v":2,"v":2'),
        spelt(TEXT).replace(b'{"apiKey"', b'{"apiKey":"first","apiKey"'),
        spelt(TEXT).replace(b'"fields"', b'"\\u0066ields"'),
        spelt(TEXT | {"fields": {"secret": "é"}}).replace("é".encode(), b"\\u00e9"),
        spelt(TEXT | {"fields": {"secret": "-"}}).replace(b'"-"', b'"\\ud800"'),
        spelt(TEXT | {"fields": {"secret": "-"}}).replace(b'"-"', b"1.50"),
        spelt(TEXT | {"fields": {"secret": "-"}}).replace(b'"-"', b"NaN "),
        spelt(TEXT).replace(b'"v":2', b'"v":' + b"2" * 5_000),
        spelt(TEXT)[:-1],
        spelt(TEXT).decode().encode("utf-16-le"),
        b'\xef\xbb\xbf' + spelt(TEXT),
        spelt(TEXT | {"fields": {"secret": "x"}}).replace(b'"x"', b'"\xff"'),
        spelt([TEXT]),
        b"{",
        b'{"v":' + b"[" * 60_000,
        msgpack.packb(TEXT | {"v": 1}),
    ],
)  # fmt: skip
def test_there_is_one_spelling_of_text(plain):
    with pytest.raises(SealedRefused):
        opened(text_box(plain))


def test_a_box_of_text_that_is_cut_or_altered_anywhere_is_refused():
    whole = ours(version=2)

    for at in range(len(whole)):
        for broken in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            with pytest.raises(SealedRefused):
                opened(broken)


def test_no_error_says_what_was_inside_of_text():
    for plain in (TEXT | {"tenant": 8}, TEXT | {"v": 3}, TEXT | {"more": BEN.secret}):
        with pytest.raises(SealedError) as refusal:
            opened(text_box(spelt(plain)))
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


def test_the_signer_takes_a_box_of_text_for_its_account_alone(quiet_vault: Vault):
    client = quiet_vault.client()
    key, _ = client.intake_key()
    sealed = text_box(spelt(TEXT), key=key)

    envelopes, hint = client.enrol(tenant=TENANT, account=BEN.account, sealed=sealed)

    assert (sorted(envelopes), hint) == (["apiKey", "secret"], BEN.api_key[-4:])
    for plain, code in (
        (spelt(TEXT | {"account": CLEO.account.hex()}), "sealed_for_another"),
        (spelt(TEXT | {"tenant": 8}), "sealed_for_another"),
        (spelt(TEXT | {"v": 3}), "sealed_version_unknown"),
        (json.dumps(TEXT).encode(), "sealed_refused"),
        (b'{"v":' + b"[" * 60_000, "sealed_refused"),
        (spelt(TEXT | {"fields": KEYS | {"secret": ""}}), "credential_malformed"),
        (spelt(TEXT | {"fields": KEYS | {"secret": 5}}), "credential_malformed"),
        (spelt(TEXT | {"fields": {}}), "credential_malformed"),
        (spelt(TEXT | {"fields": {"apiKey": "k\r\nX: y"}}), "credential_malformed"),
        (spelt(TEXT | {"fields": {"secret": "s" * (64 << 10)}}), "sealed_too_large"),
    ):
        with pytest.raises(SignerRefused) as refusal:
            client.enrol(tenant=TENANT, account=BEN.account, sealed=text_box(plain, key=key))
        assert refusal.value.code == code
    assert BEN.secret not in quiet_vault.log("signer")
    client.close()
