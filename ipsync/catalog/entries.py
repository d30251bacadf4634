"""Entries: albums, folders, articles, their words, and the lists that name them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Delete, Select, bindparam, delete, func, select, update

from ipsync.catalog.entry_tables import EntryListingRow, EntryRow, EntryTextRow
from ipsync.catalog.failures import CatalogFull, readable
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.sqlite import Batch, by_index, in_numbers, numbers, upsert
from ipsync.catalog.statements import given
from ipsync.catalog.tables import METADATA
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.entries import Content, Entry, EntryKind, EntryListing, entry_of
from ipsync.policy.instants import Instant

_ENTRY = METADATA.tables[EntryRow.__tablename__]
_TEXT = METADATA.tables[EntryTextRow.__tablename__]
_LISTING = METADATA.tables[EntryListingRow.__tablename__]

_ENTRIES = select(*_ENTRY.c, _TEXT.c.title, _TEXT.c.text, _TEXT.c.members).join_from(
    _ENTRY, _TEXT, _TEXT.c.number == _ENTRY.c.number
)
_BY_NUMBER = _ENTRIES.where(in_numbers(_ENTRY.c.number))
_OF_KIND = (
    _ENTRIES.where(_ENTRY.c.kind == bindparam("of_kind"), _ENTRY.c.entry_id > bindparam("after"))
    .order_by(_ENTRY.c.entry_id)
    .limit(bindparam("most"))
)
_UNVERIFIED = (
    _ENTRIES.where(_ENTRY.c.verified_at < bindparam("before"))
    .order_by(_ENTRY.c.verified_at, _ENTRY.c.number)
    .limit(bindparam("most"))
)
_AHEAD = (
    _ENTRIES.where(_ENTRY.c.verified_at > bindparam("after"), _ENTRY.c.state != DocumentState.DOOMED.value)
    .order_by(_ENTRY.c.number)
    .limit(bindparam("most"))
)
_UNSEEN = (
    by_index(_ENTRIES, _ENTRY, "entry_by_account")
    .where(
        _ENTRY.c.account_id == bindparam("of_account"),
        _ENTRY.c.kind == bindparam("of_kind"),
        _ENTRY.c.state.in_([DocumentState.LIVE.value, DocumentState.STALE.value]),
        _ENTRY.c.seen_at < bindparam("before"),
    )
    .order_by(_ENTRY.c.entry_id)
    .limit(bindparam("most"))
)
_COUNTS = select(_ENTRY.c.account_id, _ENTRY.c.state, func.count()).group_by(_ENTRY.c.account_id, _ENTRY.c.state)
_LISTINGS = select(_LISTING).order_by(_LISTING.c.account_id, _LISTING.c.kind)
_LISTINGS_OF = _LISTINGS.where(_LISTING.c.account_id == bindparam("of_account"))
_PUT, _PUT_TEXT = Batch(upsert(_ENTRY), _ENTRY.c.keys()), Batch(upsert(_TEXT), _TEXT.c.keys())
_PUT_LISTING = upsert(_LISTING)
_DOOM = (
    update(_ENTRY)
    .where(in_numbers(_ENTRY.c.number), _ENTRY.c.state != DocumentState.DOOMED.value)
    .values(state=DocumentState.DOOMED.value, hidden_at=func.coalesce(_ENTRY.c.hidden_at, bindparam("now")))
)
_FORGET = [delete(emptied).where(in_numbers(emptied.c.number)) for emptied in (_TEXT, _ENTRY)]
_KINDS = {kind.value: kind for kind in EntryKind}
_STATES = {state.value: state for state in DocumentState}


@cache
def _narrowed(entries: Select[Any], states: frozenset[DocumentState] | None, *, of_account: bool) -> Select[Any]:
    if of_account:
        entries = entries.where(_ENTRY.c.account_id == bindparam("of_account"))
    return entries if states is None else entries.where(_ENTRY.c.state.in_(sorted(state.value for state in states)))


@cache
def _dropping_all_but(keep: frozenset[EntryKind]) -> Delete:
    kept = sorted(kind.value for kind in keep)
    return delete(_LISTING).where(_LISTING.c.account_id == bindparam("of_account"), _LISTING.c.kind.not_in(kept))


class EntryReading(Handle):
    """The questions about entries."""

    def entries(self, which: Collection[int]) -> dict[int, Entry]:
        """Those of these entries that are mirrored, by subject number."""
        if not which:
            return {}
        return {entry.number: entry for entry in _entries(self._rows(_BY_NUMBER, numbers=numbers(which)))}

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
        statement = _narrowed(
            _OF_KIND, None if states is None else frozenset(states), of_account=account_id is not None
        )
        chosen = given(of_account=account_id)
        return _entries(self._rows(statement, of_kind=kind.value, after=after, most=limit, **chosen))

    def entries_unverified_since(
        self, before: Instant, limit: int, *, states: Collection[DocumentState], account_id: int | None = None
    ) -> list[Entry]:
        """Up to `limit` entries in these states verified before `before`, oldest verification first."""
        statement = _narrowed(_UNVERIFIED, frozenset(states), of_account=account_id is not None)
        return _entries(self._rows(statement, before=before, most=limit, **given(of_account=account_id)))

    def entries_verified_after(self, after: Instant, limit: int) -> list[Entry]:
        """Up to `limit` entries, not DOOMED, whose verification claims to be later than `after` (F6)."""
        return _entries(self._rows(_AHEAD, after=after, most=limit))

    def entries_unseen_since(self, kind: EntryKind, account_id: int, before: Instant, limit: int) -> list[Entry]:
        """Up to `limit` LIVE or STALE entries of an account that no page sent at or after `before` has named."""
        return _entries(self._rows(_UNSEEN, of_kind=kind.value, of_account=account_id, before=before, most=limit))

    def entry_counts(self) -> Mapping[int, Mapping[DocumentState, int]]:
        """How many entries of all kinds each account has, by state; only accounts that have any."""
        found: defaultdict[int, defaultdict[DocumentState, int]] = defaultdict(lambda: defaultdict(int))
        for account_id, state, number in self._rows(_COUNTS):
            found[account_id][_STATES.get(state, DocumentState.DOOMED)] += number
        return found

    def entry_listings(self, account_id: int | None = None) -> list[EntryListing]:
        """The lists of entries of one account, or of all; a row of an unknown kind is passed over."""
        statement = _LISTINGS if account_id is None else _LISTINGS_OF
        found = readable(self._rows(statement, **given(of_account=account_id)), _listing, lambda _row: None)
        return [listing for listing in found if listing is not None]


class EntryWriting(EntryReading):
    """The changes to entries."""

    def put_entries(self, entries: Sequence[Entry]) -> None:
        """Insert or replace by subject number, with all their words.

        Raises:
            CatalogFull: the disk was found full; what room is left is for removals (F3).
        """
        numbered = {entry.number for entry in entries}
        if self._full and len(self.entries(numbered)) < len(numbered):
            raise CatalogFull("no room is left for new albums and articles: free some disk space")
        self._do_many(_PUT, [_row(entry) for entry in entries])
        self._do_many(_PUT_TEXT, [_text_row(entry) for entry in entries])

    def doom_entries(self, which: Collection[int], now: Instant) -> None:
        """Make these entries DOOMED and hidden, many at once; what is DOOMED stays as it is."""
        if which:
            self._do(_DOOM, numbers=numbers(which), now=now)

    def forget_entries(self, which: Collection[int]) -> None:
        """Delete these entries: their words are gone (overwritten, `secure_delete`)."""
        if which:
            for statement in _FORGET:
                self._do(statement, numbers=numbers(which))

    def put_entry_listing(self, listing: EntryListing) -> None:
        """Insert or replace by account and kind."""
        self._do(
            _PUT_LISTING,
            account_id=listing.account_id,
            kind=listing.kind.value,
            total=listing.total,
            requests=listing.requests,
            counted=listing.counted,
            next_due_at=listing.next_due_at,
            sweep_started_at=listing.sweep_started_at,
            next_page=listing.next_page,
            completed_at=listing.completed_at,
        )

    def drop_entry_listings(self, account_id: int, keep: Collection[EntryKind] = ()) -> None:
        """Forget an account's lists of entries but those in `keep`."""
        self._do(_dropping_all_but(frozenset(keep)), of_account=account_id)


