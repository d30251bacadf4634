"""Mending what an audit found, in the closed direction only: hide, erase, want anew, enter. Never the other way.

Each step is that of a job of ours wherever there is one. Evidence that was altered is left as it is
(docs/how-to/answer-an-auditor.md). It must have the mirror to itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.audit_catalog import is_ignored, look_at_documents, standing_requests
from ipsync.jobs.audit_entries import forbidden_entries
from ipsync.jobs.belonging import Belonging
from ipsync.jobs.expiry import Expiry
from ipsync.jobs.media_keeping import key_of
from ipsync.jobs.obligations import end_account, owe_entries, try_again_now
from ipsync.jobs.orphans import Orphans
from ipsync.jobs.purge import Purge
from ipsync.jobs.requests import Requests
from ipsync.jobs.tombstones import NOTE, Tombstones
from ipsync.policy.accounts import GRANTED_STATES, AccountState
from ipsync.policy.auditing import Findings, Kind, is_unlawful
from ipsync.policy.documents import Document, DocumentState, RenditionState, Tombstone
from ipsync.policy.instants import Instant
from ipsync.policy.ledger import gone
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.requests import RequestScope
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import doom, owe_document, owe_files
from ipsync.ports.catalog import Catalog, Transaction
from ipsync.ports.clock import Clock
from ipsync.ports.store import ContentKey, ContentStore, StoreFailure

EVIDENCE = "audit"
"""What the removal of something that an audit found says of itself."""

_OUTSIDE = (Kind.OUTSIDE_LACKING, Kind.OUTSIDE_UNSEEN, Kind.OUTSIDE_DAMAGED)
_MANY = 1000


@dataclass(frozen=True, slots=True)
class Steps:
    """The jobs of ours that mend.

    Attributes:
        epoch: of this process.
    """

    tombstones: Tombstones
    requests: Requests
    expiry: Expiry
    orphans: Orphans
    purge: Purge
    belonging: Belonging
    epoch: int


class Repair:
    """The one who mends."""

    def __init__(self, catalog: Catalog, store: ContentStore, steps: Steps, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            store: where the bytes are.
            steps: the jobs that mend.
            clock: the lease clock.
            rules: the thresholds.
        """
        self._catalog = catalog
        self._store = store
        self._steps = steps
        self._clock = clock
        self._rules = rules

    async def run(self, findings: Findings) -> None:
        """Mend what can be mended. What was mended is seen by the next audit only.

        Raises:
            CatalogFailure, StoreFailure: a step could not be done.
        """
        found = findings.counts
        if any(found[kind] for kind in _OUTSIDE):
            await self._renew_record()
        await self._steps.requests.complete()
        await self._catalog.write(self._keep_requests)
        await self._catalog.write(self._end_grants)
        is_unfit = bool(found[Kind.STORE_UNFIT])
        if is_unfit:
            await self._steps.belonging.hide_everything()
        await self._owe_documents()
        await self._catalog.write(self._owe_forbidden_entries)
        await self._steps.expiry.apply_policy()
        await self._steps.expiry.run()
        await self._want_anew(findings)
        await self._steps.orphans.run(doubted_since=0 if is_unfit else None)
        if is_unfit:
            await self._steps.belonging.renew(self._steps.epoch, stopped=True)
        await self._catalog.write(try_again_now)
        await self._steps.purge.run()
        while found[Kind.REMOVAL_UNTOLD] and await self._catalog.write(self._enter):
            pass

    async def _renew_record(self) -> None:
        """Carry the whole record out, write to it what it lacks, and leave behind what nobody can read."""
        await self._catalog.write(lambda tx: tx.set_note(NOTE, ""))
        await self._steps.tombstones.replay()
        await self._steps.tombstones.compact(always=True)

    def _keep_requests(self, tx: Transaction) -> None:
        """Let standing requests be kept again: a tombstone that stands, an account that is not mirrored."""
        now, lease = self._clock.now(), self._rules.lease
        for request in [entry for entry in standing_requests(tx) if is_ignored(tx, entry)]:
            subject = request.subject
            if subject.scope is RequestScope.DOCUMENT:
                reason = Reason.OWNER_REQUEST.value
                tx.put_tombstones([Tombstone(subject.subject_id, subject.account_id, reason, now, stands=True)])
            elif account := tx.account(subject.subject_id):
                end_account(tx, account, AccountState.REMOVED, Reason.OWNER_REQUEST, "removed", now, lease)

    def _end_grants(self, tx: Transaction) -> None:
        """End accounts whose grant is not held, owe what is left of ended ones, forget tokens that outlived theirs."""
        now, lease = self._clock.now(), self._rules.lease
        figures = tx.account_figures()
        for account in tx.accounts():
            counts = figures[account.account_id].documents if account.account_id in figures else {}
            has_token = tx.grant(account.account_id) is not None
            states = [state for state, number in counts.items() if number]
            if account.state not in GRANTED_STATES and has_token:
                tx.end_grant(account.account_id, now, "removed")
            if is_unlawful(account.state, has_token=has_token, states=states):
                state = AccountState.LOST if account.state in GRANTED_STATES else account.state
                end_account(tx, account, state, Reason.GRANT_LOST, "grant-lost", now, lease)

    async def _owe_documents(self) -> None:
        cursor: int | None = 0
        while cursor is not None:
            cursor = await self._catalog.write(partial(self._owe_some, cursor=cursor))

    def _owe_some(self, tx: Transaction, cursor: int) -> int | None:
        """Owe what a tombstone forbids, and files that are to be erased and that no removal names."""
        now, lease = self._clock.now(), self._rules.lease
        batch = look_at_documents(tx, self._rules, now, cursor)
        forbidden = {found.document_id for found in batch.findings if found.kind is Kind.TOMBSTONED}
        documents = tx.documents([number for number in forbidden if number is not None])
        stones = tx.tombstones(documents)
        tx.update_documents([doom(document, now) for document in documents.values()])
        tx.add_removals(
            [
                owe_document(doom(entry, now), _reason(stones[number]), now, lease, Stage.CONFIRMED, EVIDENCE)
                for number, entry in documents.items()
            ]
        )
        loose: dict[int, list[str]] = {}
        for found in batch.findings:
            if found.kind is Kind.FILE_UNOWED and found.document_id is not None and found.rendition is not None:
                loose.setdefault(found.document_id, []).append(found.rendition)
        held: dict[int, Document] = tx.documents(loose)
        tx.add_removals(
            [
                replace(owe_files(held[number], names, Reason.EXPIRED, now, lease), certificate=EVIDENCE)
                for number, names in loose.items()
                if held[number].state is not DocumentState.DOOMED
            ]
        )
        return batch.following

    def _owe_forbidden_entries(self, tx: Transaction) -> None:
        now, rules = self._clock.now(), self._rules
        owe_entries(tx, forbidden_entries(tx, rules, now), lambda _: Reason.GRANT_LOST, now, rules.lease, EVIDENCE)

    async def _want_anew(self, findings: Findings) -> None:
        """Erase what is not what was stored, and want it again.

        A missing or wrongly sized file is what the search for orphans mends; only a wrong digest is not seen there.
        """
        changed = [
            ContentKey(entry.account_id, entry.document_id, entry.rendition)
            for entry in findings.examples.get(Kind.FILE_CHANGED, ())
            if entry.account_id is not None and entry.document_id is not None and entry.rendition is not None
        ]
        await self._catalog.write(partial(_want_again, keys=changed))
        try:
            self._store.erase_files(changed)
        except StoreFailure:
            # Whatever lies there has no row any more: it is an orphan, and erased or told of as one.
            return

    def _enter(self, tx: Transaction) -> int:
        """Enter removals that are gone and have no entry, with the instant at which that is done now."""
        lacking = [entry.removal_id for entry in tx.ledger_differences(_MANY) if entry.sequence is None]
        removals = [entry for entry in map(tx.removal, lacking) if entry is not None and entry.gone_at is not None]
        now: Instant = self._clock.now()
        tx.append_ledger([replace(gone(entry, entry.gone_at or now), at=now) for entry in removals])
        return len(removals)


def _reason(stone: Tombstone) -> Reason:
    return Reason.OWNER_REQUEST if stone.stands else Reason(stone.reason)


def _want_again(tx: Transaction, keys: Sequence[ContentKey]) -> None:
    held = tx.renditions({key.document_id for key in keys}, (RenditionState.STORED,))
    wanted = set(keys)
    stored = [key_of(entry) for entries in held.values() for entry in entries if key_of(entry) in wanted]
    tx.set_rendition_state(stored, RenditionState.WANTED)
