"""A content store in memory, held to the same promises as the real one by `tests/contracts/test_store.py`."""

import io
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from ipsync.policy.documents import RENDITIONS
from ipsync.ports.store import (
    ContentKey,
    Erased,
    NotStored,
    StoreBroken,
    StoredFile,
    StoreFailure,
    StoreFull,
)

ROOT = Path("/memory")


class MemoryIncoming:
    def __init__(self, store: "MemoryStore", key: ContentKey) -> None:
        self._store = store
        self._key = key
        self._bytes = store.partials.setdefault(key, bytearray())
        self.closed = False

    @property
    def received_bytes(self) -> int:
        return len(self._bytes)

    def write(self, chunk: bytes) -> None:
        if self._store.free_bytes is not None and len(chunk) > self._store.free_bytes:
            raise StoreFull("no room")
        self._bytes += chunk

    def restart(self) -> None:
        self._bytes.clear()

    def head(self, size_bytes: int) -> bytes:
        return bytes(self._bytes[:size_bytes])

    def keep(self) -> StoredFile:
        if self._store.partials.get(self._key) is not self._bytes:
            raise NotStored("the file was erased while it was being received")
        del self._store.partials[self._key]
        content = self._store.files[self._key] = bytes(self._bytes)
        self._store.durable.discard(self._key)
        self.closed = True
        return StoredFile(self._key, len(content), blake3(content).digest())

    def close(self) -> None:
        self.closed = True

    def discard(self) -> None:
        if not self.closed and self._store.partials.get(self._key) is self._bytes:
            del self._store.partials[self._key]
        self.closed = True


class MemoryStore:
    """`ContentStore` in memory.

    Attributes:
        files: what is stored.
        partials: downloads under way or cut.
        foreign: files that are not ours, as a test planted them, by path below `ROOT`.
        durable: keys that would survive a power cut.
        broken: set, every erasure fails, once it did what it could of nothing.
        free_bytes: room left, or None for no end of it.
    """

    def __init__(self, free_space_floor_bytes: int = 0, free_bytes: int | None = None) -> None:
        self.files: dict[ContentKey, bytes] = {}
        self.partials: dict[ContentKey, bytearray] = {}
        self.foreign: dict[Path, bytes] = {}
        self.durable: set[ContentKey] = set()
        self.broken = False
        self.free_bytes = free_bytes
        self._floor_bytes = free_space_floor_bytes
        self._open: weakref.WeakValueDictionary[ContentKey, MemoryIncoming] = weakref.WeakValueDictionary()

    def receive(self, key: ContentKey) -> MemoryIncoming:
        _check(key)
        if self.free_bytes is not None and self.free_bytes < self._floor_bytes:
            raise StoreFull("the free-space floor is reached")
        under_way = self._open.get(key)
        if under_way is not None and not under_way.closed and key in self.partials:
            raise StoreFailure("this file is being received already")
        incoming = self._open[key] = MemoryIncoming(self, key)
        return incoming

    def make_durable(self, keys: Iterable[ContentKey]) -> None:
        for key in keys:
            _check(key)
            if key in self.files:
                self.durable.add(key)

    def open(self, key: ContentKey) -> BinaryIO:
        return io.BytesIO(self._content(key))

    def path(self, key: ContentKey) -> Path:
        _check(key)
        raise StoreBroken("a store in memory has no paths")

    def stored_bytes(self, key: ContentKey) -> int | None:
        try:
            return len(self._content(key))
        except NotStored:
            return None

    def digest(self, key: ContentKey) -> bytes:
        return blake3(self._content(key)).digest()

    def erase_documents(self, documents: Sequence[tuple[int, int]]) -> Erased:
        for account_id, document_id in documents:
            _check(ContentKey(account_id, document_id, RENDITIONS[0]))
        wanted = set(documents)
        return self._erase(key for key in self._keys() if (key.account_id, key.document_id) in wanted)

    def erase_files(self, keys: Sequence[ContentKey]) -> Erased:
        for key in keys:
            _check(key)
        return self._erase(set(keys))

    def erase_account(self, account_id: int) -> Erased:
        _check(ContentKey(account_id, 1, RENDITIONS[0]))
        foreign = self._erase_foreign(ROOT / str(account_id))
        known = self._erase(key for key in self._keys() if key.account_id == account_id)
        return Erased(known.files + foreign.files, known.size_bytes + foreign.size_bytes)

    def walk(self) -> Iterator[ContentKey | Path]:
        yield from list(self.files)
        yield from list(self.foreign)

    def erase_path(self, orphan: Path) -> Erased:
        if not orphan.is_relative_to(ROOT) or orphan == ROOT or ".." in orphan.parts:
            raise ValueError("only what lies below the store's root may be erased")
        return self._erase_foreign(orphan)

    def discard_incoming(self) -> int:
        count = len(self.partials)
        self.partials.clear()
        return count

    def size_bytes(self) -> int:
        held = (self.files, self.partials, self.foreign)
        return sum(len(content) for files in held for content in files.values())

    def _keys(self) -> list[ContentKey]:
        return list({**self.files, **dict.fromkeys(self.partials)})

    def _content(self, key: ContentKey) -> bytes:
        _check(key)
        if key not in self.files:
            raise NotStored(f"{key.account_id}/{key.document_id}/{key.rendition} is not stored")
        return self.files[key]

    def _erase(self, keys: Iterable[ContentKey]) -> Erased:
        if self.broken:
            raise StoreBroken("erasing failed")
        gone = [len(held.pop(key)) for key in list(keys) for held in (self.partials, self.files) if key in held]
        self.durable &= self.files.keys()
        return Erased(len(gone), sum(gone))

    def _erase_foreign(self, above: Path) -> Erased:
        if self.broken:
            raise StoreBroken("erasing failed")
        gone = [path for path in self.foreign if path.is_relative_to(above)]
        return Erased(len(gone), sum(len(self.foreign.pop(path)) for path in gone))


def _check(key: ContentKey) -> None:
    whole = all(type(number) is int and 1 <= number < 2**63 for number in (key.account_id, key.document_id))
    if not whole or key.rendition not in RENDITIONS:
        raise ValueError("a content key is made of two ids and a known rendition")
