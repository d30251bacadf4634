"""Fetch the files of mirrored documents: once, within their own limits, never before a verification (T22, F39).

Downloads run beside each other under temporary names. A file gets its real name only while the store
lock is held and the catalog still says the document is LIVE, so that nothing erased comes back.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Rendition, RenditionState
from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import may_serve
from ipsync.policy.planning import next_try
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import Fetched, MediaFailure, MediaLater, MediaRejected, MediaSource
from ipsync.ports.store import ContentKey, ContentStore, Incoming, StoredFile, StoreFailure, StoreFull
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_AT_ONCE = 4
_BATCH = 64


@dataclass(slots=True)
class MediaReport:
    """What one run fetched."""

    files: int = 0
    size_bytes: int = 0
    failed: int = 0
    outdated: int = 0
    full: bool = False


@dataclass(frozen=True, slots=True)
class _Arrived:
    rendition: Rendition
    incoming: Incoming
    fetched: Fetched


def key_of(rendition: Rendition) -> ContentKey:
    """Where a rendition lies in the store."""
    return ContentKey(rendition.account_id, rendition.document_id, rendition.file.rendition)


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
            rules: which renditions are wanted.
        """
        self._media = media
        self._catalog = catalog
        self._store = store
        self._store_lock = store_lock
        self._clock = clock
        self._rules = rules

    async def run(self, on_batch: Callable[[MediaReport], None] | None = None) -> MediaReport:
        """Fetch what is wanted, batch by batch, until nothing is wanted now or the store is full.

        Args:
            on_batch: told after each batch, for progress.
        """
        report = MediaReport()
        while not report.full:
            now = self._clock.now()
            wanted = await self._catalog.read(partial(_wanted, now=now, limit=_BATCH))
            if not wanted:
                break
            await self._fetch_batch(wanted, report)
            if on_batch is not None:
                on_batch(report)
        return report

    async def _fetch_batch(self, wanted: Sequence[Rendition], report: MediaReport) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)
        failures: list[Rendition] = []
        arrived: list[_Arrived] = []

        async def fetch(rendition: Rendition) -> None:
            async with gate:
                if report.full:
                    return
                outcome = await self._fetch(rendition, report)
                if isinstance(outcome, Rendition):
                    failures.append(outcome)
                elif outcome is not None:
                    arrived.append(outcome)

        try:
            async with asyncio.TaskGroup() as tasks:
                for rendition in wanted:
                    tasks.create_task(fetch(rendition))
        finally:
            # Also when the run is cancelled: what arrived whole is kept or discarded, never left open.
            await asyncio.shield(self._keep(arrived, failures, report))

    async def _fetch(self, rendition: Rendition, report: MediaReport) -> _Arrived | Rendition | None:
        """Download one file. Returns it, or the rendition with its next try, or None where nothing changed."""
        try:
            incoming = await asyncio.to_thread(self._store.receive, key_of(rendition))
            fetched = await self._media.fetch(rendition.file, incoming)
        except StoreFull:
            report.full = True
            _log.warning(Event.STORE_FULL, "The store is full: nothing new is fetched, erasing goes on.")
            return None
        except (MediaFailure, StoreFailure) as failure:
            report.failed += 1
            if isinstance(failure, MediaRejected):
                await asyncio.to_thread(incoming.discard)
                _log.warning(
                    Event.MEDIA_REJECTED,
                    "A file was not stored.",
                    document_id=rendition.document_id,
                    rendition=rendition.file.rendition,
                    reason=str(failure),
                )
            pause = failure.pause if isinstance(failure, MediaLater) else None
            return self._later(rendition, pause)
        return _Arrived(rendition, incoming, fetched)

    def _later(self, rendition: Rendition, pause: Duration | None) -> Rendition:
        window = self._rules.lease.window
        attempts = rendition.attempts + 1
        later = next_try(self._clock.now(), attempts, window // 1440, window // 4)
        if pause is not None:
            later = max(later, self._clock.now() + pause)
        return replace(rendition, state=RenditionState.FAILED, attempts=attempts, next_try_at=later)

    async def _keep(self, arrived: Sequence[_Arrived], failures: Sequence[Rendition], report: MediaReport) -> None:
        """Give the arrived files their names, if their documents may still be shown, and record them."""
        if not arrived and not failures:
            return
        async with self._store_lock:
            now = self._clock.now()
            permitted = await self._catalog.read(partial(self._permitted, arrived=arrived, now=now))
            kept = await asyncio.to_thread(_keep_files, self._store, arrived, permitted)
            report.outdated += len(arrived) - len(permitted)
            report.full = report.full or len(kept) < len(permitted)
            stored = [_stored(item.rendition, item.fetched, file, now) for item, file in kept]
            lost = await self._catalog.write(partial(_record, stored=stored, failures=failures))
            if lost:
                await asyncio.to_thread(self._store.erase_files, lost)
        report.files += len(stored) - len(lost)
        report.size_bytes += sum(entry.size_bytes for entry in stored)

    def _permitted(self, view: View, arrived: Sequence[_Arrived], now: Instant) -> set[ContentKey]:
        ids = {item.rendition.document_id for item in arrived}
        documents = view.documents(ids)
        current = {key_of(entry): entry for entries in view.renditions(ids).values() for entry in entries}
        permitted: set[ContentKey] = set()
        for item in arrived:
            document, entry = documents.get(item.rendition.document_id), current.get(key_of(item.rendition))
            if document is None or entry is None or not may_serve(self._rules.lease, document, now):
                continue
            # Another address means another version may lie there: fetch that instead.
            if _is_unfinished(entry) and entry.file.url == item.rendition.file.url:
                permitted.add(key_of(entry))
        return permitted


def _wanted(view: View, now: Instant, limit: int) -> list[Rendition]:
    return view.wanted_renditions(now, limit)


def _is_unfinished(rendition: Rendition) -> bool:
    return rendition.state in (RenditionState.WANTED, RenditionState.FAILED)


def _keep_files(
    store: ContentStore, arrived: Sequence[_Arrived], permitted: set[ContentKey]
) -> list[tuple[_Arrived, StoredFile]]:
    kept: list[tuple[_Arrived, StoredFile]] = []
    for item in arrived:
        if key_of(item.rendition) not in permitted:
            item.incoming.discard()
            continue
        try:
            kept.append((item, item.incoming.keep()))
        except StoreFailure:
            item.incoming.discard()
    store.make_durable([file.key for _, file in kept])
    return kept


def _stored(rendition: Rendition, fetched: Fetched, file: StoredFile, now: Instant) -> Rendition:
    return replace(
        rendition,
        state=RenditionState.STORED,
        size_bytes=file.size_bytes,
        digest=file.digest,
        content_type=fetched.content_type,
        stored_at=now,
        attempts=0,
        next_try_at=0,
    )


def _record(tx: Transaction, stored: Sequence[Rendition], failures: Sequence[Rendition]) -> list[ContentKey]:
    """Record what was kept, unless it was hidden in the last moment. Returns keys whose files must go again."""
    ids = {entry.document_id for entry in (*stored, *failures)}
    documents = tx.documents(ids)
    live = {document_id for document_id, entry in documents.items() if entry.state is DocumentState.LIVE}
    served = {account.account_id for account in tx.accounts({AccountState.ACTIVE, AccountState.PAUSED})}
    tx.put_renditions([entry for entry in stored if entry.document_id in live and entry.account_id in served])
    current = {key_of(entry): entry for entries in tx.renditions(ids).values() for entry in entries}
    tx.put_renditions(
        [entry for entry in failures if key_of(entry) in current and current[key_of(entry)].file.url == entry.file.url]
    )
    return [key_of(entry) for entry in stored if not (entry.document_id in live and entry.account_id in served)]
