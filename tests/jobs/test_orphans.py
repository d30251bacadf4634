"""Store and catalog agree (I5): what nobody knows is erased, what is not there is fetched anew."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ipsync.jobs import orphans
from ipsync.policy.documents import RenditionState
from ipsync.ports.store import ContentKey, Erased, StoreBroken
from ipsync.store import FileStore
from tests.fakes.store import ROOT, MemoryStore
from tests.jobs.household import Household


class BadDisk(MemoryStore):
    """Some things cannot be looked at, walked, or erased."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[ContentKey] = set()
        self.stubborn = False
        self.walk_ends_after: int | None = None

    def stored_bytes(self, key: ContentKey) -> int | None:
        if key in self.unreadable:
            raise StoreBroken("EIO")
        return super().stored_bytes(key)

    def erase_files(self, keys: Any) -> Erased:
        if self.stubborn:
            raise StoreBroken("EIO")
        return super().erase_files(keys)

    def walk(self) -> Iterator[ContentKey | Path]:
        for count, entry in enumerate(super().walk()):
            if count == self.walk_ends_after:
                raise StoreBroken("EIO")
            yield entry


@pytest.fixture
def bad(households: Callable[..., Household]) -> Household:
    return households(store=BadDisk())


def disk(house: Household) -> BadDisk:
    assert isinstance(house.store, BadDisk)
    return house.store


async def test_where_all_is_well_nothing_happens(house: Household) -> None:
    await house.member(7, 600)
    await house.sync()
    for number in list(house.held())[:5]:
        assert house.state(number)
    await house.fetch()
    report = await house.orphans()
    assert (report.orphans, report.lost, report.failed) == (0, 0, 0)
    assert len(house.served_files()) == 1200


async def test_F5_a_file_that_its_reader_found_damaged_is_erased_and_fetched_anew(bad: Household) -> None:
    mine = await bad.member(7, 2)
    await bad.mirror()
    damaged, beside = (ContentKey(7, number, "240") for number in mine)
    for key in (damaged, beside):
        content = disk(bad).files[key]
        disk(bad).files[key] = content[:-1] + bytes([content[-1] ^ 1])
    # Of the right size, it is found by who reads it, not by who counts.
    assert (await bad.orphans()).lost == 0
    bad._orphans.doubt(damaged)
    assert (await bad.orphans()).lost == 1
    assert damaged not in bad.keys_on_disk()
    assert (await bad.fetch()).files == 1
    assert (await bad.orphans()).lost == 0


async def test_I5_a_file_without_a_row_is_erased(bad: Household) -> None:
    mine = await bad.member(7, 1)
    await bad.mirror()
    disk(bad).files[ContentKey(7, 999, "240")] = b"of a document nobody holds"
    disk(bad).files[ContentKey(7, mine[0], "500")] = b"of a rendition nobody wants"
    disk(bad).foreign[ROOT / "odd"] = b"of somebody else"
    report = await bad.orphans()
    assert (report.orphans, report.failed) == (3, 0)
    assert bad.keys_on_disk() == {ContentKey(7, mine[0], name) for name in ("240", "original")}
    assert not disk(bad).foreign


async def test_I5_a_file_that_is_wanted_but_not_recorded_is_erased_and_fetched(bad: Household) -> None:
    mine = await bad.member(7, 1)
    await bad.sync()
    disk(bad).files[ContentKey(7, mine[0], "240")] = b"kept when the process died"
    assert (await bad.orphans()).orphans == 1
    assert (await bad.fetch()).files == 2


async def test_I5_F4_a_row_without_its_whole_file_is_fetched_anew(bad: Household) -> None:
    mine = await bad.member(7, 3)
    await bad.mirror()
    missing, cut, unreadable = (ContentKey(7, number, "240") for number in mine)
    del disk(bad).files[missing]
    disk(bad).files[cut] = b"cut"
    disk(bad).unreadable = {unreadable}
    report = await bad.orphans()
    assert (report.orphans, report.lost, report.failed) == (0, 3, 0)
    assert {bad.file_states(number)["240"] for number in mine} == {RenditionState.WANTED}
    assert not bad.keys_on_disk() & {missing, cut, unreadable}
    disk(bad).unreadable = set()
    assert (await bad.fetch()).files == 3
    assert (await bad.orphans()).lost == 0


