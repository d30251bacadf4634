"""Overwrite what SQLite leaves behind in the unused gaps of its pages (T10, design §6, ADR 0012).

`secure_delete` overwrites cells and pages that are freed. But when SQLite distributes the cells of a
b-tree anew over its pages, it packs them together and leaves stale copies of them where they lay: in
the gap between the end of a page's cell pointers and the beginning of its cell content. Such a copy
outlives the erasure of its row by any time. Nothing ever reads a gap, so it may be overwritten
beside readers, and half an overwriting harms nothing.

This module writes nowhere but into gaps, and raises where a page is not what the file format
(sqlite.org/fileformat2.html) says. It must be called only while nobody can write to the database file: see
`SqliteCatalog.scrub`.
"""

import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

from ipsync.catalog.failures import CatalogFull
from ipsync.catalog.location import log_file
from ipsync.ports.catalog import CatalogBroken, CatalogCorrupt, CatalogFailure

_MAGIC: Final = b"SQLite format 3\0"
_FILE_HEADER_BYTES: Final = 100
_HEADER_BYTES: Final = {2: 12, 5: 12, 10: 8, 13: 8}
"""The four kinds of b-tree pages, told by their first byte, and how long their headers are.

All other pages begin with the number of a page, whose first byte is 0 or 1 as long as there are not
more than `_MOST_PAGES`, except the maps of an auto-vacuum database, which lie at known places.
"""
_MOST_PAGES: Final = (1 << 25) - 1
_LOCK_BYTE: Final = 1 << 30
_PAGES_PER_BLOCK: Final = 32
"""Pages that are read at once: each reading gives Python's lock away, and getting it back may take long."""

_LOG_HEADER: Final = Struct(">8xI20x")
_FRAME_HEADER_BYTES: Final = 24
_FRAMES_PER_READING: Final = 256
_NUMBER: Final = Struct(">I")
_COUNTS: Final = Struct(">HHH")
"""Of a page, from its second byte on: the first free block, the number of cells, where their content begins."""


