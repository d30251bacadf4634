"""In which turns the purge works, when it truncates the log, and what a deadline does to a suspicion (I2, F24)."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import HOUR
from ipsync.policy.removals import Scope, Stage
from ipsync.ports.catalog import CatalogFailure
from tests.jobs.household import Household
from tests.jobs.test_purge import StubbornStore, deleted


class Scrubs:
    """Counts truncations of the log, and what waited for each."""

    def __init__(self, house: Household, patch: pytest.MonkeyPatch) -> None:
        self.waiting: list[int] = []
        self.works = True
        scrub = house.catalog.scrub_now

        def scrub_now() -> bool:
            self.waiting.append(sum(entry.stage is Stage.ERASED for entry in house.open_removals()))
            return scrub() if self.works else False

        patch.setattr(house.catalog, "scrub_now", scrub_now)


@pytest.fixture
def scrubs(house: Household, monkeypatch: pytest.MonkeyPatch) -> Scrubs:
    return Scrubs(house, monkeypatch)


@pytest.fixture
def stubborn(households: Callable[..., Household]) -> Household:
    return households(store=StubbornStore())


async def test_the_log_is_truncated_after_twenty_batches_and_at_the_end(house: Household, scrubs: Scrubs) -> None:
    await deleted(house, 42)
    assert (await house.purge(batch=2)).erased == 42
    assert scrubs.waiting == [40, 2]


async def test_F24_without_removals_the_log_is_truncated_once_in_a_24th_of_the_window(
    house: Household, scrubs: Scrubs
) -> None:
    async def run(after: int) -> int:
        house.passes(after)
        await house._purge.run()
        return len(scrubs.waiting)

    assert [await run(after) for after in (0, 0, HOUR - 1, 1, 1)] == [1, 1, 1, 2, 2]
    scrubs.works = False
    assert [await run(after) for after in (HOUR, 0)] == [3, 4]  # what failed is tried again


async def test_F24_a_reader_that_holds_the_log_is_not_asked_twice_in_a_run(house: Household, scrubs: Scrubs) -> None:
    await deleted(house, 1)
    scrubs.works = False
    house.passes(HOUR)
    await house.purge()
    assert scrubs.waiting == [1]


async def test_F24_beside_a_daemon_the_log_is_left_to_it(
    house: Household, scrubs: Scrubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(house.catalog), "scrubs", property(lambda _: False))
    house.passes(HOUR)
    await house._purge.run()
    assert scrubs.waiting == []


async def test_F4_past_the_deadline_what_fails_leaves_the_others_their_place(stubborn: Household) -> None:
    mine = await deleted(stubborn, 3)
    assert isinstance(stubborn.store, StubbornStore)
    stubborn.store.stubborn = {mine[0]}
    stubborn.passes(23 * HOUR)
    report = await stubborn.purge(batch=1)
    assert (report.erased, report.failed) == (2, 1)
    document = stubborn.document(mine[0])
    assert document is not None
    assert document.state is DocumentState.DOOMED


async def missed(house: Household) -> int:
    """A mirrored document that its listing left out, and about which nobody answered until its deadline."""
    (number,) = await house.member(7, 1)
    await house.mirror()
    house.source.unlisted = {number}
    await house.sync()
    assert house.state(number) is DocumentState.SUSPECT
    house.passes(22 * HOUR)
    return number


async def test_I2_at_its_deadline_a_suspicion_is_erased_though_nobody_confirmed_it(house: Household) -> None:
    number = await missed(house)
    assert (await house.purge()).erased == 1
    assert not house.on_disk()
    removal = house.removal(number)
    assert removal.certificate.endswith("deadline")
    assert removal.confirmed_at == house.clock.now()


async def test_I2_from_its_deadline_on_a_suspicion_only_goes_forward(stubborn: Household) -> None:
    number = await missed(stubborn)
    assert isinstance(stubborn.store, StubbornStore)
    stubborn.store.stubborn = {number}
    await stubborn.purge()
    assert stubborn.state(number) is DocumentState.DOOMED


async def test_I2_a_suspicion_whose_document_is_no_longer_known_is_erased_as_well(house: Household) -> None:
    number = await missed(house)
    house.catalog.write_now(lambda tx: tx.forget_documents([number]))
    assert (await house.purge()).erased == 1
    assert not house.on_disk()


async def test_what_overtook_a_suspicion_leaves_the_removal_of_files_alone(house: Household) -> None:
    (number,) = await house.member(7, 1)
    await house.mirror()
    house.source.replace(number)
    await house.sync()
    house.source.unlisted = {number}
    await house.sync()
    document = house.document(number)
    assert document is not None
    house.passes(21 * HOUR)
    live = replace(document, state=DocumentState.LIVE, hidden_at=None, verified_at=house.clock.now())
    house.catalog.write_now(lambda tx: tx.update_documents([live]))
    house.passes(2 * HOUR)
    await house.purge()
    stages = {removal.scope: removal.stage for removal in house.removals(number)}
    assert stages == {Scope.FILES: Stage.GONE, Scope.DOCUMENT: Stage.WITHDRAWN}


async def test_whatever_the_catalog_does_no_erasing_is_left_behind_at_work(house: Household) -> None:
    """The next batch is put on record while the disk works: a run ends only when both have ended."""
    documents = await deleted(house, 4)
    write, erase, events = house.catalog.write, house.store.erase_documents, list[str]()

    async def fails_once_begun(work: Callable[[Any], Any]) -> Any:
        if events:
            raise CatalogFailure("the disk of the database is gone")
        events.append("put on record")
        return await write(work)

    def erase_slowly(owned: Any) -> Any:
        time.sleep(0.05)
        found = erase(owned)
        events.append("erased")
        return found

    house.catalog.write = fails_once_begun  # type: ignore[method-assign]  # reason: the database fails in between
    house.store.erase_documents = erase_slowly  # type: ignore[method-assign]  # reason: a slow disk
    with pytest.raises(CatalogFailure):
        await house._purge.run(batch=len(documents))
    assert events == ["put on record", "erased"]
