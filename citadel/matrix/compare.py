"""One exchange's row of the matrix: its requests with the secret and with the decoy, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from citadel import decoys, uses
from citadel.bearing import BEARS, Bearing
from citadel.client import SignerClient, SignerRefused
from citadel.decoys import Decoys, Facts
from citadel.domain.calls import odd_headers
from citadel.domain.frames import pack, unpack
from citadel.domain.policy import JUDGED
from citadel.domain.request import NotCarried, Request
from citadel.matrix.credentials import WITH_TOKEN, credential
from citadel.matrix.methods import LEFT_OUT, METHODS
from citadel.matrix.requests import Endpoint, Outcome, built, endpoints, outcome
from citadel.signer.carrying import completed
from citadel.signer.primitives import PrimitiveRefused, Primitives

_ACCOUNT = bytes(15) + b"\1"


class Row(NamedTuple):
    """One exchange.

    :param compared: requests and method calls built on both sides
    :param signed: those of them that took a signature or a header's secret
    :param alike: endpoints left out because both sides raised the same error
    :param header: whether the secret travels in a header and came in through `substitute`
    """

    exchange: str
    uses: tuple[str, ...]
    compared: int
    signed: int
    alike: int
    equal: bool
    header: bool
    note: str


class Direct:
    """Stands where the signer's client would: the same questions, answered by `Primitives` in this process."""

    def __init__(self, primitives: Primitives) -> None:
        self._primitives = primitives
        self.asked = 0
        self.uses: set[str] = set()

    def public(self, account: bytes) -> str:
        return str(self._primitives.facts(account)["public"]["apiKey"])

    def hmac(self, *, account: bytes, payload: bytes, alg: str = "sha256") -> Any:
        return self.sign(account=account, field="secret", op="hmac", derivation="text", args=(alg, payload))

    def sign(self, *, account: bytes, field: str, op: str, derivation: str, args: Sequence[Any]) -> Any:
        self.asked += 1
        self.uses.add(uses.name(field, op, derivation, args))
        # As frames: what is asked and answered has to travel.
        question = unpack(pack({"field": field, "primitive": op, "derivation": derivation, "args": args})[4:])
        try:
            signature = self._primitives.sign(
                account=account,
                field=question["field"],
                op=question["primitive"],
                derivation=question["derivation"],
                args=question["args"],
            )
        except PrimitiveRefused as error:
            raise SignerRefused(code=error.code) from None
        return unpack(pack({"signature": signature})[4:])["signature"]

    def complete(self, bearing: Bearing, request: Request) -> Request:
        """What the signer would hand to the egress."""
        self.asked += 1
        self.uses |= {uses.name(use.field, use.op, use.derivation, use.args) for use in bearing.uses}
        _, exchange = self._primitives.owner(bearing.account)
        if exchange not in JUDGED and odd_headers(exchange, (name for name, _ in request.headers)):
            raise NotCarried("request_headers")
        asked = unpack(pack({"uses": bearing.uses})[4:])["uses"]
        whole, _ = completed(
            self._primitives, account=bearing.account, request=request, asked=asked, decoy=bearing.decoy
        )
        return whole


class _Side(NamedTuple):
    outcomes: list[Outcome]
    signed: list[bool]


def row(exchange: str, *, every: int = 1) -> Row:
    """Compare one exchange, every kind of key it knows; `every` n-th endpoint."""
    profile = uses.PROFILES.get(exchange)
    if profile is None:
        return Row(exchange, (), 0, 0, 0, equal=False, header=False, note="no profile in citadel/uses.py")
    used: set[str] = set()
    compared = signed = alike = 0
    notes: list[str] = []
    for kind in profile.kinds:
        chosen = _chosen(exchange, kind, every)
        given = credential(exchange, kind)
        stock = _stock(exchange, chosen, given)
        vaulted, asked = _vaulted(exchange, chosen, given)
        used |= asked
        for at, (plain, other) in enumerate(zip(stock.outcomes, vaulted.outcomes, strict=True)):
            if plain.raised and plain.raised == other.raised:
                alike += 1
                continue
            compared += 1
            signed += vaulted.signed[at]
            if plain != other:
                where = chosen[at] if at < len(chosen) else f"method {at - len(chosen)}"
                notes.append(f"{kind}: {where} {other.raised or 'differs'}")
        if not any(vaulted.signed):
            notes.append(f"{kind}: nothing was signed")
    header = profile.header is not None and profile.header.field == profile.field
    equal = not notes
    notes += [f"{kind}: {why}" for kind in profile.kinds if (why := LEFT_OUT.get((exchange, kind), ("", ""))[1])]
    note = notes[0] + (f" and {len(notes) - 1} more" if len(notes) > 1 else "") if notes else ""
    return Row(exchange, tuple(sorted(used)), compared, signed, alike, equal=equal, header=header, note=note)


