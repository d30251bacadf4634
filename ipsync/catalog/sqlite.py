"""Everything that is SQLite's own: connections, pragmas, error codes, checkpoints, triggers, dialect.

The queries elsewhere in this package take what differs between databases from here. The settings
below are not tuning: each answers a way to lose data or to keep what was erased.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Delete,
    Engine,
    MetaData,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    create_engine,
    event,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import KeyedColumnElement, UnaryExpression

from ipsync.catalog.failures import CatalogConflict, CatalogFull
from ipsync.catalog.statements import HintingCompiler, dialect
from ipsync.catalog.tables import METADATA
from ipsync.ports.catalog import CatalogBroken, CatalogBusy, CatalogCorrupt, CatalogFailure

__all__ = [
    "Batch",
    "by_index",
    "cause_of",
    "checkpoint",
    "fails_as",
    "forget_pages",
    "in_numbers",
    "insert",
    "numbers",
    "one_of",
    "quick_check",
    "reading_engine",
    "replacing",
    "tally_triggers",
    "unindexed",
    "upsert",
    "writing_engine",
]

_OLDEST = (3, 38)  # STRICT tables, and JSON functions always built in
_WRITER_CACHE_KIBIBYTES = 8_192
_READER_CACHE_KIBIBYTES = 2_048


def writing_engine(path: Path, busy_seconds: float, *, create: bool = False) -> Engine:
    """Make the engine of a connection that writes; every transaction begins with BEGIN IMMEDIATE.

    Python's own transactions are off: they begin too late and lose updates. No automatic checkpoints
    either, since those may run beside another process's writer (see `gate.py`).

    Args:
        path: the database file; its folder must exist.
        busy_seconds: how long to wait for another process.
        create: whether a missing file is made; it has been created with the right mode before.
    """

    def connect() -> sqlite3.Connection:
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=busy_seconds,
            cached_statements=256,
            check_same_thread=False,
        )
        try:
            _configure_writer(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    return _engine(connect, "BEGIN IMMEDIATE")


def _configure_writer(connection: sqlite3.Connection) -> None:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise CatalogFailure(
            f"SQLite {sqlite3.sqlite_version} is too old, {'.'.join(map(str, _OLDEST))} is needed: install a newer one"
        )
    # Answers of pragmas are read back: SQLite ignores what it does not know.
    _demand(connection, "journal_mode", "wal")
    _demand(connection, "synchronous", 2, "FULL")
    _demand(connection, "secure_delete", 1, "ON")  # FAST would leave erased text in free pages
    _demand(connection, "foreign_keys", 1, "ON")
    _demand(connection, "wal_autocheckpoint", 0)
    _demand(connection, "temp_store", 2, "MEMORY")  # no personal text in temporary files
    _demand(connection, "cell_size_check", 1, "ON")  # damage is found before it spreads (F5)
    _demand(connection, "mmap_size", 0)  # an error of the disk must be an error code and not a signal
    connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIBIBYTES}")


def _demand(connection: sqlite3.Connection, pragma: str, wanted: int | str, word: str | None = None) -> None:
    connection.execute(f"PRAGMA {pragma} = {word or wanted}").fetchall()
    row = connection.execute(f"PRAGMA {pragma}").fetchone()
    if row is None or row[0] != wanted:
        raise CatalogFailure(
            f"SQLite {sqlite3.sqlite_version} does not honor PRAGMA {pragma} = {word or wanted}; "
            "erasing would not be safe with it: install another SQLite"
        )


def reading_engine(path: Path, busy_seconds: float) -> Engine:
    """Make the engine of connections that cannot write; each transaction sees one moment of the catalog."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=busy_seconds,
            cached_statements=256,
            check_same_thread=False,
        )
        try:
            _demand(connection, "query_only", 1, "ON")
            _demand(connection, "cell_size_check", 1, "ON")
            _demand(connection, "temp_store", 2, "MEMORY")
            _demand(connection, "mmap_size", 0)
            connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIBIBYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    return _engine(connect, "BEGIN")


def _engine(connect: Callable[[], sqlite3.Connection], begin: str) -> Engine:
    # Parameters hold personal text and must not reach a message.
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    engine.dialect.statement_compiler = HintingCompiler

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.connection.cursor().execute(begin)

    return engine


