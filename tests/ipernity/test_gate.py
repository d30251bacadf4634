"""The gate: slots on virtual time, lanes in order, refusals obeyed, few writes (T21, F20, I6)."""

import asyncio
import itertools
import random
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from ipsync.ipernity.gate import BudgetGate
from ipsync.policy import backoff, budget
from ipsync.policy.budget import BudgetState, Caps
from ipsync.policy.instants import HOUR, MILLISECOND, MINUTE, SECOND, Instant
from ipsync.ports.source import Lane, QuotaReached
from tests.fakes.budget import FakeBudgetBook
from tests.fakes.clock import FakeClock

T = TypeVar("T")
CAPS = Caps(per_second=10, per_minute=300, per_hour=3000, per_day=30_000)


class SlowBook(FakeBudgetBook):
    """A book whose disk takes `delay` of the clock for each change."""

    def __init__(self, clock: FakeClock, delay: int) -> None:
        super().__init__()
        self._clock = clock
        self._delay = delay

    async def change(self, step: Callable[[BudgetState], tuple[BudgetState, T]]) -> T:
        found = await super().change(step)
        self._clock.jump(self._delay)
        return found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def book() -> FakeBudgetBook:
    return FakeBudgetBook()


@pytest.fixture
async def gate(book: FakeBudgetBook, clock: FakeClock) -> AsyncIterator[BudgetGate]:
    gate = BudgetGate(book, CAPS, clock)
    yield gate
    await gate.close()


def ask(gate: BudgetGate, lane: Lane = Lane.VERIFICATION, max_wait: int | None = None) -> "asyncio.Task[Instant]":
    return asyncio.create_task(gate.admit("doc.getList", lane, max_wait))


async def admitted(gate: BudgetGate, clock: FakeClock, lane: Lane = Lane.VERIFICATION) -> Instant:
    """One admission, letting time pass as needed."""
    task = ask(gate, lane)
    await clock.settle()
    while not task.done():
        await clock.advance(10 * MILLISECOND)
    return await task


def most_in(sent: list[Instant], length: int) -> int:
    sent = sorted(sent)
    return max(index + 1 - bisect_right(sent, at - length) for index, at in enumerate(sent))


async def test_the_first_request_goes_at_once_and_is_on_record(
    gate: BudgetGate, book: FakeBudgetBook, clock: FakeClock
) -> None:
    began = clock.now()
    assert await admitted(gate, clock) == began
    assert sum(spent.requests for spent in book.state.spent if spent.window == "day") == 1


async def test_T21_requests_at_once_are_spaced_by_the_rate_per_second(gate: BudgetGate, clock: FakeClock) -> None:
    tasks = [ask(gate) for _ in range(40)]
    await clock.advance(10 * SECOND)
    sent = [task.result() for task in tasks]
    assert most_in(sent, SECOND) <= 10
    assert max(sent) - min(sent) < 6 * SECOND


async def test_an_idle_daemon_writes_per_request_and_a_busy_one_rarely(
    gate: BudgetGate, book: FakeBudgetBook, clock: FakeClock
) -> None:
    for _ in range(5):
        await admitted(gate, clock)
        await clock.advance(30 * SECOND)
    assert book.writes == 5
    book.writes = 0
    for _ in range(200):
        await admitted(gate, clock)
    assert book.writes <= 30
    assert book.reads <= 30


async def test_unused_slots_are_given_back(gate: BudgetGate, book: FakeBudgetBook, clock: FakeClock) -> None:
    for _ in range(40):
        await admitted(gate, clock)
    await clock.advance(10 * SECOND)
    await admitted(gate, clock)
    assert sum(spent.requests for spent in book.state.spent if spent.window == "day") <= 42


async def test_closing_gives_back_and_refuses(gate: BudgetGate, book: FakeBudgetBook, clock: FakeClock) -> None:
    for _ in range(40):
        await admitted(gate, clock)
    waiting = [ask(gate) for _ in range(30)]
    await clock.settle()
    await gate.close()
    refused = await asyncio.gather(*waiting, return_exceptions=True)
    sent = 40 + sum(isinstance(found, int) for found in refused)
    assert sum(spent.requests for spent in book.state.spent if spent.window == "day") == sent
    assert any(isinstance(found, QuotaReached) for found in refused)
    with pytest.raises(QuotaReached, match="closed"):
        await gate.admit("doc.getList", Lane.REMOVAL)


