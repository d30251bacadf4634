"""What SQLite leaves in unused gaps of its pages goes, and nothing else does (T10, ADR 0012)."""

import asyncio
import errno
import os
import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.catalog import CatalogFull, SqliteCatalog, open_catalog, scrubbing
from ipsync.catalog.scrubbing import Scrubber
from ipsync.policy.documents import Details, Document
from ipsync.ports.catalog import CatalogBroken, CatalogCorrupt, CatalogFailure
from tests.fakes.catalogs import NOW, STATE_KEY, URL, a_document, a_rendition, an_account, fresh_database
from tests.fakes.pages import CANARY, gaps, plant, plant_in, roots_of, whole
from tests.fakes.processes import run_python, start_python


def descriptor_of(catalog: SqliteCatalog) -> int:
    """The one descriptor by which a test may read a file that SQLite has open in this process."""
    return catalog._scrubber._file.descriptor


def roots(catalog: SqliteCatalog) -> list[int]:
    statement = "SELECT rootpage FROM sqlite_schema WHERE rootpage > 0"
    return catalog.read_now(lambda view: [row[0] for row in view._connection.exec_driver_sql(statement)])


def plant_everywhere(catalog: SqliteCatalog) -> dict[int, tuple[int, int]]:
    """As if SQLite had left copies in every gap."""
    return plant_in(descriptor_of(catalog), roots(catalog))


def is_planted(catalog: SqliteCatalog) -> bool:
    return CANARY in whole(descriptor_of(catalog))


def check_integrity(catalog: SqliteCatalog) -> list[str]:
    return catalog.read_now(lambda view: view._connection.exec_driver_sql("PRAGMA integrity_check").scalars().all())


def wordy(number: int, token: str, length: int) -> Document:
    return a_document(number, title=token, details=Details(f"{token} " * length, (token,)), details_at=NOW)


