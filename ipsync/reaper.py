"""The reaper: what is overdue goes, also where no daemon does it: dead, hung, without network, on a full disk.

It runs now and then as a process of its own, asks ipernity nothing, and leaves a daemon that lives alone. It may
do less than the daemon, never more: what it erases is due by the catalog and the clock alone (design §3).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from ipsync.base import Base, erase_without_database, make_room, open_base
from ipsync.jobs.expiry import Expiry
from ipsync.jobs.purge import Purge, PurgeReport
from ipsync.jobs.reachability import OUTAGE_NOTE
from ipsync.jobs.tombstones import Tombstones
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import SECOND, Duration, Instant, seconds
from ipsync.policy.lease import Lease
from ipsync.policy.reaping import Keeper, keeper_of, longest_silence, second_look
from ipsync.policy.removals import OPEN_STAGES, SEALED, Removal, Scope, Stage, is_due
from ipsync.policy.rules import Rules
from ipsync.policy.sealing import Outage, may_seal
from ipsync.ports.catalog import (
    CatalogBroken,
    CatalogBusy,
    CatalogCorrupt,
    CatalogFull,
    CatalogMissing,
    CatalogNewer,
    StateKeyWrong,
    View,
)
from ipsync.ports.store import StoreFailure
from ipsync.process import REAPED, Holder, LastRun, OneProcessLock
from ipsync.settings import Settings
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

COMMAND = "ipsync reap"
"""How the reaper calls itself to whoever finds the lock taken."""

_LOCK_TRIES = 5
_LOCK_PAUSE_SECONDS = 0.1
_MANY = 1000
_BATCH = 200
_SEALED = {DocumentState.SEALED}
_SHOWN = (DocumentState.LIVE, DocumentState.SUSPECT, DocumentState.STALE)


@dataclass(frozen=True, slots=True)
class Due:
    """What must be erased now, counted up to 1,000 each.

    Attributes:
        documents: past the age at which erasing starts (22/24 W), and not owed yet; with albums, folders and articles.
        removals: owed, and due.
        waiting: removals of these that have been due for longer than a living daemon takes.
        is_late: whether something is held past the age at which erasing is done (23/24 W).
    """

    documents: int
    removals: int
    waiting: int
    is_late: bool

    @property
    def is_any(self) -> bool:
        """Whether anything is due."""
        return bool(self.documents or self.removals)

    @property
    def is_overdue(self) -> bool:
        """Whether a living daemon would have erased it by now."""
        return bool(self.documents or self.waiting)


@dataclass(slots=True)
class ReapReport:
    """What one run found and did.

    Attributes:
        keeper: who looks after the mirror; None where the database cannot be read.
        holder: the process that holds the daemon's lock, or None.
        silence: since its newest sign of life, microseconds, or None.
        due: what had to go; None where the database cannot be read.
        epoch: begun by this run, to fence off whoever held the lock before; 0 where none was.
        unlinked: files that were erased before anything could be recorded, the disk being full.
        failure: why not all could be done, "" where it could.
    """

    keeper: Keeper | None = None
    holder: Holder | None = None
    silence: Duration | None = None
    due: Due | None = None
    epoch: int = 0
    erased: int = 0
    files: int = 0
    size_bytes: int = 0
    breaches: int = 0
    unlinked: int = 0
    failure: str = ""

    @property
    def is_remarkable(self) -> bool:
        """Whether something had to be done that the daemon should have done."""
        return bool(self.erased or self.files or self.unlinked or self.epoch)


class Reaper:
    """One run."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing happens before `run`.

        Args:
            settings: what is configured; of the secrets only `state_key` is needed.
        """
        self._settings = settings
        self._rules: Rules = settings.rules()
        self._lease: Lease = self._rules.lease
        self._lock = OneProcessLock(settings.database.path)

    async def run(self, *, dry_run: bool = False) -> ReapReport:
        """Look, and erase what is overdue unless somebody who lives does it.

        Args:
            dry_run: only look.

        Raises:
            CatalogOutdated: the database has another schema than this version's. Where a newer version made it and
                no daemon runs, files that may be past their lease are gone all the same.
            StateKeyWrong: it was made with another `state_key`.
            CatalogFailure: it cannot be used for another reason that only the operator can mend.
            StoreFailure: the store cannot be used.
        """
        report = ReapReport()
        is_ours = not dry_run and await self._take_lock()
        try:
            report.holder = None if is_ours else self._lock.holder()
            if report.holder is None and not is_ours and not dry_run:
                report.holder = Holder(0, "")  # it was taken each time we tried
            try:
                await self._look_somehow(report, dry_run=dry_run)
                if not dry_run:
                    await self._act(report)
            except StateKeyWrong:
                raise
            except CatalogNewer:
                # After a step back, until a backup is restored, nobody else could let anything go.
                if is_ours:
                    await self._without_database(report)
                raise
            except (CatalogCorrupt, CatalogMissing, CatalogBroken) as failure:
                if not dry_run:
                    await self._without_database(report)
                report.failure = report.failure or str(failure)
        finally:
            self._lock.release()
        if not dry_run and not report.failure:
            LastRun(self._settings.database.path, REAPED).mark()
        return report

    async def _take_lock(self) -> bool:
        try:
            for _ in range(_LOCK_TRIES):
                if self._lock.take(COMMAND):
                    return True
                if self._lock.holder() is not None:
                    return False
                # Whoever only looked at the lock has it for a moment.
                await asyncio.sleep(_LOCK_PAUSE_SECONDS)
        except FileNotFoundError:
            return True  # without its folder there is no database to be locked
        except OSError:
            return False  # opening the database says it better
        return False

    @asynccontextmanager
    async def _opened(self, *, takes_over: bool) -> AsyncIterator[Base]:
        base = await open_base(self._settings, is_daemon=takes_over)
        try:
            yield base
        finally:
            await base.close()

    async def _look_somehow(self, report: ReapReport, *, dry_run: bool) -> None:
        """Look; where the disk has not even room for opening the database, make some (F3)."""
        try:
            return await self._look(report)
        except CatalogFull:
            if dry_run:
                raise
        with suppress(CatalogFull):
            await asyncio.to_thread(make_room, self._settings)
            return await self._look(report)
        await self._without_database(report)
        return await self._look(report)

    async def _look(self, report: ReapReport) -> None:
        """Find out who looks after the mirror and what is due, changing nothing."""
        async with self._opened(takes_over=False) as base:
            report.silence = base.clock.since(await base.read_mark())
            report.due = due = await base.catalog.read(partial(_due, now=base.clock.now(), lease=self._lease))
            is_held = report.holder is not None
            if is_held and (report.silence is None or report.silence > longest_silence(self._lease)):
                await asyncio.sleep(second_look(self._lease) / SECOND)
                report.silence = base.clock.since(await base.read_mark())
                report.due = due = await base.catalog.read(partial(_due, now=base.clock.now(), lease=self._lease))
        report.keeper = keeper_of(self._lease, report.silence, is_held=is_held, is_late=due.is_late)
        _log.info(
            Event.REAPER_LOOKED,
            "The reaper has looked.",
            keeper=report.keeper.value,
            silent_seconds=None if report.silence is None else seconds(report.silence),
            overdue_documents=due.documents,
            due_removals=due.removals,
        )

    async def _act(self, report: ReapReport) -> None:
        due, keeper = report.due, report.keeper
        if due is None or not due.is_any or keeper is Keeper.ALIVE:
            return
        if keeper is Keeper.HUNG and not due.is_overdue:
            return
        try:
            await self._erase(report)
        except (CatalogFull, CatalogBusy):
            # Files can go before anything can be written, and give room; every row still tells what to do (F3).
            async with self._opened(takes_over=False) as base:
                await self._unlink_first(base, report)
            try:
                await self._erase(report)
            except CatalogBusy as busy:
                report.failure = (
                    f"{busy}: what is overdue was erased from the store, and stands in the database still. "
                    f"End {report.holder or 'it'}: a process that was stopped while it wrote lets nobody else write"
                )
            except CatalogFull as full:
                report.failure = str(full)
        if report.erased or report.unlinked:
            _log.warning(
                Event.REAPER_ERASED,
                "What was overdue is erased.",
                removals=report.erased,
                files=report.files + report.unlinked,
                size_bytes=report.size_bytes,
            )

    async def _erase(self, report: ReapReport) -> None:
        """Do the daemon's work: in its place, or beside it where it lives and is late."""
        async with self._opened(takes_over=report.keeper is not Keeper.LATE) as base:
            if report.keeper is Keeper.HUNG:
                report.epoch = base.epoch
                await asyncio.to_thread(base.store.fence)
                _log.critical(
                    Event.REAPER_FENCED,
                    "A process holds the daemon's lock and stands still; it is fenced off and ends when it goes on.",
                    holder=str(report.holder),
                    epoch=base.epoch,
                )
            await self._purge(base, report)

    async def _purge(self, base: Base, report: ReapReport) -> None:
        await Expiry(base.catalog, base.clock, self._rules).run()
        tombstones = Tombstones(base.catalog, base.outside, base.clock, self._rules)
        purge = Purge(base.catalog, base.store, base.store_lock, base.clock, self._rules, base.metrics, tombstones)
        done = await purge.run()
        report.erased += done.erased
        report.files += done.files
        report.size_bytes += done.size_bytes
        report.breaches += done.breaches
        report.failure = _why_not_all(done, is_beside=report.keeper is Keeper.LATE)

    async def _unlink_first(self, base: Base, report: ReapReport) -> None:
        """Erase the files of every document that is due, and write nothing."""
        cursor: int | None = 0
        while cursor is not None:
            now = base.clock.now()
            cursor, found = await base.catalog.read(partial(_next_due, now=now, lease=self._lease, cursor=cursor))
            if not found:
                continue
            try:
                erased = await asyncio.to_thread(base.store.erase_documents, found)
            except StoreFailure as failure:
                report.failure = str(failure)
                continue
            report.unlinked += erased.files
            report.size_bytes += erased.size_bytes

    async def _without_database(self, report: ReapReport) -> None:
        """Let files go that may be past their lease, since nobody can tell of them."""
        erased = await erase_without_database(self._settings)
        report.unlinked += erased.files
        report.size_bytes += erased.size_bytes


