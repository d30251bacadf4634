"""What time alone takes from albums, folders and articles: hidden when the lease ran out, doomed at the deadline (I2).

They are never sealed: whatever `removal.unverified` says, what nobody verifies is erased. Nobody is asked.
"""

from dataclasses import replace
from functools import partial
from typing import Protocol

from ipsync.jobs.obligations import owe_entries
from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import Entry, EntryKind, entry_bar, owe_entry
from ipsync.policy.instants import Instant
from ipsync.policy.removals import DEADLINE, Reason, Stage, confirmed
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_BATCH = 500
_AHEAD_PARTS = 1440
_HELD = frozenset(DocumentState) - {DocumentState.DOOMED}
_ACTING = (Stage.SUSPECTED, Stage.CONFIRMED, Stage.INTENDED)


class Counts(Protocol):
    """Where is counted what was found to be over."""

    stale: int
    overdue: int


class EntryExpiry:
    """The judge of the ages of entries."""

    def __init__(self, catalog: Catalog, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            rules: thresholds, kinds, the permitted view.
        """
        self._catalog = catalog
        self._clock = clock
        self._rules = rules

    async def run(self, report: Counts) -> None:
        """Hide what is stale, doom what is overdue or claims to be of the future (F6)."""
        while found := await self._catalog.write(self._doom_from_the_future):
            report.overdue += found
        while found := await self._catalog.write(self._doom_overdue):
            report.overdue += found
        while found := await self._catalog.write(self._hide_stale):
            report.stale += found

    async def apply_policy(self) -> int:
        """Owe the erasure of what the configuration does not permit now, and of what is hidden and owed by nobody.

        Returns:
            How many entries were barred.
        """
        barred = 0
        for kind in EntryKind:
            after = 0
            while batch := await self._catalog.read(partial(_after, kind=kind, after=after)):
                after = batch[-1].entry_id
                barred += await self._catalog.write(partial(self._mend, numbers=[entry.number for entry in batch]))
        return barred

    def _doom_from_the_future(self, tx: Transaction) -> int:
        now, lease = self._clock.now(), self._rules.lease
        found = tx.entries_verified_after(now + lease.window // _AHEAD_PARTS, _BATCH)
        self._doom(tx, [replace(entry, verified_at=now - lease.erase_age) for entry in found], now)
        return len(found)

    def _doom_overdue(self, tx: Transaction) -> int:
        now = self._clock.now()
        found = tx.entries_unverified_since(now - self._rules.lease.erase_age + 1, _BATCH, states=_HELD)
        self._doom(tx, found, now)
        return len(found)

    def _doom(self, tx: Transaction, found: list[Entry], now: Instant) -> None:
        # A suspicion that nobody answered keeps its own reason: what was suspected is not merely old.
        suspicions = tx.removals(
            stages={Stage.SUSPECTED}, document_ids=[entry.number for entry in found], limit=2 * _BATCH
        )
        tx.update_removals([confirmed(entry, now, DEADLINE) for entry in suspicions])
        suspected = {entry.document_id for entry in suspicions}
        tx.doom_entries([entry.number for entry in found if entry.number in suspected], now)
        left = [entry for entry in found if entry.number not in suspected]
        owe_entries(tx, left, lambda _: Reason.EXPIRED, now, self._rules.lease, DEADLINE)

    def _hide_stale(self, tx: Transaction) -> int:
        now = self._clock.now()
        before = now - self._rules.lease.serve_age + 1
        stale = tx.entries_unverified_since(before, _BATCH, states={DocumentState.LIVE})
        tx.put_entries([replace(entry, state=DocumentState.STALE, hidden_at=now) for entry in stale])
        return len(stale)

    def _bars(self, entry: Entry, now: Instant) -> bool:
        if entry.kind not in self._rules.kinds:
            return True
        return entry_bar(self._rules.view, entry.kind, entry.account_id, entry.levels, now) is not None

    def _mend(self, tx: Transaction, numbers: list[int]) -> int:
        now, lease = self._clock.now(), self._rules.lease
        held = tx.entries(numbers)
        barred = [
            entry for entry in held.values() if entry.state is not DocumentState.DOOMED and self._bars(entry, now)
        ]
        owe_entries(tx, barred, lambda _: Reason.POLICY_CHANGE, now, lease, "configuration")
        hidden = {
            number: entry
            for number, entry in tx.entries(numbers).items()
            if entry.state in (DocumentState.SUSPECT, DocumentState.DOOMED)
        }
        for removal in tx.removals(stages=_ACTING, document_ids=hidden, limit=2 * _BATCH):
            hidden.pop(removal.document_id, None)
        if hidden:
            found = "found hidden without a removal"
            tx.add_removals(
                [
                    owe_entry(entry, Reason.UNSHARED, now, lease, Stage.SUSPECTED, found, now)
                    if entry.state is DocumentState.SUSPECT
                    else owe_entry(entry, Reason.EXPIRED, now, lease, Stage.CONFIRMED, found, now)
                    for entry in hidden.values()
                ]
            )
            _log.error(Event.REMOVAL_OPENED, "Hidden entries were not owed to be erased.", entries=len(hidden))
        return len(barred)


def _after(view: View, kind: EntryKind, after: int) -> list[Entry]:
    return view.entries_of(kind, _BATCH, after=after)
