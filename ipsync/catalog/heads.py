"""Copies of the ledger's signed heads in a file beside the database: `ipsync.db-heads`.

A database that is put back to an older state, or whose ledger is cut, disagrees with it. Lines are only
ever appended, each durable before the next; the database never waits for this file to be right.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ipsync.catalog.location import heads_file, open_beside
from ipsync.policy.ledger import LedgerHead
from ipsync.policy.ledger_lines import read_head, write_head
from ipsync.ports.catalog import CatalogFailure

_TAIL_BYTES = 4096
"""More than two lines."""


class HeadsFile:
    """The file of heads. Whoever appends holds the writer's gate."""

    def __init__(self, database: Path) -> None:
        """Name the file that belongs to the file `database`; nothing is done yet."""
        self._database = database
        self._path = heads_file(database)

    def append(self, head: LedgerHead) -> None:
        """Copy a head, durably.

        Raises:
            CatalogFailure: the file cannot be written; nothing of the line is left in it.
        """
        descriptor = open_beside(self._database, self._path)
        try:
            _append(descriptor, write_head(head))
            if os.fstat(descriptor).st_size == len(write_head(head)):
                _sync_folder(self._path.parent)
        except OSError as error:
            raise CatalogFailure(f"{self._path} cannot be written: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def last(self) -> LedgerHead | None:
        """The newest copy; None where there is none that can be read."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            size_bytes = os.fstat(descriptor).st_size
            tail = os.pread(descriptor, _TAIL_BYTES, max(0, size_bytes - _TAIL_BYTES))
        except OSError:
            return None
        finally:
            os.close(descriptor)
        lines = [line for line in tail.splitlines(keepends=True) if line.endswith(b"\n")]
        try:
            return read_head(lines[-1]) if lines else None
        except ValueError:
            return None


def read_heads(path: Path) -> Iterator[tuple[str, LedgerHead | None]]:
    """Read copies of heads, line by line, with words for where each stands; None for a line that is none.

    A last line without an end is what a power cut leaves of one that never counted; it is passed over.

    Args:
        path: a file of heads, here or brought back from elsewhere.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            where = f"line {number} of {path.name}"
            try:
                yield where, read_head(line)
            except ValueError:
                yield where, None


def _append(descriptor: int, line: bytes) -> None:
    size_bytes = whole_bytes = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL_BYTES, max(0, size_bytes - _TAIL_BYTES))
    if tail and not tail.endswith(b"\n"):
        # What a power cut left of a line never counted.
        whole_bytes = size_bytes - len(tail) + tail.rfind(b"\n") + 1
        os.ftruncate(descriptor, whole_bytes)
    try:
        if os.pwrite(descriptor, line, whole_bytes) != len(line):
            os.ftruncate(descriptor, whole_bytes)
            raise OSError(0, "no room is left")
    finally:
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
