"""Leaving where something fails: nothing is called left before it is, and it can be done again."""

import pytest

from ipsync.catalog import SqliteCatalog
from ipsync.jobs.leave import NOTE, Leave, MirrorLeftError
from ipsync.policy.accounts import AccountState
from ipsync.ports.store import ContentKey
from tests.fakes.store import MemoryStore
from tests.jobs.household import Household


def leaving(house: Household) -> Leave:
    """The way out of a household."""
    parts = (house.catalog, house.store, house.tombstones, house._purge, house._orphans, house.clock, house.rules)
    return Leave(*parts)


async def test_what_cannot_be_erased_is_not_called_left_and_is_tried_at_once_again(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    store = house.store
    assert isinstance(store, MemoryStore)
    store.broken = True

    failed = await leaving(house).run()

    assert (failed.left_at, failed.failed) == (None, 3)
    assert failed.held >= 3
    assert house.served() == set()
    assert house.account_state(7) is AccountState.REMOVED
    assert str(house.catalog.read_now(lambda view: view.note(NOTE))).startswith("begun ")
    with pytest.raises(MirrorLeftError):
        await house.authorize(7)

    store.broken = False
    done = await leaving(house).run()

    assert done.left_at is not None
    assert (done.failed, done.held) == (0, 0)
    assert house.on_disk() == set()
    assert [house.document(number) for number in mine] == [None] * 3


async def test_F24_while_a_reader_holds_the_log_nothing_is_called_left(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.member(7, 2)
    await house.mirror()

    with monkeypatch.context() as patch:
        patch.setattr(SqliteCatalog, "scrub_now", lambda _catalog: False)
        held_back = await leaving(house).run()
    done = await leaving(house).run()

    assert held_back.left_at is None
    assert held_back.held == 2
    assert done.left_at is not None


async def test_stray_files_and_cut_downloads_go_too(house: Household) -> None:
    await house.member(7, 1)
    await house.mirror()
    store = house.store
    assert isinstance(store, MemoryStore)
    store.files[ContentKey(9, 9, "240")] = b"nobody knows me"
    store.partials[ContentKey(9, 8, "240")] = bytearray(b"half")

    done = await leaving(house).run()

    assert done.left_at is not None
    assert (store.files, store.partials) == ({}, {})


async def test_I4_a_newer_consent_brings_a_member_back_after_returning(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    out = leaving(house)
    await out.run()
    assert await out.come_back()
    assert not await out.come_back()

    await house.authorize(7)
    await house.tombstones.replay()
    await house.mirror()

    assert house.served() == set(mine)