async def test_what_is_being_erased_is_not_wanted_again(bad: Household) -> None:
    mine = await bad.member(7, 1)
    await bad.mirror()
    bad.source.replace(mine[0])
    await bad.sync()
    disk(bad).files.clear()
    assert (await bad.orphans()).lost == 0
    assert set(bad.file_states(mine[0]).values()) == {RenditionState.ERASING}


async def test_what_changed_while_it_was_looked_for_is_left_alone(bad: Household) -> None:
    mine = await bad.member(7, 1)
    await bad.mirror()
    key = ContentKey(7, mine[0], "240")

    def replaced_meanwhile(_key: ContentKey) -> int | None:
        bad.catalog.write_now(lambda tx: tx.set_rendition_state([key], RenditionState.ERASING))
        return None

    disk(bad).stored_bytes = replaced_meanwhile  # type: ignore[method-assign]  # reason: something must come between
    await bad.orphans()
    assert bad.file_states(mine[0])["240"] is RenditionState.ERASING


async def test_F4_what_cannot_be_erased_is_told_and_tried_again(bad: Household) -> None:
    await bad.member(7, 1)
    await bad.mirror()
    disk(bad).files[ContentKey(7, 999, "240")] = b"an orphan"
    disk(bad).foreign[ROOT / "odd"] = b"of somebody else"
    disk(bad).stubborn = True
    assert (await bad.orphans()).failed == 1
    assert not disk(bad).foreign  # the others went
    disk(bad).stubborn = False
    assert (await bad.orphans()).orphans == 1


async def test_F4_a_path_that_cannot_be_erased_is_told(bad: Household) -> None:
    disk(bad).foreign[ROOT / "odd"] = b"of somebody else"
    disk(bad).broken = True
    assert (await bad.orphans()).failed == 1


async def test_F4_a_walk_that_breaks_off_does_not_keep_the_catalog_from_being_looked_at(bad: Household) -> None:
    mine = await bad.member(7, 1)
    await bad.mirror()
    del disk(bad).files[ContentKey(7, mine[0], "240")]
    disk(bad).walk_ends_after = 0
    report = await bad.orphans()
    assert (report.failed, report.lost) == (1, 1)


async def test_F30_a_link_planted_in_the_place_of_a_file_goes_and_the_file_comes_again(
    households: Callable[..., Household], tmp_path: Path
) -> None:
    house = households(store=FileStore(tmp_path / "content", free_space_floor_bytes=0))
    mine = await house.member(7, 1)
    await house.mirror()
    key = ContentKey(7, mine[0], "240")
    path = house.store.path(key)
    path.unlink()
    path.symlink_to("/etc/hostname")
    report = await house.orphans()
    assert (report.orphans, report.lost) == (1, 1)
    assert not path.is_symlink()
    await house.fetch()
    assert house.store.digest(key) == house.files(mine[0])["240"].digest


async def test_lost_files_are_found_behind_every_batch(bad: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "_BATCH", 2)
    mine = await bad.member(7, 5)
    await bad.mirror()
    lost = {ContentKey(7, number, ("240", "original")[number % 2]) for number in mine}
    for key in lost:
        del disk(bad).files[key]
    assert (await bad.orphans()).lost == len(lost) == 5
    assert (await bad.fetch()).files == 5
    assert (await bad.orphans()).lost == 0


@pytest.mark.parametrize("name", ["CAST(x'6f72f267' AS TEXT)", "'7500'"])
async def test_F5_a_file_whose_name_on_record_means_nothing_is_nobodys_and_holds_up_no_other(
    bad: Household, name: str
) -> None:
    mine = await bad.member(7, 3)
    await bad.mirror()
    sql = f"UPDATE rendition SET rendition = {name} WHERE document_id = {mine[-1]} AND rendition = 'original'"
    bad.catalog.write_now(lambda tx: tx._connection.exec_driver_sql(sql))
    lost = ContentKey(7, mine[0], "240")
    del disk(bad).files[lost]
    report = await bad.orphans()
    assert (report.orphans, report.lost) == (1, 1)
    assert ContentKey(7, mine[-1], "original") not in bad.keys_on_disk()
    assert (await bad.fetch()).files == 1
    assert lost in bad.keys_on_disk()
    # It goes with its document.
    bad.source.delete(mine[-1])
    for step in (bad.sync, bad.confirm, bad.purge):
        await step()
    assert bad.on_disk() == set(mine[:-1])
    assert mine[-1] not in bad.held()
