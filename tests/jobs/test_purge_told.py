"""What the purge tells: each removal in log, metrics and report, and what went wrong with whom."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from ipsync.jobs.purge import PurgeReport
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, seconds
from ipsync.policy.removals import Removal
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.ports.store import StoreBroken
from ipsync.telemetry import Event
from tests.jobs.household import Household
from tests.jobs.test_purge import StubbornStore, deleted


class Told:
    """What our own log was told since the test began."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "ipsync.jobs")
        self._caplog = caplog

    def of(self, event: Event) -> list[tuple[str, dict[str, object]]]:
        """Level and fields of each record of an event."""
        records = [(record, *vars(record)["ipsync_fields"]) for record in self._caplog.records]
        return [(record.levelname, fields) for record, found, fields in records if found is event]

    def sentences(self) -> set[str]:
        """What people read."""
        return set(self._caplog.messages)

    def causes(self) -> list[BaseException | None]:
        """The cause of each record at which somebody must look."""
        records = [record for record in self._caplog.records if record.levelno >= logging.ERROR]
        return [record.exc_info[1] if record.exc_info else None for record in records]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return Told(caplog)


@pytest.fixture
def stubborn(households: Callable[..., Household]) -> Household:
    return households(store=StubbornStore())


def fields_of(removal: Removal) -> dict[str, object]:
    assert removal.gone_at is not None
    return {
        "account_id": 7,
        "document_id": removal.document_id,
        "reason": "deleted",
        "files": 2,
        "hidden_after_seconds": seconds(removal.hidden_at - removal.first_unsafe_at),
        "erased_after_seconds": seconds(removal.gone_at - removal.first_unsafe_at),
    }


def change(house: Household, removal: Removal, **changes: int) -> None:
    changed = replace(removal, **changes)  # type: ignore[arg-type]  # reason: names are checked by replace
    house.catalog.write_now(lambda tx: tx.update_removals([changed]))


async def test_each_of_a_few_removals_is_told_by_itself_and_measured(house: Household, told: Told) -> None:
    mine = await deleted(house, 20)
    house.passes(MINUTE)
    stored = sum(len(content) for content in house.store.files.values())  # type: ignore[attr-defined]  # reason: it is in memory
    report = await house.purge()
    assert report == PurgeReport(erased=20, files=40, size_bytes=stored, breaches=0, failed=0)
    gone = [house.removal(number) for number in mine]
    records = told.of(Event.REMOVAL_GONE)
    assert sorted(records, key=lambda record: str(record[1])) == sorted(
        (("INFO", fields_of(removal)) for removal in gone), key=lambda record: str(record[1])
    )
    text = house.metrics.render()[0].decode()
    hidden = sum(seconds(removal.hidden_at - removal.first_unsafe_at) for removal in gone)
    erased = sum(seconds((removal.gone_at or 0) - removal.first_unsafe_at) for removal in gone)
    assert f"ipsync_time_to_hide_seconds_sum {hidden}" in text
    assert f"ipsync_time_to_erase_seconds_sum {erased}" in text


async def test_many_removals_are_told_as_one_with_the_longest_times(house: Household, told: Told) -> None:
    mine = await deleted(house, 21)
    first = house.removal(mine[0])
    change(house, first, first_unsafe_at=first.first_unsafe_at - HOUR)
    await house.purge()
    slowest = house.removal(mine[0])
    assert told.of(Event.REMOVAL_GONE) == [
        (
            "INFO",
            {name: value for name, value in fields_of(slowest).items() if name != "document_id"}
            | {"removals": 21, "files": 42},
        )
    ]


async def test_a_broken_promise_is_never_one_of_many(house: Household, told: Told) -> None:
    mine = await deleted(house, 22)
    change(house, house.removal(mine[0]), erase_by=house.clock.now())
    assert (await house.purge()).breaches == 1
    assert told.of(Event.REMOVAL_BREACH) == [("CRITICAL", fields_of(house.removal(mine[0])))]
    assert "It was erased later than the law allows." in told.sentences()
    assert "Nothing of it is left." not in told.sentences()
    ((_, fields),) = told.of(Event.REMOVAL_GONE)
    assert fields["removals"] == 21


async def test_F4_a_failing_erasure_is_told_and_tried_again_after_ten_seconds_to_five_minutes(
    stubborn: Household, told: Told
) -> None:
    (number,) = await deleted(stubborn, 1)
    assert isinstance(stubborn.store, StubbornStore)
    stubborn.store.stubborn = {number}
    waits = []
    for attempts in range(1, 9):
        await stubborn.purge()
        removal = stubborn.removal(number)
        assert removal.attempts == attempts
        waits.append(removal.next_try_at - stubborn.clock.now())
        stubborn.passes(5 * MINUTE)
    assert waits == [pause * SECOND for pause in (10, 20, 40, 80, 160, 300, 300, 300)]
    assert told.of(Event.REMOVAL_FAILED)[-1] == ("ERROR", {"account_id": 7, "document_id": number, "attempts": 8})
    assert set(told.causes()) == {None}  # a store says what is wrong by itself


async def test_F4_a_mistake_of_ours_is_told_with_its_traceback(stubborn: Household, told: Told) -> None:
    mine = await deleted(stubborn, 3)
    store = stubborn.store
    assert isinstance(store, StubbornStore)
    store.stubborn, store.error = {mine[0]}, ValueError("no such key")
    others = sum(len(content) for key, content in store.files.items() if key.document_id != mine[0])
    report = await stubborn.purge()
    assert told.causes() == [store.error]
    assert (report.erased, report.failed, report.files, report.size_bytes) == (2, 1, 4, others)


async def test_F24_F28_what_holds_the_last_word_back_is_told(
    house: Household, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deleted(house, 1)
    monkeypatch.setattr(house.catalog, "scrub_now", lambda: False)
    await house.purge()
    assert told.of(Event.CATALOG_BUSY) == [("WARNING", {})]
    monkeypatch.undo()
    failure = StoreBroken("EIO")

    async def refuse(_removals: object) -> None:
        raise failure

    monkeypatch.setattr(house.tombstones, "keep", refuse)
    await house.purge()
    assert told.of(Event.TOMBSTONES_UNKEPT) == [("ERROR", {})]
    assert failure in told.causes()


async def test_T11_a_request_is_done_when_the_last_of_it_is_gone(house: Household) -> None:
    (number,) = await house.member(7, 1)
    await house.mirror()
    house.passes(DAY // 4)
    taken = await house.requests.file(Subject(RequestScope.DOCUMENT, number, 7), Words())
    assert taken.request.is_open
    await house.purge()
    request = house.catalog.read_now(lambda view: view.removal_request(taken.request.request_id))
    assert request is not None
    assert request.gone_at == house.clock.now()


def test_a_run_that_did_nothing_tells_of_nothing() -> None:
    report = PurgeReport()
    assert (report.erased, report.files, report.size_bytes, report.breaches, report.failed) == (0, 0, 0, 0, 0)
    assert not report.unscrubbed
    assert not report.unrecorded
