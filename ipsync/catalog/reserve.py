"""Room kept aside, so that erasing still works on a full disk (F3).

A removal writes before it frees: the log must hold its pages first. When the disk is found full, this
file is given up, and until it could be made again nothing new is taken into the catalog.
"""

import os
from pathlib import Path

from ipsync.catalog.location import open_beside, reserve_file

_LEAST_BYTES = 1 << 20
_MOST_BYTES = 8 << 20
"""More than the log of any one removal batch needs."""


class Reserve:
    """A file without content beside the database, as large as a removal may need."""

    def __init__(self, database: Path) -> None:
        """Keep the room beside the file `database`; nothing is done yet."""
        self._database = database
        self._path = reserve_file(database)

    def restore(self) -> bool:
        """Take the room, unless it is taken. Returns whether it is now.

        Raises:
            CatalogFailure: the folder may not be written.
        """
        # A transaction puts each page of the database into the log about once, so twice its size is plenty.
        size_bytes = min(_MOST_BYTES, max(_LEAST_BYTES, 2 * self._database.stat().st_size))
        descriptor = open_beside(self._database, self._path)
        try:
            before_bytes = os.fstat(descriptor).st_size
            if before_bytes < size_bytes:
                try:
                    os.posix_fallocate(descriptor, 0, size_bytes)
                except OSError:
                    os.ftruncate(descriptor, before_bytes)
                    return False
        finally:
            os.close(descriptor)
        return True

    def release(self) -> None:
        """Give the room back to the disk."""
        self._path.unlink(missing_ok=True)
