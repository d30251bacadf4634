"""What all topics of a `View` or a `Transaction` share: one connection inside one transaction."""

import sqlite3
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement

from ipsync.catalog.sealing import Sealing
from ipsync.catalog.sqlite import Batch
from ipsync.catalog.statements import AnyRow, prepared

__all__ = ["AnyRow", "Handle"]


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
        self._driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        self._full = full
        self._epoch = epoch
        self._sealing = sealing

    def _rows(self, statement: ClauseElement, **parameters: Any) -> Sequence[AnyRow]:
        """Ask for rows. Statements given here and below are kept ones (see `statements.py`)."""
        asked = prepared(statement, *parameters)
        cursor = self._driver.execute(asked.sql, asked.values(parameters))
        return list(map(asked.row_of(cursor), cursor.fetchall()))

    def _row(self, statement: ClauseElement, **parameters: Any) -> AnyRow | None:
        asked = prepared(statement, *parameters)
        cursor = self._driver.execute(asked.sql, asked.values(parameters))
        try:
            row = cursor.fetchone()
            return None if row is None else asked.row_of(cursor)(row)
        finally:
            cursor.close()

    def _do(self, statement: ClauseElement, **parameters: Any) -> int:
        """Execute once; returns how many rows it touched."""
        asked = prepared(statement, *parameters)
        return self._driver.execute(asked.sql, asked.values(parameters)).rowcount

    def _add(self, statement: ClauseElement, **parameters: Any) -> int:
        """Insert one row; returns the number it got."""
        asked = prepared(statement, *parameters)
        return int(self._driver.execute(asked.sql, asked.values(parameters)).lastrowid or 0)

    def _tuples(self, batch: Batch, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Ask once for many rows, and make nothing of them."""
        return self._driver.execute(batch.sql, parameters).fetchall()

    def _do_many(self, batch: Batch, rows: list[tuple[Any, ...]]) -> None:
        """Execute once per row; nothing for no rows."""
        if rows:
            self._driver.executemany(batch.sql, rows)
