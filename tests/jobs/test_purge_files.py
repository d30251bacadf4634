"""Erasing single files of a document that stays: no more than was named goes, and what is still wanted comes back."""

from dataclasses import replace

import pytest

from ipsync.policy.documents import RenditionState
from ipsync.policy.instants import HOUR
from ipsync.policy.removals import Reason, Removal, Scope, Stage
from ipsync.ports.store import ContentKey
from tests.jobs.household import Household


async def replaced(house: Household) -> tuple[int, Removal]:
    """A mirrored document whose owner put another picture in its place: both old files are going."""
    (number,) = await house.member(7, 1)
    await house.mirror()
    house.source.replace(number)
    await house.sync()
    return number, house.removal(number)


async def test_the_files_of_a_removal_are_counted_with_their_bytes(house: Household) -> None:
    number, _ = await replaced(house)
    held = sum(len(content) for content in house.store.files.values())  # type: ignore[attr-defined]  # reason: it is in memory
    report = await house.purge()
    assert (report.erased, report.files, report.size_bytes) == (1, 2, held)
    removal = house.removal(number)
    assert (removal.scope, removal.stage, removal.reason) == (Scope.FILES, Stage.GONE, Reason.REPLACED)
    assert (removal.files_erased, removal.bytes_erased) == (2, held)
    assert removal.renditions == ("240", "original")
    assert house.state(number) is not None


async def test_a_file_freed_is_fetched_as_if_for_the_first_time(house: Household) -> None:
    number, _ = await replaced(house)
    old = house.files(number)["240"]
    house.catalog.write_now(lambda tx: tx.put_renditions([replace(old, attempts=3, next_try_at=house.clock.now() * 2)]))
    await house.purge()
    freed = house.files(number)["240"]
    assert freed == replace(
        old,
        state=RenditionState.WANTED,
        size_bytes=0,
        digest=None,
        content_type="",
        stored_at=None,
        attempts=0,
        next_try_at=0,
    )
    assert (await house.fetch()).files == 2


@pytest.mark.parametrize(("first", "second"), [("240", "original"), ("original", "240")])
async def test_of_two_removals_of_one_document_each_takes_its_own_files(
    house: Household, first: str, second: str
) -> None:
    number, removal = await replaced(house)
    waiting = replace(removal, removal_id=0, renditions=(second,), next_try_at=house.clock.now() + HOUR)
    house.catalog.write_now(lambda tx: tx.update_removals([replace(removal, renditions=(first,))]))
    house.catalog.write_now(lambda tx: tx.add_removals([waiting]))

    assert (await house.purge()).files == 1
    assert house.removals(number)[0].files_erased == 1
    assert house.file_states(number) == {first: RenditionState.WANTED, second: RenditionState.ERASING}
    assert house.keys_on_disk() == {ContentKey(7, number, second)}

    house.passes(HOUR)
    assert (await house.purge()).files == 1
    assert set(house.file_states(number).values()) == {RenditionState.WANTED}
    assert not house.on_disk()


async def test_a_file_that_is_no_longer_wanted_leaves_no_row(house: Household) -> None:
    (number,) = await house.member(7, 1)
    await house.mirror()
    house.configure_view(renditions=("240",))
    await house.apply_policy()
    assert (await house.purge()).files == 1
    assert house.file_states(number) == {"240": RenditionState.STORED}
    assert house.keys_on_disk() == {ContentKey(7, number, "240")}


async def test_a_replaced_file_that_is_permitted_no_longer_is_not_fetched_again(house: Household) -> None:
    number, _ = await replaced(house)
    house.configure_view(renditions=("240",))
    await house.purge()
    assert house.file_states(number) == {"240": RenditionState.WANTED}


async def test_what_a_policy_took_is_not_fetched_again_though_it_is_permitted_by_now(house: Household) -> None:
    (number,) = await house.member(7, 1)
    await house.mirror()
    house.configure_view(renditions=("240",))
    await house.apply_policy()
    house.configure_view(renditions=("240", "original"))
    await house.purge()
    assert house.file_states(number) == {"240": RenditionState.STORED}


async def test_a_file_without_an_address_waits_for_the_next_listing(house: Household) -> None:
    number, _ = await replaced(house)
    nowhere = replace(house.files(number)["240"], file=replace(house.files(number)["240"].file, url=""))
    house.catalog.write_now(lambda tx: tx.put_renditions([nowhere]))
    await house.purge()
    assert house.file_states(number) == {"original": RenditionState.WANTED}
