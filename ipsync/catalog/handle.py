"""What all topics of a `View` or a `Transaction` share: one connection inside one transaction."""

import sqlite3
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement

from ipsync.catalog.sealing import Sealing
from ipsync.catalog.sqlite import Batch
from ipsync.catalog.statements import AnyRow, prepared

__all__ = ["LOST_BYTES", "AnyRow", "Handle"]


LOST_BYTES = "\N{REPLACEMENT CHARACTER}"
"""Stands in a text for bytes that are none (see `Handle`)."""


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
        cursor, rows = self._fetched(asked.sql, asked.values(parameters))
        return list(map(asked.row_of(cursor), rows))

    def _row(self, statement: ClauseElement, **parameters: Any) -> AnyRow | None:
        """Ask for one row; of several the first."""
        asked = prepared(statement, *parameters)
        cursor, rows = self._fetched(asked.sql, asked.values(parameters), most=1)
        return asked.row_of(cursor)(rows[0]) if rows else None

    def _fetched(
        self, sql: str, values: tuple[Any, ...], most: int | None = None
    ) -> tuple[sqlite3.Cursor, list[tuple[Any, ...]]]:
        """Execute, and fetch all rows or the first `most`.

        Text whose bytes are no text any more is read with `LOST_BYTES` in their place: nobody else's row waits for it,
        a word of ours means nothing then, and what ipernity told is told again by the next sweep (F5).
        """
        if sql.startswith("SELECT"):
            try:
                return _fetch(self._driver, sql, values, most)
            except sqlite3.OperationalError as error:
                # What SQLite itself says has a code.
                if getattr(error, "sqlite_errorcode", None) is not None:
                    raise
        # What changes something is not done twice, so it is read leniently at once.
        self._driver.text_factory = _read_leniently
        try:
            return _fetch(self._driver, sql, values, most)
        finally:
            self._driver.text_factory = str

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
        return self._fetched(batch.sql, parameters)[1]

    def _do_many(self, batch: Batch, rows: list[tuple[Any, ...]]) -> None:
        """Execute once per row; nothing for no rows."""
        if rows:
            self._driver.executemany(batch.sql, rows)


def _fetch(
    driver: sqlite3.Connection, sql: str, values: tuple[Any, ...], most: int | None
) -> tuple[sqlite3.Cursor, list[tuple[Any, ...]]]:
    cursor = driver.execute(sql, values)
    if most is None:
        return cursor, cursor.fetchall()
    try:
        return cursor, cursor.fetchmany(most)
    finally:
        cursor.close()


def _read_leniently(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
