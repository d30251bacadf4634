"""What the catalog says of instants that have not come: left by a clock that ran ahead for a while (F6, F7)."""

from typing import Protocol

from ipsync.policy.documents import Document
from ipsync.policy.instants import Instant


class FutureView(Protocol):
    """The question about what cannot be."""

    def documents_verified_after(self, after: Instant, limit: int) -> list[Document]:
        """Up to `limit` documents in any state but DOOMED whose verification claims to be later than `after`."""
        ...


class FutureChanges(Protocol):
    """The change that keeps a clock that ran ahead from putting work off for years."""

    def pull_back(self, horizon: Instant, now: Instant) -> int:
        """Make due at `now` what is planned for later than `horizon`: sweeps, checks, tries, pauses.

        A listing that the planner reads page by page is due as a whole where a page of it claims to have been read
        later than `now`: its turns would be counted from then. All others go on where they were.

        Returns:
            How much that was.
        """
        ...
