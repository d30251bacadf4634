"""Statements that go past SQLAlchemy to the driver say and give the same as those that go through it."""

from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, bindparam, create_engine, insert, select, update
from sqlalchemy.exc import InvalidRequestError

from ipsync.catalog import SqliteCatalog
from ipsync.catalog.statements import Prepared, dialect, prepared
from ipsync.catalog.tables import METADATA, Fraction
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.entries import EntryKind
from ipsync.policy.planner import ListingKey
from ipsync.ports.catalog import Transaction

HENS = Table("hen", MetaData(), Column("number", Integer, primary_key=True), Column("egg", LargeBinary))


def test_the_driver_gives_every_type_of_the_schema_as_it_is() -> None:
    """SQLAlchemy would make bytes of bytes, and floats of numbers for columns that take nothing else (STRICT)."""
    worded_for = dialect()
    for table in METADATA.tables.values():
        for column in table.columns:
            kind = column.type.dialect_impl(worded_for)
            if not isinstance(column.type, LargeBinary):
                assert kind.bind_processor(worded_for) is None or isinstance(column.type, Fraction), column
                assert kind.result_processor(worded_for, None) is None, column
            assert column.default is None, column


def test_constants_lists_and_parameters_find_their_places(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/hens.db")
    HENS.metadata.create_all(engine)
    few = select(HENS.c.egg).where(HENS.c.number.in_([1, 2, 3]), HENS.c.number > bindparam("after")).limit(2)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        put = prepared(insert(HENS), "number", "egg")
        for number in range(1, 5):
            driver.execute(put.sql, put.values({"egg": bytes([number]), "number": number}))
        asked = prepared(few, "after")
        cursor = driver.execute(asked.sql, asked.values({"after": 1}))
        rows = list(map(asked.row_of(cursor), cursor.fetchall()))
        assert [row.egg for row in rows] == [b"\2", b"\3"]
        assert rows == [tuple(row) for row in connection.execute(few, {"after": 1})]


def test_a_kept_statement_is_written_down_once() -> None:
    statement = select(HENS).where(HENS.c.number == bindparam("of"))
    assert prepared(statement, "of") is prepared(statement, "of")


def test_no_question_is_put_together_anew(catalog: SqliteCatalog) -> None:
    """Writing a statement down takes a hundred times as long as asking it, and the clock asks these every second."""

    def ask(tx: Transaction) -> None:
        for account_id in (None, 1):
            tx.entries_unverified_since(1, 1, states={DocumentState.LIVE, DocumentState.STALE}, account_id=account_id)
            tx.entries_of(EntryKind.ALBUM, 1, account_id=account_id, states=[DocumentState.LIVE])
            tx.entry_listings(account_id)
        tx.drop_entry_listings(1, keep=[EntryKind.ALBUM, EntryKind.FOLDER])
        tx.incidents(before=7)
        tx.drop_listings(1, keep=[Visibility.PUBLIC])
        tx.drop_plans([ListingKey(1, Visibility.PUBLIC)])

    catalog.write_now(ask)
    written_down = prepared.cache_info().misses
    catalog.write_now(ask)
    assert prepared.cache_info().misses == written_down


def test_an_insert_sets_the_columns_it_is_given() -> None:
    assert "egg" not in Prepared(insert(HENS), ["number"]).sql
    assert "egg" in Prepared(insert(HENS), ["number", "egg"]).sql


def test_a_parameter_that_is_not_given_is_said() -> None:
    statement = update(HENS).where(HENS.c.number == bindparam("of")).values(egg=bindparam("new"))
    with pytest.raises(InvalidRequestError, match="'new'"):
        Prepared(statement, ["of"])
