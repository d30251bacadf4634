"""The boot gate: what must be true before any socket listens (design §3). Step by step, each told and timed.

Nothing here is served, asked of ipernity or downloaded. Each step may be repeated: a start that is cut off in the
middle begins anew. What cannot be made true ends the start.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ipsync.jobs.belonging import Belonging
from ipsync.jobs.expiry import Expiry
from ipsync.jobs.orphans import Orphans
from ipsync.jobs.purge import Purge
from ipsync.jobs.tombstones import Tombstones
from ipsync.policy import ledger
from ipsync.policy.instants import DAY, SECOND, Duration, Instant, rfc3339, seconds
from ipsync.policy.lease import Lease
from ipsync.policy.reaping import beat_period, longest_silence
from ipsync.ports.catalog import Catalog, CatalogCorrupt, CatalogFull
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_SHORTEST_BEAT: Duration = SECOND // 20
_CLOCK_AGREES: Duration = 5 * SECOND
"""Wall clocks that differ less are the same clock, corrected now and then."""

Found = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ground:
    """What the gate is given of the process it stands in.

    Attributes:
        epoch: that this process began when it took the lock.
        alive_at: the newest sign of life of the daemon before, or None.
        fence: keeps earlier processes from keeping files, and erases partial downloads; returns how many.
        behind: how far the wall clock lies behind the lease clock, microseconds.
        check: looks for contradictions in the database: a sentence each, and whether it came to the end.
        beat: leaves a sign of life.
    """

    epoch: int
    alive_at: Instant | None
    fence: Callable[[], int]
    behind: Callable[[], Duration]
    check: Callable[[], Awaitable[tuple[list[str], bool]]]
    beat: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told how it goes.

    Attributes:
        status: what is being done now, for people.
        takes_long: called again and again, so that nobody takes patience for a hang.
        is_over: asked between two steps whether to give up.
    """

    status: Callable[[str], None]
    takes_long: Callable[[], None]
    is_over: Callable[[], bool]


class BootGate:
    """One passage."""

    def __init__(
        self,
        ground: Ground,
        catalog: Catalog,
        clock: Clock,
        lease: Lease,
        jobs: tuple[Tombstones, Expiry, Purge, Orphans, Belonging],
    ) -> None:
        """Wire the gate.

        Args:
            ground: the process.
            catalog: the durable memory.
            clock: the lease clock.
            lease: the thresholds.
            jobs: those that make true what must be.
        """
        self._ground = ground
        self._catalog = catalog
        self._clock = clock
        self._lease = lease
        self._tombstones, self._expiry, self._purge, self._orphans, self._belonging = jobs
        self._doubts_all = False
        self._is_orderly = True

    async def run(self, told: Told) -> bool:
        """Take every step.

        Returns:
            False where it was given up between two steps: then nothing may be served.

        Raises:
            CatalogCorrupt: the database contradicts itself.
            CatalogFailure: the database cannot be used.
            StoreFailure: the store cannot.
        """
        steps: list[tuple[str, str, Callable[[], Awaitable[Found]]]] = [
            ("epoch", "beginning a new epoch", self._begin_epoch),
            ("clock", "looking at the clock", self._look_at_clock),
            ("database", "checking the database", self._check_database),
            ("tombstones", "replaying tombstones", self._replay),
            ("ages", "judging ages", self._judge_ages),
            ("overdue", "erasing what is due", self._erase_due),
            ("files", "comparing files and database", self._compare_files),
            ("record", "recording the start", self._record),
        ]
        beating = asyncio.create_task(self._beat(told), name="ipsync boot")
        try:
            for name, words, step in steps:
                if told.is_over():
                    return False
                told.status(f"boot gate: {words}")
                began_at = self._clock.now()
                found = await step()
                took = seconds(self._clock.now() - began_at)
                _log.info(Event.BOOT_STEP, f"Boot gate: {words} is done.", step=name, seconds=took, **found)
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
        return True

    async def _beat(self, told: Told) -> None:
        """Show that the start is alive: to systemd, and to the reaper."""
        while True:
            told.takes_long()
            with suppress(CatalogFull):
                await self._ground.beat()
            await self._clock.sleep(max(_SHORTEST_BEAT, beat_period(self._lease)))

    async def _begin_epoch(self) -> Found:
        partials = await asyncio.to_thread(self._ground.fence)
        return {"epoch": self._ground.epoch, "partial_files": partials}

    async def _look_at_clock(self) -> Found:
        """Say where the wall clock lies behind: ages are counted by the highest instant ever seen (F7)."""
        behind = self._ground.behind()
        if behind > _CLOCK_AGREES:
            _log.warning(
                Event.CLOCK_STEPPED,
                "The machine's clock lies behind the latest instant ever seen here. Ages are counted from that "
                "instant on, so that nothing gets younger. If it was the earlier clock that was wrong, "
                "copies expire too early, never too late.",
                behind_seconds=seconds(behind),
                lease_clock=rfc3339(self._clock.now()),
            )
        now = self._clock.now()
        horizon = now + max(self._lease.window, DAY)
        pulled = await self._catalog.write(lambda tx: tx.pull_back(horizon, now))
        return {"behind_seconds": seconds(behind), "pulled_back": pulled}

    async def _check_database(self) -> Found:
        found, is_whole = await self._ground.check()
        if found:
            raise CatalogCorrupt(
                f"the database is damaged ({found[0]}): nothing is served. Put a backup of the database back, or move "
                "the database away and begin anew with `ipsync db upgrade`"
            )
        return {"whole": is_whole}

    async def _replay(self) -> Found:
        """Carry out what is on record outside; believe nothing where something was put back from a backup."""
        self._is_orderly = await self._belonging.was_stopped_in_order()
        belongs = await self._belonging.holds()
        replayed = await self._tombstones.replay()
        hidden = 0
        if not belongs or replayed.was_restored:
            self._doubts_all = True
            hidden = await self._belonging.hide_everything()
        return {"records": replayed.records, "doomed": replayed.doomed, "belongs": belongs, "hidden": hidden}

    async def _judge_ages(self) -> Found:
        barred = await self._expiry.apply_policy()
        expired = await self._expiry.run()
        return {"stale": expired.stale, "overdue": expired.overdue, "barred": barred}

    async def _erase_due(self) -> Found:
        purged = await self._purge.run()
        return {"removals": purged.erased, "files": purged.files, "failed": purged.failed}

    async def _compare_files(self) -> Found:
        """After anything but an orderly stop: every file has a row, every row a whole file (I5)."""
        if self._is_orderly and not self._doubts_all:
            return {"compared": False}
        found = await self._orphans.run(doubted_since=self._doubted_since())
        return {"compared": True, "orphans": found.orphans, "lost": found.lost, "failed": found.failed}

    def _doubted_since(self) -> Instant:
        """Since when nobody knows whether what was written reached the disk."""
        if self._doubts_all or self._ground.alive_at is None:
            return 0
        return self._ground.alive_at - longest_silence(self._lease)

    async def _record(self) -> Found:
        await self._belonging.renew(self._ground.epoch, stopped=False)
        started = ledger.started(self._clock.now(), self._ground.epoch)
        with suppress(CatalogFull):
            await self._catalog.write(lambda tx: tx.append_ledger([started]))
        return {}
