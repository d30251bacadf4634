"""Erasing: hidden, intended, unlinked, forgotten, truncated, gone; nothing is blocked by one that fails."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ipsync.catalog import open_catalog
from ipsync.catalog.work import SqlTransaction
from ipsync.jobs.purge import Purge
from ipsync.policy.documents import DocumentState, RenditionState, Visibility
from ipsync.policy.instants import HOUR, MINUTE, SECOND
from ipsync.policy.removals import Reason, Scope, Stage
from ipsync.ports.store import ContentKey, Erased, StoreBroken
from ipsync.store import FileStore
from tests.fakes.catalogs import STATE_KEY, URL
from tests.fakes.store import MemoryStore
from tests.jobs.household import Household


class StubbornStore(MemoryStore):
    """Some documents cannot be erased; or a whole batch fails for reasons of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stubborn: set[int] = set()
        self.error: Exception = StoreBroken("this one stays")
        self.on_erase: Callable[[], None] | None = None

    def erase_documents(self, documents: Any) -> Erased:
        if self.on_erase is not None:
            self.on_erase()
        if any(document_id in self.stubborn for _, document_id in documents):
            raise self.error
        return super().erase_documents(documents)

    def erase_files(self, keys: Any) -> Erased:
        if any(key.document_id in self.stubborn for key in keys):
            raise self.error
        return super().erase_files(keys)


@pytest.fixture
def stubborn(households: Callable[..., Household]) -> Household:
    return households(store=StubbornStore())


def by_another_process(house: Household, work: Callable[[SqlTransaction], None]) -> None:
    """Write as a command beside the daemon does, over a connection of its own."""
    catalog = open_catalog(URL, house.folder, STATE_KEY, checkpoints=False, inline=True)
    try:
        catalog.write_now(work)
    finally:
        catalog.close_now()


async def deleted(house: Household, documents: int) -> list[int]:
    """A member whose documents were all mirrored, deleted, and confirmed."""
    mine = await house.member(7, documents)
    await house.mirror()
    for number in mine:
        house.source.delete(number)
    await house.sync()
    await house.confirm()
    return mine


async def test_what_is_erased_is_counted_and_remembered_by_number_only(house: Household) -> None:
    mine = await deleted(house, 2)
    report = await house.purge()
    assert (report.erased, report.files, report.breaches, report.failed, report.unscrubbed) == (2, 4, 0, 0, False)
    assert not house.on_disk()
    assert house.held() == {}
    tombstones = house.catalog.read_now(lambda view: view.tombstones(mine))
    assert {stone.reason for stone in tombstones.values()} == {"deleted"}
    removal = house.removal(mine[0])
    assert (removal.stage, removal.files_erased, removal.gone_at) == (Stage.GONE, 2, house.clock.now())
    assert removal.bytes_erased > 0
    assert (await house.purge()).erased == 0
    text = house.metrics.render()[0].decode()
    assert 'ipsync_removals_total{reason="deleted"} 2.0' in text
    assert "ipsync_deadline_breaches_total 0.0" in text


async def test_the_plan_is_what_the_next_run_erases_and_changes_nothing(house: Household) -> None:
    mine = await deleted(house, 3)
    planned = await house._purge.plan(1000)
    assert {removal.document_id for removal in planned} == set(mine)
    assert {removal.stage for removal in house.open_removals()} == {Stage.CONFIRMED}


async def test_many_are_erased_in_batches(house: Household) -> None:
    await deleted(house, 60)
    assert (await house.purge(batch=2)).erased == 60
    assert not house.on_disk()


