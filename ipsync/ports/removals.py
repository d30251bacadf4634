"""Removals as the catalog keeps them: obligations, found by when they are due and moved on many at a time."""

from collections.abc import Collection, Sequence
from typing import Protocol

from ipsync.policy.instants import Instant
from ipsync.policy.removals import Reason, Removal, Stage
from ipsync.policy.tripwire import Tripwire


class RemovalView(Protocol):
    """The questions about removals."""

    def removal(self, removal_id: int) -> Removal | None:
        """One removal."""
        ...

    def removals(
        self,
        *,
        stages: Collection[Stage] | None = None,
        account_id: int | None = None,
        document_ids: Collection[int] | None = None,
        limit: int = 1000,
    ) -> list[Removal]:
        """Removals, earliest `erase_by` first."""
        ...

    def due_removals(self, now: Instant, limit: int, passing_over: Collection[int] = ()) -> list[Removal]:
        """Removals for which `policy.removals.is_due` says yes at `now`, earliest `erase_by` first; none of these."""
        ...

    def suspicions(self, now: Instant, limit: int, passing_over: Collection[Tripwire] = ()) -> list[Removal]:
        """SUSPECTED removals with `next_try_at` ≤ now, earliest `erase_from` first; none of these tripwires."""
        ...


class RemovalChanges(Protocol):
    """The changes to removals."""

    def add_removals(self, removals: Sequence[Removal]) -> None:
        """Record new obligations, numbered by the catalog; a document has at most one open Scope.DOCUMENT removal.

        Where one is open already, the stronger stands: a later stage, an earlier deadline, and the
        reason of whoever is CONFIRMED.
        """
        ...

    def update_removals(self, removals: Sequence[Removal]) -> None:
        """Replace these removals, by removal_id, many at once."""
        ...

    def intend_removals(self, removal_ids: Collection[int]) -> None:
        """Move these CONFIRMED removals of whole documents on to INTENDED, and count what they will erase.

        That are the document's STORED and ERASING files. One that is INTENDED already is counted anew.
        """
        ...

    def advance_removals(
        self, removal_ids: Collection[int], before: Stage, after: Stage, gone_at: Instant | None = None
    ) -> dict[int, Reason]:
        """Move those of these removals that stand at `before` on to `after`; nothing else of them changes.

        Args:
            removal_ids: which.
            before: where they are expected to stand.
            after: where they go.
            gone_at: when they were gone, where `after` is GONE.

        Returns:
            The ones that were moved, with their reasons as they are now; what somebody else moved meanwhile is
            not among them.
        """
        ...
