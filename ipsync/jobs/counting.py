"""Removals that somebody else carried out are counted too: a command, the reaper, a daemon that was there before.

A removal's own process counts it as soon as it is gone, but only the daemon's numbers are ever asked for. The ledger
names every removal, whoever erased it, so the daemon reads what has been added to it and counts what is not counted
yet. Nothing is decided or erased here.
"""

from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.ledger import EntryKind, LedgerEntry
from ipsync.ports.catalog import Catalog, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Metrics

NOTE = "removals counted"
"""Under which the catalog keeps the ledger's entry up to which the daemon has counted."""

_PAGE = 1000


class RemovalCount:
    """Brings the daemon's counters up to the ledger."""

    def __init__(self, catalog: Catalog, clock: Clock, metrics: Metrics) -> None:
        """Wire it.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            metrics: what is counted.
        """
        self._catalog = catalog
        self._clock = clock
        self._metrics = metrics
        self._counted_to: int | None = None

    async def run(self, lease: Lease) -> None:
        """Count what was added to the ledger since the last time, by whomever.

        Where no daemon has counted before, that is what was added within the last window.

        Args:
            lease: the thresholds.
        """
        before = self._counted_to
        if before is None:
            since = self._clock.now() - lease.window
            before = await self._catalog.read(lambda view: _begin(view, since))
        after = before
        while page := await self._catalog.read(lambda view: view.ledger_entries(after, _PAGE)):  # noqa: B023  # reason: awaited at once
            for entry in page:
                self._count(entry)
            after = page[-1].sequence
        if after != self._counted_to:
            await self._catalog.write(lambda tx: tx.set_note(NOTE, str(after)))
            self._counted_to = after

    def _count(self, entry: LedgerEntry) -> None:
        since, gone_at = entry.first_unsafe_at, entry.gone_at
        if entry.kind != EntryKind.GONE or entry.removal is None or since is None or gone_at is None:
            return
        hidden_at = gone_at if entry.hidden_at is None else entry.hidden_at
        self._metrics.count_removal(
            entry.removal,
            entry.reason or "",
            hidden_at - since,
            gone_at - since,
            breach=entry.erase_by is not None and gone_at > entry.erase_by,
        )


def _begin(view: View, since: Instant) -> int:
    note = view.note(NOTE)
    if note is not None and note.isdecimal():
        return int(note)
    first = view.ledger_since(since)
    if first is not None:
        return first - 1
    head = view.ledger_head()
    return 0 if head is None else head.sequence
