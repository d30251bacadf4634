"""Has anything been committed since? The cheapest question one can ask of the catalog.

For readers that keep an answer and must know that it still is the answer: whoever commits, in
whatever process, changes the stamp. No wait, no thread, no query of any table.
"""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from ipsync.ports.catalog import CatalogFailure


class CommitStamp:
    """A number that changes with every commit to one database. To be asked from one thread."""

    def __init__(self, path: Path) -> None:
        """Look at the database at `path`, which exists.

        Raises:
            CatalogFailure: it cannot be opened.
        """
        try:
            # No patience: a database that is held is answered by None, never by waiting.
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as failure:
            raise CatalogFailure("the database cannot be opened") from failure

    def __call__(self) -> int | None:
        """Give the stamp, or None when it cannot be told at once: then nothing kept may be trusted."""
        try:
            # This connection never writes, so SQLite counts every commit here as another's.
            row = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else int(row[0])

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()
