"""What the catalog keeps of changes, for whoever tells applications of them. It records them by itself.

No job writes a change: whatever changes a document, its words, its files, its account or its removal leaves one,
in the same transaction, so that no way to hide something can forget to say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ipsync.policy.changes import Change, ChangeKind, Place
from ipsync.policy.instants import Instant


class ChangeView(Protocol):
    """The questions about changes."""

    def oldest_change(self) -> Change | None:
        """The oldest change that is kept."""
        ...

    def newest_change(self) -> Change | None:
        """The newest change; it is always kept."""
        ...

    def change(self, sequence: int) -> Change | None:
        """The change of this sequence, if it is kept."""
        ...

    def changes_after(self, sequence: int, limit: int) -> list[Change]:
        """Up to `limit` changes after this sequence, in their order."""
        ...


class ChangeChanges(Protocol):
    """The only thing that is done to changes: they are forgotten."""

    def prune_changes(self, before: Instant, limit: int) -> int:
        """Forget up to `limit` of the oldest changes, as far as they happened before `before`, and never the newest.

        Returns:
            How many were forgotten.
        """
        ...


class ChangesForgotten(Exception):
    """Changes after this place were forgotten, or the place is of another history: read everything anew."""


@dataclass(frozen=True, slots=True)
class ToldChange:
    """One change as applications are told it.

    Attributes:
        kind: what it is now: what may not be shown any more is told as hidden, whatever it was.
        place: behind it.
        value: fit for JSON; with the document only where it may be shown.
    """

    kind: ChangeKind
    account_id: int
    place: Place
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToldPage:
    """Changes as applications are told them.

    Attributes:
        following: where to go on.
        more: whether something follows now.
        told_until: everything that ceased to be shown before this instant has been told; None while more follows.
        good_until: from this instant on something in it may not be shown any more.
    """

    changes: tuple[ToldChange, ...]
    following: Place
    more: bool
    told_until: Instant | None
    good_until: Instant


class Teller(Protocol):
    """Tells applications what became of what is shown, by the rules of that moment."""

    async def tell(self, after: Place | None, limit: int) -> ToldPage:
        """Tell the changes after a place.

        Args:
            after: None for the oldest that is kept.
            limit: how many documents at most (T20).

        Raises:
            ChangesForgotten: something after that place was forgotten.
            CatalogFailure: it could not be read.
        """
        ...

    def cursor(self, place: Place) -> str:
        """The place as applications carry it: opaque, and not to be forged."""
        ...
