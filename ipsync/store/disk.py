"""The few ways the store touches a disk: through directory descriptors, never following a link (F30).

Every path is walked one name at a time from the store's root, so that a link planted anywhere below
it ends the walk instead of leading it away. Disk errors leave here sorted: no room, or broken (F3, F4).
"""

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ipsync.ports.store import StoreBroken, StoreFull

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a planted pipe must not make the reader wait for a writer.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

NOT_A_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP})
"""What opening a directory answers when the name is a link, a file or a device."""

FILLED = frozenset({errno.ENOTEMPTY, errno.EEXIST})
"""What removing a directory answers when something is in it."""

_libc = ctypes.CDLL(None, use_errno=True)
_syncfs = getattr(_libc, "syncfs", None)


def sorted_failure(error: OSError, doing: str) -> StoreFull | StoreBroken:
    """Turn an error of the disk into the store's own, naming what was being done."""
    reason = f"{doing}: {os.strerror(error.errno) if error.errno else 'unknown error'}"
    return StoreFull(reason) if error.errno in _NO_ROOM else StoreBroken(reason)


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Let no bare OSError out of the block.

    Raises:
        StoreFull: no room.
        StoreBroken: any other error of the disk.
    """
    try:
        yield
    except OSError as error:
        raise sorted_failure(error, doing) from error


@contextmanager
def directory(start: int, *names: str) -> Iterator[int]:
    """Open the directory `names` below the descriptor `start`, for the time of the block.

    Raises:
        FileNotFoundError: a name is not there.
        OSError: a name is a link or no directory (an errno of `NOT_A_DIRECTORY`), or the disk failed.
    """
    descriptor = start
    try:
        for name in names or (".",):
            below = os.open(name, _DIRECTORY_FLAGS, dir_fd=descriptor)
            if descriptor != start:
                os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        if descriptor != start:
            os.close(descriptor)


def ensure_directory(start: int, name: str) -> None:
    """Make the directory `name` below `start` if nothing has that name."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, DIRECTORY_MODE, dir_fd=start)


def open_file(start: int, name: str) -> int:
    """Open the regular file `name` in the directory `start` for reading.

    Raises:
        FileNotFoundError: it is not there.
        StoreBroken: it is a link or no regular file.
        OSError: the disk failed.
    """
    try:
        descriptor = os.open(name, _READ_FLAGS, dir_fd=start)
    except OSError as error:
        # ELOOP: a link; ENXIO: a socket or a pipe nobody reads.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise StoreBroken("a stored file is no regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreBroken("a stored file is no regular file")
    return descriptor


def exists(start: int, name: str) -> bool:
    """Look whether anything, a link included, has this name in the directory `start`."""
    try:
        os.stat(name, dir_fd=start, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def free_bytes(descriptor: int) -> int:
    """How much room is left for us on the file system; 0 also when it has no inodes left."""
    room = os.fstatvfs(descriptor)
    if room.f_files and not room.f_favail:
        return 0
    return room.f_bavail * room.f_frsize


def free_bytes_at(path: Path) -> int | None:
    """How much room is left for us where a path leads, or its nearest folder that exists; None where nobody knows."""
    for place in (path, *path.parents):
        try:
            room = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return 0 if room.f_files and not room.f_favail else room.f_bavail * room.f_frsize
    return None


def sync_file_system(descriptor: int) -> bool:
    """Write everything of the file system to the disk, in one go; False where the system has no such call.

    A descriptor opened before the writing sees errors of the write-back since its last call.

    Raises:
        OSError: the disk failed.
    """
    if _syncfs is None or _syncfs(descriptor) == 0:
        return _syncfs is not None
    number = ctypes.get_errno()
    if number == errno.ENOSYS:
        return False
    raise OSError(number, os.strerror(number))


def sync_directories(root: int, paths: Iterable[tuple[str, ...]]) -> None:
    """Make the entries of these directories durable, each given as names below `root`.

    Where one is gone, its nearest parent that is left is synced: that one lost an entry.

    Raises:
        OSError: the disk failed.
    """
    waiting = sorted(set(paths), key=len)
    done: set[tuple[str, ...]] = set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        try:
            with directory(root, *path) as descriptor:
                os.fsync(descriptor)
        except OSError as error:
            if not path or error.errno not in (errno.ENOENT, *NOT_A_DIRECTORY):
                raise
            waiting.append(path[:-1])
