"""Expiry: what time alone takes away: leases that ran out, content past its TTL, agreements that ended (T07, T09).

Nobody is asked. What is only old is hidden; what is past the deadline is doomed, irrevocably (design §3).
"""

from dataclasses import dataclass, replace
from functools import partial

from ipsync.policy.documents import Details, Document, DocumentState, RenditionState
from ipsync.policy.instants import Instant
from ipsync.policy.permission import bar
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import owe_document, owe_files, suspect
from ipsync.ports.catalog import Catalog, Transaction
from ipsync.ports.clock import Clock
from ipsync.ports.store import ContentKey
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_BATCH = 500


@dataclass(slots=True)
class ExpiryReport:
    """What one run found to be over.

    Attributes:
        stale: documents hidden because their lease ran out.
        overdue: documents doomed at the deadline.
        files: stored files past their TTL.
        details: descriptions and tags past their TTL.
        barred: documents our own configuration no longer permits.
    """

    stale: int = 0
    overdue: int = 0
    files: int = 0
    details: int = 0
    barred: int = 0


class Expiry:
    """The judge of ages."""

    def __init__(self, catalog: Catalog, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            rules: thresholds, times to live, the permitted view.
        """
        self._catalog = catalog
        self._clock = clock
        self._rules = rules

    async def run(self) -> ExpiryReport:
        """Hide what is stale, doom what is overdue, owe the erasure of what is past its TTL."""
        report = ExpiryReport()
        while found := await self._catalog.write(self._doom_overdue):
            report.overdue += found
        while found := await self._catalog.write(self._hide_stale):
            report.stale += found
        for names, ttl in self._rules.ttl.of_renditions():
            before = self._clock.now() - ttl
            while found := await self._catalog.write(partial(self._expire_files, names=names, before=before)):
                report.files += found
        while found := await self._catalog.write(self._expire_details):
            report.details += found
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

        Returns:
            How many documents were barred.
        """
        barred, cursor = 0, 0
        while True:
            found, last = await self._catalog.write(partial(self._bar_batch, cursor=cursor))
            barred += found
            if last is None:
                break
            cursor = last
        if barred:
            _log.info(
                Event.POLICY_APPLIED, "Documents left the permitted view by our own configuration.", documents=barred
            )
        return barred

    def _hide_stale(self, tx: Transaction) -> int:
        now = self._clock.now()
        # Strictly younger than S may be served (I1), so exactly S is stale.
        before = now - self._rules.lease.serve_age + 1
        stale = tx.documents_unverified_since(before, _BATCH, states={DocumentState.LIVE})
        tx.update_documents([replace(entry, state=DocumentState.STALE, hidden_at=now) for entry in stale])
        return len(stale)

    def _doom_overdue(self, tx: Transaction) -> int:
        now, lease = self._clock.now(), self._rules.lease
        hidden = {DocumentState.LIVE, DocumentState.STALE, DocumentState.SUSPECT}
        overdue = tx.documents_unverified_since(now - lease.erase_age + 1, _BATCH, states=hidden)
        doomed = [_doomed(entry, now) for entry in overdue]
        tx.update_documents(doomed)
        tx.add_removals(
            [owe_document(entry, Reason.EXPIRED, now, lease, Stage.CONFIRMED, "deadline") for entry in doomed]
        )
        return len(overdue)

    def _expire_files(self, tx: Transaction, names: tuple[str, ...], before: Instant) -> int:
        now, lease = self._clock.now(), self._rules.lease
        expired = tx.renditions_stored_before(before, names, _BATCH)
        documents = tx.documents({entry.document_id for entry in expired})
        tx.set_rendition_state(
            [ContentKey(entry.account_id, entry.document_id, entry.file.rendition) for entry in expired],
            RenditionState.ERASING,
        )
        tx.add_removals(
            [
                owe_files(documents[entry.document_id], [entry.file.rendition], Reason.EXPIRED, now, lease)
                for entry in expired
                if entry.document_id in documents
            ]
        )
        return len(expired)

    def _expire_details(self, tx: Transaction) -> int:
        old = tx.documents_detailed_before(self._clock.now() - self._rules.ttl.metadata, _BATCH)
        tx.update_documents([replace(entry, details=Details(), details_at=None) for entry in old])
        return len(old)

    def _bar_batch(self, tx: Transaction, cursor: int) -> tuple[int, int | None]:
        now, rules = self._clock.now(), self._rules
        batch = tx.documents_after(cursor, _BATCH)
        barred = [
            suspect(entry, Reason.POLICY_CHANGE, entry.verified_at, now, rules.lease, "configuration")
            for entry in batch
            if entry.state is not DocumentState.DOOMED and bar(rules.view, entry.account_id, entry.facts, now)
        ]
        tx.update_documents([hidden for hidden, _ in barred])
        tx.add_removals([removal for _, removal in barred])
        return len(barred), batch[-1].document_id if batch else None


def _doomed(document: Document, now: Instant) -> Document:
    hidden_at = document.hidden_at if document.hidden_at is not None else now
    return replace(document, state=DocumentState.DOOMED, hidden_at=hidden_at)
