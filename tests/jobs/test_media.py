"""Downloads: once, within limits, and nothing is kept that its owner or our rules do not permit at that very moment."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import Media as MediaKind
from ipsync.policy.documents import RemoteFile, RenditionState, Visibility
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.permission import Agreement, KeyUse
from ipsync.policy.rules import TimeToLive
from ipsync.ports.catalog import CatalogBusy
from ipsync.ports.source import Fetched, MediaGone, MediaLater, MediaRejected, MediaSink
from ipsync.ports.store import ContentKey, Erased, StoreBroken, StoredFile, StoreFailure, StoreFull
from tests.fakes.store import MemoryIncoming, MemoryStore
from tests.jobs.household import Household


class BadDisk(MemoryStore):
    """A store whose disk fails at one step or another."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse_receive: StoreFailure | None = None
        self.refuse_keep: StoreFailure | None = None
        self.refuse_durable: StoreFailure | None = None
        self.refuse_discard: StoreFailure | None = None
        self.refuse_erase: StoreFailure | None = None

    def receive(self, key: ContentKey) -> MemoryIncoming:
        if self.refuse_receive:
            raise self.refuse_receive
        incoming = super().receive(key)
        keep, discard = incoming.keep, incoming.discard

        def bad_keep() -> StoredFile:
            if self.refuse_keep:
                raise self.refuse_keep
            return keep()

        def bad_discard() -> None:
            if self.refuse_discard:
                raise self.refuse_discard
            discard()

        incoming.keep = bad_keep  # type: ignore[method-assign]  # reason: a disk that fails
        incoming.discard = bad_discard  # type: ignore[method-assign]  # reason: a disk that fails
        return incoming

    def make_durable(self, keys: Any) -> None:
        if self.refuse_durable:
            raise self.refuse_durable
        super().make_durable(keys)

    def erase_files(self, keys: Any) -> Erased:
        if self.refuse_erase:
            raise self.refuse_erase
        return super().erase_files(keys)


@pytest.fixture
def bad(households: Callable[..., Household]) -> Household:
    return households(store=BadDisk())


def disk(house: Household) -> BadDisk:
    assert isinstance(house.store, BadDisk)
    return house.store


async def meanwhile(house: Household, *acts: Callable[[], Any]) -> Any:
    """Fetch both files of a document; once they are under way, do something; then let them end."""
    house.media_source.held_back = asyncio.Event()
    fetching = asyncio.create_task(house.fetch())
    for _ in range(2):
        await house.media_source.under_way.acquire()
    for act in acts:
        done = act()
        if asyncio.iscoroutine(done):
            await done
    house.media_source.held_back.set()
    report = await fetching
    house.media_source.held_back = None
    return report


async def test_T22_each_file_is_fetched_once(house: Household) -> None:
    await house.member(7, 70)
    await house.sync()
    told: list[int] = []
    house.passes(SECOND)
    report = await house._media.run(lambda so_far: told.append(so_far.files))
    assert (report.files, report.failed, report.outdated, report.full) == (140, 0, 0, False)
    assert told == [64, 128, 140]
    assert report.size_bytes == house.store.size_bytes()
    assert len(house.media_source.fetched) == len(set(house.media_source.fetched)) == 140
    assert (await house.fetch()).files == 0
    stored = house.files(1001)["240"]
    assert (stored.content_type, stored.stored_at) == ("image/jpeg", stored.stored_at)
    assert stored.digest == house.store.digest(ContentKey(7, 1001, "240"))
    assert isinstance(house.store, MemoryStore)
    assert house.store.durable == house.keys_on_disk()


async def act_delete(house: Household, number: int) -> None:
    house.source.delete(number)
    await house.sync()


async def act_erase(house: Household, number: int) -> None:
    await act_delete(house, number)
    await house.confirm()
    await house.purge()


async def act_remove(house: Household, number: int) -> None:
    await house.accounts.remove(7)


