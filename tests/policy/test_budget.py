"""The arithmetic of the budget: never over a cap in any window, lanes kept apart, refusals obeyed."""

import math
import random
from bisect import bisect_right
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipsync.policy import backoff, budget
from ipsync.policy.budget import BudgetState, Caps, RealRate, Spent
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Instant
from ipsync.ports.source import Lane

NOON = 1_700_000_000 * SECOND
WIDE = Caps(per_second=10, per_minute=1_000_000, per_hour=1_000_000, per_day=1_000_000)
CAPS = Caps(per_second=5, per_minute=100, per_hour=1000, per_day=10_000)


def spent(state: BudgetState, window: str) -> int:
    return sum(bucket.requests for bucket in state.spent if bucket.window == window)


def take(state: BudgetState, caps: Caps, lane: int, now: Instant, wanted: int = 1) -> BudgetState:
    after, block = budget.reserve(state, caps, lane, now, wanted)
    assert block is not None
    return after


def fill(state: BudgetState, caps: Caps, lane: int, now: Instant, until: Instant) -> tuple[BudgetState, list[Instant]]:
    """Use everything the lane may have between two instants."""
    sent: list[Instant] = []
    while True:
        at = budget.available_at(state, caps, lane, now)
        if at >= until:
            return state, sent
        state, block = budget.reserve(state, caps, lane, at, 50)
        assert block is not None
        sent.extend(block.slot_at(index) for index in range(block.slots))
        now = sent[-1]


def most_in(sent: list[Instant], length: int) -> int:
    """The most requests that any half-open window of `length` holds."""
    return max((index + 1 - bisect_right(sent, at - length) for index, at in enumerate(sent)), default=0)


def test_there_is_a_share_for_every_lane_and_urgency_never_lowers_it() -> None:
    assert len(budget.LANE_SHARES) == len(Lane)
    urgent = budget.LANE_SHARES[: Lane.DETAILS + 1]
    assert list(urgent) == sorted(urgent, reverse=True)
    assert budget.LANE_SHARES[Lane.REMOVAL] == 100