def a_database(path: Path, page_bytes: int = 4096, vacuum: str = "none", rows: int = 400) -> None:
    """A database with tables, indexes, interior pages, overflow pages, free pages, free blocks."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {page_bytes}")
    connection.execute(f"PRAGMA auto_vacuum = {vacuum}")
    connection.execute("PRAGMA secure_delete = on")
    fill_database(connection, rows, page_bytes)
    connection.close()


def fill_database(connection: sqlite3.Connection, rows: int, page_bytes: int) -> None:
    dice = random.Random(rows)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT, y BLOB)")
    connection.execute("CREATE INDEX i ON t (x)")
    connection.execute("CREATE TABLE w (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID")
    connection.execute("BEGIN")
    for number in dice.sample(range(10**6), rows):
        text = f"text-{number}-" * dice.randrange(1, 12)
        # Content that, at the begin of an overflow page or anywhere, looks like the header of a tree's page.
        blob = bytes([13, 0, 0, 0, 1, 0, 9, 0]) * dice.choice((1, 4, page_bytes // 4))
        connection.execute("INSERT INTO t VALUES (?, ?, ?)", (number, text, blob))
        connection.execute("INSERT INTO w VALUES (?, ?)", (text, text))
    connection.execute("DELETE FROM t WHERE id % 3 = 0")
    connection.execute("DELETE FROM w WHERE length(v) % 3 = 0")
    connection.execute("COMMIT")


def is_sound(path: Path) -> bool:
    connection = sqlite3.connect(path)
    found = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    return found == [("ok",)]


def scrub(path: Path) -> int:
    scrubber = Scrubber(path)
    try:
        return scrubber.scrub()
    finally:
        scrubber.close()


@pytest.mark.parametrize("page_bytes", [512, 1024, 4096, 65_536])
@pytest.mark.parametrize("vacuum", ["none", "full", "incremental"])
def test_T10_every_gap_is_cleaned_and_nothing_else_is_touched(tmp_path: Path, page_bytes: int, vacuum: str) -> None:
    path = tmp_path / "any.db"
    a_database(path, page_bytes, vacuum)
    places = plant(path)
    before = path.read_bytes()
    assert scrub(path) == sum(end > begin for begin, end in places.values())
    expected = bytearray(before)
    for begin, end in places.values():
        expected[begin:end] = bytes(end - begin)
    assert path.read_bytes() == expected
    assert scrub(path) == 0
    assert is_sound(path)


def test_T10_pages_with_a_reserved_end_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "reserved.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    data = bytearray(path.read_bytes())
    data[20], data[105:107] = 32, (4096 - 32).to_bytes(2)
    data[-32:] = b"not SQLite's but somebody else's"
    path.write_bytes(data)
    connection = sqlite3.connect(path, isolation_level=None)
    fill_database(connection, 300, 4096)
    connection.close()
    places = plant(path)
    assert max(end % 4096 for _, end in places.values()) <= 4096 - 32
    assert scrub(path) == len(places)
    assert is_sound(path)
    assert b"not SQLite's but somebody else's" in path.read_bytes()


def test_the_pages_after_the_lock_byte_are_no_maps() -> None:
    """SQLite never uses the page at 1 GiB; a map of pages that belongs there lies one further."""
    shape = scrubbing._Shape(1024, 1024, 2_000_000, 1024 // 5 + 1)
    lock = (1 << 30) // 1024 + 1
    maps = [number for number in range(lock - 250, lock + 250) if shape.is_map(number)]
    regular = [number for number in range(lock - 250, lock + 250) if (number - 2) % 205 == 0]
    assert maps == [number + (number == lock) for number in regular]
    aligned = scrubbing._Shape(65_536, 65_536 - 255, 20_000, 1)  # every page is a map: the one beside it takes over
    assert not aligned.is_map(16_385)
    assert aligned.is_map(16_386)


def test_F5_whatever_bit_flipped_in_a_header_no_cell_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "small.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size = 512")
    connection.execute("CREATE TABLE t (x TEXT)")
    connection.executemany("INSERT INTO t VALUES (?)", [(f"a row that must stay, {number}",) for number in range(40)])
    connection.execute("DELETE FROM t WHERE rowid % 4 = 1")
    connection.close()
    places = plant(path)
    sound = path.read_bytes()
    refused = harmless = 0
    for number, (begin, end) in places.items():
        start = (number - 1) * 512
        header = start + (100 if number == 1 else 0)
        for bit in range(header * 8, begin * 8):
            damaged = bytearray(sound)
            damaged[bit // 8] ^= 1 << (7 - bit % 8)
            path.write_bytes(damaged)
            try:
                scrub(path)
                harmless += 1
            except CatalogCorrupt:
                refused += 1
            after = path.read_bytes()
            assert after[end : start + 512] == damaged[end : start + 512], f"bit {bit} of page {number}"
            assert after[start:header] == damaged[start:header]
    assert refused > 100
    assert harmless > 100


@pytest.mark.parametrize(
    "data",
    [
        b"no database at all" * 100,
        b"SQLite format 3\0" + bytes(84),
        b"SQLite format 3\0" + (600).to_bytes(2) + bytes(2000),
        b"SQLite format 3\0" + (512).to_bytes(2) + b"\2\2\xff" + bytes(2000),
        b"SQLite format 3\0",
    ],
)
def test_F5_what_is_no_database_is_refused_and_not_written_to(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "odd.db"
    path.write_bytes(data)
    with pytest.raises(CatalogCorrupt, match="page 1"):
        scrub(path)
    assert path.read_bytes() == data


def test_a_file_cut_short_is_scrubbed_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    assert scrub(path) == 0
    a_database(path)
    plant(path)
    size_bytes = path.stat().st_size
    os.truncate(path, size_bytes - 4096 * 10 - 7)
    assert scrub(path) > 0
    assert path.stat().st_size == size_bytes - 4096 * 10 - 7


def test_a_database_too_large_to_tell_its_pages_apart_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    a_database(path, 512, rows=3)
    os.truncate(path, 512 << 25)
    with pytest.raises(CatalogFailure, match="too large"):
        scrub(path)


def test_a_database_that_is_not_there_is_a_clear_failure(tmp_path: Path) -> None:
    with pytest.raises(CatalogFailure, match=r"cannot open .*gone\.db"):
        Scrubber(tmp_path / "gone.db")


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_T10_nothing_erased_survives_whatever_the_order(
    catalog: SqliteCatalog, share: float, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents come in batches and go at random, and others change: 4 in 10 such runs left copies before."""
    cleaned, real = [], Scrubber.scrub
    monkeypatch.setattr(Scrubber, "scrub", lambda self: cleaned.append(real(self)))
    dice = random.Random(f"{seed} {share}")
    tokens = {number: f"token-{dice.getrandbits(64):016x}" for number in dice.sample(range(1, 10**7), 240)}
    coming, living, dead = list(tokens), list[int](), list[int]()
    while coming or living:
        batch, coming = coming[:40], coming[40:]
        made = [wordy(number, tokens[number], dice.randrange(40)) for number in batch]
        catalog.write_now(lambda tx, made=made: tx.add_documents(made))
        files = [a_rendition(number, name) for number in batch for name in ("240", "original")]
        files = [
            replace(entry, file=replace(entry.file, url=f"https://h/{tokens[entry.document_id]}")) for entry in files
        ]
        catalog.write_now(lambda tx, files=files: tx.put_renditions(files))
        living += batch
        dice.shuffle(living)
        count = max(1, int(len(living) * share)) if len(living) > 20 else len(living)
        going, living = living[:count], living[count:]
        changed = [
            wordy(number, tokens[number], dice.randrange(80)) for number in dice.sample(living, min(9, len(living)))
        ]
        catalog.write_now(lambda tx, changed=changed: tx.update_documents(changed))
        catalog.write_now(lambda tx, going=going: tx.forget_documents(going))
        dead += going
        assert catalog.scrub_now()
        held = whole(descriptor_of(catalog))
        assert [number for number in dead if tokens[number].encode() in held] == []
        assert all(tokens[number].encode() in held for number in living)
    assert check_integrity(catalog) == ["ok"]
    assert sum(cleaned) > 0


