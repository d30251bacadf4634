"""Who is read on which budget: accounts that wait, are given up, and come back (design §4, F20)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ipsync.jobs.admission import Admission
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.removals import Reason
from ipsync.ports.source import GrantLost, Lane, Later
from tests.jobs.household import RULES, Household


@pytest.fixture
def house(households: Callable[..., Household]) -> Household:
    """A mirror prepared for an outage of ten hours."""
    return households(rules=replace(RULES, outage=10 * HOUR))


def admission(house: Household) -> Admission:
    return Admission(house.source, house.catalog, house.clock, house.rules, lambda: house.requests_per_hour)


async def test_F20_the_least_used_accounts_go_whole_and_come_back_when_the_budget_has_recovered(
    house: Household,
) -> None:
    large = await house.member(7, 350)
    small = await house.member(8, 90)
    sparse = await house.member(9, 110)  # two pages for little
    await house.mirror()
    assert await admission(house).run() == type(await admission(house).run())()
    house.requests_per_hour = 5 / 20 / 0.93 + 0.001  # five pages in 20 hours
    report = await admission(house).run()
    assert (report.refused, report.documents) == (1, 110)
    assert house.account_state(9) is AccountState.WAITING
    assert "it would need 1 request an hour in the long run, and 0.27 are allowed" in house.account(9).failure
    assert house.served() == {*large, *small}
    assert {house.removal(number).reason for number in sparse} == {Reason.POLICY_CHANGE}
    await house.purge()
    assert house.on_disk() == {*large, *small}
    asked = len(house.source.calls("doc.getList"))
    await house.sync()
    assert {call.account_id for call in house.source.calls("doc.getList")[asked:]} == {7, 8}
    assert (await admission(house).run()).refused == 0

    house.requests_per_hour = 1000.0
    assert (await admission(house).run()).admitted == 1
    assert house.account(9).failure == ""
    await house.mirror()
    assert house.served() == {*large, *small, *sparse}


async def test_a_new_account_that_does_not_fit_is_measured_and_waits_before_anything_of_it_is_mirrored(
    house: Household,
) -> None:
    mine = await house.member(7, 500)
    await house.mirror()
    house.requests_per_hour = 1.2  # 11 pages with room for an outage
    await house.member(8, 900)
    await admission(house).measure(8)
    assert {call.lane for call in house.source.calls("doc.getList")[-1:]} == {Lane.INTERACTIVE}
    assert (house.listing(8).total, house.listing(8).pages) == (900, 9)
    await admission(house).run()
    assert house.account_state(8) is AccountState.WAITING
    assert house.account(8).failure.startswith("not admitted, because its 9 pages beside 5 of others")
    await house.sync()
    assert house.served() == set(mine)
    assert all(held.document.account_id == 7 for held in house.held().values())


async def test_F16_I10_a_total_that_lies_gives_nothing_up_that_is_held(house: Household) -> None:
    mine = await house.member(7, 150)
    await house.mirror()
    claimed = replace(house.listing(7), total=100_000, pages=1_000)  # as one odd answer leaves it
    house.catalog.write_now(lambda tx: tx.put_listing(claimed))
    house.requests_per_hour = 5.0
    assert (await admission(house).run()).refused == 0
    assert house.served() == set(mine)


async def test_F16_who_waits_because_of_a_total_that_lied_is_measured_again(house: Household) -> None:
    house.source.add_account(7)
    mine = house.source.add_documents(7, 30)
    house.source.claimed_total[7] = 100_000
    await house.authorize(7)
    house.requests_per_hour = 5.0
    job = admission(house)
    await job.measure(7)
    await job.run()
    assert house.account_state(7) is AccountState.WAITING
    house.source.claimed_total.clear()
    await job.run()
    asked = len(house.source.calls("doc.getList"))
    await job.run()
    assert len(house.source.calls("doc.getList")) == asked  # not all the time
    house.passes(2 * HOUR)
    assert (await job.run()).admitted == 1
    await house.mirror()
    assert house.served() == set(mine)


async def test_what_cannot_be_measured_is_measured_by_its_first_reading(house: Household) -> None:
    await house.member(7, 500)
    house.source.fail("doc.getList", lambda method: Later(method, "down"), 1)
    await admission(house).measure(7)
    await admission(house).measure(99)
    house.requests_per_hour = 0.2
    await house.sync()
    await admission(house).run()
    assert house.account_state(7) is AccountState.WAITING
    await house.purge()
    assert house.on_disk() == set()


async def test_T15_who_waits_and_takes_the_permission_back_is_forgotten(house: Household) -> None:
    await house.member(7, 5)
    await house.sync()
    house.requests_per_hour = 0.0
    await admission(house).run()
    house.source.fail("auth.checkToken", lambda asked: GrantLost(asked, "an odd answer", 107), 1)
    house.passes(DAY)
    await house.grants()
    assert house.account_state(7) is AccountState.DOUBTED
    await house.grants()
    assert house.account_state(7) is AccountState.WAITING
    house.source.revoke(7)
    house.passes(DAY)
    await house.grants()
    await house.grants()
    assert house.account_state(7) is AccountState.LOST


async def test_a_decision_that_came_too_late_changes_nothing(house: Household) -> None:
    mine = await house.member(7, 5)
    await house.sync()
    await house.accounts.pause(7)
    house.requests_per_hour = 0.0
    assert (await admission(house).run()).refused == 0
    assert house.account_state(7) is AccountState.PAUSED
    assert {house.state(number) for number in mine} == {DocumentState.LIVE}
