"""The record of tombstones outside the database: durable, torn lines passed over, compacted safely (F28)."""

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.instants import DAY
from ipsync.policy.removals import Reason
from ipsync.policy.requests import Ending, Holding, OutsideTombstone, RequestScope, Subject
from ipsync.ports.store import StoreBroken, StoreFull
from ipsync.store.tombstones import TombstoneFile, tombstones_file
from tests.fakes.catalogs import NOW


def gone(document_id: int, since: int = NOW) -> OutsideTombstone:
    return OutsideTombstone(Subject(RequestScope.DOCUMENT, document_id, 1), Reason.UNSHARED, since)


ASKED = OutsideTombstone(
    Subject(RequestScope.ACCOUNT, 7, 7), Reason.OWNER_REQUEST, NOW, True, 3, 12, NOW - 1, Holding(4, 5, 6)
)


@pytest.fixture
def record(tmp_path: Path) -> TombstoneFile:
    return TombstoneFile(tombstones_file(tmp_path / "ipsync.db"))


def test_F28_it_lies_where_copying_the_database_does_not_catch_it(tmp_path: Path) -> None:
    path = tombstones_file(tmp_path / "ipsync.db")
    assert path.parent == tmp_path
    assert not path.match("ipsync.db*")


def test_what_was_written_is_read_in_order(record: TombstoneFile) -> None:
    assert record.read() == record.read(None)
    assert record.read().tombstones == ()
    ended = replace(ASKED, stands=False, ended_by=Ending.CONSENT)
    first = record.append([gone(1), ASKED])
    second = record.append([ended])
    reading = record.read()
    assert reading.tombstones == (gone(1), ASKED, ended)
    assert (reading.end, reading.is_whole, reading.damaged) == (second.ends, True, 0)
    assert second.begins == first.ends
    assert record.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in record.path.parent.iterdir()] == [record.path.name]


def test_only_what_is_new_is_read(record: TombstoneFile) -> None:
    span = record.append([gone(1)])
    record.append([gone(2)])
    reading = record.read(span.ends)
    assert (reading.tombstones, reading.is_whole) == ((gone(2),), False)
    assert record.read(reading.end).tombstones == ()


@pytest.mark.parametrize(
    "mark", ["", "nonsense", "0123456789abcdef:80", "{generation}:-1", "{generation}:99999", "{generation}:3"]
)
def test_a_mark_of_another_record_reads_everything(record: TombstoneFile, mark: str) -> None:
    generation = record.append([gone(1)]).ends.partition(":")[0]
    reading = record.read(mark.format(generation=generation))
    assert (reading.tombstones, reading.is_whole) == ((gone(1),), True)


def test_F2_a_torn_line_at_any_byte_spoils_nothing_else(record: TombstoneFile) -> None:
    first = record.append([gone(1)])
    whole = record.path.read_bytes()
    record.append([ASKED])
    torn = record.path.read_bytes()
    for length in range(len(whole), len(torn)):
        record.path.write_bytes(torn[:length])
        assert record.read().tombstones in ((gone(1),), (gone(1), ASKED))  # without its line end it is still whole
        assert record.read().end == first.ends
        span = record.append([gone(3)])
        assert span.begins == first.ends
        after = record.read()
        assert (after.tombstones[0], after.tombstones[-1]) == (gone(1), gone(3))
        assert after.damaged == (0 if len(after.tombstones) == 3 or length == len(whole) else 1)
        assert record.read(first.ends).tombstones[-1] == gone(3)


def test_F2_a_long_torn_tail_is_passed_over(record: TombstoneFile) -> None:
    first = record.append([gone(1)])
    with record.path.open("ab") as file:
        file.write(b"x" * 10_000)
    assert record.read().end == first.ends
    record.append([gone(2)])
    assert (record.read().tombstones, record.read().damaged) == ((gone(1), gone(2)), 1)


def test_F38_an_altered_line_is_no_tombstone(record: TombstoneFile) -> None:
    record.append([gone(1), gone(2), gone(3)])
    text = record.path.read_bytes()
    record.path.write_bytes(text.replace(b'"id":2', b'"id":9'))
    reading = record.read()
    assert (reading.tombstones, reading.damaged) == ((gone(1), gone(3)), 1)


