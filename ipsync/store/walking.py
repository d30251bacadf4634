"""Looking through everything a store holds, one entry at a time, whatever is found there.

A generator holds at most one open directory a level, never a list: a million files must not cost
memory. Empty directories of ours are taken away in passing, since their names alone tell of documents.
"""

import contextlib
import os
from collections.abc import Iterator

from ipsync.store.disk import directory
from ipsync.store.names import FOREIGN_TO_ALL, INCOMING, MARK, NEW_MARK, read_id

Names = tuple[str, ...]

_OURS = ((MARK,), (NEW_MARK,))


def files_below(root: int, *, incoming: bool = False) -> Iterator[tuple[Names, "os.DirEntry[str]"]]:
    """Every entry below the root that is no directory, but the store's own mark: names below the root, and entry.

    Args:
        root: descriptor of the store's root.
        incoming: whether partial downloads are among them.

    Raises:
        OSError: a directory could not be read.
    """
    return _below(root, (), incoming=incoming)


def _below(parent: int, path: Names, *, incoming: bool) -> Iterator[tuple[Names, "os.DirEntry[str]"]]:
    with os.scandir(parent) as entries:
        for entry in entries:
            names = (*path, entry.name)
            if not entry.is_dir(follow_symlinks=False):
                if names not in _OURS:
                    yield names, entry
                continue
            if names == (FOREIGN_TO_ALL,) or (names == (INCOMING,) and not incoming):
                continue
            # It may be erased, or replaced by a link, while we walk.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                empty = True
                with directory(parent, entry.name) as descriptor:
                    for found in _below(descriptor, names, incoming=incoming):
                        empty = False
                        yield found
                if empty and all(read_id(name) is not None for name in names):
                    with contextlib.suppress(OSError):
                        os.rmdir(entry.name, dir_fd=parent)
