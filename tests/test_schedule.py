"""Nudges: never two runs of one job, never a lost one, one job's failure nobody else's, an orderly end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from ipsync.catalog import SqliteCatalog
from ipsync.policy.instants import MILLISECOND, MINUTE, SECOND
from ipsync.ports.catalog import CatalogBroken, CatalogBusy
from ipsync.schedule import SHORTEST_PERIOD, Nudge, Schedule, period_of
from ipsync.telemetry import Metrics
from tests.fakes.catalogs import fresh_catalog
from tests.fakes.clock import FakeClock


class Job:
    """A job that counts its runs, and may wait or fail."""

    def __init__(self, *failures: BaseException) -> None:
        self.runs = 0
        self.at_once = 0
        self.peak = 0
        self.ended = 0
        self.gate: asyncio.Event | None = None
        self.failures = list(failures)

    async def __call__(self) -> None:
        self.runs += 1
        self.at_once += 1
        self.peak = max(self.peak, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
            await asyncio.sleep(0)
            if self.failures:
                raise self.failures.pop(0)
            self.ended += 1
        finally:
            self.at_once -= 1


class Bench:
    """What a schedule is given."""

    def __init__(self, folder: Path) -> None:
        self.catalog: SqliteCatalog = fresh_catalog(folder, inline=True)
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.fatal: list[BaseException] = []
        self.schedules: list[Schedule] = []

    def schedule(self, *nudges: Nudge, record_period: int = 0) -> Schedule:
        made = Schedule(nudges, self.catalog, self.clock, self.metrics, self.fatal.append, record_period)
        self.schedules.append(made)
        return made


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for schedule in made.schedules:
        await schedule.stop(SECOND)
    made.catalog.close_now()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  # reason: the scheduler has no event to wait for
            await asyncio.sleep(0.005)


def test_periods_follow_the_window_but_the_machine_does_not_only_count_time() -> None:
    assert period_of(24 * 60 * MINUTE, 1440) == MINUTE
    assert period_of(30 * SECOND, 1440) == SHORTEST_PERIOD


async def test_every_job_is_nudged_at_the_start_and_then_each_period(bench: Bench) -> None:
    often, seldom = Job(), Job()
    schedule = bench.schedule(Nudge("sync", 50 * MILLISECOND, often), Nudge("purge", MINUTE, seldom))
    schedule.start()
    assert schedule.is_running
    await until(lambda: often.runs >= 4)
    assert seldom.runs == 1


async def test_a_job_never_runs_twice_at_once_and_a_nudge_meanwhile_means_once_more(bench: Bench) -> None:
    job = Job()
    job.gate = asyncio.Event()
    schedule = bench.schedule(Nudge("sync", MINUTE, job))
    schedule.start()
    await until(lambda: job.runs == 1)
    for _ in range(5):
        schedule.nudge("sync")
    await asyncio.sleep(0.02)
    assert job.runs == 1
    job.gate.set()
    await until(lambda: job.ended == 2)
    await asyncio.sleep(0.02)
    assert (job.runs, job.peak) == (2, 1)


async def test_what_follows_is_nudged_when_a_job_ended_well_and_only_then(bench: Bench) -> None:
    first, second = Job(RuntimeError("a mistake")), Job()
    second.gate = asyncio.Event()
    schedule = bench.schedule(Nudge("sync", MINUTE, first, then=("purge",)), Nudge("purge", MINUTE, second))
    schedule.start()
    second.gate.set()
    await until(lambda: second.ended == 1)
    await asyncio.sleep(0.02)
    assert second.runs == 1
    schedule.nudge("sync")
    await until(lambda: second.runs == 2)


def test_what_follows_must_be_in_the_table(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    with pytest.raises(ValueError, match="no such jobs: purge"):
        made.schedule(Nudge("sync", MINUTE, Job(), then=("purge",)))
    made.catalog.close_now()


async def test_one_jobs_mistake_is_recorded_and_ends_no_other(bench: Bench) -> None:
    bad, good = Job(ValueError("words that must not be kept")), Job()
    schedule = bench.schedule(Nudge("sync", MINUTE, bad), Nudge("purge", MINUTE, good))
    schedule.start()
    await until(lambda: bad.runs == 1 and good.ended == 1)
    await until(lambda: len(bench.catalog.read_now(lambda view: view.job_runs())) == 2)
    runs = bench.catalog.read_now(lambda view: view.job_runs())
    assert (runs["sync"].failure, runs["sync"].succeeded_at) == ("ValueError", None)
    assert (runs["purge"].failure, runs["purge"].succeeded_at) == ("", bench.clock.now())
    assert bench.fatal == []
    schedule.nudge("sync")
    await until(lambda: bad.ended == 1)
    found = bench.metrics.registry.get_sample_value("ipsync_job_last_success_timestamp_seconds", {"job": "purge"})
    assert found == bench.clock.now() / SECOND


async def test_runs_that_went_well_are_recorded_now_and_then_and_failures_always(bench: Bench) -> None:
    job = Job()
    schedule = bench.schedule(Nudge("sync", MINUTE, job), record_period=MINUTE)
    schedule.start()
    await until(lambda: job.ended == 1)
    first = bench.clock.now()
    bench.clock.jump(SECOND)
    schedule.nudge("sync")
    await until(lambda: job.ended == 2)
    await asyncio.sleep(0.02)
    assert bench.catalog.read_now(lambda view: view.job_runs())["sync"].finished_at == first
    job.failures.append(ValueError())
    schedule.nudge("sync")
    await until(lambda: bench.catalog.read_now(lambda view: view.job_runs())["sync"].failure == "ValueError")
    bench.clock.jump(MINUTE)
    schedule.nudge("sync")
    await until(lambda: bench.catalog.read_now(lambda view: view.job_runs())["sync"].failure == "")


async def test_F4_a_broken_catalog_ends_the_process(bench: Bench) -> None:
    broken = CatalogBroken("the disk answered an error")
    schedule = bench.schedule(Nudge("sync", MINUTE, Job(broken)))
    schedule.start()
    await until(lambda: bench.fatal == [broken])
    assert bench.catalog.read_now(lambda view: view.job_runs()) == {}


@pytest.mark.parametrize("failure", [CatalogBroken("the disk"), CatalogBusy("held")])
async def test_F4_a_run_that_cannot_be_recorded_is_fatal_only_if_the_disk_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def refuse(_work: object) -> None:
        raise failure

    monkeypatch.setattr(bench.catalog, "write_now", refuse)
    job = Job()
    bench.schedule(Nudge("sync", MINUTE, job)).start()
    await until(lambda: job.ended == 1)
    await asyncio.sleep(0.02)
    assert bench.fatal == ([failure] if isinstance(failure, CatalogBroken) else [])


async def test_an_orderly_stop_lets_jobs_end_and_nudges_no_more(bench: Bench) -> None:
    job, following = Job(), Job()
    job.gate = asyncio.Event()
    schedule = bench.schedule(Nudge("sync", MINUTE, job, then=("purge",)), Nudge("purge", MINUTE, following))
    schedule.start()
    await until(lambda: job.runs == 1 and following.ended == 1)
    schedule.nudge("sync")
    stopping = asyncio.create_task(schedule.stop(5 * SECOND))
    await asyncio.sleep(0.02)
    assert not schedule.is_running
    job.gate.set()
    assert await stopping is True
    schedule.nudge("sync")
    await asyncio.sleep(0.02)
    assert (job.runs, job.ended, following.runs) == (1, 1, 1)


async def test_a_job_that_does_not_end_is_cut_off(bench: Bench) -> None:
    job = Job()
    job.gate = asyncio.Event()
    schedule = bench.schedule(Nudge("sync", MINUTE, job))
    schedule.start()
    await until(lambda: job.runs == 1)
    assert await schedule.stop(20 * MILLISECOND) is False
    assert (job.at_once, job.ended) == (0, 0)


async def test_a_schedule_that_never_began_stops(bench: Bench) -> None:
    schedule = bench.schedule(Nudge("sync", MINUTE, Job()))
    assert not schedule.is_running
    assert await schedule.stop(SECOND) is True


@pytest.fixture
def travelling() -> Iterator[Callable[[timedelta], None]]:
    """Sets the wall clock, and only that."""
    trips: list[time_machine.travel] = []

    def travel(by: timedelta) -> None:
        trip = time_machine.travel(datetime.now(UTC) + by, tick=True)
        trip.start()
        trips.append(trip)

    yield travel
    for trip in reversed(trips):
        trip.stop()


@pytest.mark.parametrize("hours", [-5, -24 * 365, 5, 24 * 3650])
async def test_F6_F7_a_wall_clock_set_anywhere_stops_no_reminder(
    bench: Bench, travelling: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr("ipsync.schedule._LATE_SECONDS", 0.1)
    job, seldom = Job(), Job()
    schedule = bench.schedule(Nudge("sync", 50 * MILLISECOND, job), Nudge("purge", MINUTE, seldom))
    schedule.start()
    await until(lambda: job.runs >= 3)
    travelling(timedelta(hours=hours))
    before = job.runs
    await until(lambda: job.runs >= before + 5)
    assert seldom.runs <= 2
