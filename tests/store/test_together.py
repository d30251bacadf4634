"""Several at once, and very many: downloads, erasures and walks do not disturb each other; walking holds no list."""

import random
import threading
import tracemalloc
from pathlib import Path

from ipsync.ports.store import ContentKey, NotStored, StoreFailure
from ipsync.store import FileStore


class Traffic:
    """Threads that receive, erase and walk in one small account until told to stop."""

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.stop = threading.Event()
        self.problems: list[object] = []

    def receive(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self.stop.is_set():
            key = ContentKey(1, chance.randint(1, 4), chance.choice(("240", "500")))
            try:
                incoming = self.store.receive(key)
                incoming.write(b"content")
                incoming.keep()
                with self.store.open(key) as file:
                    self.problems += [] if file.read() == b"content" else ["torn"]
            except NotStored:
                continue
            except StoreFailure as failure:
                self.note(failure, "received already")

    def erase(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self.stop.is_set():
            try:
                self.store.erase_documents([(1, chance.randint(1, 4))])
            except StoreFailure as failure:
                # Kept again by a receiver before we looked: said, and not called gone.
                self.note(failure, "still there", "not empty")

    def walk(self, _: int) -> None:
        while not self.stop.is_set():
            self.problems += [found for found in self.store.walk() if not isinstance(found, ContentKey)]

    def note(self, failure: StoreFailure, *expected: str) -> None:
        if not any(words in str(failure) for words in expected):
            self.problems.append(failure)


def test_erasing_keeping_and_walking_at_once_lose_nothing_and_bring_nothing_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    traffic = Traffic(store)
    runs = (traffic.receive, traffic.receive, traffic.erase, traffic.erase, traffic.walk)
    workers = [threading.Thread(target=run, args=(seed,)) for seed, run in enumerate(runs)]
    for worker in workers:
        worker.start()
    traffic.stop.wait(2)
    traffic.stop.set()
    for worker in workers:
        worker.join()
    assert traffic.problems == []
    store.erase_account(1)
    assert store.size_bytes() == 0
    store.close()


def test_walking_holds_no_list_of_files(tmp_path: Path) -> None:
    root = tmp_path / "content"
    store = FileStore(root, free_space_floor_bytes=0)
    for document in range(1, 3001):
        place = root / str(document % 3 + 1) / str(document)
        place.mkdir(parents=True)
        (place / "240").touch()
    tracemalloc.start()
    try:
        assert sum(1 for _ in store.walk()) == 3000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000
    store.close()


def test_a_file_may_be_erased_while_walking(tmp_path: Path) -> None:
    root = tmp_path / "content"
    store = FileStore(root, free_space_floor_bytes=0)
    for document in range(1, 301):
        place = root / "1" / str(document)
        place.mkdir(parents=True)
        (place / "240").touch()
        (place / "stray").touch()
    keys = paths = 0
    for found in store.walk():
        if isinstance(found, ContentKey):
            keys += store.erase_files([found]).files
        else:
            paths += store.erase_path(found).files
    assert (keys, paths) == (300, 300)
    assert [path.name for path in root.iterdir()] == [".incoming"]
    store.close()
