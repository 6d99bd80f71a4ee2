"""The signer's operations: one message in, one message out, no word of a secret in either."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from nacl.public import PrivateKey

from citadel import sealing, uses
from citadel.bearing import bearable
from citadel.domain import agreement, envelope, mandate, permit, policy
from citadel.domain.frames import BadFrame, FrameTooLarge, Message, pack, unpack
from citadel.domain.horizon import USUAL_HORIZON, Horizon
from citadel.domain.request import NotCarried
from citadel.processes import Log
from citadel.signer import carrying
from citadel.signer.carrying import Carrying
from citadel.signer.forward import EgressLink
from citadel.signer.generations import GenerationDesk, GenerationRefused
from citadel.signer.keys import Keyring, SigningKey
from citadel.signer.ledger import Ledger
from citadel.signer.measures import Measures
from citadel.signer.primitives import PrimitiveRefused, Primitives, rehearse
from citadel.signer.requests import Desk, Signed
from citadel.signer.tenant_keys import SHARED, KeyPending, TenantKeys
from citadel.signer.trail import Batch, named
from citadel.vaults.provider import ProviderError, WrapRefused, WrapUnknown

MAX_ROWS = 2_000
MAX_ENTRIES = 1_000
MAX_KEYS = 1_000
AGREED, EXCHANGE, MAX_SEALED = sealing.AGREED, sealing.EXCHANGE, sealing.MAX_SEALED
MAX_FIELDS = 8

_CHUNKS_REMEMBERED = 8_192
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}", re.ASCII)
_API_KEY = re.compile(r"[\x21-\x7e]{1,512}", re.ASCII)

_NONE = Decimal(0)

Fields = dict[str, type]


class Refused(Exception):
    """The answer is no; `code` says why, in our own words and never in those of what was sent."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Signer:
    """Holds the vault, the intake key, the open accounts and the ledger. `handle` never raises, whatever it is given.

    :param kept: the key provider's name
    :param attestation: what was last said of this machine's attestation
    :param mandate_key: 32 bytes that mandates and permits are sealed under, known to the processes that agree terms as
        well
    :param starknet: whether exchanges on Starknet are signed for; all of ccxt is loaded for them
    """

    def __init__(
        self, *, vault: TenantKeys, intake: PrivateKey, mandate_key: bytes, keys: Keyring, ledger: Ledger,
        egress: EgressLink, log: Log, attestation: Callable[[], Message] = dict,
        kept: str = "local", starknet: bool = False, horizon: Horizon = USUAL_HORIZON,
    ) -> None:  # fmt: skip
        self._vault, self._intake, self._keys, self._egress, self._log = vault, intake, keys, egress, log
        self._mandate_key, self._ledger, self._attestation = mandate_key, ledger, attestation
        self._kept = kept
        self._trail = ledger.trail
        self._stated: Message = {"mode": "off"}
        self._settled = True
        self._primitives, self._starknet = Primitives(size=keys.size, starknet=starknet), starknet
        self._measures = Measures()
        self._carrying = Carrying(
            primitives=self._primitives, ledger=ledger, egress=egress, trail=self._trail, measures=self._measures
        )
        self._public = bytes(intake.public_key)
        self._kid = hashlib.sha256(self._public).hexdigest()[:16]
        self._chunks: OrderedDict[bytes, None] = OrderedDict()
        self.refusals: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._ops: dict[str, tuple[Callable[[Message], Message], Fields]] = {
            "ping": (self._ping, {}),
            "stats": (self._stats, {}),
            "audit": (self._audit, {"after": int}),
            "intake_key": (self._intake_key, {}),
            "new_key": (self._new_key, {"tenant": int, "version": int}),
            "retire": (self._retire, {"tenant": int, "minimum": int}),
            "enrol": (self._enrol, {"tenant": int, "account": bytes, "sealed": bytes, "version": int, "keys": list}),
            "open": (self._open, {"entries": list, "keys": list, "permits": list}),
            "agree": (
                self._agree,
                {"tenant": int, "account": bytes, "agreed": str, "wanted": str, "assertion": list, "keys": list},
            ),
            "rewrap": (self._rewrap, {"entries": list, "version": int, "keys": list}),
            "forget": (self._forget, {"accounts": list}),
            "mandates": (self._mandates, {"sealed": list}),
            "public": (self._public_key, {"account": bytes}),
            "hmac": (self._hmac, {"account": bytes, "alg": str, "payload": bytes}),
            "facts": (self._facts, {"account": bytes}),
            "sign": (
                self._sign, {"account": bytes, "field": str, "primitive": str, "derivation": str, "args": list},
            ),
            "carry": (self._carrying.carry, carrying.FIELDS),
            "send": (
                self._send,
                {
                    "chunk": bytes, "reply": bytes, "venue": str, "market": str, "env": str, "method": str, "path": str,
                    "head": bytes, "rows": list, "not_after_ms": int, "timeout_ms": int,
                    "urgent": bool, "address": str,
                },
            ),
        }  # fmt: skip

        desk = GenerationDesk(vault=vault, horizon=horizon, kept=kept, record=self._record)
        self._ops |= desk.ops

    def rehearse(self) -> None:
        """Do once what is done later: whatever is loaded on first use is loaded while files can still be opened."""
        account = bytes(16)
        place = envelope.Place(1, account, "rehearsal")
        if self._ledger.minimum(1) <= SHARED:
            sealed = envelope.seal(vault=self._vault.of(1), version=SHARED, place=place, text=b"rehearsal")
            envelope.unseal(vault=self._vault.of(1), place=place, envelope=sealed)
        for form in (sealing.VERSION, sealing.TEXT_VERSION):
            box = sealing.seal(intake=self._public, tenant=1, account=account, fields={"a": "b"}, version=form)
            sealing.unseal(intake=self._intake, tenant=1, account=account, sealed=box)
        SigningKey(tenant=1, api_key="rehearsal", secret=b"rehearsal").hmac_sha256(b"rehearsal")
        for key in _public_keys():
            with contextlib.suppress(InvalidSignature):
                key.verify(b"rehearsal", b"\x30\x06\x02\x01\x01\x02\x01\x01".ljust(64, b"\0"))
        rehearse(starknet=self._starknet)
        for noise in (b"\xc1", pack({"op": "nothing", "id": 1})[4:]):
            self.handle(noise)
        self._trail.rehearse(_now_ms())
        self.refusals.clear()

    def begin(self, **facts: Any) -> None:
        """Say in the audit that the signer has started."""
        self._record("start", facts)

    def attested(self, statement: Message) -> None:
        """Say in the audit what was found of this machine, where it is something else than before."""
        if statement != self._stated:
            self._stated = dict(statement)
            self._record("attested", dict(statement))

    def end(self) -> None:
        """Say in the audit that the signer stops because it was told to."""
        self._trail.note("stop", {}, _now_ms())
        self.settle(whole=True)

    def settle(self, *, whole: bool = False) -> None:
        """Chain and journal what was done since. Call it when the answers have gone out."""
        try:
            self._ledger.settle(_now_ms(), whole=whole)
            self._settled = True
        except OSError as error:
            if self._settled:
                self._log.line("audit_unwritable", errno=error.errno)
            self._settled = False

    def _record(self, kind: str, facts: dict[str, Any]) -> None:
        """What is rare is journaled before its answer goes out, so that no death comes between the two."""
        self._trail.note(kind, facts, _now_ms())
        self.settle()

    def handle(self, body: bytes) -> bytes:
        """The answer frame to one request frame's body."""
        ident: int | None = None
        message: Message = {}
        try:
            message = unpack(body)
            given = message.get("id")
            if type(given) is not int:
                raise Refused("bad_request")
            ident = given
            answer = self._dispatch(message)
            return pack({"id": ident, "ok": True, **answer})
        except (
            BadFrame, FrameTooLarge, Refused, PrimitiveRefused, envelope.EnvelopeError, sealing.SealedError, KeyPending,
            ProviderError, agreement.AgreementRefused, NotCarried, GenerationRefused,
        ) as error:  # fmt: skip
            return self.refusal(ident, error.code, message)
        except Exception as error:  # noqa: BLE001 - one bad request must not end signing for all; only the kind is told
            self._log.line("fault", kind=type(error).__name__)
            return self.refusal(ident, "internal", message)

    def refusal(self, ident: int | None, code: str, message: Message | None = None) -> bytes:
        """An error answer, counted."""
        self.refusals[code] += 1
        if code != KeyPending.code:  # that is no refusal: it is asked again in a moment
            asked = message or {}
            self._trail.refuse(asked.get("op"), code, _now_ms(), request=asked)
        return pack({"id": ident, "ok": False, "code": code, "message": code.replace("_", " ")})

    def _dispatch(self, message: Message) -> Message:
        op = message.get("op")
        if not isinstance(op, str) or op not in self._ops:
            raise Refused("unknown_op")
        run, fields = self._ops[op]
        if op == "send":
            message.setdefault("urgent", False)
            message.setdefault("address", "")
        if "keys" in fields:
            message.setdefault("keys", [])
        if op == "enrol":
            message.setdefault("version", SHARED)
        if op == "open":
            message.setdefault("permits", [])
        if len(message) != len(fields) + 2 or not fields.keys() <= message.keys():
            raise Refused("bad_fields")
        for name, kind in fields.items():
            if type(message[name]) is not kind:
                raise Refused("bad_fields")
        return run(message)

    # small ones
    def _ping(self, _: Message) -> Message:
        return {"pong": True}

    def _stats(self, _: Message) -> Message:
        return {
            "cpu_s": time.process_time(),
            "accounts": len(self._keys),
            "unread": len(self._primitives),
            "refusals": dict(self.refusals),
            "egress_connects": self._egress.connects,
            "log_lost": self._log.lost,
            "attestation": dict(self._attestation()),
            "keys_kept": self._kept,
            "audited": self._trail.sequence,
            **self._measures.told(),
            **self._ledger.counts(),
            **self.counts,
            **self._carrying.counts,
        }

    def _audit(self, message: Message) -> Message:
        """What was done after an entry that the caller has."""
        if message["after"] < 0:
            raise Refused("bad_fields")
        self.settle()
        return self._trail.after(message["after"])

    def _intake_key(self, _: Message) -> Message:
        return {"key": self._public, "kid": self._kid}

    def _forget(self, message: Message) -> Message:
        return {"forgotten": sum(self._forgotten(_account(account)) for account in message["accounts"])}

    def _forgotten(self, account: bytes) -> bool:
        return self._keys.forget(account) | self._primitives.forget(account)

    def _public_key(self, message: Message) -> Message:
        return {"apiKey": self._key(message["account"]).api_key}

    def _hmac(self, message: Message) -> Message:
        key = self._key(message["account"])
        if message["alg"] != "sha256":
            raise Refused("algorithm_not_allowed")
        payload: bytes = message["payload"]
        why = policy.refuse_payload(payload, api_key=key.api_key, now_ms=_now_ms())
        if why is not None:
            raise Refused(why)
        self.counts["payloads"] += 1
        self._measures.one("payload", "binance")
        self._trail.payload(key.tenant, _now_ms())
        return {"digest": key.hmac_sha256(payload)}

    def _facts(self, message: Message) -> Message:
        return dict(self._primitives.facts(_account(message["account"])))

    def _sign(self, message: Message) -> Message:
        """A signature over what no policy reads: for an exchange that the account's tenant has permitted.

        What belongs into a request is put into it here, and the request sent: it is not signed for whoever asks.
        """
        account = _account(message["account"])
        tenant, exchange = self._primitives.owner(account)
        if bearable(message["field"], message["primitive"], message["args"] or [""]):
            raise Refused("request_leaves_from_vault")
        if not self._ledger.permitted(tenant, exchange):
            raise Refused("unchecked_not_permitted")
        signature = self._primitives.sign(
            account=account, field=message["field"], op=message["primitive"], derivation=message["derivation"],
            args=message["args"],
        )  # fmt: skip
        self.counts["unread_signed"] += 1
        use = uses.name(message["field"], message["primitive"], message["derivation"], message["args"])
        facts = {"tenant": tenant, "account": account.hex(), "exchange": exchange, "use": use}
        self._trail.note("signed_unread", facts, _now_ms())
        self._measures.one("unread", exchange)
        return {"signature": signature}

    def _key(self, account: bytes) -> SigningKey:
        key = self._keys.get(_account(account))
        if key is None:
            raise Refused("unknown_account")
        return key

    # keys
    def _new_key(self, message: Message) -> Message:
        tenant, version = _tenant(message["tenant"]), _version(message["version"])
        wrapped = self._vault.make(tenant, version)
        self._log.line("key_made", tenant=tenant, version=version)
        self._record("key_made", {"tenant": tenant, "version": version})
        return {"wrapped": wrapped}

    def _retire(self, message: Message) -> Message:
        """Nothing below `minimum` is opened from here on, whoever brings it; a key that follows must be held."""
        tenant, minimum = _tenant(message["tenant"]), _version(message["minimum"])
        if minimum > self._vault.highest(tenant):
            raise Refused("key_version_unknown")
        self._ledger.raise_minimum(tenant, minimum)
        self._log.line("keys_retired", tenant=tenant, below=minimum)
        self._record("keys_retired", {"tenant": tenant, "below": minimum})
        return {"dropped": self._vault.drop(tenant, minimum)}

    def _rewrap(self, message: Message) -> Message:
        """Wrap the data keys of envelopes under another version. No secret is opened by it."""
        version, done, refused = _version(message["version"]), [], []
        if len(message["entries"]) > MAX_ENTRIES:
            raise Refused("entries_count")
        self._hold(message["keys"])
        wrapped: list[int] = []
        closed: list[tuple[int, str]] = []
        for entry in message["entries"]:
            tenant, account, envelopes, _ = _entry(entry)
            try:
                done.append([account, self._rewrapped(tenant, account, envelopes, version)])
                wrapped.append(tenant)
            except (Refused, envelope.EnvelopeError) as error:
                self.refusals[error.code] += 1
                refused.append([account, error.code])
                closed.append((tenant, error.code))
        self.counts["rewrapped"] += len(done)
        if done:
            self._record("rewrapped", {"version": version, "tenants": named(wrapped)})
        self._unopened("rewrap", closed)
        return {"rewrapped": done, "refused": refused}

    def _rewrapped(self, tenant: int, account: bytes, envelopes: dict[Any, Any], version: int) -> dict[str, str]:
        vault = self._vault.of(tenant)
        exchange = self._exchange(tenant, account, envelopes)
        return {
            _name(name): envelope.rewrap(
                vault=vault, place=_place(tenant, account, name, exchange), envelope=text, version=version
            )
            for name, text in envelopes.items()
        }

    def _exchange(self, tenant: int, account: bytes, envelopes: dict[Any, Any]) -> str:
        """The exchange that was sealed with an account; empty: Binance."""
        sealed = envelopes.get(EXCHANGE)
        if sealed is None:
            return ""
        place = envelope.Place(tenant, account, EXCHANGE)
        return envelope.unseal(vault=self._vault.of(tenant), place=place, envelope=sealed).decode()

    def _hold(self, keys: list[Any]) -> None:
        """Take in the wrapped keys that came with a message.

        :raises KeyPending: one of them is being asked for; the message may come again
        """
        if len(keys) > MAX_KEYS:
            raise Refused("entries_count")
        pending = None
        closed: list[tuple[int, str]] = []
        for key in keys:
            if not isinstance(key, list) or len(key) != 3 or not isinstance(key[2], str):
                raise Refused("bad_key")
            try:
                self._vault.hold(_tenant(key[0]), _version(key[1]), key[2])
            except KeyPending as error:
                pending = error
            except (envelope.KeyVersionUnknown, WrapRefused, WrapUnknown) as error:
                self.refusals[error.code] += 1  # retired, or not ours: what is sealed under it does not open
                closed.append((key[0], error.code))
        self._unopened("keys", closed)
        if pending is not None:
            raise pending

    def _unopened(self, op: str, closed: list[tuple[int, str]]) -> None:
        """Note what of a message did not open: (tenant, code)."""
        if closed:
            codes = dict(Counter(code for _, code in closed))
            facts = {"op": op, "codes": codes, "tenants": named(tenant for tenant, _ in closed)}
            self._record("unopened", facts)

    # credentials
    def _enrol(self, message: Message) -> Message:
        tenant, account = _tenant(message["tenant"]), _account(message["account"])
        version = _version(message["version"])
        self._hold(message["keys"])
        try:
            fields = self._unsealed(tenant, account, message["sealed"])
        except sealing.SealedForAnother as error:
            # No honest caller comes here: somebody has moved a box from one account to another.
            self._log.line("enrol_refused", tenant=tenant, account=account.hex(), code=error.code)
            raise
        vault = self._vault.of(tenant)
        envelopes = {
            name: envelope.seal(
                vault=vault,
                version=version,
                place=_place(tenant, account, name, fields.get(EXCHANGE, "")),
                text=text.encode(),
            )
            for name, text in fields.items()
        }
        public = fields.get("apiKey") or fields.get("walletAddress") or ""
        self.counts["enrolled"] += 1
        self._log.line("enrol", tenant=tenant, account=account.hex(), version=version)
        self._record("sealed", {"tenant": tenant, "account": account.hex(), "version": version})
        hint = public[-4:] if len(public) >= 12 else ""
        return {"envelopes": envelopes, "hint": hint, "agreed": fields.get(AGREED, ""),
                "exchange": fields.get(EXCHANGE, "")}  # fmt: skip

    def _unsealed(self, tenant: int, account: bytes, sealed: bytes) -> dict[str, str]:
        if len(sealed) > MAX_SEALED:
            raise Refused("sealed_too_large")
        fields = sealing.unseal(intake=self._intake, tenant=tenant, account=account, sealed=sealed)
        if not 1 <= len(fields) <= MAX_FIELDS:
            raise Refused("credential_malformed")
        for name, text in fields.items():
            if not isinstance(name, str) or not _FIELD.fullmatch(name) or not isinstance(text, str) or not text:
                raise Refused("credential_malformed")
        if AGREED in fields:
            agreement.read(fields[AGREED])
        # The API key becomes a line of an HTTP request: it must not be able to carry a second one.
        if "apiKey" in fields and not _API_KEY.fullmatch(fields["apiKey"]):
            raise Refused("credential_malformed")
        if EXCHANGE in fields and fields[EXCHANGE] not in uses.PROFILES:
            raise Refused("credential_malformed")
        return fields

    def _open(self, message: Message) -> Message:
        refused: list[tuple[bytes, str]] = []
        closed: list[tuple[int, str]] = []
        opened = 0
        if len(message["entries"]) > MAX_ENTRIES or len(message["permits"]) > MAX_ENTRIES:
            raise Refused("entries_count")
        self._hold(message["keys"])
        refused += [(b"", code) for code in map(self._permitted, message["permits"]) if code is not None]
        for entry in message["entries"]:
            tenant, account, envelopes, mandates = _entry(entry)
            try:
                self._put(tenant, account, envelopes)
                opened += 1
            except (Refused, PrimitiveRefused, envelope.EnvelopeError, agreement.AgreementRefused) as error:
                self.refusals[error.code] += 1
                refused.append((account, error.code))
                closed.append((tenant, error.code))
                continue
            # Without a mandate nothing is opened for the account; what it holds can be closed all the same.
            refused += [(account, code) for code in map(self._admitted, mandates) if code is not None]
        self.counts["opened"] += opened
        self._unopened("open", closed)
        return {"opened": opened, "refused": refused}

    def _permitted(self, sealed: Any) -> str | None:
        """None: the permit holds from now on. Otherwise the code it was refused with."""
        try:
            if not isinstance(sealed, bytes) or len(sealed) > MAX_SEALED:
                raise permit.PermitRefused
            code = self._ledger.permit(permit.read(sealed, key=self._mandate_key))
        except permit.PermitRefused as error:
            code = error.code
        except OSError as error:
            self._log.line("journal_unwritable", errno=error.errno)
            code = "journal_unwritable"
        if code is not None:
            self.refusals[code] += 1
        return code

    def _mandates(self, message: Message) -> Message:
        if len(message["sealed"]) > MAX_ENTRIES:
            raise Refused("entries_count")
        codes = [self._admitted(sealed) for sealed in message["sealed"]]
        return {"taken": codes.count(None), "refused": [code for code in codes if code is not None]}

    def _admitted(self, sealed: Any) -> str | None:
        """None: the mandate holds from now on. Otherwise the code it was refused with."""
        try:
            if not isinstance(sealed, bytes) or len(sealed) > MAX_SEALED:
                raise mandate.MandateRefused
            code = self._ledger.admit(mandate.read(sealed, key=self._mandate_key))
        except mandate.MandateRefused as error:
            code = error.code
        if code is None:
            self.counts["mandated"] += 1
        else:
            self.refusals[code] += 1
            self._trail.refuse("mandates", code, _now_ms())
        return code

    def _agree(self, message: Message) -> Message:
        """Change what an account's owner has agreed, if it is the owner who does: the new one, sealed.

        The last change may be asked for again: whoever asked may have died before it was written down.
        """
        tenant, account = _tenant(message["tenant"]), _account(message["account"])
        self._hold(message["keys"])
        place = envelope.Place(tenant, account, AGREED)
        known = self._agreed(tenant, account, message["agreed"])
        before = known or agreement.Agreement(0, self._ledger.usual_caps)
        again = self._ledger.agreed_already(account, before=before.number, wanted=message["wanted"])
        if not again and self._ledger.admit_agreement(account, known) is not None:
            raise agreement.AgreementOutdated
        after = agreement.changed(
            before,
            message["wanted"],
            tenant=tenant,
            account=account,
            assertion=_assertion(message["assertion"]),
        )
        version = envelope.version_of(message["agreed"]) if message["agreed"] else self._vault.highest(tenant)
        sealed = envelope.seal(
            vault=self._vault.of(tenant), version=version, place=place, text=message["wanted"].encode()
        )
        self._ledger.admit_agreement(account, after)
        self.counts["agreed"] += 1
        self._log.line("agreed", tenant=tenant, account=account.hex(), number=after.number)
        self._record("agreed", {"tenant": tenant, "account": account.hex(), "number": after.number})
        return {"agreed": sealed}

    def _agreed(self, tenant: int, account: bytes, sealed: Any) -> agreement.Agreement | None:
        """What an account's envelope of this name holds; None where there is none."""
        if not sealed:
            return None
        place = envelope.Place(tenant, account, AGREED)
        return agreement.read(envelope.unseal(vault=self._vault.of(tenant), place=place, envelope=sealed).decode())

    def _put(self, tenant: int, account: bytes, envelopes: dict[Any, Any]) -> None:
        """Open an account where its exchange belongs: what a policy reads here, everything else there, none in both."""
        exchange = self._exchange(tenant, account, envelopes)
        refused = self._ledger.admit_agreement(account, self._agreed(tenant, account, envelopes.get(AGREED)))
        if refused is not None:
            raise Refused(refused)
        if not exchange or exchange in policy.JUDGED:
            self._keys.put(account, self._opened(tenant, account, envelopes, exchange))
            self._primitives.forget(account)
            return
        if len(envelopes) > MAX_FIELDS:
            raise Refused("bad_entry")
        vault = self._vault.of(tenant)
        fields = {
            _name(name): envelope.unseal(
                vault=vault, place=_place(tenant, account, name, exchange), envelope=text
            ).decode()
            for name, text in envelopes.items()
            if name not in (EXCHANGE, AGREED)
        }  # fmt: skip
        if not fields:
            raise Refused("credential_incomplete")
        self._primitives.put(account, exchange=exchange, fields=fields, tenant=tenant)
        self._keys.forget(account)

    def _opened(self, tenant: int, account: bytes, envelopes: dict[Any, Any], exchange: str) -> SigningKey:
        if not {"apiKey", "secret"} <= envelopes.keys():
            raise Refused("credential_incomplete")
        vault = self._vault.of(tenant)
        api_key, secret = (
            envelope.unseal(
                vault=vault, place=_place(tenant, account, name, exchange), envelope=envelopes[name]
            )
            for name in ("apiKey", "secret")
        )  # fmt: skip
        text = api_key.decode("latin-1")
        if not _API_KEY.fullmatch(text):
            raise Refused("credential_malformed")
        return SigningKey(tenant=tenant, api_key=text, secret=secret)

    # orders
    def _send(self, message: Message) -> Message:
        venue, market, rows = message["venue"], message["market"], message["rows"]
        chunk: bytes = message["chunk"]
        why = policy.refuse_request(
            venue=venue, market=market, env=message["env"], method=message["method"], path=message["path"]
        )
        if why is not None:
            raise Refused(why)
        _check_chunk(message)
        if chunk in self._chunks:
            raise Refused("chunk_repeated")
        now_ms, began = _now_ms(), time.perf_counter_ns()
        signed = Desk(
            keys=self._keys,
            ledger=self._ledger,
            venue=venue,
            market=market,
            env=message["env"],
            method=message["method"],
            path=message["path"],
            head=message["head"],
            now_ms=now_ms,
        ).sign(rows)
        kind = policy.RULES[venue, market, message["method"], message["path"]].kind.value
        self._measures.chunk(kind, venue, signed=len(signed.requests), took_ns=time.perf_counter_ns() - began)
        refused, taken = signed.refused, len(signed.requests)
        why = self._handed_over(message, signed, now_ms) if signed.requests else None
        if why is not None:
            refused = refused + [(row, why) for row, _ in signed.requests]
            taken = 0
        self.counts["taken"] += taken
        for _, code in refused:
            self.refusals[code] += 1
        if signed.requests or refused:
            numbers = self._ledger.numbers(signed.parties)
            place = (venue, market, message["env"], message["method"], message["path"])
            batch = Batch(chunk, place, signed.parties, numbers, taken, refused, len(signed.unknown))
            self._trail.note("signed", batch, now_ms)
        return {"taken": taken, "unknown": signed.unknown, "refused": refused}

    def _handed_over(self, message: Message, signed: Signed, now_ms: int) -> str | None:
        """Why nothing of it went out, or None. What was taken for it is written down before it goes."""
        if signed.taken:
            try:
                self._ledger.commit(message["chunk"], signed.taken, now_ms)
            except OSError as error:
                self._ledger.release(signed.taken.values(), now_ms)
                self._log.line("journal_unwritable", errno=error.errno)
                return "journal_unwritable"
        why = "egress_unavailable"
        try:
            if self._forwarded(message, signed.requests, orders=bool(signed.taken)):
                return None
        except FrameTooLarge as error:
            why = error.code
        self._ledger.give_back(message["chunk"], [(row, _NONE) for row in signed.taken], now_ms)
        return why

    def heard(self, body: bytes) -> None:
        """The egress tells: prices, or rows of a chunk that the venue did not execute, or not in full.

        :raises BadFrame: the egress says what nobody understands
        """
        message = unpack(body)
        op = message.get("op")
        try:
            if op == "marks":
                venue, market, env = message["market"]
                self._ledger.marks.hear((venue, market, env), message["prices"], whole=message["whole"])
            elif op == "ended":
                rows = [(int(row), Decimal(executed)) for row, executed in message["rows"]]
                self.counts["unexecuted"] += len(rows)
                self._ledger.give_back(message["chunk"], rows, _now_ms())
        except (KeyError, TypeError, ValueError, ArithmeticError):
            raise BadFrame from None

    def _forwarded(self, message: Message, requests: list[tuple[int, bytes]], *, orders: bool) -> bool:
        deliver = {name: message[name] for name in ("chunk", "reply", "venue", "market", "env", "address")}
        deliver |= {name: message[name] for name in ("not_after_ms", "timeout_ms", "urgent")}
        frame = pack({"op": "deliver", **deliver, "orders": orders, "rows": requests})
        if not self._egress.forward(frame):
            return False
        self._chunks[message["chunk"]] = None
        if len(self._chunks) > _CHUNKS_REMEMBERED:
            self._chunks.popitem(last=False)
        return True