@pytest.mark.parametrize("caps", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, -1)])
def test_caps_that_allow_nothing_are_refused(caps: tuple[float, int, int, int]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Caps(*caps)


def test_sustainable_rate_is_the_narrowest_cap() -> None:
    assert Caps(10, 600, 3600, 1200).sustainable_per_hour() == 50
    assert Caps(0.5, 600, 3600, 1_000_000).sustainable_per_hour() == 1800


def test_the_first_request_may_leave_at_once() -> None:
    assert budget.available_at(BudgetState(), CAPS, Lane.DETAILS, NOON) == NOON


def test_slots_are_handed_out_in_order_and_spaced() -> None:
    state, first = budget.reserve(BudgetState(), WIDE, Lane.VERIFICATION, NOON, 4)
    assert first is not None
    assert first.slots == 4
    assert first.slot_at(0) == NOON
    assert first.slot_at(1) - first.slot_at(0) >= SECOND // 10
    state, second = budget.reserve(state, WIDE, Lane.VERIFICATION, NOON, 4)
    assert second is not None
    assert second.first_at >= first.usable_until + first.gap  # the two never overlap, however late the first


def test_a_block_is_at_most_a_second_and_fifty_slots() -> None:
    _, block = budget.reserve(BudgetState(), WIDE, Lane.VERIFICATION, NOON, 1000)
    assert block is not None
    assert block.slots == 9  # 10/s with its margin
    fast = replace(WIDE, per_second=10_000)
    _, block = budget.reserve(BudgetState(), fast, Lane.VERIFICATION, NOON, 1000)
    assert block is not None
    assert block.slots == budget.BLOCK_SLOTS


def test_nothing_is_reserved_for_later_than_a_second() -> None:
    state = BudgetState(next_slot_at=NOON + 2 * SECOND)
    after, block = budget.reserve(state, WIDE, Lane.REMOVAL, NOON)
    assert block is None
    assert after is state


def test_unused_slots_come_off_the_count() -> None:
    state, block = budget.reserve(BudgetState(), CAPS, Lane.VERIFICATION, NOON, 4)
    assert block is not None
    assert spent(state, "hour") == 4
    state = budget.give_back(state, [block.slot_at(2), block.slot_at(3)], NOON)
    assert {spent(state, window.name) for window in budget.WINDOWS} == {2}


def test_old_buckets_are_forgotten() -> None:
    state = take(BudgetState(), CAPS, Lane.VERIFICATION, NOON)
    state = take(state, CAPS, Lane.VERIFICATION, NOON + 3 * DAY)
    assert len(state.spent) == 3
    assert all(bucket.bucket_at > NOON + 2 * DAY for bucket in state.spent)


def test_the_record_stays_small_under_full_load() -> None:
    state, sent = fill(BudgetState(), Caps(20, 1000, 40_000, 900_000), Lane.REMOVAL, NOON, NOON + 3 * HOUR)
    assert len(sent) > 100_000
    assert len(state.spent) <= 120


@pytest.mark.parametrize("window", ["minute", "hour", "day"])
def test_T21_a_window_that_is_full_waits_until_it_has_room(window: str) -> None:
    caps = replace(Caps(1000, 10_000, 10_000, 10_000), **{f"per_{window}": 20, "per_second": 1000})
    length = {"minute": MINUTE, "hour": HOUR, "day": DAY}[window]
    _, sent = fill(BudgetState(), caps, Lane.REMOVAL, NOON, NOON + 3 * length)
    assert most_in(sent, length) == 20
    assert len(sent) >= 40  # conservative, yet not idle


def test_lanes_leave_their_share_to_more_urgent_ones() -> None:
    state = BudgetState()
    reached = {}
    for lane in (Lane.DETAILS, Lane.PROBE, Lane.LOCATING, Lane.VERIFICATION, Lane.REMOVAL):
        state, _ = fill(state, CAPS, lane, NOON, NOON + 50 * SECOND)
        reached[lane] = spent(state, "minute")
    assert reached == {
        Lane.DETAILS: 50,
        Lane.PROBE: 80,
        Lane.LOCATING: 90,
        Lane.VERIFICATION: 95,
        Lane.REMOVAL: 100,
    }


def test_a_block_of_an_urgent_lane_is_closed_to_lanes_whose_share_is_used_up() -> None:
    state, _ = fill(BudgetState(), CAPS, Lane.DETAILS, NOON, NOON + 50 * SECOND)
    _, block = budget.reserve(state, CAPS, Lane.VERIFICATION, NOON + 50 * SECOND, 3)
    assert block is not None
    assert Lane.DETAILS not in block.lanes
    assert {Lane.REMOVAL, Lane.VERIFICATION, Lane.PROBE} <= block.lanes


def test_a_block_within_everyones_share_is_open_to_everyone() -> None:
    _, block = budget.reserve(BudgetState(), CAPS, Lane.VERIFICATION, NOON, 3)
    assert block is not None
    assert block.lanes == frozenset(Lane)


def test_tiny_caps_reserve_nothing_but_still_allow() -> None:
    state = take(BudgetState(), Caps(1, 1, 1, 1), Lane.DETAILS, NOON)
    assert budget.available_at(state, Caps(1, 1, 1, 1), Lane.REMOVAL, NOON) > NOON + 23 * HOUR


def test_the_holder_of_the_newest_block_need_not_wait_out_its_grace() -> None:
    state, block = budget.reserve(BudgetState(), WIDE, Lane.VERIFICATION, NOON)
    assert block is not None
    assert budget.available_at(state, WIDE, Lane.VERIFICATION, NOON) > NOON + budget.BLOCK_GRACE
    resume_at = NOON + block.gap
    assert budget.available_at(state, WIDE, Lane.VERIFICATION, NOON, resume_at) == resume_at


# refusals


@pytest.mark.parametrize(("code", "first"), [(113, SECOND), (112, MINUTE)])
def test_F20_a_refusal_stops_everything_and_halves_the_pace(code: int, first: int) -> None:
    state = backoff.refused(BudgetState(), CAPS, code, NOON, NOON)
    assert state.blocked_until == NOON + first
    assert state.rate_factor == 0.5
    assert budget.available_at(state, CAPS, Lane.REMOVAL, NOON) == NOON + first


def test_F20_each_step_sends_one_probe_and_doubles_the_pause() -> None:
    state = backoff.refused(BudgetState(), CAPS, 112, NOON, NOON)
    pauses = []
    for _ in range(9):
        now = state.blocked_until
        state, block = budget.reserve(state, CAPS, Lane.VERIFICATION, now, 50)
        assert block is not None
        assert block.probe
        assert block.slots == 1
        again = budget.reserve(state, CAPS, Lane.REMOVAL, now + budget.PROBE_TIME - 2 * SECOND)
        assert again[1] is None  # not even the most urgent follows an unanswered probe
        answered_at = now + SECOND
        state = backoff.refused(state, CAPS, 112, now, answered_at)
        pauses.append((state.blocked_until - answered_at) // MINUTE)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert state.rate_factor == 0.5  # one congestion, one halving


def test_F20_an_unanswered_probe_is_followed_by_another_after_a_while() -> None:
    state = backoff.refused(BudgetState(), CAPS, 113, NOON, NOON)
    state = take(state, CAPS, Lane.PROBE, NOON + SECOND)
    assert budget.available_at(state, CAPS, Lane.PROBE, NOON + 2 * SECOND) == NOON + SECOND + budget.PROBE_TIME


def test_F20_requests_on_their_way_when_refused_count_as_one_refusal() -> None:
    state = backoff.refused(BudgetState(), CAPS, 113, NOON - SECOND, NOON)
    for late in range(1, 8):
        assert backoff.refused(state, CAPS, 113, NOON - SECOND, NOON + late) is state
    assert backoff.succeeded(state, NOON - SECOND, NOON + SECOND) is state


def test_F20_an_answered_probe_opens_and_the_pace_recovers_slowly() -> None:
    state = backoff.refused(BudgetState(), CAPS, 113, NOON, NOON)
    now = NOON + SECOND
    state = backoff.succeeded(take(state, CAPS, Lane.PROBE, now), now, now + SECOND)
    assert (state.backoff_step, state.blocked_until, state.rate_factor) == (0, 0, 0.5)
    began = now = now + SECOND
    while state.rate_factor < 1:
        assert backoff.succeeded(state, now, now + backoff.RECOVERY_TIME - 1) is state
        now += backoff.RECOVERY_TIME
        state = backoff.succeeded(state, now, now)
    assert now - began == 10 * backoff.RECOVERY_TIME
    assert backoff.succeeded(state, now + DAY, now + DAY) is state


def test_F20_repeated_refusals_never_bring_the_pace_to_nothing() -> None:
    state, now = BudgetState(), NOON
    for _ in range(20):
        now += HOUR
        state = backoff.succeeded(backoff.refused(state, CAPS, 113, now, now), now, now)
    assert state.rate_factor == backoff.RATE_FLOOR
    assert budget.slot_gap(state, CAPS) < 10 * MINUTE  # 10,000 a day, less than one a minute left


def test_a_lowered_pace_shuts_no_window_that_was_already_spent() -> None:
    state, _ = fill(BudgetState(), CAPS, Lane.VERIFICATION, NOON, NOON + 9 * MINUTE)
    now = NOON + 9 * MINUTE
    state = backoff.succeeded(backoff.refused(state, CAPS, 113, now, now), now, now)
    assert spent(state, "hour") > CAPS.per_hour / 2
    assert budget.available_at(state, CAPS, Lane.VERIFICATION, now) < now + 2 * MINUTE


def test_a_lowered_pace_brings_down_the_hours_volume() -> None:
    state = backoff.refused(BudgetState(), CAPS, 112, NOON, NOON)
    state = backoff.succeeded(state, NOON, NOON)
    _, sent = fill(state, CAPS, Lane.REMOVAL, NOON, NOON + HOUR)
    assert 150 <= len(sent) <= 250  # half of what 10,000 a day sustain in an hour


# what plans may count on


def test_believed_rate_is_the_sustainable_one_as_long_as_nothing_was_refused() -> None:
    assert backoff.believed_requests_per_hour(BudgetState(), CAPS, NOON) == pytest.approx(10_000 / 24)


def test_one_refusal_out_of_the_blue_proves_no_rate() -> None:
    state = backoff.refused(BudgetState(), CAPS, 113, NOON, NOON)
    assert state.real_rates == ()


def test_F20_an_exhausted_quota_teaches_its_real_rate() -> None:
    """300 requests an hour are allowed, 1000 are configured: plans must learn to count on 240."""
    caps = Caps(1, 60, 1000, 24_000)
    state, sent = fill(BudgetState(), caps, Lane.REMOVAL, NOON, NOON + 6 * MINUTE)
    state = replace(state, spent=state.spent, next_slot_at=0)
    now = NOON + 6 * MINUTE
    allowed = len(sent)
    state = backoff.refused(state, caps, 112, now, now)
    while now < NOON + 55 * MINUTE:
        now = state.blocked_until
        state, block = budget.reserve(state, caps, Lane.VERIFICATION, now)
        assert block is not None
        state = backoff.refused(state, caps, 112, now, now)
    believed = backoff.believed_requests_per_hour(state, caps, now)
    assert believed == pytest.approx(0.8 * allowed, rel=0.15)
    assert backoff.believed_requests_per_hour(state, caps, now + 9 * DAY) == 1000  # forgotten after a week


def test_real_rates_keep_the_lowest_of_each_of_seven_days() -> None:
    state, now = BudgetState(rate_factor=0.5), NOON
    for day in range(10):
        now = NOON + day * DAY
        state = backoff.succeeded(backoff.refused(state, WIDE, 113, now, now), now, now)
    assert len(state.real_rates) == 7
    assert isinstance(state.real_rates[0], RealRate)
    assert state.real_rates[-1].day_at == now - now % DAY


def test_allowances_say_limit_and_rest_of_every_window() -> None:
    fresh = budget.allowances(BudgetState(), CAPS, NOON)
    assert {name: (found.limit, found.remaining) for name, found in fresh.items()} == {
        "second": (5, 5),
        "minute": (100, 100),
        "hour": (1000, 1000),
        "day": (10_000, 10_000),
    }
    state, _ = budget.reserve(BudgetState(), CAPS, Lane.VERIFICATION, NOON, 4)
    used = budget.allowances(state, CAPS, NOON)
    assert used["second"].remaining == 0
    assert used["hour"].remaining == 996
    blocked = backoff.refused(state, CAPS, 112, NOON, NOON)
    assert budget.allowances(blocked, CAPS, NOON)["second"].remaining == 0


@pytest.mark.parametrize(
    ("per_second", "rate_factor", "limit"), [(2, 1.0, 2), (1, 1.0, 1), (0.5, 1.0, 1), (10, 0.5, 5), (3, 0.5, 2)]
)
def test_the_allowance_of_a_second_is_what_was_configured_at_the_pace_in_use(
    per_second: float, rate_factor: float, limit: int
) -> None:
    caps = replace(CAPS, per_second=per_second)
    found = budget.allowances(BudgetState(rate_factor=rate_factor), caps, NOON)["second"]
    assert found.limit == limit
    assert 1 <= found.remaining <= limit


# never over, whatever happens


class Process:
    """One of several processes that share a book, as late or as prompt as a block lets it be."""

    def __init__(self) -> None:
        self.claimed = -1
        self.next_at = 0

    def send(
        self, state: BudgetState, caps: Caps, lane: int, now: Instant, wanted: int, late: float
    ) -> tuple[BudgetState, list[Instant]]:
        resume = self.next_at if state.next_slot_at == self.claimed else None
        state, block = budget.reserve(state, caps, lane, now, wanted, resume)
        if block is None:
            return state, []
        self.claimed = state.next_slot_at
        moment = round(block.first_at + late * (block.usable_until - block.first_at))
        sent: list[Instant] = []
        while len(sent) < block.slots:
            moment = max(moment, now, self.next_at - budget.PACE_TOLERANCE)
            if moment > block.usable_until:
                break
            sent.append(moment)
            self.next_at = max(self.next_at, moment) + block.gap
        unused = [block.slot_at(index) for index in range(len(sent), block.slots)]
        return budget.give_back(state, unused, now), sent


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([0.2, 1, 2.5, 7, 40]),
    st.tuples(st.integers(1, 60), st.integers(1, 200), st.integers(1, 400)),
    st.integers(0, 2**32),
)
def test_F20_T21_I6_no_window_ever_holds_more_than_its_cap(
    per_second: float, others: tuple[int, int, int], seed: int
) -> None:
    """Two greedy processes, any lanes, any lateness: the caps hold in every window, wherever it begins."""
    caps, chance = Caps(per_second, *others), random.Random(seed)
    state, now = BudgetState(), NOON + chance.randrange(HOUR)
    processes, sent = (Process(), Process()), list[Instant]()
    for _ in range(150):
        who, lane = chance.choice(processes), chance.choice(list(Lane))
        if chance.random() < 0.8:
            now = budget.available_at(state, caps, lane, now)
        now += chance.choice([0, 0, chance.randrange(SECOND), chance.randrange(MINUTE), chance.randrange(HOUR)])
        late = chance.choice([0.0, 0.0, 1.0, chance.random()])
        state, leaving = who.send(state, caps, lane, now, chance.choice([1, 5, 50]), late)
        sent += leaving
    sent.sort()
    assert most_in(sent, SECOND) <= math.ceil(per_second)
    assert most_in(sent, MINUTE) <= caps.per_minute
    assert most_in(sent, HOUR) <= caps.per_hour
    assert most_in(sent, DAY) <= caps.per_day


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40 * MINUTE), st.sampled_from([0, 0, 112, 113])), max_size=80),
    st.sampled_from(list(Lane)),
)
def test_F20_I6_between_refusal_and_answer_only_probes_leave(story: list[tuple[int, int]], lane: Lane) -> None:
    state, now = BudgetState(), NOON
    for pause, code in story:
        now += pause
        state, block = budget.reserve(state, CAPS, lane, now, 50)
        if block is None:
            continue
        assert block.first_at >= state.blocked_until - budget.PROBE_TIME
        assert block.slots == 1 or state.backoff_step == 0
        sent_at, now = block.first_at, block.first_at + SECOND
        state = backoff.refused(state, CAPS, code, sent_at, now) if code else backoff.succeeded(state, sent_at, now)
        if code:
            assert state.blocked_until > now
            assert budget.available_at(state, CAPS, Lane.REMOVAL, now) >= state.blocked_until
    assert 0 < state.rate_factor <= 1
    assert all(isinstance(bucket, Spent) and bucket.requests > 0 for bucket in state.spent)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(Lane)), st.integers(1, 300), st.integers(0, 3 * HOUR))
def test_available_at_is_the_earliest_instant_at_which_a_slot_is_free(lane: Lane, requests: int, later: int) -> None:
    caps = Caps(50, 30, 200, 500)
    state, now = BudgetState(), NOON
    for _ in range(requests):
        now = budget.available_at(state, caps, Lane.REMOVAL, now)
        state = take(state, caps, Lane.REMOVAL, now)
    now += later
    at = budget.available_at(state, caps, lane, now)
    assert at >= now
    assert budget.reserve(state, caps, lane, at)[1] is not None
    if at > now + budget.BLOCK_TIME:
        assert budget.reserve(state, caps, lane, at - budget.BLOCK_TIME - 1)[1] is None