def test_T10_names_and_tokens_and_requests_words_go_too(catalog: SqliteCatalog) -> None:
    """One scrub covers every table and index, as it passes over every page."""
    names = [f"name-{number:04d}-end" for number in range(300)]
    for number, name in enumerate(names):
        account = an_account(10 + number, username=name, realname=f"{name} " * (number % 30))
        catalog.write_now(lambda tx, account=account: tx.put_account(account))
    for number in range(0, 300, 2):
        account = an_account(10 + number, username="", realname="")
        catalog.write_now(lambda tx, account=account: tx.put_account(account))
    plant_everywhere(catalog)
    assert catalog.scrub_now()
    held = whole(descriptor_of(catalog))
    assert [name for name in names[::2] if name.encode() in held] == []
    assert all(name.encode() in held for name in names[1::2])
    assert CANARY not in held


def test_F24_nothing_is_scrubbed_while_a_reader_holds_the_log(catalog: SqliteCatalog, tmp_path: Path) -> None:
    """A copy in the log would come back into the page that was just cleaned."""
    assert catalog.scrub_now()
    reader = sqlite3.connect(tmp_path / "ipsync.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM account").fetchone()
    catalog.write_now(lambda tx: tx.add_documents([wordy(number, "word", 9) for number in range(1, 200)]))
    places = plant_everywhere(catalog)
    assert catalog.scrub_now() is False
    assert is_planted(catalog)
    reader.execute("COMMIT")
    assert catalog.scrub_now() is True
    reader.close()
    held = whole(descriptor_of(catalog))
    assert all(not any(held[begin:end]) for begin, end in gaps(held, roots(catalog)).values())
    assert len(places) > 5


READER = """
import sqlite3, sys, time
print("ready", flush=True)
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None, timeout=60)
rounds = seen = 0
while True:
    connection.execute("BEGIN")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = connection.execute("SELECT document_id, title FROM document_text").fetchall()
    assert all(title == f"title-{number}" for number, title in rows), rows
    connection.execute("COMMIT")
    rounds, seen = rounds + 1, seen + len(rows)
    time.sleep(0.01)
    if connection.execute("SELECT count(*) FROM note WHERE name = 'end'").fetchone()[0]:
        break
print(rounds, seen)
"""


def test_T10_readers_in_another_process_notice_nothing(catalog: SqliteCatalog, tmp_path: Path) -> None:
    others = [start_python(READER, tmp_path / "ipsync.db") for _ in range(2)]
    for other in others:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
    dice = random.Random(5)
    scrubbed, living = 0, set[int]()
    for _ in range(60):
        new = [number for number in dice.sample(range(1, 5000), 30) if number not in living]
        catalog.write_now(lambda tx, new=new: tx.add_documents([a_document(n, title=f"title-{n}") for n in new]))
        living |= set(new)
        going = dice.sample(sorted(living), min(25, len(living)))
        catalog.write_now(lambda tx, going=going: tx.forget_documents(going))
        living -= set(going)
        scrubbed += any(catalog.scrub_now() for _ in range(10))
    catalog.write_now(lambda tx: tx.set_note("end", "1"))
    for other in others:
        told, complaint = other.communicate(timeout=60)
        assert other.returncode == 0, complaint
        assert int(told.split()[0]) > 0
    assert scrubbed > 0
    assert check_integrity(catalog) == ["ok"]


