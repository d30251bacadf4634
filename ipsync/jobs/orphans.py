"""Orphans: every file has a row, every row its file (I5). What nobody can account for is erased."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from ipsync.jobs.media import key_of
from ipsync.policy.documents import Rendition, RenditionState
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.store import ContentKey, ContentStore
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_BATCH = 500


@dataclass(slots=True)
class OrphansReport:
    """What one run mended.

    Attributes:
        orphans: files without a row, erased.
        lost: rows without a whole file, to be fetched anew.
    """

    orphans: int = 0
    lost: int = 0


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

    async def run(self) -> OrphansReport:
        """Walk the store, then the catalog."""
        report = OrphansReport()
        walk = self._store.walk()
        while batch := await asyncio.to_thread(_take, walk):
            report.orphans += await self._erase_unknown(batch)
        cursor = 0
        while True:
            lost, following = await self._find_lost(cursor)
            report.lost += lost
            if following is None:
                break
            cursor = following
        if report.orphans or report.lost:
            _log.warning(
                Event.STORE_ORPHAN, "Store and catalog did not agree.", orphans=report.orphans, lost=report.lost
            )
        return report

    async def _erase_unknown(self, batch: list[ContentKey | Path]) -> int:
        keys = [entry for entry in batch if isinstance(entry, ContentKey)]
        # Under the lock no file can be kept but not yet recorded.
        async with self._store_lock:
            known = await self._catalog.read(partial(_known, keys=keys))
            orphans = [entry for entry in batch if entry not in known]
            await asyncio.to_thread(_erase, self._store, orphans)
        return len(orphans)

    async def _find_lost(self, cursor: int) -> tuple[int, int | None]:
        async with self._store_lock:
            following, stored = await self._catalog.read(partial(_stored_after, cursor=cursor))
            lost = await asyncio.to_thread(_missing, self._store, stored)
            if lost:
                await self._catalog.write(partial(_want_again, keys=lost))
        return len(lost), following


def _take(walk: Iterator[ContentKey | Path]) -> list[ContentKey | Path]:
    return list(islice(walk, _BATCH))


def _known(view: View, keys: list[ContentKey]) -> set[ContentKey | Path]:
    return set(view.known_files(keys))


def _erase(store: ContentStore, orphans: list[ContentKey | Path]) -> None:
    store.erase_files([entry for entry in orphans if isinstance(entry, ContentKey)])
    for entry in orphans:
        if isinstance(entry, Path):
            store.erase_path(entry)


def _stored_after(view: View, cursor: int) -> tuple[int | None, list[Rendition]]:
    documents = view.documents_after(cursor, _BATCH)
    held = view.renditions([entry.document_id for entry in documents], (RenditionState.STORED,))
    return documents[-1].document_id if documents else None, [entry for files in held.values() for entry in files]


def _missing(store: ContentStore, stored: list[Rendition]) -> list[ContentKey]:
    return [key_of(entry) for entry in stored if store.stored_bytes(key_of(entry)) != entry.size_bytes]


def _want_again(tx: Transaction, keys: list[ContentKey]) -> None:
    tx.set_rendition_state(keys, RenditionState.WANTED)