def checkpoint(connection: Connection) -> bool:
    """Move the write-ahead log into the database and cut it to nothing.

    The caller holds the gate and no transaction. Readers are not waited for.

    Returns:
        False when a reader held part of the log; what could be moved was moved.
    """
    driver = connection.connection.cursor()
    timeout = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    try:
        driver.execute("PRAGMA busy_timeout = 0")
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        driver.execute(f"PRAGMA busy_timeout = {timeout}")
    finally:
        driver.close()
    return not busy


def forget_pages(connection: Connection) -> None:
    """Drop what the connection remembers of the file, as far as no transaction uses it."""
    connection.connection.cursor().execute("PRAGMA shrink_memory").close()


def quick_check(connection: Connection) -> list[str]:
    """Ask SQLite for contradictions in the file: a sentence each, none when all is well."""
    found = [row[0] for row in connection.exec_driver_sql("PRAGMA quick_check(20)")]
    if found == ["ok"]:
        found = []
    found.extend(
        f"a row of {row[0]} refers to a row of {row[2]} that is not there"
        for row in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
    )
    return found


_NO_ROOM = (CatalogFull, "no room is left for the database: free some disk space")
_REASONS: dict[int, tuple[type[CatalogFailure], str]] = {
    # Shared memory that cannot grow is no damage: nothing was written that could be lost.
    sqlite3.SQLITE_IOERR_SHMSIZE: _NO_ROOM,
    sqlite3.SQLITE_IOERR_SHMMAP: _NO_ROOM,
    sqlite3.SQLITE_BUSY: (CatalogBusy, "another process held the database too long"),
    sqlite3.SQLITE_LOCKED: (CatalogBusy, "another process held the database too long"),
    sqlite3.SQLITE_FULL: _NO_ROOM,
    sqlite3.SQLITE_IOERR: (CatalogBroken, "the disk answered an error to the database: look at the disk"),
    sqlite3.SQLITE_CORRUPT: (CatalogCorrupt, "the database file is damaged: restore a backup, or begin anew"),
    sqlite3.SQLITE_NOTADB: (CatalogCorrupt, "the file is no SQLite database: look at database.url"),
    sqlite3.SQLITE_CONSTRAINT: (CatalogConflict, "the work contradicts what the catalog holds"),
    sqlite3.SQLITE_CANTOPEN: (CatalogFailure, "the database file cannot be opened: look at database.url"),
    sqlite3.SQLITE_READONLY: (CatalogFailure, "the database file cannot be written: look at its permissions"),
    sqlite3.SQLITE_PERM: (CatalogFailure, "the database file cannot be used: look at its permissions"),
}


def fails_as(error: DBAPIError | sqlite3.Error) -> CatalogFailure:
    """Sort an error of the driver by what to do about it.

    SQLite's own message is added where SQLite speaks: it names tables and columns, never values. A message of
    Python's driver (no error code) may quote what could not be read, and is left out (I9).
    """
    origin = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(origin, "sqlite_errorcode", None)
    code_found = -1 if code is None else code
    unknown = (CatalogFailure, "the database refused the work")
    kind, reason = _REASONS.get(code_found) or _REASONS.get(code_found & 0xFF, unknown)
    return kind(f"{reason} ({origin})" if code is not None else reason)


