"""Feed: forget changes that are older than anybody may be behind. It records none: the catalog does, by itself.

Whoever comes later than that is told so, and reads everything anew.
"""

from functools import partial

from ipsync.policy.instants import Duration, Instant
from ipsync.ports.catalog import Catalog, Transaction
from ipsync.ports.clock import Clock

_BATCH = 10_000


class FeedKeeper:
    """Keeps the feed as long as it was promised, and no longer."""

    def __init__(self, catalog: Catalog, clock: Clock, keep: Duration) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            keep: how long a change is kept, microseconds.
        """
        self._catalog = catalog
        self._clock = clock
        self._keep = keep

    async def run(self) -> int:
        """Forget what is older. Returns how many changes that were."""
        before = self._clock.now() - self._keep
        forgotten = 0
        while found := await self._catalog.write(partial(_prune, before=before)):
            forgotten += found
        return forgotten


def _prune(tx: Transaction, before: Instant) -> int:
    return tx.prune_changes(before, _BATCH)
