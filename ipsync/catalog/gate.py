"""One writer at a time, over all processes, and no checkpoint beside a writer.

SQLite up to 3.51.2 may lose committed pages when a transaction resets the write-ahead log while
another connection begins a checkpoint (the "WAL-reset bug"). Whoever writes or checkpoints holds this
gate, so the two never meet; the kernel takes it back from a process that dies. It never touches the
database file: closing that would drop SQLite's own locks.
"""

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ipsync.catalog.location import open_beside, writer_lock_file
from ipsync.ports.catalog import CatalogBusy

_PAUSE_SECONDS = 0.002
_NAME_BYTES = 16


class WriterGate:
    """An advisory lock on a file of its own beside the database."""

    def __init__(self, database: Path, patience_seconds: float) -> None:
        """Open the lock file of the file `database`; wait at most `patience_seconds` each time.

        Raises:
            CatalogFailure: the folder may not be written.
        """
        self._descriptor = open_beside(database, writer_lock_file(database))
        self._name = os.urandom(_NAME_BYTES)
        self._pause = threading.Event()  # never set: a way to wait without reading a clock
        self._tries = max(1, round(patience_seconds / _PAUSE_SECONDS))

    def __enter__(self) -> Self:
        """Wait for the gate.

        Raises:
            CatalogBusy: another process held it all the time.
        """
        for _ in range(self._tries):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._pause.wait(_PAUSE_SECONDS)
            else:
                return self
        raise CatalogBusy("another ipsync process is writing to the database and does not finish")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the gate."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def sign(self) -> bool:
        """Write down that this process is the one that checkpoints now; for whoever holds the gate.

        Returns:
            Whether it was the last one that did already, so that no other did in between.
        """
        try:
            if os.pread(self._descriptor, _NAME_BYTES, 0) == self._name:
                return True
            os.pwrite(self._descriptor, self._name, 0)
        except OSError:
            # Without room for a name nobody has one: then nobody can be sure of having been the last.
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
        return False

    def close(self) -> None:
        """Give the lock file back. The gate cannot be used afterwards."""
        os.close(self._descriptor)
