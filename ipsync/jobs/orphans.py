"""Orphans: every file has a row, every row its file (I5). What nobody can account for is erased."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from ipsync.jobs.media_keeping import key_of
from ipsync.policy.documents import Rendition, RenditionState
from ipsync.policy.instants import Instant
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.store import ContentKey, ContentStore, StoreFailure
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_BATCH = 500
_DOUBTED_MOST = 10_000


@dataclass(slots=True)
class OrphansReport:
    """What one run mended.

    Attributes:
        orphans: files without a row, erased.
        lost: rows without a whole file, to be fetched anew.
        failed: batches of which something could not be looked at or erased; the next run tries again.
    """

    orphans: int = 0
    lost: int = 0
    failed: int = 0


class Orphans:
    """The comparison of store and catalog, in both directions, a batch at a time."""

    def __init__(self, catalog: Catalog, store: ContentStore, store_lock: asyncio.Lock) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            store: where the bytes are.
            store_lock: held while files get or lose their names.
        """
        self._catalog = catalog
        self._store = store
        self._store_lock = store_lock
        self._doubted: set[ContentKey] = set()

    def doubt(self, key: ContentKey) -> None:
        """Have the next run compare this file's digest: who was to serve it found it is not what was stored (F5)."""
        if len(self._doubted) < _DOUBTED_MOST:
            self._doubted.add(key)

    async def run(self, doubted_since: Instant | None = None) -> OrphansReport:
        """Walk the store, then the catalog. What cannot be mended does not hold up the rest.

        Args:
            doubted_since: files stored at this instant or later are read whole and their digests compared, since
                nobody knows whether they reached the disk; None where there is no doubt.
        """
        report = OrphansReport()
        doubt = _Doubt(doubted_since, frozenset(self._doubted))
        await self._find_orphans(report)
        cursor: int | None = 0
        while cursor is not None:
            cursor = await self._find_lost(cursor, report, doubt)
        self._doubted -= doubt.keys
        if report.orphans or report.lost or report.failed:
            _log.warning(
                Event.STORE_ORPHAN,
                "Store and catalog did not agree.",
                orphans=report.orphans,
                lost=report.lost,
                failed=report.failed,
            )
        return report

    async def _find_orphans(self, report: OrphansReport) -> None:
        walk = self._store.walk()
        while True:
            try:
                batch = await asyncio.to_thread(_take, walk)
            except StoreFailure:
                report.failed += 1
                return
            if not batch:
                return
            keys = [entry for entry in batch if isinstance(entry, ContentKey)]
            # Under the lock no file can be kept but not yet recorded.
            async with self._store_lock:
                known = await self._catalog.read(partial(_known, keys=keys))
                orphans = [entry for entry in batch if entry not in known]
                failed = await asyncio.to_thread(_erase, self._store, orphans)
            report.failed += failed
            report.orphans += 0 if failed else len(orphans)

    async def _find_lost(self, cursor: int, report: OrphansReport, doubt: "_Doubt") -> int | None:
        """Look at the files of the next documents. Returns where to go on, or None at the end."""
        async with self._store_lock:
            following, stored = await self._catalog.read(partial(_stored_after, cursor=cursor))
            lost = await asyncio.to_thread(_missing, self._store, stored, doubt)
            if lost:
                await self._catalog.write(partial(_want_again, keys=lost))
                # What lies there is not what was stored, or cannot be read: it goes before another comes.
                report.failed += await asyncio.to_thread(_erase, self._store, list(lost))
        report.lost += len(lost)
        return following


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Which files are read whole and their digests compared: those stored `since` an instant, and these `keys`."""

    since: Instant | None
    keys: frozenset[ContentKey]

    def covers(self, rendition: Rendition) -> bool:
        is_recent = self.since is not None and (rendition.stored_at or 0) >= self.since
        return is_recent or key_of(rendition) in self.keys


def _take(walk: Iterator[ContentKey | Path]) -> list[ContentKey | Path]:
    return list(islice(walk, _BATCH))


def _known(view: View, keys: list[ContentKey]) -> set[ContentKey | Path]:
    return set(view.known_files(keys))


def _erase(store: ContentStore, orphans: Sequence[ContentKey | Path]) -> bool:
    """Erase orphans, each that can be. Returns whether something could not be."""
    failed = False
    try:
        store.erase_files([entry for entry in orphans if isinstance(entry, ContentKey)])
    except StoreFailure:
        failed = True
    for entry in orphans:
        if isinstance(entry, Path):
            try:
                store.erase_path(entry)
            except StoreFailure:
                failed = True
    return failed


def _stored_after(view: View, cursor: int) -> tuple[int | None, list[Rendition]]:
    ids = view.documents_with_files_after(cursor, _BATCH)
    held = view.renditions(ids, (RenditionState.STORED,))
    # A row that cannot be read is not of a STORED file, whatever it says (F5): the removal of its document takes it.
    stored = [entry for files in held.values() for entry in files if entry.state is RenditionState.STORED]
    return ids[-1] if ids else None, stored


def _missing(store: ContentStore, stored: list[Rendition], doubt: _Doubt) -> list[ContentKey]:
    return [key_of(entry) for entry in stored if not _is_there(store, entry, doubt)]


def _is_there(store: ContentStore, rendition: Rendition, doubt: _Doubt) -> bool:
    key = key_of(rendition)
    try:
        if store.stored_bytes(key) != rendition.size_bytes:
            return False
        return not doubt.covers(rendition) or store.digest(key) == rendition.digest
    except StoreFailure:
        return False  # what cannot be read is not served either (F4); a link in its place is no file of ours (F30)


def _want_again(tx: Transaction, keys: Sequence[ContentKey]) -> None:
    """Want files anew that are still on record as stored."""
    wanted = set(keys)
    held = tx.renditions({key.document_id for key in keys}, (RenditionState.STORED,))
    lost = [key_of(entry) for entries in held.values() for entry in entries if key_of(entry) in wanted]
    tx.set_rendition_state(lost, RenditionState.WANTED)
