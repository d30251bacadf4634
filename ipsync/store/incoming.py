"""One file being received: a temporary name, a running digest, and nothing at all until it is kept.

What was cut off stays under its temporary name and is taken up by the next `FileIncoming` of the
same key, its digest computed again from the bytes that lie there. Never decides what is worth keeping.
"""

import errno
import fcntl
import io
import os
import stat
from threading import Lock

from blake3 import blake3

from ipsync.ports.store import ContentKey, NotStored, StoredFile, StoreFailure, StoreFull
from ipsync.store.disk import FILE_MODE, directory, disk_errors, ensure_directory, free_bytes
from ipsync.store.names import key_names, partial_name

READ_BYTES = 1 << 20
_CHECK_ROOM_BYTES = 8 << 20
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TRIES = 8


class FileIncoming:
    """A download on its way into a `FileStore` (`ports.store.Incoming`)."""

    def __init__(self, root: int, partials: int, naming: Lock, key: ContentKey, floor_bytes: int) -> None:
        """Begin the file of `key`, or take up what was received of it earlier.

        Args:
            root: descriptor of the store's root.
            partials: descriptor of the directory of partial downloads.
            naming: held while names are given or taken, so that erasing and keeping exclude each other.
            key: what is received.
            floor_bytes: free space that must remain.

        Raises:
            StoreFull: the floor is reached.
            StoreFailure: the same key is being received already.
            StoreBroken: the disk failed.
        """
        self._root = root
        self._partials = partials
        self._naming = naming
        self._key = key
        self._floor_bytes = floor_bytes
        self._partial = partial_name(key)
        self._digest = blake3()
        self._received_bytes = 0
        self._since_check_bytes = 0
        self._require_room()
        with disk_errors("beginning a download"):
            self._file = self._open()
            self._begin_digest()

    @property
    def received_bytes(self) -> int:
        """How much is there."""
        return self._received_bytes

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            StoreFull: no room; what was received so far is whole and stays.
            StoreBroken: the disk failed.
        """
        self._since_check_bytes += len(chunk)
        if self._since_check_bytes >= _CHECK_ROOM_BYTES:
            self._require_room()
            self._since_check_bytes = 0
        rest = memoryview(chunk)
        with disk_errors("receiving a file"):
            while rest:
                written = self._file.write(rest) or 0
                # Hashed as written: after an error digest and file still agree.
                self._digest.update(rest[:written])
                self._received_bytes += written
                rest = rest[written:]

    def restart(self) -> None:
        """Throw away what was received.

        Raises:
            StoreBroken: the disk failed.
        """
        with disk_errors("restarting a download"):
            self._file.seek(0)
            self._file.truncate()
            self._begin_digest()

    def head(self, size_bytes: int) -> bytes:
        """The first bytes received, up to `size_bytes`.

        Raises:
            StoreBroken: the disk failed.
        """
        with disk_errors("reading a download"):
            return os.pread(self._file.fileno(), size_bytes, 0)

    def keep(self) -> StoredFile:
        """Give the file its name; see `ports.store.Incoming.keep`.

        Raises:
            NotStored: it was erased while it was being received, and stays erased.
            StoreFull: no room.
            StoreBroken: the disk failed, or a link stands where a directory must be.
        """
        account, document, rendition = key_names(self._key)
        with disk_errors("keeping a file"), self._naming:
            if not self._has_name(self._file):
                raise NotStored("the file was erased while it was being received")
            for attempt in range(_TRIES):
                # An erasure or a walk may take an empty directory away before the name is in it.
                try:
                    ensure_directory(self._root, account)
                    with directory(self._root, account) as parent:
                        ensure_directory(parent, document)
                        with directory(parent, document) as place:
                            os.rename(self._partial, rendition, src_dir_fd=self._partials, dst_dir_fd=place)
                    break
                except FileNotFoundError:
                    if attempt == _TRIES - 1:
                        raise
            self._file.close()
        return StoredFile(self._key, self._received_bytes, self._digest.digest())

    def close(self) -> None:
        """Let go of it, leaving what was received for a later `receive` of the same key."""
        self._file.close()

    def discard(self) -> None:
        """Erase what was received, unless it was kept or let go.

        Raises:
            StoreBroken: the disk failed.
        """
        if self._file.closed:
            return
        with disk_errors("discarding a download"), self._naming:
            if self._has_name(self._file):
                os.unlink(self._partial, dir_fd=self._partials)
            self._file.close()

    def _open(self) -> io.FileIO:
        for _ in range(_TRIES):
            try:
                descriptor = os.open(self._partial, _OPEN_FLAGS, FILE_MODE, dir_fd=self._partials)
            except FileNotFoundError:
                raise StoreFailure("another ipsync process has taken over the store: this one keeps nothing") from None
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                os.unlink(self._partial, dir_fd=self._partials)
                continue
            file = io.FileIO(descriptor, "r+b")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise StoreFailure("this file is being received already") from None
            if self._is_ours(file):
                return file
            file.close()
        raise StoreFailure("a download could not be begun: its name is taken away again and again")

    def _is_ours(self, file: io.FileIO) -> bool:
        """Whether what was opened is a plain file with this one name; a planted thing loses its name."""
        opened = os.fstat(file.fileno())
        if stat.S_ISREG(opened.st_mode) and opened.st_nlink <= 1:
            # The name may have been taken away between opening and locking.
            return self._has_name(file)
        os.unlink(self._partial, dir_fd=self._partials)
        return False

    def _has_name(self, file: io.FileIO) -> bool:
        if file.closed:
            return False
        try:
            named = os.stat(self._partial, dir_fd=self._partials, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(file.fileno()), named)

    def _begin_digest(self) -> None:
        self._digest = blake3()
        self._received_bytes = 0
        self._since_check_bytes = 0
        self._file.seek(0)
        while chunk := self._file.read(READ_BYTES):
            self._digest.update(chunk)
            self._received_bytes += len(chunk)

    def _require_room(self) -> None:
        with disk_errors("asking for free space"):
            if free_bytes(self._root) < self._floor_bytes:
                raise StoreFull("the free-space floor is reached")
