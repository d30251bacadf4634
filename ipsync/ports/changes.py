"""What the catalog keeps of changes, for whoever tells applications of them. It records them by itself.

No job writes a change: whatever changes a document, its words, its files, its account or its removal leaves one,
in the same transaction, so that no way to hide something can forget to say so.
"""

from typing import Protocol

from ipsync.policy.changes import Change
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
