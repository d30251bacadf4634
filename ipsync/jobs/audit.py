"""Audit: store × catalog × grants × tombstones × leases × ledger, and where they disagree.

It only looks. What it finds is told by number and never by content; what mends it is
`jobs.audit_repair`. It may run beside a daemon: whatever is being changed at this moment is looked at
once more before it is called a finding.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from ipsync.jobs.audit_catalog import (
    look_at_accounts,
    look_at_ages,
    look_at_documents,
    look_at_removals,
    look_at_requests,
    look_at_times_to_live,
)
from ipsync.jobs.audit_entries import look_at_entries, look_at_entry_ages
from ipsync.jobs.audit_files import FileLook
from ipsync.jobs.audit_outside import look_outside
from ipsync.jobs.ledger import check_ledger
from ipsync.policy.auditing import Finding, Findings, Kind
from ipsync.policy.entries import subject_field
from ipsync.policy.instants import Instant
from ipsync.policy.ledger import LedgerHead
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, View
from ipsync.ports.clock import Clock
from ipsync.ports.requests import TombstoneRecord
from ipsync.ports.store import ContentStore

EPOCH_NOTE = "epoch"
"""Under which name the catalog keeps the newest epoch; nothing else writes it."""

_MOST_DIFFERENCES = 1000

Tell = Callable[[int], None]
Heads = Sequence[tuple[str, LedgerHead | None]]


@dataclass(frozen=True, slots=True)
class Witness:
    """What is asked about a mirror's evidence, beside catalog and store.

    Attributes:
        record: the tombstones outside the database.
        check: looks for contradictions in the database file; a sentence each.
        heads: reads the copies of the ledger's heads; None where their file is missing.
        is_signed: whether a head's signature is that of its key.
        belongs: whether database and store carry the same word.
    """

    record: TombstoneRecord
    check: Callable[[], Awaitable[list[str]]]
    heads: Callable[[], Heads | None]
    is_signed: Callable[[LedgerHead], bool]
    belongs: Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class AuditReport:
    """What one audit looked at, and what it found.

    Attributes:
        at: when it began, by the lease clock.
        is_deep: whether every stored file was read.
        documents, files, entries: how many were looked at; entries are the ledger's.
    """

    at: Instant
    is_deep: bool
    documents: int = 0
    files: int = 0
    entries: int = 0
    findings: Findings = field(default_factory=Findings)


class Audit:
    """The one who looks."""

    def __init__(self, catalog: Catalog, store: ContentStore, witness: Witness, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            store: where the bytes are.
            witness: the evidence beside them.
            clock: the lease clock.
            rules: what may be held, and for how long.
        """
        self._catalog = catalog
        self._store = store
        self._witness = witness
        self._clock = clock
        self._rules = rules

    async def total(self) -> int:
        """How many steps `run` will tell of, about."""
        figures, head = await self._catalog.read(lambda view: (view.figures(), view.ledger_head()))
        documents = sum(figures.documents.values())
        return documents + figures.stored_files + (head.sequence if head else 0)

    async def quick(self) -> Findings:
        """Look at what has an index: grants, ages, deadlines, requests, the ledger's end. For the daemon's own job."""
        now, findings = self._clock.now(), Findings()
        lease = self._rules.lease
        findings.add(await self._catalog.read(partial(look_at_accounts, lease=lease, now=now)))
        findings.add(await self._catalog.read(partial(look_at_ages, rules=self._rules, now=now)))
        findings.add(await self._catalog.read(partial(look_at_entry_ages, rules=self._rules, now=now)))
        findings.add(await self._catalog.read(partial(look_at_times_to_live, rules=self._rules, now=now)))
        findings.add(await self._catalog.read(partial(look_at_removals, now=now)))
        findings.add(await self._catalog.read(look_at_requests))
        findings.add(await self._catalog.read(partial(_look_at_end, is_signed=self._witness.is_signed)))
        findings.add(await self._catalog.read(_look_at_epoch))
        return findings

    async def run(
        self, *, deep: bool = False, patience_seconds: float = 0.0, tell: Tell = lambda _: None
    ) -> AuditReport:
        """Look at everything.

        Args:
            deep: read every stored file and compare its digest.
            patience_seconds: how long to wait before a file that seems wrong is looked at again; beside a daemon
                longer than it takes to record a file that was kept.
            tell: told how many more steps are done.

        Raises:
            CatalogFailure: the database cannot be read.
            StoreFailure: the store, or the record outside, cannot be read.
        """
        report = AuditReport(self._clock.now(), deep)
        findings = report.findings
        findings.add(Finding(Kind.DATABASE_DAMAGED, note=what) for what in await self._witness.check())
        lease = self._rules.lease
        findings.add(await self._catalog.read(partial(look_at_accounts, lease=lease, now=report.at)))
        findings.add(await self._catalog.read(partial(look_at_times_to_live, rules=self._rules, now=report.at)))
        findings.add(await self._catalog.read(partial(look_at_removals, now=report.at)))
        findings.add(await self._catalog.read(look_at_requests))
        findings.add(await self._catalog.read(partial(look_at_entry_ages, rules=self._rules, now=report.at)))
        findings.add(await self._catalog.read(partial(look_at_entries, rules=self._rules, now=report.at)))
        if not await self._witness.belongs():
            findings.add([Finding(Kind.STORE_UNFIT)])
        await self._look_at_files(report, patience_seconds, tell)
        await self._look_outside(report, patience_seconds)
        await self._look_at_ledger(report, tell)
        findings.add(await self._catalog.read(_look_at_epoch))
        return report

    async def _look_at_files(self, report: AuditReport, patience_seconds: float, tell: Tell) -> None:
        look = FileLook(self._catalog, self._store, deep=report.is_deep)
        cursor: int | None = 0
        while cursor is not None:
            now = self._clock.now()
            batch = await self._catalog.read(partial(look_at_documents, rules=self._rules, now=now, cursor=cursor))
            report.findings.add(batch.findings)
            report.documents += batch.documents
            await look.compare(batch.stored)
            tell(batch.documents)
            cursor = batch.following
        await look.walk(tell)
        report.files = look.files
        if look.has_candidates:
            await asyncio.sleep(patience_seconds)
            report.findings.add(await look.look_again())

    async def _look_outside(self, report: AuditReport, patience_seconds: float) -> None:
        found = await look_outside(self._catalog, self._witness.record, self._rules, report.at)
        if found and patience_seconds:
            await asyncio.sleep(patience_seconds)
            found = await look_outside(self._catalog, self._witness.record, self._rules, report.at)
        report.findings.add(found)

    async def _look_at_ledger(self, report: AuditReport, tell: Tell) -> None:
        """The chain, the copies of its heads, and one entry for each removal that is gone (I8)."""
        heads = self._witness.heads()
        check = await check_ledger(self._catalog, heads or (), self._witness.is_signed, tell, with_removals=False)
        report.entries = check.entries
        report.findings.add(
            Finding(Kind.LEDGER_BROKEN, entry=entry.sequence, note=entry.what) for entry in check.findings
        )
        if heads is None and check.entries:
            report.findings.add([Finding(Kind.HEADS_MISSING)])
        for difference in await self._catalog.read(lambda view: view.ledger_differences(_MOST_DIFFERENCES)):
            number, entry = difference.removal_id, difference.sequence
            if entry is None:
                report.findings.add([Finding(Kind.REMOVAL_UNTOLD, removal_id=number)])
            else:
                note = f"entry {entry} tells of removal {number}, which is not gone in the database"
                report.findings.add([Finding(Kind.LEDGER_BROKEN, entry=entry, removal_id=number, note=note)])


