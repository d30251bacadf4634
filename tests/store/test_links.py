"""F30: nothing planted in the store is ever followed, neither for reading nor for writing nor for erasing."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipsync.ports.store import ContentKey, Erased, NotStored, StoreBroken
from ipsync.store import FileStore

KEY = ContentKey(7, 12, "240")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "content"


@pytest.fixture
def store(root: Path) -> Iterator[FileStore]:
    opened = FileStore(root, free_space_floor_bytes=0)
    yield opened
    opened.close()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory that looks like an account, with a document of its own, where nothing may be touched."""
    precious = tmp_path / "outside"
    (precious / "12").mkdir(parents=True)
    (precious / "12" / "240").write_bytes(b"precious")
    (precious / "240").write_bytes(b"precious")
    return precious


def untouched(outside: Path) -> bool:
    found = {path.relative_to(outside).as_posix() for path in outside.rglob("*")}
    return found == {"12", "12/240", "240"} and (outside / "12/240").read_bytes() == b"precious"


def plant(root: Path, level: str, outside: Path) -> Path:
    """Put a link at one level of the path of `KEY`, to what would make the path complete."""
    if level == "account":
        link, target = root / "7", outside
    elif level == "document":
        link, target = root / "7" / "12", outside / "12"
    else:
        link, target = root / "7" / "12" / "240", outside / "12" / "240"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    return link


LEVELS = pytest.mark.parametrize("level", ["account", "document", "file"])


@LEVELS
def test_F30_a_planted_link_is_not_read(store: FileStore, root: Path, outside: Path, level: str) -> None:
    plant(root, level, outside)
    for act in (store.open, store.path, store.digest):
        with pytest.raises(StoreBroken):
            act(KEY)


@LEVELS
def test_F30_a_planted_link_is_unlinked_and_what_it_points_to_stays(
    store: FileStore, root: Path, outside: Path, level: str
) -> None:
    for erase in (
        lambda _: store.erase_documents([(7, 12)]),
        lambda _: store.erase_files([KEY]),
        lambda _: store.erase_account(7),
        store.erase_path,
    ):
        link = plant(root, level, outside)
        assert erase(link) == Erased(1, 0)
        assert not os.path.lexists(link)
        assert untouched(outside)
        assert list(store.walk()) == []


@LEVELS
def test_F30_walking_names_a_link_as_an_orphan(store: FileStore, root: Path, outside: Path, level: str) -> None:
    link = plant(root, level, outside)
    assert list(store.walk()) == [link]
    assert store.size_bytes() == 0


@LEVELS
def test_F30_nothing_is_written_through_a_link(store: FileStore, root: Path, outside: Path, level: str) -> None:
    plant(root, level, outside)
    incoming = store.receive(KEY)
    incoming.write(b"new content")
    if level == "file":  # the name is given to the new file, and the link is gone
        incoming.keep()
        assert store.open(KEY).read() == b"new content"
    else:
        with pytest.raises(StoreBroken):
            incoming.keep()
        incoming.discard()
    assert untouched(outside)


def test_F30_a_link_among_partial_downloads_is_replaced(store: FileStore, root: Path, outside: Path) -> None:
    (root / ".incoming" / "7.12.240").symlink_to(outside / "240")
    incoming = store.receive(KEY)
    assert incoming.received_bytes == 0
    incoming.write(b"content")
    incoming.keep()
    assert untouched(outside)
    assert store.open(KEY).read() == b"content"


def test_F30_a_second_name_of_another_file_is_not_written_to(store: FileStore, root: Path, outside: Path) -> None:
    os.link(outside / "240", root / ".incoming" / "7.12.240")
    incoming = store.receive(KEY)
    assert incoming.received_bytes == 0
    incoming.write(b"content")
    incoming.keep()
    assert untouched(outside)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_F30_the_directory_of_partial_downloads_is_no_link(root: Path, outside: Path, kind: str) -> None:
    root.mkdir()
    if kind == "link":
        (root / ".incoming").symlink_to(outside)
    else:
        (root / ".incoming").write_bytes(b"in the way")
    store = FileStore(root, free_space_floor_bytes=0)
    store.receive(KEY).write(b"partial")
    assert (root / ".incoming").is_dir()
    assert not (root / ".incoming").is_symlink()
    assert untouched(outside)
    store.close()


def test_F30_links_among_partial_downloads_are_discarded(store: FileStore, root: Path, outside: Path) -> None:
    (root / ".incoming" / "7.12.240").symlink_to(outside / "240")
    (root / ".incoming" / "odd").symlink_to(outside)
    (root / ".incoming" / "deep" / "er").mkdir(parents=True)
    (root / ".incoming" / "deep" / "er" / "file").write_bytes(b"x")
    assert store.discard_incoming() == 3
    assert list((root / ".incoming").iterdir()) == []
    assert untouched(outside)