def _due(view: View, now: Instant, lease: Lease) -> Due:
    held = view.removals(stages=OPEN_STAGES, limit=_MANY)
    # Of what is erased already, the words lie in the database's log until that is cut.
    owed = [entry for entry in held if is_due(entry, now) or entry.stage is Stage.ERASED]
    waited = now - longest_silence(lease)
    late = view.documents_unverified_since(now - lease.gone_age + 1, 1, states=set(DocumentState) - _SEALED)
    late += view.documents_unverified_since(now - lease.gone_age - lease.sealed_grace + 1, 1, states=_SEALED)
    entries = view.entries_unverified_since(now - lease.gone_age + 1, 1, states=set(DocumentState))
    return Due(
        documents=len(view.documents_unverified_since(now - lease.erase_age + 1, _MANY, states=_SHOWN))
        + len(view.entries_unverified_since(now - lease.erase_age + 1, _MANY, states=_SHOWN)),
        removals=len(owed),
        waiting=sum(max(entry.detected_at, entry.confirmed_at or 0) <= waited for entry in owed),
        is_late=bool(late or entries) or any(now >= _gone_from(entry, lease) for entry in owed),
    )


def _gone_from(removal: Removal, lease: Lease) -> Instant:
    """The instant at which a removal should be done. A sealed copy has a deadline of its own."""
    if removal.certificate.startswith(SEALED):
        return removal.erase_by - (lease.window - lease.gone_age)
    return removal.first_unsafe_at + lease.gone_age


