"""Virtual time for tests: it passes only when told to, or, with `auto=True`, whenever somebody sleeps."""

import asyncio
import heapq
from itertools import count

from ipsync.policy.instants import Duration, Instant

SETTLING_TURNS = 25
"""Turns of the event loop in which woken tasks may react before time passes on."""


class FakeClock:
    """Implements `ports.clock.Clock`.

    Args:
        now: where it begins, microseconds since the epoch.
        auto: `sleep` moves time itself and returns; otherwise it waits for `advance`.
    """

    def __init__(self, now: Instant = 1_700_000_000_000_000, *, auto: bool = False) -> None:
        self._now = now
        self._auto = auto
        self._order = count()
        self._sleepers: list[tuple[Instant, int, asyncio.Future[None]]] = []

    def now(self) -> Instant:
        return self._now

    async def sleep(self, duration: Duration) -> None:
        wake_at = self._now + max(0, duration)
        if self._auto:
            self._now = max(self._now, wake_at)
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (wake_at, next(self._order), future))
        await future

    def jump(self, duration: Duration) -> None:
        """Move time and wake nobody: what a stopped process finds when it goes on."""
        self._now += duration

    async def advance(self, duration: Duration) -> None:
        """Let `duration` pass, waking sleepers in order, each at its own instant."""
        until = self._now + duration
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            wake_at, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._now = max(self._now, wake_at)
            future.set_result(None)
            await self.settle()
        self._now = max(self._now, until)
        await self.settle()

    @property
    def sleepers(self) -> int:
        """How many wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def settle(self) -> None:
        """Let everything that can run without time passing run."""
        for _ in range(SETTLING_TURNS):
            await asyncio.sleep(0)