def _public_keys() -> list[CoseKey]:
    """A public key of each kind that passkeys have."""
    point, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    modulus = rsa.RSAPublicNumbers(65_537, (1 << 2_047) | 1).public_key()
    return [
        ES256.from_cryptography_key(point.public_key()),
        EdDSA.from_cryptography_key(edwards.public_key()),
        RS256.from_cryptography_key(modulus),
    ]


def _now_ms() -> int:
    return int(time.time() * 1000)


def _account(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != 16:
        raise Refused("bad_account")
    return value


def _assertion(parts: list[Any]) -> agreement.Assertion | None:
    if not parts:
        return None
    if len(parts) != 4 or not all(isinstance(part, bytes) and len(part) <= MAX_SEALED for part in parts):
        raise Refused("bad_fields")
    return agreement.Assertion(*parts)


def _tenant(value: Any) -> int:
    if type(value) is not int or not 0 < value < 1 << 24:
        raise Refused("bad_fields")
    return value


def _version(value: Any) -> int:
    if type(value) is not int or not 0 < value < 1_000_000_000:
        raise Refused("bad_fields")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _FIELD.fullmatch(value):
        raise Refused("bad_entry")
    return value


def _place(tenant: int, account: bytes, name: str, exchange: str) -> envelope.Place:
    """Where a field lives. One that was sealed with an exchange opens as that exchange's and as no other's: otherwise
    a key of Binance could be opened beside another exchange's name, and used without being read."""
    bound = exchange and name not in (EXCHANGE, AGREED)
    return envelope.Place(tenant, account, f"{exchange}/{name}" if bound else name)


def _entry(entry: Any) -> tuple[int, bytes, dict[Any, Any], list[Any]]:
    if not isinstance(entry, list) or len(entry) not in (3, 4):
        raise Refused("bad_entry")
    tenant, account, envelopes, *more = entry
    mandates = more[0] if more else []
    if type(tenant) is not int or not 0 < tenant < 1 << 24 or not isinstance(envelopes, dict):
        raise Refused("bad_entry")
    if not isinstance(mandates, list) or len(mandates) > MAX_ENTRIES:
        raise Refused("bad_entry")
    return tenant, _account(account), envelopes, mandates


def _check_chunk(message: Message) -> None:
    rows = message["rows"]
    if len(message["chunk"]) != 16 or len(message["reply"]) != 16:
        raise Refused("bad_fields")
    if not 0 < message["timeout_ms"] <= 60_000 or not 0 < message["not_after_ms"] < 1 << 62:
        raise Refused("bad_fields")
    if not 0 < len(rows) <= MAX_ROWS:
        raise Refused("rows_count")
    for row in rows:
        if (
            type(row) is not list
            or len(row) not in (3, 4)
            or type(row[0]) is not int
            or type(row[1]) is not bytes
            or len(row[1]) != 16
            or type(row[2]) is not bytes
            or type(row[-1]) not in (bytes, int)
        ):
            raise Refused("bad_row")
    if len({row[0] for row in rows}) != len(rows):
        raise Refused("rows_repeated")