def _next_due(view: View, now: Instant, lease: Lease, cursor: int) -> tuple[int | None, list[tuple[int, int]]]:
    """Go on behind document `cursor`: where to go on after that, and (account_id, document_id) of what is due."""
    batch = view.documents_after(cursor, _BATCH)
    held = view.removals(stages=OPEN_STAGES, document_ids=[entry.document_id for entry in batch], limit=_MANY)
    owed = {entry.document_id for entry in held if entry.scope is Scope.DOCUMENT and is_due(entry, now)}
    outage = Outage.decode(view.note(OUTAGE_NOTE))
    states = {account.account_id: account.state for account in view.accounts()} if outage.lasts else {}
    found = [
        (entry.account_id, entry.document_id)
        for entry in batch
        if entry.document_id in owed
        or (
            now - entry.verified_at >= lease.erase_age + lease.grace(entry.state)
            and not may_seal(entry, states.get(entry.account_id), outage, lease)
        )
    ]
    return batch[-1].document_id if batch else None, found


def _why_not_all(done: PurgeReport, *, is_beside: bool) -> str:
    if done.failed:
        return f"{done.failed} removals could not be done: look at the disk; the next run tries again"
    if done.unrecorded:
        return "the record of tombstones outside the database could not be written: look at the disk"
    if done.unscrubbed and not is_beside:
        return "a reader holds back the database's log, where erased text still lies: the next run tries again"
    return ""
