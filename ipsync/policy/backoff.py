"""What follows a refusal (112, 113): stop, probe, open, regain pace, and remember what was really allowed (F20, I6).

Values in, values out, like `budget`, whose state it changes. The pauses grow by doubling; the pace is halved once per
row of refusals and recovers by addition, as senders on a shared line have long done it.
"""

from collections.abc import Mapping
from dataclasses import replace

from ipsync.policy.budget import WINDOWS, BudgetState, Caps, RealRate
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Duration, Instant

BACKOFF_FIRST: Mapping[int, Duration] = {112: MINUTE, 113: SECOND}
"""The first pause. 113 may be a matter of one second; 112 is the application's quota, an hour's or a day's."""

BACKOFF_LONGEST: Mapping[int, Duration] = {112: HOUR, 113: 30 * MINUTE}
"""No pause is longer: even a quota for a day is found refilled within the hour, at 24 probes a day."""

RATE_FLOOR = 1 / 64
"""The pace never falls below this share of the configured one, so that a limit lifted is noticed."""

RECOVERY_STEP = 1 / 20
RECOVERY_TIME: Duration = 30 * MINUTE
"""After a refusal the pace is halved, then regains RECOVERY_STEP per RECOVERY_TIME without refusal."""

REAL_RATE_DAYS = 7
REAL_RATE_TRUST = 0.8
"""Plans count on 80 % of the lowest rate ipernity allowed within a week (design §5)."""


def refused(state: BudgetState, caps: Caps, code: int, sent_at: Instant, now: Instant) -> BudgetState:
    """Stop, after ipernity answered 112 or 113, and choose when to probe (F20).

    The first refusal halves the pace; each refused probe after it doubles the pause. Requests that
    were on their way when the first refusal came are refused too: they tell nothing new.

    Args:
        state: before the refusal.
        caps: what the operator allows.
        code: 112 or 113.
        sent_at: when the refused request was sent.
        now: when the refusal came.
    """
    if state.backoff_step and sent_at < state.recovered_at:
        return state
    step = state.backoff_step + 1
    rate = _rate_at_refusal(state, caps, now)
    first, longest = BACKOFF_FIRST.get(code, SECOND), BACKOFF_LONGEST.get(code, HOUR)
    first_refusal = state.backoff_step == 0
    return replace(
        state,
        backoff_step=step,
        blocked_until=now + min(longest, first << min(step - 1, 20)),
        rate_factor=max(RATE_FLOOR, state.rate_factor / 2) if first_refusal else state.rate_factor,
        recovered_at=now if first_refusal else state.recovered_at,
        real_rates=_remembered(state.real_rates, rate, now),
    )


def succeeded(state: BudgetState, sent_at: Instant, now: Instant) -> BudgetState:
    """Open the gate after a probe was answered, or regain pace after RECOVERY_TIME without refusal.

    Returns the same object when nothing changes, so that most answers cost no write.

    Args:
        state: before the answer.
        sent_at: when the answered request was sent; one sent before the refusals began opens nothing.
        now: when the answer came.
    """
    if state.backoff_step:
        if sent_at < state.recovered_at:
            return state
        return replace(state, backoff_step=0, blocked_until=0, recovered_at=now)
    if state.rate_factor < 1 and now - state.recovered_at >= RECOVERY_TIME:
        return replace(state, rate_factor=min(1.0, state.rate_factor + RECOVERY_STEP), recovered_at=now)
    return state


def believed_requests_per_hour(state: BudgetState, caps: Caps, now: Instant) -> float:
    """B for planning: what the caps sustain, and at most 80 % of the lowest rate ipernity allowed in 7 days."""
    since = now - REAL_RATE_DAYS * DAY
    rates = [rate.requests_per_hour for rate in state.real_rates if rate.day_at + DAY > since]
    return min(caps.sustainable_per_hour(), *(rate * REAL_RATE_TRUST for rate in rates), float("inf"))


def _rate_at_refusal(state: BudgetState, caps: Caps, now: Instant) -> float | None:
    """The rate per hour that this refusal proves to be too much, or None if it proves nothing.

    One refusal out of the blue may be a matter of a second, so it proves nothing. A refusal while
    the pace was already lowered proves that pace too high. Probes refused for a quarter of an hour
    (a day) prove that the requests of that hour (day) were all there were; the time spent waiting
    counts in.
    """
    if state.backoff_step == 0:
        return None if state.rate_factor >= 1 else state.rate_factor * caps.sustainable_per_hour()
    refused_for = now - state.recovered_at
    windows = [window for window in WINDOWS[1:] if refused_for >= window.length // 4]
    if not windows:
        return None
    window = windows[-1]
    since = state.recovered_at - window.length
    buckets = [
        bucket
        for bucket in state.spent
        if bucket.window == window.name and since < bucket.bucket_at <= state.recovered_at
    ]
    if not buckets:
        return None
    begun_at = min(bucket.bucket_at for bucket in buckets)
    return sum(bucket.requests for bucket in buckets) * HOUR / min(window.length, now - begun_at)


def _remembered(rates: tuple[RealRate, ...], rate: float | None, now: Instant) -> tuple[RealRate, ...]:
    """The lowest rate of each of the last 7 days."""
    today = now - now % DAY
    lowest = {entry.day_at: entry.requests_per_hour for entry in rates}
    if rate is not None:
        lowest[today] = min(rate, lowest.get(today, rate))
    return tuple(
        RealRate(day_at, value) for day_at, value in sorted(lowest.items()) if day_at > today - REAL_RATE_DAYS * DAY
    )