async def test_an_urgent_lane_never_waits_behind_a_discretionary_one(gate: BudgetGate, clock: FakeClock) -> None:
    order: list[Lane] = []

    async def one(lane: Lane) -> None:
        await gate.admit("doc.get", lane)
        order.append(lane)

    tasks = [asyncio.create_task(one(Lane.DETAILS)) for _ in range(20)]
    await clock.advance(300 * MILLISECOND)
    before = len(order)
    assert 0 < before < 20
    tasks += [asyncio.create_task(one(lane)) for lane in (Lane.PROBE, Lane.VERIFICATION, Lane.REMOVAL)]
    await clock.advance(10 * SECOND)
    assert order[before : before + 3] == [Lane.REMOVAL, Lane.VERIFICATION, Lane.PROBE]
    await asyncio.gather(*tasks)


async def test_T21_a_lane_whose_share_is_used_up_does_not_hold_up_others(clock: FakeClock) -> None:
    gate = BudgetGate(FakeBudgetBook(), Caps(1000, 20, 1000, 10_000), clock)
    for _ in range(10):
        await admitted(gate, clock, Lane.DETAILS)
    with pytest.raises(QuotaReached, match=r"next request in \d\d s"):
        await gate.admit("doc.get", Lane.DETAILS)
    patient = ask(gate, Lane.DETAILS, HOUR)
    await clock.settle()
    for lane in (Lane.INTERACTIVE, Lane.VERIFICATION, Lane.REMOVAL):
        began = clock.now()
        assert await admitted(gate, clock, lane) - began < SECOND
    assert not patient.done()
    await clock.advance(2 * MINUTE)
    assert patient.done()
    await gate.close()


async def test_a_wait_known_to_be_too_long_is_refused_at_once_and_says_how_long(
    gate: BudgetGate, book: FakeBudgetBook, clock: FakeClock
) -> None:
    book.state = BudgetState(next_slot_at=clock.now() + 100 * SECOND)
    began = clock.now()
    with pytest.raises(QuotaReached, match="allows the next request in 101 s"):
        await gate.admit("auth.getFrob", Lane.INTERACTIVE)
    assert clock.now() == began
    patient = ask(gate, Lane.INTERACTIVE, 5 * MINUTE)
    await clock.advance(101 * SECOND)
    assert patient.result() == began + 100 * SECOND


async def test_whoever_gives_up_is_forgotten(gate: BudgetGate, clock: FakeClock) -> None:
    tasks = [ask(gate) for _ in range(20)]
    await clock.settle()
    for task in tasks[5:15]:
        task.cancel()
    await clock.advance(5 * SECOND)
    assert sum(task.cancelled() for task in tasks) == 10
    assert all(task.done() for task in tasks)
    assert (await gate.snapshot()).waiting == 0


@pytest.mark.parametrize("code", [112, 113])
async def test_F20_I6_after_a_refusal_only_one_probe_per_step_leaves(
    gate: BudgetGate, clock: FakeClock, code: int
) -> None:
    sent_at = await admitted(gate, clock)
    tasks = [ask(gate, max_wait=4 * HOUR) for _ in range(30)]
    await gate.refused(code, sent_at)
    await clock.settle()
    assert not any(task.done() for task in tasks)
    probes: list[Instant] = []
    for step in range(1, 6):
        pause = backoff.BACKOFF_FIRST[code] << (step - 1)
        await clock.advance(pause - SECOND)
        assert sum(task.done() for task in tasks) == step - 1
        await clock.advance(SECOND)
        await clock.advance(10 * SECOND)  # nothing else while it is not answered
        done = [task for task in tasks if task.done()]
        assert len(done) == step
        probes.append(max(task.result() for task in done))
        await gate.refused(code, probes[-1])
    assert (await gate.snapshot()).backoff_step == 6
    await clock.advance(backoff.BACKOFF_FIRST[code] << 5)
    probe = max(task.result() for task in tasks if task.done())
    await gate.succeeded(probe)
    await clock.advance(30 * SECOND)
    assert sum(task.done() for task in tasks) > 8
    for task in tasks:
        task.cancel()


