"""What was erased is nowhere: not in the database, not in its log, not beside it (design §6, the canary)."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.catalog import SqliteCatalog, open_catalog
from ipsync.policy.accounts import Consent, Grant
from ipsync.policy.documents import Details, Document, Rendition
from ipsync.ports.catalog import Transaction, View
from tests.fakes.catalogs import NOW, STATE_KEY, URL, a_document, a_rendition
from tests.fakes.processes import files_with

DOCUMENTS = range(1, 201)


def words(document_id: int, generation: int = 1) -> list[str]:
    """The canaries of one document: one in each text that SQLite keeps."""
    return [
        f"canary-{field}-{generation}-{document_id}-end"
        for field in ("title", "created", "md5", "description", "tag", "url", "url2")
    ]


def marked(document_id: int, generation: int = 1) -> Document:
    """A document all of whose texts are canaries; some so long that they fill pages of their own."""
    title, created, md5, description, tag, _, _ = words(document_id, generation)
    length = (1, 1, 1, 30, 400)[document_id % 5]
    return a_document(
        document_id,
        title=title,
        created=created,
        md5=md5,
        details=Details(f"{description} " * length, (tag, "heron")),
        details_at=NOW,
    )


def marked_files(document_id: int, generation: int = 1) -> list[Rendition]:
    *_, url, url2 = words(document_id, generation)
    files = (a_rendition(document_id, "240"), a_rendition(document_id, "original"))
    return [
        replace(entry, file=replace(entry.file, url=f"https://cdn.ipernity.test/{word}.jpg"))
        for entry, word in zip(files, (url, url2), strict=True)
    ]


def fill(catalog: SqliteCatalog) -> None:
    catalog.write_now(lambda tx: tx.add_documents([marked(number) for number in DOCUMENTS]))
    for number in DOCUMENTS:
        catalog.write_now(lambda tx, number=number: tx.put_renditions(marked_files(number)))


def test_what_was_forgotten_is_nowhere(catalog: SqliteCatalog, tmp_path: Path) -> None:
    gone, kept = DOCUMENTS[::2], DOCUMENTS[1::2]
    fill(catalog)
    before = files_with(tmp_path, [word for number in gone for word in words(number)])
    assert sum(before.values()) >= 7 * len(gone)  # the search finds what is there

    catalog.write_now(lambda tx: tx.forget_documents(gone))
    assert catalog.scrub_now()
    after = files_with(tmp_path, [word for number in gone for word in words(number)])
    assert set(after) >= {"ipsync.db", "ipsync.db-wal", "ipsync.db-shm"}
    assert sum(after.values()) == 0

    still = files_with(tmp_path, [word for number in kept for word in words(number)])
    assert still["ipsync.db"] == 7 * len(kept)
    assert set(catalog.read_now(lambda view: view.documents(DOCUMENTS))) == set(kept)


def test_what_was_replaced_is_nowhere(catalog: SqliteCatalog, tmp_path: Path) -> None:
    fill(catalog)
    shorter = [replace(marked(number, 2), details=Details()) for number in DOCUMENTS]
    files = [entry for number in DOCUMENTS for entry in marked_files(number, 2)]
    catalog.write_now(lambda tx: tx.update_documents(shorter))
    catalog.write_now(lambda tx: tx.put_renditions(files))
    assert catalog.scrub_now()
    assert sum(files_with(tmp_path, [word for number in DOCUMENTS for word in words(number)]).values()) == 0


def test_what_was_undone_is_nowhere(catalog: SqliteCatalog, tmp_path: Path) -> None:
    """A transaction too large for memory is in the log before it fails."""

    def work(tx: Transaction) -> None:
        tx.add_documents([marked(number) for number in range(1, 2001)])
        raise LookupError("changed its mind")

    with pytest.raises(LookupError):
        catalog.write_now(work)
    assert catalog.scrub_now()
    sample = [word for number in range(1, 2001, 20) for word in words(number)]
    assert sum(files_with(tmp_path, sample).values()) == 0


def test_removals_and_tombstones_hold_no_text(catalog: SqliteCatalog) -> None:
    """By their columns: only words of our own can get there."""
    ours = {"reason", "stage", "scope", "renditions", "certificate"}
    for table in ("removal", "tombstone"):
        columns = catalog.read_now(
            lambda view, table=table: view._connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
        )
        assert {row[1] for row in columns if row[2] == "TEXT"} <= ours


def test_T05_tokens_never_lie_in_clear(catalog: SqliteCatalog, tmp_path: Path) -> None:
    for epoch, token in ((1, "canary-token-1"), (2, "canary-token-2")):
        consent = Consent(1, epoch, f"fingerprint{epoch}", {"doc": "read"}, NOW)
        grant = Grant(1, token, {"doc": "read"})
        catalog.write_now(lambda tx, grant=grant, consent=consent: tx.put_grant(grant, consent))
    assert sum(files_with(tmp_path, ["canary-token-1", "canary-token-2"]).values()) == 0
    assert "canary" not in repr(catalog.read_now(lambda view: view.grant(1)))


async def test_F24_a_reader_holds_the_log_and_scrubbing_says_so(threaded: SqliteCatalog, tmp_path: Path) -> None:
    await threaded.write(lambda tx: tx.add_documents([marked(1)]))
    await threaded.scrub()
    reading, enough = threading.Event(), threading.Event()

    def look(view: View) -> int:
        found = len(view.documents([1]))
        reading.set()
        enough.wait(30)
        return found + len(view.documents([1]))

    long_look = asyncio.create_task(threaded.read(look))
    await asyncio.to_thread(reading.wait, 30)
    await threaded.write(lambda tx: tx.forget_documents([1]))
    assert await threaded.scrub() is False
    assert sum(files_with(tmp_path, words(1)).values()) > 0
    assert await threaded.read(lambda view: view.documents([1])) == {}

    enough.set()
    assert await long_look == 2
    assert await threaded.scrub() is True
    assert sum(files_with(tmp_path, words(1)).values()) == 0
    await threaded.close()


async def test_only_one_process_moves_the_log(threaded: SqliteCatalog, tmp_path: Path) -> None:
    """A command beside the daemon writes, and leaves the log alone however long it gets."""
    beside = open_catalog(URL, tmp_path, STATE_KEY, checkpoints=False, inline=True)
    beside.write_now(lambda tx: tx.add_documents([marked(number) for number in range(1, 3001)]))
    log = tmp_path / "ipsync.db-wal"
    size = log.stat().st_size
    assert size > 5 << 20
    assert beside.scrub_now() is False
    beside.close_now()
    assert log.stat().st_size == size
    await threaded.write(lambda tx: tx.set_note("a", "b"))
    assert log.stat().st_size == 0
    await threaded.close()


def test_the_log_does_not_grow_without_end(catalog: SqliteCatalog, tmp_path: Path) -> None:
    log = tmp_path / "ipsync.db-wal"
    catalog.write_now(lambda tx: tx.add_documents([a_document(number) for number in DOCUMENTS]))
    sizes = []
    for second in range(1200):
        catalog.write_now(lambda tx, second=second: tx.renew(DOCUMENTS, NOW + second + 1))
        sizes.append(log.stat().st_size)
    assert max(sizes) < 6 << 20
    assert sizes.count(0) >= 2


def test_closing_leaves_no_log_even_while_others_stay(catalog: SqliteCatalog, tmp_path: Path) -> None:
    catalog.write_now(lambda tx: tx.add_documents([marked(1)]))
    beside = open_catalog(URL, tmp_path, STATE_KEY, checkpoints=False, inline=True)
    assert set(beside.read_now(lambda view: view.documents([1]))) == {1}
    catalog.write_now(lambda tx: tx.forget_documents([1]))
    catalog.close_now()
    assert sum(files_with(tmp_path, words(1)).values()) == 0
    beside.close_now()
