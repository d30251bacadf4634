"""What may be asked of ipernity, and when: the arithmetic of the request budget (T21, design §5, F20, I6).

State in, decision out. The gate in `ipernity/` keeps the state durable and waits; here it is decided. What a refusal
changes is `backoff`.

Slots are handed out in order, in blocks, each block a stretch of time that belongs to one process alone, so
that two processes together never exceed the rate per second. Minute, hour and day are sliding windows counted
in buckets; a bucket counts whole while any part of it lies in the window, so the count errs upward only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ipsync.policy.instants import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Duration, Instant

LANE_SHARES = (100, 100, 95, 90, 80, 80, 50, 80)
"""Percent of each window that a lane may fill, by the number of the lane in `ports.source.Lane`.

REMOVAL and CONFIRMATION may use all of it: an owner's wish outranks everything (T11). VERIFICATION leaves them
5 %, which at the design load (U ≤ 0.5) is ten times what losses need. LOCATING, which turns a shrunken listing
into confirmations, leaves 10 %. PROBE and DISCOVERY use leftovers: 20 % stays for the leases. DETAILS are
wanted by nobody's law and take at most half. INTERACTIVE is last in line, but a person waits: 80 %.
"""

BLOCK_SLOTS = 50
"""The most slots one durable reservation takes; what a crash may waste."""

BLOCK_TIME: Duration = SECOND
"""The longest stretch one reservation takes; what a second process may have to wait."""

BLOCK_GRACE: Duration = 500 * MILLISECOND
"""How long after its last slot a block may still be used: committing a reservation and waking up take time."""

PACE_TOLERANCE: Duration = 5 * MILLISECOND
"""How far a late sender may catch up; timers of an event loop are no finer."""

SPACING = 1.025
"""Slots lie this much wider than 1/per_second. A second then never holds more than the cap at ipernity's
door, with `PACE_TOLERANCE` used up and the network delaying requests by up to 20 ms unequally."""

SEND_SLACK: Duration = 2 * SECOND
"""The windows are counted this much longer, since a request may leave up to BLOCK_TIME + BLOCK_GRACE after
the slot it was counted at."""

PROBE_TIME: Duration = 90 * SECOND
"""How long a probe may stay unanswered before another may be sent: above the longest request timeout."""


@dataclass(frozen=True, slots=True)
class Window:
    """One sliding window and the size of the buckets it is counted in, both in microseconds."""

    name: str
    length: Duration
    bucket: Duration


WINDOWS = (
    Window("minute", MINUTE, 3 * SECOND),
    Window("hour", HOUR, 3 * MINUTE),
    Window("day", DAY, HOUR),
)


@dataclass(frozen=True, slots=True)
class Caps:
    """What the operator allows, in requests. Caps on any second, minute, hour, day, wherever it begins.

    Attributes:
        per_second: may be a fraction: 0.5 is one request every two seconds.
    """

    per_second: float
    per_minute: int
    per_hour: int
    per_day: int

    def __post_init__(self) -> None:
        """Refuse caps under which nothing could ever be sent."""
        if not (self.per_second > 0 and min(self.per_minute, self.per_hour, self.per_day) >= 1):
            raise ValueError("every request cap must be above 0")

    def sustainable_per_hour(self) -> float:
        """The rate that can be kept up for ever: the narrowest cap, in requests per hour."""
        return min(self.per_second * 3600, self.per_minute * 60, self.per_hour, self.per_day / 24)


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests counted in one bucket of one window.

    Attributes:
        window: `minute`, `hour` or `day`.
        bucket_at: where the bucket begins.
    """

    window: str
    bucket_at: Instant
    requests: int


