"""When which listing is read next, on a given budget (design §4).

One hard window for all: round robin over every page with one common period reaches the lower bound of
(24/W_s)·P requests. The period is as short as a fair part of the budget allows, and never so long
that a lease could run out before its renewal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ipsync.policy.instants import HOUR, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.listings import Listing, pages_of

SWEEP_SHARE = 0.5
"""Part of the request budget that sweeps may use; the rest confirms, retries, checks grants and serves new accounts."""

SHORTEST_PERIOD_PARTS = 288
"""The window over the shortest period: at W = 24 h no listing is swept more often than every 5 minutes (T21)."""

MOST_PAGES = pages_of(1_000_000) + 2
"""After how many pages a sweep is cut off, whatever `pages` claims (F16)."""

_LEAST_RATE = 1e-3
"""Requests an hour: where less is believed to be allowed, a plan is still a number."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """How often all listings are read, and what that costs.

    Attributes:
        pages: P, page requests of one round over all listings.
        period: one round, microseconds.
        requests_per_hour: what the rounds cost.
        utilization: U = P/(B·W_s), the part of the budget without which leases would run out.
    """

    pages: int
    period: Duration
    requests_per_hour: float
    utilization: float


def plan_sweeps(pages: int, requests_per_hour: float, lease: Lease) -> SweepPlan:
    """Choose the common period.

    Args:
        pages: P, the sum of pages over all listings.
        requests_per_hour: B, what the budget is believed to allow.
        lease: the thresholds.
    """
    shortest = max(1, lease.window // SHORTEST_PERIOD_PARTS)
    requests_per_hour = max(requests_per_hour, _LEAST_RATE)
    affordable = round(pages / (SWEEP_SHARE * requests_per_hour) * HOUR)
    period = min(max(affordable, shortest), lease.recheck_age)
    return SweepPlan(
        pages=pages,
        period=period,
        requests_per_hour=pages / (period / HOUR),
        utilization=pages / (requests_per_hour * (lease.serve_age / HOUR)),
    )


def due_listings(listings: Sequence[Listing], now: Instant) -> list[Listing]:
    """Those listings whose turn it is, the longest unswept first; sweeps already begun before new ones.

    A sweep that was begun is due until it is complete: what it has not named is not verified.
    """
    due = [listing for listing in listings if listing.sweep_started_at is not None or listing.next_due_at <= now]
    return sorted(due, key=lambda item: (item.sweep_started_at is None, item.completed_at or 0, item.next_due_at))


def next_try(now: Instant, attempts: int, first: Duration, longest: Duration) -> Instant:
    """When to try again after `attempts` failures in a row: doubling from `first`, at most `longest`."""
    return now + min(longest, first * (1 << min(max(0, attempts - 1), 30)))
