"""Where the bytes lie. "Gone" is said only after looking (design §6).

A key is three things of our own: two integers and a word from `policy.documents.RENDITIONS`. No
upstream string is ever part of a path (F30).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ipsync.policy.instants import Instant
from ipsync.ports.source import MediaSink


@dataclass(frozen=True, slots=True, order=True)
class ContentKey:
    """The name of one stored file."""

    account_id: int
    document_id: int
    rendition: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a file after it was written.

    Attributes:
        digest: BLAKE3, 32 bytes.
    """

    key: ContentKey
    size_bytes: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did, after looking: files and bytes that existed and do not exist any more."""

    files: int
    size_bytes: int


class StoreFailure(Exception):
    """The store could not do it."""


class NotStored(StoreFailure):
    """There is no such file."""


class StoreFull(StoreFailure):
    """No room for new content (F3). Erasing still works."""


class StoreBroken(StoreFailure):
    """The disk answered an error (F4), or a path is not what it must be (F30)."""


class Incoming(MediaSink, Protocol):
    """One file being received under a temporary name. It is nothing until `keep` says so."""

    def head(self, size_bytes: int) -> bytes:
        """The first bytes received, for judging by magic."""
        ...

    def keep(self) -> StoredFile:
        """Give it its name, replacing what had that name. Not durable until the next `make_durable`.

        Raises:
            NotStored: it was erased while it was being received, and stays erased.
            StoreFull: no room.
            StoreBroken: the disk failed.
        """
        ...

    def close(self) -> None:
        """Let go of it, leaving what was received for a later `receive` of the same key.

        May be called at any time; after `keep` or `discard` it does nothing.
        """
        ...

    def discard(self) -> None:
        """Erase what was received. May be called at any time; after `keep` or `close` it does nothing."""
        ...


class ContentStore(Protocol):
    """Files by key. Synchronous: callers off the event loop, in threads, or in virtual time."""

    def receive(self, key: ContentKey) -> Incoming:
        """Begin a file, or take up a cut download of the same key.

        Raises:
            StoreFailure: the same key is being received already.
            StoreFull: the free-space floor is reached.
        """
        ...

    def make_durable(self, keys: Iterable[ContentKey]) -> None:
        """Make kept files survive a power cut, as one group."""
        ...

    def open(self, key: ContentKey) -> BinaryIO:
        """Open a stored file for reading; never follows a link.

        Raises:
            NotStored: there is none.
        """
        ...

    def path(self, key: ContentKey) -> Path:
        """Where the file lies, for a front server; stores without paths raise StoreBroken."""
        ...

    def digest(self, key: ContentKey) -> bytes:
        """Read the whole file and compute its BLAKE3.

        Raises:
            NotStored: there is none.
        """
        ...

    def stored_bytes(self, key: ContentKey) -> int | None:
        """How large a stored file is, by looking; None where there is none."""
        ...

    def erase_documents(self, documents: Sequence[tuple[int, int]]) -> Erased:
        """Erase everything of these (account_id, document_id) pairs, partial downloads included.

        On return every file was unlinked, every directory concerned was synced, and absence was seen.
        What was not there counts as erased. May be repeated.

        Raises:
            StoreBroken: something could not be erased, or is still there after it.
        """
        ...

    def erase_files(self, keys: Sequence[ContentKey]) -> Erased:
        """Erase single files, with the same promise."""
        ...

    def erase_account(self, account_id: int) -> Erased:
        """Erase everything of an account, known to the catalog or not, with the same promise."""
        ...

    def walk(self) -> Iterator[ContentKey | Path]:
        """Every file there is: its key, or its path where it is no file of ours (an orphan for sure)."""
        ...

    def erase_path(self, orphan: Path) -> Erased:
        """Erase what `walk` gave as a path."""
        ...

    def discard_incoming(self) -> int:
        """Erase all partial downloads, e.g. at start. Returns how many."""
        ...

    def size_bytes(self) -> int:
        """How many bytes are stored, by looking."""
        ...


class MarkedStore(Protocol):
    """A store that carries a word by which its database knows it (F28)."""

    def read_mark(self) -> str | None:
        """The word; None where there is none that can be read."""
        ...

    def write_mark(self, word: str) -> None:
        """Replace the word, durably.

        Raises:
            StoreFull: no room; the old word stays.
            StoreBroken: the disk failed.
        """
        ...


class AgedStore(Protocol):
    """A store that knows when its files were written, for when nobody knows anything else of them (F5)."""

    def erase_written_before(self, before: Instant, now: Instant) -> Erased:
        """Erase every file that was written before an instant, or claims to have been written after `now`.

        Raises:
            StoreBroken: not all of it could be erased.
        """
        ...
