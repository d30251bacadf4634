"""What all topics of a `View` or a `Transaction` share: one connection inside one transaction."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Executable, Row

from ipsync.catalog.sealing import Sealing
from ipsync.catalog.sqlite import Batch

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""A row of whatever columns the statement named, in their order."""


class Handle:
    """A connection with an open transaction, for as long as one piece of work runs."""

    def __init__(self, connection: Connection, sealing: Sealing, *, full: bool = False, epoch: int = 0) -> None:
        """Work on `connection`; whoever opened the transaction ends it.

        Args:
            connection: with an open transaction.
            sealing: of tokens and of the ledger.
            full: the disk has no room, and nothing new is taken in.
            epoch: under which is written (see `epochs.py`).
        """
        self._connection = connection
        self._full = full
        self._epoch = epoch
        self._sealing = sealing

    def _rows(self, statement: Executable, **parameters: Any) -> Sequence[AnyRow]:
        return self._connection.execute(statement, parameters).all()

    def _row(self, statement: Executable, **parameters: Any) -> AnyRow | None:
        return self._connection.execute(statement, parameters).first()

    def _do(self, statement: Executable, **parameters: Any) -> int:
        """Execute once; returns how many rows it touched."""
        return self._connection.execute(statement, parameters).rowcount

    def _tuples(self, batch: Batch, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Ask once for many rows, and make nothing of them."""
        result = self._connection.exec_driver_sql(batch.sql, parameters)
        found = list(result.cursor.fetchall())
        result.close()
        return found

    def _do_many(self, batch: Batch, rows: list[tuple[Any, ...]]) -> None:
        """Execute once per row; nothing for no rows."""
        if rows:
            self._connection.exec_driver_sql(batch.sql, rows)
