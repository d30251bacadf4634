"""The failures of the catalog that its port does not name, and the door where rows become values.

A failure's message is ours: it names a file, a table, a remedy, never a value of a row.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ipsync.ports.catalog import CatalogCorrupt, CatalogFailure, CatalogFull

__all__ = ["CatalogConflict", "CatalogFull", "decoding", "readable"]


RowT = TypeVar("RowT")
T = TypeVar("T")

_MEANS_NOTHING = (KeyError, ValueError, TypeError)


class CatalogConflict(CatalogFailure):
    """The work contradicts what the catalog holds: a file of an unknown document, a number used twice."""


def readable(rows: Sequence[RowT], read: Callable[[RowT], T], unreadable: Callable[[RowT], T]) -> list[T]:
    """Turn rows into values, one bad row without the others (F5).

    Where a row holds a word or number that ipsync never wrote, nobody else may wait for it: it becomes what can be
    erased and cannot be served.

    Args:
        rows: of one table.
        read: turns a row into a value; KeyError, ValueError or TypeError where it means nothing.
        unreadable: what such a row is taken for.
    """
    try:
        return [read(row) for row in rows]
    except _MEANS_NOTHING:
        pass
    values: list[T] = []
    for row in rows:
        try:
            values.append(read(row))
        except _MEANS_NOTHING:
            values.append(unreadable(row))
    return values


@contextmanager
def decoding(table: str) -> Iterator[None]:
    """Turn what a row of `table` cannot mean into a failure (F5).

    Raises:
        CatalogCorrupt: a word or number in it is none that ipsync ever writes.
    """
    try:
        yield
    except _MEANS_NOTHING:
        # The cause is left out, since it may quote the value (I9).
        raise CatalogCorrupt(
            f"the table {table} holds a value that ipsync never wrote; restore a backup, or begin a new database"
        ) from None