@dataclass(frozen=True, slots=True)
class RealRate:
    """The lowest rate ipernity really allowed on one day, remembered for a week (112, 113)."""

    day_at: Instant
    requests_per_hour: float


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Everything the budget must remember across restarts and share between processes.

    Attributes:
        next_slot_at: the next free send slot; slots are handed out in order, spaced by the per-second cap.
        spent: counts per window.
        blocked_until: after 112/113 nothing is sent before this instant.
        backoff_step: refusals in a row; 0 when the gate is open.
        rate_factor: the share of the configured caps that is in use, 0 < f ≤ 1; falls fast, recovers slowly.
        recovered_at: when `rate_factor` was last changed; while `backoff_step` > 0, when the refusals began.
        real_rates: the lowest real rates of the last 7 days.
    """

    next_slot_at: Instant = 0
    spent: tuple[Spent, ...] = ()
    blocked_until: Instant = 0
    backoff_step: int = 0
    rate_factor: float = 1.0
    recovered_at: Instant = 0
    real_rates: tuple[RealRate, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """Slots reserved for one process: the i-th request leaves at `first_at + i·gap` or later, `gap` apart.

    Attributes:
        usable_until: the last instant at which a request may leave; unused slots expire.
        lanes: who may use it; a block within everyone's share is open to everyone.
        probe: the single request of a back-off step.
    """

    first_at: Instant
    gap: Duration
    slots: int
    usable_until: Instant
    lanes: frozenset[int]
    probe: bool = False

    def slot_at(self, index: int) -> Instant:
        """Where the slot `index`, from 0, lies; also the instant it was counted at."""
        return self.first_at + index * self.gap


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one window still allows, in requests."""

    limit: int
    remaining: int


def available_at(state: BudgetState, caps: Caps, lane: int, now: Instant, resume_at: Instant | None = None) -> Instant:
    """The earliest instant, ≥ `now`, at which a request of this lane may leave as things stand.

    Args:
        state: what was spent.
        caps: what the operator allows.
        lane: the number of a `ports.source.Lane`.
        now: the lease clock.
        resume_at: for the holder of the newest block, where its own next slot lies; it need not
            wait out the grace of its own block.
    """
    at = max(now, state.next_slot_at if resume_at is None else resume_at, state.blocked_until)
    for window in WINDOWS:
        limit = _limit(state, caps, window, lane)
        buckets = _buckets(state, window, at)
        total = sum(bucket.requests for bucket in buckets)
        for bucket in buckets:
            if total < limit:
                break
            total -= bucket.requests
            at = max(at, bucket.bucket_at + window.bucket + window.length + SEND_SLACK)
    return at


