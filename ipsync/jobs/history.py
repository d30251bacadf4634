"""History: what went wrong and how many requests were used, by day, so that a report can tell of it later.

The log tells what happened and passes; this keeps counts. What is lost in a crash is the counts of the
last minutes, never a removal: those are in the ledger.
"""

from collections import Counter
from threading import Lock

from ipsync.policy.history import NOTE, read_history
from ipsync.ports.catalog import Catalog, Transaction
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event

INCIDENTS = frozenset(
    {
        Event.AUDIT_FOUND,
        Event.BOOT_REFUSED,
        Event.BUDGET_STOPPED,
        Event.CATALOG_BUSY,
        Event.CATALOG_FAILED,
        Event.CLOCK_STEPPED,
        Event.JOB_FAILED,
        Event.LEASE_EXPIRED,
        Event.REMOVAL_BREACH,
        Event.REMOVAL_FAILED,
        Event.STORE_DAMAGED,
        Event.STORE_FAILED,
        Event.STORE_FULL,
        Event.STORE_ORPHAN,
        Event.SYNC_STOPPED,
        Event.SYNC_TRIPWIRE,
        Event.TOMBSTONES_UNKEPT,
    }
)
"""Events worth telling an auditor of; each with its meaning in `telemetry.events`."""


class HistoryKeeper:
    """Counts incidents as they are logged, and writes them down now and then."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
        """
        self._catalog = catalog
        self._clock = clock
        self._lock = Lock()
        self._counted: Counter[str] = Counter()

    def count(self, event: Event) -> None:
        """Count an event that was logged, from whatever thread."""
        if event in INCIDENTS:
            with self._lock:
                self._counted[event.value] += 1

    async def run(self) -> None:
        """Write down what was counted since, and the requests of hours that are over.

        Raises:
            CatalogFailure: it could not be written; it is tried again.
        """
        with self._lock:
            counted, self._counted = self._counted, Counter()
        try:
            if counted or await self._has_news():
                await self._catalog.write(lambda tx: self._save(tx, counted))
        except BaseException:
            with self._lock:
                self._counted += counted
            raise

    async def _has_news(self) -> bool:
        """Whether an hour is over whose requests are not written down."""
        noted, budget = await self._catalog.read(lambda view: (view.note(NOTE), view.budget()))
        history = read_history(noted)
        before = history.counted_until
        history.add_requests(budget.spent, self._clock.now())
        return history.counted_until != before

    def _save(self, tx: Transaction, counted: Counter[str]) -> None:
        now = self._clock.now()
        history = read_history(tx.note(NOTE))
        history.add_incidents(now, counted)
        history.add_requests(tx.budget().spent, now)
        tx.set_note(NOTE, history.encode(now))
