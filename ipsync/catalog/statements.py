"""Statements written down once: SQLAlchemy words them, the driver executes them.

SQLAlchemy takes five times as long to execute a short statement as SQLite does to answer it. So a statement is
compiled when it is first asked, and from then on its text, the order of its parameters and its own constants are
handed to the driver. It is remembered as the object it is: statements are kept by modules, or made by functions
that remember what they made, and never put together anew for each question.

The driver gives every type of the schema as it is (`tests/catalog/test_statements.py` holds the schema to that).
"""

import collections
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import FromClause
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql import ClauseElement

AnyRow: TypeAlias = Any
"""A named tuple of whatever columns the statement named, in their order."""

_named_tuple: Any = collections.namedtuple  # noqa: PYI024  # reason: names are known when a statement has answered
_MOST = 1_024
"""More than there are statements: what falls out of memory is only written down again."""


class HintingCompiler(SQLiteCompiler):
    """SQLAlchemy's own, but it writes the hints of `sqlite.by_index` down."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        """What follows the name of `table` in a FROM clause."""
        return text


def dialect() -> SQLiteDialect_pysqlite:
    """SQLite as these statements are worded for it."""
    worded_for = SQLiteDialect_pysqlite()
    worded_for.statement_compiler = HintingCompiler
    return worded_for


class Prepared:
    """One statement, for parameters of these names.

    Attributes:
        sql: its text.
        constants: the values it brings along, by the name of their parameter.
        order: the names of all parameters, in the order in which the driver takes their values.
    """

    __slots__ = ("_row", "constants", "order", "sql")

    def __init__(self, statement: ClauseElement, names: Iterable[str]) -> None:
        """Write `statement` down.

        Args:
            statement: of SQLAlchemy's core.
            names: of the parameters it is executed with; an insert sets these columns.

        Raises:
            InvalidRequestError: it has a parameter that is neither named nor has a value of its own.
        """
        asked = dict.fromkeys(names)
        compiled: Any = statement.compile(dialect=dialect(), column_keys=list(asked) or None)
        # A list of constants becomes as many parameters as it has entries.
        spread = compiled.construct_expanded_state(asked)
        self.sql: str = spread.statement
        self.order: tuple[str, ...] = tuple(spread.positiontup or ())
        self.constants = {name: spread.parameters[name] for name in self.order if name not in asked}
        self._row: Callable[[Iterable[Any]], AnyRow] | None = None

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the driver takes for these parameters."""
        every = {**self.constants, **parameters} if self.constants else parameters
        return tuple([every[name] for name in self.order])

    def row_of(self, cursor: sqlite3.Cursor) -> Callable[[Iterable[Any]], AnyRow]:
        """What makes a named tuple of a row of the executed statement."""
        if self._row is None:
            names = [column[0] for column in cursor.description]
            self._row = _named_tuple("AnyRow", names, rename=True)._make
        return self._row


def given(**parameters: Any) -> dict[str, Any]:
    """Those parameters that are not None."""
    return {name: value for name, value in parameters.items() if value is not None}


@lru_cache(_MOST)
def prepared(statement: ClauseElement, *names: str) -> Prepared:
    """The statement as it was written down, for parameters of these names."""
    return Prepared(statement, names)
