"""Full disks, failing disks, damaged files, processes that die: nothing half done, nothing kept quiet."""

import random
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.catalog import CatalogFull, SqliteCatalog, open_catalog
from ipsync.catalog.reserve import Reserve
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, RenditionState, Tombstone, Visibility
from ipsync.policy.listings import Listing
from ipsync.policy.removals import Reason, Scope, Stage
from ipsync.ports.catalog import CatalogCorrupt, CatalogFailure, Transaction
from tests.fakes.catalogs import (
    NOW,
    STATE_KEY,
    URL,
    a_document,
    a_removal,
    a_rendition,
    an_account,
    copied,
    fresh_catalog,
    fresh_database,
    with_details,
)
from tests.fakes.processes import run_python, start_python


def limit_pages(catalog: SqliteCatalog, more: int) -> None:
    """Let the database have only so many `more` pages than it has; beyond, SQLite says the disk is full."""
    cursor = catalog._writing.connection.cursor()
    count = cursor.execute("PRAGMA page_count").fetchone()[0]
    cursor.execute(f"PRAGMA max_page_count = {count + more}")
    cursor.close()


def test_F3_on_a_full_disk_reading_and_removing_go_on(catalog: SqliteCatalog, tmp_path: Path) -> None:
    reserve = tmp_path / "ipsync.db-reserve"
    catalog.write_now(lambda tx: tx.add_documents([with_details(number) for number in range(1, 501)]))
    catalog.write_now(lambda tx: tx.add_removals([a_removal(number) for number in range(1, 401)]))
    assert reserve.exists()
    limit_pages(catalog, 0)
    with pytest.raises(CatalogFull):
        catalog.write_now(lambda tx: tx.add_documents([with_details(number) for number in range(501, 2001)]))
    assert not reserve.exists()
    limit_pages(catalog, 20)  # the room it gave back

    assert len(catalog.read_now(lambda view: view.documents(range(2001)))) == 500
    catalog.write_now(lambda tx: tx.renew(range(1, 501), NOW + 1))

    def erase(tx: Transaction) -> None:
        owed = tx.due_removals(NOW + 10**12, 100)
        tx.update_removals([replace(entry, stage=Stage.GONE, gone_at=NOW) for entry in owed])
        tx.forget_documents([entry.document_id for entry in owed])
        tx.put_tombstones([Tombstone(entry.document_id, 1, "unshared", NOW) for entry in owed])

    catalog.write_now(erase)
    with pytest.raises(CatalogFull):  # there is room again for a little, but not for new documents
        catalog.write_now(lambda tx: tx.add_documents([a_document(600)]))
    catalog.write_now(erase)
    figures = catalog.read_now(lambda view: view.figures())
    assert (figures.tombstones, sum(figures.documents.values())) == (200, 300)

    limit_pages(catalog, 100_000)
    assert catalog.scrub_now()
    assert reserve.exists()
    catalog.write_now(lambda tx: tx.add_documents([a_document(600)]))


def test_F3_a_refused_document_makes_room_be_looked_for(catalog: SqliteCatalog, tmp_path: Path) -> None:
    limit_pages(catalog, 0)
    with pytest.raises(CatalogFull):
        catalog.write_now(lambda tx: tx.add_documents([with_details(number) for number in range(1, 2001)]))
    limit_pages(catalog, 100_000)
    with pytest.raises(CatalogFull):
        catalog.write_now(lambda tx: tx.add_documents([a_document(1)]))
    catalog.write_now(lambda tx: tx.add_documents([a_document(1)]))
    assert (tmp_path / "ipsync.db-reserve").exists()


def test_F3_room_that_cannot_be_had_is_not_pretended(tmp_path: Path) -> None:
    """The limit on file sizes of this process stands for a disk without a megabyte."""
    program = """
import resource, signal, sys
from pathlib import Path
from ipsync.catalog.reserve import Reserve
database = Path(sys.argv[1])
database.write_bytes(bytes(100_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
print(Reserve(database).restore(), database.with_name("ipsync.db-reserve").stat().st_size)
"""
    assert run_python(program, tmp_path / "ipsync.db").split() == ["False", "0"]
    assert Reserve(tmp_path / "ipsync.db").restore() is True
    assert (tmp_path / "ipsync.db-reserve").stat().st_size == 1 << 20


FAILING_DISK = """
import resource, sys
from pathlib import Path
from ipsync.catalog import open_catalog
from ipsync.ports.catalog import CatalogBroken

catalog = open_catalog(sys.argv[2], Path(sys.argv[1]), sys.argv[3].encode(), inline=True)
limit = (Path(sys.argv[1]) / "ipsync.db-wal").stat().st_size + 50_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
done = 0
try:
    while True:
        catalog.write_now(lambda tx: tx.set_note("count", str(done + 1)))
        done += 1
except CatalogBroken as failure:
    print(done, failure)
for again in (
    lambda: catalog.write_now(lambda tx: tx.set_note("count", "again")),
    lambda: catalog.read_now(lambda view: view.note("count")),
    catalog.scrub_now,
):
    try:
        again()
    except CatalogBroken:
        print("still broken")
catalog.close_now()
"""


