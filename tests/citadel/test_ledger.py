"""What the signer lets through: sums, ids, prices, losses; and that it knows them after it was killed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as D
from pathlib import Path

import msgpack
import pytest

from citadel.domain.mandate import Caps, Mandate
from citadel.domain.orders import Order
from citadel.signer.journal import Journal
from citadel.signer.ledger import Ask, Ledger, Taken
from citadel.signer.marks import Marks
from tests.citadel.support import BEN, CLEO, TENANT, mandate

NOON = 1_795_176_000_000
SPOT, USDM = ("binance", "spot", "paper"), ("binance", "usdm", "paper")
CAPS = Caps(D(1_000), D(3_000), D(10_000), 10)
ACCOUNT = Caps(D(5_000), D(20_000), D(50_000), 20)
BEN_KEY = (TENANT, BEN.subscription)
_ids = iter(range(10**6))


class Desk:
    """A ledger whose time and prices a test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOON
        self.marks = Marks(clock=lambda: self.now / 1000)
        self.ledger = self.opened()
        self.prices(BTCUSDT="60000", ETHUSDT="3000")

    def opened(self) -> Ledger:
        return Ledger(journal=Journal(self.folder), marks=self.marks, caps=ACCOUNT, now_ms=self.now)

    def killed(self) -> None:
        """As after SIGKILL: another process opens the same files."""
        agreed = dict(self.ledger._mandates)
        self.ledger = self.opened()
        for one in agreed.values():
            self.ledger.admit(one)

    def prices(self, **prices: str) -> None:
        for market in (SPOT, USDM):
            self.marks.hear(market, prices, whole=False)

    def agree(self, **changed: object) -> Mandate:
        agreed = mandate(BEN, **{"caps": CAPS, "max_loss_usd": D(100)} | changed)
        assert self.ledger.admit(agreed) is None
        return agreed

    def ask(
        self, side: str = "buy", qty: str = "0.01", *, price: str | None = None, symbol: str = "BTCUSDT",
        market: tuple[str, str, str] = USDM, reduces: bool = False, account: bytes = BEN.account,
        key: tuple[int, int] = BEN_KEY, ident: str | None = None,
    ) -> Taken | str:  # fmt: skip
        limit = None if price is None else D(price)
        order = Order(symbol, side == "buy", D(qty), limit, reduces, ident or f"id{next(_ids)}")
        return self.ledger.reserve(Ask(order, market, account, key, self.now + 5_000), now_ms=self.now)

    def sent(self, *args: str, chunk: bytes = b"", **kwargs: object) -> Taken:
        taken = self.ask(*args, **kwargs)  # type: ignore[arg-type]
        assert isinstance(taken, Taken), taken
        self.ledger.commit(chunk or b"c%d" % next(_ids), {0: taken}, self.now)
        return taken


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# ------------------------------------------------------------------------------------------------ what an open needs


def test_an_open_within_its_mandate_is_signed(desk: Desk) -> None:
    desk.agree()

    assert isinstance(desk.ask("buy", "0.0166"), Taken)  # 996 of 1,000 dollars


REFUSED: list[tuple[str, Callable[[Desk], object]]] = [
    ("mandate_unknown", lambda desk: desk.ask(key=(TENANT, 999))),
    ("mandate_unknown", lambda desk: desk.ask(key=(TENANT + 1, BEN.subscription))),
    ("mandate_of_another", lambda desk: desk.ask(account=CLEO.account)),
    ("mandate_of_another", lambda desk: desk.ask(market=("binance", "usdm", "live"))),
    ("mandate_symbol", lambda desk: desk.ask(symbol="SOLUSDT")),
    ("mandate_order_cap", lambda desk: desk.ask(qty="0.0167")),
    ("mandate_order_cap", lambda desk: desk.ask(qty="0.0166", price="61000")),
    ("mandate_order_cap", lambda desk: desk.ask("sell", "0.0167", price="59900")),
    ("mandate_price_band", lambda desk: desk.ask(price="63001")),
    ("mandate_price_band", lambda desk: desk.ask("sell", price="56999")),
    ("mark_unknown", lambda desk: desk.ask(symbol="XRPUSDT")),
    ("mark_unknown", lambda desk: desk.ask(symbol="XRPZAR", qty="1")),
]


