"""How applications are told of changes, over HTTP and by webhooks: in the words of `/v1`, by the rules of that moment.

A change on record is a number and a word. What it is about is looked up when it is told, and its content goes along
only if it may be shown then: what was shown when it changed and is hidden now is told as hidden.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ipsync.policy.changes import Change, ChangeKind, Compacted, Place, compacted, place_of
from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import entry_of, is_entry
from ipsync.policy.instants import Instant, rfc3339
from ipsync.policy.lease import Lease
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, View
from ipsync.ports.changes import ChangesForgotten, ToldChange, ToldPage
from ipsync.ports.clock import Clock
from ipsync.web.cursors import Cursors
from ipsync.web.documents import summary
from ipsync.web.entries import told_entry
from ipsync.web.entry_showing import ShownEntry, may_show_entry, read_shown
from ipsync.web.showing import Held, may_show, read_held

_READ_AT_ONCE = 1000
_SHOWN = (ChangeKind.APPEARED, ChangeKind.CHANGED)
_NEVER: Instant = 2**62
_ACCOUNT, _DOCUMENT = "account", "document"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the feed ends.

    Attributes:
        newest: the place behind the newest change.
        told_until: everything that ceased to be shown before this instant stands before that place.
    """

    newest: Place
    told_until: Instant


@dataclass(frozen=True, slots=True)
class _Reading:
    found: Compacted
    more: bool
    documents: Mapping[int, Held]
    entries: Mapping[int, ShownEntry]
    begin: Place
    told_until: Instant


class ChangeTeller:
    """`ports.changes.Teller`, as `/v1` tells it."""

    def __init__(
        self, catalog: Catalog, clock: Clock, rules: Callable[[], Rules], site_url: str, cursors: Cursors
    ) -> None:
        """Tell of one catalog.

        Args:
            catalog: what happened, and what may be shown of it.
            clock: the lease clock.
            rules: gives the policy in force.
            site_url: where members' pages are.
            cursors: seals places.
        """
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._site_url = site_url
        self._cursors = cursors

    async def tell(self, after: Place | None, limit: int) -> ToldPage:
        """Tell the changes after a place; see `ports.changes.Teller`."""
        now, rules = self._clock.now(), self._rules()
        read = await self._catalog.read(partial(_read, after=after, limit=limit, now=now, rules=rules))
        now, rules = self._clock.now(), self._rules()
        told = [self._told(change, read, rules, now) for change in read.found.changes]
        leases = [
            rules.lease.serve_until(_verified_at(change.document_id, read))
            for change, (kind, _) in zip(read.found.changes, told, strict=True)
            if kind in _SHOWN and change.document_id is not None
        ]
        until = read.found.until
        return ToldPage(
            tuple(
                ToldChange(kind, change.account_id, place_of(change), value)
                for change, (kind, value) in zip(read.found.changes, told, strict=True)
            ),
            following=read.begin if until is None else place_of(until),
            more=read.more,
            told_until=None if read.more else read.told_until,
            good_until=min(leases, default=_NEVER),
        )

    async def newest(self) -> Place:
        """Give the place behind the newest change.

        Raises:
            CatalogFailure: it could not be read.
        """
        return place_of(await self._catalog.read(lambda view: view.newest_change()))

    async def standing(self) -> Standing:
        """Say where the feed ends now.

        Raises:
            CatalogFailure: it could not be read.
        """
        now, lease = self._clock.now(), self._rules().lease
        return await self._catalog.read(partial(_standing, now=now, lease=lease))

    def cursor(self, place: Place) -> str:
        """Give the place as applications carry it."""
        return self._cursors.write_place(place)

    def _told(self, change: Change, read: _Reading, rules: Rules, now: Instant) -> tuple[ChangeKind, Mapping[str, Any]]:
        what, kind = self._content(change, read, rules, now), change.kind
        if kind in _SHOWN and what is None:
            kind = ChangeKind.HIDDEN
        word, number = _named(change)
        value: dict[str, Any] = {"change": kind.value, "kind": word, "id": str(number)}
        if word in (_ACCOUNT, _DOCUMENT):
            value["document_id"] = None if change.document_id is None else str(number)
        value |= {"account_id": str(change.account_id), "at": rfc3339(change.at)}
        if kind in _SHOWN and what is not None:
            value[word] = what
        return kind, value

    def _content(self, change: Change, read: _Reading, rules: Rules, now: Instant) -> Mapping[str, Any] | None:
        """What may be told of the thing now, or None."""
        number = change.document_id or 0
        held, shown = read.documents.get(number), read.entries.get(number)
        if held is not None and may_show(held, rules, now):
            return summary(held, rules.lease, self._site_url, rules.on_demand)
        if shown is not None and may_show_entry(shown.entry, shown.account, rules, now):
            return told_entry(shown, rules.lease, self._site_url)
        return None


def _named(change: Change) -> tuple[str, int]:
    """The word for what a change is about, and its id."""
    if change.document_id is None:
        return _ACCOUNT, change.account_id
    if not is_entry(change.document_id):
        return _DOCUMENT, change.document_id
    kind, entry_id = entry_of(change.document_id)
    return kind.value, entry_id


def _verified_at(number: int, read: _Reading) -> Instant:
    return read.entries[number].entry.verified_at if is_entry(number) else read.documents[number].document.verified_at


def _read(view: View, after: Place | None, limit: int, now: Instant, rules: Rules) -> _Reading:
    oldest = view.oldest_change()
    if after is None:
        # Before the oldest that is kept, whatever number it has.
        begin = Place() if oldest is None else replace(Place(), sequence=oldest.sequence - 1)
    elif after.fits(view.change(after.sequence), oldest):
        begin = after
    else:
        raise ChangesForgotten
    read = view.changes_after(begin.sequence, _READ_AT_ONCE)
    found = compacted(read, limit)
    more = not found.is_whole or len(read) == _READ_AT_ONCE
    shown = _ids(found.changes)
    until = now if more else _told_until(view, now, rules.lease)
    entries = read_shown(view, [number for number in shown if is_entry(number)], rules, now)
    documents = [number for number in shown if not is_entry(number)]
    return _Reading(found, more, read_held(view, documents) if documents else {}, entries, begin, until)


def _ids(changes: Collection[Change]) -> set[int]:
    return {change.document_id for change in changes if change.document_id is not None and change.kind in _SHOWN}


def _standing(view: View, now: Instant, lease: Lease) -> Standing:
    return Standing(place_of(view.newest_change()), _told_until(view, now, lease))


def _told_until(view: View, now: Instant, lease: Lease) -> Instant:
    """Leases end by themselves, and a job says so within moments: before the first end that was not told, all was."""
    before, live = now - lease.serve_age + 1, {DocumentState.LIVE}
    documents = view.documents_unverified_since(before, 1, states=live)
    entries = view.entries_unverified_since(before, 1, states=live)
    ended = [one.verified_at for one in documents] + [one.verified_at for one in entries]
    return lease.serve_until(min(ended)) if ended else now
