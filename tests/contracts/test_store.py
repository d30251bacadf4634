"""What every content store promises (`ports.store.ContentStore`), asked of each one there is."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipsync.policy.documents import RENDITIONS
from ipsync.ports.store import (
    ContentKey,
    ContentStore,
    Erased,
    Incoming,
    NotStored,
    StoredFile,
    StoreFailure,
    StoreFull,
)
from ipsync.store import FileStore
from tests.fakes import store as memory

KEY = ContentKey(7, 12, "240")
OTHER = ContentKey(7, 13, "original")
BAD_KEYS = [
    ContentKey(0, 1, "240"),
    ContentKey(-1, 1, "240"),
    ContentKey(1, 2**63, "240"),
    ContentKey(True, 1, "240"),
    ContentKey("7", 1, "240"),
    ContentKey("../7", 1, "240"),
    ContentKey(1, 1, ""),
    ContentKey(1, 1, ".."),
    ContentKey(1, 1, "../../etc/passwd"),
    ContentKey(1, 1, "240\0"),
    ContentKey(1, 1, "240/x"),
    ContentKey(1, 1, "CON"),
    ContentKey(1, 1, "a" * 255),
    ContentKey(1, 1, "\u202e042"),
    ContentKey(1, 1, "２４０"),
]


class Bench:
    """A store under test, with the ways to make trouble around it."""

    def __init__(self, store: ContentStore, root: Path, plant: Callable[[Path, bytes], None]) -> None:
        self.store = store
        self.root = root
        self.plant = plant


@pytest.fixture(params=["files", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "memory":
        fake = memory.MemoryStore()
        yield Bench(fake, memory.ROOT, fake.foreign.__setitem__)
        return
    root = tmp_path / "content"
    real = FileStore(root, free_space_floor_bytes=0)

    def plant(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    yield Bench(real, root, plant)
    real.close()


@pytest.fixture
def store(bench: Bench) -> ContentStore:
    return bench.store


def put(store: ContentStore, key: ContentKey, content: bytes) -> StoredFile:
    incoming = store.receive(key)
    incoming.write(content)
    return incoming.keep()


def read(store: ContentStore, key: ContentKey) -> bytes:
    with store.open(key) as file:
        return file.read()


def test_I5_the_size_of_what_is_stored_is_seen_by_looking(store: ContentStore) -> None:
    assert store.stored_bytes(KEY) is None
    put(store, KEY, b"12345")
    assert store.stored_bytes(KEY) == 5
    store.erase_files([KEY])
    assert store.stored_bytes(KEY) is None


def test_a_kept_file_reads_back_with_its_size_and_digest(store: ContentStore) -> None:
    incoming = store.receive(KEY)
    assert incoming.received_bytes == 0
    incoming.write(b"one")
    incoming.write(b"")
    incoming.write(b" two")
    assert incoming.received_bytes == 7
    assert incoming.head(4) == b"one "
    assert incoming.head(100) == b"one two"
    kept = incoming.keep()
    assert kept == StoredFile(KEY, 7, blake3(b"one two").digest())
    assert read(store, KEY) == b"one two"
    assert store.digest(KEY) == kept.digest
    assert list(store.walk()) == [KEY]
    store.make_durable([KEY])


def test_nothing_is_stored_before_it_is_kept(store: ContentStore) -> None:
    incoming = store.receive(KEY)
    incoming.write(b"half")
    with pytest.raises(NotStored):
        store.open(KEY)
    with pytest.raises(NotStored):
        store.digest(KEY)
    assert list(store.walk()) == []
    incoming.discard()
    incoming.discard()
    assert store.receive(KEY).received_bytes == 0


def test_a_cut_download_is_taken_up_with_the_digest_of_the_whole(store: ContentStore) -> None:
    first = store.receive(KEY)
    first.write(b"first half, ")
    first.close()
    second = store.receive(KEY)
    assert second.received_bytes == 12
    assert second.head(5) == b"first"
    second.write(b"second half")
    assert second.keep().digest == blake3(b"first half, second half").digest()
    assert read(store, KEY) == b"first half, second half"


def test_restart_throws_away_what_was_received(store: ContentStore) -> None:
    incoming = store.receive(KEY)
    incoming.write(b"a longer text than the next")
    incoming.restart()
    assert incoming.received_bytes == 0
    assert incoming.head(10) == b""
    incoming.write(b"short")
    assert incoming.keep().digest == blake3(b"short").digest()
    assert read(store, KEY) == b"short"


def test_one_key_is_received_by_one_at_a_time(store: ContentStore) -> None:
    incoming = store.receive(KEY)
    with pytest.raises(StoreFailure):
        store.receive(KEY)
    store.receive(OTHER).discard()
    incoming.discard()
    store.receive(KEY).discard()


def test_discarding_after_keep_or_close_does_nothing(store: ContentStore) -> None:
    incoming = store.receive(KEY)
    incoming.write(b"kept")
    incoming.keep()
    incoming.discard()
    incoming.close()
    assert read(store, KEY) == b"kept"
    cut = store.receive(OTHER)
    cut.write(b"cut")
    cut.close()
    cut.discard()
    assert store.receive(OTHER).received_bytes == 3


def test_keeping_replaces_the_old_version(store: ContentStore) -> None:
    put(store, KEY, b"old version")
    put(store, KEY, b"new")
    assert read(store, KEY) == b"new"
    assert list(store.walk()) == [KEY]
    assert store.size_bytes() == 3


def test_a_reader_of_the_old_version_is_not_disturbed(store: ContentStore) -> None:
    put(store, KEY, b"old version")
    with store.open(KEY) as file:
        put(store, KEY, b"new")
        assert file.read() == b"old version"


def test_erasing_documents_takes_every_file_of_them_and_no_other(store: ContentStore) -> None:
    for rendition in RENDITIONS:
        put(store, ContentKey(7, 12, rendition), b"12345")
    put(store, OTHER, b"stays")
    put(store, ContentKey(8, 12, "240"), b"stays too")
    put(store, ContentKey(7, 120, "240"), b"stays as well")
    assert store.erase_documents([(7, 12), (7, 99), (99, 1)]) == Erased(len(RENDITIONS), 5 * len(RENDITIONS))
    assert set(store.walk()) == {OTHER, ContentKey(8, 12, "240"), ContentKey(7, 120, "240")}
    for rendition in RENDITIONS:
        with pytest.raises(NotStored):
            store.open(ContentKey(7, 12, rendition))
    assert store.erase_documents([(7, 12), (7, 12)]) == Erased(0, 0)
    assert store.erase_documents([]) == Erased(0, 0)


def test_erasing_a_document_takes_its_partial_download(store: ContentStore) -> None:
    for key in (KEY, OTHER):
        incoming = store.receive(key)
        incoming.write(b"partial")
        incoming.close()
    assert store.erase_documents([(7, 12)]) == Erased(1, 7)
    assert store.receive(KEY).received_bytes == 0
    assert store.receive(OTHER).received_bytes == 7


def test_what_is_erased_while_it_is_received_cannot_come_back(store: ContentStore) -> None:
    for erase in (
        lambda: store.erase_documents([(7, 12)]),
        lambda: store.erase_files([KEY]),
        lambda: store.erase_account(7),
        store.discard_incoming,
    ):
        incoming = store.receive(KEY)
        incoming.write(b"too late")
        erase()
        incoming.write(b", much too late")
        with pytest.raises(NotStored):
            incoming.keep()
        incoming.discard()
        assert list(store.walk()) == []
        assert store.size_bytes() == 0


def test_a_new_download_is_not_taken_for_the_erased_one(store: ContentStore) -> None:
    old = store.receive(KEY)
    old.write(b"the erased one")
    store.erase_documents([(7, 12)])
    new = store.receive(KEY)
    new.write(b"the new one")
    with pytest.raises(NotStored):
        old.keep()
    old.discard()
    new.keep()
    assert read(store, KEY) == b"the new one"


def test_erasing_single_files(store: ContentStore) -> None:
    put(store, KEY, b"thumbnail")
    put(store, ContentKey(7, 12, "original"), b"original")
    incoming = store.receive(OTHER)
    incoming.write(b"partial")
    incoming.close()
    assert store.erase_files([KEY, OTHER, ContentKey(9, 9, "media")]) == Erased(2, 16)
    assert list(store.walk()) == [ContentKey(7, 12, "original")]
    assert store.erase_files([KEY]) == Erased(0, 0)
    assert store.erase_files([ContentKey(7, 12, "original")]) == Erased(1, 8)
    assert list(store.walk()) == []


def test_erasing_an_account_takes_all_of_it(bench: Bench) -> None:
    store = bench.store
    put(store, KEY, b"1")
    put(store, OTHER, b"22")
    put(store, ContentKey(77, 1, "240"), b"stays")
    bench.plant(bench.root / "7" / "stray", b"333")
    incoming = store.receive(ContentKey(7, 14, "240"))
    incoming.write(b"4444")
    incoming.close()
    assert store.erase_account(7) == Erased(4, 10)
    assert list(store.walk()) == [ContentKey(77, 1, "240")]
    assert store.erase_account(7) == Erased(0, 0)


def test_walking_names_files_by_key_and_orphans_by_path(bench: Bench) -> None:
    put(bench.store, KEY, b"ours")
    strays = {bench.root / name for name in ("stray", "7/12/.240.tmp", "7/12/241", "x/12/240", "7/012/240")}
    for stray in strays:
        bench.plant(stray, b"not ours")
    assert set(bench.store.walk()) == {KEY, *strays}
    assert bench.store.size_bytes() == 4 + 8 * len(strays)
    for found in bench.store.walk():
        if isinstance(found, Path):
            assert bench.store.erase_path(found) == Erased(1, 8)
    assert list(bench.store.walk()) == [KEY]
    assert bench.store.erase_path(next(iter(strays))) == Erased(0, 0)


def test_only_what_lies_below_the_root_is_erased_by_path(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    for path in (outside, bench.root, bench.root / ".." / "outside", Path("outside"), Path("/")):
        with pytest.raises(ValueError, match="below the store's root"):
            bench.store.erase_path(path)
    assert outside.read_bytes() == b"precious"


def test_discarding_incoming_leaves_what_was_kept(store: ContentStore) -> None:
    put(store, KEY, b"kept")
    for document_id in (20, 21):
        incoming = store.receive(ContentKey(7, document_id, "media"))
        incoming.write(b"partial")
        incoming.close()
    assert store.discard_incoming() == 2
    assert store.discard_incoming() == 0
    assert list(store.walk()) == [KEY]
    assert store.receive(ContentKey(7, 20, "media")).received_bytes == 0


def test_groups_are_made_durable_and_what_is_gone_is_passed_over(store: ContentStore) -> None:
    keys = [ContentKey(account, document, "240") for account in (1, 2) for document in range(1, 6)]
    for key in keys:
        put(store, key, b"content")
    store.erase_files(keys[:2])
    store.make_durable(keys)
    store.make_durable([])
    assert set(store.walk()) == set(keys[2:])


@pytest.mark.parametrize("key", BAD_KEYS, ids=repr)
def test_F30_a_key_of_anything_but_our_integers_and_words_is_refused(store: ContentStore, key: ContentKey) -> None:
    for act in (
        store.receive,
        store.open,
        store.path,
        store.digest,
        lambda bad: store.erase_files([bad]),
        lambda bad: store.make_durable([bad]),
    ):
        with pytest.raises(ValueError, match="content key"):
            act(key)
    if key.rendition == "240":
        with pytest.raises(ValueError, match="content key"):
            store.erase_documents([(key.account_id, key.document_id)])
    assert list(store.walk()) == []


def test_F3_a_full_store_takes_nothing_in_but_reads_and_erases(tmp_path: Path) -> None:
    endless = 1 << 62
    full = memory.MemoryStore(free_space_floor_bytes=endless, free_bytes=1)
    full.files[KEY] = b"here"
    root = tmp_path / "content"
    before = FileStore(root, free_space_floor_bytes=0)
    put(before, KEY, b"here")
    before.close()
    for store in (full, FileStore(root, free_space_floor_bytes=endless)):
        with pytest.raises(StoreFull):
            store.receive(OTHER)
        assert read(store, KEY) == b"here"
        assert store.erase_documents([(7, 12)]) == Erased(1, 4)


_keys = st.builds(ContentKey, st.integers(1, 2), st.integers(1, 3), st.sampled_from(["75x", "240", "original"]))
_steps = st.one_of(
    st.tuples(st.just("begin"), _keys, st.binary(max_size=20)),
    st.tuples(st.just("keep"), _keys, st.binary(max_size=20)),
    st.tuples(st.just("erase file"), _keys, st.just(b"")),
    st.tuples(st.just("erase document"), _keys, st.just(b"")),
    st.tuples(st.just("erase account"), _keys, st.just(b"")),
    st.tuples(st.just("discard"), _keys, st.just(b"")),
)


def act(store: ContentStore, step: tuple[str, ContentKey, bytes]) -> object:
    verb, key, content = step
    if verb in ("begin", "keep"):
        incoming: Incoming = store.receive(key)
        incoming.write(content)
        if verb == "keep":
            return incoming.keep()
        incoming.close()
        return None
    if verb == "erase file":
        return store.erase_files([key])
    if verb == "erase document":
        return store.erase_documents([(key.account_id, key.document_id)])
    if verb == "erase account":
        return store.erase_account(key.account_id)
    return store.discard_incoming()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(_steps, max_size=25))
def test_the_real_store_and_the_fake_never_disagree(steps: list[tuple[str, ContentKey, bytes]], tmp_path: Path) -> None:
    root = tmp_path / "content"
    shutil.rmtree(root, ignore_errors=True)
    real, fake = FileStore(root, free_space_floor_bytes=0), memory.MemoryStore()
    for step in steps:
        assert act(real, step) == act(fake, step)
        assert set(real.walk()) == set(fake.walk())
        assert real.size_bytes() == fake.size_bytes()
    for key in fake.walk():
        assert isinstance(key, ContentKey)
        assert read(real, key) == read(fake, key)
    real.close()