def reserve(
    state: BudgetState,
    caps: Caps,
    lane: int,
    now: Instant,
    wanted: int = 1,
    resume_at: Instant | None = None,
) -> tuple[BudgetState, Block | None]:
    """Take up to `wanted` slots for a lane, counted as spent at once; None if none is free within BLOCK_TIME.

    While the gate backs off the block is the one probe of its step: whatever becomes of it, no
    other request leaves before PROBE_TIME has passed or `backoff` was told the answer (I6).

    Args:
        state: what was spent.
        caps: what the operator allows.
        lane: the number of a `ports.source.Lane`.
        now: the lease clock; no slot lies earlier.
        wanted: how many slots would be used now.
        resume_at: see `available_at`.
    """
    first_at = available_at(state, caps, lane, now, resume_at)
    if first_at > now + BLOCK_TIME:
        return state, None
    gap = slot_gap(state, caps)
    probe = state.backoff_step > 0
    slots = 1 if probe else max(1, min(wanted, BLOCK_SLOTS, BLOCK_TIME // gap))
    slots = min(slots, _room(state, caps, lane, _totals(state, first_at)))
    counted = _counted(state, (first_at + index * gap for index in range(slots)), 1, now)
    usable_until = first_at + (slots - 1) * gap + BLOCK_GRACE
    after = replace(
        state,
        spent=counted,
        next_slot_at=usable_until + gap,
        blocked_until=first_at + PROBE_TIME if probe else state.blocked_until,
    )
    totals = _totals(after, first_at)
    lanes = frozenset(
        other for other in range(len(LANE_SHARES)) if other == lane or _room(after, caps, other, totals) >= 0
    )
    return after, Block(first_at, gap, slots, usable_until, lanes, probe)


def give_back(state: BudgetState, slots_at: Sequence[Instant], now: Instant) -> BudgetState:
    """Take slots that were reserved and certainly never used off the count.

    Args:
        state: what was spent.
        slots_at: where those slots lay.
        now: the lease clock.
    """
    return replace(state, spent=_counted(state, slots_at, -1, now))


def allowances(state: BudgetState, caps: Caps, now: Instant) -> dict[str, Allowance]:
    """What each window allows at `now`, by its name (`second`, `minute`, `hour`, `day`), for metrics and people."""
    gap = slot_gap(state, caps)
    # What was configured, not what slots with their safety distance come to: of 2 per second they are 1.95.
    limit = max(1, round(caps.per_second * state.rate_factor))
    free_at = max(now, state.next_slot_at, state.blocked_until)
    found = {"second": Allowance(limit, min(limit, max(0, -(-(now + SECOND - free_at) // gap))))}
    for window, spent in zip(WINDOWS, _totals(state, now), strict=True):
        limit = _limit(state, caps, window, 0)
        found[window.name] = Allowance(limit, max(0, limit - spent))
    return found


def slot_gap(state: BudgetState, caps: Caps) -> Duration:
    """The distance of two slots at the pace in use, in microseconds."""
    gap = SPACING * SECOND / (caps.per_second * state.rate_factor)
    per_minute = _paced_minute(state, caps)
    return round(max(gap, MINUTE / per_minute if per_minute < 1 else 0, 1))


def _paced_minute(state: BudgetState, caps: Caps) -> float:
    """The minute's limit at the pace in use.

    After a refusal the pace counts against what all caps together sustain, so that it also brings
    down an hour's volume. Only the minute is narrowed: a narrowed hour or day, already spent, would
    shut the gate for hours because of one refusal.
    """
    if state.rate_factor >= 1:
        return caps.per_minute
    return min(caps.per_minute, state.rate_factor * caps.sustainable_per_hour() / 60)


def _limit(state: BudgetState, caps: Caps, window: Window, lane: int) -> int:
    if window.name == "minute":
        cap = max(1, int(_paced_minute(state, caps)))
    else:
        cap = caps.per_hour if window.name == "hour" else caps.per_day
    return cap - cap * (100 - LANE_SHARES[lane]) // 100


def _buckets(state: BudgetState, window: Window, at: Instant) -> list[Spent]:
    """The buckets of which any part lies in the window that ends at `at`, oldest first."""
    since = at - window.length - SEND_SLACK - window.bucket
    found = [bucket for bucket in state.spent if bucket.window == window.name and bucket.bucket_at > since]
    return sorted(found, key=lambda bucket: bucket.bucket_at)


def _totals(state: BudgetState, at: Instant) -> tuple[int, ...]:
    """What counts in each of WINDOWS at `at`."""
    return tuple(sum(bucket.requests for bucket in _buckets(state, window, at)) for window in WINDOWS)


def _room(state: BudgetState, caps: Caps, lane: int, totals: tuple[int, ...]) -> int:
    """How many more requests of a lane fit beside `totals`; negative when others have used its share."""
    return min(_limit(state, caps, window, lane) - total for window, total in zip(WINDOWS, totals, strict=True))


def _counted(state: BudgetState, slots_at: Iterable[Instant], each: int, now: Instant) -> tuple[Spent, ...]:
    """Add `each` for every slot to its buckets, and drop buckets twice as old as their window."""
    counts = {(bucket.window, bucket.bucket_at): bucket.requests for bucket in state.spent}
    for slot_at in slots_at:
        for window in WINDOWS:
            key = (window.name, slot_at - slot_at % window.bucket)
            counts[key] = counts.get(key, 0) + each
    oldest = {window.name: now - 2 * window.length - SEND_SLACK for window in WINDOWS}
    return tuple(
        Spent(name, bucket_at, requests)
        for (name, bucket_at), requests in counts.items()
        if requests > 0 and bucket_at > oldest[name]
    )
