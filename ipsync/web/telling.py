"""How applications are told of changes, over HTTP and by webhooks: in the words of `/v1`, by the rules of that moment.

A change on record is a number and a word. The document is looked up when it is told, and its content goes along
only if it may be shown then: what was shown when it changed and is hidden now is told as hidden.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ipsync.policy.changes import Change, ChangeKind, Compacted, Place, compacted, place_of
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import Instant, rfc3339
from ipsync.policy.lease import Lease
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, View
from ipsync.ports.changes import ChangesForgotten, ToldChange, ToldPage
from ipsync.ports.clock import Clock
from ipsync.web.cursors import Cursors
from ipsync.web.documents import summary
from ipsync.web.showing import Held, may_show, read_held

_READ_AT_ONCE = 1000
_SHOWN = (ChangeKind.APPEARED, ChangeKind.CHANGED)
_NEVER: Instant = 2**62


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
        read = await self._catalog.read(partial(_read, after=after, limit=limit, now=now, lease=rules.lease))
        now, rules = self._clock.now(), self._rules()
        told = [self._told(change, read.documents, rules, now) for change in read.found.changes]
        leases = [
            rules.lease.serve_until(read.documents[change.document_id].document.verified_at)
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

    def _told(
        self, change: Change, documents: Mapping[int, Held], rules: Rules, now: Instant
    ) -> tuple[ChangeKind, Mapping[str, Any]]:
        held = documents.get(change.document_id or 0)
        kind = change.kind
        if kind in _SHOWN and (held is None or not may_show(held, rules, now)):
            kind = ChangeKind.HIDDEN
        value: dict[str, Any] = {
            "change": kind.value,
            "document_id": None if change.document_id is None else str(change.document_id),
            "account_id": str(change.account_id),
            "at": rfc3339(change.at),
        }
        if kind in _SHOWN and held is not None:
            value["document"] = summary(held, rules.lease, self._site_url, rules.on_demand)
        return kind, value


def _read(view: View, after: Place | None, limit: int, now: Instant, lease: Lease) -> _Reading:
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
    until = now if more else _told_until(view, now, lease)
    return _Reading(found, more, read_held(view, shown) if shown else {}, begin, until)


def _ids(changes: Collection[Change]) -> set[int]:
    return {change.document_id for change in changes if change.document_id is not None and change.kind in _SHOWN}


def _standing(view: View, now: Instant, lease: Lease) -> Standing:
    return Standing(place_of(view.newest_change()), _told_until(view, now, lease))


def _told_until(view: View, now: Instant, lease: Lease) -> Instant:
    """Leases end by themselves, and a job says so within moments: before the first end that was not told, all was."""
    ended = view.documents_unverified_since(now - lease.serve_age + 1, 1, states={DocumentState.LIVE})
    return lease.serve_until(ended[0].verified_at) if ended else now