def cause_of(error: DBAPIError | sqlite3.Error) -> DBAPIError | sqlite3.Error | None:
    """What a failure may be raised from: an error of SQLite, but none of the driver, which may quote a value (I9)."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return error if getattr(origin, "sqlite_errorcode", None) is not None else None


class Batch:
    """A statement to be executed for many rows, or to be asked for many: each row a plain tuple.

    SQLAlchemy's own way of doing that takes a dictionary per row, and as much time as SQLite itself.
    """

    def __init__(self, statement: Insert | Update | Delete | Select[Any], names: Iterable[str]) -> None:
        """Write `statement` down once.

        Args:
            statement: with a parameter for each of `names`.
            names: what a row's tuple holds, in its order.

        Raises:
            ValueError: SQL takes them in another order.
        """
        compiled = statement.compile(dialect=dialect())
        order = getattr(compiled, "positiontup", None)
        if order != list(names):
            raise ValueError(f"a row for this statement is {order}")
        self.sql = str(compiled)


def replacing(table: Table, key: KeyedColumnElement[int]) -> Batch:
    """The batch that replaces rows by their number: tuples of all other columns in their order, then `key`."""
    names = [name for name in table.c.keys() if name != key.name]  # noqa: SIM118  # reason: iterating gives columns
    statement = update(table).where(key == bindparam("its_number")).values({name: bindparam(name) for name in names})
    return Batch(statement, [*names, "its_number"])


def numbers(values: Collection[int]) -> str:
    """Write whole numbers as the one parameter that `in_numbers` takes, however many there are."""
    return json.dumps(list(values))


def in_numbers(column: KeyedColumnElement[int], name: str = "numbers") -> ColumnElement[bool]:
    """The condition that `column` is one of the numbers in the parameter `name` (see `numbers`)."""
    listed: BindParameter[str] = bindparam(name, type_=Text)
    return column.in_(select(func.json_each(listed).table_valued("value").c.value))


def one_of(column: ColumnElement[str], words: Collection[str]) -> ColumnElement[bool]:
    """The condition that `column` is one of our own `words`, written out so that a partial index can serve it."""
    literals: list[ColumnElement[str]] = [literal_column(f"'{word}'") for word in words]
    return column == literals[0] if len(literals) == 1 else column.in_(literals)


def unindexed(column: KeyedColumnElement[Any]) -> ColumnElement[Any]:
    """`column`, for a condition by which no index shall be searched: a better one is named beside it.

    Without statistics SQLite takes any two equalities for better than a list of row numbers.
    """
    return UnaryExpression(column, operator=operators.custom_op("+"), type_=column.type)


def by_index(statement: Select[Any], table: Table, index: str) -> Select[Any]:
    """Make `statement` search `table` by this index, whatever SQLite's guess would be; "" for the row number."""
    return statement.with_hint(table, f"INDEXED BY {index}" if index else "NOT INDEXED", "sqlite")


def upsert(table: Table) -> Insert:
    """Insert a row, or replace everything of the row that has its primary key."""
    statement = insert(table)
    values = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=values)


_ONE_MORE = (
    "INSERT INTO tally (kind, account_id, state, number, size_bytes)"
    " VALUES ('{kind}', new.account_id, {new_state}, 1, {new_size})"
    " ON CONFLICT (kind, account_id, state) DO UPDATE"
    " SET number = number + 1, size_bytes = size_bytes + excluded.size_bytes;"
)
_ONE_LESS = (
    "UPDATE tally SET number = number - 1, size_bytes = size_bytes - {old_size}"
    " WHERE kind = '{kind}' AND account_id = old.account_id AND state = {old_state};"
)


def tally_triggers() -> Iterator[tuple[str, str]]:
    """The triggers that keep the table `tally`, as pairs of name and statement."""
    for kind, state, size in (
        ("document", "state", ""),
        ("rendition", "state", "size_bytes"),
        ("tombstone", "", ""),
        ("removal", "stage", ""),
    ):
        words = {
            "kind": kind,
            "old_state": f"old.{state}" if state else "''",
            "new_state": f"new.{state}" if state else "''",
            "old_size": f"old.{size}" if size else "0",
            "new_size": f"new.{size}" if size else "0",
        }
        more, less = _ONE_MORE.format_map(words), _ONE_LESS.format_map(words)
        counted = [name for name in ("account_id", state, size) if name]
        changed = " OR ".join(f"old.{name} <> new.{name}" for name in counted)
        for verb, when, steps in (
            ("insert", "INSERT", more),
            ("delete", "DELETE", less),
            ("update", f"UPDATE OF {', '.join(counted)}", f"{less} {more}"),
        ):
            guard = f" WHEN {changed}" if verb == "update" else ""
            name = f"tally_{kind}_{verb}"
            yield name, f"CREATE TRIGGER {name} AFTER {when} ON {kind} FOR EACH ROW{guard} BEGIN {steps} END"


def ledger_triggers() -> Iterator[tuple[str, str]]:
    """The triggers that refuse to change the ledger, as pairs of name and statement."""
    for verb in ("UPDATE", "DELETE"):
        name = f"ledger_entry_{verb.lower()}"
        refusal = "SELECT RAISE(ABORT, 'the ledger is only ever appended to');"
        yield name, f"CREATE TRIGGER {name} BEFORE {verb} ON ledger_entry BEGIN {refusal} END"


@event.listens_for(METADATA, "after_create")
def _create_triggers(_target: MetaData, connection: Connection, **_options: object) -> None:
    for _, statement in (*tally_triggers(), *ledger_triggers()):
        connection.exec_driver_sql(statement)