def test_a_line_of_a_word_we_never_wrote_is_no_tombstone(record: TombstoneFile) -> None:
    record.append([gone(1)])
    text = b'{"scope":"planet","id":1,"account":1,"reason":"unshared","since":1}'
    from blake3 import blake3

    with record.path.open("ab") as file:
        file.write(text + b" " + blake3(text).hexdigest()[:16].encode() + b"\n")
    assert (record.read().tombstones, record.read().damaged) == ((gone(1),), 1)


def test_a_file_that_is_something_else_is_refused(record: TombstoneFile) -> None:
    record.path.write_text("Dear diary.\n")
    for act in (lambda: record.append([gone(1)]), record.read, lambda: record.compact(NOW)):
        with pytest.raises(StoreBroken, match="file of tombstones"):
            act()
    assert record.path.read_text() == "Dear diary.\n"


def test_F30_a_planted_link_is_not_followed(record: TombstoneFile, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("precious")
    record.path.symlink_to(target)
    with pytest.raises(StoreBroken):
        record.append([gone(1)])
    assert target.read_text() == "precious"


def test_F3_F4_a_disk_that_fails_is_said_and_leaves_no_half_line(
    record: TombstoneFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.append([gone(1)])
    before = record.path.read_bytes()
    pwrite = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) > 10:
            return pwrite(descriptor, data[:10], offset)
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreFull):
        record.append([gone(2)])
    monkeypatch.undo()
    assert record.path.read_bytes() == before

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "the disk failed")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreBroken):
        record.append([gone(2)])
    monkeypatch.undo()
    record.append([gone(2)])
    assert set(record.read().tombstones) == {gone(1), gone(2)}


def test_it_is_durable_before_it_counts(record: TombstoneFile, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for name in ("pwrite", "fsync", "link"):
        real = getattr(os, name)

        def told(*arguments: object, name: str = name, real: object = real, **options: object) -> object:
            steps.append(name)
            return real(*arguments, **options)  # type: ignore[operator]  # reason: a function of os

        monkeypatch.setattr(os, name, told)
    record.append([gone(1)])
    # The header, then its name, then the folder; then the line.
    assert steps == ["pwrite", "fsync", "link", "fsync", "pwrite", "fsync"]


def test_compacting_keeps_what_stands_and_what_is_recent(record: TombstoneFile) -> None:
    over = replace(
        ASKED, subject=Subject(RequestScope.DOCUMENT, 5, 1), stands=False, request_id=13, ended_by=Ending.WITHDRAWN
    )
    record.append([ASKED, over, gone(1), gone(2, NOW + DAY)])
    for _ in range(3):
        record.append([gone(number, NOW + number) for number in range(1000, 1400)])
    before = record.read()
    span = record.compact(NOW + DAY)
    assert span is not None
    assert span.begins == before.end
    after = record.read()
    assert after.tombstones == (ASKED, gone(2, NOW + DAY))
    assert (after.end, record.read(span.ends).is_whole, record.read(span.begins).is_whole) == (span.ends, False, True)
    assert [path.name for path in record.path.parent.iterdir()] == [record.path.name]
    assert record.compact(NOW + DAY) is None  # nothing to win


def test_compacting_without_a_file_does_nothing(record: TombstoneFile) -> None:
    assert record.compact(NOW) is None
    assert not record.path.exists()


def test_F1_compacting_that_fails_leaves_the_old_record(record: TombstoneFile, monkeypatch: pytest.MonkeyPatch) -> None:
    record.append([ASKED, *(gone(1) for _ in range(1500))])
    before = record.path.read_bytes()

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "the disk failed")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreBroken):
        record.compact(NOW + DAY)
    monkeypatch.undo()
    assert record.path.read_bytes() == before
    assert [path.name for path in record.path.parent.iterdir()] == [record.path.name]


def test_F27_writers_and_compacting_at_once_lose_nothing(record: TombstoneFile) -> None:
    def write(begin: int) -> None:
        for number in range(begin, begin + 40):
            TombstoneFile(record.path).append([gone(number, NOW + DAY)])

    def compact() -> None:
        for _ in range(10):
            record.append([gone(1) for _ in range(1100)])
            record.compact(NOW)

    threads = [threading.Thread(target=write, args=(begin,)) for begin in (100, 200, 300)]
    threads.append(threading.Thread(target=compact))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reading = record.read()
    assert reading.damaged == 0
    found = {entry.subject.subject_id for entry in reading.tombstones}
    assert found >= {number for begin in (100, 200, 300) for number in range(begin, begin + 40)}