async def test_F20_others_wait_for_the_outcome_of_the_probe(gate: BudgetGate, clock: FakeClock) -> None:
    await gate.refused(113, await admitted(gate, clock))
    tasks = [ask(gate), ask(gate)]
    await clock.advance(2 * SECOND)
    assert [task.done() for task in tasks] == [True, False]
    await gate.succeeded(tasks[0].result())
    await clock.advance(30 * SECOND)
    assert tasks[1].done()
    assert tasks[1].exception() is None


async def test_F20_an_unanswered_probe_leaves_others_their_deadline(gate: BudgetGate, clock: FakeClock) -> None:
    await gate.refused(113, await admitted(gate, clock))
    tasks = [ask(gate), ask(gate)]
    await clock.advance(40 * SECOND)
    assert [type(task.exception()) for task in tasks] == [type(None), QuotaReached]


async def test_F20_a_refusal_while_a_reservation_is_written_voids_it(clock: FakeClock) -> None:
    class Interrupted(FakeBudgetBook):
        async def change(self, step: Callable[[BudgetState], tuple[BudgetState, T]]) -> T:
            found = await super().change(step)
            if self.writes == 2:
                self.writes += 1
                await gate.refused(113, first)
            return found

    gate = BudgetGate(Interrupted(), CAPS, clock)
    first = await admitted(gate, clock)
    await clock.advance(SECOND)
    task = ask(gate)
    await clock.advance(900 * MILLISECOND)
    assert not task.done()
    await clock.advance(SECOND)
    assert task.done()
    await gate.close()


async def test_F20_the_state_survives_a_restart(book: FakeBudgetBook, clock: FakeClock) -> None:
    gate = BudgetGate(book, CAPS, clock)
    await gate.refused(112, await admitted(gate, clock))
    await gate.close()
    gate = BudgetGate(book, CAPS, clock)
    with pytest.raises(QuotaReached):
        await gate.admit("doc.getList", Lane.REMOVAL)
    assert (await gate.snapshot()).backoff_step == 1
    await gate.close()


async def test_T21_two_processes_together_keep_the_rate_per_second(book: FakeBudgetBook, clock: FakeClock) -> None:
    gates = [BudgetGate(book, CAPS, clock), BudgetGate(book, CAPS, clock)]
    tasks = [ask(gate, max_wait=HOUR) for gate in gates for _ in range(60)]
    await clock.advance(2 * MINUTE)
    assert most_in([task.result() for task in tasks], SECOND) <= 10
    for gate in gates:
        await gate.close()


async def test_a_slow_book_delays_but_does_not_starve(clock: FakeClock) -> None:
    gate = BudgetGate(SlowBook(clock, 2 * SECOND), CAPS, clock)
    tasks = [ask(gate, max_wait=HOUR) for _ in range(10)]
    await clock.advance(MINUTE)
    assert all(task.done() for task in tasks)
    assert most_in([task.result() for task in tasks], SECOND) <= 10
    await gate.close()


async def test_a_broken_book_is_told_to_whoever_waits_and_the_gate_goes_on(clock: FakeClock) -> None:
    class Broken(FakeBudgetBook):
        broken = True

        async def change(self, step: Callable[[BudgetState], tuple[BudgetState, T]]) -> T:
            if self.broken:
                raise OSError("no disk")
            return await super().change(step)

    book = Broken()
    gate = BudgetGate(book, CAPS, clock)
    found = await asyncio.gather(ask(gate), ask(gate), return_exceptions=True)
    assert [type(failure) for failure in found] == [OSError, OSError]
    book.broken = False
    await admitted(gate, clock)
    await gate.close()


