"""The job table in motion on virtual time: the daemon's jobs at their own periods, as `ipsync.schedule` nudges them.

Most reminders of a day find nothing to do. A job that changed nothing rests until the catalog holds something else,
or an instant has come that the catalog or the job itself remembers; then it is reminded at the next moment of its
period. That leaves out only runs that would have done nothing, and a test holds it to that: with `every_run` nothing is
left out, and the story must be the same.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ipsync.catalog import SqliteCatalog
from ipsync.ipernity.gate import MAX_WAIT
from ipsync.policy.budget import SEND_SLACK, WINDOWS
from ipsync.policy.instants import HOUR, MINUTE, SECOND, Duration, Instant
from ipsync.ports.catalog import CatalogBroken
from ipsync.schedule import Nudge
from tests.simulation.machine import Machine

LONGEST_REST: Duration = 2 * HOUR
_PICTURES_MOST = 256
_EARLIEST, _LATEST = 1_700_000_000 * SECOND, 4_000_000_000 * SECOND

_MEMBERS = (
    "SELECT account_id, state, consent_epoch, failure, failures FROM account",
    "SELECT account_id, visibility, total, pages, sweep_started_at, next_page FROM listing",
    "SELECT backoff_step FROM budget",
)
_CONTENT = (
    "SELECT document_id, account_id, state, absent_at, hidden_at, details_at FROM document",
    "SELECT media, license, safety, visibility, modified_at, replaced_at FROM document",
    "SELECT document_id, rendition, state, url, attempts FROM rendition",
    "SELECT * FROM removal WHERE stage NOT IN ('gone', 'withdrawn')",
    "SELECT request_id, gone_at, ended_at, is_kept_outside FROM removal_request",
)
"""Everything that a job may look at, but for instants that come."""

_ONLY_CONTENT = frozenset({"expiry", "purge", "policy", "orphans"})
"""Jobs that look at documents, files and removals alone; to be nudged for more would only be slower."""

_AGEING = (
    "SELECT verified_at, count(*) FROM document GROUP BY 1",
    "SELECT stored_at, count(*) FROM rendition WHERE state = 'stored' GROUP BY 1",
    "SELECT details_at, count(*) FROM document WHERE details_at IS NOT NULL GROUP BY 1",
)
_COMING = (
    "SELECT next_try_at FROM rendition WHERE state IN ('wanted', 'failed')",
    "SELECT erase_from FROM removal WHERE stage NOT IN ('gone', 'withdrawn')",
    "SELECT next_try_at FROM removal WHERE stage NOT IN ('gone', 'withdrawn')",
    "SELECT next_due_at FROM listing",
    "SELECT next_check_at FROM account",
    "SELECT retry_at FROM account",
    "SELECT blocked_until FROM budget",
)
_OF_MEMBERS = 4
"""The last of these are about members and the budget."""


@dataclass
class _Picture:
    """What the catalog holds, and how many of its instants have come."""

    version: int
    members: int
    content: int
    instants: list[list[Instant]]
    next_at: Instant = 0
    come: tuple[int, ...] = ()

    def at(self, now: Instant, *, only_content: bool) -> int:
        """A number that is the same as long as a job has nothing else to find."""
        if now >= self.next_at or not self.come:
            places = [bisect_right(instants, now) for instants in self.instants]
            self.come = tuple(places)
            coming = [
                instants[place] for instants, place in zip(self.instants, places, strict=True) if place < len(instants)
            ]
            self.next_at = min(coming, default=_LATEST)
        members = (0, ()) if only_content else (self.members, self.come[-_OF_MEMBERS:])
        return hash((self.content, self.come[:-_OF_MEMBERS], members))


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
        spans: Sequence[Duration],
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
            spans: ages at which something becomes due: lease thresholds and times to live.
            every_run: leave nothing out.
        """
        self._loop = asyncio.get_running_loop()
        self._jobs = {nudge.job: _Job(nudge, machine.uptime, _periods(nudge, nudges)) for nudge in nudges}
        self._catalog = catalog
        self._machine = machine
        self._now = now
        self._measure = measure
        self._on_fatal = on_fatal
        self._spans = spans
        self._every_run = every_run
        self._unnoticed = 0
        self._picture: _Picture | None = None
        self._measured_at = -MEASURED_EVERY
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
        if self._has_nothing(job):
            self._remind(job)
            return
        job.running = self._loop.create_task(self._run(job), name=f"ipsync {name}")
        job.running.add_done_callback(lambda _task: self._ended(job))

    def wake(self) -> None:
        """Something happened that no catalog tells: the clock was set, a command was given."""
        self._unnoticed += 1
        self._look_again()

    def _version(self) -> int:
        connection: Any = self._catalog._writing.connection.dbapi_connection
        return int(connection.total_changes)

    def _seen(self, job: _Job) -> int:
        """What a job would find now."""
        version = self._version()
        if self._picture is None or self._picture.version != version:
            self._picture = self._catalog._look(lambda connection: self._look(connection.connection.cursor(), version))
        only_content = job.nudge.job in _ONLY_CONTENT
        return hash((self._picture.at(self._now(), only_content=only_content), self._unnoticed))

    def _look(self, cursor: Any, version: int) -> _Picture:
        members, content = (
            hash(tuple(hash(tuple(cursor.execute(query).fetchall())) for query in queries))
            for queries in (_MEMBERS, _CONTENT)
        )
        instants: list[list[Instant]] = []
        for query in _AGEING:
            since = cursor.execute(query).fetchall()
            for span in self._spans:
                instants.append(sorted(at + span for at, number in since for _ in range(number)))
        for query in _COMING:
            instants.append(sorted(row[0] for row in cursor.execute(query)))
        return _Picture(version, members, content, instants)

    def _has_nothing(self, job: _Job) -> bool:
        if self._every_run or self._now() >= job.wakes_at:
            return False
        seen = self._seen(job)
        return seen in job.nothing_in or seen == job.waits_in

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
            self.failures.append((name, error))
            return
        now = self._now()
        coming = [instant for instant in _remembered_by(job.nudge.run) if instant > now]
        if self.refusals > refusals:
            coming += self._catalog._look(lambda connection: _budget_instants(connection.connection.cursor(), now))
        job.wakes_at = min([*coming, now + LONGEST_REST])
        if self._version() != before:
            await self._look_at_health()
            self._look_again()
        elif coming:
            job.waits_in = self._seen(job)
        else:
            if len(job.nothing_in) >= _PICTURES_MOST:
                job.nothing_in.clear()
            job.nothing_in.add(self._seen(job))
        for following in job.nudge.then:
            self.nudge(following)

    async def _look_at_health(self) -> None:
        """What the daemon measures every few seconds."""
        if self._machine.uptime - self._measured_at >= MEASURED_EVERY:
            self._measured_at = self._machine.uptime
            await self._measure()

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
        earliest = self._machine.uptime + 1
        if self._has_nothing(job):
            picture = self._picture
            assert picture is not None
            wakes_at = min(picture.next_at, job.wakes_at)
            earliest = max(earliest, self._machine.uptime + wakes_at - self._now())
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


def _remembered_by(run: Callable[..., Any]) -> set[Instant]:
    """Every instant that a job keeps in memory."""
    found: set[Instant] = set()
    _collect(getattr(run, "__self__", None), found, 0)
    return found


def _collect(thing: Any, found: set[Instant], depth: int) -> None:
    if isinstance(thing, int):
        if _EARLIEST < thing < _LATEST:
            found.update((thing, thing + HOUR))
        return
    if depth > 3 or thing is None or isinstance(thing, str | bytes | float):
        return
    if isinstance(thing, dict):
        for value in thing.values():
            _collect(value, found, depth + 1)
    elif type(thing).__module__.startswith(("ipsync.jobs", "ipsync.policy")):
        names = getattr(thing, "__dict__", None) or {
            name: getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())
        }
        for value in names.values():
            _collect(value, found, depth + 1)


MEASURED_EVERY: Duration = MINUTE // 4
"""How often the daemon looks at its own health (`ipsync.daemon`)."""
