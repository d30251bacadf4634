"""Owners' requests: what the catalog keeps of them, and the record outside of it that outlives any backup (T11, F28).

The catalog's half is part of `ports.catalog.View` and `Transaction`. The record outside is a file of its own:
append-only, durable before anything is called gone, and never part of what is restored.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from ipsync.policy.documents import Tombstone
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.requests import Holding, OutsideTombstone, RemovalRequest, RequestScope, Subject, Words


class RequestView(Protocol):
    """The questions about owners' requests."""

    def removal_request(self, request_id: int) -> RemovalRequest | None:
        """One request."""
        ...

    def removal_requests(self, *, open_only: bool = False, after: int = 0, limit: int = 1000) -> list[RemovalRequest]:
        """Requests with numbers above `after`, by number; of `open_only` those of which something is still held."""
        ...

    def removal_requests_of(self, subject: Subject) -> list[RemovalRequest]:
        """Every request that named this document or account, by number."""
        ...

    def removal_requests_by(
        self, account_id: int, *, before: int | None = None, limit: int = 1000
    ) -> list[RemovalRequest]:
        """Requests that concern this account or a document of it, with numbers below `before`, newest first."""
        ...

    def requests_not_outside(self, limit: int) -> list[RemovalRequest]:
        """Requests of which the record outside the database does not know how they stand, by number."""
        ...

    def request_words(self, request_ids: Collection[int]) -> dict[int, Words]:
        """What is still kept of contacts and notes, by request."""
        ...

    def holding(self, subject: Subject) -> Holding:
        """What is held of a document or an account, in counts."""
        ...

    def tombstones_after(self, document_id: int, limit: int) -> list[Tombstone]:
        """Up to `limit` tombstones with document ids above `document_id`, by id."""
        ...


class RequestChanges(RequestView, Protocol):
    """The changes to owners' requests."""

    def put_removal_request(self, request: RemovalRequest, words: Words | None = None) -> int:
        """Insert (number 0: the catalog numbers it) or replace by number. Returns its number.

        Args:
            request: as it shall be.
            words: what was told beside it; None leaves what is there.
        """
        ...

    def forget_words(self, closed_before: Instant) -> int:
        """Erase contact and note of requests of which everything was gone before this. Returns how many."""
        ...

    def settle_requests(self, now: Instant, *scopes: RequestScope) -> int:
        """Say gone of open requests, of these scopes or of all, of which nothing is left. Returns of how many.

        For accounts only once the database is scrubbed: a name is overwritten with the request itself (T10).
        What came back lawfully afterwards, by a newer consent or after a withdrawal, is not of the request.
        """
        ...

    def doom_account_by_request(self, account_id: int, now: Instant, lease: Lease) -> int:
        """As `doom_account` for an owner's request that came now: unsafe from now on. Returns how many documents."""
        ...

    def request_every_document(self, account_id: int, now: Instant, lease: Lease) -> int:
        """Put a request for each document of an account on record, doom all of them, and let none of them come back.

        For a member who goes on being connected, in a few statements however many there are. A document that its
        owner asked for before gets no second request. Albums, folders and articles go and stay away with them. Returns
        for how many documents.
        """
        ...

    def lift_entries(self, account_id: int, since: Instant) -> int:
        """Let albums, folders and articles come back that stayed away because their owner asked. Returns how many."""
        ...

    def lift_tombstone(self, document_id: int, since: Instant) -> None:
        """Let a standing tombstone stand no more; answers sent after `since` may bring the document back."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """Where in the record something was written. Both are marks that only the record itself understands.

    Attributes:
        begins: up to where everything older reaches.
        ends: up to where the record reaches with it.
    """

    begins: str
    ends: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of the record.

    Attributes:
        tombstones: in the order they were written.
        end: the mark up to which this reaches.
        is_whole: whether everything was read, since the mark was None or is not of this record.
        damaged: how many lines could not be read.
    """

    tombstones: tuple[OutsideTombstone, ...]
    end: str
    is_whole: bool
    damaged: int = 0


class TombstoneRecord(Protocol):
    """The append-only record of tombstones outside the database. Synchronous: callers off the event loop."""

    def append(self, tombstones: Sequence[OutsideTombstone]) -> Span:
        """Write tombstones down. On return they survive a power cut.

        Raises:
            StoreFailure: they could not be written, so nothing may be called gone.
        """
        ...

    def read(self, mark: str | None = None) -> Reading:
        """Read what was written after `mark`, or everything where it is None or of another record.

        Raises:
            StoreFailure: the record cannot be read.
        """
        ...

    def compact(self, keep_since: Instant, *, always: bool = False) -> Span | None:
        """Write the record anew, one entry for each subject, without old ones that do not stand.

        Args:
            keep_since: entries that do not stand and are older go.
            always: even where little is won; what nobody can read goes as well.

        Returns:
            The old end and the new; None where there was too little to win.

        Raises:
            StoreFailure: it could not be written; the old record stays.
        """
        ...