async def test_a_snapshot_tells_every_window(gate: BudgetGate, clock: FakeClock) -> None:
    for _ in range(3):
        await admitted(gate, clock)
    await clock.advance(5 * SECOND)
    await admitted(gate, clock)
    snapshot = await gate.snapshot()
    assert {name: found.limit for name, found in snapshot.allowances.items()} == {
        "second": 10,
        "minute": 300,
        "hour": 3000,
        "day": 30_000,
    }
    assert 3000 - 6 <= snapshot.allowances["hour"].remaining <= 3000 - 4
    assert (snapshot.backoff_step, snapshot.rate_factor, snapshot.blocked_until) == (0, 1.0, 0)
    assert snapshot.believed_requests_per_hour == 1250


async def test_success_while_open_costs_no_access_to_the_book(
    gate: BudgetGate, book: FakeBudgetBook, clock: FakeClock
) -> None:
    sent_at = await admitted(gate, clock)
    before = book.reads + book.writes
    await gate.succeeded(sent_at)
    assert book.reads + book.writes == before


class Story:
    """Random demand on one or two gates, answered by a service with a rate of its own that nobody knows."""

    def __init__(self, seed: int, gates: int, real_per_minute: int) -> None:
        self.chance = random.Random(seed)
        self.clock = FakeClock()
        self.book = FakeBudgetBook()
        self.caps = Caps(
            self.chance.choice([0.5, 2, 20]), self.chance.randint(5, 60), self.chance.randint(60, 300), 2000
        )
        self.gates = [BudgetGate(self.book, self.caps, self.clock) for _ in range(gates)]
        self.real_per_minute = real_per_minute
        self.sent: list[Instant] = []
        self.sent_while_shut: list[tuple[int, Instant]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def one(self, gate: BudgetGate, lane: Lane, max_wait: int) -> None:
        try:
            sent_at = await gate.admit("doc.getList", lane, max_wait)
        except QuotaReached:
            return
        self.sent.append(sent_at)
        if self.book.state.backoff_step:
            self.sent_while_shut.append((self.book.state.backoff_step, sent_at))
        lately = sum(at > sent_at - MINUTE for at in self.sent)
        await self.clock.sleep(self.chance.choice([0, 200 * MILLISECOND, 3 * SECOND]))
        if lately > self.real_per_minute:
            await gate.refused(self.chance.choice([112, 113]), sent_at)
        elif self.chance.random() < 0.9:  # else no answer came
            await gate.succeeded(sent_at)

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            place = self.chance.randrange(len(self.gates))
            for _ in range(self.chance.choice([1, 1, 3, 20])):
                lane, wait = self.chance.choice(list(Lane)), self.chance.choice([0, 30 * SECOND, HOUR])
                self.tasks.add(asyncio.create_task(self.one(self.gates[place], lane, wait)))
            if self.chance.random() < 0.1 and self.tasks:
                self.chance.choice(sorted(self.tasks, key=id)).cancel()
            if self.chance.random() < 0.05:
                await self.gates[place].close()
                self.gates[place] = BudgetGate(self.book, self.caps, self.clock)
            await self.clock.advance(self.chance.choice([0, SECOND // 3, 2 * SECOND, 20 * SECOND, 3 * MINUTE]))
        for gate in self.gates:
            await gate.close()
        await self.clock.advance(4 * SECOND)
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.mark.parametrize("seed", range(8))
async def test_F20_T21_I6_whatever_is_asked_no_window_is_exceeded(seed: int) -> None:
    story = Story(seed, gates=1 + seed % 2, real_per_minute=1000)
    await story.run(70)
    assert len(story.sent) > 20
    assert most_in(story.sent, SECOND) <= max(1, story.caps.per_second)
    assert most_in(story.sent, MINUTE) <= story.caps.per_minute
    assert most_in(story.sent, HOUR) <= story.caps.per_hour


@pytest.mark.parametrize("seed", range(8))
async def test_F20_I6_while_refused_each_step_sends_one_probe(seed: int) -> None:
    story = Story(seed, gates=1, real_per_minute=4)
    await story.run(70)
    assert story.sent_while_shut
    pairs = itertools.pairwise(story.sent_while_shut)
    assert all(after[0] != before[0] or after[1] - before[1] >= budget.PROBE_TIME for before, after in pairs)
