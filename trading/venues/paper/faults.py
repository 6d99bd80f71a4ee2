"""Faults on demand: what a real venue does to its clients on a bad day."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

DELAYS = ("rtt_ms", "pre_ms")
COUNTED = ("status_429", "timeout_after_execution", "garbage", "error_503", "unknown_503")


@dataclass(slots=True)
class Rule:
    """Faults of the accounts whose label starts with `label`; an empty label means all requests.

    rtt_ms delays every answer, pre_ms every execution. For busy_ms from now on every request, orders and questions
    alike, is refused with 429, as it is when an address has used up its weight. The counted faults hit that many order
    requests each (or requests whose path starts with `path`), in this order of choice: status_429 and error_503 are
    refused unexecuted; timeout_after_execution, garbage and unknown_503 execute and then leave the client without a
    usable answer.
    """

    label: str = ""
    path: str = ""
    rtt_ms: float = 0
    pre_ms: float = 0
    busy_until: float = 0  # of the monotonic clock
    left: dict[str, int] = field(default_factory=dict)


class Faults:
    """The rules in force; `active` is false when there are none, so that a healthy venue pays nothing."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.active = False

    def set(self, wanted: dict) -> None:
        """Change the rule of `wanted["label"]` (made when missing); only the faults named in it are touched."""
        label = str(wanted.get("label") or "")
        rule = next((one for one in self.rules if one.label == label), None)
        if rule is None:
            rule = Rule(label)
            self.rules.append(rule)
        rule.path = str(wanted.get("path", rule.path))
        for name in DELAYS:
            setattr(rule, name, max(0.0, float(wanted.get(name, getattr(rule, name)))))
        if "busy_ms" in wanted:
            rule.busy_until = time.monotonic() + max(0.0, float(wanted["busy_ms"])) / 1000
        rule.left.update({name: max(0, int(wanted[name])) for name in COUNTED if name in wanted})
        self.active = True

    def clear(self, label: str | None = None) -> None:
        """Forget the rule of one label, or all of them."""
        self.rules = [] if label is None else [one for one in self.rules if one.label != label]
        self.active = bool(self.rules)

    def delay(self, name: str, label: str | None) -> float:
        """Seconds of `name` for an account label (None: a request without an account)."""
        fitting = [getattr(one, name) for one in self.rules if not one.label or (label or "").startswith(one.label)]
        return max(fitting, default=0.0) / 1000

    def strike(self, method: str, path: str, label: str | None) -> str | None:
        """The fault that hits this request, a counted one used up by one; None when none does."""
        order = method in ("POST", "DELETE") and path.endswith("/order")
        for rule in self.rules:
            if rule.label and not (label or "").startswith(rule.label):
                continue
            if rule.busy_until > time.monotonic():
                return "status_429"
            if not (path.startswith(rule.path) if rule.path else order):
                continue
            for name in COUNTED:
                if rule.left.get(name, 0) > 0:
                    rule.left[name] -= 1
                    return name
        return None

    def as_dict(self) -> list[dict]:
        return [
            {"label": one.label, "path": one.path, "rtt_ms": one.rtt_ms, "pre_ms": one.pre_ms, **one.left}
            | {"busy_ms": round(max(0.0, one.busy_until - time.monotonic()) * 1000)}
            for one in self.rules
        ]
