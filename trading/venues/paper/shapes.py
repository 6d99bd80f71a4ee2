"""Orders, trades, accounts and positions in the words of the REST answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .amounts import full, short, times
from .exchange import Exchange
from .ledger import LIVE, Account, Conditional, Order, Trade
from .reports import now_ms
from .symbols import USDM
from .usdm import margins, most_notional


def spot_ack(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.symbol.name,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.at_us // 1000,
    }


def spot_result(order: Order) -> dict[str, Any]:
    placed = order.at_us // 1000
    return {
        "symbol": order.symbol.name,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": placed,
        "price": full(order.price),
        "origQty": full(order.quantity),
        "executedQty": full(order.filled),
        "origQuoteOrderQty": full(order.quote_quantity),
        "cummulativeQuoteQty": full(order.cost),
        "status": order.status,
        "timeInForce": order.tif,
        "type": order.type,
        "side": order.side,
        "workingTime": placed,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def spot_full(order: Order) -> dict[str, Any]:
    answer = spot_result(order)
    answer["fills"] = [
        {
            "price": full(trade.price),
            "qty": full(trade.quantity),
            "commission": full(trade.fee),
            "commissionAsset": trade.fee_asset,
            "tradeId": trade.id,
        }
        for trade in order.trades
    ]
    return answer


def spot_order(order: Order) -> dict[str, Any]:
    answer = spot_result(order)
    del answer["transactTime"]
    answer |= {
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.at_us // 1000,
        "updateTime": order.updated_ms,
        "isWorking": True,
    }
    return answer


def spot_canceled(order: Order, cancel_id: str) -> dict[str, Any]:
    answer = spot_result(order)
    answer |= {"origClientOrderId": order.client_id, "clientOrderId": cancel_id, "transactTime": order.updated_ms}
    return answer


def spot_trade(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": trade.order.symbol.name,
        "id": trade.id,
        "orderId": trade.order.id,
        "orderListId": -1,
        "price": full(trade.price),
        "qty": full(trade.quantity),
        "quoteQty": full(trade.quote),
        "commission": full(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.at_ms,
        "isBuyer": trade.order.side == "BUY",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def spot_account(account: Account, *, zero: bool = True) -> dict[str, Any]:
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": "0.00100000",
            "taker": "0.00100000",
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "canTrade": account.may_trade,
        "canWithdraw": account.may_withdraw,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.updated_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": full(free), "locked": full(locked)}
            for asset, (free, locked) in account.balances.items()
            if zero or free or locked
        ],
        "permissions": ["SPOT"],
        "uid": account.id,
    }


def usdm_order(order: Order) -> dict[str, Any]:
    return {
        "orderId": order.id,
        "symbol": order.symbol.name,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": short(order.price),
        "avgPrice": short(order.average),
        "origQty": short(order.quantity),
        "executedQty": short(order.filled),
        "cumQty": short(order.filled),
        "cumQuote": short(order.cost),
        "timeInForce": order.tif,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": order.at_us // 1000,
        "updateTime": order.updated_ms,
    }


def algo_order(one: Conditional) -> dict[str, Any]:
    """What `POST /fapi/v1/algoOrder` answers."""
    return {
        "algoId": one.id,
        "clientAlgoId": one.client_id,
        "algoType": "CONDITIONAL",
        "orderType": one.type,
        "symbol": one.symbol.name,
        "side": one.side,
        "positionSide": one.position_side,
        "timeInForce": one.tif,
        "quantity": short(one.quantity),
        "algoStatus": one.status,
        "triggerPrice": short(one.trigger),
        "price": short(one.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": one.working,
        "priceMatch": "NONE",
        "closePosition": one.whole,
        "priceProtect": False,
        "reduceOnly": one.reduce_only,
        "activatePrice": short(one.activate) if one.activate else "",
        "callbackRate": short(one.callback) if one.callback else "",
        "createTime": one.at_ms,
        "updateTime": one.updated_ms,
        "triggerTime": one.triggered_ms,
        "goodTillDate": 0,
    }


def algo_status(one: Conditional) -> dict[str, Any]:
    """What a question after it answers: beside that, the order it became."""
    order = one.order
    return algo_order(one) | {
        "actualOrderId": str(order.id) if order else "",
        "actualPrice": short(order.average) if order else "0",
        "actualQty": short(order.filled) if order else "0",
        "actualType": order.type if order else "",
    }


def usdm_ack(order: Order) -> dict[str, Any]:
    """What `newOrderRespType=ACK` says: accepted, nothing about fills."""
    answer = usdm_order(order)
    if order.status not in LIVE or order.filled:
        answer |= {"status": "NEW", "avgPrice": "0.00", "executedQty": "0", "cumQty": "0", "cumQuote": "0"}
    return answer


def usdm_trade(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": trade.order.symbol.name,
        "id": trade.id,
        "orderId": trade.order.id,
        "side": trade.order.side,
        "price": short(trade.price),
        "qty": short(trade.quantity),
        "realizedPnl": short(trade.realized),
        "quoteQty": short(trade.quote),
        "commission": short(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.at_ms,
        "positionSide": trade.order.position_side,
        "buyer": trade.order.side == "BUY",
        "maker": trade.maker,
    }


def positions(exchange: Exchange, account: Account, symbol: str | None, *, flat: bool) -> Iterator[dict[str, Any]]:
    """Position rows; with `flat`, symbols without a position too, as the second version of the API lists them."""
    rows = {key: held for key, held in account.positions.items() if held.amount}
    if flat:
        sides = ("LONG", "SHORT") if account.hedged else ("BOTH",)
        names = [symbol] if symbol else [name for name, one in exchange.symbols[USDM].items() if one.trading]
        for name in names:
            for side in sides:
                if (name, side) not in rows:
                    rows[name, side] = account.position(name, side)
    for (name, side), held in rows.items():
        if symbol and name != symbol:
            continue
        rule, leverage = exchange.symbols[USDM][name], account.leverage_of(name)
        mark = exchange.price((USDM, name)) or held.entry
        notional = times(mark, abs(held.amount)) * (1 if held.amount >= 0 else -1)
        isolated = name in account.isolated
        initial = held.isolated if isolated else abs(notional) // leverage
        yield {
            "symbol": name,
            "positionSide": side,
            "positionAmt": short(held.amount),
            "entryPrice": short(held.entry),
            "breakEvenPrice": short(held.entry),
            "markPrice": short(mark),
            "unRealizedProfit": short(held.pnl(mark)),
            "unrealizedProfit": short(held.pnl(mark)),
            "liquidationPrice": "0",
            "leverage": str(leverage),
            "maxNotionalValue": str(most_notional(rule, leverage)),
            "maxNotional": str(most_notional(rule, leverage)),
            "marginType": "isolated" if isolated else "cross",
            "isolated": isolated,
            "isolatedMargin": short(held.isolated),
            "isAutoAddMargin": "false",
            "notional": short(notional),
            "marginAsset": "USDT",
            "isolatedWallet": short(held.isolated),
            "initialMargin": short(initial),
            "maintMargin": "0",
            "positionInitialMargin": short(initial),
            "openOrderInitialMargin": "0",
            "adl": 0,
            "bidNotional": "0",
            "askNotional": "0",
            "updateTime": held.updated_ms,
        }


def usdm_account(exchange: Exchange, account: Account, *, flat: bool) -> dict[str, Any]:
    sums = margins(exchange, account)
    wallet, worth = short(sums.wallet), short(sums.wallet + sums.pnl)
    initial, available = short(sums.positions + sums.orders), short(sums.available)
    totals = {
        "totalInitialMargin": initial,
        "totalMaintMargin": short(sums.maintenance),
        "totalWalletBalance": wallet,
        "totalUnrealizedProfit": short(sums.pnl),
        "totalMarginBalance": worth,
        "totalPositionInitialMargin": short(sums.positions),
        "totalOpenOrderInitialMargin": short(sums.orders),
        "totalCrossWalletBalance": wallet,
        "totalCrossUnPnl": short(sums.pnl),
        "availableBalance": available,
        "maxWithdrawAmount": available,
    }
    asset = {
        "asset": "USDT",
        "walletBalance": wallet,
        "unrealizedProfit": short(sums.pnl),
        "marginBalance": worth,
        "maintMargin": short(sums.maintenance),
        "initialMargin": initial,
        "positionInitialMargin": short(sums.positions),
        "openOrderInitialMargin": short(sums.orders),
        "crossWalletBalance": wallet,
        "crossUnPnl": short(sums.pnl),
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "marginAvailable": True,
        "updateTime": account.updated_ms,
    }
    head = {
        "feeTier": 0,
        "canTrade": account.may_trade,
        "canDeposit": False,
        "canWithdraw": account.may_withdraw,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        "updateTime": account.updated_ms,
    }
    return {**head, **totals, "assets": [asset], "positions": list(positions(exchange, account, None, flat=flat))}


def usdm_balance(exchange: Exchange, account: Account) -> list[dict[str, Any]]:
    sums = margins(exchange, account)
    wallet, available = short(sums.wallet), short(sums.available)
    return [
        {
            "accountAlias": f"paper{account.id}",
            "asset": "USDT",
            "balance": wallet,
            "crossWalletBalance": wallet,
            "crossUnPnl": short(sums.pnl),
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "marginAvailable": True,
            "updateTime": account.updated_ms or now_ms(),
        }
    ]
