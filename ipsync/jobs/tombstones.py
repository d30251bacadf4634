"""Tombstones outlive any backup: what is gone is recorded outside the database too, and replayed at start (F28, I4).

A database restored from a backup knows documents again that were erased since, and has forgotten owners'
requests. The record outside knows better. It is written before anything is called gone, and what a catalog
has not seen of it is carried out at the boot gate, before anybody is served. Nothing here erases: it dooms,
and the purge erases what is doomed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.obligations import end_account, owe_entries
from ipsync.policy.accounts import GRANTED_STATES, Account, AccountState
from ipsync.policy.documents import Document, DocumentState, Tombstone
from ipsync.policy.entries import FIRST_SUBJECT, is_entry
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason, Removal, Scope, Stage
from ipsync.policy.requests import (
    OutsideTombstone,
    RemovalRequest,
    RequestScope,
    Subject,
    kept_outside_for,
    outside_of,
    request_of,
    united,
)
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import owe_document
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.requests import Reading, Span, TombstoneRecord
from ipsync.ports.store import StoreFailure
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

NOTE = "tombstones outside"
"""Up to where the catalog has seen the record outside."""

EVIDENCE = "tombstone outside the database"

_BATCH = 500
_SHOWN_STATES = (DocumentState.LIVE, DocumentState.SUSPECT, DocumentState.STALE, DocumentState.SEALED)


@dataclass(slots=True)
class ReplayReport:
    """What a replay found that the catalog did not know.

    Attributes:
        records: entries that were new to the catalog.
        damaged: entries nobody can read any more.
        doomed: documents that were held though they had been erased, or asked away; now owed.
        ended: accounts that were mirrored though their owner had asked for everything to go.
        requests: owners' requests that were put back, or ended.
        exported: tombstones the record had lost, or never had, written to it.
    """

    records: int = 0
    damaged: int = 0
    doomed: int = 0
    ended: int = 0
    requests: int = 0
    exported: int = 0

    @property
    def was_restored(self) -> bool:
        """Whether the catalog is older than the record: somebody restored a backup, or it was cut off in the middle."""
        return bool(self.doomed or self.ended or self.requests)


class Tombstones:
    """The keeper of the record outside."""

    def __init__(self, catalog: Catalog, record: TombstoneRecord, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            record: what outlives it.
            clock: the lease clock.
            rules: the thresholds.
        """
        self._catalog = catalog
        self._record = record
        self._clock = clock
        self._rules = rules

    async def keep(self, removals: Sequence[Removal] = ()) -> None:
        """Write down outside what was erased, and every request that is not there yet as it stands.

        Args:
            removals: ERASED, about to be called gone.

        Raises:
            StoreFailure: it could not be written: nothing may be called gone.
        """
        requests, stones = await self._catalog.read(partial(_unkept, removals=removals))
        if not requests and not stones:
            return
        span = await asyncio.to_thread(self._record.append, [*map(outside_of, requests), *map(_outside, stones)])
        await self._catalog.write(partial(_kept, requests=requests, span=span))

    async def keep_away(self, accounts: Sequence[Account], reason: Reason) -> None:
        """Write down that everything of these accounts had to go, and that only a newer consent brings them back.

        For endings that no request of an owner stands behind.

        Raises:
            StoreFailure: it could not be written.
        """
        now = self._clock.now()
        entries = [
            OutsideTombstone(
                Subject(RequestScope.ACCOUNT, entry.account_id, entry.account_id),
                reason,
                since=now,
                stands=True,
                consent_epoch=entry.consent_epoch,
            )
            for entry in accounts
        ]
        if entries:
            span = await asyncio.to_thread(self._record.append, entries)
            await self._catalog.write(partial(_advance, span=span))

    async def replay(self) -> ReplayReport:
        """Carry out what the catalog has not seen of the record. May be repeated; mostly there is nothing to do.

        Raises:
            StoreFailure: the record cannot be read, or what it lacks cannot be written.
        """
        mark = await self._catalog.read(lambda view: view.note(NOTE))
        reading = await asyncio.to_thread(self._record.read, mark)
        report = ReplayReport(len(reading.tombstones), reading.damaged)
        latest: dict[Subject, OutsideTombstone] = {}
        requests: dict[int, OutsideTombstone] = {}
        for entry in reading.tombstones:
            subject = Subject(entry.subject.scope, entry.subject.subject_id)
            latest[subject] = united(latest.get(subject), entry)
            if entry.request_id:
                requests[entry.request_id] = entry
        # The requests first: what is doomed for them is theirs.
        await self._put_requests_back(list(requests.values()), report)
        await self._doom(list(latest.values()), report)
        if reading.is_whole:
            await self._export(latest, requests, report)
        await self._catalog.write(partial(_seen, reading=reading))
        if report.records or report.damaged or report.exported:
            tell: Callable[..., None] = _log.warning if report.was_restored or report.damaged else _log.info
            tell(
                Event.TOMBSTONES_REPLAYED,
                "What is recorded outside the database was carried out.",
                records=report.records,
                damaged=report.damaged,
                doomed=report.doomed,
                ended=report.ended,
                requests=report.requests,
                exported=report.exported,
            )
        return report

    async def compact(self, *, always: bool = False) -> bool:
        """Write the record anew where that wins much. Returns whether it did.

        Args:
            always: even where nothing is won, since lines that nobody can read stay behind then.

        Raises:
            StoreFailure: it could not be written; the old one stays.
        """
        keep_since = self._clock.now() - kept_outside_for(self._rules.lease)
        span = await asyncio.to_thread(partial(self._record.compact, keep_since, always=always))
        if span is not None:
            await self._catalog.write(partial(_advance, span=span))
        return span is not None

    async def _put_requests_back(self, entries: list[OutsideTombstone], report: ReplayReport) -> None:
        for start in range(0, len(entries), _BATCH):
            batch = entries[start : start + _BATCH]
            report.requests += await self._catalog.write(
                partial(_put_requests_back, entries=batch, lease=self._rules.lease)
            )

    async def _doom(self, entries: list[OutsideTombstone], report: ReplayReport) -> None:
        lease = self._rules.lease
        documents = [entry for entry in entries if entry.subject.scope is RequestScope.DOCUMENT]
        for start in range(0, len(documents), _BATCH):
            batch = documents[start : start + _BATCH]
            report.doomed += await self._catalog.write(
                partial(_doom_documents, entries=batch, now=self._clock.now(), lease=lease)
            )
        for entry in entries:
            if entry.subject.scope is RequestScope.ACCOUNT:
                ended, doomed = await self._catalog.write(
                    partial(_end_account, entry=entry, now=self._clock.now(), lease=lease)
                )
                report.ended += ended
                report.doomed += doomed
                while more := await self._catalog.write(
                    partial(_doom_of_account, entry=entry, now=self._clock.now(), lease=lease)
                ):
                    report.doomed += more
        # Of what is not held any more the requests can be answered at once.
        await self._catalog.write(lambda tx: tx.settle_requests(self._clock.now()))

    async def _export(
        self, latest: dict[Subject, OutsideTombstone], requests: dict[int, OutsideTombstone], report: ReplayReport
    ) -> None:
        """Write to the record what the catalog knows and it does not: it is new, or an old copy of it was put back."""
        since = self._clock.now() - kept_outside_for(self._rules.lease)
        cursor = FIRST_SUBJECT
        while batch := await self._catalog.read(partial(_tombstones_after, cursor=cursor)):
            cursor = batch[-1].document_id
            lacking = [
                stone for stone in batch if stone.since >= since and not _is_known(stone, latest) and not stone.stands
            ]
            if lacking:
                await asyncio.to_thread(self._record.append, [*map(_outside, lacking)])
            report.exported += len(lacking)
        after = 0
        while held := await self._catalog.read(partial(_requests_after, after=after)):
            after = held[-1].request_id
            unknown = [entry for entry in held if entry.request_id not in requests]
            if unknown:
                await asyncio.to_thread(self._record.append, [*map(outside_of, unknown)])
            report.exported += len(unknown)