def test_F4_after_an_error_of_the_disk_nothing_is_tried_again(tmp_path: Path) -> None:
    """A file size limit makes writing the log fail with EFBIG, which SQLite takes for a failing disk."""
    fresh_database(tmp_path)
    first, *rest = run_python(FAILING_DISK, tmp_path, URL, STATE_KEY.decode()).splitlines()
    done, _, message = first.partition(" ")
    assert "disk" in message
    assert rest == ["still broken"] * 3
    catalog = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
    assert int(done) > 3
    assert catalog.read_now(lambda view: view.note("count")) == done
    catalog.close_now()


def filled(folder: Path) -> Path:
    """A closed database with something in every table."""
    folder.mkdir()
    catalog = fresh_catalog(folder, inline=True)
    documents = range(1, 201)

    def work(tx: Transaction) -> None:
        tx.put_account(an_account(1))
        tx.add_documents([with_details(number) for number in documents])
        tx.put_renditions([a_rendition(number) for number in documents])
        tx.add_removals([a_removal(number) for number in documents])
        tx.put_tombstones([Tombstone(number, 1, "deleted", NOW) for number in range(1001, 1100)])

    catalog.write_now(work)
    catalog.close_now()
    return folder


def read_everything(folder: Path) -> list[str]:
    """Open the catalog there, look at everything, and return what `check` finds."""
    catalog = open_catalog(URL, folder, STATE_KEY, inline=True)
    try:
        found = catalog.check_now()
        catalog.read_now(
            lambda view: (
                view.accounts(),
                view.documents(range(1, 300)),
                view.renditions(range(1, 300)),
                view.removals(),
                view.tombstones(range(1000, 1200)),
                view.figures(),
                view.account_figures(),
                view.wanted_renditions(NOW, 100),
            )
        )
        return found
    finally:
        catalog.close_now()


