"""How often one address may do something: counted for a minute, under a key that is thrown away with it (T22).

No visitor's address is kept, not even in memory: a digest under a random key stands for it until the minute ends.
"""

import hashlib
import secrets

from aiohttp import web

from ipsync.policy.instants import MINUTE, SECOND, Instant
from ipsync.ports.clock import Clock
from ipsync.web.failures import WebFailure
from ipsync.web.place import PLACE

_ADDRESSES_MOST = 100_000


class Throttle:
    """Counts what addresses do, per address and in all, within fixed minutes."""

    def __init__(self, clock: Clock, per_address: int, in_all: int) -> None:
        """Allow so many a minute.

        Args:
            clock: by which minutes end.
            per_address: for one address.
            in_all: for all together; bounds what a flood from many addresses can cause.
        """
        self._clock = clock
        self._per_address = per_address
        self._most = min(in_all, _ADDRESSES_MOST)
        self._until: Instant = 0
        self._key = b""
        self._counts: dict[bytes, int] = {}
        self._total = 0

    def admit(self, address: str) -> None:
        """Count one more of `address`.

        Raises:
            WebFailure: 429, it has had its share of this minute; that is not counted.
        """
        now = self._clock.now()
        if now >= self._until:
            self._until = now + MINUTE
            self._key = secrets.token_bytes(32)
            self._counts.clear()
            self._total = 0
        mark = hashlib.blake2b(address.encode(), key=self._key, digest_size=16).digest()
        if self._total >= self._most or self._counts.get(mark, 0) >= self._per_address:
            wait = max(1, -((now - self._until) // SECOND))
            raise WebFailure(
                429, "too-many", "That was too much at once. Wait a minute and try again.", {"Retry-After": str(wait)}
            )
        self._counts[mark] = self._counts.get(mark, 0) + 1
        self._total += 1

    @property
    def remembered(self) -> int:
        """How many addresses are held in mind."""
        return len(self._counts)


class Throttles:
    """The throttles of the pages, by what they count; made when first asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._throttles: dict[str, Throttle] = {}

    def admit(self, request: web.Request, what: str, per_address: int, in_all: int) -> None:
        """Count that a visitor did `what`.

        Args:
            request: whose visitor it is.
            what: a word of ours; each is counted for itself.
            per_address: how often one address may in a minute.
            in_all: how often all together may.

        Raises:
            WebFailure: 429, that was too often.
        """
        throttle = self._throttles.get(what)
        if throttle is None:
            throttle = self._throttles[what] = Throttle(self._clock, per_address, in_all)
        throttle.admit(request.app[PLACE].visitor(request))


THROTTLES = web.AppKey("THROTTLES", Throttles)