class Scrubber:
    """Cleans one database file, and knows which of its pages may need it."""

    def __init__(self, database: Path) -> None:
        """Open the file.

        Args:
            database: the file; `close` is called after every connection of this process to it was closed.

        Raises:
            CatalogFailure: it cannot be opened.
        """
        self._database = database
        self._file = _hold(database)
        self._blocks: set[int] | None = None

    def note(self, *, alone: bool) -> None:
        """Note what a checkpoint is about to change: the pages of which the write-ahead log holds newer versions.

        Args:
            alone: whether nobody else has checkpointed since the last call. If somebody has, or if it
                cannot be told what is changed, the next scrub looks at the whole file.
        """
        if not alone:
            self._blocks = None
        if self._blocks is not None:
            try:
                self._blocks.update(_blocks_in(log_file(self._database)))
            except FileNotFoundError:
                return
            except (OSError, ValueError):
                self._blocks = None

    def scrub(self) -> int:
        """Overwrite every gap of every page that may have been written since the last time; durable on return.

        Returns:
            How many gaps held anything.

        Raises:
            CatalogCorrupt: a page is not what it should be; it was not written to.
            CatalogBroken: the disk failed; end the process.
            CatalogFailure: the database has more pages than can be told apart.
        """
        try:
            cleaned = self._clean()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise CatalogFull("no room is left for the database: free some disk space") from error
            raise CatalogBroken("the disk answered an error to the database: look at the disk") from error
        self._blocks = set()
        return cleaned

    def close(self) -> None:
        """Let go of the file. May be called once."""
        _release(self._file)

    def _clean(self) -> int:
        descriptor = self._file.descriptor
        size_bytes = os.fstat(descriptor).st_size
        if not size_bytes:
            return 0
        shape = _Shape.of(os.pread(descriptor, _FILE_HEADER_BYTES, 0), size_bytes)
        every = -(-shape.pages // _PAGES_PER_BLOCK)
        blocks = range(every) if self._blocks is None else sorted(self._blocks)
        cleaned = 0
        for block in blocks:
            if block < every:
                cleaned += self._clean_block(shape, block * _PAGES_PER_BLOCK + 1)
        if cleaned:
            os.fsync(descriptor)
        return cleaned

    def _clean_block(self, shape: "_Shape", first: int) -> int:
        offset = (first - 1) * shape.page_bytes
        count = min(_PAGES_PER_BLOCK, shape.pages - first + 1)
        pages = os.pread(self._file.descriptor, count * shape.page_bytes, offset)
        if len(pages) < count * shape.page_bytes:
            raise _damaged(first)
        cleaned = 0
        for begin, end in _unclean(shape, pages, first):
            _write_zeros(self._file.descriptor, offset + begin, end - begin)
            cleaned += 1
        return cleaned


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a database file is divided.

    Attributes:
        page_bytes: of each page.
        usable_bytes: of each page, without what is reserved at its end.
        pages: how many there are.
        map_distance: how many pages lie from one map of pages to the next; 0 where there are none.
    """

    page_bytes: int
    usable_bytes: int
    pages: int
    map_distance: int

    @classmethod
    def of(cls, header: bytes, size_bytes: int) -> "_Shape":
        """Read the header of a file of this size."""
        page_bytes = int.from_bytes(header[16:18]) if len(header) == _FILE_HEADER_BYTES else 0
        if page_bytes == 1:
            page_bytes = 65_536
        usable_bytes = page_bytes - header[20] if page_bytes else 0
        is_power_of_two = page_bytes & (page_bytes - 1) == 0
        if header[:16] != _MAGIC or page_bytes < 512 or not is_power_of_two or usable_bytes < 480:
            raise _damaged(1)
        pages = size_bytes // page_bytes
        if pages > _MOST_PAGES:
            raise CatalogFailure(
                f"the database is too large to be cleaned of what was erased: over {_MOST_PAGES} pages"
            )
        has_maps = any(header[52:56])
        return cls(page_bytes, usable_bytes, pages, usable_bytes // 5 + 1 if has_maps else 0)

    def is_map(self, number: int) -> bool:
        """Whether the page of this number is a map of pages, whose first byte says nothing of its kind."""
        if not self.map_distance or number < 2:
            return False
        nearest = (number - 2) // self.map_distance * self.map_distance + 2
        return number == (nearest + 1 if nearest == _LOCK_BYTE // self.page_bytes + 1 else nearest)


def _unclean(shape: _Shape, pages: bytes, first: int) -> Iterator[tuple[int, int]]:
    """The gaps in `pages` that hold anything: where each begins and ends, bytes from the first page's begin.

    Args:
        shape: of the file.
        pages: some whole pages, one after the other.
        first: the number of the first of them.
    """
    zeros = bytes(shape.page_bytes)
    for number, start in enumerate(range(0, len(pages), shape.page_bytes), first):
        header = start if number > 1 else _FILE_HEADER_BYTES
        header_bytes = _HEADER_BYTES.get(pages[header])
        if header_bytes is None or (shape.map_distance and shape.is_map(number)):
            continue
        _, cells, content = _COUNTS.unpack_from(pages, header + 1)
        begin = header + header_bytes + 2 * cells
        end = start + (content or 65_536)
        if not begin <= end <= start + shape.usable_bytes:
            raise _damaged(number)
        if pages[begin:end] != zeros[: end - begin]:
            if _lowest_in_use(shape, pages, header, header_bytes) < end - start:
                raise _damaged(number)
            yield begin, end


def _lowest_in_use(shape: _Shape, pages: bytes, header: int, header_bytes: int) -> int:
    """Where the lowest cell or free block of a page begins, bytes from the page's begin.

    The page says itself where its content begins. It is believed only if all cells agree: should a bit have
    flipped, no cell may be overwritten for it (F5).
    """
    free_block, cells, _ = _COUNTS.unpack_from(pages, header + 1)
    pointers: tuple[int, ...] = Struct(f">{cells}H").unpack_from(pages, header + header_bytes)
    return min((*pointers, free_block or shape.usable_bytes))


def _blocks_in(log: Path) -> Iterator[int]:
    """The blocks of pages that a write-ahead log names, those of frames that are not valid any more too.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such log.
    """
    with log.open("rb") as file:
        header = file.read(_LOG_HEADER.size)
        if not header:
            return
        if len(header) < _LOG_HEADER.size:
            raise ValueError("the log is cut short")
        (page_bytes,) = _LOG_HEADER.unpack(header)
        if not 512 <= page_bytes <= 65_536:
            raise ValueError("the log has pages of no size")
        frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        while frames := file.read(_FRAMES_PER_READING * frame_bytes):
            for start in range(0, len(frames) - _NUMBER.size + 1, frame_bytes):
                (number,) = _NUMBER.unpack_from(frames, start)
                if number:
                    yield (number - 1) // _PAGES_PER_BLOCK


def _write_zeros(descriptor: int, offset: int, size_bytes: int) -> None:
    written = 0
    while written < size_bytes:
        written += os.pwrite(descriptor, bytes(size_bytes - written), offset + written)


def _damaged(number: int) -> CatalogCorrupt:
    return CatalogCorrupt(f"the database file is damaged at page {number}: restore a backup, or begin anew")


@dataclass(slots=True)
class _HeldFile:
    """A database file that this process has open, for as long as anybody here uses it.

    Closing any descriptor of a file drops all locks that the process has on it, those of SQLite's
    connections too (POSIX). So there is one for all, closed when the last user has gone.
    """

    descriptor: int
    key: tuple[int, int]
    users: int = 1


_held: dict[tuple[int, int], _HeldFile] = {}
_holding = threading.Lock()


def _hold(database: Path) -> _HeldFile:
    with _holding:
        try:
            found = database.stat()
            held = _held.get((found.st_dev, found.st_ino))
            if held is not None:
                held.users += 1
                return held
            descriptor = os.open(database, os.O_RDWR | os.O_CLOEXEC)
            found = os.fstat(descriptor)
        except OSError as error:
            raise CatalogFailure(f"database.url: cannot open {database}: {error.strerror}") from error
        held = _HeldFile(descriptor, (found.st_dev, found.st_ino))
        _held[held.key] = held
        return held


def _release(held: _HeldFile) -> None:
    with _holding:
        held.users -= 1
        if not held.users:
            del _held[held.key]
            os.close(held.descriptor)
