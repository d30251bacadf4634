"""Which job runs how often. The only module that knows APScheduler.

The scheduler nudges and owes nothing: what is due is in the catalog, so a lost tick, a long run or a
restart loses nothing. Periods follow the window, so that a test may live a day in thirty seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from ipsync.policy.instants import MILLISECOND, SECOND, Duration, Instant
from ipsync.ports.catalog import Catalog, CatalogLost, JobRun, Transaction
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, Metrics, get_log, log_context

_log = get_log(__name__)

SHORTEST_PERIOD: Duration = 50 * MILLISECOND
_LATE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Nudge:
    """One job and when it is reminded of its work.

    Attributes:
        job: its name in logs and metrics.
        period: how often, microseconds.
        run: the work; what it returns is not looked at.
        then: jobs to be nudged when it has ended well, since it may have made work for them.
    """

    job: str
    period: Duration
    run: Callable[[], Awaitable[object]]
    then: tuple[str, ...] = ()


class _Every(BaseTrigger):  # type: ignore[misc]  # reason: the library has no annotations
    """Each period, and once after a gap.

    The library's own interval counts every run that was missed: after a wall clock set forward by years that
    would stop the event loop for minutes, just when everything must be hidden (F6).
    """

    def __init__(self, period: Duration) -> None:
        self._period = timedelta(microseconds=period)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """When to fire next: a period after the last time, or after `now` where that has passed."""
        following = now if previous_fire_time is None else previous_fire_time
        following += self._period
        return following if following > now else now + self._period


def period_of(window: Duration, parts: int) -> Duration:
    """A period that is the window over `parts`, but never so short that the machine only counts time."""
    return max(SHORTEST_PERIOD, window // parts)


class Schedule:
    """The job table in motion. A job never runs twice at once; a nudge while it runs means once more after."""

    def __init__(
        self,
        nudges: Sequence[Nudge],
        catalog: Catalog,
        clock: Clock,
        metrics: Metrics,
        on_fatal: Callable[[BaseException], None],
        record_period: Duration,
    ) -> None:
        """Take the job table.

        Args:
            nudges: the jobs.
            catalog: where runs are recorded.
            clock: the lease clock.
            metrics: what is counted.
            on_fatal: told when the process must end (the disk failed while the database wrote, F4; a newer epoch, F27).
            record_period: runs that went well are recorded no more often than this.

        Raises:
            ValueError: a job shall be followed by one that is not in the table.
        """
        self._nudges = {nudge.job: nudge for nudge in nudges}
        unknown = {follower for nudge in nudges for follower in nudge.then} - self._nudges.keys()
        if unknown:
            raise ValueError(f"no such jobs: {', '.join(sorted(unknown))}")
        self._catalog = catalog
        self._clock = clock
        self._metrics = metrics
        self._on_fatal = on_fatal
        self._record_period = record_period
        self._recorded: dict[str, Instant] = {}
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._stopping = False
        self._reminded_seconds: dict[str, float] = {}
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; every job is nudged at once, in the order of the table."""
        self._arm()
        self._scheduler.start()
        self._watch = asyncio.create_task(self._mind_the_clock(), name="ipsync schedule")
        for job in self._nudges:
            self.nudge(job)

    def _arm(self) -> None:
        """Let the scheduler count every period anew, from now."""
        now = asyncio.get_running_loop().time()
        for nudge in self._nudges.values():
            self._reminded_seconds[nudge.job] = now
            self._scheduler.add_job(
                self._remind,
                _Every(nudge.period),
                args=(nudge.job,),
                id=nudge.job,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
                replace_existing=True,
            )

    async def _mind_the_clock(self) -> None:
        """See to it that reminders keep coming.

        APScheduler counts by the wall clock: set back by hours, it would remind nobody for hours, and
        deadlines would pass (F7). The event loop's own time does not go back.
        """
        loop = asyncio.get_running_loop()
        shortest = min((nudge.period for nudge in self._nudges.values()), default=SECOND) / SECOND
        while True:
            await asyncio.sleep(shortest)
            now = loop.time()
            if any(
                now - self._reminded_seconds[nudge.job] > 2 * nudge.period / SECOND + _LATE_SECONDS
                for nudge in self._nudges.values()
            ):
                _log.warning(
                    Event.CLOCK_STEPPED,
                    "Reminders stayed out, as when a wall clock is set back; all jobs are reminded now.",
                )
                self._arm()
                for job in self._nudges:
                    self.nudge(job)

    @property
    def is_running(self) -> bool:
        """Whether nudges are being given."""
        return bool(self._scheduler.running) and not self._stopping

    def nudge(self, job: str) -> None:
        """Remind a job of its work, now."""
        if self._stopping:
            return
        if job in self._running:
            self._again.add(job)
            return
        task = asyncio.create_task(self._run(self._nudges[job]), name=f"ipsync {job}")
        self._running[job] = task
        task.add_done_callback(partial(self._ended, job))

    async def _remind(self, job: str) -> None:
        # A coroutine, since APScheduler runs plain functions in threads.
        self._reminded_seconds[job] = asyncio.get_running_loop().time()
        self.nudge(job)

    def _ended(self, job: str, _task: asyncio.Task[None]) -> None:
        del self._running[job]
        if job in self._again:
            self._again.discard(job)
            self.nudge(job)

    async def _run(self, nudge: Nudge) -> None:
        started = self._clock.now()
        failure = ""
        with log_context(job=nudge.job):
            try:
                await nudge.run()
            except CatalogLost as lost:
                self._on_fatal(lost)
                return
            except Exception as error:  # noqa: BLE001  # reason: one job's mistake must not end the others
                failure = type(error).__name__
                _log.error(Event.JOB_FAILED, "A job failed; it will be nudged again.", cause=error)
            await self._record(nudge.job, started, failure)
        if not failure:
            for following in nudge.then:
                self.nudge(following)

    async def _record(self, job: str, started: Instant, failure: str) -> None:
        ended = self._clock.now()
        run = JobRun(job, started, ended, failure, None if failure else ended)
        if not failure:
            self._metrics.set_job_success(job, ended)
            if ended - self._recorded.get(job, 0) < self._record_period:
                return
            self._recorded[job] = ended
        try:
            await self._catalog.write(partial(_put_run, run=run))
        except CatalogLost as lost:
            self._on_fatal(lost)
        except Exception as error:  # noqa: BLE001  # reason: the record of a run is worth less than the run
            _log.error(Event.JOB_FAILED, "The run of a job could not be recorded.", cause=error, ended_job=job)

    async def stop(self, patience: Duration) -> bool:
        """Give no more nudges, let running jobs end, then cancel what is left.

        APScheduler's own shutdown would cancel running coroutines, so we drain first.

        Args:
            patience: how long running jobs may take, microseconds.

        Returns:
            Whether everything ended by itself.
        """
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()
        if self._scheduler.running:
            self._scheduler.pause()
        tasks = list(self._running.values())
        orderly = True
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=patience / SECOND)
            orderly = not pending
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        return orderly


def _put_run(tx: Transaction, run: JobRun) -> None:
    tx.put_job_run(run)