async def keep_quietly(step: Callable[[], Awaitable[object]]) -> None:
    """Do a step whose failure holds nothing up: it is owed, and tried again every minute and by every purge and start.

    Args:
        step: of the record outside.
    """
    try:
        await step()
    except StoreFailure as failure:
        _log.warning(
            Event.TOMBSTONES_UNKEPT,
            "The record of tombstones outside the database could not be brought up to date.",
            cause=failure,
        )


def _unkept(view: View, removals: Sequence[Removal]) -> tuple[list[RemovalRequest], list[Tombstone]]:
    whole = [removal.document_id for removal in removals if removal.scope is Scope.DOCUMENT]
    stones = view.tombstones(whole) if whole else {}
    return view.requests_not_outside(_BATCH), list(stones.values())


def _kept(tx: Transaction, requests: Sequence[RemovalRequest], span: Span) -> None:
    for written in requests:
        now = tx.removal_request(written.request_id)
        # One that ended meanwhile has more to tell.
        if now is not None and now.ended_at == written.ended_at:
            tx.put_removal_request(replace(now, is_kept_outside=True))
    _advance(tx, span)


def _advance(tx: Transaction, span: Span) -> None:
    """Move the mark, unless something before it was not seen yet: then all of it is read at the next start."""
    if tx.note(NOTE) == span.begins:
        tx.set_note(NOTE, span.ends)


def _seen(tx: Transaction, reading: Reading) -> None:
    if reading.end and tx.note(NOTE) != reading.end:
        tx.set_note(NOTE, reading.end)


def _outside(stone: Tombstone) -> OutsideTombstone:
    subject = Subject(RequestScope.DOCUMENT, stone.document_id, stone.account_id)
    # No request stands behind an album that has to stay away: the stone alone says so.
    stands = stone.stands and is_entry(stone.document_id)
    return OutsideTombstone(subject, Reason(stone.reason), stone.since, stands=stands)


def _tombstones_after(view: View, cursor: int) -> list[Tombstone]:
    return view.tombstones_after(cursor, _BATCH)


