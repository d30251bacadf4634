"""Known mistakes, to be switched on one at a time: what finds nothing in them would find nothing at all."""

from collections.abc import Callable
from sqlite3 import Connection

from ipsync.catalog import sqlite
from ipsync.jobs.orphans import Orphans, OrphansReport
from ipsync.store import FileStore


def commits_not_synced() -> None:
    """SQLite is not told to wait for the disk."""
    demand = sqlite._demand

    def lenient(connection: Connection, pragma: str, wanted: int | str, word: str | None = None) -> None:
        demand(connection, pragma, *((0, "OFF") if pragma == "synchronous" else (wanted, word)))

    sqlite._demand = lenient


def files_not_synced() -> None:
    """Content is recorded before it is durable, and nobody compares files with rows before serving."""

    async def looks_away(self: Orphans, *, doubted_since: int | None = None) -> OrphansReport:
        return OrphansReport()

    Orphans.run = looks_away  # type: ignore[method-assign]  # reason: the mistake
    FileStore.make_durable = lambda self, keys: None  # type: ignore[method-assign]  # reason: the mistake


MISTAKES: dict[str, Callable[[], None]] = {
    "commits-not-synced": commits_not_synced,
    "files-not-synced": files_not_synced,
}
