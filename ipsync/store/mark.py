"""The store's mark: one word by which a database knows its store, and a store its database (F28).

It is replaced as a whole and durably. Where it cannot be read there is none: then nothing is taken for granted.
"""

import os
import re
from contextlib import suppress

from ipsync.store.disk import FILE_MODE, disk_errors
from ipsync.store.names import MARK, NEW_MARK

_WORD = re.compile(rb"ipsync store ([0-9a-z-]{1,64})\n", re.ASCII)
_LONGEST_BYTES = 128


def read_mark(root: int) -> str | None:
    """The word of the store below the descriptor `root`, or None."""
    try:
        descriptor = os.open(MARK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    except OSError:
        return None
    try:
        found = _WORD.fullmatch(os.read(descriptor, _LONGEST_BYTES))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None if found is None else found[1].decode("ascii")


def write_mark(root: int, word: str) -> None:
    """Replace the word, durably.

    Args:
        root: descriptor of the store's root.
        word: small letters, digits and hyphens.

    Raises:
        ValueError: `word` holds anything else.
        StoreFull: no room; the old word stays.
        StoreBroken: the disk failed.
    """
    line = f"ipsync store {word}\n".encode()
    if _WORD.fullmatch(line) is None:
        raise ValueError("a store's mark is a word of small letters, digits and hyphens")
    with disk_errors("marking the store"):
        with suppress(FileNotFoundError):
            os.unlink(NEW_MARK, dir_fd=root)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(NEW_MARK, flags, FILE_MODE, dir_fd=root)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(NEW_MARK, MARK, src_dir_fd=root, dst_dir_fd=root)
        os.fsync(root)
