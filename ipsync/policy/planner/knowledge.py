"""What planning knows of a listing and of each of its pages: values, as answers tell them and the catalog keeps them.

Order is by `posted_at` alone, newest first, as observed; what lies at one posting time may come in any order.
Kept are instants and counts, never another member's documents: a listing names documents that we do not
hold (license, media, safety), and of those nothing but their number is remembered (T12).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE
from ipsync.policy.planner.removal_rate import RemovalRate

NEWEST: Instant = 1 << 62
OLDEST: Instant = -NEWEST
"""After and before every posting time there is."""


DISTRUSTED_AFTER = 4
"""After so many searches in a row that found nothing, totals are not counted on to show a removal."""


class ListingKey(NamedTuple):
    """Which listing: whose, and at which privacy level."""

    account_id: int
    visibility: Visibility


@dataclass(frozen=True, slots=True)
class PageRead:
    """One answer as planning sees it.

    Attributes:
        page: the page asked for, from 1.
        sent_at: when the request was sent.
        total: the documents of the listing, as claimed.
        posted: the posting time of each document it named, in its order; None where it told none.
        ascending: the posting times, oldest first; None where the page does not run from newest to oldest.
    """

    page: int
    sent_at: Instant
    total: int
    posted: Sequence[Instant | None]
    ascending: list[Instant] | None = field(init=False)

    def __post_init__(self) -> None:
        """Find out once whether the page runs from newest to oldest."""
        told = [posted for posted in self.posted if posted is not None]
        told.reverse()
        in_order = len(told) == len(self.posted) and told == sorted(told)
        object.__setattr__(self, "ascending", told if in_order else None)

    @property
    def before(self) -> int:
        """How many documents lie on the pages before this one."""
        return (self.page - 1) * DOCUMENTS_PER_PAGE

    @property
    def whole(self) -> bool:
        """Whether it named as many documents as its total asks for on this page (F13, F16)."""
        return len(self.posted) == max(0, min(DOCUMENTS_PER_PAGE, self.total - self.before))

    @property
    def ends(self) -> bool:
        """Whether, by its own count, the listing ends with this page."""
        return self.total == self.before + len(self.posted)

    def record(self) -> "PageKnowledge":
        """What is to be remembered of it; what only the census knows is still empty."""
        ascending = self.ascending
        return PageKnowledge(
            page=self.page,
            read_at=self.sent_at,
            total=self.total,
            named=len(self.posted),
            newest_at=ascending[-1] if ascending else None,
            oldest_at=ascending[0] if ascending else None,
        )


@dataclass(frozen=True, slots=True)
class PageKnowledge:
    """One page as it was last read: a row the catalog keeps.

    Attributes:
        read_at: the send time of that read.
        total: what it claimed.
        named: how many documents it named.
        newest_at: the posting time of its first document; None where it was empty or out of order.
        oldest_at: of its last document, likewise.
        cut_at: a posting time near its middle at which the census counts, or None.
        documents: how many documents of the listing were posted at or before `cut_at`, and after the
            next older cut of the listing; losses that were found are taken off.
    """

    page: int
    read_at: Instant
    total: int
    named: int
    newest_at: Instant | None = None
    oldest_at: Instant | None = None
    cut_at: Instant | None = None
    documents: int = 0

    @property
    def before(self) -> int:
        """How many documents lay on the pages before this one."""
        return (self.page - 1) * DOCUMENTS_PER_PAGE

    @property
    def ends(self) -> bool:
        """Whether, by its own count, the listing ended with this page."""
        return self.total == self.before + self.named


@dataclass(frozen=True, slots=True)
class ListingKnowledge:
    """One listing: a row the catalog keeps, beside its pages.

    Attributes:
        total: what the newest answer claimed; never a verification.
        expected: what it should be: all that was named or counted, less the losses that were found.
        pages: p, as far as it is proven or claimed.
        swept: whether every page was read at least once.
        removals: how often documents go, as learned.
        cycle_at: the send time of page 1 of the cycle under way, or None.
        cycle_page: the page with which that cycle goes on.
        completed_at: `cycle_at` of the newest complete cycle: what it did not name was absent after it.
        disordered_at: when its pages were last seen out of order, or None.
        fruitless: searches in a row that found nothing.
        quiet_until: no search begins before this instant (F16).
    """

    key: ListingKey
    total: int = 0
    expected: int = 0
    pages: int = 1
    swept: bool = False
    removals: RemovalRate = field(default_factory=RemovalRate)
    cycle_at: Instant | None = None
    cycle_page: int = 1
    completed_at: Instant | None = None
    disordered_at: Instant | None = None
    fruitless: int = 0
    quiet_until: Instant = 0

    @property
    def is_counted(self) -> bool:
        """Whether totals are counted on to show a removal."""
        return shows_removals(self.disordered_at, self.fruitless)


def shows_removals(disordered_at: Instant | None, fruitless: int) -> bool:
    """Whether the totals of a listing can be counted on.

    Args:
        disordered_at: when its pages were last seen out of order, or None.
        fruitless: searches in a row that found nothing.
    """
    return disordered_at is None and fruitless < DISTRUSTED_AFTER
