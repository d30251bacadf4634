"""Erasing: unlink, sync the directories once, look, and only then say so (design §6).

One `Erasure` is one batch. It goes on past what fails, so that one bad file does not keep the others,
and tells at the end. Nothing here needs new space on the disk (F3), and no link is followed: a link
is unlinked itself (F30).
"""

import errno
import os
import stat
from collections.abc import Collection, Iterable
from threading import Lock

from ipsync.ports.store import ContentKey, Erased, StoreBroken
from ipsync.store.disk import (
    FILLED,
    NOT_A_DIRECTORY,
    directory,
    exists,
    sync_directories,
    sync_file_system,
)
from ipsync.store.names import INCOMING, id_name, key_names, partial_name, read_partial

SYNC_ALL_ABOVE = 8
"""With more directories than this, one sync of the whole file system is faster than one for each."""

_DEEPEST = 64
_TRIES = 4


class Erasure:
    """One batch of erasing below a store's root."""

    def __init__(self, root: int, partials: int, naming: Lock) -> None:
        """Begin a batch.

        Args:
            root: descriptor of the store's root.
            partials: descriptor of the directory of partial downloads.
            naming: see `FileIncoming`.
        """
        self._root = root
        self._partials = partials
        self._naming = naming
        self._files = 0
        self._size_bytes = 0
        self._failures: list[str] = []
        self._changed: set[tuple[str, ...]] = set()

    def erase_documents(self, documents: Iterable[tuple[int, int]]) -> Erased:
        """See `ports.store.ContentStore.erase_documents`."""
        accounts: dict[str, dict[str, None]] = {}
        for account_id, document_id in documents:
            accounts.setdefault(id_name(account_id), {})[id_name(document_id)] = None

        def concerned(key: ContentKey) -> bool:
            return str(key.document_id) in accounts.get(str(key.account_id), ())

        partials = [name for name, key in self._known_partials() if concerned(key)]
        # Partial downloads first: without one, nothing can be kept under a name erased a moment ago.
        self._erase_partials(partials)
        for account, names in accounts.items():
            self._erase_below((account,), names)
        self._sync()
        for account, names in accounts.items():
            self._look((account,), names)
        self._look((INCOMING,), partials)
        return self._erased()

    def erase_files(self, keys: Iterable[ContentKey]) -> Erased:
        """See `ports.store.ContentStore.erase_files`."""
        places: dict[tuple[str, ...], dict[str, None]] = {}
        partials: dict[str, None] = {}
        for key in keys:
            account, document, rendition = key_names(key)
            places.setdefault((account, document), {})[rendition] = None
            partials[partial_name(key)] = None
        self._erase_partials(partials)
        for place, names in places.items():
            self._erase_below(place, names)
        self._sync()
        for place, names in places.items():
            self._look(place, names)
        self._look((INCOMING,), partials)
        return self._erased()

    def erase_account(self, account_id: int) -> Erased:
        """See `ports.store.ContentStore.erase_account`."""
        account = id_name(account_id)
        partials = [name for name, key in self._known_partials() if key.account_id == account_id]
        self._erase_partials(partials)
        self._erase_below((), (account,))
        self._sync()
        self._look((), (account,))
        self._look((INCOMING,), partials)
        return self._erased()

    def erase_at(self, path: tuple[str, ...]) -> Erased:
        """Erase one thing of any kind, given as names below the root, and parents it leaves empty."""
        self._erase_below(path[:-1], path[-1:])
        self._sync()
        self._look(path[:-1], path[-1:])
        return self._erased()

    def erase_all(self, paths: Collection[tuple[str, ...]]) -> Erased:
        """Erase many things of any kind, each given as names below the root, and parents they leave empty."""
        places: dict[tuple[str, ...], list[str]] = {}
        for path in paths:
            places.setdefault(path[:-1], []).append(path[-1])
        partials = places.pop((INCOMING,), [])
        self._erase_partials(partials)
        for place, names in places.items():
            self._erase_below(place, names)
        self._sync()
        for place, names in places.items():
            self._look(place, names)
        self._look((INCOMING,), partials)
        return self._erased()

    def erase_incoming(self) -> int:
        """Erase all partial downloads and whatever else lies among them. Returns how many."""
        names = self._partial_names()
        self._erase_partials(names)
        self._sync()
        self._look((INCOMING,), names)
        self._erased()
        return len(names)

    def _erase_below(self, place: tuple[str, ...], names: Collection[str]) -> None:
        """Erase these names in the directory `place`; then the directories left empty on the way up."""
        try:
            with directory(self._root, *place) as descriptor:
                for name in names:
                    self._remove(descriptor, name)
        except OSError as error:
            if error.errno == errno.ENOENT:
                # Somebody else may have removed it a moment ago, and may not have synced it yet.
                self._changed.add(place)
                return
            if error.errno not in NOT_A_DIRECTORY:
                self._failed(error)
                return
            # A link or a file stands where a directory of ours must be: it goes, not what it points to.
            self._erase_below(place[:-1], place[-1:])
            return
        self._changed.add(place)
        self._prune(place)

    def _prune(self, place: tuple[str, ...]) -> None:
        while place:
            try:
                with directory(self._root, *place[:-1]) as descriptor:
                    os.rmdir(place[-1], dir_fd=descriptor)
            except OSError as error:
                if error.errno not in (*FILLED, errno.ENOENT):
                    self._failed(error)
                return
            place = place[:-1]
            self._changed.add(place)

    def _erase_partials(self, names: Iterable[str]) -> None:
        for name in names:
            with self._naming:
                self._remove(self._partials, name)
        self._changed.add((INCOMING,))

    def _known_partials(self) -> list[tuple[str, ContentKey]]:
        found = [(name, read_partial(name)) for name in self._partial_names()]
        return [(name, key) for name, key in found if key is not None]

    def _partial_names(self) -> list[str]:
        try:
            with os.scandir(self._partials) as entries:
                return [entry.name for entry in entries]
        except OSError as error:
            self._failed(error)
            return []

    def _remove(self, parent: int, name: str, depth: int = 0) -> None:
        """Remove whatever has this name, links unfollowed; record what fails and go on."""
        failed_before = len(self._failures)
        try:
            for attempt in range(1, _TRIES + 1):
                if not self._empty(parent, name, depth):
                    self._unlink(parent, name)
                    return
                try:
                    os.rmdir(name, dir_fd=parent)
                except OSError as error:
                    # A download may have been kept while the directory was being emptied: once more.
                    # Where something in it would not go, trying again does not help.
                    filled = error.errno in FILLED and len(self._failures) == failed_before
                    if not filled or attempt == _TRIES:
                        raise
                else:
                    return
        except FileNotFoundError:
            return
        except OSError as error:
            self._failed(error)

    def _empty(self, parent: int, name: str, depth: int) -> bool:
        """Remove all that lies in the directory `name`; False when it is no directory.

        Raises:
            OSError: it could not be read, or lies too deep.
        """
        if depth > _DEEPEST:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        try:
            with directory(parent, name) as descriptor, os.scandir(descriptor) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        self._remove(descriptor, entry.name, depth + 1)
                    else:
                        self._unlink(descriptor, entry.name)
        except OSError as error:
            if error.errno in NOT_A_DIRECTORY:
                return False
            raise
        return True

    def _unlink(self, parent: int, name: str) -> None:
        try:
            size_bytes = _size_bytes(parent, name)
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError as error:
            self._failed(error)
            return
        self._files += 1
        self._size_bytes += size_bytes

    def _sync(self) -> None:
        try:
            if len(self._changed) > SYNC_ALL_ABOVE and self._sync_all():
                return
            sync_directories(self._root, self._changed)
        except OSError as error:
            self._failed(error)

    def _sync_all(self) -> bool:
        try:
            return sync_file_system(self._root)
        except OSError:
            # It also tells of other people's files; our own directories are asked one by one.
            return False

    def _look(self, place: tuple[str, ...], names: Iterable[str]) -> None:
        try:
            with directory(self._root, *place) as descriptor:
                left = sum(exists(descriptor, name) for name in names)
        except OSError as error:
            if error.errno not in (errno.ENOENT, *NOT_A_DIRECTORY):
                self._failed(error)
            elif error.errno != errno.ENOENT:
                self._failures.append("a link stands where a directory must be")
            return
        if left:
            self._failures.append(f"{left} still there after erasing")

    def _failed(self, error: OSError) -> None:
        self._failures.append(os.strerror(error.errno) if error.errno else "unknown error")

    def _erased(self) -> Erased:
        """Say what was done.

        Raises:
            StoreBroken: not all of it could be.
        """
        if self._failures:
            kinds = ", ".join(sorted(set(self._failures)))
            raise StoreBroken(f"erasing failed in {len(self._failures)} places: {kinds}")
        return Erased(self._files, self._size_bytes)


def _size_bytes(parent: int, name: str) -> int:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        return 0  # a damaged inode may still be unlinked
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
