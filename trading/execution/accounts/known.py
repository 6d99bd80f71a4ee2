"""What accounts are known to have at the venue: kept in this process's memory, with the tables behind it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from trading.domain.setup import State
from trading.execution import arrays, db

KEPT_S = 60.0
MOST_KEPT = 100_000

_READ = """select a.id::text, m.hedged, m.learnt_at, m.refused_at, s.leverage, s.margin, s.learnt_at
 from unnest(%s::uuid[]) a(id) left join {s}.trading_positionmode m on m.account_id = a.id
 left join {s}.trading_symbolsetting s on s.account_id = a.id and s.symbol = %s"""

_MODES = """insert into {s}.trading_positionmode as m (account_id, hedged, learnt_at, refused_at)
 select u.id::uuid, u.hedged, clock_timestamp(), case when u.refused then clock_timestamp() end
 from unnest(%s::text[], %s::boolean[], %s::boolean[]) u(id, hedged, refused) order by u.id
 on conflict (account_id) do update set hedged = excluded.hedged, learnt_at = excluded.learnt_at,
   refused_at = excluded.refused_at"""

_SETTINGS = """insert into {s}.trading_symbolsetting as s (account_id, symbol, leverage, margin, learnt_at)
 select u.id::uuid, %s, u.leverage, %s, clock_timestamp()
 from unnest(%s::text[], %s::int[]) u(id, leverage) order by u.id
 on conflict on constraint one_symbol_setting do update set leverage = excluded.leverage, margin = excluded.margin,
   learnt_at = excluded.learnt_at"""

_kept: dict[tuple[str, str], dict[str, tuple[float, State]]] = {}
"""By schema and account: by symbol."""


_NOTHING: dict[str, tuple[float, State]] = {}


def states(*, schema: str, accounts: Iterable[str], symbol: str) -> dict[str, State]:
    """What is known of each of these accounts in a symbol. Those seen within a minute cost nothing."""
    now = time.monotonic()
    found: dict[str, State] = {}
    missing: list[str] = []
    for account in accounts:
        kept = _kept.get((schema, account), _NOTHING).get(symbol)
        if kept is not None and now - kept[0] < KEPT_S:
            found[account] = kept[1]
        else:
            missing.append(account)
    if missing:
        if len(_kept) > MOST_KEPT:
            _kept.clear()
        rows = db.session().execute(db.sql(_READ, schema), [arrays.tokens(missing), symbol]).fetchall()
        for account, *columns in rows:
            found[account] = State(*columns)
            _kept.setdefault((schema, account), {})[symbol] = (now, found[account])
    return found


def learn_modes(*, schema: str, modes: Mapping[str, bool], refused: bool = False) -> None:
    """Note the position modes (hedged or not) of accounts.

    :param refused: the venue has just refused to change them
    """
    if modes:
        columns = [arrays.tokens(modes), arrays.flags(modes.values()), arrays.flags([refused] * len(modes))]
        db.session().execute(db.sql(_MODES, schema), columns)
        _forget(schema, modes)


def learn_settings(*, schema: str, symbol: str, margin: str, leverages: Mapping[str, int]) -> None:
    """Note what the venue confirmed for a symbol: the leverage of each account, and their margin mode."""
    if leverages:
        columns = [arrays.tokens(leverages), arrays.tokens(leverages.values())]
        db.session().execute(db.sql(_SETTINGS, schema), [symbol, margin, *columns])
        _forget(schema, leverages)


def forget() -> None:
    """Read everything from the tables again."""
    _kept.clear()


def _forget(schema: str, accounts: Iterable[str]) -> None:
    for account in accounts:
        _kept.pop((schema, account), None)
