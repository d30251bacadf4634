"""The one gate every request passes: it waits for a slot, most urgent lane first, and stops at a refusal (T21).

It may not decide how much is allowed (`policy.budget` and `policy.backoff` do) nor send anything itself. What is
spent is on record before it is spent: a slot is reserved durably, then used, so that a crash can waste requests but
never repeat them. While nothing is asked for, nothing is reserved and nothing written.

Two processes share the budget through the book. A process that holds a block may use it up after the other
was refused: at most BLOCK_TIME + BLOCK_GRACE; its next reservation finds the gate shut.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TypeAlias

from ipsync.policy import backoff, budget
from ipsync.policy.budget import Allowance, Block, BudgetState, Caps
from ipsync.policy.instants import SECOND, Duration, Instant
from ipsync.ports.budget import BudgetBook
from ipsync.ports.clock import Clock
from ipsync.ports.source import Lane, QuotaReached

MAX_WAIT: Duration = 30 * SECOND
"""How long a request waits for its slot unless told otherwise; a job does better to come back later."""

RECHECK: Duration = 5 * SECOND
"""While waiting, the book is read this often: another process may have opened the gate."""

Waits: TypeAlias = dict[int, Instant]


@dataclass(frozen=True, slots=True)
class GateSnapshot:
    """How the gate stands, for metrics, status and plans.

    Attributes:
        allowances: limit and remaining requests by window: `second`, `minute`, `hour`, `day`.
        blocked_until: nothing but one probe is sent before; 0 when open.
        backoff_step: refusals in a row; 0 when open.
        rate_factor: the share of the configured pace in use.
        believed_requests_per_hour: B, what plans may count on.
        waiting: requests that wait for a slot in this process.
    """

    allowances: Mapping[str, Allowance]
    blocked_until: Instant
    backoff_step: int
    rate_factor: float
    believed_requests_per_hour: float
    waiting: int


@dataclass(order=True, slots=True)
class _Waiter:
    lane: int
    order: int
    method: str = field(compare=False)
    deadline: Instant = field(compare=False)
    future: "asyncio.Future[Instant]" = field(compare=False)


@dataclass(slots=True)
class _Holding:
    """The block this process holds, and how much of it is used."""

    block: Block
    used: int = 0

    def serves(self, lane: int, now: Instant) -> bool:
        return (
            self.used < self.block.slots
            and self.block.first_at <= now <= self.block.usable_until
            and lane in self.block.lanes
        )


class BudgetGate:
    """Hands out permission to send, one request at a time.

    Args:
        book: where the budget is remembered.
        caps: what the operator allows.
        clock: whose time counts, and which waits.
        max_wait: how long a request waits for its slot by default, microseconds.
    """

    def __init__(self, book: BudgetBook, caps: Caps, clock: Clock, *, max_wait: Duration = MAX_WAIT) -> None:
        self._book = book
        self._caps = caps
        self._clock = clock
        self._max_wait = max_wait
        self._state = BudgetState()
        self._holding: _Holding | None = None
        self._unused: tuple[Instant, ...] = ()
        self._claimed: Instant | None = None
        self._next_at: Instant = 0
        self._appetite = 1
        self._lead: Duration = 0
        self._probe_until: Instant = 0
        self._generation = 0
        self._closed = False
        self._order = count()
        self._waiting: list[_Waiter] = []
        self._wake = asyncio.Event()
        self._server: asyncio.Task[None] | None = None

    async def admit(self, method: str, lane: Lane, max_wait: Duration | None = None) -> Instant:
        """Wait until one request may be sent, and return the instant of the permission: send at once.

        The instant is never later than the sending, so it may serve as the send time of a lease.

        Args:
            method: the API method, for the message of the failure only.
            lane: how urgent; a smaller lane never waits behind a larger one.
            max_wait: the longest wait, microseconds; None means the gate's own.

        Raises:
            QuotaReached: no slot within `max_wait`; told at once where it is known beforehand.
            ports.catalog.CatalogFailure: the book could not be kept.
        """
        if self._closed:
            raise QuotaReached(method, "the budget gate is closed")
        now = self._clock.now()
        holding = self._holding
        if not self._waiting and holding is not None and holding.serves(lane, now) and now >= self._due(holding):
            return self._use(holding, now)
        deadline = now + (self._max_wait if max_wait is None else max_wait)
        future: asyncio.Future[Instant] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(lane, next(self._order), method, deadline, future))
        self._wake.set()
        if self._server is None or self._server.done():
            self._server = asyncio.get_running_loop().create_task(self._serve(), name="budget gate")
        return await future

    async def succeeded(self, sent_at: Instant) -> None:
        """Tell that the request admitted at `sent_at` was answered (with whatever but 112 or 113).

        Costs nothing while the gate is open and the pace is full.
        """
        now = self._clock.now()
        if backoff.succeeded(self._state, sent_at, now) is self._state:
            return
        self._state = await self._book.change(partial(_keep, lambda state: backoff.succeeded(state, sent_at, now)))
        self._probe_until = 0
        self._wake.set()

    async def refused(self, code: int, sent_at: Instant) -> None:
        """Tell that the request admitted at `sent_at` was answered with 112 or 113: stop at once (I6)."""
        now = self._clock.now()
        self._generation += 1
        self._retire()
        self._state = await self._book.change(
            partial(_keep, lambda state: backoff.refused(state, self._caps, code, sent_at, now))
        )
        self._probe_until = 0
        self._wake.set()

    async def snapshot(self) -> GateSnapshot:
        """How the gate stands now, by the book."""
        state = await self._book.change(_look)
        self._state = state
        now = self._clock.now()
        return GateSnapshot(
            allowances=budget.allowances(state, self._caps, now),
            blocked_until=state.blocked_until,
            backoff_step=state.backoff_step,
            rate_factor=state.rate_factor,
            believed_requests_per_hour=backoff.believed_requests_per_hour(state, self._caps, now),
            waiting=sum(not waiter.future.done() for waiter in self._waiting),
        )

    async def close(self) -> None:
        """Refuse whoever waits or comes, and give unused slots back."""
        self._closed = True
        if self._server is not None:
            self._server.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._server
        for waiter in self._waiting:
            _fail(waiter, "the budget gate is closed")
        self._waiting.clear()
        self._retire()
        if self._unused:
            unused, self._unused, now = self._unused, (), self._clock.now()
            await self._book.change(partial(_keep, lambda state: budget.give_back(state, unused, now)))

    async def _serve(self) -> None:
        """Serve whoever waits, until nobody does."""
        try:
            while self._drop_the_late():
                self._wake.clear()
                until = self._hand_out()
                if until is None:
                    until = await self._reserve()
                if until > self._clock.now():
                    await self._pause(until)
        except Exception as failure:  # noqa: BLE001  # reason: it belongs to those who wait, whatever it is
            for waiter in self._waiting:
                if not waiter.future.done():
                    waiter.future.set_exception(failure)
            self._waiting.clear()

    def _drop_the_late(self) -> bool:
        """Forget who was cancelled, fail whose time is up; whether anybody is left."""
        now = self._clock.now()
        for waiter in self._waiting:
            if waiter.deadline < now:
                _fail(waiter, "no request was allowed within the time it could wait")
        self._waiting = [waiter for waiter in self._waiting if not waiter.future.done()]
        return bool(self._waiting)

    def _hand_out(self) -> Instant | None:
        """Give the slots that are due to the most urgent; until when to wait, or None if none is in hand."""
        while (holding := self._holding) is not None and self._waiting:
            now = self._clock.now()
            block = holding.block
            if holding.used >= block.slots or now > block.usable_until:
                self._retire()
                return None
            waiter = min((waiter for waiter in self._waiting if waiter.lane in block.lanes), default=None)
            if waiter is None:
                self._retire()
                return None
            due = self._due(holding)
            if now < due:
                return due
            self._waiting.remove(waiter)
            if not waiter.future.done():
                waiter.future.set_result(self._use(holding, now))
        return None if self._waiting else self._clock.now()

    def _due(self, holding: _Holding) -> Instant:
        return max(holding.block.first_at, self._next_at - budget.PACE_TOLERANCE)

    def _use(self, holding: _Holding, now: Instant) -> Instant:
        holding.used += 1
        self._next_at = max(self._next_at, now) + holding.block.gap
        if holding.block.probe:
            self._probe_until = now + budget.PROBE_TIME
        return now

    def _retire(self) -> None:
        """Let go of the block in hand; learn from it how many slots to reserve next time."""
        if (holding := self._holding) is None:
            return
        block, used = holding.block, holding.used
        self._holding = None
        self._unused += tuple(block.slot_at(index) for index in range(used, block.slots))
        if self._clock.now() > block.usable_until + budget.BLOCK_TIME:
            self._appetite = 1  # nobody asked for a while
        else:
            self._appetite = min(budget.BLOCK_SLOTS, 2 * used) if used == block.slots else max(1, used)

    async def _reserve(self) -> Instant:
        """Reserve a block for the most urgent lane that may have one; until when to wait."""
        began_at, generation, unused = self._clock.now(), self._generation, self._unused
        lanes = sorted({waiter.lane for waiter in self._waiting})
        wanted = max(self._appetite, len(self._waiting))
        step = partial(
            _reserving,
            caps=self._caps,
            lanes=lanes,
            now=began_at + self._lead,
            wanted=wanted,
            unused=unused,
            claimed=self._claimed,
            resume_at=self._next_at,
        )
        self._state, block, waits = await self._book.change(step)
        self._unused = self._unused[len(unused) :]
        now = self._clock.now()
        if block is None:
            return self._turn_away(waits, now)
        self._claimed = self._state.next_slot_at
        self._holding = _Holding(block)
        if generation != self._generation:
            self._retire()  # refused while it was being written down
            return now
        # Where the book is slower than a block lives, the next block begins when it will be ready.
        self._lead = min(now - began_at, RECHECK) if now > block.usable_until else 0
        return now

    def _turn_away(self, waits: Waits, now: Instant) -> Instant:
        """Fail whom no slot can reach in time; until when the others wait."""
        if now < self._probe_until:
            return min(now + RECHECK, *(waiter.deadline + 1 for waiter in self._waiting))
        for waiter in self._waiting:
            free_at = waits.get(waiter.lane, now)
            if free_at > waiter.deadline:
                _fail(waiter, f"the budget allows the next request in {(free_at - now) // SECOND + 1} s")
        left = [waiter for waiter in self._waiting if not waiter.future.done()]
        nearest = [instant for waiter in left for instant in (waits.get(waiter.lane, now), waiter.deadline + 1)]
        return min(now + RECHECK, *nearest) if left else now

    async def _pause(self, until: Instant) -> None:
        """Wait until an instant, or until something happened."""
        timer = asyncio.get_running_loop().create_task(self._clock.sleep(until - self._clock.now()))
        timer.add_done_callback(lambda ended: None if ended.cancelled() else self._wake.set())
        try:
            await self._wake.wait()
        finally:
            timer.cancel()


def _fail(waiter: _Waiter, reason: str) -> None:
    if not waiter.future.done():
        waiter.future.set_exception(QuotaReached(waiter.method, reason))


def _look(state: BudgetState) -> tuple[BudgetState, BudgetState]:
    return state, state


def _keep(step: Callable[[BudgetState], BudgetState], state: BudgetState) -> tuple[BudgetState, BudgetState]:
    after = step(state)
    return after, after


def _reserving(
    state: BudgetState,
    *,
    caps: Caps,
    lanes: list[int],
    now: Instant,
    wanted: int,
    unused: tuple[Instant, ...],
    claimed: Instant | None,
    resume_at: Instant,
) -> tuple[BudgetState, tuple[BudgetState, Block | None, Waits]]:
    """One step of the book: give back what was not used, then reserve for the first lane that may.

    The block before this one is ours if nobody reserved since; then its grace need not be waited out.
    """
    state = budget.give_back(state, unused, now) if unused else state
    resume = resume_at if state.next_slot_at == claimed else None
    for lane in lanes:
        after, block = budget.reserve(state, caps, lane, now, wanted, resume)
        if block is not None:
            return after, (after, block, {})
    waits = {lane: budget.available_at(state, caps, lane, now, resume) for lane in lanes}
    return state, (state, None, waits)
