"""The numbers of the vault. Its two processes know nothing of Redis, and web processes have no way to their sockets: a
worker asks for their `stats` every few seconds and lays them down, and whoever serves numbers reads them there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from django.conf import settings
from django.db.models import Count

from citadel import metrics as m
from citadel.client import SignerClient, SignerRefused, SignerUnavailable
from citadel.domain import policy
from citadel.questions import EgressClient
from citadel.trail.models import Alert
from obscura.core import log, metrics, redis_clients
from obscura.core.metrics import Sample
from obscura.core.metrics.defined import MICROS
from tenants.scope import PUBLIC, entered

PARTS = ("signer", "egress")
PATIENCE_S = 0.5

VERIFIED = "obscura:metrics:verified"
VERIFIED_KEPT_S = 90 * 86_400
HOW = ("walked", "against")

_logger = log.get("citadel")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_RESULTS = ("answered", "silent", "unsent")


def hear() -> None:
    """Ask signer and egress what they did, and lay it down. What a silent one said last stays there, and ages.

    :raises redis.RedisError: Redis is away
    """
    _hear("signer", SignerClient(run_dir=settings.RUN_DIR, timeout=PATIENCE_S), _of_signer)
    _hear("egress", EgressClient(run_dir=settings.RUN_DIR, timeout=PATIENCE_S), _of_egress)


def alerts() -> list[Sample]:
    """Alerts that wait for a person."""
    with entered(PUBLIC):
        found = Alert.objects.filter(acknowledged_by="").values_list("kind").annotate(Count("pk")).order_by("kind")
        return [m.ALERTS.at(count, _code(kind)) for kind, count in found]


def verified(*, how: str, broken: int) -> None:
    """Lay down that all chains of the audit were just verified.

    :param how: ``walked``, or ``against`` heads that were kept elsewhere
    :raises redis.RedisError: Redis is away
    """
    redis_clients.sync().set(f"{VERIFIED}:{how}", orjson.dumps([time.time(), broken]), ex=VERIFIED_KEPT_S)


def chains() -> list[Sample]:
    """When the chains were verified, and what was found.

    :raises redis.RedisError: Redis is away
    """
    found = []
    for how in HOW:
        body = cast("bytes | None", redis_clients.sync().get(f"{VERIFIED}:{how}"))
        if body is not None:
            at, broken = orjson.loads(body)
            found += [m.VERIFIED.at(max(0.0, time.time() - at), how), m.BROKEN.at(broken, how)]
    return found


def _hear(part: str, client: SignerClient, read: Callable[[Mapping[str, Any]], list[Sample]]) -> None:
    try:
        metrics.lay(part, read(client.stats()))
    except (SignerUnavailable, SignerRefused) as problem:
        _logger.warning("citadel.unheard", part=part, code=problem.code)
    except (KeyError, TypeError, ValueError) as error:
        # It is of another release than we are: what it says is not what we would read.
        _logger.error("citadel.unmeasured", part=part, error=type(error).__name__)
    finally:
        client.close()


def _of_signer(stats: Mapping[str, Any]) -> list[Sample]:
    attestation: Mapping[str, Any] = stats["attestation"]
    required = attestation.get("mode") == "required"
    found = [
        *(m.SIGNED.at(count, str(kind), str(exchange)) for kind, exchange, count in stats["signed"]),
        *m.REFUSED.metric.zeros(),
        *(m.REFUSED.at(count, _code(code)) for code, count in stats["refusals"].items()),
        *m.CHUNKS.found(stats["signing"]["buckets"], stats["signing"]["took_us"] / MICROS),
        m.UPTIME.at(max(0.0, time.time() - stats["started_ms"] / 1000)),
        m.OPEN.at(stats["accounts"], "read"),
        m.OPEN.at(stats["unread"], "none"),
        m.REQUIRED.at(int(required)),
    ]
    if required and attestation.get("code") != "not_asked":
        found.append(m.ACCEPTED.at(int(attestation.get("accepted") is True)))
    if required and "at" in attestation:
        at = datetime.fromisoformat(str(attestation["at"]))
        found.append(m.VERDICT_AGE.at(max(0.0, (datetime.now(UTC) - at).total_seconds())))
    return found


def _of_egress(stats: Mapping[str, Any]) -> list[Sample]:
    found = [m.ROWS.at(stats[result], result) for result in (*_RESULTS, "dropped", "orphans")]
    for name, count in stats["counts"].items():
        if name.startswith("refused:"):
            found.append(m.REFUSED_THERE.at(count, _code(name.removeprefix("refused:"))))
    for route, pool in stats["pools"].items():
        place = _place(route)
        found += [m.REQUESTS.at(pool[result], *place, result) for result in _RESULTS]
        found += m.ANSWERS.found(pool["took"], pool["answers_ms"] / 1000, *place)
        found.append(m.WAITING.at(pool["waiting"], *place))
    return found


def _place(route: str) -> tuple[str, str, str]:
    """Exchange, market and environment of a route. Hosts of an exchange, and addresses of ours, are added up."""
    exchange, market, *more = route.split(":")
    environment = next((one for one in more if one in policy.ENVIRONMENTS), "other")
    return exchange, market if (exchange, market) in policy.HOSTS else "rest", environment


def _code(text: object) -> str:
    """A code as a label: what is none of ours is not repeated."""
    return text if isinstance(text, str) and _CODE.fullmatch(text) else "other"