@pytest.mark.parametrize(("code", "ask"), REFUSED)
def test_an_open_beyond_its_mandate_is_refused(desk: Desk, code: str, ask: Callable[[Desk], object]) -> None:
    desk.agree(deny=frozenset({"SOLUSDT"}))

    assert ask(desk) == code


def test_only_symbols_that_were_allowed_are_opened(desk: Desk) -> None:
    desk.agree(allow=frozenset({"ETHUSDT"}))

    assert desk.ask(symbol="BTCUSDT") == "mandate_symbol"
    assert isinstance(desk.ask(symbol="ETHUSDT"), Taken)


def test_nothing_is_opened_under_a_mandate_that_was_closed_but_all_is_closed(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.01")
    desk.agree(number=2, opens=False)

    assert desk.ask("buy") == "mandate_closed"
    assert isinstance(desk.ask("sell", "0.01", reduces=True), Taken)


def test_an_older_mandate_is_no_use_any_more(desk: Desk) -> None:
    wide = desk.agree()
    desk.agree(number=2, caps=Caps(D(100), D(100), D(100), 1))

    assert desk.ledger.admit(wide) == "mandate_outdated"
    assert desk.ask("buy", "0.01") == "mandate_order_cap"
    desk.killed()
    assert desk.ledger.admit(wide) == "mandate_outdated"


def test_prices_that_were_not_heard_for_half_a_minute_deny(desk: Desk) -> None:
    desk.agree()
    desk.now += 30_000

    assert desk.ask("buy") == "mark_unknown"


def test_a_pair_in_another_currency_is_reckoned_in_dollars(desk: Desk) -> None:
    desk.agree()
    desk.prices(ETHBTC="0.05", ADATRY="20", USDTTRY="40")

    assert isinstance(desk.ask(symbol="ETHBTC", qty="0.33", market=SPOT), Taken)  # 0.33 x 0.05 x 60,000 = 990
    assert desk.ask(symbol="ETHBTC", qty="0.34", market=SPOT) == "mandate_order_cap"
    assert desk.ask(symbol="ADATRY", qty="2001", market=SPOT) == "mandate_order_cap"  # 2,001 x 20 / 40 > 1,000


# ------------------------------------------------------------------------------------------------ sums


def test_a_minute_and_a_day_have_their_sums(desk: Desk) -> None:
    desk.agree()
    minutes = 0
    while isinstance(desk.ask("buy", "0.015"), Taken):
        minutes += 1
    assert minutes == 3  # 900 dollars each, of 3,000

    assert desk.ask("buy", "0.015") == "mandate_minute_cap"
    taken = 3
    while taken < 11:
        desk.now += 60_000
        desk.prices(BTCUSDT="60000")
        taken += sum(isinstance(desk.ask("buy", "0.015"), Taken) for _ in range(3))
    assert desk.ask("buy", "0.015") == "mandate_day_cap"  # eleven were 9,900 of 10,000

    desk.now += 86_400_000
    desk.prices(BTCUSDT="60000")
    assert isinstance(desk.ask("buy", "0.015"), Taken)


def test_rows_of_one_chunk_see_each_other(desk: Desk) -> None:
    desk.agree()

    found = [desk.ask("buy", "0.0166") for _ in range(5)]

    assert [isinstance(one, Taken) for one in found] == [True, True, True, False, False]


def test_an_account_is_capped_over_all_that_trades_on_it(desk: Desk) -> None:
    wide = Caps(D(10_000), D(100_000), D(100_000), 20)
    desk.agree(caps=wide)
    other = mandate(BEN, subscription=77, caps=wide)
    desk.ledger.admit(other)

    assert desk.ask("buy", "0.09") == "account_order_cap"  # 5,400 of 5,000
    for key in (BEN_KEY, (TENANT, 77)) * 2:
        assert isinstance(desk.ask("buy", "0.08", key=key), Taken)
    assert desk.ask("buy", "0.08", key=(TENANT, 77)) == "account_minute_cap"  # 4 x 4,800 of 20,000


def test_leverage_has_the_lower_of_both_caps(desk: Desk) -> None:
    desk.agree()

    refuse = desk.ledger.refuse_leverage
    assert refuse(10, account=BEN.account, key=BEN_KEY) is None
    assert refuse(11, account=BEN.account, key=BEN_KEY) == "mandate_leverage"
    assert refuse(5, account=CLEO.account, key=BEN_KEY) == "mandate_of_another"
    assert refuse(5, account=BEN.account, key=(TENANT, 5)) == "mandate_unknown"
    desk.ledger.cap_account(BEN.account, Caps(D(1), D(1), D(1), 3))
    assert refuse(4, account=BEN.account, key=BEN_KEY) == "account_leverage"


# ------------------------------------------------------------------------------------------------ ids


def test_an_id_is_signed_once_while_its_window_is_open(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.01", ident="a")

    assert desk.ask("buy", "0.01", ident="a") == "signed_already"
    assert desk.ask("sell", "0.01", ident="a", reduces=True) == "signed_already"
    desk.killed()
    assert desk.ask("buy", "0.01", ident="a") == "signed_already"
    desk.now += 5_001
    assert isinstance(desk.ask("buy", "0.01", ident="a"), Taken)


def test_ids_are_kept_over_the_turn_of_their_two_generations(desk: Desk) -> None:
    desk.agree()
    desk.now += 14_999
    desk.sent("buy", "0.001", ident="a")
    desk.now += 2
    desk.sent("buy", "0.001", ident="b")  # turns

    assert desk.ask("buy", "0.001", ident="a") == "signed_already"


# ------------------------------------------------------------------------------------------------ closing


def test_what_reduces_needs_no_mandate_no_price_and_no_room(desk: Desk) -> None:
    desk.agree(caps=Caps(D(1), D(1), D(1), 1))

    for key in (BEN_KEY, (TENANT, 999)):
        assert isinstance(desk.ask("sell", "5", reduces=True, key=key, symbol="XRPUSDT"), Taken)
    desk.now += 60_000
    assert isinstance(desk.ask("buy", "5", reduces=True), Taken)


def test_on_spot_what_was_bought_can_be_sold_whatever_the_caps(desk: Desk) -> None:
    desk.agree()
    for _ in range(3):
        desk.sent("buy", "0.0166", market=SPOT)
    desk.agree(number=2, opens=False)
    desk.ledger.cap_account(BEN.account, Caps(D(1), D(1), D(1), 1))

    assert isinstance(desk.ask("sell", "0.0498", market=SPOT), Taken)
    assert desk.ask("sell", "0.0001", market=SPOT) == "account_order_cap"  # that was all


def test_what_was_bought_before_the_ledger_began_is_sold_under_the_accounts_caps(desk: Desk) -> None:
    desk.agree(opens=False)

    assert isinstance(desk.ask("sell", "0.08", market=SPOT), Taken)
    assert desk.ask("sell", "0.09", market=SPOT) == "account_order_cap"


# ------------------------------------------------------------------------------------------------ losses


def round_trip(desk: Desk, *, at: str, out: str, qty: str = "0.01") -> None:
    desk.prices(BTCUSDT=at)
    desk.sent("buy", qty)
    desk.prices(BTCUSDT=out)
    desk.sent("sell", qty, reduces=True)


def test_when_the_agreed_loss_is_reached_nothing_more_is_opened(desk: Desk) -> None:
    desk.agree()
    round_trip(desk, at="60000", out="55000")
    assert desk.ledger.lost(BEN_KEY) == 50
    round_trip(desk, at="60000", out="55000")

    assert desk.ask("buy") == "mandate_loss"
    desk.killed()
    assert desk.ledger.lost(BEN_KEY) == 100
    assert desk.ask("buy") == "mandate_loss"
    assert isinstance(desk.ask("sell", "0.01", reduces=True), Taken)


def test_a_short_that_goes_wrong_is_a_loss_and_a_gain_makes_room(desk: Desk) -> None:
    desk.agree()
    desk.sent("sell", "0.01")
    desk.prices(BTCUSDT="64000")
    desk.sent("buy", "0.01", reduces=True)
    assert desk.ledger.lost(BEN_KEY) == 40

    round_trip(desk, at="60000", out="61000")
    assert desk.ledger.lost(BEN_KEY) == 30


def test_what_was_closed_elsewhere_is_never_taken_for_a_loss(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.01")  # its owner sells it at the exchange by hand
    desk.prices(BTCUSDT="30000")
    desk.sent("buy", "0.01")
    desk.sent("sell", "0.01", reduces=True)

    assert desk.ledger.lost(BEN_KEY) == 0


# ------------------------------------------------------------------------------------------------ giving back


def test_what_the_venue_refused_comes_back_whole(desk: Desk) -> None:
    desk.agree()
    for _ in range(3):
        desk.sent("buy", "0.0166", chunk=b"last", ident=f"r{next(_ids)}")
    taken = desk.ask("buy", "0.0001", ident="z")
    assert isinstance(taken, Taken)
    desk.ledger.release([taken], desk.now)
    assert desk.ask("buy", "0.0166") == "mandate_minute_cap"

    desk.ledger.give_back(b"last", [(0, D(0))], desk.now)

    assert isinstance(desk.ask("buy", "0.0166"), Taken)


def test_an_id_that_was_not_executed_is_free_again_and_stays_so(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.01", ident="a", chunk=b"one")

    desk.ledger.give_back(b"one", [(0, D(0)), (5, D(0))], desk.now)
    desk.ledger.give_back(b"one", [(0, D(0))], desk.now)  # told twice, taken once
    desk.ledger.give_back(b"unheard of", [(0, D(0))], desk.now)

    desk.killed()
    assert isinstance(desk.ask("buy", "0.01", ident="a"), Taken)


def test_of_what_was_executed_in_part_the_rest_comes_back(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.016", market=SPOT, ident="a", chunk=b"part")

    desk.ledger.give_back(b"part", [(0, D("0.004"))], desk.now)

    assert desk.ask("buy", "0.001", market=SPOT, ident="a") == "signed_already"
    assert isinstance(desk.ask("sell", "0.004", market=SPOT), Taken)
    desk.ledger.cap_account(BEN.account, Caps(D(1), D(1), D(1), 1))
    assert desk.ask("sell", "0.001", market=SPOT) == "account_order_cap"


def test_a_close_that_was_refused_is_no_loss(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.01")
    desk.prices(BTCUSDT="55000")
    desk.sent("sell", "0.01", reduces=True, chunk=b"close")
    assert desk.ledger.lost(BEN_KEY) == 50

    desk.ledger.give_back(b"close", [(0, D(0))], desk.now)

    assert desk.ledger.lost(BEN_KEY) == 0
    desk.sent("sell", "0.01", reduces=True)
    assert desk.ledger.lost(BEN_KEY) == 50


# ------------------------------------------------------------------------------------------------ the journal


def test_a_killed_signer_knows_its_sums(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.0166")
    desk.sent("buy", "0.0166")
    for _ in range(3):
        desk.killed()

    assert isinstance(desk.ask("buy", "0.0166"), Taken)
    assert desk.ask("buy", "0.0166") == "mandate_minute_cap"


def test_a_record_that_was_cut_short_is_left_out(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.0166")
    desk.sent("buy", "0.0166")
    longest = max(desk.folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    longest.write_bytes(longest.read_bytes()[:-3])

    desk.killed()

    assert [isinstance(desk.ask("buy", "0.0166"), Taken) for _ in range(3)] == [True, True, False]


def test_a_snapshot_that_was_cut_short_leaves_the_one_before(desk: Desk) -> None:
    desk.agree()
    for _ in range(3):
        desk.sent("buy", "0.0166")
    before = {file.name: file.read_bytes() for file in desk.folder.iterdir()}
    desk.killed()
    for file in desk.folder.iterdir():
        if file.read_bytes() != before[file.name]:
            file.write_bytes(file.read_bytes()[:20])

    desk.killed()

    assert desk.ask("buy", "0.0166") == "mandate_minute_cap"


def test_a_long_journal_is_written_anew_and_says_the_same(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "short"
    desk.ledger = Ledger(journal=Journal(folder, long=2_000), marks=desk.marks, caps=ACCOUNT, now_ms=desk.now)
    desk.folder = folder
    desk.agree(caps=Caps(D(1_000), D(10_000), D(100_000), 10))
    for _ in range(100):
        desk.sent("buy", "0.001", market=SPOT)
    assert max(file.stat().st_size for file in folder.iterdir()) < 20_000

    desk.killed()

    assert isinstance(desk.ask("sell", "0.1", market=SPOT), Taken)
    assert desk.ask("buy", "0.0166", market=SPOT, ident="x") != "signed_already"


def test_what_cannot_be_written_down_is_not_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.agree()
    taken = desk.ask("buy", "0.0166", ident="a")
    assert isinstance(taken, Taken)

    def full(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(desk.ledger._journal, "record", full)
    with pytest.raises(OSError):
        desk.ledger.commit(b"c", {0: taken}, desk.now)
    desk.ledger.release([taken], desk.now)

    assert isinstance(desk.ask("buy", "0.0166", ident="a"), Taken)


def audited(desk: Desk) -> list[tuple[str, dict[str, object]]]:
    return [(kind, facts) for _, _, kind, facts, _, _ in desk.ledger.trail.after(0)["entries"]]


def test_signatures_whose_entry_a_death_kept_from_the_record_are_told_by_the_next_start(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.001")
    desk.ledger.trail.note("signed", {"chunk": "c"}, desk.now)
    desk.ledger.settle(desk.now)
    desk.sent("buy", "0.001")
    desk.sent("buy", "0.001")

    desk.killed()

    assert audited(desk) == [("signed", {"chunk": "c"}), ("unrecorded", {"chunks": 2, "rows": 2})]
    desk.killed()
    assert len(audited(desk)) == 2  # told once


def test_a_journal_of_a_release_before_the_record_misses_nothing(desk: Desk) -> None:
    desk.agree()
    desk.sent("buy", "0.001")
    for file in desk.folder.iterdir():
        records = msgpack.Unpacker(raw=False)
        records.feed(file.read_bytes())
        file.write_bytes(b"".join(msgpack.packb(one) for one in records if one[0] != "audit"))

    desk.killed()

    assert audited(desk) == []
    assert len(desk.ledger.trail.chain) == 32


def test_a_long_journal_keeps_the_record_and_what_is_missing_of_it(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "short"
    desk.ledger = Ledger(journal=Journal(folder, long=500), marks=desk.marks, caps=ACCOUNT, now_ms=desk.now, kept=5)
    desk.folder = folder
    desk.agree()
    for number in range(20):
        desk.ledger.trail.note("sealed", {"number": number}, desk.now)
        desk.ledger.settle(desk.now)
    for _ in range(7):
        desk.sent("buy", "0.001")
    before = desk.ledger.trail.after(0)
    assert (before["lost"], before["last"]) == (15, 20)

    desk.killed()

    after = desk.ledger.trail.after(0)
    assert after["entries"][:5] == before["entries"]
    assert (after["chain"], after["last"]) == (before["chain"], 21)
    assert audited(desk)[-1] == ("unrecorded", {"chunks": 7, "rows": 7})
