"""The failures of the catalog that its port does not name, and the door where rows become values.

A failure's message is ours: it names a file, a table, a remedy, never a value of a row.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ipsync.ports.catalog import CatalogCorrupt, CatalogFailure, CatalogFull

__all__ = ["CatalogConflict", "CatalogFull", "decoding"]


class CatalogConflict(CatalogFailure):
    """The work contradicts what the catalog holds: a file of an unknown document, a number used twice."""


@contextmanager
def decoding(table: str) -> Iterator[None]:
    """Turn what a row of `table` cannot mean into a failure (F5).

    Raises:
        CatalogCorrupt: a word or number in it is none that ipsync ever writes.
    """
    try:
        yield
    except (KeyError, ValueError, TypeError):
        # The cause is left out, since it may quote the value (I9).
        raise CatalogCorrupt(
            f"the table {table} holds a value that ipsync never wrote; restore a backup, or begin a new database"
        ) from None
