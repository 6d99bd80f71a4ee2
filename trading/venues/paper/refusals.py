"""What the venue says no with: Binance's codes and words, one constructor each."""

from __future__ import annotations


class Refused(Exception):
    """A request refused as Binance refuses it: HTTP status, code, message."""

    def __init__(self, code: int, msg: str, status: int = 400, headers: str = "") -> None:
        super().__init__(code, msg)
        self.code, self.msg, self.status, self.headers = code, msg, status, headers

    @property
    def body(self) -> dict[str, object]:
        return {"code": self.code, "msg": self.msg}


def missing(name: str) -> Refused:
    return Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def malformed(name: str, legal: str = "^([0-9]{1,20})(\\.[0-9]{1,20})?$") -> Refused:
    return Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def not_required(name: str) -> Refused:
    return Refused(-1106, f"Parameter '{name}' sent when not required.")


def too_precise(name: str) -> Refused:
    return Refused(-1111, f"Parameter '{name}' has too much precision.")


def filtered(name: str) -> Refused:
    return Refused(-1013, f"Filter failure: {name}")


def bad_symbol() -> Refused:
    return Refused(-1121, "Invalid symbol.")


def market_closed() -> Refused:
    return Refused(-1013, "Market is closed.")


def bad_key() -> Refused:
    return Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def bad_key_format() -> Refused:
    return Refused(-2014, "API-key format invalid.", 401)


def bad_signature() -> Refused:
    return Refused(-1022, "Signature for this request is not valid.")


def late() -> Refused:
    return Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def ahead() -> Refused:
    return Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def insufficient_balance() -> Refused:
    return Refused(-2010, "Account has insufficient balance for requested action.")


def would_take() -> Refused:
    return Refused(-2010, "Order would immediately match and take.")


def duplicate_spot() -> Refused:
    return Refused(-2010, "Duplicate order sent.")


def duplicate_usdm() -> Refused:
    return Refused(-4116, "ClientOrderId is duplicated.")


def unknown_order() -> Refused:
    return Refused(-2011, "Unknown order sent.")


def no_such_order() -> Refused:
    return Refused(-2013, "Order does not exist.")


def margin_insufficient() -> Refused:
    return Refused(-2019, "Margin is insufficient.")


def reduce_only() -> Refused:
    return Refused(-2022, "ReduceOnly Order is rejected.")


def no_listen_key() -> Refused:
    return Refused(-1125, "This listenKey does not exist.")


def unknown_status() -> Refused:
    return Refused(
        -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", 503
    )


def unavailable() -> Refused:
    return Refused(-1008, "Service Unavailable.", 503)


def no_path(method: str, path: str) -> Refused:
    return Refused(-5000, f"Path {path}, Method {method} is invalid", 404)
