"""Open accounts at the paper venue through its control port, which listens on loopback alone."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import string
from decimal import Decimal
from typing import NamedTuple

from django.views.decorators.debug import sensitive_variables

from obscura.core.errors import Invalid, Unavailable
from obscura.core.money import parse, plain
from obscura.core.secrets import Secret

LEAST_USD, MOST_USD = Decimal(1), Decimal(10_000_000)
TIMEOUT_S = 5.0
_LETTERS = string.ascii_letters + string.digits


class PaperVenueAway(Unavailable):
    """The paper venue is not running here."""

    code = "paper_venue_away"
    remedy = "Start it with the rest of the processes (OBSCURA_PAPER_CONTROL names its control port), then try again."


class PaperKeys(NamedTuple):
    """A fresh key pair of a paper account."""

    api_key: str
    secret: Secret


@sensitive_variables("keys", "body")
def open_at_paper_venue(*, label: str, usd: str | int | Decimal) -> PaperKeys:
    """Open an account with `usd` in the spot wallet and as many in the futures wallet.

    :raises Invalid: the amount is not between 1 and 10,000,000
    :raises PaperVenueAway: nobody answers at the control port, or none is named
    """
    amount = parse(usd)
    if amount is None or not LEAST_USD <= amount <= MOST_USD:
        raise Invalid("A paper account begins with 1 to 10,000,000 dollars.", code="amount_invalid")
    keys = PaperKeys(_drawn(), Secret(_drawn()))
    wallet = {"USDT": plain(amount)}
    body = {"api_key": keys.api_key, "secret": keys.secret.reveal(), "label": label, "spot": wallet, "usdm": wallet}
    if _post("/accounts", json.dumps(body)) != 200:
        raise PaperVenueAway("The paper venue did not open the account.")
    return keys


def _drawn() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(64))


@sensitive_variables()
def _post(path: str, body: str) -> int:
    host, _, port = os.environ.get("OBSCURA_PAPER_CONTROL", "").rpartition(":")
    if not host or not port.isdigit():
        raise PaperVenueAway
    link = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
    try:
        link.request("POST", path, body, {"Content-Type": "application/json"})
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        raise PaperVenueAway from None
    finally:
        link.close()
    return answer.status
