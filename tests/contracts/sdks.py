"""The clients that are not ours. To import them takes seconds, so that only who trades with them does."""

from __future__ import annotations

import warnings

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import DerivativesTradingUsdsFutures
from binance_sdk_spot.spot import Spot

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # python-binance imports an old name of websockets
    from binance.client import Client
    from binance.exceptions import BinanceAPIException

__all__ = [
    "BadRequestError",
    "BinanceAPIException",
    "Client",
    "ConfigurationRestAPI",
    "ConfigurationWebSocketAPI",
    "ConfigurationWebSocketStreams",
    "DerivativesTradingUsdsFutures",
    "Spot",
]
