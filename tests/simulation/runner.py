"""The job table in motion on virtual time: the daemon's jobs at their own periods, as `ipsync.schedule` nudges them.

Most reminders of a day find nothing to do. A job that changed nothing rests until the catalog holds something else,
or an instant has come that the catalog or the job itself remembers; then it is reminded at the next moment of its
period. That leaves out only runs that would have done nothing, and a test holds it to that: with `every_run` nothing is
left out, and the story must be the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ipsync.catalog import SqliteCatalog
from ipsync.ipernity.gate import MAX_WAIT
from ipsync.jobs.sync import Sync
from ipsync.policy.budget import SEND_SLACK, WINDOWS
from ipsync.policy.instants import HOUR, MINUTE, SECOND, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import CatalogBroken
from ipsync.schedule import Nudge
from ipsync.telemetry import Event, get_log
from tests.simulation.machine import Machine
from tests.simulation.picture import LATEST, Ages, Picture, take

_log = get_log("ipsync.schedule")

LONGEST_REST: Duration = 24 * HOUR
_PICTURES_MOST = 256
_EARLIEST = 1_700_000_000 * SECOND


@dataclass
class _Job:
    nudge: Nudge
    began_at: Duration
    periods: frozenset[Duration]
    running: asyncio.Task[None] | None = None
    again: bool = False
    timer: asyncio.TimerHandle | None = None
    nothing_in: set[int] = field(default_factory=set)
    waits_in: int | None = None
    wakes_at: Instant = 0

    def moment_from(self, uptime: Duration) -> Duration:
        """The first moment at or after an instant of the event loop's clock at which it is reminded.

        That is at its own period, and at the periods of jobs that nudge it when they have ended well.
        """
        since = uptime - self.began_at
        return self.began_at + min(period * max(1, -(-since // period)) for period in self.periods)


class Runner:
    """Drives one job table until it is told to stop.

    Attributes:
        runs: how often a job was really run, by its name.
        refusals: requests that the budget gate refused, counted by whoever watches it.
        failures: jobs that ended with an error, and which; the story decides whether that may be.
    """

    def __init__(
        self,
        nudges: Sequence[Nudge],
        catalog: SqliteCatalog,
        machine: Machine,
        now: Callable[[], Instant],
        measure: Callable[[], Any],
        on_fatal: Callable[[BaseException], None],
        *,
        ages: Ages,
        every_run: bool,
    ) -> None:
        """Take the job table.

        Args:
            nudges: the jobs.
            catalog: whose changes wake jobs.
            machine: whose time passes.
            now: the lease clock.
            measure: what the daemon does every few seconds beside the jobs; gives an awaitable.
            on_fatal: told when the process must end.
            ages: at which something becomes due.
            every_run: leave nothing out.
        """
        self._loop = asyncio.get_running_loop()
        self._jobs = {nudge.job: _Job(nudge, machine.uptime, _periods(nudge, nudges)) for nudge in nudges}
        self._catalog = catalog
        self._machine = machine
        self._now = now
        self._measure = measure
        self._on_fatal = on_fatal
        self._ages = ages
        self._every_run = every_run
        self._unnoticed = 0
        self._picture: Picture | None = None
        self._measured_at = -MEASURED_EVERY
        self._measuring: asyncio.Task[None] | None = None
        self._stopped = False
        self.refusals = 0
        self.runs: dict[str, int] = {}
        self.failures: list[tuple[str, BaseException]] = []

    def start(self) -> None:
        """Begin; every job is nudged at once, in the order of the table."""
        for job in self._jobs:
            self.nudge(job)

    def stop(self) -> None:
        """Nudge nobody any more."""
        self._stopped = True
        for job in self._jobs.values():
            if job.timer is not None:
                job.timer.cancel()

    @property
    def is_quiet(self) -> bool:
        """Whether no job runs."""
        return all(job.running is None for job in self._jobs.values())

    def nudge(self, name: str) -> None:
        """Remind a job of its work, now."""
        job = self._jobs[name]
        if self._stopped:
            return
        if job.running is not None:
            job.again = True
            return
        if self._nothing_until(job) > self._now():
            self._remind(job)
            return
        job.running = self._loop.create_task(self._run(job), name=f"ipsync {name}")
        job.running.add_done_callback(lambda _task: self._ended(job))

    def wake(self) -> None:
        """Something happened that no catalog tells: the clock was set, a command was given."""
        self._unnoticed += 1
        self._look_again()
        # The daemon looks at its health and keeps the mark of its clock soon after, whether or not a job runs.
        self._loop.call_later(MEASURED_EVERY / SECOND, self._measure_by_itself)

    def _version(self) -> int:
        connection: Any = self._catalog._writing.connection.dbapi_connection
        return int(connection.total_changes)

    def _seen(self, job: _Job) -> tuple[int, Instant]:
        """What a job would find now, and when it would find something else."""
        version = self._version()
        if self._picture is None or self._picture.version != version:
            self._picture = self._catalog._look(
                lambda connection: take(connection.connection.cursor(), version, self._ages)
            )
        found, until = self._picture.at(self._now(), job.nudge.job)
        return hash((found, self._unnoticed)), until

    def _nothing_until(self, job: _Job) -> Instant:
        """Until when a job has nothing to do; an instant that has come when it may have something."""
        now = self._now()
        if self._every_run or now >= job.wakes_at:
            return now
        seen, until = self._seen(job)
        return min(until, job.wakes_at) if seen in job.nothing_in or seen == job.waits_in else now

    async def _run(self, job: _Job) -> None:
        before, name, refusals = self._version(), job.nudge.job, self.refusals
        self.runs[name] = self.runs.get(name, 0) + 1
        job.waits_in = None
        try:
            await job.nudge.run()
        except CatalogBroken as broken:
            self._on_fatal(broken)
            return
        except Exception as error:  # noqa: BLE001  # reason: as the daemon's own schedule
            _log.error(Event.JOB_FAILED, "A job failed; it will be nudged again.", cause=error)
            self.failures.append((name, error))
            return
        now = self._now()
        coming = [instant for instant in _remembered_by(job.nudge.run, now) if instant > now]
        if self.refusals > refusals:
            coming += self._catalog._look(lambda connection: _budget_instants(connection.connection.cursor(), now))
        job.wakes_at = min([*coming, now + LONGEST_REST])
        if self._version() != before:
            await self._look_at_health()
            self._look_again()
        elif coming:
            job.waits_in, _ = self._seen(job)
        else:
            if len(job.nothing_in) >= _PICTURES_MOST:
                job.nothing_in.clear()
            job.nothing_in.add(self._seen(job)[0])
        for following in job.nudge.then:
            self.nudge(following)

    async def _look_at_health(self) -> None:
        """What the daemon measures every few seconds."""
        if self._machine.uptime - self._measured_at >= MEASURED_EVERY:
            self._measured_at = self._machine.uptime
            await self._measure()

    def _measure_by_itself(self) -> None:
        if not self._stopped:
            self._measured_at = self._machine.uptime
            self._measuring = self._loop.create_task(self._try_to_measure())

    async def _try_to_measure(self) -> None:
        try:
            await self._measure()
        except CatalogBroken as broken:
            self._on_fatal(broken)
        except Exception as error:  # noqa: BLE001  # reason: as with a job
            self.failures.append(("health", error))

    def _ended(self, job: _Job) -> None:
        job.running = None
        if job.again:
            job.again = False
            self.nudge(job.nudge.job)
        else:
            self._remind(job)

    def _look_again(self) -> None:
        for job in self._jobs.values():
            if job.running is None:
                self._remind(job)

    def _remind(self, job: _Job) -> None:
        if self._stopped or job.running is not None:
            return
        earliest = self._machine.uptime + max(1, self._nothing_until(job) - self._now())
        moment = job.moment_from(earliest) / SECOND
        if job.timer is not None:
            if job.timer.when() == moment and not job.timer.cancelled():
                return
            job.timer.cancel()
        job.timer = self._loop.call_at(moment, self._due, job)

    def _due(self, job: _Job) -> None:
        job.timer = None
        self.nudge(job.nudge.job)


def _periods(nudge: Nudge, nudges: Sequence[Nudge]) -> frozenset[Duration]:
    nudging = {nudge.job: nudge}
    while more := [entry for entry in nudges if entry.job not in nudging and nudging.keys() & set(entry.then)]:
        nudging |= {entry.job: entry for entry in more}
    return frozenset(entry.period for entry in nudging.values())


def _budget_instants(cursor: Any, now: Instant) -> list[Instant]:
    """When a request may begin to wait for a window of the budget that will then hold less."""
    spans = {window.name: window.length + window.bucket + SEND_SLACK for window in WINDOWS}
    rows = cursor.execute("SELECT window, bucket_at FROM budget_spent").fetchall()
    return [max(now + 1, at + spans[window] - MAX_WAIT) for window, at in rows if at + spans[window] > now]


def _remembered_by(run: Callable[..., Any], now: Instant) -> set[Instant]:
    """Every instant that a job keeps in memory."""
    job = getattr(run, "__self__", None)
    if isinstance(job, Sync):  # its plan tells when to look at it again
        return {job._planned.planner._next_at(now), *_instants_of(job._restraint)}
    return _instants_of(job)


def _instants_of(thing: object) -> set[Instant]:
    found: set[Instant] = set()
    _collect(thing, found, 0)
    return found


def _collect(thing: object, found: set[Instant], depth: int) -> None:
    kind = type(thing)
    if kind is int:
        if _EARLIEST < thing < LATEST:  # type: ignore[operator]  # reason: it is a whole number
            found.add(thing)  # type: ignore[arg-type]  # reason: as above
    elif depth > 3:
        return
    elif isinstance(thing, dict):
        for value in thing.values():
            _collect(value, found, depth + 1)
    elif isinstance(thing, tuple):
        for value in thing:
            _collect(value, found, depth + 1)
    elif _is_work(kind):
        slots = _slots_of(kind)
        values = vars(thing).values() if slots is None else [getattr(thing, name, None) for name in slots]
        for value in values:
            _collect(value, found, depth + 1)


@cache
def _is_work(kind: type) -> bool:
    return kind.__module__.startswith(("ipsync.jobs", "ipsync.policy")) and kind not in _SETTLED


@cache
def _slots_of(kind: type) -> tuple[str, ...] | None:
    return getattr(kind, "__slots__", None) if getattr(kind, "__dictoffset__", 0) == 0 else None


_SETTLED = (Rules, Lease)
"""What holds no instants."""

MEASURED_EVERY: Duration = MINUTE // 4
"""How often the daemon looks at its own health (`ipsync.daemon`)."""
