"""Pages read by the plan: removals that were confirmed decide who is looked at sooner (design §4)."""

import pytest

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import HOUR, MINUTE, Duration
from ipsync.policy.planner import ListingKey
from ipsync.policy.planner.removal_rate import MOST_AT_ONCE, RemovalRate
from ipsync.ports.source import Lane
from tests.jobs.household import Household

BUSY, QUIET = 7, 8


def learned(house: Household, account_id: int) -> RemovalRate:
    plan = house.catalog.read_now(lambda view: view.listing_plan(ListingKey(account_id, Visibility.PUBLIC)))
    assert plan is not None
    return plan.removals


async def lived(house: Household, duration: Duration, every: Duration) -> None:
    for _ in range(duration // every):
        house.passes(every)
        await house.sync(force=False)
        await house.confirm()


def probes(house: Household, account_id: int) -> int:
    asked = house.source.calls("doc.getList")
    return sum(one.account_id == account_id and one.lane is Lane.PROBE for one in asked)


async def test_who_takes_away_more_is_probed_sooner_also_after_a_restart(house: Household) -> None:
    house.requests_per_hour = 6.0
    mine, _ = await house.member(BUSY, 120), await house.member(QUIET, 120)
    await house.sync()
    for number in range(8):
        house.source.delete(mine[10 * number])
        await lived(house, 2 * HOUR, 20 * MINUTE)
    assert learned(house, BUSY).removals == pytest.approx(8, rel=0.1)
    assert learned(house, QUIET).removals == 0

    house.configure(house.rules)
    house.source.asked.clear()
    await lived(house, 24 * HOUR, 10 * MINUTE)
    assert probes(house, BUSY) >= 2 * probes(house, QUIET) > 0


async def test_only_what_is_confirmed_is_learned_and_what_went_together_counts_as_one_decision(
    house: Household,
) -> None:
    mine = await house.member(BUSY, 60)
    await house.sync()
    house.source.unlisted |= set(mine[:3])
    await house.sync()
    await house.confirm()
    assert learned(house, BUSY).removals == 0  # they were there all the time
    house.source.unlisted.clear()

    for number in mine[20:50]:
        house.source.delete(number)
    await house.sync()
    assert learned(house, BUSY).removals == 0
    await house.confirm()
    assert learned(house, BUSY).removals == pytest.approx(MOST_AT_ONCE)


async def test_what_was_confirmed_while_a_page_was_read_is_not_written_over(house: Household) -> None:
    mine = await house.member(BUSY, 30)
    await house.sync()
    house.source.delete(mine[5])
    await house.sync()
    house.passes(11 * HOUR)
    await house.confirm()
    assert learned(house, BUSY).removals == 1
    await house.sync(force=False)
    assert house.source.calls("doc.getList")[-1].lane is Lane.VERIFICATION
    assert learned(house, BUSY).removals == pytest.approx(1, rel=0.02)


async def test_what_is_relicensed_stays_in_its_listing_and_asks_for_no_probes(house: Household) -> None:
    house.configure_view(licenses=frozenset({1}))
    mine = await house.member(BUSY, 3)
    await house.mirror()
    house.source.relicense(mine[0], 0)
    await house.sync()
    assert (await house.confirm()).confirmed == 1
    assert learned(house, BUSY).removals == 0
