"""F3 and F4: a full or failing disk. Erasing needs no room, and what failed is never called gone or stored."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipsync.ports.store import ContentKey, Erased, StoreBroken, StoreFailure, StoreFull
from ipsync.store import FileStore, disk, erasing

KEY = ContentKey(7, 12, "240")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    opened = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    yield opened
    opened.close()


def put(store: FileStore, key: ContentKey, content: bytes = b"content") -> None:
    incoming = store.receive(key)
    incoming.write(content)
    incoming.keep()


def failing(number: int, when: Callable[[tuple[object, ...]], bool] = lambda _: True) -> Callable[..., object]:
    """A system call that fails with errno `number` where `when` says so of its arguments."""

    def wrap(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            if when(args):
                raise OSError(number, os.strerror(number))
            return real(*args, **named)

        return call

    return wrap


def inject(
    patch: pytest.MonkeyPatch,
    name: str,
    number: int,
    when: Callable[[tuple[object, ...]], bool] = lambda _: True,
) -> None:
    patch.setattr(os, name, failing(number, when)(getattr(os, name)))


def test_F3_no_room_while_receiving_keeps_what_is_whole(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    incoming = store.receive(KEY)
    incoming.write(b"first, ")
    real = incoming._file

    class Full:
        """Takes three more bytes, then says there is no room."""

        def __init__(self) -> None:
            self.room = 3

        def write(self, chunk: memoryview) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            taken = real.write(chunk[: self.room])
            self.room -= taken
            return taken

    with monkeypatch.context() as patch:
        patch.setattr(incoming, "_file", Full())
        with pytest.raises(StoreFull):
            incoming.write(b"second")
    assert incoming.received_bytes == 10
    incoming.write(b"ond")
    kept = incoming.keep()
    assert store.open(KEY).read() == b"first, second"
    assert store.digest(KEY) == kept.digest


@pytest.mark.parametrize("call", ["mkdir", "rename"])
@pytest.mark.parametrize(("number", "failure"), [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull)])
def test_F3_no_room_for_a_name(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int, failure: type[StoreFailure]
) -> None:
    incoming = store.receive(KEY)
    incoming.write(b"content")
    with monkeypatch.context() as patch:
        inject(patch, call, number)
        with pytest.raises(failure):
            incoming.keep()
    incoming.keep()
    assert store.open(KEY).read() == b"content"


def test_F3_the_floor_is_asked_again_while_a_large_file_comes_in(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = store.receive(KEY)
    monkeypatch.setattr("ipsync.store.incoming.free_bytes", lambda _: -1)
    for _ in range(7):
        incoming.write(bytes(1 << 20))
    with pytest.raises(StoreFull):
        incoming.write(bytes(1 << 20))
    assert incoming.received_bytes == 7 << 20
    incoming.discard()


def test_F3_no_inodes_left_is_no_room(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fstatvfs(store._root)
    without = os.statvfs_result([*real[:5], real.f_files, 0, 0, *real[8:]])
    monkeypatch.setattr(os, "fstatvfs", lambda _: without)
    assert disk.free_bytes(store._root) == 0


def test_F3_erasing_writes_nothing_and_makes_nothing(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, KEY)
    put(store, ContentKey(7, 13, "240"))
    store.receive(ContentKey(7, 12, "500")).close()
    real_open = os.open

    def open_for_reading(path: str, flags: int, *args: int, dir_fd: int | None = None) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_open(path, flags, *args, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", open_for_reading)
    for call in ("mkdir", "rename", "write", "pwrite", "link", "symlink", "truncate", "ftruncate"):
        inject(monkeypatch, call, errno.ENOSPC)
    assert store.erase_files([ContentKey(7, 13, "240")]) == Erased(1, 7)
    assert store.erase_documents([(7, 12)]) == Erased(2, 7)
    assert store.erase_account(7) == Erased(0, 0)
    assert store.discard_incoming() == 0


@pytest.mark.parametrize("call", ["unlink", "rmdir", "fsync", "scandir"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EACCES])
def test_F4_what_could_not_be_erased_is_said_and_can_be_repeated(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    put(store, KEY)
    for erase in (
        lambda: store.erase_documents([(7, 12)]),
        lambda: store.erase_account(7),
    ):
        put(store, KEY)
        with monkeypatch.context() as patch:
            inject(patch, call, number)
            with pytest.raises(StoreBroken) as caught:
                erase()
        assert os.strerror(number) in str(caught.value)
        assert erase().files in (0, 1)
        assert list(store.walk()) == []


def test_F4_one_file_that_cannot_be_erased_does_not_keep_the_others(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [ContentKey(7, document, rendition) for document in (1, 2, 3) for rendition in ("240", "original")]
    for key in keys:
        put(store, key)
    bad = store.path(keys[2]).stat().st_ino

    with monkeypatch.context() as patch:
        real = os.unlink

        def unlink(name: str, *, dir_fd: int) -> None:
            if os.stat(name, dir_fd=dir_fd).st_ino == bad:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            real(name, dir_fd=dir_fd)

        patch.setattr(os, "unlink", unlink)
        with pytest.raises(StoreBroken):
            store.erase_documents([(7, 1), (7, 2), (7, 3)])
    assert list(store.walk()) == [keys[2]]
    assert store.erase_documents([(7, 1), (7, 2), (7, 3)]) == Erased(1, 7)


def test_F4_a_file_still_there_after_unlinking_is_not_called_gone(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, KEY)
    put(store, ContentKey(7, 12, "500"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", lambda *_, **__: None)  # a disk that says yes and does nothing
        with pytest.raises(StoreBroken, match="still there"):
            store.erase_files([KEY])
        with pytest.raises(StoreBroken):
            store.erase_documents([(7, 12)])
        with pytest.raises(StoreBroken):
            store.erase_account(7)
        with pytest.raises(StoreBroken, match="still there"):
            store.erase_path(store.path(KEY))


def test_F4_a_file_whose_size_cannot_be_read_is_erased_all_the_same(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, KEY)
    with monkeypatch.context() as patch:
        inject(patch, "stat", errno.EIO, lambda args: args[0] == "240")
        assert store.erase_documents([(7, 12)]) == Erased(1, 0)
    assert list(store.walk()) == []


def test_F4_a_failed_group_sync_says_so(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, KEY)

    def broken(_: int) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("ipsync.store.files.sync_file_system", broken)
        with pytest.raises(StoreBroken):
            store.make_durable([KEY])
    with monkeypatch.context() as patch:
        patch.setattr("ipsync.store.files.sync_file_system", lambda _: False)
        inject(patch, "fsync", errno.EIO)
        with pytest.raises(StoreBroken):
            store.make_durable([KEY])
    store.make_durable([KEY])


def test_F4_reading_errors_are_sorted(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, KEY)
    with monkeypatch.context() as patch:
        inject(patch, "scandir", errno.EIO)
        for act in (store.size_bytes, lambda: list(store.walk()), store.discard_incoming):
            with pytest.raises(StoreBroken):
                act()
    with monkeypatch.context() as patch:
        inject(patch, "open", errno.EIO)
        for act in (store.open, store.path, store.digest, store.receive):
            with pytest.raises(StoreBroken):
                act(KEY)


def test_the_order_of_erasing_is_unlink_sync_look(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for document in (1, 2):
        put(store, ContentKey(7, document, "240"))
    put(store, ContentKey(7, 3, "240"))
    calls: list[tuple[str, object]] = []

    def note(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **named: object) -> object:
            calls.append((name, args[0]))
            return real(*args, **named)

        monkeypatch.setattr(os, name, call)

    for name in ("unlink", "rmdir", "fsync", "stat"):
        note(name)
    store.erase_documents([(7, 1), (7, 2)])
    names = [name for name, _ in calls]
    last_removal = max(at for at, name in enumerate(names) if name in ("unlink", "rmdir"))
    syncs = [at for at, name in enumerate(names) if name == "fsync"]
    looks = [at for at, (name, what) in enumerate(calls) if name == "stat" and what in ("1", "2")]
    assert len(looks) == 2
    assert last_removal < min(syncs) <= max(syncs) < min(looks)
    assert len(syncs) == 2  # the account and the partial downloads, once each


@pytest.mark.parametrize("has_syncfs", [True, False])
def test_many_directories_are_synced_in_one_go_where_that_exists(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, has_syncfs: bool
) -> None:
    keys = [ContentKey(account, 1, name) for account in range(1, 21) for name in ("240", "original")]
    for key in keys:
        put(store, key)
    synced: list[int] = []
    whole: list[int] = []
    real_fsync, real_syncfs = os.fsync, disk.sync_file_system

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        real_fsync(descriptor)

    def syncfs(descriptor: int) -> bool:
        whole.append(descriptor)
        return has_syncfs and real_syncfs(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for module in ("files", "erasing"):
        monkeypatch.setattr(f"ipsync.store.{module}.sync_file_system", syncfs)
    store.make_durable(keys)
    # Each file, each of 20 documents and 20 accounts, the root.
    assert (len(whole), len(synced)) == (1, 0 if has_syncfs else 40 + 20 + 20 + 1)
    synced.clear()
    store.erase_files([key for key in keys if key.rendition == "240"])
    assert (len(whole), len(synced)) == (2, 0 if has_syncfs else 21)
    assert len(list(store.walk())) == 20
    synced.clear()
    store.erase_documents([(account, 1) for account in range(1, 21)])
    assert len(list(store.walk())) == 0
    assert erasing.SYNC_ALL_ABOVE < 20


def test_a_failed_sync_of_the_whole_is_asked_again_singly(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for account in range(1, 21):
        put(store, ContentKey(account, 1, "240"))

    def broken(_: int) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))  # of somebody else's file

    monkeypatch.setattr("ipsync.store.erasing.sync_file_system", broken)
    assert store.erase_documents([(account, 1) for account in range(1, 21)]) == Erased(20, 140)


def test_a_system_without_syncfs_is_told_apart_from_one_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_syncfs", None)
    assert disk.sync_file_system(0) is False
    monkeypatch.undo()
    with pytest.raises(OSError, match="descriptor"):
        disk.sync_file_system(-1)


def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreBroken):
        FileStore(tmp_path / "file")
