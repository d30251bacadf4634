"""What others erased is counted by the daemon as well, and everything once."""

from ipsync.jobs.counting import RemovalCount
from ipsync.policy.instants import DAY, HOUR
from ipsync.telemetry import Metrics
from tests.jobs.household import Household
from tests.jobs.test_purge import deleted


def counted(metrics: Metrics) -> dict[str, float]:
    """Removals and breaches as Prometheus is told."""
    lines = metrics.render()[0].decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith(("ipsync_removals_total", "ipsync_deadline")))
    return {name: float(value) for name, value in found.items() if float(value)}


def daemon_of(house: Household) -> RemovalCount:
    """A daemon that begins to count."""
    return RemovalCount(house.catalog, house.clock, house.metrics)


async def test_what_a_command_erased_is_counted_by_the_daemon(house: Household) -> None:
    ours, house.metrics = house.metrics, Metrics()
    await deleted(house, 3)
    await house.purge()  # counts for itself, as a command does
    house.metrics = ours
    before = counted(ours)

    count = daemon_of(house)
    await count.run(house.rules.lease)
    await count.run(house.rules.lease)

    told = counted(ours)
    assert told['ipsync_removals_total{reason="deleted"}'] == 3
    assert before.keys() <= told.keys()


async def test_what_the_daemon_erased_itself_is_counted_once(house: Household) -> None:
    await deleted(house, 3)
    await house.purge()
    count = daemon_of(house)
    await count.run(house.rules.lease)
    assert counted(house.metrics) == {'ipsync_removals_total{reason="deleted"}': 3}
    await deleted(house, 2)
    await house.purge()
    await count.run(house.rules.lease)
    assert counted(house.metrics) == {'ipsync_removals_total{reason="deleted"}': 5}


async def test_what_was_erased_too_late_without_a_daemon_is_a_breach_that_the_next_one_tells(
    house: Household,
) -> None:
    first = daemon_of(house)
    await first.run(house.rules.lease)
    await deleted(house, 1)
    house.passes(2 * DAY)
    await house.purge()  # by the reaper
    house.passes(3 * DAY)

    next_one = Metrics()
    await RemovalCount(house.catalog, house.clock, next_one).run(house.rules.lease)

    assert counted(next_one) == {'ipsync_removals_total{reason="deleted"}': 1, "ipsync_deadline_breaches_total": 1}


async def test_a_daemon_that_never_counted_begins_with_the_last_window(house: Household) -> None:
    await deleted(house, 1)
    await house.purge()
    house.passes(house.rules.lease.window + HOUR)
    metrics = Metrics()
    count = RemovalCount(house.catalog, house.clock, metrics)
    await count.run(house.rules.lease)
    assert counted(metrics) == {}