def with_content(catalog: SqliteCatalog) -> None:
    catalog.write_now(lambda tx: tx.add_documents([wordy(number, "word", 9) for number in range(1, 200)]))
    assert catalog.scrub_now()


def load_everything(catalog: SqliteCatalog) -> None:
    """Make the writing connection remember pages."""
    catalog.write_now(lambda tx: len(tx.documents(range(1, 200))))


def touch_everything(catalog: SqliteCatalog) -> None:
    catalog.write_now(lambda tx: tx.renew(range(1, 200), NOW + 7))


def test_T10_the_writer_does_not_write_back_what_it_remembers(catalog: SqliteCatalog, tmp_path: Path) -> None:
    with_content(catalog)
    plant_everywhere(catalog)
    catalog._scrubber._blocks = None
    catalog._writing.exec_driver_sql("PRAGMA shrink_memory")
    catalog._writing.rollback()
    load_everything(catalog)
    assert catalog.scrub_now()
    touch_everything(catalog)
    assert CANARY not in (tmp_path / "ipsync.db-wal").read_bytes()
    assert catalog.scrub_now()
    assert not is_planted(catalog)


def test_T10_nor_do_other_processes(catalog: SqliteCatalog, tmp_path: Path) -> None:
    with_content(catalog)
    plant_everywhere(catalog)
    catalog._scrubber._blocks = None
    beside = open_catalog(URL, tmp_path, STATE_KEY, checkpoints=False, inline=True)
    load_everything(beside)
    assert catalog.scrub_now()
    touch_everything(beside)
    assert CANARY not in (tmp_path / "ipsync.db-wal").read_bytes()
    beside.close_now()