async def act_doubt(house: Household, number: int) -> None:
    house.source.revoke(7)
    await house.sync()
    assert house.account_state(7) is AccountState.DOUBTED


async def act_age(house: Household, number: int) -> None:
    house.passes(20 * HOUR)


@pytest.mark.parametrize("act", [act_delete, act_erase, act_remove, act_doubt, act_age])
async def test_nothing_is_kept_that_arrives_when_it_may_not_be_shown(
    house: Household, act: Callable[[Household, int], Any]
) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    report = await meanwhile(house, lambda: act(house, mine[0]))
    assert (report.files, report.outdated) == (0, 2)
    assert not house.on_disk()
    assert RenditionState.STORED not in house.file_states(mine[0]).values()


async def test_an_old_version_that_arrives_late_is_not_kept(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()

    async def replaced() -> None:
        house.source.replace(mine[0])
        await house.sync()

    await meanwhile(house, replaced)
    await house.fetch()
    for name in ("240", "original"):
        assert b"version 2" in house.store.open(ContentKey(7, mine[0], name)).read()


async def test_an_old_version_at_an_unchanged_address_is_not_kept(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await house.member(7, 1)
    address = house.source.documents[mine[0]].file("240").url
    fake = type(house.source.documents[mine[0]])
    monkeypatch.setattr(fake, "file", lambda self, name: RemoteFile(name, f"{address}.{name}"))
    await house.sync()

    async def replaced() -> None:
        house.source.replace(mine[0])
        await house.sync()

    report = await meanwhile(house, replaced)
    assert report.outdated == 2
    assert not house.keys_on_disk()


async def test_a_rendition_that_is_not_configured_any_more_is_not_kept(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    narrow = replace(house.rules, view=replace(house.rules.view, renditions=("240",)))
    await meanwhile(house, lambda: setattr(house._media, "_rules", narrow))
    assert house.keys_on_disk() == {ContentKey(7, mine[0], "240")}


async def test_a_paused_account_keeps_what_was_under_way_and_fetches_no_more(house: Household) -> None:
    await house.member(7, 1)
    await house.sync()
    report = await meanwhile(house, lambda: house.accounts.pause(7))
    assert report.files == 2
    house.source.add_document(7)
    await house.sync()
    assert (await house.fetch()).files == 0


async def test_something_between_naming_and_recording_still_counts(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    make_durable = house.store.make_durable

    def hide_meanwhile(keys: Any) -> None:
        make_durable(keys)
        document = house.document(mine[0])
        assert document is not None
        from ipsync.policy.documents import DocumentState

        hidden = replace(document, state=DocumentState.SUSPECT, hidden_at=house.clock.now())
        house.catalog.write_now(lambda tx: tx.update_documents([hidden]))

    monkeypatch.setattr(house.store, "make_durable", hide_meanwhile)
    report = await house.fetch()
    assert (report.files, report.outdated) == (0, 2)
    assert not house.on_disk()


async def test_T07_what_an_ended_agreement_bars_is_not_fetched_and_blocks_nobody(house: Household) -> None:
    await house.member(7, 70)
    await house.member(8, 2)
    for document in house.source.documents.values():
        document.license = 3 if document.account_id == 7 else 1
    until = house.clock.now() + HOUR
    house.configure_view(use=KeyUse.COMMERCIAL, agreements=(Agreement(7, "letter of May", until),))
    await house.sync()
    house.passes(HOUR)
    assert (await house.fetch()).files == 4
    assert {key.account_id for key in house.keys_on_disk()} == {8}


async def test_a_lease_that_ran_out_unnoticed_is_not_fetched_for(house: Household) -> None:
    await house.member(7, 1)
    await house.sync()
    house.passes(20 * HOUR)
    assert (await house.fetch()).files == 0
    assert house.media_source.fetched == []


async def test_files_no_longer_configured_are_forgotten_before_they_are_fetched(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    house.configure_view(renditions=("240",))
    assert (await house.fetch()).files == 1
    assert set(house.file_states(mine[0])) == {"240"}


async def test_F39_what_failed_is_tried_again_later_and_later(house: Household) -> None:
    mine = await house.member(7, 1)
    house.configure_view(renditions=("240",))
    await house.sync()
    house.media_source.failing[house.files(mine[0])["240"].file.url] = MediaLater("the host answered 503")
    waits = []
    for _ in range(11):
        assert (await house.fetch()).failed == 1
        waits.append(house.files(mine[0])["240"].next_try_at - house.clock.now())
        assert (await house.fetch()).failed == 0
        house.passes(6 * HOUR)
        await house.sync()
    assert waits == [MINUTE * 2**n for n in range(9)] + [6 * HOUR] * 2
    house.media_source.failing.clear()
    assert (await house.fetch()).files == 1


async def test_F39_a_host_that_asks_for_patience_gets_it(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    house.media_source.failing[house.files(mine[0])["240"].file.url] = MediaLater("429", pause=2 * HOUR)
    await house.fetch()
    assert house.files(mine[0])["240"].next_try_at == house.clock.now() + 2 * HOUR
    assert house.served_files() == {(mine[0], "original")}


@pytest.mark.parametrize("failure", [MediaGone("404"), MediaRejected("it is a web page")])
async def test_F31_F33_what_is_gone_or_rejected_leaves_nothing_behind(house: Household, failure: Exception) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    house.media_source.failing[house.files(mine[0])["240"].file.url] = failure  # type: ignore[assignment]  # reason: parametrized
    assert (await house.fetch()).failed == 1
    assert isinstance(house.store, MemoryStore)
    assert not house.store.partials


@pytest.mark.parametrize("answer", [b'{"status": "busy"}', b"come back later"], ids=["json", "words"])
async def test_F33_an_error_that_comes_instead_of_an_original_is_never_stored_and_told_once(
    house: Household, caplog: pytest.LogCaptureFixture, answer: bytes
) -> None:
    mine = await house.member(7, 1)
    house.configure_view(renditions=("original",))
    await house.sync()
    house.media_source.instead[house.files(mine[0])["original"].file.url] = answer
    waits = []
    for _ in range(3):
        report = await house.fetch()
        assert (report.files, report.failed) == (0, 1)
        waits.append(house.files(mine[0])["original"].next_try_at - house.clock.now())
        assert set(house.file_states(mine[0]).values()) == {RenditionState.FAILED}
        assert not house.on_disk()
        assert (await house.fetch()).failed == 0  # not before its time
        house.passes(HOUR)
        await house.sync()
    assert waits == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert caplog.messages.count("A file was not stored.") == 1
    assert "come back" not in caplog.text
    house.media_source.instead.clear()
    assert (await house.fetch()).files == 1


async def test_F33_what_was_told_of_is_remembered_within_limits(
    house: Household, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipsync.jobs.media._MOST_TOLD", 2)
    mine = await house.member(7, 3)
    house.configure_view(renditions=("original",))
    await house.sync()
    for number in mine:
        house.media_source.instead[house.files(number)["original"].file.url] = b"come back later"
    for _ in range(2):
        await house.fetch()
        house.passes(HOUR)
        await house.sync()
    assert 3 < caplog.messages.count("A file was not stored.") <= 6
    assert len(house._media._told) <= 2


async def test_a_cut_download_goes_on_where_it_was(house: Household) -> None:
    mine = await house.member(7, 1)
    house.configure_view(renditions=("original",))
    await house.sync()
    url = house.files(mine[0])["original"].file.url
    house.media_source.cuts[url] = 1000
    await house.fetch()
    assert isinstance(house.store, MemoryStore)
    assert [len(half) for half in house.store.partials.values()] == [1000]
    house.passes(MINUTE)
    assert (await house.fetch()).files == 1
    assert not house.store.partials


async def test_a_cut_download_goes_with_its_document(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    for rendition in house.files(mine[0]).values():
        house.media_source.cuts[rendition.file.url] = 1000
    await house.fetch()
    assert house.on_disk() == set(mine)
    await act_erase(house, mine[0])
    assert not house.on_disk()


async def test_F3_a_full_store_takes_nothing_in_and_is_not_asked_over_and_over(bad: Household) -> None:
    await bad.member(7, 10)
    await bad.sync()
    disk(bad).refuse_receive = StoreFull("no room")
    report = await bad.fetch()
    assert (report.full, report.files) == (True, 0)
    assert bad.media_source.fetched == []
    disk(bad).refuse_receive = None
    assert (await bad.fetch()).files == 0  # it holds back
    bad.passes(MINUTE)
    assert (await bad.fetch()).files == 20


async def test_F3_a_store_that_fills_up_under_a_download_keeps_what_it_can(bad: Household) -> None:
    await bad.member(7, 3)
    await bad.sync()
    disk(bad).free_bytes = 10
    report = await bad.fetch()
    assert (report.full, report.files) == (True, 0)
    assert not bad.keys_on_disk()
    disk(bad).free_bytes = None
    bad.passes(MINUTE)
    assert (await bad.fetch()).files == 6


async def test_a_file_that_another_process_receives_is_left_to_it(bad: Household) -> None:
    mine = await bad.member(7, 1)
    await bad.sync()
    disk(bad).refuse_receive = StoreFailure("this file is being received already")
    assert (await bad.fetch()).failed == 2
    assert set(bad.file_states(mine[0]).values()) == {RenditionState.FAILED}


async def test_what_another_process_stored_meanwhile_is_not_called_failed(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    for rendition in house.files(mine[0]).values():
        house.media_source.failing[rendition.file.url] = MediaLater("the host answered 503")

    def other_process() -> None:
        stored = [replace(entry, state=RenditionState.STORED, stored_at=1) for entry in house.files(mine[0]).values()]
        house.catalog.write_now(lambda tx: tx.put_renditions(stored))

    assert (await meanwhile(house, other_process)).failed == 2
    assert set(house.file_states(mine[0]).values()) == {RenditionState.STORED}


@pytest.mark.parametrize("failure", [StoreBroken("EIO"), StoreFull("no room")])
async def test_F4_what_cannot_be_named_is_tried_again_later(bad: Household, failure: StoreFailure) -> None:
    mine = await bad.member(7, 2)
    await bad.sync()
    disk(bad).refuse_keep = failure
    report = await bad.fetch()
    assert (report.files, report.failed, report.full) == (0, 4, isinstance(failure, StoreFull))
    assert not bad.on_disk()
    assert set(bad.file_states(mine[0]).values()) == {RenditionState.FAILED}
    disk(bad).refuse_keep = None
    bad.passes(MINUTE)
    assert (await bad.fetch()).files == 4


async def test_F4_what_cannot_be_made_durable_does_not_count_and_does_not_stay(bad: Household) -> None:
    mine = await bad.member(7, 2)
    await bad.sync()
    disk(bad).refuse_durable = StoreBroken("EIO")
    report = await bad.fetch()
    assert (report.files, report.failed) == (0, 4)
    assert not bad.keys_on_disk()
    assert set(bad.file_states(mine[0]).values()) == {RenditionState.FAILED}
    disk(bad).refuse_erase = StoreBroken("EIO")
    bad.passes(MINUTE)
    await bad.fetch()
    disk(bad).refuse_durable = disk(bad).refuse_erase = None
    report_orphans = await bad.orphans()
    assert report_orphans.orphans == 4
    assert not bad.keys_on_disk()


async def test_F4_what_cannot_even_be_discarded_is_let_go(bad: Household) -> None:
    mine = await bad.member(7, 1)
    await bad.sync()
    disk(bad).refuse_discard = StoreBroken("EIO")
    bad.media_source.failing[bad.files(mine[0])["240"].file.url] = MediaRejected("a web page")
    report = await bad.fetch()
    assert (report.files, report.failed) == (1, 1)


async def test_what_the_catalog_could_not_record_does_not_stay(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    whole = house.catalog.write_now

    def busy(work: Callable[..., Any]) -> Any:
        raise CatalogBusy("another process holds the database")

    house.catalog.write_now = busy  # type: ignore[method-assign]  # reason: a database that is held
    with pytest.raises(CatalogBusy):
        await house.fetch()
    house.catalog.write_now = whole  # type: ignore[method-assign]  # reason: as it was
    assert not house.on_disk()
    assert (await house.fetch()).files == 0  # it holds back
    house.passes(MINUTE)
    assert (await house.fetch()).files == 2
    assert house.served_files() == {(mine[0], "240"), (mine[0], "original")}


async def test_one_odd_file_does_not_keep_the_others_from_being_fetched(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await house.member(7, 3)
    await house.sync()
    fetch = house.media_source.fetch

    async def odd(file: RemoteFile, sink: MediaSink, kind: MediaKind | None) -> Fetched:
        if str(mine[1]) in file.url:
            raise ZeroDivisionError
        return await fetch(file, sink, kind)

    monkeypatch.setattr(house.media_source, "fetch", odd)
    report = await house.fetch()
    assert (report.files, report.failed) == (4, 2)


async def test_a_run_that_is_cut_off_keeps_what_arrived_and_leaves_nothing_open(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.sync()
    fetch, hold = house.media_source.fetch, asyncio.Event()

    async def slow(file: RemoteFile, sink: MediaSink, kind: MediaKind | None) -> Fetched:
        if str(mine[0]) in file.url:
            sink.write(b"\xff\xd8")
            await hold.wait()
        return await fetch(file, sink, kind)

    house.media_source.fetch = slow  # type: ignore[method-assign]  # reason: one of them takes for ever
    fetching = asyncio.create_task(house.fetch())
    await asyncio.sleep(0.3)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    arrived = {(number, name) for number in mine[1:] for name in ("240", "original")}
    assert house.served_files() == arrived
    assert isinstance(house.store, MemoryStore)
    assert all(incoming.closed for incoming in house.store._open.values())
    hold.set()
    house.media_source.fetch = fetch  # type: ignore[method-assign]  # reason: as it was
    assert (await house.fetch()).files == 2


async def test_a_run_cut_off_while_it_records_ends_its_recording(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    await house.store_lock.acquire()
    fetching = asyncio.create_task(house.fetch())
    await asyncio.sleep(0.3)
    fetching.cancel()
    await asyncio.sleep(0.05)
    house.store_lock.release()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert house.served_files() == {(mine[0], "240"), (mine[0], "original")}


async def test_T09_content_past_its_time_is_erased_and_fetched_anew(house: Household) -> None:
    house.configure(replace(house.rules, ttl=TimeToLive(*[2 * DAY] * 4)))
    mine = await house.member(7, 1)
    await house.mirror()
    for _ in range(4):
        assert len(house.served_files()) == 2
        house.passes(12 * HOUR)
        await house.sync()
        await house.expire()
    assert house.served() == set(mine)
    assert house.served_files() == set()
    await house.purge()
    assert not house.on_disk()
    assert (await house.fetch()).files == 2


async def test_T09_what_is_private_meanwhile_is_not_fetched_anew(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.configure(replace(house.rules, ttl=replace(house.rules.ttl, original=HOUR)))
    house.passes(2 * HOUR)
    await house.expire()
    house.source.share(mine[0], Visibility.PRIVATE)
    await house.sync()
    await house.purge()
    assert (await house.fetch()).files == 0
    assert house.keys_on_disk() == {ContentKey(7, mine[0], "240")}


async def test_however_many_may_not_be_fetched_now_a_run_ends(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipsync.jobs.media._ROUNDS", 1)
    await house.member(7, 70)
    await house.sync()
    house.passes(20 * HOUR)
    assert (await house.fetch()).files == 0
    assert house.media_source.fetched == []
