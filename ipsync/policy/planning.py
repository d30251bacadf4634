"""What a round over all pages takes, which listing is read as a whole next, and when to try again (design §4).

One hard window for all: round robin over every page with one common period reaches the lower bound of
(24/W_s)·P requests. Which page has its turn is the planner's business (`policy.planner`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ipsync.policy.instants import HOUR, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.listings import Listing
from ipsync.policy.planner.orders import LEASE_SHARE, READING_SHARE

PAGE_PATIENCE = 3
"""After so many failures in a row others of the listing's pages are tried as well."""

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
    """The common period: the planner's, or longer where the budget does not suffice.

    Args:
        pages: P, the sum of pages over all listings.
        requests_per_hour: B, what the budget is believed to allow.
        lease: the thresholds.
    """
    requests_per_hour = max(requests_per_hour, _LEAST_RATE)
    affordable = round(pages / (READING_SHARE * requests_per_hour) * HOUR)
    period = max(affordable, lease.recheck_age * 63 // 64, 1)
    return SweepPlan(
        pages=pages,
        period=period,
        requests_per_hour=pages / (period / HOUR),
        utilization=pages / (LEASE_SHARE * requests_per_hour * (lease.serve_age / HOUR)),
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


def page_to_try(listing: Listing, failures: int) -> int:
    """Which page of a listing is read next: the one that follows, or one behind it where that keeps failing.

    One page that can never be read must not keep those behind it from being verified. After a few failures every other
    try goes further on, each time to another page. What is passed over makes the sweep incomplete: it renews what it
    names, and calls nothing missing.

    Args:
        listing: with the page that follows.
        failures: how often reading that page failed in a row.
    """
    behind = listing.pages - listing.next_page
    beyond = failures - PAGE_PATIENCE
    if behind < 1 or beyond < 0 or beyond % 2:
        return listing.next_page
    return listing.next_page + 1 + beyond // 2 % behind


def gives_up_last_page(listing: Listing, failures: int) -> bool:
    """Whether a sweep ends without its last page, which keeps failing: the other pages must be read again in time."""
    return failures >= PAGE_PATIENCE and listing.next_page == listing.pages > 1