def _look_at_end(view: View, is_signed: Callable[[LedgerHead], bool]) -> list[Finding]:
    """Whether the ledger ends where its signed head says."""
    head = view.ledger_head()
    last = view.ledger_entries(head.sequence - 1 if head else 0, 2)
    holds = not last if head is None else [entry.hash for entry in last] == [head.hash] and is_signed(head)
    return [] if holds else [Finding(Kind.LEDGER_BROKEN, note="the ledger does not end where its signed head says")]


def _look_at_epoch(view: View) -> list[Finding]:
    """Whether the database's epoch is at least that under which its ledger was written last (F27)."""
    head, noted = view.ledger_head(), view.note(EPOCH_NOTE) or "0"
    last = view.ledger_entries(head.sequence - 1, 1) if head else []
    newest = max((entry.epoch for entry in last), default=0)
    epoch = int(noted) if noted.isdecimal() else -1
    return [Finding(Kind.EPOCH_BEHIND, note=f"ledger {newest}, database {noted}")] if epoch < newest else []


def as_words(finding: Finding) -> dict[str, object]:
    """A finding as a log or a script names it: only what is known of it."""
    named = {
        "account_id": finding.account_id,
        **({} if finding.document_id is None else subject_field(finding.document_id)),
        "rendition": finding.rendition,
        "removal_id": finding.removal_id,
        "request_id": finding.request_id,
        "entry": finding.entry,
        "documents": finding.documents,
        "note": finding.note or None,
    }
    return {name: value for name, value in named.items() if value is not None}
