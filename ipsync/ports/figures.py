"""The catalog in numbers: what metrics, status and pages tell, without any document."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import Instant
from ipsync.policy.removals import Stage


@dataclass(frozen=True, slots=True)
class JobRun:
    """The newest run of one job.

    Attributes:
        failure: our words for what went wrong, "" when it went well.
        succeeded_at: the end of the newest run that went well, or None.
    """

    job: str
    started_at: Instant
    finished_at: Instant
    failure: str = ""
    succeeded_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The catalog in numbers, for metrics, status and pages; one cheap query each.

    Attributes:
        documents: by state; GONE is counted as tombstones.
        tombstones: erased documents still remembered by number.
        oldest_verified_at: of all LIVE documents, or None.
        open_removals: by stage.
        nearest_erase_by: the earliest deadline of an open removal, or None.
        stored_files: renditions held.
        stored_bytes: their size.
        wanted_files: renditions still to fetch.
        listing_pages: P, the sum of pages over the listings of ACTIVE accounts, with what a sweep of their albums,
            folders and articles takes.
    """

    documents: Mapping[DocumentState, int]
    tombstones: int
    oldest_verified_at: Instant | None
    open_removals: Mapping[Stage, int]
    nearest_erase_by: Instant | None
    stored_files: int
    stored_bytes: int
    wanted_files: int
    listing_pages: int


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """One account in numbers, for `account list` and pages."""

    account_id: int
    documents: Mapping[DocumentState, int] = field(default_factory=dict)
    stored_files: int = 0
    stored_bytes: int = 0
    oldest_verified_at: Instant | None = None
    open_removals: int = 0
