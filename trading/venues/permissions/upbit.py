"""Upbit and Bithumb: ``GET /v1/api_keys`` lists the keys and when they end, and not what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import moment, own
from trading.venues.permissions.wording import words


def _read(told: Sequence[Json], about: About) -> Rights | None:
    row = own(told[0], "access_key", about.key)
    ends = moment(row.get("expire_at")) if row else None
    return Rights(None, None, None, None, None, expires=ends)


UPBIT = Checker(
    codes=("upbit",),
    questions=(Question("privateGetApiKeys"),),
    words=words("Upbit", "My page > Open API management", withdraw="Withdraw", transfer="Withdraw", trade="Order"),
    read=_read,
    refusals={
        "jwt_verification": Means.SECRET,
        "no_authorization_ip": Means.ADDRESS,
        "expired_access_key": Means.EXPIRED,
        "out_of_scope": Means.UNTOLD,
        "nonce_used": Means.LATER,
        "too_many_requests": Means.LATER,
    },
)
BITHUMB = replace(
    UPBIT,
    codes=("bithumb",),
    questions=(Question("privateGetV1ApiKeys"),),
    words=words("Bithumb", "My page > API management", withdraw="Withdraw", transfer="Withdraw", trade="Order"),
)
