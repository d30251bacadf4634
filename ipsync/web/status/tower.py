"""What the status pages look from: everything counted, read at most every two seconds, however many look.

Ages of leases take a look at every document. They are counted in the background, at most every half minute while
somebody looks, and a page never waits for them longer than a moment.
"""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from ipsync.ipernity.gate import GateSnapshot
from ipsync.jobs.drill_watch import DrillNews
from ipsync.jobs.standing import Ages, Standing, read_ages, read_standing
from ipsync.policy.instants import SECOND, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.ports.catalog import CatalogFailure
from ipsync.web.desk import Desk
from ipsync.web.failures import WebFailure
from ipsync.web.parts import PARTS, WebParts

_FRESH: Duration = 2 * SECOND
_AGES_FRESH: Duration = 30 * SECOND
_MOMENT_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen from there.

    Attributes:
        ages: None until they were counted once.
        drill: how the newest drill of this process goes, or None.
        on_demand: whether files are fetched when they are asked for, and not before.
    """

    standing: Standing
    budget: GateSnapshot
    lease: Lease
    ages: Ages | None
    drill: DrillNews | None
    on_demand: bool = False

    @property
    def at(self) -> Instant:
        """When this was."""
        return self.standing.health.at


class Tower:
    """The one who looks, for all pages."""

    def __init__(self, parts: WebParts) -> None:
        """Look through these parts."""
        self._parts = parts
        self._looking = asyncio.Lock()
        self._last: Sight | None = None
        self._ages: Ages | None = None
        self._counting: asyncio.Task[None] | None = None

    @property
    def desk(self) -> Desk:
        """What can be had done.

        Raises:
            WebFailure: 503, there is nobody who would do it.
        """
        if self._parts.desk is None:
            raise WebFailure(503, "no-desk", "Nothing can be done from here.")
        return self._parts.desk()

    def forget(self) -> None:
        """Look anew at once: something was just changed from here."""
        self._last = None

    async def look(self) -> Sight:
        """See how things stand, not longer than two seconds ago.

        Raises:
            CatalogFailure: it could not be read.
        """
        async with self._looking:
            clock, rules = self._parts.clock, self._parts.rules()
            lease = rules.lease
            if self._last is None or clock.now() - self._last.at >= _FRESH or self._last.lease != lease:
                desk = self.desk
                budget = await desk.budget()
                standing = await read_standing(self._parts.catalog, clock, lease, budget.believed_requests_per_hour)
                await self._count(lease)
                self._last = Sight(standing, budget, lease, self._ages, desk.drills.news, rules.on_demand)
            return self._last

    async def _count(self, lease: Lease) -> None:
        """Have ages counted where they are old, and wait no longer than a moment for it."""
        is_old = self._ages is None or self._parts.clock.now() - self._ages.at >= _AGES_FRESH
        if is_old and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._count_now(lease), name="ipsync ages")
        if self._counting is not None and self._ages is None:
            await asyncio.wait({self._counting}, timeout=_MOMENT_SECONDS)

    async def _count_now(self, lease: Lease) -> None:
        try:
            self._ages = await read_ages(self._parts.catalog, self._parts.clock, lease)
        except CatalogFailure:
            # The next look tries again; what else fails is told there.
            self._ages = None

    async def close(self) -> None:
        """Count no more."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)


TOWER = web.AppKey("TOWER", Tower)


def tower_of(request: web.Request) -> Tower:
    """The tower of the application."""
    return request.app[TOWER]


def lease_of(request: web.Request) -> Lease:
    """The thresholds in force."""
    return request.app[PARTS].rules().lease
