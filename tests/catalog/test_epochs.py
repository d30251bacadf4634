"""F27: of two processes that take themselves for the daemon, only the newer writes."""

from pathlib import Path

import pytest

from ipsync.catalog import SqliteCatalog, open_catalog
from ipsync.policy.ledger import started
from ipsync.ports.catalog import CatalogCorrupt, CatalogFenced, CatalogLost
from tests.fakes.catalogs import NOW, STATE_KEY, URL, a_document


def another(folder: Path) -> SqliteCatalog:
    """What a second process opens."""
    return open_catalog(URL, folder, STATE_KEY, inline=True)


def test_F27_each_epoch_is_larger_than_any_before(catalog: SqliteCatalog, tmp_path: Path) -> None:
    assert catalog.take_epoch_now() == 1
    assert catalog.take_epoch_now() == 2
    catalog.close_now()

    again = another(tmp_path)
    assert again.take_epoch_now() == 3
    assert again.take_epoch_now(above=40) == 41
    assert again.take_epoch_now(above=7) == 42
    again.close_now()


def test_F27_after_a_newer_epoch_the_older_process_writes_nothing(catalog: SqliteCatalog, tmp_path: Path) -> None:
    told: list[CatalogLost] = []
    catalog.when_lost(told.append)
    catalog.take_epoch_now()
    catalog.write_now(lambda tx: tx.set_note("who", "first"))
    second = another(tmp_path)
    second.take_epoch_now()

    with pytest.raises(CatalogFenced, match=r"its epoch is 2, ours was 1"):
        catalog.write_now(lambda tx: tx.set_note("who", "first again"))
    for refused in (
        lambda: catalog.write_now(lambda tx: tx.add_documents([a_document(1)])),
        lambda: catalog.read_now(lambda view: view.note("who")),
        catalog.scrub_now,
        catalog.take_epoch_now,
    ):
        with pytest.raises(CatalogFenced):
            refused()
    assert [type(lost) for lost in told] == [CatalogFenced]

    assert second.read_now(lambda view: view.note("who")) == "first"
    second.write_now(lambda tx: tx.set_note("who", "second"))
    second.close_now()


def test_F27_a_fenced_process_does_not_move_the_log(catalog: SqliteCatalog, tmp_path: Path) -> None:
    catalog.take_epoch_now()
    second = another(tmp_path)
    second.take_epoch_now()
    with pytest.raises(CatalogFenced):
        catalog.scrub_now()
    second.close_now()


def test_F27_closing_tells_a_fenced_process_nothing_new_and_harms_nobody(
    catalog: SqliteCatalog, tmp_path: Path
) -> None:
    catalog.take_epoch_now()
    second = another(tmp_path)
    second.take_epoch_now()
    log = tmp_path / "ipsync.db-wal"
    size = log.stat().st_size
    catalog.close_now()
    assert log.stat().st_size == size > 0
    second.close_now()


def test_a_process_that_never_held_the_lock_is_not_fenced(catalog: SqliteCatalog, tmp_path: Path) -> None:
    second = another(tmp_path)
    second.take_epoch_now()
    catalog.write_now(lambda tx: tx.set_note("who", "a command beside the daemon"))
    second.close_now()


def test_entries_of_the_ledger_carry_the_epoch(catalog: SqliteCatalog) -> None:
    catalog.take_epoch_now(above=6)
    catalog.write_now(lambda tx: tx.append_ledger([started(NOW)]))
    catalog.write_now(lambda tx: tx.append_ledger([started(NOW, epoch=3)]))
    entries = catalog.read_now(lambda view: view.ledger_entries(0, 10))
    assert [(entry.kind, entry.epoch) for entry in entries] == [("begun", 7), ("started", 7), ("started", 3)]


def test_F5_an_epoch_that_is_no_number_is_a_damaged_database(catalog: SqliteCatalog) -> None:
    catalog.write_now(lambda tx: tx.set_note("epoch", "yesterday"))
    with pytest.raises(CatalogCorrupt, match="epoch"):
        catalog.take_epoch_now()
