"""What an audit sees in the store: every file has a row, every row its whole file (I5).

Looked at beside a working daemon, a file may have been kept and not yet recorded, or erased a moment
ago: what seems wrong is looked at once more, and only what is wrong twice is a finding.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from ipsync.jobs.media_keeping import key_of
from ipsync.policy.auditing import Finding, Kind
from ipsync.policy.documents import Rendition, RenditionState
from ipsync.ports.catalog import Catalog, View
from ipsync.ports.store import ContentKey, ContentStore, StoreFailure

_BATCH = 500
_FOREIGN = "not named by ipsync"


class FileLook:
    """One pass over the files.

    Attributes:
        files: how many were looked at.
    """

    def __init__(self, catalog: Catalog, store: ContentStore, *, deep: bool) -> None:
        """Begin.

        Args:
            catalog: the durable memory.
            store: where the bytes are.
            deep: whether every file is read and its digest compared.
        """
        self._catalog = catalog
        self._store = store
        self._deep = deep
        self._unknown: list[ContentKey | Path] = []
        self._odd: list[Rendition] = []
        self.files = 0

    @property
    def has_candidates(self) -> bool:
        """Whether something seems wrong and must be looked at once more."""
        return bool(self._unknown or self._odd)

    async def compare(self, stored: Sequence[Rendition]) -> None:
        """Look at the files that should be there."""
        self.files += len(stored)
        self._odd += await asyncio.to_thread(self._find_odd, stored)

    async def walk(self, tell: Callable[[int], None]) -> None:
        """Look at every file there is.

        Raises:
            StoreFailure: a directory cannot be read.
        """
        walk = self._store.walk()
        while batch := await asyncio.to_thread(_take, walk):
            known = await self._known([entry for entry in batch if isinstance(entry, ContentKey)])
            self._unknown += [entry for entry in batch if not isinstance(entry, ContentKey) or entry not in known]
            tell(len(batch))

    async def look_again(self) -> list[Finding]:
        """What is still wrong."""
        keys = [entry for entry in self._unknown if isinstance(entry, ContentKey)]
        known = await self._known(keys)
        there = await asyncio.to_thread(_there, self._store, [key for key in keys if key not in known])
        found = [Finding(Kind.FILE_UNKNOWN, key.account_id, key.document_id, key.rendition) for key in there]
        # The name of a foreign file could be anything, so it is not repeated.
        found += [Finding(Kind.FILE_UNKNOWN, note=_FOREIGN) for entry in self._unknown if isinstance(entry, Path)]
        for start in range(0, len(self._odd), _BATCH):
            batch = self._odd[start : start + _BATCH]
            as_before = await self._catalog.read(partial(_unchanged, renditions=batch))
            found += await asyncio.to_thread(self._tell_odd, as_before)
        return found

    def _tell_odd(self, stored: Sequence[Rendition]) -> list[Finding]:
        return [
            Finding(
                Kind.FILE_MISSING if self._stored_bytes(entry) is None else Kind.FILE_CHANGED,
                entry.account_id,
                entry.document_id,
                entry.file.rendition,
            )
            for entry in self._find_odd(stored)
        ]

    async def _known(self, keys: Sequence[ContentKey]) -> set[ContentKey]:
        known: set[ContentKey] = set()
        for start in range(0, len(keys), _BATCH):
            known |= await self._catalog.read(partial(_known, keys=keys[start : start + _BATCH]))
        return known

    def _find_odd(self, stored: Sequence[Rendition]) -> list[Rendition]:
        return [entry for entry in stored if not self._is_whole(entry)]

    def _is_whole(self, entry: Rendition) -> bool:
        if self._stored_bytes(entry) != entry.size_bytes:
            return False
        try:
            return not self._deep or self._store.digest(key_of(entry)) == entry.digest
        except StoreFailure:
            return False

    def _stored_bytes(self, entry: Rendition) -> int | None:
        """How large a file is; None where there is none, -1 where it cannot be read or is no file of ours (F4, F30)."""
        try:
            return self._store.stored_bytes(key_of(entry))
        except StoreFailure:
            return -1


def _take(walk: Iterator[ContentKey | Path]) -> list[ContentKey | Path]:
    return list(islice(walk, _BATCH))


def _known(view: View, keys: Sequence[ContentKey]) -> set[ContentKey]:
    return view.known_files(keys)


def _there(store: ContentStore, keys: Sequence[ContentKey]) -> list[ContentKey]:
    """Those of these keys where something lies."""
    found: list[ContentKey] = []
    for key in keys:
        try:
            is_absent = store.stored_bytes(key) is None
        except StoreFailure:
            is_absent = False
        if not is_absent:
            found.append(key)
    return found


def _unchanged(view: View, renditions: Sequence[Rendition]) -> list[Rendition]:
    """Those of these that are on record as they were."""
    held = view.renditions({entry.document_id for entry in renditions}, (RenditionState.STORED,))
    now = {key_of(entry): (entry.digest, entry.stored_at) for files in held.values() for entry in files}
    return [entry for entry in renditions if now.get(key_of(entry)) == (entry.digest, entry.stored_at)]
