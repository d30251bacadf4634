"""What the catalog keeps of entries: albums, folders, articles, and the lists that name them.

Their removals, tombstones and ledger entries are those of documents, under a subject number (`policy.entries`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import Entry, EntryKind, EntryListing
from ipsync.policy.instants import Instant


class EntryView(Protocol):
    """The questions about entries."""

    def entries(self, which: Collection[int]) -> dict[int, Entry]:
        """Those of these entries that are mirrored, by subject number."""
        ...

    def entries_of(
        self,
        kind: EntryKind,
        limit: int,
        *,
        after: int = 0,
        account_id: int | None = None,
        states: Collection[DocumentState] | None = None,
    ) -> list[Entry]:
        """Up to `limit` entries of a kind with ids above `after`, by id; for pages and cursors."""
        ...

    def entries_unverified_since(
        self, before: Instant, limit: int, *, states: Collection[DocumentState], account_id: int | None = None
    ) -> list[Entry]:
        """Up to `limit` entries in these states verified before `before`, oldest verification first."""
        ...

    def entries_verified_after(self, after: Instant, limit: int) -> list[Entry]:
        """Up to `limit` entries, not DOOMED, whose verification claims to be later than `after` (F6)."""
        ...

    def entries_unseen_since(self, kind: EntryKind, account_id: int, before: Instant, limit: int) -> list[Entry]:
        """Up to `limit` LIVE or STALE entries of an account that no page sent at or after `before` has named."""
        ...

    def entry_counts(self) -> Mapping[int, Mapping[DocumentState, int]]:
        """How many entries of all kinds each account has, by state; only accounts that have any."""
        ...

    def entry_listings(self, account_id: int | None = None) -> list[EntryListing]:
        """The lists of entries of one account, or of all."""
        ...


class EntryChanges(Protocol):
    """The changes to entries."""

    def put_entries(self, entries: Sequence[Entry]) -> None:
        """Insert or replace by subject number, with all their words."""
        ...

    def doom_entries(self, which: Collection[int], now: Instant) -> None:
        """Make these entries DOOMED and hidden, many at once; what is DOOMED stays as it is."""
        ...

    def forget_entries(self, which: Collection[int]) -> None:
        """Delete these entries: their words are gone (overwritten, `secure_delete`)."""
        ...

    def put_entry_listing(self, listing: EntryListing) -> None:
        """Insert or replace by account and kind."""
        ...

    def drop_entry_listings(self, account_id: int, keep: Collection[EntryKind] = ()) -> None:
        """Forget an account's lists of entries but those in `keep`."""
        ...
