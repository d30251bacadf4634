"""Files that are fetched when somebody asks: once for all who ask, and under every rule that holds for the others."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from ipsync.jobs.on_demand import OnDemand
from ipsync.policy.documents import RenditionState
from ipsync.policy.instants import DAY, MILLISECOND, MINUTE, SECOND
from ipsync.policy.rules import TimeToLive
from ipsync.ports.source import MediaGone, MediaLater
from ipsync.ports.store import ContentKey
from tests.jobs.household import RULES, Household, content_of

KEY = ContentKey(7, 1001, "240")


@pytest.fixture
async def house(households: Callable[..., Household]) -> Household:
    found = households(rules=replace(RULES, on_demand=True, ttl=TimeToLive(30 * DAY, DAY, DAY, DAY)))
    await found.member(7, 3)
    await found.sync()
    assert (await found.fetch()).files == 0
    return found


def asked(house: Household) -> int:
    return len(house.media_source.fetched)


async def test_a_file_comes_when_it_is_asked_for_and_not_before(house: Household) -> None:
    assert house.keys_on_disk() == set()
    assert await OnDemand(house._media).fetch(KEY) == 0
    assert house.keys_on_disk() == {KEY}
    with house.store.open(KEY) as file:
        assert file.read() == content_of(1001, 1, "240")
    assert await OnDemand(house._media).fetch(KEY) == 0
    assert asked(house) == 1


async def test_T22_who_asks_together_waits_for_one_download(house: Household) -> None:
    on_demand = OnDemand(house._media)
    house.media_source.held_back = asyncio.Event()
    askers = [asyncio.create_task(on_demand.fetch(KEY)) for _ in range(50)]
    await house.media_source.under_way.acquire()
    house.media_source.held_back.set()
    assert await asyncio.gather(*askers) == [0] * 50
    assert asked(house) == 1


async def test_nobody_waits_for_ever_and_the_download_goes_on(house: Household) -> None:
    on_demand = OnDemand(house._media, patience=20 * MILLISECOND)
    house.media_source.held_back = asyncio.Event()
    assert await on_demand.fetch(KEY) == 20 * MILLISECOND
    [task] = on_demand._under_way.values()
    house.media_source.held_back.set()
    assert await task == 0
    assert house.keys_on_disk() == {KEY}
    assert on_demand._under_way == {}


async def test_T10_what_is_hidden_while_it_is_fetched_is_not_kept(house: Household) -> None:
    house.media_source.held_back = asyncio.Event()
    fetching = asyncio.create_task(OnDemand(house._media).fetch(KEY))
    await house.media_source.under_way.acquire()
    house.source.delete(1001)
    await house.sync()
    house.media_source.held_back.set()
    assert await fetching == 0
    assert house.keys_on_disk() == set()


@pytest.mark.parametrize("key", [ContentKey(7, 9999, "240"), ContentKey(8, 1001, "240"), ContentKey(7, 1001, "1024")])
async def test_what_may_not_be_had_is_not_asked_for(house: Household, key: ContentKey) -> None:
    assert await OnDemand(house._media).fetch(key) == 0
    assert asked(house) == 0


async def test_T06_nothing_is_fetched_for_what_is_not_live(house: Household) -> None:
    house.source.delete(1001)
    await house.sync()
    assert await OnDemand(house._media).fetch(KEY) == 0
    house.clock.jump(21 * 60 * MINUTE)  # the lease of the others is over
    assert await OnDemand(house._media).fetch(ContentKey(7, 1002, "240")) == 0
    assert asked(house) == 0


async def test_F39_a_host_that_fails_is_not_asked_again_before_its_time(house: Household) -> None:
    url = house.files(1001)["240"].file.url
    for failure, least in ((MediaLater("busy", 10 * MINUTE), 10 * MINUTE), (MediaGone("dead"), SECOND)):
        house.media_source.failing = {url: failure}
        on_demand = OnDemand(house._media)
        wait = await on_demand.fetch(KEY)
        assert wait >= least
        before = asked(house)
        assert 0 < await on_demand.fetch(KEY) <= wait
        assert asked(house) == before
        house.clock.jump(wait)
    house.media_source.failing = {}
    assert await OnDemand(house._media).fetch(KEY) == 0
    assert house.keys_on_disk() == {KEY}


async def test_T09_what_was_fetched_goes_with_its_time_and_comes_back_only_when_asked_for(house: Household) -> None:
    await OnDemand(house._media).fetch(KEY)
    for _ in range(4):
        house.clock.jump(DAY // 3)
        await house.sync()
        await house.expire()
        await house.purge()
        await house.fetch()
    assert house.keys_on_disk() == set()
    assert house.file_states(1001)["240"] is RenditionState.WANTED
    assert await OnDemand(house._media).fetch(KEY) == 0
    assert house.keys_on_disk() == {KEY}


async def test_a_reload_ends_what_is_under_way(house: Household) -> None:
    on_demand = OnDemand(house._media)
    house.media_source.held_back = asyncio.Event()
    fetching = asyncio.create_task(on_demand.fetch(KEY))
    await house.media_source.under_way.acquire()
    await on_demand.close()
    assert await fetching == on_demand._patience
    assert house.keys_on_disk() == set()


async def test_too_many_different_files_are_put_off_at_once(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipsync.jobs.on_demand._MOST", 1)
    on_demand = OnDemand(house._media)
    house.media_source.held_back = asyncio.Event()
    first = asyncio.create_task(on_demand.fetch(KEY))
    await house.media_source.under_way.acquire()
    assert await on_demand.fetch(ContentKey(7, 1002, "240")) == on_demand._patience
    house.media_source.held_back.set()
    assert await first == 0
