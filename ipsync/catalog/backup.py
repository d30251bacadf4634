"""A copy of the database that holds nothing of any work: what a backup may keep, and how it is made and put back.

A backup outlives every lease, so nothing that a lease covers may be in it (T09, T10): no document, no text, no
address of a file, no name of a member, no word of an owner. All that comes back by reading ipernity again. What does
not come back is kept: who consented to what, sealed grants, requests and tombstones, the ledger, the budget's books.
"""

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from ipsync.catalog import schema
from ipsync.catalog.location import create_privately
from ipsync.ports.catalog import CatalogCorrupt, CatalogFailure, CatalogMissing

KEPT = frozenset(
    {
        "account",
        "account_grant",
        "alembic_version",
        "budget",
        "budget_rate",
        "budget_spent",
        "certificate",
        "consent",
        "incident",
        "ledger_entry",
        "ledger_head",
        "listing",
        "note",
        "petition",
        "read_token",
        "removal",
        "removal_request",
        "tombstone",
        "tripwire",
    }
)
"""Tables that go into a backup. Every other table is empty in it, also one that a later version adds."""

_FORGOTTEN = (
    "UPDATE account SET username = '', realname = '', checked_at = 0, next_check_at = 0",
    # Every listing is read anew from its first page.
    "UPDATE listing SET next_due_at = 0, sweep_started_at = NULL, next_page = 1, completed_at = NULL",
    "UPDATE listing SET total = 0, pages = 0",
)
_BEGINNING = b"SQLite format 3\x00"
_PIECE_BYTES = 1 << 20


def copy_without_content(database: Path, target: Path) -> dict[str, int]:
    """Write a copy of one moment of the database, without anything of a work. May run beside a daemon.

    Args:
        database: the file of the mirror.
        target: a file that does not exist yet; it gets mode 0600.

    Returns:
        How many rows were kept, by table.

    Raises:
        CatalogMissing: there is no database.
        CatalogFailure: it cannot be read, or the copy cannot be written.
    """
    if not database.is_file():
        raise CatalogMissing(f"there is no database at {database}")
    # What is copied holds content until it is taken out: that happens in memory, and never in a file.
    create_privately(target)
    try:
        with (
            contextlib.closing(sqlite3.connect(_uri(database, "ro"), uri=True)) as source,
            contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as copy,
        ):
            source.backup(copy)
            kept = _without_content(copy)
            target.write_bytes(copy.serialize())
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise CatalogFailure(f"{database} cannot be copied: {error}") from error
    except OSError as error:
        target.unlink(missing_ok=True)
        raise CatalogFailure(f"{target} cannot be written: {error.strerror}") from error
    return kept


def refuse_unfit(copy: Path) -> str:
    """Look whether a file is such a copy, whole and of a version that is known. Gives its schema's revision.

    Raises:
        CatalogCorrupt: it is no database, or damaged.
        CatalogFailure: it is of a newer version, or holds what no backup may hold.
    """
    if copy.read_bytes()[: len(_BEGINNING)] != _BEGINNING:
        raise CatalogCorrupt("it holds no database")
    try:
        with contextlib.closing(sqlite3.connect(_uri(copy, "ro") + "&immutable=1", uri=True)) as found:
            if (said := found.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
                raise CatalogCorrupt(f"its database is damaged: {said}")
            revision = str(found.execute("SELECT version_num FROM alembic_version").fetchone()[0])
            full = [name for name in _tables(found) if name not in KEPT and _rows(found, name)]
    except sqlite3.Error as error:
        raise CatalogCorrupt(f"its database cannot be read: {error}") from error
    if revision not in schema.REVISIONS:
        raise CatalogFailure(f"it was made by a newer ipsync (schema {revision}): install that one")
    if full:
        raise CatalogFailure(f"it holds copies of works ({', '.join(sorted(full))}), which no backup of ipsync does")
    return revision


def erase_database(database: Path) -> None:
    """Overwrite and remove a database with all that SQLite keeps beside it; nobody may have it open.

    Raises:
        CatalogFailure: it cannot be done.
    """
    try:
        for name in (database.name, f"{database.name}-wal", f"{database.name}-shm", f"{database.name}-journal"):
            path = database.with_name(name)
            if path.is_file() and not path.is_symlink():
                _overwrite(path)
            path.unlink(missing_ok=True)
    except OSError as error:
        raise CatalogFailure(f"{database} cannot be removed: {error.strerror}") from error


def _without_content(copy: sqlite3.Connection) -> dict[str, int]:
    copy.execute("PRAGMA secure_delete = ON")
    copy.execute("PRAGMA foreign_keys = OFF")
    tables = _tables(copy)
    copy.execute("BEGIN")
    for name in tables:
        if name not in KEPT:
            copy.execute(f'DELETE FROM "{name}"')  # noqa: S608  # reason: names of our own schema
    for statement in _FORGOTTEN:
        copy.execute(statement)
    # Triggers kept counting while rows went.
    copy.execute("DELETE FROM tally")
    copy.execute("COMMIT")
    # Written anew, so that no unused place holds what was there.
    copy.execute("VACUUM")
    return {name: _rows(copy, name) for name in tables if name in KEPT}


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [str(row[0]) for row in found.fetchall()]


def _rows(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608  # reason: as above


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(bytes(min(left, _PIECE_BYTES)))
        file.flush()
        os.fsync(file.fileno())


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path))}?mode={mode}"
