"""Listings: the paged lists that name documents, and how far the sweep of each has come (design §3, §4)."""

from dataclasses import dataclass

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import Instant

DOCUMENTS_PER_PAGE = 100
"""The most one doc.getList answer names."""


def pages_of(documents: int) -> int:
    """P = max(1, ⌈D/100⌉): the page requests one sweep of `documents` documents needs (design §4)."""
    return max(1, -(-documents // DOCUMENTS_PER_PAGE))


MOST_PAGES = pages_of(1_000_000) + 2
"""After how many pages a sweep is cut off, whatever `pages` claims (F16)."""

NOT_AS_A_WHOLE: Instant = 1 << 60
"""`next_due_at` of a listing that the planner reads page by page: no sweep of all its pages at once is due."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One account's listing at one privacy level, and its sweep.

    Attributes:
        total: documents it claimed last; never a verification.
        pages: its pages at the last answer.
        next_due_at: when all pages are to be read at once; NOT_AS_A_WHOLE while the planner reads them one by one.
        sweep_started_at: the send time of the first page of the sweep under way, or None.
        next_page: the page to read next, from 1.
        completed_at: the send time of the FIRST page of the newest complete sweep: what it did not
            name was absent after that instant.
    """

    account_id: int
    visibility: Visibility
    total: int = 0
    pages: int = 1
    next_due_at: Instant = 0
    sweep_started_at: Instant | None = None
    next_page: int = 1
    completed_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class PageRecord:
    """What one page read told, kept for planning and as evidence (completeness of a sweep).

    Attributes:
        named: how many documents the page named.
    """

    account_id: int
    visibility: Visibility
    page: int
    sent_at: Instant
    total: int
    named: int
