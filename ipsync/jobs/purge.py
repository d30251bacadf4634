"""Purge: erase what must go, so that nothing of it is left, and look before saying so (design §6).

Order: hidden → intent on record → bytes unlinked, directories synced, absence seen → text overwritten,
tombstone left → write-ahead log truncated → gone. Each step may be repeated after a crash at any instant.
Nothing that ipernity says or fails to say is asked here: what is due is in the catalog.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, cast

from ipsync.jobs.purge_telling import tell_gone
from ipsync.jobs.tombstones import Tombstones
from ipsync.policy.documents import Document, DocumentState, Rendition, RenditionState, Tombstone
from ipsync.policy.drills import NOTE as DRILL_NOTE
from ipsync.policy.drills import marked, read_drill
from ipsync.policy.entries import Entry, is_entry, subject_field
from ipsync.policy.instants import Instant
from ipsync.policy.ledger import gone as gone_entry
from ipsync.policy.planning import next_try
from ipsync.policy.removals import DEADLINE, Reason, Removal, Scope, Stage, confirmed, is_breach
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.store import ContentKey, ContentStore, Erased, StoreFailure
from ipsync.telemetry import Event, Metrics, get_log

_log = get_log(__name__)

_First = TypeVar("_First")
_Second = TypeVar("_Second")

_BATCHES_PER_SCRUB = 20
_MANY = 20_000


@dataclass(slots=True)
class PurgeReport:
    """What one run erased.

    Attributes:
        breaches: removals that were done later than the law allows.
        failed: removals whose bytes could not be erased yet.
        unscrubbed: whether erased text still lies in the write-ahead log, held there by a reader.
        unrecorded: whether the record outside the database could not be written, so that nothing was called gone.
    """

    erased: int = 0
    files: int = 0
    size_bytes: int = 0
    breaches: int = 0
    failed: int = 0
    unscrubbed: bool = False
    unrecorded: bool = False


class Purge:
    """The worker that erases."""

    def __init__(
        self,
        catalog: Catalog,
        store: ContentStore,
        store_lock: asyncio.Lock,
        clock: Clock,
        rules: Rules,
        metrics: Metrics,
        tombstones: Tombstones,
    ) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            store: where the bytes are.
            store_lock: held while files get or lose their names, so that no download is kept for a
                document that was just erased.
            clock: the lease clock.
            rules: the thresholds.
            metrics: what is counted.
            tombstones: the record outside the database; nothing is called gone that it does not know (F28).
        """
        self._catalog = catalog
        self._store = store
        self._store_lock = store_lock
        self._clock = clock
        self._rules = rules
        self._metrics = metrics
        self._tombstones = tombstones
        self._scrubbed_at: Instant = 0

    async def plan(self, limit: int) -> list[Removal]:
        """What the next run would erase, changing nothing (`purge --dry-run`)."""
        now = self._clock.now()
        return await self._catalog.read(lambda view: view.due_removals(now, limit))

    async def run(self, batch: int = 500) -> PurgeReport:
        """Erase everything that is due, in batches, the earliest deadline first.

        Args:
            batch: removals per transaction and directory sync.
        """
        report = PurgeReport()
        passed_over: set[int] = set()
        absent: list[Removal] = []
        turn = 0
        going = await self._catalog.write(partial(self._move_on, absent=absent, limit=batch))
        while going:
            turn += 1
            passed_over |= {removal.removal_id for removal in going}
            # The disk is waited for while the catalog forgets the batch before and puts the next one on record.
            step = partial(self._move_on, absent=absent, limit=batch, passed_over=frozenset(passed_over))
            absent, going = await _side_by_side(self._erase(going, report), self._catalog.write(step))
            # What is absent is no longer due once it is forgotten; what failed stays passed over.
            passed_over -= {removal.removal_id for removal in absent}
            if turn % _BATCHES_PER_SCRUB == 0:
                await self._finish(report, absent)
                absent = []
        await self._finish(report, absent)
        await self._scrub_now_and_then(report)
        return report

    def _move_on(
        self, tx: Transaction, absent: Sequence[Removal], limit: int, passed_over: frozenset[int] = frozenset()
    ) -> list[Removal]:
        """Forget what is absent, and put the intent to erase the next batch on record, in one transaction."""
        if absent:
            self._forget(tx, absent)
        return _intend(tx, self._clock.now(), limit, passed_over)

    async def _erase(self, removals: list[Removal], report: PurgeReport) -> list[Removal]:
        """Unlink the bytes of a batch, one by one where the batch as a whole fails. Returns what is absent now."""
        try:
            erased = await self._unlink(removals)
        except Exception:  # noqa: BLE001  # reason: whatever it was, it is looked for one by one
            return await self._erase_singly(removals, report)
        report.files += erased.files
        report.size_bytes += erased.size_bytes
        return removals

    async def _erase_singly(self, removals: list[Removal], report: PurgeReport) -> list[Removal]:
        """Isolate what cannot be erased, so that it blocks nobody else's removal."""
        done: list[Removal] = []
        for removal in removals:
            try:
                erased = await self._unlink([removal])
            except Exception as error:  # noqa: BLE001  # reason: a removal that fails must not hold up the others
                report.failed += 1
                await self._put_off(removal, error)
                continue
            report.files += erased.files
            report.size_bytes += erased.size_bytes
            done.append(removal)
        return done

    async def _unlink(self, removals: Sequence[Removal]) -> Erased:
        whole = sorted(
            {
                (entry.account_id, entry.document_id)
                for entry in removals
                if entry.scope is Scope.DOCUMENT and not is_entry(entry.document_id)
            }
        )
        files = [
            ContentKey(entry.account_id, entry.document_id, name)
            for entry in removals
            if entry.scope is Scope.FILES
            for name in entry.renditions
        ]
        async with self._store_lock:
            return await asyncio.to_thread(_unlink, self._store, whole, files)

    async def _put_off(self, removal: Removal, error: Exception) -> None:
        window = self._rules.lease.window
        attempts = removal.attempts + 1
        later = next_try(self._clock.now(), attempts, window // 8640, window // 288)

        def put_off(tx: Transaction) -> None:
            now = tx.removal(removal.removal_id)
            # Another process may have been luckier meanwhile.
            if now is not None and now.stage is Stage.INTENDED:
                tx.update_removals([replace(now, attempts=attempts, next_try_at=later)])

        await self._catalog.write(put_off)
        _log.error(
            Event.REMOVAL_FAILED,
            "The store could not erase a document; it is tried again.",
            # What a store says of itself needs no traceback; anything else is a mistake of ours.
            cause=None if isinstance(error, StoreFailure) else error,
            account_id=removal.account_id,
            **subject_field(removal.document_id),
            attempts=attempts,
        )

    def _forget(self, tx: Transaction, removals: Sequence[Removal]) -> None:
        """Overwrite the personal text, leave the tombstones, and record that only the log remains.

        What another process has finished meanwhile is left as it is; what was learned of a removal
        meanwhile, e.g. that its owner asked for it, is kept.
        """
        now = self._clock.now()
        current = _moved(tx, removals, Stage.INTENDED, Stage.ERASED)
        whole = [removal for removal in current if removal.scope is Scope.DOCUMENT]
        tx.forget_documents([removal.document_id for removal in whole])
        tx.forget_entries([removal.document_id for removal in whole if is_entry(removal.document_id)])
        tx.put_tombstones(
            Tombstone(removal.document_id, removal.account_id, removal.reason.value, now) for removal in whole
        )
        partly = [removal for removal in current if removal.scope is Scope.FILES]
        if partly:
            _free_files(tx, partly, self._rules)

    async def _finish(self, report: PurgeReport, absent: Sequence[Removal]) -> None:
        """Forget what is absent, truncate the log, say gone. While a reader holds it back, nothing is said (F24)."""
        if absent:
            await self._catalog.write(partial(self._forget, removals=absent))
        report.unscrubbed = report.unrecorded = False
        # What is erased after the truncation, e.g. by another process, waits for the next one.
        while waiting := await self._catalog.read(_erased):
            if not self._catalog.scrubs:
                report.unscrubbed = True  # by the daemon, within moments
                return
            if not await self._catalog.scrub():
                report.unscrubbed = True
                _log.warning(Event.CATALOG_BUSY, "A reader holds back the log's truncation; it is tried again.")
                return
            self._scrubbed_at = self._clock.now()
            if not await self._keep_outside(waiting):
                report.unrecorded = True
                return
            now = self._clock.now()
            gone = await self._catalog.write(partial(_say_gone, removals=waiting, now=now))
            report.erased += len(gone)
            report.breaches += sum(is_breach(removal, now) for removal in gone)
            tell_gone(gone, now, self._metrics)

    async def _keep_outside(self, erased: Sequence[Removal]) -> bool:
        """Put on record outside the database what a restored one must not bring back (F28, I4)."""
        try:
            await self._tombstones.keep(erased)
        except StoreFailure as failure:
            _log.error(
                Event.TOMBSTONES_UNKEPT, "Nothing is called gone yet: the record cannot be written.", cause=failure
            )
            return False
        return True

    async def _scrub_now_and_then(self, report: PurgeReport) -> None:
        """Truncate the log though nothing was erased: what a member reworded or took off a map lies there too."""
        now = self._clock.now()
        is_time = self._catalog.scrubs and now - self._scrubbed_at >= self._rules.lease.window // 24
        if is_time and not report.unscrubbed and await self._catalog.scrub():
            self._scrubbed_at = now


async def _side_by_side(first: Awaitable[_First], second: Awaitable[_Second]) -> tuple[_First, _Second]:
    """Wait for both, whatever becomes of one: neither is left behind at work."""
    done = await asyncio.gather(first, second, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return cast("tuple[_First, _Second]", tuple(done))


def _intend(tx: Transaction, now: Instant, limit: int, passed_over: frozenset[int]) -> list[Removal]:
    """Put the intent on record: from here a document only goes forward (design §6).

    The counts of files and bytes are those of the catalog, taken while its rows are still there. A
    suspicion whose document is LIVE was overtaken by a verification: it is withdrawn, and erases nothing.
    Nor does the removal of single files reach files that came later, with a document that returned.
    """
    due = tx.due_removals(now, limit, passed_over)
    suspected = [entry.document_id for entry in due if entry.stage is Stage.SUSPECTED]
    held: dict[int, Document | Entry] = {}
    if suspected:
        held = {**tx.documents(suspected), **tx.entries(suspected)}
    overtaken = [entry for entry in due if _is_overtaken(entry, held.get(entry.document_id))]
    tx.update_removals([replace(entry, stage=Stage.WITHDRAWN) for entry in overtaken])
    withdrawn = {entry.removal_id for entry in overtaken}
    drill = read_drill(tx.note(DRILL_NOTE))
    partly = {entry.document_id for entry in due if entry.scope is Scope.FILES}
    files = tx.renditions(partly) if partly else {}
    intended = [
        marked(drill, _with_intent(entry, files.get(entry.document_id, ()), now), now)
        for entry in due
        if entry.removal_id not in withdrawn
    ]
    before = {entry.removal_id: entry for entry in due}
    tx.update_removals([entry for entry in intended if entry is not before[entry.removal_id]])
    whole = [entry for entry in intended if entry.scope is Scope.DOCUMENT]
    tx.intend_removals([entry.removal_id for entry in whole])
    tx.doom_documents([entry.document_id for entry in whole], now)
    tx.doom_entries([entry.document_id for entry in whole if is_entry(entry.document_id)], now)
    return intended


def _with_intent(removal: Removal, held: Sequence[Rendition], now: Instant) -> Removal:
    """A removal with all that is known when it is intended; files of whole documents are counted by the catalog."""
    certain = confirmed(removal, now, DEADLINE) if removal.stage is Stage.SUSPECTED else removal
    return certain if certain.scope is Scope.DOCUMENT else _narrowed(certain, held)


def _is_overtaken(removal: Removal, held: Document | Entry | None) -> bool:
    return removal.stage is Stage.SUSPECTED and held is not None and held.state is DocumentState.LIVE


def _moved(
    tx: Transaction, removals: Sequence[Removal], before: Stage, after: Stage, gone_at: Instant | None = None
) -> list[Removal]:
    """Move removals on; gives those back that nobody else moved meanwhile, for the reasons that are known now."""
    reasons = tx.advance_removals([removal.removal_id for removal in removals], before, after, gone_at)
    return [
        removal if removal.reason is reason else replace(removal, reason=reason)
        for removal in removals
        if (reason := reasons.get(removal.removal_id)) is not None
    ]


def _narrowed(removal: Removal, held: Sequence[Rendition]) -> Removal:
    """The removal of single files as INTENDED: narrowed to those that are still going, with their number and bytes."""
    newer = {entry.file.rendition for entry in held if entry.state is not RenditionState.ERASING}
    names = tuple(name for name in removal.renditions if name not in newer)
    going = [entry for entry in held if entry.file.rendition in names]
    size_bytes = sum(entry.size_bytes for entry in going)
    return replace(removal, stage=Stage.INTENDED, renditions=names, files_erased=len(going), bytes_erased=size_bytes)


def _unlink(store: ContentStore, whole: Sequence[tuple[int, int]], files: Sequence[ContentKey]) -> Erased:
    first = store.erase_documents(whole) if whole else Erased(0, 0)
    second = store.erase_files(files) if files else Erased(0, 0)
    return Erased(first.files + second.files, first.size_bytes + second.size_bytes)


def _free_files(tx: Transaction, removals: Sequence[Removal], rules: Rules) -> None:
    """After single files went: want them again where they are still permitted, else forget the row."""
    held = tx.renditions([removal.document_id for removal in removals], (RenditionState.ERASING,))
    wanted: list[Rendition] = []
    dropped: list[ContentKey] = []
    for removal in removals:
        for rendition in held.get(removal.document_id, []):
            name = rendition.file.rendition
            if name not in removal.renditions:
                continue
            # Without an address nothing can be fetched: the next listing or details give another.
            if name in rules.view.renditions and removal.reason is not Reason.POLICY_CHANGE and rendition.file.url:
                wanted.append(_wanted_again(rendition))
            else:
                dropped.append(ContentKey(rendition.account_id, rendition.document_id, name))
    tx.put_renditions(wanted)
    tx.drop_renditions(dropped)


def _wanted_again(rendition: Rendition) -> Rendition:
    return replace(
        rendition,
        state=RenditionState.WANTED,
        size_bytes=0,
        digest=None,
        content_type="",
        stored_at=None,
        attempts=0,
        next_try_at=0,
    )


def _erased(view: View) -> list[Removal]:
    return view.removals(stages={Stage.ERASED}, limit=_MANY)


def _say_gone(tx: Transaction, removals: Sequence[Removal], now: Instant) -> list[Removal]:
    """Say gone of those that are still waiting for it, with an entry of the ledger for each, and once (I8)."""
    gone = _moved(tx, removals, Stage.ERASED, Stage.GONE, now)
    tx.append_ledger([gone_entry(removal, now) for removal in gone])
    tx.settle_requests(now)
    return gone
