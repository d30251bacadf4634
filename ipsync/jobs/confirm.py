"""Confirm: ask ipernity once about each suspicion, before anything is erased for it (design §4, I10).

A suspected document is hidden already; what is decided here is only whether it goes now, or was a
false alarm. Where no answer can be had, the deadline decides (the purge job).
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.obligations import doubt_account
from ipsync.policy.accounts import GRANTED_STATES, Grant
from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.instants import Instant
from ipsync.policy.lease import observation_applies
from ipsync.policy.permission import bar, reason_for
from ipsync.policy.planning import next_try
from ipsync.policy.removals import Reason, Removal, Stage
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    AccountClosed,
    Gone,
    GrantLost,
    KeyRefused,
    Lane,
    QuotaReached,
    Seen,
    Source,
    SourceFailure,
)
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)


@dataclass(slots=True)
class ConfirmReport:
    """What one run decided."""

    confirmed: int = 0
    withdrawn: int = 0
    unanswered: int = 0


class Confirm:
    """The confirmation of suspicions, one `doc.get` each."""

    def __init__(self, source: Source, catalog: Catalog, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: what may be held, and for how long.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules

    async def run(self, limit: int = 100) -> ConfirmReport:
        """Ask about up to `limit` suspicions, the nearest deadline first.

        An account that cannot be asked blocks no other; a spent budget ends the run.
        """
        report = ConfirmReport()
        now = self._clock.now()
        suspicions, grants = await self._catalog.read(lambda view: _suspicions(view, now, limit))
        by_account: defaultdict[int, list[Removal]] = defaultdict(list)
        for removal in suspicions:
            by_account[removal.account_id].append(removal)
        for account_id, removals in by_account.items():
            grant = grants.get(account_id)
            if grant is not None and not await self._ask_all(removals, grant, report):
                break
        return report

    async def _ask_all(self, removals: list[Removal], grant: Grant, report: ConfirmReport) -> bool:
        """Ask about one account's suspicions. Returns whether others may still be asked."""
        for removal in removals:
            try:
                await self._ask(removal, grant, report)
            except (GrantLost, AccountClosed) as failure:
                now = self._clock.now()
                await self._catalog.write(partial(doubt_account, account_id=grant.account_id, failure=failure, now=now))
                return True
            except (QuotaReached, KeyRefused):
                return False
            except SourceFailure as failure:
                report.unanswered += 1
                await self._put_off(removal, failure)
        return True

    async def _ask(self, removal: Removal, grant: Grant, report: ConfirmReport) -> None:
        try:
            seen = await self._source.document(removal.account_id, grant.token, removal.document_id, Lane.CONFIRMATION)
        except Gone:
            now = self._clock.now()
            done = await self._catalog.write(lambda tx: _settle(tx, removal, Reason.DELETED, "doc.get error 1", now))
            report.confirmed += done
            return
        now = self._clock.now()
        withdrawn = await self._catalog.write(lambda tx: self._judge(tx, removal, seen, now))
        report.withdrawn += withdrawn
        report.confirmed += not withdrawn
        if withdrawn:
            _log.info(
                Event.REMOVAL_WITHDRAWN,
                "A suspicion was a false alarm: the document is shared as before.",
                account_id=removal.account_id,
                document_id=removal.document_id,
            )

    def _judge(self, tx: Transaction, removal: Removal, seen: Seen, now: Instant) -> bool:
        """Apply what ipernity showed. Returns whether the suspicion was false."""
        document = tx.documents([removal.document_id]).get(removal.document_id)
        current = tx.removal(removal.removal_id)
        if document is None or current is None or current.stage is not Stage.SUSPECTED:
            return False
        barred = bar(self._rules.view, removal.account_id, seen.facts, now)
        if barred is not None:
            reason = reason_for(barred, document.facts, seen.facts)
            _settle(tx, removal, reason, f"doc.get: {barred.value}", now)
            return False
        if not observation_applies(document, seen.sent_at):
            return False
        tx.update_documents([_seen_again(document, seen)])
        tx.update_removals([replace(current, stage=Stage.WITHDRAWN)])
        return True

    async def _put_off(self, removal: Removal, failure: SourceFailure) -> None:
        window = self._rules.lease.window
        attempts = removal.attempts + 1
        later = next_try(self._clock.now(), attempts, window // 2880, window // 48)
        await self._catalog.write(lambda tx: _try_later(tx, removal.removal_id, attempts, later))
        _log.warning(
            Event.CONFIRM_UNANSWERED,
            "A suspicion could not be confirmed yet; the document stays hidden.",
            account_id=removal.account_id,
            document_id=removal.document_id,
            reason=failure.reason,
            code=failure.code,
        )


def _suspicions(view: View, now: Instant, limit: int) -> tuple[list[Removal], dict[int, Grant]]:
    removals = view.suspicions(now, limit)
    grants: dict[int, Grant] = {}
    for account_id in {removal.account_id for removal in removals}:
        account, grant = view.account(account_id), view.grant(account_id)
        if account is not None and account.state in GRANTED_STATES and grant is not None:
            grants[account_id] = grant
    return removals, grants


def _seen_again(document: Document, seen: Seen) -> Document:
    """The document as LIVE; the listing's other facts are compared at the next sweep, by the listing."""
    facts = replace(
        document.facts,
        visibility=seen.facts.visibility,
        license=seen.facts.license,
        safety=seen.facts.safety,
        media=seen.facts.media,
        title=seen.facts.title,
    )
    return replace(document, facts=facts, state=DocumentState.LIVE, verified_at=seen.sent_at, hidden_at=None)


def _settle(tx: Transaction, removal: Removal, reason: Reason, certificate: str, now: Instant) -> bool:
    current = tx.removal(removal.removal_id)
    if current is None or current.stage is not Stage.SUSPECTED:
        return False
    evidence = f"{current.certificate}; {certificate}" if current.certificate else certificate
    tx.update_removals(
        [replace(current, reason=reason, stage=Stage.CONFIRMED, confirmed_at=now, next_try_at=0, certificate=evidence)]
    )
    document = tx.documents([removal.document_id]).get(removal.document_id)
    if document is not None:
        tx.update_documents([replace(document, state=DocumentState.DOOMED)])
    return True


def _try_later(tx: Transaction, removal_id: int, attempts: int, later: Instant) -> None:
    current = tx.removal(removal_id)
    if current is not None and current.stage is Stage.SUSPECTED:
        tx.update_removals([replace(current, attempts=attempts, next_try_at=later)])