async def test_F1_bytes_go_after_their_intent_and_before_their_row_though_batches_overlap(
    stubborn: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await deleted(stubborn, 9)
    store, forget = stubborn.store, SqlTransaction.forget_documents
    assert isinstance(store, StubbornStore)
    stages: list[dict[int, Stage]] = []
    forgotten: list[int] = []

    def look_before_erasing() -> None:
        stages.append({entry.document_id: entry.stage for entry in stubborn.removals(*mine)})

    def look_before_forgetting(self: SqlTransaction, document_ids: Any) -> None:
        assert not stubborn.on_disk() & set(document_ids)
        forgotten.extend(document_ids)
        forget(self, document_ids)

    store.on_erase = look_before_erasing
    monkeypatch.setattr(SqlTransaction, "forget_documents", look_before_forgetting)
    assert (await stubborn.purge(batch=3)).erased == 9
    for turn, batch in enumerate((mine[:3], mine[3:6], mine[6:])):
        assert {stages[turn][number] for number in batch} == {Stage.INTENDED}
    assert sorted(forgotten) == mine


async def test_F4_what_cannot_be_erased_blocks_nobody_and_is_tried_again(stubborn: Household) -> None:
    mine = await deleted(stubborn, 5)
    store = stubborn.store
    assert isinstance(store, StubbornStore)
    store.stubborn = {mine[2]}
    report = await stubborn.purge(batch=3)
    assert (report.erased, report.failed) == (4, 1)
    assert stubborn.on_disk() == {mine[2]}
    removal = stubborn.removal(mine[2])
    assert (removal.stage, removal.attempts) == (Stage.INTENDED, 1)
    assert stubborn.document(mine[2]) is not None  # its row stays as long as its bytes
    assert (await stubborn.purge()).failed == 0  # it waits
    stubborn.passes(MINUTE)
    assert (await stubborn.purge()).failed == 1
    store.stubborn = set()
    stubborn.passes(HOUR)
    assert (await stubborn.purge()).erased == 1
    assert not stubborn.on_disk()


async def test_I8_what_failed_here_and_was_erased_by_another_process_meanwhile_stays_gone(stubborn: Household) -> None:
    mine = await deleted(stubborn, 1)
    store = stubborn.store
    assert isinstance(store, StubbornStore)
    store.stubborn = set(mine)

    def other_process() -> None:
        removal = replace(stubborn.removal(mine[0]), stage=Stage.GONE, gone_at=stubborn.clock.now())
        by_another_process(stubborn, lambda tx: tx.update_removals([removal]))

    store.on_erase = other_process
    assert (await stubborn.purge()).failed == 1
    removal = stubborn.removal(mine[0])
    assert (removal.stage, removal.attempts) == (Stage.GONE, 0)


async def test_a_mistake_of_ours_about_one_removal_holds_up_no_other(stubborn: Household) -> None:
    mine = await deleted(stubborn, 3)
    assert isinstance(stubborn.store, StubbornStore)
    stubborn.store.stubborn, stubborn.store.error = {mine[0]}, ValueError("no such key")
    report = await stubborn.purge()
    assert (report.erased, report.failed) == (2, 1)


async def test_past_the_deadline_a_failing_erasure_is_tried_at_every_turn(stubborn: Household) -> None:
    mine = await deleted(stubborn, 1)
    assert isinstance(stubborn.store, StubbornStore)
    stubborn.store.stubborn = set(mine)
    stubborn.passes(23 * HOUR)
    assert [(await stubborn.purge()).failed for _ in range(3)] == [1, 1, 1]


async def test_a_breach_is_told(stubborn: Household) -> None:
    mine = await deleted(stubborn, 1)
    assert isinstance(stubborn.store, StubbornStore)
    stubborn.store.stubborn = set(mine)
    await stubborn.purge()
    stubborn.store.stubborn = set()
    stubborn.passes(24 * HOUR)
    assert (await stubborn.purge()).breaches == 1
    assert b"ipsync_deadline_breaches_total 1.0" in stubborn.metrics.render()[0]


async def test_F24_while_a_reader_holds_the_log_nothing_is_called_gone(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await deleted(house, 2)
    monkeypatch.setattr(house.catalog, "scrub_now", lambda: False)
    report = await house.purge(batch=1)
    assert (report.erased, report.unscrubbed) == (0, True)
    assert {house.removal(number).stage for number in mine} == {Stage.ERASED}
    assert not house.on_disk()
    monkeypatch.undo()
    report = await house.purge()
    assert (report.erased, report.unscrubbed) == (2, False)


async def test_beside_a_daemon_the_log_is_left_to_it_and_no_reader_is_blamed(
    house: Household, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mine = await deleted(house, 2)
    monkeypatch.setattr(house.catalog, "_checkpoints", False)
    report = await house.purge()
    assert (report.erased, report.unscrubbed) == (0, True)
    assert {house.removal(number).stage for number in mine} == {Stage.ERASED}
    assert "reader" not in caplog.text
    monkeypatch.undo()
    assert (await house.purge()).erased == 2


async def test_much_that_goes_at_once_is_one_line_of_the_log_for_each_account_and_reason(
    house: Household, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await deleted(house, 21)
    assert (await house.purge()).erased == 21
    lines = [record for record in caplog.records if "Nothing of" in str(record.msg)]
    assert len(lines) == 1
    assert b'ipsync_removals_total{reason="deleted"} 21.0' in house.metrics.render()[0]


async def test_F24_a_reader_that_lets_go_in_time_is_not_told_of(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deleted(house, 30)
    scrub, answers = house.catalog.scrub_now, [False]
    monkeypatch.setattr(house.catalog, "scrub_now", lambda: answers.pop() if answers else scrub())
    report = await house.purge(batch=1)
    assert (report.erased, report.unscrubbed) == (30, False)


async def test_what_is_erased_after_the_truncation_waits_for_the_next(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await deleted(house, 2)
    scrub, scrubs = house.catalog.scrub_now, 0

    def scrub_now() -> bool:
        nonlocal scrubs
        scrubs += 1
        done = scrub()
        if scrubs == 1:  # another process erases just after
            removal = next(entry for entry in house.open_removals() if entry.document_id == mine[1])
            house.catalog.write_now(lambda tx: tx.update_removals([replace(removal, stage=Stage.ERASED)]))
        return done

    house.catalog.write_now(
        lambda tx: tx.update_removals([replace(house.removal(mine[1]), next_try_at=house.clock.now() + HOUR)])
    )
    monkeypatch.setattr(house.catalog, "scrub_now", scrub_now)
    assert (await house.purge()).erased == 2
    assert scrubs == 2


async def test_replaced_words_do_not_stay_in_the_log(house: Household) -> None:
    mine = await house.member(7, 1)
    house.source.documents[mine[0]].title = "words their owner takes back"
    await house.mirror()
    await house.purge()
    house.source.documents[mine[0]].title = "Better so"
    await house.sync()
    house.passes(HOUR)
    await house.purge()
    held = b"".join(path.read_bytes() for path in house.folder.iterdir() if path.is_file())
    assert b"words their owner takes back" not in held
    assert b"Better so" in held


async def test_I8_what_another_process_erased_meanwhile_is_not_counted_twice(stubborn: Household) -> None:
    mine = await deleted(stubborn, 2)
    assert isinstance(stubborn.store, StubbornStore)

    def other_process() -> None:
        stubborn.store.on_erase = None  # type: ignore[attr-defined]  # reason: it is the stubborn one
        removal = stubborn.removal(mine[0])
        gone = replace(removal, stage=Stage.GONE, gone_at=stubborn.clock.now())
        by_another_process(stubborn, lambda tx: tx.update_removals([gone]))

    stubborn.store.on_erase = other_process
    assert (await stubborn.purge()).erased == 1


async def test_I8_of_two_purges_at_once_each_file_and_each_removal_is_counted_by_one(
    households: Callable[..., Household], tmp_path: Path
) -> None:
    """A command beside the daemon: it has a lock of names of its own."""
    store = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    house = households(store=store)
    mine = await deleted(house, 40)
    house.passes(SECOND)
    second = Purge(house.catalog, store, asyncio.Lock(), house.clock, house.rules, house.metrics, house.tombstones)
    reports = await asyncio.gather(house.purge(batch=7), second.run(batch=5))
    assert sum(report.erased for report in reports) == 40
    assert sum(report.files for report in reports) == 80
    assert sum(report.failed for report in reports) == 0
    assert {house.removal(number).files_erased for number in mine} == {2}
    assert not house.on_disk()
    assert b'ipsync_removals_total{reason="deleted"} 40.0' in house.metrics.render()[0]
    store.close()


async def test_T11_what_an_owner_asked_for_while_it_was_being_erased_is_remembered_as_that(stubborn: Household) -> None:
    mine = await deleted(stubborn, 1)
    assert isinstance(stubborn.store, StubbornStore)

    def owner() -> None:
        stubborn.store.on_erase = None  # type: ignore[attr-defined]  # reason: it is the stubborn one
        removal = replace(stubborn.removal(mine[0]), reason=Reason.OWNER_REQUEST)
        by_another_process(stubborn, lambda tx: tx.update_removals([removal]))

    stubborn.store.on_erase = owner
    await stubborn.purge()
    tombstones = stubborn.catalog.read_now(lambda view: view.tombstones(mine))
    assert tombstones[mine[0]].reason == "owner-request"


async def test_a_document_verified_after_all_is_not_erased_at_the_deadline_of_an_old_suspicion(
    house: Household,
) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.unlisted = set(mine)
    await house.sync()
    house.source.unlisted = set()
    # The document was named again, and the suspicion stayed behind: it must not outlive that.
    document = house.document(mine[0])
    assert document is not None
    house.passes(21 * HOUR)
    live = replace(document, state=DocumentState.LIVE, hidden_at=None, verified_at=house.clock.now())
    house.catalog.write_now(lambda tx: tx.update_documents([live]))
    house.passes(2 * HOUR)
    assert (await house.purge()).erased == 0
    assert house.served() == set(mine)
    assert house.removal(mine[0]).stage is Stage.WITHDRAWN


async def test_a_whole_documents_removal_takes_that_of_its_files_along(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.replace(mine[0])
    await house.sync()
    house.source.delete(mine[0])
    await house.sync()
    await house.confirm()
    assert {removal.scope for removal in house.open_removals()} == {Scope.FILES, Scope.DOCUMENT}
    assert (await house.purge()).erased == 2
    assert not house.open_removals()
    assert not house.on_disk()
    assert house.held() == {}


async def test_files_freed_while_their_document_is_hidden_are_not_fetched(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.replace(mine[0])
    await house.sync()
    house.source.unlisted = set(mine)
    await house.sync()
    await house.purge()
    assert set(house.file_states(mine[0]).values()) == {RenditionState.WANTED}
    assert (await house.fetch()).files == 0
    assert not house.on_disk()
    house.source.unlisted = set()
    await house.sync()
    assert (await house.fetch()).files == 2


async def test_an_old_removal_of_files_cannot_hurt_a_document_that_came_back(stubborn: Household) -> None:
    mine = await stubborn.member(7, 1)
    await stubborn.mirror()
    stubborn.source.replace(mine[0])
    await stubborn.sync()
    assert isinstance(stubborn.store, StubbornStore)
    stubborn.store.stubborn = set(mine)
    await stubborn.purge()
    stubborn.source.share(mine[0], Visibility.PRIVATE)
    await stubborn.sync()
    await stubborn.confirm()
    stubborn.store.stubborn = set()
    (files,) = [removal for removal in stubborn.open_removals() if removal.scope is Scope.FILES]
    stubborn.catalog.write_now(
        lambda tx: tx.update_removals([replace(files, next_try_at=stubborn.clock.now() + 2 * HOUR)])
    )
    await stubborn.purge()
    stubborn.source.share(mine[0], Visibility.PUBLIC)
    await stubborn.mirror()
    stubborn.passes(3 * HOUR)
    assert (await stubborn.purge()).erased == 1
    assert not stubborn.open_removals()
    assert stubborn.served_files() == {(mine[0], "240"), (mine[0], "original")}
    assert {ContentKey(7, mine[0], name) for name in ("240", "original")} == stubborn.keys_on_disk()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", range(1, 6))
async def test_F1_an_erasure_that_died_anywhere_is_finished_by_the_next_run(
    house: Household, at: int, before: bool
) -> None:
    mine = await deleted(house, 2)
    with house.crashing(at, before=before):
        await house.purge(batch=1)
    house.passes(SECOND)
    await house.purge()
    assert not house.on_disk()
    assert house.held() == {}
    assert {house.removal(number).stage for number in mine} == {Stage.GONE}
    assert [len(house.removals(number)) for number in mine] == [1, 1]


async def test_F28_what_the_record_outside_does_not_know_is_not_called_gone(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await deleted(house, 1)

    async def refuse(_removals: object) -> None:
        raise StoreBroken("EIO")

    monkeypatch.setattr(house.tombstones, "keep", refuse)
    report = await house.purge()
    assert (report.erased, report.unrecorded) == (0, True)
    assert house.removal(mine[0]).stage is Stage.ERASED
    monkeypatch.undo()
    assert (await house.purge()).erased == 1
