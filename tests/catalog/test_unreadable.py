"""Bytes that are no text: one word of one row, which nobody else waits for (F5), and which nobody quotes (I9)."""

import sqlite3
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.catalog import SqliteCatalog, open_catalog
from ipsync.catalog.handle import Handle
from ipsync.policy.documents import DocumentState
from ipsync.policy.removals import Stage
from ipsync.ports.catalog import CatalogCorrupt, CatalogFailure, View
from tests.fakes.catalogs import STATE_KEY, a_removal, an_account, fresh_catalog, with_details

BROKEN = "CAST(x'63616e617279ff' AS TEXT)"


@pytest.fixture
def damaged(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SqliteCatalog]:
    """Three documents, of which the second one's text was changed by the statement that is given."""
    catalog = fresh_catalog(tmp_path, inline=True)
    catalog.write_now(lambda tx: tx.put_account(an_account()))
    catalog.write_now(lambda tx: tx.add_documents([with_details(number) for number in (1, 2, 3)]))
    catalog.write_now(lambda tx: tx.add_removals([a_removal(2, stage=Stage.CONFIRMED)]))
    catalog.close_now()
    (database,) = tmp_path.glob("*.db")
    with sqlite3.connect(database) as connection:
        connection.execute(request.param)
    connection.close()
    opened = open_catalog(f"sqlite:///{database}", tmp_path, STATE_KEY, inline=True)
    yield opened
    opened.close_now()


@pytest.mark.parametrize("damaged", [f"UPDATE document_text SET title = {BROKEN} WHERE document_id = 2"], indirect=True)
def test_F5_what_ipernity_told_is_read_with_a_mark_and_nobody_waits(damaged: SqliteCatalog) -> None:
    found = damaged.read_now(lambda view: view.documents_after(0, 10))
    assert [document.document_id for document in found] == [1, 2, 3]
    assert found[1].facts.title == "canary\N{REPLACEMENT CHARACTER}"
    assert found[0] == with_details(1)
    mended = replace(found[1], facts=with_details(2).facts)
    damaged.write_now(lambda tx: tx.update_documents([mended]))
    assert damaged.read_now(lambda view: view.documents([2])) == {2: with_details(2)}


@pytest.mark.parametrize("damaged", [f"UPDATE document SET state = {BROKEN} WHERE document_id = 2"], indirect=True)
def test_F5_a_word_of_ours_that_is_no_text_dooms_its_row_alone(damaged: SqliteCatalog) -> None:
    found = damaged.read_now(lambda view: view.documents([1, 2, 3]))
    assert {number: entry.state for number, entry in found.items()} == {
        1: DocumentState.LIVE,
        2: DocumentState.DOOMED,
        3: DocumentState.LIVE,
    }


NONSENSE = (
    *(f"document SET {change}" for change in (f"state = {BROKEN}", "state = 'shown'", f"media = {BROKEN}")),
    *(f"document SET {change}" for change in ("safety = 99", "visibility = -1")),
    *(
        f"document_text SET tags = {tags}"
        for tags in ("'{'", "'1'", "'null'", "'[\"a\"]' || char(0)", f"'[' || {BROKEN}", BROKEN)
    ),
)


@pytest.mark.parametrize("damaged", [f"UPDATE {change} WHERE document_id = 2" for change in NONSENSE], indirect=True)
def test_F5_what_means_nothing_is_a_group_of_its_own_that_goes(damaged: SqliteCatalog) -> None:
    """As the document itself is taken for one that goes: whoever looks at groups finds it too."""

    def doomed(view: View) -> list[int]:
        gone = [group for group in view.alike() if not group.is_readable]
        assert {group.state for group in gone} == {DocumentState.DOOMED}
        return [number for group in gone for number in view.documents_alike(group, 0, 10)]

    # All like it are read one by one; who is no nonsense stays.
    assert 2 in damaged.read_now(doomed)
    assert damaged.read_now(lambda view: view.documents([2]))[2].state is DocumentState.DOOMED


@pytest.mark.parametrize("damaged", [f"UPDATE document_text SET title = {BROKEN} WHERE document_id = 2"], indirect=True)
def test_F5_afterwards_text_is_read_as_strictly_as_before(damaged: SqliteCatalog) -> None:
    damaged.write_now(lambda tx: tx.documents([2]))
    assert damaged._writing.connection.driver_connection.text_factory is str


@pytest.mark.parametrize("damaged", [f"INSERT INTO note (name, value) VALUES ('the clock', {BROKEN})"], indirect=True)
def test_F5_a_note_that_is_no_text_is_not_taken_for_none(damaged: SqliteCatalog) -> None:
    """Without the high-water mark of time nobody would know that the clock was set back (F7)."""
    with pytest.raises(CatalogCorrupt, match="note"):
        damaged.read_now(lambda view: view.note("the clock"))
    assert damaged.read_now(lambda view: view.note("another")) is None


@pytest.mark.parametrize("damaged", [f"UPDATE removal SET reason = {BROKEN}"], indirect=True)
def test_F5_a_removal_goes_on_though_its_reason_is_no_text(damaged: SqliteCatalog) -> None:
    (removal,) = damaged.read_now(lambda view: view.removals())
    moved = damaged.write_now(
        lambda tx: tx.advance_removals([removal.removal_id], Stage.CONFIRMED, Stage.INTENDED, None)
    )
    assert list(moved) == [removal.removal_id]
    assert damaged.read_now(lambda view: view.removals())[0].stage is Stage.INTENDED


@pytest.mark.parametrize("damaged", [f"UPDATE document_text SET title = {BROKEN}"], indirect=True)
def test_I9_text_that_cannot_be_decoded_reaches_no_error(damaged: SqliteCatalog) -> None:
    with pytest.raises(CatalogFailure) as failure:
        damaged.read_now(lambda view: view._connection.exec_driver_sql("SELECT title FROM document_text").all())  # type: ignore[attr-defined]  # reason: a question that is not asked through Handle
    assert "canary" not in "".join(traceback.format_exception(failure.value))


class Driver:
    """Fails as SQLite does, and counts how often it is asked."""

    text_factory: object = str

    def __init__(self, code: int | None) -> None:
        self.asked = 0
        self._error = sqlite3.OperationalError("it failed")
        if code is not None:
            self._error.sqlite_errorcode = code

    def execute(self, _sql: str, _values: object) -> None:
        self.asked += 1
        raise self._error


@pytest.mark.parametrize(("code", "times"), [(sqlite3.SQLITE_BUSY, 1), (sqlite3.SQLITE_CORRUPT, 1), (None, 2)])
def test_what_sqlite_itself_says_is_not_asked_twice(handle: Handle, code: int | None, times: int) -> None:
    handle._driver = driver = Driver(code)  # type: ignore[assignment]  # reason: it stands for one
    with pytest.raises(sqlite3.OperationalError):
        handle._fetched("SELECT 1", ())
    assert driver.asked == times
    assert driver.text_factory is str


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[Handle]:
    catalog = fresh_catalog(tmp_path, inline=True)
    with catalog._writing.begin():
        yield Handle(catalog._writing, catalog._sealing)
    catalog.close_now()
