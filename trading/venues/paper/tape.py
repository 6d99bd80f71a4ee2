"""What the market does: trades, books, candles; told to resting orders first, then to whoever listens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from . import conditional
from .amounts import ONE, full, rounded_ratio, short, times
from .book import Level
from .exchange import Exchange, Key
from .hub import Hub, topic
from .reports import now_ms
from .symbols import SPOT, USDM

MINUTE = 60_000
KEPT_MINUTES = 1_500
KEPT_TRADES = 1_000
INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "12h": 720, "1d": 1440,
}  # fmt: skip


class Candle:
    """One minute; prices and volumes in units of 1e-8."""

    __slots__ = (
        "start",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "quote",
        "count",
        "first",
        "last",
        "buy",
        "buy_quote",
    )

    def __init__(self, start: int, price: int, id: int) -> None:
        self.start, self.open, self.high, self.low, self.close = start, price, price, price, price
        self.volume = self.quote = self.count = self.buy = self.buy_quote = 0
        self.first = self.last = id

    def join(self, other: Candle) -> None:
        """Take the minute after this one in."""
        self.high, self.low, self.close = max(self.high, other.high), min(self.low, other.low), other.close
        self.volume, self.quote, self.count = (
            self.volume + other.volume,
            self.quote + other.quote,
            self.count + other.count,
        )
        self.buy, self.buy_quote, self.last = self.buy + other.buy, self.buy_quote + other.buy_quote, other.last


def _percent(value: int) -> str:
    whole, part = divmod(abs(value), ONE)
    return f"{'-' if value < 0 else ''}{whole}.{part // 100_000:03d}"


class Tape:
    """The market of one venue. Sources call `trade`, `snapshot`, `depth` and `top`; time stamps are epoch ms."""

    def __init__(self, exchange: Exchange, hub: Hub) -> None:
        self.exchange, self.hub = exchange, hub
        self.candles: dict[Key, deque[Candle]] = {}
        self.trades: dict[Key, deque[tuple[int, int, int, int, bool]]] = {}
        self._best: dict[Key, tuple[Level, Level]] = {}

    # From the source

    def trade(self, key: Key, id: int, price: int, quantity: int, at_ms: int, buyer_is_maker: bool) -> None:
        self.exchange.last[key] = price
        candles = self.candles.get(key)
        if candles is None:
            candles = self.candles[key] = deque(maxlen=KEPT_MINUTES)
            self.trades[key] = deque(maxlen=KEPT_TRADES)
        start = at_ms - at_ms % MINUTE
        if not candles or candles[-1].start < start:
            candles.append(Candle(start, price, id))
        candle, quote = candles[-1], times(price, quantity)
        candle.high, candle.low, candle.close = max(candle.high, price), min(candle.low, price), price
        candle.volume += quantity
        candle.quote += quote
        candle.count += 1
        candle.last = id
        if not buyer_is_maker:
            candle.buy += quantity
            candle.buy_quote += quote
        self.trades[key].append((id, price, quantity, at_ms, buyer_is_maker))
        self._reach(key)
        self._tell_trade(key, id, price, quantity, at_ms, buyer_is_maker)

    def snapshot(self, key: Key, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        book = self.exchange.book(key)
        book.bids.replace(bids)
        book.asks.replace(asks)
        self._changed(key)

    def depth(self, key: Key, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Absolute quantities of some levels; a level that would cross the other side removes what it crosses."""
        book = self.exchange.book(key)
        for side, levels in ((book.bids, bids), (book.asks, asks)):
            for price, quantity in levels:
                side.set(price, quantity)
        bid, ask = book.bids.best, book.asks.best
        if bid is not None and ask is not None and bid >= ask:
            known = self._best.get(key)
            if known:
                book.bids.top(*known[0])
                book.asks.top(*known[1])
        self._changed(key)

    def top(self, key: Key, bid: Level, ask: Level) -> None:
        book = self.exchange.book(key)
        book.bids.top(*bid)
        book.asks.top(*ask)
        self._changed(key)

    def halt(self, key: Key) -> None:
        """The source lost this market: without a price nothing may trade."""
        symbol = self.exchange.symbols[key[0]][key[1]]
        symbol.trading, symbol.info["status"] = False, "BREAK" if key[0] == SPOT else "PENDING_TRADING"

    def _changed(self, key: Key) -> None:
        book = self.exchange.books[key]
        book.update_id += 1
        bids, asks = book.bids.levels(1), book.asks.levels(1)
        if not bids or not asks:
            return
        symbol = self.exchange.symbols[key[0]][key[1]]
        if not symbol.trading:
            symbol.open()
        best = (bids[0], asks[0])
        if best != self._best.get(key):
            self._best[key] = best
            self.exchange.moved(key)
            self._reach(key)
            name = topic(symbol, "bookTicker")
            if (key[0], name) in self.hub.topics:
                self.hub.publish(key[0], name, self.book_ticker_event(key))

    def _reach(self, key: Key) -> None:
        if key[0] == USDM and self.exchange.ledger.conditional.get(key[1]):
            conditional.moved(self.exchange, key[1])

    # To the listeners

    def _tell_trade(self, key: Key, id: int, price: int, quantity: int, at_ms: int, buyer_is_maker: bool) -> None:
        market, name = key
        number, now = (full if market == SPOT else short), None
        for kind in ("trade", "aggTrade"):
            stream = topic(name, kind)
            if (market, stream) not in self.hub.topics:
                continue
            now = now or now_ms()
            event: dict[str, Any] = {"e": kind, "E": now, "s": name}
            if kind == "trade":
                event |= {"t": id, "p": number(price), "q": number(quantity), "T": at_ms, "m": buyer_is_maker}
            else:
                event |= {"a": id, "p": number(price), "q": number(quantity), "f": id, "l": id, "T": at_ms}
                event |= {"m": buyer_is_maker}
            event |= {"M": True} if market == SPOT else {"X": "MARKET"} if kind == "trade" else {}
            self.hub.publish(market, stream, event)

    def book_ticker_event(self, key: Key) -> dict[str, Any]:
        market, name = key
        number, ((bid, bids), (ask, asks)) = (full if market == SPOT else short), self._best[key]
        event: dict[str, Any] = {
            "u": self.exchange.books[key].update_id,
            "s": name,
            "b": number(bid),
            "B": number(bids),
            "a": number(ask),
            "A": number(asks),
        }
        if market != SPOT:
            now = now_ms()
            event = {"e": "bookTicker", **event, "T": now, "E": now}
        return event

    def span(self, key: Key, minutes: int = 1_440) -> Candle | None:
        """All candles of the last `minutes` in one; None without a trade."""
        since, whole = now_ms() - minutes * MINUTE, None
        for candle in self.candles.get(key, ()):
            if candle.start < since - MINUTE:
                continue
            if whole is None:
                whole = Candle(candle.start, candle.open, candle.first)
            whole.join(candle)
        return whole

    def klines(self, key: Key, interval: str) -> list[Candle]:
        """Candles of an interval, oldest first, made of the minutes that are known."""
        width = INTERVALS[interval] * MINUTE
        rows: list[Candle] = []
        for candle in self.candles.get(key, ()):
            start = candle.start - candle.start % width
            if not rows or rows[-1].start != start:
                rows.append(Candle(start, candle.open, candle.first))
            rows[-1].join(candle)
        return rows

    def ticker(self, key: Key) -> dict[str, Any]:
        """24-hour figures as text, by the names of the REST answer."""
        market, name = key
        number = full if market == SPOT else short
        price, day = self.exchange.price(key) or 0, self.span(key)
        best = self._best.get(key, ((0, 0), (0, 0)))
        opened = day.open if day else price
        change = price - opened
        percent = rounded_ratio(change * 100, opened) if opened else 0
        candle = self.candles[key][-1] if key in self.candles else None
        last = self.trades[key][-1] if candle else (0, 0, 0, 0, False)
        return {
            "symbol": name,
            "priceChange": number(change),
            "priceChangePercent": _percent(percent),
            "weightedAvgPrice": number(rounded_ratio(day.quote, day.volume) if day and day.volume else price),
            "prevClosePrice": number(opened),
            "lastPrice": number(price),
            "lastQty": number(last[2]),
            "bidPrice": number(best[0][0]),
            "bidQty": number(best[0][1]),
            "askPrice": number(best[1][0]),
            "askQty": number(best[1][1]),
            "openPrice": number(opened),
            "highPrice": number(day.high if day else price),
            "lowPrice": number(day.low if day else price),
            "volume": number(day.volume if day else 0),
            "quoteVolume": number(day.quote if day else 0),
            "openTime": day.start if day else now_ms(),
            "closeTime": now_ms(),
            "firstId": day.first if day else -1,
            "lastId": day.last if day else -1,
            "count": day.count if day else 0,
        }

    def _ticker_event(self, key: Key, *, mini: bool) -> dict[str, Any]:
        rest = self.ticker(key)
        event = {"e": "24hrMiniTicker" if mini else "24hrTicker", "E": now_ms(), "s": key[1], "c": rest["lastPrice"]}
        event |= {"o": rest["openPrice"], "h": rest["highPrice"], "l": rest["lowPrice"], "v": rest["volume"]}
        event["q"] = rest["quoteVolume"]
        if not mini:
            event |= {"p": rest["priceChange"], "P": rest["priceChangePercent"], "w": rest["weightedAvgPrice"]}
            event |= {"Q": rest["lastQty"], "O": rest["openTime"], "C": rest["closeTime"], "F": rest["firstId"]}
            event |= {"L": rest["lastId"], "n": rest["count"]}
            if key[0] == SPOT:
                event |= {"x": rest["prevClosePrice"], "b": rest["bidPrice"], "B": rest["bidQty"]}
                event |= {"a": rest["askPrice"], "A": rest["askQty"]}
        return event

    def _kline_event(self, key: Key, interval: str) -> dict[str, Any] | None:
        rows = self.klines(key, interval)
        if not rows:
            return None
        row, number, width = rows[-1], (full if key[0] == SPOT else short), INTERVALS[interval] * MINUTE
        now = now_ms()
        details = {
            "t": row.start,
            "T": row.start + width - 1,
            "s": key[1],
            "i": interval,
            "f": row.first,
            "L": row.last,
        }
        details |= {"o": number(row.open), "c": number(row.close), "h": number(row.high), "l": number(row.low)}
        details |= {"v": number(row.volume), "n": row.count, "x": now >= row.start + width, "q": number(row.quote)}
        details |= {"V": number(row.buy), "Q": number(row.buy_quote), "B": "0"}
        return {"e": "kline", "E": now, "s": key[1], "k": details}

    def _mark_event(self, key: Key) -> dict[str, Any]:
        price, now = short(self.exchange.price(key) or 0), now_ms()
        funding = now - now % (480 * MINUTE) + 480 * MINUTE
        event = {"e": "markPriceUpdate", "E": now, "s": key[1], "p": price, "i": price, "P": price}
        return event | {"r": "0.00000000", "T": funding}

    def levels(self, key: Key, count: int) -> tuple[list[list[str]], list[list[str]]]:
        number, book = (full if key[0] == SPOT else short), self.exchange.book(key)
        bids, asks = (
            [[number(price), number(quantity)] for price, quantity in side.levels(count)]
            for side in (book.bids, book.asks)
        )
        return bids, asks

    def _partial_event(self, key: Key, count: int) -> dict[str, Any]:
        bids, asks = self.levels(key, count)
        id = self.exchange.books[key].update_id
        if key[0] == SPOT:
            return {"lastUpdateId": id, "bids": bids, "asks": asks}
        now = now_ms()
        return {
            "e": "depthUpdate",
            "E": now,
            "T": now,
            "s": key[1],
            "U": id,
            "u": id,
            "pu": id - 1,
            "b": bids,
            "a": asks,
        }

    def _flush_depth(self, key: Key, streams: list[str]) -> None:
        """Tell what changed since the last time as one diff whose ids follow on the one before."""
        book = self.exchange.books[key]
        if book.update_id == book.told_id:
            return
        bids, asks, number = book.bids.drain(), book.asks.drain(), (full if key[0] == SPOT else short)
        first, before, book.told_id = book.told_id + 1, book.told_id, book.update_id
        if not streams:
            return
        now = now_ms()
        event: dict[str, Any] = {"e": "depthUpdate", "E": now, "s": key[1], "U": first, "u": book.update_id}
        if key[0] != SPOT:
            event |= {"T": now, "pu": before}
        event["b"] = [[number(price), number(quantity)] for price, quantity in bids]
        event["a"] = [[number(price), number(quantity)] for price, quantity in asks]
        for stream in streams:
            self.hub.publish(key[0], stream, event)

    async def run(self) -> None:
        """The streams that go by the clock: depth every 100 ms, candles every 300 ms, tickers every second."""
        beat = 0
        while True:
            await asyncio.sleep(0.1)
            beat += 1
            diffs: dict[Key, list[str]] = {}
            for market, name, kind in self.hub.wanted():
                key = (market, name)
                if not name:
                    if beat % 10 == 0:
                        self._tell_all(market, kind)
                elif key not in self._best:
                    continue
                elif kind == "depth" or kind.startswith("depth@"):
                    diffs.setdefault(key, []).append(topic(name, kind))
                elif kind.startswith("depth"):
                    count = int(kind[5:].partition("@")[0])
                    self.hub.publish(market, topic(name, kind), self._partial_event(key, count))
                elif kind.startswith("kline_") and beat % 3 == 0:
                    event = self._kline_event(key, kind[6:])
                    if event:
                        self.hub.publish(market, topic(name, kind), event)
                elif kind in ("ticker", "miniTicker") and beat % 10 == 0:
                    self.hub.publish(market, topic(name, kind), self._ticker_event(key, mini=kind == "miniTicker"))
                elif kind.startswith("markPrice") and beat % 10 == 0:
                    self.hub.publish(market, topic(name, kind), self._mark_event(key))
            for key in list(self.exchange.books):
                self._flush_depth(key, diffs.get(key, []))

    def _tell_all(self, market: str, stream: str) -> None:
        keys = [key for key in self._best if key[0] == market]
        if stream == "!bookTicker":
            for key in keys:
                self.hub.publish(market, stream, self.book_ticker_event(key))
        elif stream.startswith("!markPrice"):
            self.hub.publish(market, stream, [self._mark_event(key) for key in keys])
        else:
            mini = stream.startswith("!mini")
            self.hub.publish(market, stream, [self._ticker_event(key, mini=mini) for key in keys])