def test_T10_nor_do_programs_that_read_between_truncation_and_scrub(
    catalog: SqliteCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They know nothing of the gate, as the `sqlite3` on an operator's shell."""
    with_content(catalog)
    plant_everywhere(catalog)
    catalog._scrubber._blocks = None
    stranger = sqlite3.connect(tmp_path / "ipsync.db", isolation_level=None)
    stranger.execute("PRAGMA cache_size = 10000")
    real = Scrubber.scrub

    def while_read(self: Scrubber) -> int:
        stranger.execute("SELECT sum(length(title)) FROM document_text").fetchone()
        return real(self)

    monkeypatch.setattr(Scrubber, "scrub", while_read)
    assert catalog.scrub_now()
    stranger.execute("UPDATE document_text SET title = upper(title)")
    assert CANARY not in (tmp_path / "ipsync.db-wal").read_bytes()
    stranger.close()


def test_what_a_stranger_writes_after_the_truncation_is_truncated_first(
    catalog: SqliteCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_content(catalog)
    plant_everywhere(catalog)
    catalog._scrubber._blocks = None
    stranger = sqlite3.connect(tmp_path / "ipsync.db", isolation_level=None)
    stranger.execute("PRAGMA wal_autocheckpoint = 0")
    real, writes = SqliteCatalog._checkpoint, [1]

    def then_written(self: SqliteCatalog) -> bool:
        done = real(self)
        if writes:
            writes.pop()
            stranger.execute("UPDATE document SET verified_at = verified_at + 1")
        return done

    monkeypatch.setattr(SqliteCatalog, "_checkpoint", then_written)
    assert catalog.scrub_now() is False
    assert is_planted(catalog)
    assert catalog.scrub_now() is True
    assert not is_planted(catalog)
    stranger.close()


def test_while_it_scrubs_nobody_writes_or_checkpoints(
    catalog: SqliteCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = sqlite3.connect(tmp_path / "ipsync.db", isolation_level=None, timeout=0)
    real, answers = Scrubber.scrub, []

    def while_tried(self: Scrubber) -> int:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            stranger.execute("UPDATE document SET verified_at = verified_at + 1")
        answers.append(stranger.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone())
        return real(self)

    monkeypatch.setattr(Scrubber, "scrub", while_tried)
    assert catalog.scrub_now()
    assert answers == [(0, 0, 0)]
    stranger.close()


def untouched_gap(catalog: SqliteCatalog) -> int:
    """Plant in one page that lies far from all others, which nothing will write to; returns its number."""
    places = gaps(whole(descriptor_of(catalog)), roots(catalog))
    number = max(number for number, (begin, end) in places.items() if end - begin > len(CANARY))
    plant_in(descriptor_of(catalog), roots(catalog), {number})
    assert is_planted(catalog)
    return number


def with_distance(catalog: SqliteCatalog) -> None:
    """Content over many blocks of pages, of which the first ones are then written to."""
    for begin in range(1, 2001, 500):
        catalog.write_now(lambda tx, b=begin: tx.add_documents([wordy(n, "word", 60) for n in range(b, b + 500)]))
    assert catalog.scrub_now()


def test_only_pages_that_were_written_are_looked_at_again(catalog: SqliteCatalog, tmp_path: Path) -> None:
    with_distance(catalog)
    untouched_gap(catalog)
    catalog.write_now(lambda tx: tx.set_note("a", "b"))
    assert catalog.scrub_now()
    assert is_planted(catalog)  # SQLite itself never leaves anything in a page that it did not write

    again = open_catalog(URL, tmp_path, STATE_KEY, inline=True)  # whoever begins anew looks at everything
    assert again.scrub_now()
    assert not is_planted(catalog)
    again.close_now()


def test_after_another_process_checkpointed_everything_is_looked_at(catalog: SqliteCatalog, tmp_path: Path) -> None:
    with_distance(catalog)
    other = open_catalog(URL, tmp_path, STATE_KEY, inline=True)
    other.write_now(lambda tx: tx.set_note("a", "b"))
    assert other.scrub_now()
    untouched_gap(catalog)
    catalog.write_now(lambda tx: tx.set_note("a", "c"))
    assert catalog.scrub_now()
    assert not is_planted(catalog)
    other.close_now()


def test_what_earlier_checkpoints_changed_is_not_forgotten(catalog: SqliteCatalog, tmp_path: Path) -> None:
    """A log that could not be truncated is moved all the same, and begun anew by the next writer."""
    with_distance(catalog)
    catalog.write_now(lambda tx: tx.renew(range(1, 2001), NOW + 5))
    with catalog._gate:
        assert catalog._checkpoint()
    number = untouched_gap(catalog)
    assert (number - 1) // 32 in (catalog._scrubber._blocks or ())
    catalog.write_now(lambda tx: tx.set_note("a", "b"))
    assert catalog.scrub_now()
    assert not is_planted(catalog)


@pytest.mark.parametrize("log", [b"short", bytes(32) + b"x" * 100])
def test_a_log_that_cannot_be_read_means_everything(catalog: SqliteCatalog, log: bytes, tmp_path: Path) -> None:
    assert catalog.scrub_now()
    assert catalog._scrubber._blocks is not None
    path = tmp_path / "elsewhere.db"
    a_database(path)
    scrubber = Scrubber(path)
    scrubber.scrub()
    (tmp_path / "elsewhere.db-wal").write_bytes(log)
    plant_in(scrubber._file.descriptor, [2])
    scrubber.note(alone=True)
    assert scrubber.scrub() > 0
    scrubber.close()


def test_a_log_that_is_not_there_or_torn_changes_nothing_or_more(tmp_path: Path) -> None:
    path = tmp_path / "any.db"
    a_database(path)
    scrubber = Scrubber(path)
    scrubber.scrub()
    scrubber.note(alone=True)
    assert scrubber._blocks == set()
    header = bytes(8) + (4096).to_bytes(4) + bytes(20)
    frames = b"".join(number.to_bytes(4) + bytes(20 + 4096) for number in (1, 33, 0, 70_000, 300 * 32))
    (tmp_path / "any.db-wal").write_bytes(header + frames + b"\0\0\0")
    scrubber.note(alone=True)
    assert scrubber._blocks == {0, 1, 69_999 // 32, 299}
    assert scrubber.scrub() == 0  # pages beyond the end are none
    scrubber.close()


def test_F3_without_room_for_its_name_nobody_was_the_last(catalog: SqliteCatalog) -> None:
    gate = catalog._gate
    full, kept = os.open("/dev/full", os.O_RDWR), gate._descriptor
    gate._descriptor = full
    assert [gate.sign(), gate.sign()] == [False, False]
    gate._descriptor = kept
    os.close(full)
    gate.sign()
    assert gate.sign() is True


def test_F4_a_failing_disk_ends_the_catalog(catalog: SqliteCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    with_content(catalog)
    plant_everywhere(catalog)
    catalog._scrubber._blocks = None

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(scrubbing.os, "fsync", fail)
    with pytest.raises(CatalogBroken, match="look at the disk"):
        catalog.scrub_now()
    monkeypatch.undo()
    with pytest.raises(CatalogBroken):
        catalog.write_now(lambda tx: tx.set_note("a", "b"))


def test_F3_a_full_disk_is_said_and_tried_again(catalog: SqliteCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that never writes in place, overwriting needs room."""
    with_content(catalog)
    plant_everywhere(catalog)
    catalog._scrubber._blocks = None
    real, calls = os.pwrite, [0]

    def sometimes(descriptor: int, data: bytes, offset: int) -> int:
        calls[0] += 1
        if calls[0] == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[: max(1, len(data) // 2)], offset)  # and never all at once

    monkeypatch.setattr(scrubbing.os, "pwrite", sometimes)
    with pytest.raises(CatalogFull):
        catalog.scrub_now()
    assert catalog.scrub_now()
    assert not is_planted(catalog)


async def test_F5_a_damaged_page_is_an_alarm_and_nothing_is_called_clean(
    threaded: SqliteCatalog, tmp_path: Path
) -> None:
    await threaded.write(lambda tx: tx.add_documents([wordy(number, "word", 9) for number in range(1, 200)]))
    assert await threaded.scrub()
    descriptor = descriptor_of(threaded)
    number = max(gaps(whole(descriptor), await asyncio.to_thread(roots, threaded)))
    os.pwrite(descriptor, b"\xff\xff", (number - 1) * 4096 + 3)
    threaded._scrubber._blocks = None
    with pytest.raises(CatalogCorrupt, match=f"page {number}"):
        await threaded.scrub()
    await threaded.close()


def test_closing_one_catalog_leaves_the_locks_of_another_alone(catalog: SqliteCatalog, tmp_path: Path) -> None:
    """Closing any descriptor of a file would drop all locks of the process; then others take its log away (F27)."""
    for checkpoints in (True, False):
        beside = open_catalog(URL, tmp_path, STATE_KEY, checkpoints=checkpoints, inline=True)
        beside.close_now()
    catalog.write_now(lambda tx: tx.set_note("a", "b"))
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('SELECT count(*) FROM note').fetchone()\n"
        "connection.close()\n"
    )
    run_python(program, tmp_path / "ipsync.db")
    assert (tmp_path / "ipsync.db-wal").stat().st_size > 0
    assert catalog.read_now(lambda view: view.note("a")) == "b"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    fresh_database(tmp_path)
    opened = [open_catalog(URL, tmp_path, STATE_KEY, inline=True) for _ in range(3)]
    descriptor = descriptor_of(opened[0])
    assert {descriptor_of(each) for each in opened} == {descriptor}
    for each in opened:
        assert os.fstat(descriptor)
        each.close_now()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_T10_closing_cleans_too(catalog: SqliteCatalog, tmp_path: Path) -> None:
    with_content(catalog)
    plant_everywhere(catalog)
    catalog._scrubber._blocks = None
    catalog.close_now()
    assert CANARY not in (tmp_path / "ipsync.db").read_bytes()


def test_the_walk_of_the_trees_finds_the_same_pages(tmp_path: Path) -> None:
    """The first byte tells a tree's page as surely as walking there does, but for pages that are free."""
    path = tmp_path / "any.db"
    a_database(path, 1024, rows=800)
    connection = sqlite3.connect(path)
    walked = set(gaps(path.read_bytes(), roots_of(connection)))
    connection.close()
    data = path.read_bytes()
    told = {
        number
        for number in range(1, len(data) // 1024 + 1)
        if data[(number - 1) * 1024 + (100 if number == 1 else 0)] in (2, 5, 10, 13)
    }
    assert told == walked
