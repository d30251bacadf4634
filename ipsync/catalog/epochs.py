"""Fencing: of two processes that take themselves for the daemon, only the newer may write (F27).

Whoever takes the one-daemon lock, or finds that its holder hangs, begins a new epoch, durably. Every
transaction looks at it after it has begun, when nobody else can write: a process that was stopped, slept
through the change and goes on finds another epoch than its own, writes nothing and ends.
"""

from sqlalchemy import Connection

from ipsync.ports.catalog import CatalogCorrupt, CatalogFenced

NOTE = "epoch"

_NEWEST = "SELECT value FROM note WHERE name = ?"


class Epochs:
    """The epoch of one process's catalog, compared with the newest each time.

    Attributes:
        own: the epoch this process began; None for one that never held the lock and is not fenced.
    """

    def __init__(self) -> None:
        """Hold none."""
        self.own: int | None = None

    def demand_own(self, connection: Connection) -> int:
        """Read the newest epoch, and refuse to go on where it is not ours any more.

        By the driver, since this is asked in every transaction.

        Args:
            connection: of the writer, which holds the gate.

        Returns:
            The newest epoch; 0 where none was ever begun.

        Raises:
            CatalogFenced: another process began a newer one.
            CatalogCorrupt: what stands there is no number.
        """
        newest = _newest(connection)
        if self.own is not None and newest != self.own:
            raise CatalogFenced(
                f"another process has taken over the database (its epoch is {newest}, ours was {self.own}), as it does "
                "when this one stood still for too long: this process writes nothing more and ends; started again, "
                "it begins an epoch of its own"
            )
        return newest


def _newest(connection: Connection) -> int:
    cursor = connection.connection.cursor()
    try:
        row = cursor.execute(_NEWEST, (NOTE,)).fetchone()
    finally:
        cursor.close()
    if row is None:
        return 0
    if not str(row[0]).isdecimal():
        raise CatalogCorrupt("the epoch in the database is no number; restore a backup, or begin a new database")
    return int(row[0])
