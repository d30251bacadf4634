"""F27: whoever opened the store before it was fenced keeps no file any more; erasing goes on."""

from pathlib import Path

import pytest

from ipsync.ports.store import ContentKey, NotStored, StoreBroken, StoreFailure
from ipsync.store import FileStore, files

KEY = ContentKey(7, 12, "240")
OTHER = ContentKey(7, 13, "240")


def test_F27_a_store_that_was_fenced_off_keeps_nothing_and_erases_all(tmp_path: Path) -> None:
    stale, newer = (FileStore(tmp_path / "content", free_space_floor_bytes=0) for _ in range(2))
    before = stale.receive(KEY)
    before.write(b"kept in time")
    before.keep()
    under_way = stale.receive(OTHER)
    under_way.write(b"half of it")

    assert newer.fence() == 1

    under_way.write(b", and the rest")
    with pytest.raises(NotStored):
        under_way.keep()
    under_way.discard()
    with pytest.raises(StoreFailure, match="taken over the store"):
        stale.receive(OTHER)
    assert list(newer.walk()) == [KEY]

    fresh = newer.receive(OTHER)
    fresh.write(b"of the newer")
    fresh.keep()
    assert stale.erase_documents([(7, 12), (7, 13)]).files == 2
    assert list(newer.walk()) == []
    assert newer.fence() == 0
    stale.close()
    newer.close()


def test_what_fences_may_fence_again_and_goes_on(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    for _ in range(3):
        store.fence()
        incoming = store.receive(KEY)
        incoming.write(b"anew")
        incoming.keep()
    assert store.stored_bytes(KEY) == 4
    store.close()


def test_a_directory_that_does_not_get_empty_is_no_fence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    real = files.Erasure.erase_incoming
    tries: list[int] = []

    def refill(erasure: files.Erasure) -> int:
        erased = real(erasure)
        tries.append(erased)
        (tmp_path / "content" / ".incoming" / "7.12.240").write_bytes(b"")
        return erased

    monkeypatch.setattr(files.Erasure, "erase_incoming", refill)
    with pytest.raises(StoreBroken, match="not empty"):
        store.fence()
    assert len(tries) == 100
    monkeypatch.undo()
    assert store.fence() == 1
    store.close()