def _requests_after(view: View, after: int) -> list[RemovalRequest]:
    return view.removal_requests(after=after, limit=_BATCH)


def _is_known(stone: Tombstone, latest: dict[Subject, OutsideTombstone]) -> bool:
    known = latest.get(Subject(RequestScope.DOCUMENT, stone.document_id))
    return known is not None and known.since >= stone.since


def _put_requests_back(tx: Transaction, entries: Sequence[OutsideTombstone], lease: Lease) -> int:
    changed = 0
    for entry in entries:
        held, told = tx.removal_request(entry.request_id), request_of(entry, lease)
        if held is None:
            tx.put_removal_request(told)
        elif (held.subject, held.received_at) != (told.subject, told.received_at):
            tx.put_removal_request(replace(told, request_id=0))  # the number was given again
        elif held.stands and not told.stands:
            tx.put_removal_request(replace(held, ended_at=told.ended_at, ended_by=told.ended_by, is_kept_outside=True))
        else:
            continue
        changed += 1
    return changed


def _doom_documents(tx: Transaction, entries: Sequence[OutsideTombstone], now: Instant, lease: Lease) -> int:
    entries = [_as_it_stands(tx, entry) for entry in entries]
    held = tx.documents([entry.subject.subject_id for entry in entries])
    stones: list[Tombstone] = []
    doomed: list[tuple[Document, OutsideTombstone]] = []
    for entry in entries:
        document = held.get(entry.subject.subject_id)
        if document is None or entry.stands:
            stones.append(_stone(entry))
        if document is not None and (entry.stands or document.verified_at <= entry.since):
            doomed.append((document, entry))
    tx.put_tombstones(stones)
    restored = _owe_entries(tx, entries, now, lease)
    for entry in entries:
        if entry.request_id and not entry.stands:
            tx.lift_tombstone(entry.subject.subject_id, entry.since)
    return _owe(tx, doomed, now, lease) + restored


def _owe_entries(tx: Transaction, stones: Sequence[OutsideTombstone], now: Instant, lease: Lease) -> int:
    """Doom entries that are held though they were erased since they were verified (I4)."""
    reasons = {stone.subject.subject_id: stone for stone in stones if is_entry(stone.subject.subject_id)}
    held = [
        entry
        for number, entry in tx.entries(reasons).items()
        if reasons[number].stands or entry.verified_at <= reasons[number].since
    ]
    owe_entries(tx, held, lambda entry: reasons[entry.number].reason, now, lease, EVIDENCE)
    return len(held)


def _as_it_stands(tx: Transaction, entry: OutsideTombstone) -> OutsideTombstone:
    """The entry, standing no more where the catalog knows of a later end that could not be written down yet."""
    request = tx.removal_request(entry.request_id) if entry.stands and entry.request_id else None
    is_over = request is not None and not request.stands and request.received_at == entry.received_at
    return replace(entry, stands=False) if is_over else entry


def _owe(tx: Transaction, doomed: Sequence[tuple[Document, OutsideTombstone]], now: Instant, lease: Lease) -> int:
    changed = [(_doomed(document, now), entry) for document, entry in doomed]
    tx.update_documents([document for document, _ in changed])
    tx.add_removals(
        [owe_document(document, entry.reason, now, lease, Stage.CONFIRMED, EVIDENCE) for document, entry in changed]
    )
    return len(changed)


def _doomed(document: Document, now: Instant) -> Document:
    hidden_at = document.hidden_at if document.hidden_at is not None else now
    return replace(document, state=DocumentState.DOOMED, hidden_at=hidden_at)


def _stone(entry: OutsideTombstone) -> Tombstone:
    subject = entry.subject
    return Tombstone(subject.subject_id, subject.account_id, entry.reason.value, entry.since, stands=entry.stands)


def _end_account(tx: Transaction, entry: OutsideTombstone, now: Instant, lease: Lease) -> tuple[int, int]:
    """End an account whose owner asked for everything to go, unless they consented anew since (I4)."""
    entry = _as_it_stands(tx, entry)
    account = tx.account(entry.subject.subject_id)
    if account is None or not entry.stands or account.state not in GRANTED_STATES:
        return 0, 0
    if account.consent_epoch > entry.consent_epoch:
        return 0, 0
    return 1, end_account(tx, account, AccountState.REMOVED, entry.reason, "removed", now, lease)


def _doom_of_account(tx: Transaction, entry: OutsideTombstone, now: Instant, lease: Lease) -> int:
    """Doom some documents of an account that were verified before everything of it had to go."""
    old = tx.documents_unverified_since(
        entry.since + 1, _BATCH, states=_SHOWN_STATES, account_id=entry.subject.subject_id
    )
    others = tx.entries_unverified_since(
        entry.since + 1, _BATCH, states=_SHOWN_STATES, account_id=entry.subject.subject_id
    )
    owe_entries(tx, others, lambda _: entry.reason, now, lease, EVIDENCE)
    return _owe(tx, [(document, entry) for document in old], now, lease) + len(others)
