"""Writers that lose nothing of each other, readers that see one moment."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from ipsync.catalog import CatalogConflict, SqliteCatalog, open_catalog
from ipsync.ports.catalog import CatalogBusy, CatalogFailure, Transaction, View
from tests.fakes.catalogs import NOW, STATE_KEY, URL, a_document, a_stored_rendition, fresh_database
from tests.fakes.processes import start_python

INCREMENT = """
import sys
from pathlib import Path
from ipsync.catalog import open_catalog

def one_more(tx):
    tx.set_note("count", str(int(tx.note("count") or 0) + 1))

folder, url, key, kind = sys.argv[1:]
catalog = open_catalog(url, Path(folder), key.encode(), checkpoints=kind == "checkpoints", inline=True)
for _ in range(100):
    catalog.write_now(one_more)
catalog.close_now()
"""


def test_two_processes_lose_no_update(tmp_path: Path) -> None:
    fresh_database(tmp_path)
    processes = [start_python(INCREMENT, tmp_path, URL, STATE_KEY.decode(), kind) for kind in ("checkpoints", "none")]
    for process in processes:
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
    catalog = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
    assert catalog.read_now(lambda view: view.note("count")) == "200"
    catalog.close_now()


async def test_two_hundred_tasks_lose_no_update(threaded: SqliteCatalog) -> None:
    def one_more(tx: Transaction) -> None:
        tx.set_note("count", str(int(tx.note("count") or 0) + 1))

    await asyncio.gather(*(threaded.write(one_more) for _ in range(200)))
    assert await threaded.read(lambda view: view.note("count")) == "200"
    await threaded.close()


async def test_a_reader_sees_one_moment(threaded: SqliteCatalog) -> None:
    await threaded.write(lambda tx: tx.set_note("word", "before"))
    reading, written = threading.Event(), threading.Event()

    def look(view: View) -> tuple[str | None, str | None]:
        first = view.note("word")
        reading.set()
        written.wait(30)
        return first, view.note("word")

    looking = asyncio.create_task(threaded.read(look))
    await asyncio.to_thread(reading.wait, 30)
    await threaded.write(lambda tx: tx.set_note("word", "after"))
    written.set()
    assert await looking == ("before", "before")
    assert await threaded.read(lambda view: view.note("word")) == "after"
    await threaded.close()


async def test_the_loop_goes_on_while_work_runs(threaded: SqliteCatalog) -> None:
    running, enough = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> None:
        running.set()
        enough.wait(30)

    writing = asyncio.create_task(threaded.write(slow))
    await asyncio.to_thread(running.wait, 30)
    assert await threaded.read(lambda view: view.note("word")) is None  # readers do not wait either
    enough.set()
    await writing
    await threaded.close()


async def test_closing_finishes_what_was_begun(threaded: SqliteCatalog, tmp_path: Path) -> None:
    writing = [asyncio.create_task(threaded.write(lambda tx, n=n: tx.set_note(f"n{n}", "done"))) for n in range(20)]
    await asyncio.sleep(0)
    await threaded.close()
    await asyncio.gather(*writing)
    again = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
    assert again.read_now(lambda view: [view.note(f"n{n}") for n in range(20)]) == ["done"] * 20
    again.close_now()
    assert not (tmp_path / "ipsync.db-wal").exists()


def test_a_view_cannot_write(catalog: SqliteCatalog) -> None:
    with pytest.raises(CatalogFailure, match="cannot be written"):
        catalog.read_now(lambda view: view._connection.exec_driver_sql("DELETE FROM note"))


def test_a_writer_waits_for_another_process_and_then_gives_up(tmp_path: Path) -> None:
    fresh_database(tmp_path)
    first = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
    second = open_catalog(URL, tmp_path, STATE_KEY, checkpoints=False, inline=True, busy_seconds=0.05)

    def meanwhile(tx: Transaction) -> None:
        tx.set_note("by", "first")
        with pytest.raises(CatalogBusy):
            second.write_now(lambda other: other.set_note("by", "second"))

    first.write_now(meanwhile)
    assert second.read_now(lambda view: view.note("by")) == "first"
    second.write_now(lambda tx: tx.set_note("by", "second"))
    assert first.read_now(lambda view: view.note("by")) == "second"
    second.close_now()
    first.close_now()


def test_a_stranger_that_holds_the_database_is_busy(tmp_path: Path) -> None:
    """A tool that knows nothing of our gate, e.g. a shell that somebody forgot."""
    path = fresh_database(tmp_path)
    catalog = open_catalog(URL, tmp_path, STATE_KEY, inline=True, busy_seconds=0.05)
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(CatalogBusy):
        catalog.write_now(lambda tx: tx.set_note("a", "b"))
    stranger.execute("ROLLBACK")
    stranger.close()
    catalog.write_now(lambda tx: tx.set_note("a", "b"))
    catalog.close_now()


def test_contradictions_are_named_without_values(catalog: SqliteCatalog) -> None:
    catalog.write_now(lambda tx: tx.add_documents([a_document(1, title="canary title")]))
    for work in (
        lambda tx: tx.add_documents([a_document(1, title="canary title")]),
        lambda tx: tx.add_documents([a_document(2, account_id=99)]),
        lambda tx: tx.put_renditions([a_stored_rendition(77)]),
        lambda tx: tx.add_documents([a_document(2, title=b"canary title")]),
    ):
        with pytest.raises(CatalogConflict) as caught:
            catalog.write_now(work)
        cause: BaseException | None = caught.value
        while cause is not None:
            assert "canary" not in str(cause)
            cause = cause.__cause__
    assert catalog.read_now(lambda view: view.figures()).wanted_files == 0


def test_instants_keep_their_microseconds(catalog: SqliteCatalog) -> None:
    far = 253_402_300_799_999_999
    catalog.write_now(lambda tx: tx.add_documents([a_document(1, verified_at=far), a_document(2, verified_at=-1)]))
    catalog.write_now(lambda tx: tx.renew([1], NOW))
    found = catalog.read_now(lambda view: view.documents([1, 2]))
    assert (found[1].verified_at, found[2].verified_at) == (far, -1)
