"""Opening a stored file: what was stored, or not at all; small ones are read and closed at once (F5, F23).

The first opening of a file waits for the disk, in a thread, and compares its digest. What was opened a moment ago
lies in memory almost surely: it is read without a thread, and where it is not in memory after all, the kernel says so
instead of waiting; then a small file is compared again, since its bytes come from the disk again.
"""

import asyncio
import os
from dataclasses import dataclass
from typing import BinaryIO

from ipsync.ports.store import ContentKey, ContentStore, NotStored, StoreFailure
from ipsync.web.ranges import Span

IN_ONE_PIECE_BYTES = 256 << 10
"""Parts up to this size are read into memory, and the file is closed before the first byte leaves."""

_REMEMBERED = 4096


class Damaged(Exception):
    """The stored file is not what the catalog says it is."""


@dataclass(slots=True)
class Opened:
    """A part of a stored file: in memory when small, else with the file still open."""

    span: Span
    content: bytes | bytearray | None
    file: BinaryIO | None = None

    def close(self) -> None:
        """Give the file back."""
        if self.file is not None:
            self.file.close()
            self.file = None


class Opener:
    """Opens files of one store."""

    def __init__(self, store: ContentStore) -> None:
        self._store = store
        # Files opened lately, by key and digest: nothing but their names is kept.
        self._lately: set[tuple[ContentKey, bytes]] = set()

    async def open(self, key: ContentKey, size_bytes: int, digest: bytes, span: Span) -> Opened:
        """Open a part of a file.

        Args:
            key: which file.
            size_bytes: how large it was when it was stored.
            digest: what its bytes came to then.
            span: the part that will be sent.

        Raises:
            NotStored: there is no such file.
            Damaged: it has another size or digest, or cannot be read.
        """
        mark = (key, digest)
        if mark in self._lately and span.count <= IN_ONE_PIECE_BYTES:
            try:
                return _open(self._store, key, size_bytes, span, wait=False)
            except BlockingIOError:
                self._lately.discard(mark)
        is_compared = mark in self._lately
        opened = await asyncio.get_running_loop().run_in_executor(
            None, lambda: _open_from_disk(self._store, key, size_bytes, span, None if is_compared else digest)
        )
        if len(self._lately) >= _REMEMBERED:
            self._lately.clear()
        self._lately.add(mark)
        return opened


def _open_from_disk(store: ContentStore, key: ContentKey, size_bytes: int, span: Span, digest: bytes | None) -> Opened:
    """Open a part of a file, and compare the whole with `digest` unless that is None."""
    opened = _open(store, key, size_bytes, span, wait=True)
    try:
        is_sound = digest is None or store.digest(key) == digest
    except StoreFailure:
        is_sound = False
    if not is_sound:
        opened.close()
        raise Damaged
    return opened


def _open(store: ContentStore, key: ContentKey, size_bytes: int, span: Span, *, wait: bool) -> Opened:
    try:
        file = store.open(key)
    except NotStored:
        raise
    except StoreFailure as failure:
        raise Damaged from failure
    opened: Opened | None = None
    try:
        opened = _look(file, size_bytes, span) if wait else _look_in_memory(file, size_bytes, span)
    except BlockingIOError:
        raise
    except OSError as failure:
        raise Damaged from failure
    finally:
        if opened is None or opened.file is None:
            file.close()
    if opened is None:
        raise Damaged
    return opened


def _look(file: BinaryIO, size_bytes: int, span: Span) -> Opened | None:
    # Asked of the file itself: a store in memory has no descriptor.
    if file.seek(0, os.SEEK_END) != size_bytes:
        return None
    if span.count > IN_ONE_PIECE_BYTES:
        return Opened(span, None, file)
    file.seek(span.start)
    content = file.read(span.count)
    return Opened(span, content) if len(content) == span.count else None


def _look_in_memory(file: BinaryIO, size_bytes: int, span: Span) -> Opened | None:
    try:
        descriptor = file.fileno()
        if os.fstat(descriptor).st_size != size_bytes:
            return None
        content = bytearray(span.count)
        read = os.preadv(descriptor, [content], span.start, os.RWF_NOWAIT) if content else 0
    except (AttributeError, OSError) as failure:
        # Not in memory, or a file, a file system, a machine that cannot tell.
        raise BlockingIOError from failure
    if read != span.count:
        raise BlockingIOError
    return Opened(span, content)
