"""The store's mark: replaced as a whole, never mistaken for content, and no mark at all where it cannot be read."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipsync.ports.store import StoreBroken, StoreFull
from ipsync.store import FileStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    opened = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    yield opened
    opened.close()


def test_it_is_replaced_as_a_whole(store: FileStore, tmp_path: Path) -> None:
    assert store.read_mark() is None
    store.write_mark("1-0a")
    store.write_mark("2-ff")
    assert store.read_mark() == "2-ff"
    again = FileStore(tmp_path / "content")
    assert again.read_mark() == "2-ff"
    again.close()


def test_it_is_neither_content_nor_an_orphan(store: FileStore, tmp_path: Path) -> None:
    store.write_mark("1-0a")
    (tmp_path / "content" / ".ipsync-new").write_text("a crash left it")
    assert list(store.walk()) == []
    assert store.size_bytes() == 0
    assert store.erase_written_before(2**62, 2**62).files == 0
    store.write_mark("2-0b")
    assert store.read_mark() == "2-0b"
    assert not (tmp_path / "content" / ".ipsync-new").exists()


@pytest.mark.parametrize(
    "content", [b"", b"ipsync store 1-0a", b"ipsync store 1-0a\nmore", b"ipsync store A\n", b"\0" * 99]
)
def test_what_is_not_whole_is_no_mark(store: FileStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "content" / ".ipsync").write_bytes(content)
    assert store.read_mark() is None


def test_F30_a_link_is_no_mark_and_is_replaced(store: FileStore, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"ipsync store 1-0a\n")
    (tmp_path / "content" / ".ipsync").symlink_to(elsewhere)
    (tmp_path / "content" / ".ipsync-new").symlink_to(elsewhere)
    assert store.read_mark() is None
    store.write_mark("2-0b")
    assert store.read_mark() == "2-0b"
    assert elsewhere.read_bytes() == b"ipsync store 1-0a\n"


def test_a_directory_in_its_place_is_no_mark(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "content" / ".ipsync").mkdir()
    assert store.read_mark() is None
    with pytest.raises(StoreBroken):
        store.write_mark("1-0a")


def test_F3_without_room_the_old_word_stays(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_mark("1-0a")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull):
        store.write_mark("2-0b")
    assert store.read_mark() == "1-0a"


def test_only_a_word_is_written(store: FileStore) -> None:
    for word in ("", "two words", "Ä", "x" * 65, "line\n"):
        with pytest.raises(ValueError, match="word"):
            store.write_mark(word)