def test_F5_flipped_bits_are_a_failure_of_the_catalog_or_found(tmp_path: Path) -> None:
    """SQLite keeps no checksums, so a flip inside a text may pass; but nothing else may come of it."""
    whole = filled(tmp_path / "whole")
    assert read_everything(whole) == []
    size = (whole / "ipsync.db").stat().st_size
    chance = random.Random(5)
    outcomes = []
    for number in range(80):
        folder = copied(whole, tmp_path / str(number))
        path = folder / "ipsync.db"
        content = bytearray(path.read_bytes())
        # Half of the flips hit the heads of pages, where the structure is.
        offset = chance.randrange(size) if number % 2 else chance.randrange(size // 4096) * 4096 + chance.randrange(16)
        content[offset] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            outcomes.append("found" if read_everything(folder) else "passed")
        except CatalogFailure as failure:
            outcomes.append(type(failure).__name__)
        shutil.rmtree(folder)
    # Pages of tables that hold nothing have little that a flip could break.
    assert outcomes.count("passed") < 56
    assert outcomes.count("CatalogCorrupt") > 5


@pytest.mark.parametrize("page", [1, 2, 10, 20])
def test_F5_a_lost_page_is_found(tmp_path: Path, page: int) -> None:
    folder = filled(tmp_path / "whole")
    with (folder / "ipsync.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))
    try:
        found = read_everything(folder)
    except CatalogCorrupt as failure:
        found = [str(failure)]
    assert found


def test_F5_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = fresh_database(tmp_path)
    path.write_bytes(b"Dear diary, today I became a database. " * 1000)
    with pytest.raises(CatalogCorrupt, match="no SQLite database"):
        open_catalog(URL, tmp_path, STATE_KEY, inline=True)


def changed(catalog: SqliteCatalog, statement: str) -> None:
    catalog.write_now(lambda tx: tx._connection.exec_driver_sql(statement))


@pytest.mark.parametrize("word", ["state = 'sold'", "media = 'opera'", "safety = 77", "visibility = -1"])
def test_F5_a_document_with_words_that_are_not_ours_is_doomed_and_hinders_nobody(
    catalog: SqliteCatalog, word: str
) -> None:
    catalog.write_now(lambda tx: tx.add_documents([a_document(1), a_document(2)]))
    changed(catalog, f"UPDATE document SET {word} WHERE document_id = 1")
    found = catalog.read_now(lambda view: view.documents([1, 2]))
    assert found[2] == a_document(2)
    assert (found[1].state, found[1].verified_at, found[1].facts.title) == (DocumentState.DOOMED, NOW, "")


def test_F5_a_removal_with_words_that_are_not_ours_is_carried_out_for_the_whole_document(
    catalog: SqliteCatalog,
) -> None:
    entries = [a_removal(number, stage=Stage.CONFIRMED, confirmed_at=NOW) for number in (1, 2, 3)]
    catalog.write_now(lambda tx: tx.add_removals(entries))
    changed(catalog, "UPDATE removal SET reason = 'boredom' WHERE document_id = 1")
    changed(catalog, "UPDATE removal SET scope = 'frame' WHERE document_id = 2")
    found = {entry.document_id: entry for entry in catalog.read_now(lambda view: view.due_removals(NOW, 10))}
    assert (found[1].reason, found[1].stage, found[1].certificate) == (Reason.EXPIRED, Stage.CONFIRMED, "unreadable")
    assert (found[2].reason, found[2].scope) == (Reason.UNSHARED, Scope.DOCUMENT)
    assert found[3].certificate == ""


def test_F5_a_file_with_words_that_are_not_ours_is_never_served(catalog: SqliteCatalog) -> None:
    catalog.write_now(lambda tx: tx.add_documents([a_document(1)]))
    catalog.write_now(lambda tx: tx.put_renditions([a_rendition(1), a_rendition(1, "original")]))
    changed(catalog, "UPDATE rendition SET state = 'burnt' WHERE rendition = '240'")
    (files,) = catalog.read_now(lambda view: view.renditions([1])).values()
    assert {entry.file.rendition: entry.state for entry in files} == {
        "240": RenditionState.ERASING,
        "original": RenditionState.WANTED,
    }


def test_F5_an_account_with_words_that_are_not_ours_is_hidden_and_asked_after(catalog: SqliteCatalog) -> None:
    changed(catalog, "UPDATE account SET state = 'famous'")
    assert {account.state for account in catalog.read_now(lambda view: view.accounts())} == {AccountState.DOUBTED}


def test_F5_a_listing_with_a_level_that_is_not_ours_hinders_no_other(catalog: SqliteCatalog) -> None:
    listings = [Listing(number, Visibility.PUBLIC) for number in (1, 2)]
    catalog.write_now(lambda tx: [tx.put_listing(listing) for listing in listings])
    changed(catalog, "UPDATE listing SET visibility = 17 WHERE account_id = 1")
    assert catalog.read_now(lambda view: view.listings()) == listings[1:]


DYING = """
import os, signal, sys
from pathlib import Path
from ipsync.catalog import open_catalog
from tests.fakes.catalogs import a_document, a_rendition

catalog = open_catalog(sys.argv[2], Path(sys.argv[1]), sys.argv[3].encode(), inline=True)
step = int(sys.argv[4])
print("open", flush=True)
while True:
    def work(tx):
        tx.add_documents([a_document(number) for number in range(step * 10, step * 10 + 10)])
        tx.put_renditions([a_rendition(number) for number in range(step * 10, step * 10 + 10)])
        tx.set_note("steps", str(step))
    catalog.write_now(work)
    print(step, flush=True)
    step += 1
"""


def test_F1_what_was_promised_survives_kill_9_and_nothing_is_half_done(tmp_path: Path) -> None:
    catalog = fresh_catalog(tmp_path, inline=True)
    catalog.write_now(lambda tx: tx.put_account(an_account(1)))
    catalog.close_now()
    chance = random.Random(1)
    step = 1
    for _ in range(3):
        process = start_python(DYING, tmp_path, URL, STATE_KEY.decode(), str(step))
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 60)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        promised = [line for line in process.communicate(timeout=30)[0].split() if line.isdigit()]

        catalog = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
        steps = int(catalog.read_now(lambda view: view.note("steps")) or 0)
        assert steps >= max(map(int, promised), default=0)
        figures = catalog.read_now(lambda view: view.figures())
        assert sum(figures.documents.values()) == figures.wanted_files == steps * 10
        held = catalog.read_now(lambda view: view.documents(range(10_000)))
        assert set(held) == set(range(10, steps * 10 + 10))
        assert catalog.check_now() == []
        catalog.close_now()
        step = steps + 1
    assert step > 3


DYING_INSIDE = """
import os, signal, sys
from pathlib import Path
from ipsync.catalog import open_catalog
from tests.fakes.catalogs import a_document

catalog = open_catalog(sys.argv[2], Path(sys.argv[1]), sys.argv[3].encode(), inline=True)
def work(tx):
    tx.forget_documents(range(1, 50))
    tx.add_documents([a_document(number) for number in range(1000, 9000)])  # more than memory keeps
    os.kill(os.getpid(), signal.SIGKILL)
catalog.write_now(work)
"""


def test_F1_killed_inside_a_transaction_nothing_of_it_happened(catalog: SqliteCatalog, tmp_path: Path) -> None:
    catalog.write_now(lambda tx: tx.add_documents([a_document(number) for number in range(1, 101)]))
    process = start_python(DYING_INSIDE, tmp_path, URL, STATE_KEY.decode())
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    catalog.write_now(lambda tx: tx.renew([1], NOW + 1))  # the gate of a dead process is open
    assert set(catalog.read_now(lambda view: view.documents(range(9000)))) == set(range(1, 101))
    assert catalog.check_now() == []
