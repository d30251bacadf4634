"""Within the law, by how much, and how we know."""

from ipsync.jobs.health import publish, read_health, status_line
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import DAY, HOUR, SECOND
from tests.fakes.store import MemoryStore
from tests.jobs.household import Household


async def test_an_empty_mirror_is_lawful(house: Household) -> None:
    health = await read_health(house.catalog, house.clock, house.rules.lease, 1000)
    assert (health.is_lawful, health.slack, health.oldest_age, health.overdue) == (True, DAY, 0, 0)
    assert status_line(health) == "0 documents served, 0 hidden, 0 being removed; 24.0 h to the nearest deadline"


async def test_health_tells_how_near_the_nearest_deadline_is(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.member(8)
    await house.mirror()
    await house.accounts.pause(8)
    house.source.delete(mine[0])
    house.passes(10 * HOUR)
    await house.sync()
    health = await read_health(house.catalog, house.clock, house.rules.lease, 1000)
    assert health.is_lawful
    assert health.figures.documents[DocumentState.SUSPECT] == 1
    assert 13 * HOUR < health.slack < 14 * HOUR  # of the document that is missing
    assert 0 <= health.oldest_age <= SECOND  # of those that are served
    assert health.accounts == {AccountState.ACTIVE: 1, AccountState.PAUSED: 1}
    assert health.plan.pages == 1
    publish(health, house.metrics)
    text = house.metrics.render()[0].decode()
    assert 'ipsync_documents{state="suspect"} 1.0' in text
    assert "ipsync_overdue_documents 0.0" in text
    assert status_line(health).startswith("2 documents served, 1 hidden, 1 being removed; 14.0 h")


async def test_what_is_held_too_long_is_not_lawful(house: Household) -> None:
    await house.member(7, 2)
    await house.mirror()
    assert isinstance(house.store, MemoryStore)
    house.store.broken = True
    house.passes(23 * HOUR)
    await house.expire()
    await house.purge()
    health = await read_health(house.catalog, house.clock, house.rules.lease, 1000)
    assert (health.overdue, health.is_lawful) == (2, False)
    house.passes(HOUR)
    health = await read_health(house.catalog, house.clock, house.rules.lease, 1000)
    assert health.slack < 0
    house.store.broken = False
    await house.purge()
    health = await read_health(house.catalog, house.clock, house.rules.lease, 1000)
    assert health.is_lawful
    assert health.figures.tombstones == 2
