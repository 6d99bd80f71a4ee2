"""What an account's owner is told of differences between our record and the exchange."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from obscura.core import clock
from obscura.core.money import plain
from trading.models import Adjustment, Drift

TOLD_FOR = timedelta(days=7)
MOST = 20

_WORDS = {
    Drift.Kind.SMALLER: "There is less {symbol} than your copies hold: {theirs} instead of {ours}. We look again.",
    Drift.Kind.LARGER: "There is more {symbol} than your copies hold: {theirs}, of which {ours} is copied. "
    "The rest is yours and is left alone.",
    Drift.Kind.ORDER_OPEN: "An order of a copy is open there that we took for ended. It is being asked after.",
    Drift.Kind.ORDER_GONE: "An order of a copy is not open there any more. It is being asked after.",
}


@dataclass(frozen=True, slots=True)
class AccountNotice:
    """One sentence about an account, and since when it is so."""

    account_id: UUID
    words: str
    at: datetime


def account_notices(user_id: UUID) -> dict[UUID, list[AccountNotice]]:
    """By account of a user, what differs now and was seen twice, and what was cut within a week; newest first."""
    found: dict[UUID, list[AccountNotice]] = defaultdict(list)
    differing = Drift.objects.filter(user_id=user_id, resolved_at=None, sightings__gt=1).order_by("-last_seen", "-id")
    for row in differing[:MOST]:
        said = _WORDS[Drift.Kind(row.kind)].format(
            symbol=row.symbol, ours=plain(abs(row.ours)), theirs=plain(abs(row.theirs))
        )
        found[row.account_id].append(AccountNotice(row.account_id, said, row.first_seen))
    since = clock.now() - TOLD_FOR
    for cut in Adjustment.objects.filter(user_id=user_id, at__gte=since).order_by("-at", "-id")[:MOST]:
        found[cut.account_id].append(AccountNotice(cut.account_id, _cut(cut.symbol, cut.qty), cut.at))
    return dict(found)


def _cut(symbol: str, qty: Decimal) -> str:
    return (
        f"{plain(abs(qty))} {symbol} of your copies was closed at the exchange, not by us. Your copies were cut to "
        "what is there. What it brought is not known to us, and counts as neither gain nor loss."
    )
