"""Which albums, folders and articles may be shown now, and what of theirs: asked of the catalog on every answer (T06).

What they hold is judged one by one, by the rule of documents: of what may not be shown not even its number or how
many there are is told.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ipsync.policy.accounts import SERVED_STATES, Account
from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import Entry, EntryKind, entry_bar, may_serve_entry, subject_number
from ipsync.policy.instants import Instant
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import View
from ipsync.web.showing import Held, may_show

_SCANNED_PER_ROUND = 200
_ROUNDS = 25
_COVER_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry that may be shown.

    Attributes:
        cover_id: a document of it that may be shown, or None.
    """

    entry: Entry
    account: Account
    cover_id: int | None


@dataclass(frozen=True, slots=True)
class Contents:
    """A page of what an entry holds, of what may be shown.

    Attributes:
        documents: of an album, or that an article shows.
        albums: of a folder.
        after: how many of what it holds were looked at, where more follow; None at the end.
    """

    documents: Sequence[Held] = ()
    albums: Sequence[ShownEntry] = ()
    after: int | None = None


def may_show_entry(entry: Entry, account: Account | None, rules: Rules, now: Instant) -> bool:
    """Whether an entry's own words may be shown at `now`."""
    return (
        account is not None
        and account.state in SERVED_STATES
        and entry.kind in rules.kinds
        and may_serve_entry(rules.lease, entry, now)
        and entry_bar(rules.view, entry.kind, entry.account_id, entry.levels, now) is None
    )


def read_shown(view: View, numbers: Collection[int], rules: Rules, now: Instant) -> dict[int, ShownEntry]:
    """Those of these entries that may be shown, by subject number."""
    found = list(view.entries(numbers).values()) if numbers else []
    return {one.entry.number: one for one in _shown(view, found, rules, now)}


def read_entry(view: View, kind: EntryKind, entry_id: int, rules: Rules, now: Instant) -> ShownEntry | None:
    """One entry, if it may be shown."""
    found = view.entries([subject_number(kind, entry_id)])
    return next(iter(_shown(view, list(found.values()), rules, now)), None)


def read_entries(
    view: View, kind: EntryKind, rules: Rules, now: Instant, after: int, limit: int, account_id: int | None
) -> tuple[list[ShownEntry], int | None]:
    """Up to `limit` entries that may be shown, with ids above `after`.

    Returns:
        They, and the id to go on after, or None at the end. A page may hold fewer although more follow.
    """
    shown: list[ShownEntry] = []
    for _ in range(_ROUNDS):
        batch = view.entries_of(
            kind, _SCANNED_PER_ROUND, after=after, account_id=account_id, states={DocumentState.LIVE}
        )
        shown += _shown(view, batch, rules, now, most=limit + 1 - len(shown))
        if len(shown) > limit:
            return shown[:limit], shown[limit - 1].entry.entry_id
        if len(batch) < _SCANNED_PER_ROUND:
            return shown, None
        after = batch[-1].entry_id
    return shown, after


def read_contents(view: View, entry: Entry, rules: Rules, now: Instant, after: int, limit: int) -> Contents:
    """A page of what an entry holds and may be shown, in the owner's order.

    Args:
        view: the catalog.
        entry: one that may be shown.
        rules: what may be shown.
        now: the lease clock.
        after: how many of what it holds to pass over.
        limit: how many at most.
    """
    documents: list[Held] = []
    albums: list[ShownEntry] = []
    members = entry.content.members
    while after < len(members) and len(documents) + len(albums) < limit:
        batch = members[after : after + limit - len(documents) - len(albums)]
        if entry.kind is EntryKind.FOLDER:
            albums += _albums(view, entry, batch, rules, now)
        else:
            documents += _documents(view, entry, batch, rules, now)
        after += len(batch)
    return Contents(documents, albums, after if after < len(members) else None)


def _albums(view: View, folder: Entry, album_ids: Sequence[int], rules: Rules, now: Instant) -> list[ShownEntry]:
    found = view.entries([subject_number(EntryKind.ALBUM, number) for number in album_ids])
    ordered = (found.get(subject_number(EntryKind.ALBUM, number)) for number in album_ids)
    own = [album for album in ordered if album is not None and album.account_id == folder.account_id]
    return _shown(view, own, rules, now)


def _documents(view: View, entry: Entry, document_ids: Sequence[int], rules: Rules, now: Instant) -> list[Held]:
    found = view.documents(document_ids)
    files = view.renditions(list(found)) if found else {}
    account = view.account(entry.account_id)
    own = [found[number] for number in document_ids if number in found]
    held = [
        Held(document, account, tuple(files.get(document.document_id, ())))
        for document in own
        if document.account_id == entry.account_id
    ]
    return [one for one in held if may_show(one, rules, now)]


def _shown(
    view: View, entries: Sequence[Entry], rules: Rules, now: Instant, most: int | None = None
) -> list[ShownEntry]:
    accounts = {number: view.account(number) for number in {entry.account_id for entry in entries}}
    shown: list[ShownEntry] = []
    for entry in entries:
        account = accounts[entry.account_id]
        if len(shown) == most:
            break
        if account is not None and may_show_entry(entry, account, rules, now):
            shown.append(ShownEntry(entry, account, _cover(view, entry, rules, now)))
    return shown


def _cover(view: View, entry: Entry, rules: Rules, now: Instant) -> int | None:
    """The owner's cover if it may be shown; else the first of what it holds that may be."""
    if entry.kind is not EntryKind.ALBUM:
        return None
    members = entry.content.members
    chosen = [number for number in members if number == entry.cover_id][:1]
    candidates = [*chosen, *members[:_COVER_CANDIDATES]]
    found = _documents(view, entry, candidates, rules, now)
    return found[0].document.document_id if found else None
