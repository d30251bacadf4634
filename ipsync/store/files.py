"""The content store on a file system: `root/<account>/<document>/<rendition>` (design §6).

Files are 0600 in directories 0700. A file gets its name by a rename once it is whole, and is made
durable with its group. What is erased was looked for before it is called gone. Nothing here decides
what to keep, and nothing but `store.names` makes a path.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from blake3 import blake3

from ipsync.policy.instants import Instant
from ipsync.ports.store import ContentKey, Erased, NotStored
from ipsync.store.disk import (
    DIRECTORY_MODE,
    FILLED,
    NOT_A_DIRECTORY,
    directory,
    disk_errors,
    ensure_directory,
    free_bytes,
    open_file,
    sync_directories,
    sync_file_system,
)
from ipsync.store.erasing import Erasure
from ipsync.store.incoming import READ_BYTES, FileIncoming
from ipsync.store.mark import read_mark, write_mark
from ipsync.store.names import INCOMING, key_names, read_key
from ipsync.store.walking import files_below

FREE_SPACE_FLOOR_BYTES = 256 << 20
"""Nothing new is taken in with less room than this left, so that the catalog can still write (F3)."""


_FENCE_TRIES = 100


class FileStore:
    """`ports.store.ContentStore` on one directory. May be used from several threads at once."""

    def __init__(self, root: Path, free_space_floor_bytes: int = FREE_SPACE_FLOOR_BYTES) -> None:
        """Open the store, making its directory if there is none.

        Args:
            root: where it lies; the operator may make this one a link, nothing below it.
            free_space_floor_bytes: room that new content must leave free.

        Raises:
            StoreFull: no room even for the directory.
            StoreBroken: it cannot be opened.
        """
        self._floor_bytes = free_space_floor_bytes
        self._naming = Lock()
        with disk_errors("opening the content store"):
            root.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            self._path = root.resolve()
            # Held open as long as the store: `sync_file_system` tells of errors since it was opened.
            self._root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._partials = _open_partials(self._root)

    def close(self) -> None:
        """Give the directories back. Nothing can be asked of the store afterwards."""
        for descriptor in (self._partials, self._root):
            if descriptor >= 0:
                os.close(descriptor)
        self._partials = self._root = -1

    def free_bytes(self) -> int:
        """How much room is left for us on the file system; 0 also when it has no inodes left, or cannot be asked."""
        try:
            return free_bytes(self._root)
        except OSError:
            return 0

    def receive(self, key: ContentKey) -> FileIncoming:
        """Begin a file, or take up a cut download of the same key; see `ports.store.ContentStore`."""
        return FileIncoming(self._root, self._partials, self._naming, key, self._floor_bytes)

    def make_durable(self, keys: Iterable[ContentKey]) -> None:
        """Make kept files survive a power cut, as one group; those erased since are passed over.

        One sync of the file system carries 30,000 small files a second to the disk where fsync of
        each carries 7,000; single files are synced only where that call is missing.

        Raises:
            StoreBroken: the disk failed: nothing of the group may be called stored.
        """
        paths = [key_names(key) for key in keys]
        if not paths:
            return
        with disk_errors("making files durable"):
            if sync_file_system(self._root):
                return
            for *place, name in paths:
                self._sync_file(tuple(place), name)
            above = {path[:length] for path in paths for length in range(len(path))}
            sync_directories(self._root, above)

    def open(self, key: ContentKey) -> BinaryIO:
        """Open a stored file for reading; never follows a link.

        Raises:
            NotStored: there is none.
            StoreBroken: a link or something else stands in its place, or the disk failed.
        """
        return os.fdopen(self._descriptor(key), "rb")

    def path(self, key: ContentKey) -> Path:
        """Where the file lies, after looking that it is one and no link leads there.

        Raises:
            NotStored: there is none.
            StoreBroken: a link or something else stands in its place, or the disk failed.
        """
        os.close(self._descriptor(key))
        return self._path.joinpath(*key_names(key))

    def stored_bytes(self, key: ContentKey) -> int | None:
        """How large a stored file is, by looking; None where there is none.

        Raises:
            StoreBroken: a link or something else stands in its place, or the disk failed.
        """
        try:
            descriptor = self._descriptor(key)
        except NotStored:
            return None
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def digest(self, key: ContentKey) -> bytes:
        """Read the whole file and compute its BLAKE3.

        Raises:
            NotStored: there is none.
            StoreBroken: a link or something else stands in its place, or the disk failed.
        """
        digest = blake3()
        with self.open(key) as file, disk_errors("reading a file"):
            while chunk := file.read(READ_BYTES):
                digest.update(chunk)
        return digest.digest()

    def erase_documents(self, documents: Sequence[tuple[int, int]]) -> Erased:
        """Erase everything of these (account_id, document_id) pairs; see `ports.store.ContentStore`."""
        return self._erasure().erase_documents(documents)

    def erase_files(self, keys: Sequence[ContentKey]) -> Erased:
        """Erase single files and their partial downloads; see `ports.store.ContentStore`."""
        return self._erasure().erase_files(keys)

    def erase_account(self, account_id: int) -> Erased:
        """Erase everything of an account; see `ports.store.ContentStore`."""
        return self._erasure().erase_account(account_id)

    def walk(self) -> Iterator[ContentKey | Path]:
        """Every file there is, but partial downloads: its key, or its path where it is no file of ours.

        A link is no file of ours, whatever its name. Directories left empty are taken away in passing.

        Raises:
            StoreBroken: a directory could not be read.
        """
        with disk_errors("walking the store"):
            for names, entry in files_below(self._root):
                key = read_key(*names) if len(names) == 3 else None
                if key is not None and entry.is_file(follow_symlinks=False):
                    yield key
                else:
                    yield self._path.joinpath(*names)

    def erase_path(self, orphan: Path) -> Erased:
        """Erase what `walk` gave as a path, of whatever kind; a link is unlinked itself.

        Raises:
            ValueError: the path does not lie below the root, or among the partial downloads.
            StoreBroken: it could not be erased.
        """
        if not orphan.is_relative_to(self._path):
            raise ValueError("only what lies below the store's root may be erased")
        names = orphan.relative_to(self._path).parts
        if not names or ".." in names or names[0] == INCOMING:
            raise ValueError("only what lies below the store's root may be erased")
        return self._erasure().erase_at(names)

    def erase_written_before(self, before: Instant, now: Instant) -> Erased:
        """Erase every file, of whatever kind, that was written before an instant by the clock of its file system.

        For when nobody can tell any more what a file is (F5). What claims to have been written after `now` was
        written under a wrong clock, and goes too.

        Raises:
            StoreBroken: not all of it could be erased.
        """
        aged: list[tuple[str, ...]] = []
        with disk_errors("looking for old files"):
            for names, entry in files_below(self._root, incoming=True):
                with contextlib.suppress(FileNotFoundError):
                    written = entry.stat(follow_symlinks=False).st_mtime_ns // 1000
                    if not before <= written <= now:
                        aged.append(names)
        return self._erasure().erase_all(aged)

    def discard_incoming(self) -> int:
        """Erase all partial downloads. Returns how many."""
        return self._erasure().erase_incoming()

    def read_mark(self) -> str | None:
        """The word by which its database knows this store; None where there is none that can be read (F28)."""
        return read_mark(self._root)

    def write_mark(self, word: str) -> None:
        """Replace that word, durably.

        Raises:
            StoreFull: no room; the old word stays.
            StoreBroken: the disk failed.
        """
        write_mark(self._root, word)

    def fence(self) -> int:
        """Let no process keep a file that opened the store before now; its partial downloads are erased (F27).

        A file gets its name by a rename out of the directory of partial downloads. That directory is taken
        away and made anew: whoever has the old one open can neither begin nor keep a file any more, however
        late it goes on. Erasing is never fenced off.

        Returns:
            How many partial downloads there were.

        Raises:
            StoreBroken: something could not be erased, or others fill the directory as fast as it is emptied.
        """
        erased = 0
        with disk_errors("fencing the store"):
            for attempt in range(1, _FENCE_TRIES + 1):
                erased += self._erasure().erase_incoming()
                try:
                    with self._naming:
                        os.rmdir(INCOMING, dir_fd=self._root)
                        os.close(self._partials)
                        self._partials = -1
                        self._partials = _open_partials(self._root)
                    break
                except OSError as error:
                    if error.errno not in FILLED or attempt == _FENCE_TRIES:
                        raise
        return erased

    def size_bytes(self) -> int:
        """How many bytes lie below the root, by looking: files, orphans and partial downloads.

        Raises:
            StoreBroken: a directory could not be read.
        """
        total = 0
        with disk_errors("measuring the store"):
            for _, entry in files_below(self._root, incoming=True):
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                total += found.st_size if stat.S_ISREG(found.st_mode) else 0
        return total

    def _erasure(self) -> Erasure:
        return Erasure(self._root, self._partials, self._naming)

    def _descriptor(self, key: ContentKey) -> int:
        account, document, rendition = key_names(key)
        with disk_errors("opening a file"):
            try:
                with directory(self._root, account, document) as place:
                    return open_file(place, rendition)
            except FileNotFoundError:
                raise NotStored(f"{account}/{document}/{rendition} is not stored") from None

    def _sync_file(self, place: tuple[str, ...], name: str) -> None:
        try:
            with directory(self._root, *place) as parent:
                descriptor = open_file(parent, name)
        except FileNotFoundError:
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open_partials(root: int) -> int:
    """Open the directory of partial downloads; a link or file in its place is taken away first."""
    ensure_directory(root, INCOMING)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(INCOMING, flags, dir_fd=root)
    except OSError as error:
        if error.errno not in NOT_A_DIRECTORY:
            raise
    os.unlink(INCOMING, dir_fd=root)
    ensure_directory(root, INCOMING)
    return os.open(INCOMING, flags, dir_fd=root)
