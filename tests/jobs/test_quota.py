"""Quotas: one account with endless media stays within its own, and costs no other anything (F31)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from ipsync.jobs.on_demand import OnDemand
from ipsync.policy.documents import RenditionState
from ipsync.policy.instants import HOUR, MINUTE
from ipsync.policy.quota import Quota
from ipsync.ports.store import ContentKey
from tests.fakes.media import JPEG
from tests.jobs.household import RULES, Household, content_of

FILE = len(content_of(1001, 1, "240"))  # all of a household are about as large
ROOMY = 2 * FILE
"""The largest size of a file, in these stories."""


def quota(account_files: int | None = None, files: int | None = None) -> Quota:
    """Limits that so many files fit in, of an account and in all."""
    whole, each = (None if number is None else number * ROOMY for number in (files, account_files))
    return Quota(size_most=whole, account_size_most=each, file_size_most=ROOMY)


def limit(house: Household, limits: Quota) -> None:
    """Another setting, taken over by a reload."""
    house.configure(replace(house.rules, quota=limits))


@pytest.fixture
def house(households: Callable[..., Household]) -> Household:
    return households(rules=replace(RULES, quota=quota(account_files=10)))


def stored_bytes(house: Household, account_id: int) -> int:
    return sum(house.store.stored_bytes(key) or 0 for key in house.keys_on_disk() if key.account_id == account_id)


def test_F31_sizes_of_these_stories() -> None:
    assert ROOMY // 2 <= FILE < ROOMY


async def test_F31_an_account_with_endless_media_stays_within_its_quota_while_another_is_mirrored(
    house: Household,
) -> None:
    await house.member(7, 60)
    theirs = await house.member(8, 4)
    await house.sync()
    report = await house.fetch()
    assert 8 * ROOMY < stored_bytes(house, 7) <= 10 * ROOMY
    assert {key for key in house.keys_on_disk() if key.account_id == 8} == {
        ContentKey(8, number, name) for number in theirs for name in ("240", "original")
    }
    assert (report.held_up, report.full, report.failed, report.beyond) == ({7}, False, 0, 0)
    assert stored_bytes(house, 7) + stored_bytes(house, 8) == report.size_bytes
    # What waits waits as it was: nothing was asked for in vain, and nothing is asked for again and again.
    asked = len(house.media_source.fetched)
    assert asked == report.files
    house.source.add_documents(7, 60)
    theirs += house.source.add_documents(8, 2)
    for _ in range(5):
        house.passes(HOUR)
        await house.tick()
    assert len(house.media_source.fetched) == asked + 4
    assert stored_bytes(house, 7) <= 10 * ROOMY
    # Everything of both goes on being verified and shown.
    assert len(house.served()) == 126
    assert set(theirs) <= {number for number, _ in house.served_files()}


async def test_F31_what_waits_comes_when_something_was_erased(house: Household) -> None:
    mine = await house.member(7, 10)
    await house.mirror()
    before = house.served_files()
    assert len(before) < 20
    for number in mine[:5]:
        house.source.delete(number)
    await house.sync()
    await house.confirm()
    # Hidden is not erased: what still lies there counts.
    assert (await house.fetch()).held_up == {7}
    await house.purge()
    report = await house.fetch()
    assert report.held_up == frozenset()
    assert house.served_files() == {(number, name) for number in mine[5:] for name in ("240", "original")}


async def test_F31_what_waits_comes_when_the_quota_is_raised_and_a_lower_one_erases_nothing(house: Household) -> None:
    await house.member(7, 20)
    await house.mirror()
    held = house.keys_on_disk()
    limit(house, quota(account_files=2))
    assert (await house.fetch()).held_up == {7}
    house.passes(HOUR)
    await house.tick()
    assert house.keys_on_disk() == held
    limit(house, quota(account_files=100))
    assert (await house.fetch()).held_up == frozenset()
    assert len(house.keys_on_disk()) == 40


async def test_F31_all_accounts_together_stay_within_the_quota_of_all(house: Household) -> None:
    limit(house, quota(files=6))
    for account_id in (7, 8, 9):
        await house.member(account_id, 5)
    await house.sync()
    report = await house.fetch()
    assert report.held_up == {7, 8, 9}
    assert all(stored_bytes(house, account_id) > ROOMY for account_id in (7, 8, 9))
    assert 4 * ROOMY < house.store.size_bytes() <= 6 * ROOMY
    # Erasing goes on, and makes room.
    await house.accounts.remove(7)
    await house.purge()
    assert not stored_bytes(house, 7)
    await house.fetch()
    assert 4 * ROOMY < house.store.size_bytes() <= 6 * ROOMY


async def test_F31_sizes_that_lie_do_not_exceed_a_quota(house: Household) -> None:
    """Every file is announced as tiny, and the last ones are not: they are given back."""
    limit(house, quota(account_files=4))
    mine = await house.member(7, 3)
    house.configure_view(renditions=("original",))
    await house.sync()
    await house.fetch()
    assert len(house.keys_on_disk()) == 3
    house.source.add_documents(7, 30)
    await house.sync()
    large = JPEG + bytes(ROOMY - len(JPEG))
    for number, document in house.source.documents.items():
        if number not in mine:
            house.media_source.instead[document.file("original").url] = large
            shrink(house, number)
    report = await house.fetch()
    assert (report.files, report.held_up) == (2, {7})
    assert report.beyond > 0
    assert stored_bytes(house, 7) <= 4 * ROOMY
    assert not getattr(house.store, "partials", ())
    given_back = [house.files(number)["original"] for number in house.source.documents]
    assert sum(entry.state is RenditionState.FAILED for entry in given_back) == report.beyond


def shrink(house: Household, number: int) -> None:
    """The listing said that this original has one byte."""
    entry = house.files(number)["original"]
    tiny = replace(entry, file=replace(entry.file, size_bytes=1))
    house.catalog.write_now(lambda tx: tx.put_renditions([tiny]))


async def test_F31_what_is_fetched_when_asked_for_stays_within_the_quota(house: Household) -> None:
    house.configure(replace(house.rules, on_demand=True, quota=quota(account_files=3)))
    mine = await house.member(7, 20)
    await house.member(8, 1)
    await house.sync()
    house.passes(MINUTE)
    on_demand = OnDemand(house._media)
    waits = await asyncio.gather(*(on_demand.fetch(ContentKey(7, number, "240")) for number in mine))
    assert stored_bytes(house, 7) <= 3 * ROOMY
    assert waits.count(0) == len(house.keys_on_disk()) > 2
    other = next(number for number, document in house.source.documents.items() if document.account_id == 8)
    assert await on_demand.fetch(ContentKey(8, other, "240")) == 0
    assert ContentKey(8, other, "240") in house.keys_on_disk()
    # And nothing more is asked for in vain.
    asked = len(house.media_source.fetched)
    assert await on_demand.fetch(ContentKey(7, mine[-1], "original")) > 0
    assert len(house.media_source.fetched) == asked
