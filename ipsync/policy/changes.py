"""What became of what is shown, in the order it happened: the feed that applications follow. Pure; numbers only.

A change says that something happened to a document or an entry, never what it was: whoever tells it looks that up
then, and tells its content only while it may be shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from ipsync.policy.instants import Instant


class ChangeKind(StrEnum):
    """What happened, as an application sees it."""

    APPEARED = "appeared"  # shown from now on: for the first time, or again
    CHANGED = "changed"  # still shown, and its facts, words or stored files are others
    HIDDEN = "hidden"  # not shown any more, whatever the reason; it may appear again
    GONE = "gone"  # erased: nothing of it is left


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        sequence: its place in the feed; larger means later, and none is left out.
        document_id: whose, the negative subject number of an album, folder, article or profile (`policy.entries`), or
            None where it is about everything of the account (HIDDEN only).
        at: when it happened, by the lease clock, as far as the catalog knows: the send time of the answer that
            told it, where there is one.
    """

    sequence: int
    kind: ChangeKind
    document_id: int | None
    account_id: int
    at: Instant


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader goes on: after the change of this sequence, which must still be what it was.

    Attributes:
        sequence: 0 before the very first change.
        document_id: of that change; 0 for a whole account.
        at: of that change. A database that was put back from a backup counts anew, and has another change there.
    """

    sequence: int = 0
    document_id: int = 0
    at: Instant = 0

    def fits(self, found: Change | None, oldest: Change | None) -> bool:
        """Whether nothing between this place and the newest change is missing.

        Args:
            found: the change of this sequence, or None where there is none.
            oldest: the oldest change that is kept, or None where there is none at all.
        """
        if self.sequence == 0:
            return oldest is None or oldest.sequence == 1
        return found is not None and place_of(found) == self


def place_of(change: Change | None) -> Place:
    """The place behind `change`; the very beginning without one."""
    return Place() if change is None else Place(change.sequence, change.document_id or 0, change.at)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What is left of many changes to few documents.

    Attributes:
        changes: the last one of each document, in the order they happened.
        until: the last change that is accounted for, or None where there was none.
        is_whole: whether all that was put in is accounted for.
    """

    changes: tuple[Change, ...]
    until: Change | None
    is_whole: bool


def compacted(changes: Iterable[Change], limit: int) -> Compacted:
    """Leave out what a later change of the same document overtakes, as far as `limit` changes remain.

    A document that appeared and changed since has appeared: its reader does not know it. What is hidden with
    its whole account overtakes what was told of each document.

    Args:
        changes: in the order they happened.
        limit: how many may remain.
    """
    latest: dict[tuple[int, int | None], Change] = {}
    until: Change | None = None
    for change in changes:
        key = (change.account_id, change.document_id)
        before = latest.get(key)
        if before is None and len(latest) >= limit:
            return Compacted(_in_order(latest), until, is_whole=False)
        if change.document_id is None:
            latest = {other: kept for other, kept in latest.items() if not _is_overtaken(kept, change)}
        if before is not None and change.kind is ChangeKind.CHANGED and before.kind is ChangeKind.APPEARED:
            change = replace(change, kind=ChangeKind.APPEARED)
        latest[key] = change
        until = change
    return Compacted(_in_order(latest), until, is_whole=True)


def _in_order(latest: dict[tuple[int, int | None], Change]) -> tuple[Change, ...]:
    return tuple(sorted(latest.values(), key=lambda change: change.sequence))


def _is_overtaken(kept: Change, hidden: Change) -> bool:
    return kept.account_id == hidden.account_id and kept.kind is not ChangeKind.GONE