def _entries(rows: Sequence[AnyRow]) -> list[Entry]:
    """Turn rows into values; one that means nothing is DOOMED and empty, to be erased and never served."""
    return readable(rows, _entry, _unreadable)


def _entry(row: AnyRow) -> Entry:
    if entry_of(row.number) != (_KINDS[row.kind], row.entry_id):
        raise ValueError("the number is another entry's")
    return Entry(
        kind=_KINDS[row.kind],
        entry_id=row.entry_id,
        account_id=row.account_id,
        title=row.title,
        levels=frozenset(level for level in Visibility if row.levels >> level & 1),
        state=_STATES[row.state],
        verified_at=row.verified_at,
        seen_at=row.seen_at,
        mirrored_at=row.mirrored_at,
        content=Content(row.text, tuple(map(int, row.members.split()))),
        absent_at=row.absent_at,
        hidden_at=row.hidden_at,
        posted_at=row.posted_at,
        modified_at=row.modified_at,
        cover_id=row.cover_id,
    )


def _unreadable(row: AnyRow) -> Entry:
    # The number is what erases; where even that means nothing, the row is damage that the check of the file tells of.
    kind, entry_id = entry_of(row.number)
    return Entry(
        kind=kind,
        entry_id=entry_id,
        account_id=row.account_id,
        title="",
        levels=frozenset(),
        state=DocumentState.DOOMED,
        verified_at=row.verified_at,
        seen_at=row.seen_at,
        mirrored_at=row.mirrored_at,
        hidden_at=row.verified_at,
    )


def _listing(row: AnyRow) -> EntryListing | None:
    return EntryListing(
        account_id=row.account_id,
        kind=EntryKind(row.kind),
        total=row.total,
        requests=row.requests,
        counted=row.counted,
        next_due_at=row.next_due_at,
        sweep_started_at=row.sweep_started_at,
        next_page=row.next_page,
        completed_at=row.completed_at,
    )


def _row(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.number,
        entry.kind.value,
        entry.entry_id,
        entry.account_id,
        entry.state.value,
        sum(1 << level for level in entry.levels),
        entry.verified_at,
        entry.seen_at,
        entry.mirrored_at,
        entry.absent_at,
        entry.hidden_at,
        entry.posted_at,
        entry.modified_at,
        entry.cover_id,
    )


def _text_row(entry: Entry) -> tuple[Any, ...]:
    return entry.number, entry.title, entry.content.text, " ".join(map(str, entry.content.members))
