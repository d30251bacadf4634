"""Faults to order: which calls are hit, how often, and in what way.

This module decides; `mangling.py` changes answers and `serving/` misbehaves on the wire. Chance is seeded, so the
same calls in the same order are hit again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ipsync.simulator.clock import SECOND

MEDIA = "media"
"""The name under which requests for files are hit."""

KINDS: dict[str, tuple[float, float, float]] = {
    # kind: (value if none is given, smallest, largest)
    "http_status": (503, 400, 599),
    "api_error": (500, 1, 999),
    "html": (0, 0, 0),
    "truncate": (-1, -1, 1e12),
    "empty_list": (0, 0, 0),
    "short_list": (-1, -1, 100),
    "wrong_total": (0, 0, 1e9),
    "stale_total": (0, 0, 0),
    "shuffle": (0, 0, 1),
    "duplicate": (1, 1, 100),
    "slow": (2, 0, 86_400),
    "hang": (3_600, 0, 86_400 * 30),
    "reset": (0, 0, 1e12),
}
"""What `value` means:

- `http_status`: the status; `api_error`: the code; instead of a file too, as JSON with status 200
- `truncate`: how many bytes of the answer are sent (-1: half of them); a file keeps its declared length
- `short_list`: how many entries are left of the list (-1: half of them)
- `wrong_total`: the total that is claimed
- `shuffle`: 0 mixes the entries of a page, 1 mixes the whole listing anew for each request
- `duplicate`: how many entries of the page come twice
- `slow`: seconds over which the answer is spread; `hang`: seconds without an answer, then the connection ends
- `reset`: how many bytes are sent before the connection is reset
"""


_MEDIA_KINDS = frozenset({"http_status", "api_error", "html", "truncate", "slow", "hang", "reset"})


class FaultError(ValueError):
    """An order that can't be taken; `name` is the field that is wrong."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


@dataclass(slots=True)
class Fault:
    """One order.

    Args:
        kind: one of `KINDS`.
        methods: names of methods, `media`, or `*` for every method of the API.
        share: probability that a matching request is hit, 0 to 1.
        value: see `KINDS`.
        left: how many more requests are hit; None: any number.
        expires_at: microseconds since the epoch; None: never.
    """

    fault_id: int
    kind: str
    methods: frozenset[str]
    share: float
    value: float
    left: int | None
    expires_at: int | None
    totals: dict[str, str] = field(default_factory=dict)

    def matches(self, method: str) -> bool:
        """Tell whether requests of this name are meant."""
        return method in self.methods or (method != MEDIA and "*" in self.methods)

    def describe(self) -> dict[str, Any]:
        """Return the order as JSON shows it."""
        return {
            "id": self.fault_id,
            "kind": self.kind,
            "methods": sorted(self.methods),
            "share": self.share,
            "value": self.value,
            "count": self.left,
        }


class Dice:
    """Chance that repeats itself: the n-th throw depends on the seed and n only."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._throws = 0

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to `limit` - 1."""
        self._throws += 1
        digest = hashlib.blake2b(f"{self._seed}:{self._throws}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % limit

    def hits(self, share: float) -> bool:
        """Return True with this probability."""
        return share >= 1 or self.below(1_000_000) < share * 1_000_000

    def shuffled(self, entries: list[Any]) -> list[Any]:
        """Return the entries in another order."""
        mixed = list(entries)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.below(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed


def _number(order: Mapping[str, Any], name: str, low: float, high: float, default: float | None) -> float | None:
    value = order.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaultError(name, "must be a number")
    if not low <= value <= high:
        raise FaultError(name, f"must be from {low:g} to {high:g}")
    return value


def _methods(order: Mapping[str, Any], known: frozenset[str]) -> frozenset[str]:
    names = order.get("methods")
    if names is None:
        names = "*"
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list) or not names:
        raise FaultError("methods", 'must be "*", "media" or a list of method names')
    for name in names:
        if name not in known and name not in ("*", MEDIA):
            raise FaultError("methods", f"there is no method {name!r}")
    return frozenset(names)


class Faults:
    """The orders in force.

    Args:
        seed: of the dice.
        known: the names of all methods.
    """

    def __init__(self, seed: int, known: frozenset[str]) -> None:
        self.dice = Dice(seed)
        self._known = known
        self._orders: list[Fault] = []
        self._last_id = 0

    def order(self, wanted: object, now: int) -> Fault:
        """Take an order of the form `{"kind", "methods", "share", "count" | "seconds", "value"}`.

        Args:
            wanted: the decoded JSON.
            now: microseconds since the epoch.

        Raises:
            FaultError: naming the field that is wrong.
        """
        if not isinstance(wanted, dict):
            raise FaultError("body", "must be a JSON object")
        for name in wanted:
            if name not in ("kind", "methods", "share", "count", "seconds", "value"):
                raise FaultError(str(name), "there is no such field")
        kind = wanted.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise FaultError("kind", f"must be one of {', '.join(KINDS)}")
        default, low, high = KINDS[kind]
        names = _methods(wanted, self._known)
        if MEDIA in names and kind not in _MEDIA_KINDS:
            raise FaultError("kind", f"files can only be hit by {', '.join(sorted(_MEDIA_KINDS))}")
        share = _number(wanted, "share", 0, 1, 1)
        value = _number(wanted, "value", low, high, default)
        count = _number(wanted, "count", 1, 1e9, None)
        seconds = _number(wanted, "seconds", 0, 86_400 * 365, None)
        if count is not None and seconds is not None:
            raise FaultError("seconds", "give count or seconds, not both")
        self._last_id += 1
        fault = Fault(
            fault_id=self._last_id,
            kind=kind,
            methods=names,
            share=1 if share is None else share,
            value=default if value is None else value,
            left=None if count is None else int(count),
            expires_at=None if seconds is None else now + int(seconds * SECOND),
        )
        self._orders.append(fault)
        return fault

    def clear(self) -> int:
        """Drop all orders; return how many there were."""
        dropped = len(self._orders)
        self._orders.clear()
        return dropped

    def orders(self) -> list[Fault]:
        """Return the orders in force, oldest first."""
        return list(self._orders)

    def strike(self, method: str, now: int) -> Fault | None:
        """Return the fault that hits this request, or None. The oldest order that matches wins."""
        if not self._orders:
            return None
        self._orders = [
            one for one in self._orders if one.left != 0 and (one.expires_at is None or one.expires_at > now)
        ]
        for fault in self._orders:
            if fault.matches(method) and self.dice.hits(fault.share):
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None
