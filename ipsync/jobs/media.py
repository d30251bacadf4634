"""Fetch the files of mirrored documents: once, within their own limits, never before a verification (T22, F39).

Downloads run beside each other under temporary names. A file gets its real name only while the store
lock is held and the catalog still says that its document may be kept, in the version that was
fetched; and it counts only if the catalog says so once more when it is recorded. So nothing erased
comes back, and nothing is kept for a document that is not LIVE.

Quotas are asked twice too (F31): before a download, for what a file may have, and when it gets its name, for what it
has. An account that filled its own is passed over, and no other waits for it.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from ipsync.jobs.media_keeping import (
    UNFINISHED,
    Arrived,
    Asked,
    Missed,
    discard,
    erase_quietly,
    in_turn,
    keep_files,
    key_of,
    may_keep,
    put_aside,
    record,
    still_wanted,
)
from ipsync.jobs.restraint import Restraint
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import Rendition
from ipsync.policy.instants import Duration
from ipsync.policy.quota import Filling, Holdings
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, CatalogFailure, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import MediaFailure, MediaLater, MediaRejected, MediaSource
from ipsync.ports.store import ContentKey, ContentStore, Incoming, StoreFailure, StoreFull
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_AT_ONCE = 4
_BATCH = 64
_ROUNDS = 50
_MOST_TOLD = 10_000


@dataclass(slots=True)
class MediaReport:
    """What one run fetched.

    Attributes:
        outdated: files that arrived when they were not permitted or not wanted any more; nothing of them is kept.
        beyond: files that arrived and were larger than a quota has room for; nothing of them is kept.
        full: whether the run ended because nothing more can be stored.
        held_up: accounts of which files wait because a quota is reached.
    """

    files: int = 0
    size_bytes: int = 0
    failed: int = 0
    outdated: int = 0
    beyond: int = 0
    full: bool = False
    held_up: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Batch:
    """Files being fetched together: what came, and what did not."""

    arrived: list[Arrived] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)


class Media:
    """The downloader."""

    def __init__(
        self,
        media: MediaSource,
        catalog: Catalog,
        store: ContentStore,
        store_lock: asyncio.Lock,
        clock: Clock,
        rules: Rules,
    ) -> None:
        """Wire the job.

        Args:
            media: the hosts of the files.
            catalog: the durable memory.
            store: where bytes go.
            store_lock: held while files get or lose their names.
            clock: the lease clock.
            rules: which renditions are wanted, of which documents.
        """
        self._media = media
        self._catalog = catalog
        self._store = store
        self._store_lock = store_lock
        self._clock = clock
        self._rules = rules
        self._restraint = Restraint(rules.lease)
        self._told: set[ContentKey] = set()
        self._held_up: frozenset[int] = frozenset()

    async def run(self, on_batch: Callable[[MediaReport], None] | None = None) -> MediaReport:
        """Fetch what is wanted, batch by batch, until nothing is wanted now, the store is full or quotas are reached.

        No address is asked twice in one run. What cannot be stored is not downloaded over and over. Where files are
        fetched on demand, nothing is fetched here.

        Args:
            on_batch: told after each batch, for progress.
        """
        report = MediaReport()
        if self._rules.on_demand or self._restraint.holds(self._clock.now()):
            return report
        asked: set[tuple[ContentKey, str]] = set()
        while not report.full:
            wanted = await self._wanted(asked)
            if not wanted:
                break
            asked |= {(entry.key, entry.rendition.file.url) for entry in wanted}
            await self._fetch_batch(wanted, report)
            if on_batch is not None:
                on_batch(report)
        report.held_up = await self._look_at_quotas()
        if report.full:
            self._restraint.pause(self._clock.now())
        else:
            self._restraint.answered()
        return report

    async def fetch_one(self, key: ContentKey) -> Duration:
        """Fetch one file, if it is wanted and may be copied and its time has come.

        Args:
            key: which.

        Returns:
            0 where it is there, or will not be: nothing is to be waited for. Else after how long to try again.
        """
        later = self._rules.lease.window // 1440
        if self._restraint.holds(self._clock.now()):
            return later
        asked, wait = await self._catalog.read(partial(self._look_at, key=key))
        if asked is None:
            return wait
        report = MediaReport()
        await self._fetch_batch([asked], report)
        if report.full:
            self._restraint.pause(self._clock.now())
            return later
        _, wait = await self._catalog.read(partial(self._look_at, key=key))
        return wait

    def _look_at(self, view: View, key: ContentKey) -> tuple[Asked | None, Duration]:
        """One wanted file: to be fetched now, or after how long; neither where it is not wanted, or may not be had."""
        now = self._clock.now()
        document, account = view.documents([key.document_id]).get(key.document_id), view.account(key.account_id)
        if document is None or account is None or account.state is not AccountState.ACTIVE:
            return None, 0
        if document.account_id != key.account_id or not may_keep(document, key.rendition, self._rules, now):
            return None, 0
        for entry in view.renditions([key.document_id], UNFINISHED).get(key.document_id, ()):
            if entry.file.rendition == key.rendition:
                wait = max(0, entry.next_try_at - now)
                if not wait and not self._has_room(view, key.account_id):
                    wait = self._rules.lease.window // 1440
                return (None, wait) if wait else (Asked(entry, document.facts), 0)
        return None, 0

    def _has_room(self, view: View, account_id: int) -> bool:
        """Whether the quotas leave room for one more file of an account."""
        holdings, quota = self._holdings(view), self._rules.quota
        return not quota.is_reached(holdings) and account_id not in quota.reached_by(holdings)

    def _holdings(self, view: View) -> Holdings:
        """What is stored, by account; nothing where no quota asks for it."""
        return view.holdings() if self._rules.quota.is_set else {}

    async def _look_at_quotas(self) -> frozenset[int]:
        """See for whom files wait because of a quota, and tell of accounts that were not among them before."""
        if not self._rules.quota.is_set:
            return frozenset()
        held_up = self._rules.quota.held_up(await self._catalog.read(self._holdings))
        if held_up - self._held_up:
            _log.warning(
                Event.MEDIA_HELD_UP,
                "A quota is reached: new files wait until something is erased or the quota is raised.",
                accounts=len(held_up),
            )
        self._held_up = held_up
        return held_up

    async def _wanted(self, asked: Collection[tuple[ContentKey, str]]) -> list[Asked]:
        """The next files to ask for. Those that may not be kept now are put aside, so that they block nobody."""
        for _ in range(_ROUNDS):
            fresh, barred = await self._catalog.read(partial(self._look, asked=asked))
            if barred:
                later = self._clock.now() + self._rules.lease.window // 288
                await self._catalog.write(partial(put_aside, renditions=barred, later=later, rules=self._rules))
            if fresh or not barred:
                return fresh
        return []

    def _look(self, view: View, asked: Collection[tuple[ContentKey, str]]) -> tuple[list[Asked], list[Rendition]]:
        """What is wanted: what may be fetched and has room, and what may not although its document is LIVE."""
        holdings, quota = self._holdings(view), self._rules.quota
        if quota.is_reached(holdings):
            return [], []
        filling = Filling(quota, holdings)
        wanted = view.wanted_renditions(self._clock.now(), _BATCH, quota.reached_by(holdings))
        if quota.size_most is not None:
            wanted = in_turn(wanted)  # the last of the room is not one account's alone
        documents = view.documents({entry.document_id for entry in wanted})
        found: list[Asked] = []
        barred: list[Rendition] = []
        for rendition in wanted:
            document, file = documents[rendition.document_id], rendition.file
            if not may_keep(document, file.rendition, self._rules, self._clock.now()):
                barred.append(rendition)
            elif (key_of(rendition), file.url) in asked:
                continue
            # What finds no room beside the others comes with the next batch, when it is known how large they are.
            elif filling.take(rendition.account_id, quota.expected_bytes(file.rendition, file.size_bytes)):
                found.append(Asked(rendition, document.facts))
        return found, barred

    async def _fetch_batch(self, wanted: Sequence[Asked], report: MediaReport) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)
        batch = _Batch()

        async def fetch(asked: Asked) -> None:
            async with gate:
                if not report.full:
                    await self._fetch(asked, batch, report)

        try:
            async with asyncio.TaskGroup() as tasks:
                for asked in wanted:
                    tasks.create_task(fetch(asked))
        finally:
            # Also when the run is cancelled: what arrived whole is kept or discarded, never left open.
            keeping = asyncio.create_task(self._keep(batch, report))
            try:
                await asyncio.shield(keeping)
            except asyncio.CancelledError:
                await keeping
                raise

    async def _fetch(self, asked: Asked, batch: _Batch, report: MediaReport) -> None:
        """Download one file, and note whether it came."""
        try:
            incoming = await asyncio.to_thread(self._store.receive, asked.key)
        except StoreFull:
            self._fill(report)
            return
        except StoreFailure:
            batch.missed.append(Missed(asked))  # e.g. another process receives it
            report.failed += 1
            return
        try:
            fetched = await self._media.fetch(asked.rendition.file, incoming, asked.facts.media)
        except StoreFull:
            incoming.close()
            self._fill(report)
        except (MediaFailure, StoreFailure) as failure:
            await self._give_up(asked, incoming, failure, batch)
            report.failed += 1
        except Exception as error:  # noqa: BLE001  # reason: one odd file must not keep all others from being fetched
            await self._give_up(asked, incoming, StoreFailure("an error of ours"), batch)
            report.failed += 1
            _log.error(
                Event.MEDIA_FAILED,
                "A file could not be fetched, and we do not know why.",
                cause=error,
                document_id=asked.rendition.document_id,
            )
        except BaseException:
            incoming.close()
            raise
        else:
            self._told.discard(asked.key)
            batch.arrived.append(Arrived(asked, incoming, fetched))

    async def _give_up(
        self, asked: Asked, incoming: Incoming, failure: MediaFailure | StoreFailure, batch: _Batch
    ) -> None:
        pause: Duration | None = None
        if isinstance(failure, MediaLater):
            pause = failure.pause
            incoming.close()  # the next try may go on from here
        else:
            await asyncio.to_thread(discard, incoming)
        if isinstance(failure, MediaRejected) and self._is_news(asked.key):
            _log.warning(
                Event.MEDIA_REJECTED,
                "A file was not stored.",
                document_id=asked.rendition.document_id,
                rendition=asked.rendition.file.rendition,
                reason=str(failure),
            )
        batch.missed.append(Missed(asked, pause))

    def _is_news(self, key: ContentKey) -> bool:
        """Whether the rejection of this file was not told yet: it is tried again for as long as it is wanted."""
        if key in self._told:
            return False
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add(key)
        return True

    def _fill(self, report: MediaReport) -> None:
        if not report.full:
            _log.warning(Event.STORE_FULL, "The store is full: nothing new is fetched, erasing goes on.")
        report.full = True

    async def _keep(self, batch: _Batch, report: MediaReport) -> None:
        """Give the arrived files their names, if their documents may still be kept, and record them."""
        if not batch.arrived and not batch.missed:
            return
        async with self._store_lock:
            wanted, beyond = await self._catalog.read(partial(self._sort_out, batch=batch))
            kept = await asyncio.to_thread(keep_files, self._store, batch.arrived, wanted)
            missed = [*batch.missed, *(Missed(asked) for asked in (*kept.broken, *beyond))]
            report.full = report.full or kept.full
            report.failed += len(kept.broken)
            report.beyond += len(beyond)
            try:
                lost = await self._catalog.write(
                    lambda tx: record(tx, kept.files, missed, self._rules, self._clock.now())
                )
            except CatalogFailure:
                # What the catalog does not know of may not stay, and is not fetched again and again.
                self._restraint.pause(self._clock.now())
                await asyncio.to_thread(erase_quietly, self._store, [file.key for _, file in kept.files])
                raise
            if lost:
                await asyncio.to_thread(self._store.erase_files, lost)
        stored = [file for _, file in kept.files if file.key not in lost]
        report.outdated += len(batch.arrived) - len(stored) - len(kept.broken) - len(beyond)
        report.files += len(stored)
        report.size_bytes += sum(file.size_bytes for file in stored)

    def _sort_out(self, view: View, batch: _Batch) -> tuple[Collection[ContentKey], list[Asked]]:
        """Those of the arrived files that may be kept, and those that only a quota has no room for."""
        asked = [item.asked for item in batch.arrived]
        wanted = still_wanted(view, asked, self._rules, self._clock.now()).keys()
        filling = Filling(self._rules.quota, self._holdings(view))
        fitting: set[ContentKey] = set()
        beyond: list[Asked] = []
        for item in batch.arrived:
            if item.asked.key in wanted:
                if filling.take(item.asked.rendition.account_id, item.incoming.received_bytes):
                    fitting.add(item.asked.key)
                else:
                    beyond.append(item.asked)
        return fitting, beyond
