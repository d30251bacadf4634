"""Expiry: what time alone takes away: leases that ran out, content past its TTL, agreements that ended (T07, T09).

Nobody is asked. What is only old is hidden; what is past the deadline is doomed, irrevocably (design §3).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.entry_expiry import EntryExpiry
from ipsync.jobs.media_keeping import key_of
from ipsync.jobs.reachability import Reachability
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import RENDITIONS, Details, Document, DocumentState, RenditionState
from ipsync.policy.instants import Instant
from ipsync.policy.permission import bar
from ipsync.policy.removals import DEADLINE, Reason, Scope, Stage, confirmed
from ipsync.policy.rules import Rules
from ipsync.policy.sealing import is_seal_broken, may_seal, sealed
from ipsync.policy.sweeping import overdue, owe_files, suspect
from ipsync.ports.catalog import Alike, Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_BATCH = 500
_MANY = 10_000
_HIDDEN = (DocumentState.SUSPECT, DocumentState.DOOMED)
_AHEAD_PARTS = 1440


@dataclass(slots=True)
class ExpiryReport:
    """What one run found to be over.

    Attributes:
        stale: documents, albums, folders and articles hidden because their lease ran out.
        overdue: likewise doomed at the deadline.
        sealed: documents kept beyond it, hidden, because ipernity answers nobody.
        files: stored files past their TTL.
        details: descriptions and tags past their TTL.
    """

    stale: int = 0
    overdue: int = 0
    sealed: int = 0
    files: int = 0
    details: int = 0


class Expiry:
    """The judge of ages."""

    def __init__(self, catalog: Catalog, clock: Clock, rules: Rules, reachability: Reachability | None = None) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            rules: thresholds, times to live, the permitted view.
            reachability: whether ipernity answers; None in a process that asks nothing, which goes by the record.
        """
        self._reachability = Reachability(clock) if reachability is None else reachability
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._entries = EntryExpiry(catalog, clock, rules)

    async def run(self) -> ExpiryReport:
        """Hide what is stale, doom what is overdue, owe the erasure of what is past its TTL."""
        report = ExpiryReport()
        while await self._catalog.write(partial(self._doom_from_the_future, report=report)):
            pass
        while await self._catalog.write(partial(self._judge_overdue, report=report)):
            pass
        while await self._catalog.write(partial(self._break_seals, report=report)):
            pass
        while found := await self._catalog.write(self._hide_stale):
            report.stale += found
        await self._entries.run(report)
        for names, ttl in self._rules.ttl.of_renditions():
            report.files += await self._expire_files(names, self._clock.now() - ttl, Reason.EXPIRED)
        while found := await self._catalog.write(self._expire_details):
            report.details += found
        if report.details:
            # Overwritten is not enough: the words lie in the write-ahead log too (T09).
            await self._catalog.scrub()
        if report.sealed:
            _log.error(
                Event.LEASE_SEALED,
                "Documents are kept, hidden, beyond their deadline, since ipernity answers nobody.",
                documents=report.sealed,
            )
        if report.stale or report.overdue:
            _log.warning(
                Event.LEASE_EXPIRED,
                "Documents could not be verified in time.",
                hidden=report.stale,
                being_erased=report.overdue,
            )
        return report

    async def apply_policy(self) -> int:
        """Go through everything held and owe the erasure of what the configuration does not permit now.

        In passing it mends what should not be: every hidden document is owed, so that none stays behind.

        Returns:
            How many documents were barred.
        """
        groups = await self._catalog.read(lambda view: view.alike())
        # Groups that differ in their state alone are gone through once.
        doubted = {group.key: group for group in groups if self._bars(group) or not group.is_readable}
        barred = 0
        for group in doubted.values():
            barred += await self._mend_all(partial(_next_of, group=group))
        if any(map(_is_hidden, groups)):
            barred += await self._mend_all(_next_hidden)
        barred += await self._entries.apply_policy()
        unwanted = tuple(name for name in RENDITIONS if name not in self._rules.view.renditions)
        files = await self._expire_files(unwanted, self._clock.now() + 1, Reason.POLICY_CHANGE)
        if barred or files:
            _log.info(
                Event.POLICY_APPLIED,
                "Documents or files left the permitted view by our own configuration.",
                documents=barred,
                files=files,
            )
        return barred

    def _hide_stale(self, tx: Transaction) -> int:
        now = self._clock.now()
        # Strictly younger than S may be served (I1), so exactly S is stale.
        before = now - self._rules.lease.serve_age + 1
        stale = tx.documents_unverified_since(before, _BATCH, states={DocumentState.LIVE})
        tx.update_documents([replace(entry, state=DocumentState.STALE, hidden_at=now) for entry in stale])
        return len(stale)

    def _doom_from_the_future(self, tx: Transaction, report: ExpiryReport) -> int:
        """Doom what claims to have been verified at an instant that has not come.

        A clock that ran ahead for a while and was not remembered leaves that behind. When it was verified in truth
        nobody knows, and its age would never come: so it counts as overdue (F6, F7). A moment of difference
        between the clocks of two processes is none.
        """
        now, lease = self._clock.now(), self._rules.lease
        found = tx.documents_verified_after(now + lease.window // _AHEAD_PARTS, _BATCH)
        self._doom(tx, [replace(entry, verified_at=now - lease.erase_age) for entry in found], now)
        report.overdue += len(found)
        return len(found)

    def _judge_overdue(self, tx: Transaction, report: ExpiryReport) -> int:
        """Seal what may be sealed of what reached its deadline, doom the rest. Returns how many there were."""
        now, lease = self._clock.now(), self._rules.lease
        held = {DocumentState.LIVE, DocumentState.STALE, DocumentState.SUSPECT}
        outage = self._reachability.keep(tx)
        found = tx.documents_unverified_since(now - lease.erase_age + 1, _BATCH, states=held)
        states = _account_states(tx) if found and outage.lasts else {}
        kept = [entry for entry in found if may_seal(entry, states.get(entry.account_id), outage, lease)]
        tx.update_documents([sealed(entry, now) for entry in kept])
        going = [entry for entry in found if entry not in kept] if kept else found
        self._doom(tx, going, now)
        report.sealed += len(kept)
        report.overdue += len(going)
        return len(found)

    def _break_seals(self, tx: Transaction, report: ExpiryReport) -> int:
        """Doom sealed documents whose time is up, or that nobody will verify. Returns how many."""
        now, lease = self._clock.now(), self._rules.lease
        only = {DocumentState.SEALED}
        if not tx.documents_unverified_since(now + 1, 1, states=only):
            return 0
        outage = self._reachability.keep(tx)
        found = tx.documents_unverified_since(now - lease.erase_age - lease.sealed_grace + 1, _BATCH, states=only)
        for account_id, state in _account_states(tx).items():
            if len(found) < _BATCH and is_seal_broken(state, outage, lease, now):
                found += tx.documents_unverified_since(now + 1, _BATCH, states=only, account_id=account_id)
        found = list({entry.document_id: entry for entry in found}.values())
        self._doom(tx, found, now)
        report.overdue += len(found)
        return len(found)

    def _doom(self, tx: Transaction, found: Sequence[Document], now: Instant) -> None:
        lease = self._rules.lease
        pairs = [overdue(entry, now, lease) for entry in found]
        tx.update_documents([doomed for doomed, _ in pairs])
        # A suspicion that nobody answered keeps its own reason: what was suspected is not merely old.
        suspicions = tx.removals(
            stages={Stage.SUSPECTED}, document_ids=[entry.document_id for entry in found], limit=2 * _BATCH
        )
        tx.update_removals([confirmed(entry, now, DEADLINE) for entry in suspicions])
        suspected = {entry.document_id for entry in suspicions}
        tx.add_removals([owed for _, owed in pairs if owed.document_id not in suspected])

    async def _expire_files(self, names: tuple[str, ...], before: Instant, reason: Reason) -> int:
        files = 0
        while found := await self._catalog.write(partial(self._expire_some, names=names, before=before, reason=reason)):
            files += found
        return files

    def _expire_some(self, tx: Transaction, names: tuple[str, ...], before: Instant, reason: Reason) -> int:
        now, lease = self._clock.now(), self._rules.lease
        expired = tx.renditions_stored_before(before, names, _BATCH)
        tx.set_rendition_state([key_of(entry) for entry in expired], RenditionState.ERASING)
        by_document: defaultdict[int, list[str]] = defaultdict(list)
        for entry in expired:
            by_document[entry.document_id].append(entry.file.rendition)
        documents = tx.documents(by_document)
        tx.add_removals(
            [
                owe_files(documents[document_id], going, reason, now, lease)
                for document_id, going in by_document.items()
                if documents[document_id].state is not DocumentState.DOOMED  # that takes them along
            ]
        )
        return len(expired)

    def _expire_details(self, tx: Transaction) -> int:
        old = tx.documents_detailed_before(self._clock.now() - self._rules.ttl.metadata, _BATCH)
        tx.update_documents([replace(entry, details=Details(), details_at=None) for entry in old])
        return len(old)

    async def _mend_all(self, next_after: Callable[..., list[int]]) -> int:
        barred, cursor = 0, 0
        while found := await self._catalog.read(partial(next_after, cursor=cursor)):
            cursor = found[-1]
            for first in range(0, len(found), _BATCH):
                ids = found[first : first + _BATCH]
                barred += await self._catalog.write(partial(self._mend, document_ids=ids))
        return barred

    def _bars(self, document: Document | Alike) -> bool:
        if document.state is DocumentState.DOOMED:
            return False
        return bar(self._rules.view, document.account_id, document.facts, self._clock.now()) is not None

    def _mend(self, tx: Transaction, document_ids: Collection[int]) -> int:
        """Owe what the configuration bars. Returns how many documents that were."""
        now, lease = self._clock.now(), self._rules.lease
        pairs = [
            suspect(entry, Reason.POLICY_CHANGE, entry.verified_at, now, lease, "configuration")
            for entry in tx.documents(document_ids).values()
            if self._bars(entry)
        ]
        tx.update_documents([hidden for hidden, _ in pairs])
        tx.add_removals([removal for _, removal in pairs])
        self._owe_hidden(tx, document_ids)
        return len(pairs)

    def _owe_hidden(self, tx: Transaction, document_ids: Collection[int]) -> None:
        """Owe the removal of hidden documents that nobody would ever erase: SUSPECT or DOOMED, and not owed."""
        hidden = {entry.document_id: entry for entry in tx.documents(document_ids).values() if _is_hidden(entry)}
        acting = (Stage.SUSPECTED, Stage.CONFIRMED, Stage.INTENDED)
        for removal in tx.removals(stages=acting, document_ids=hidden, limit=_MANY):
            if removal.scope is Scope.DOCUMENT:
                hidden.pop(removal.document_id, None)
        if not hidden:
            return
        now, lease, found = self._clock.now(), self._rules.lease, "found hidden without a removal"
        tx.add_removals(
            [
                suspect(entry, Reason.UNSHARED, entry.absent_at or entry.verified_at, now, lease, found)[1]
                if entry.state is DocumentState.SUSPECT
                else replace(overdue(entry, now, lease)[1], certificate=found)
                for entry in hidden.values()
            ]
        )
        _log.error(
            Event.REMOVAL_OPENED, "Hidden documents were not owed to be erased; now they are.", documents=len(hidden)
        )


def _account_states(view: View) -> dict[int, AccountState]:
    return {account.account_id: account.state for account in view.accounts()}


def _next_of(view: View, group: Alike, cursor: int) -> list[int]:
    return view.documents_alike(group, cursor, _BATCH)


def _next_hidden(view: View, cursor: int) -> list[int]:
    # Each reading sorts all of them, so it takes many.
    return [entry.document_id for entry in view.documents_after(cursor, _MANY, states=_HIDDEN)]


def _is_hidden(document: Document | Alike) -> bool:
    return document.state in _HIDDEN
