"""What the planner is told, asks for and gives back: the values at its door."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.planner.knowledge import ListingKey, ListingKnowledge, PageKnowledge

SHORTEST_INTERVAL_PARTS = 288
"""At W = 24 h no listing is asked more often than every 5 minutes without need (T21)."""

OPTIONAL_SHARE = 0.8
"""Part of the budget that reads without a deadline (probes, new listings) may bring the sum of all reads to."""

READING_SHARE = 0.95
"""Part of the budget that page reads may use at all: the share of their lane (`policy.budget.LANE_SHARES`)."""

LEASE_SHARE = 0.93
"""Part of the budget that leases may be counted to need. The rest confirms and locates, and keeps the period, 63/64
of the window, from being missed."""


class Purpose(Enum):
    """Why a page is read; the value is the number of its lane (`ports.source.Lane`, `policy.budget.LANE_SHARES`)."""

    LEASE = 2
    LOCATE = 3
    PROBE = 4
    NEW = 5

    @property
    def lane(self) -> int:
        """The lane's number."""
        return self.value


@dataclass(frozen=True, slots=True)
class Cadence:
    """The times that every plan keeps to.

    Attributes:
        window: W_s, the hard window: every page is read again within it.
        serve_age: S, at which a copy is hidden; never later than this is a page read again if it can be helped.
        shortest: no listing is asked more often, but for its window.
        watches_totals: whether `total` is believed enough to look into it.
        optional_share: see OPTIONAL_SHARE.
    """

    window: Duration
    serve_age: Duration
    shortest: Duration = 0
    watches_totals: bool = True
    optional_share: float = OPTIONAL_SHARE

    def __post_init__(self) -> None:
        """Refuse a window under which leases would run out."""
        if not 128 <= self.window <= self.serve_age:
            raise ValueError("the hard window must be 128 µs at least, and no longer than a copy is served")

    @classmethod
    def of(cls, lease: Lease, outage: Duration = 0, *, watches_totals: bool = True) -> "Cadence":
        """The cadence that keeps a lease through an outage.

        Args:
            lease: the thresholds.
            outage: how long ipernity may be out of reach without a copy being hidden.
            watches_totals: whether `total` is to be watched.

        Raises:
            ValueError: the outage leaves no time.
        """
        return cls(
            window=min(lease.recheck_age, lease.serve_age - outage),
            serve_age=lease.serve_age,
            shortest=lease.window // SHORTEST_INTERVAL_PARTS,
            watches_totals=watches_totals,
        )

    @property
    def tolerance(self) -> Duration:
        """How late a read may be without notice: twice this lies between the period and the window."""
        return self.window // 128

    @property
    def period(self) -> Duration:
        """One round over all pages: 63/64 of the window, at 1.6 % more requests than the window's bare minimum."""
        return self.window - 2 * self.tolerance


@dataclass(frozen=True, slots=True)
class Read:
    """Read this page now.

    Attributes:
        deadline: when the leases of the page run out, or None where it has none yet.
    """

    key: ListingKey
    page: int
    purpose: Purpose
    deadline: Instant | None

    @property
    def lane(self) -> int:
        """The number of the lane in which to send it."""
        return self.purpose.lane


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be read before `until`; ask again then, or when something has changed."""

    until: Instant


@dataclass(frozen=True, slots=True)
class Learned:
    """What one answer taught: to be stored, and what to do about it.

    Attributes:
        listing: the listing's row.
        record: the page's row.
        cuts: of the other pages whose count has changed: `cut_at` and `documents`.
        suspected: how many documents are believed to have gone from elsewhere in the listing.
        completed: whether a cycle over all pages ended with it: what is held of this listing and was
            verified before `listing.completed_at` was named by no page since.
    """

    listing: ListingKnowledge
    record: PageKnowledge
    cuts: Mapping[int, tuple[Instant | None, int]] = field(default_factory=dict)
    suspected: int = 0
    completed: bool = False