def test_F30_pipes_sockets_and_directories_in_a_files_place_are_not_read_and_are_erased(
    store: FileStore, root: Path
) -> None:
    place = root / "7" / "12"
    place.mkdir(parents=True)
    os.mkfifo(place / "240")
    (place / "500").mkdir()
    (place / "500" / "below").write_bytes(b"four")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(place / "100"))
        for rendition in ("240", "500", "100"):
            with pytest.raises(StoreBroken):
                store.open(ContentKey(7, 12, rendition))
        assert set(store.walk()) == {place / "240", place / "500" / "below", place / "100"}
        assert store.erase_documents([(7, 12)]) == Erased(3, 4)
    assert not place.exists()


def test_F30_a_directory_where_the_file_belongs_does_not_take_it_in(store: FileStore, root: Path) -> None:
    (root / "7" / "12" / "240" / "x").mkdir(parents=True)
    incoming = store.receive(KEY)
    incoming.write(b"content")
    with pytest.raises(StoreBroken):
        incoming.keep()
    incoming.discard()
    assert list((root / ".incoming").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["...", "a\nb", "CON", "\u202egpj.exe", "x" * 255, "-rf", "*", "007", "1e3", "+7", "٧", "7.12.240"],
)
def test_F30_odd_names_are_orphans_and_can_be_erased(store: FileStore, root: Path, name: str) -> None:
    planted = {root / name / "12" / "240", root / "7" / name, root / "7" / "12" / name, root / "7" / "13" / name}
    for path in planted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"odd")
    assert set(store.walk()) == planted
    for orphan in planted:
        assert store.erase_path(orphan) == Erased(1, 3)
    assert list(store.walk()) == []
    assert [path.name for path in root.iterdir()] == [".incoming"]


def test_F30_names_that_are_no_text_are_orphans(store: FileStore, root: Path) -> None:
    (root / os.fsdecode(b"\xff\xfe")).write_bytes(b"odd")
    (orphan,) = store.walk()
    assert isinstance(orphan, Path)
    assert store.erase_path(orphan) == Erased(1, 3)


def test_F30_directories_nested_without_end_are_refused_and_not_followed(store: FileStore, root: Path) -> None:
    deep = root / "7" / "12"
    for _ in range(90):
        deep /= "d"
    deep.mkdir(parents=True)
    with pytest.raises(StoreBroken):
        store.erase_documents([(7, 12)])


def test_F30_a_directory_swapped_for_a_link_while_files_are_read_leads_nowhere(
    store: FileStore, root: Path, outside: Path
) -> None:
    incoming = store.receive(KEY)
    incoming.write(b"content")
    incoming.keep()
    place, aside = root / "7" / "12", root / "7" / "13"
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            place.rename(aside)
            place.symlink_to(outside / "12")
            place.unlink()
            aside.rename(place)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(3000):
            try:
                with store.open(KEY) as file:
                    seen.add(file.read())
            except (NotStored, StoreBroken) as failure:
                seen.add(type(failure))
    finally:
        stop.set()
        swapper.join()
    assert seen <= {b"content", NotStored, StoreBroken}


def test_files_and_directories_are_for_the_daemon_alone(store: FileStore, root: Path) -> None:
    before = os.umask(0)
    try:
        incoming = store.receive(KEY)
        incoming.write(b"content")
        incoming.keep()
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (root, root / "7", root / "7/12", root / "7/12/240")] == [
        0o700,
        0o700,
        0o700,
        0o600,
    ]
    assert store.path(KEY) == root / "7" / "12" / "240"


def test_the_root_itself_may_be_a_link_the_operator_made(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "content").symlink_to(tmp_path / "disk")
    store = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    incoming = store.receive(KEY)
    incoming.write(b"content")
    incoming.keep()
    assert (tmp_path / "disk" / "7" / "12" / "240").read_bytes() == b"content"
    store.close()


def test_what_a_file_system_keeps_for_itself_is_left_alone(store: FileStore, root: Path) -> None:
    (root / "lost+found").mkdir()
    (root / "lost+found" / "#12").write_bytes(b"a fragment")
    assert list(store.walk()) == []
    assert (root / "lost+found" / "#12").exists()


def test_directories_left_empty_are_taken_away_in_passing(store: FileStore, root: Path) -> None:
    (root / "7" / "12").mkdir(parents=True)
    (root / "8").mkdir()
    (root / "someone's").mkdir()
    assert list(store.walk()) == []
    assert {path.name for path in root.iterdir()} <= {".incoming", "someone's", "7"}
    assert list(store.walk()) == []
    assert {path.name for path in root.iterdir()} == {".incoming", "someone's"}