def _chosen(exchange: str, kind: str, every: int) -> list[Endpoint]:
    import ccxt

    left_out, _ = LEFT_OUT.get((exchange, kind), ("", ""))
    found = [one for one in endpoints(getattr(ccxt, exchange)) if one.path != left_out]
    return found[::every]


def _stock(exchange: str, chosen: list[Endpoint], given: dict[str, str]) -> _Side:
    return _side(_instance(exchange, given, given, None), exchange, chosen, None)


def _vaulted(exchange: str, chosen: list[Endpoint], given: dict[str, str]) -> tuple[_Side, set[str]]:
    primitives = Primitives()
    primitives.put(_ACCOUNT, exchange=exchange, fields=given)
    client = Direct(primitives)
    with decoys.alone(cast(SignerClient, client), carried=frozenset()) as known:
        faked = known.credentials(_ACCOUNT, exchange=exchange, facts=Facts(**primitives.facts(_ACCOUNT)))
        made = _instance(exchange, faked, given, known)
        known.bear(made, account=_ACCOUNT)
        side = _side(made, exchange, chosen, (client, known))
    return side, client.uses


def _instance(exchange: str, fields: dict[str, str], given: dict[str, str], known: Decoys | None) -> Any:
    import ccxt

    kind = getattr(ccxt, exchange)
    if exchange == "hyperliquid" and known is not None:
        kind = known.hyperliquid(kind)
    config = {name: text for name, text in fields.items() if name not in uses.SECOND_KEYS or name == "twofa"}
    made = kind(config)
    if exchange in WITH_TOKEN:
        made.token = "the-token-of-a-session"
    if exchange == "paradex":
        made.options["systemConfig"] = {
            "l1_chain_id": "1",
            "starknet_chain_id": "0x505249564154455f534e5f50415241434c454152",
        }
        made.options |= {"authToken": "the-token-of-a-session", "expires": 0}
        made.options["paradexAccount"] = {"privateKey": fields["starkKey"], "address": "0x" + "4" * 60}
    if exchange == "dydx":
        made.options["dydxCredentials"] = {"privateKey": fields["tradingKey"][2:], "publicKey": "02" + "0" * 64}
    if exchange == "polymarket":
        made.options["proxyCredentials"] = {
            "privateKey": fields["proxyKey"][2:],
            "proxy": "0x" + "6" * 40,
            "secret": "s",
        }
    if exchange == "grvt":
        made.options |= {"AuthAccountId": "1", "AuthCookieValue": "gravity=1"}
    return made


def _side(made: Any, exchange: str, chosen: list[Endpoint], vaulted: tuple[Direct, Decoys] | None) -> _Side:
    outcomes: list[Outcome] = []
    signed: list[bool] = []
    calls = METHODS[exchange](made) if exchange in METHODS else []
    for seed, one in enumerate([*chosen, *calls]):
        before = vaulted[0].asked + vaulted[1].promised if vaulted else 0
        came = built(made, one, seed=seed) if isinstance(one, Endpoint) else outcome(_bound(one, made), seed=seed)
        if vaulted and isinstance(one, Endpoint) and came.request is not None:
            came = _completed(came.request, *vaulted)
        outcomes.append(came)
        signed.append(vaulted is not None and vaulted[0].asked + vaulted[1].promised > before)
    return _Side(outcomes, signed)


def _bound(call: Any, made: Any) -> Any:
    return lambda: call(made)


def _completed(request: dict[str, Any], direct: Direct, known: Decoys) -> Outcome:
    """The request as it leaves the vault, where it is one that the vault completes."""
    headers = dict(request["headers"] or {})
    bearing = known.bearings.take(headers.pop(BEARS, ""))
    if bearing is None:
        return Outcome(request)
    try:
        whole = direct.complete(bearing, _as_sent(request, headers))
    except (NotCarried, PrimitiveRefused) as error:
        return Outcome(None, error.code)
    body = request["body"]
    return Outcome(
        {
            "url": whole.url,
            "method": whole.method,
            "headers": {name: _alike(value, headers[name]) for name, value in whole.headers} or None,
            "body": whole.body if isinstance(body, bytes) else whole.body.decode() if body else body,
        }
    )


def _as_sent(request: dict[str, Any], headers: dict[str, Any]) -> Request:
    body = request["body"] or b""
    return Request(
        request["method"],
        request["url"],
        tuple((name, str(value)) for name, value in headers.items()),
        body.encode() if isinstance(body, str) else body,
    )


def _alike(value: str, before: Any) -> Any:
    return before if value == str(before) else value
