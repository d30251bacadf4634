"""`removal.unverified = "seal"`: what is kept while ipernity answers nobody, and what goes all the same."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ipsync.jobs.health import publish, read_health
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.ports.source import KeyRefused, Later, Malformed, QuotaReached, SourceFailure
from tests.jobs.household import RULES, Household

SEAL = replace(RULES, lease=Lease(DAY, 7 * DAY))


@pytest.fixture
def house(households: Callable[..., Household]) -> Household:
    """A mirror that seals."""
    return households(rules=SEAL)


def down(house: Household, failing: Callable[[str], SourceFailure] = lambda method: Later(method, "down")) -> None:
    house.source.fail("*", failing, None)


async def hours_pass(house: Household, hours: int) -> None:
    for _ in range(hours):
        house.passes(HOUR)
        await house.tick()


async def breaches(house: Household) -> str:
    text, _ = house.metrics.render()
    return next(line for line in text.decode().splitlines() if line.startswith("ipsync_deadline_breaches_total "))


@pytest.mark.parametrize("failing", [lambda method: Later(method, "down"), lambda method: Malformed(method, "HTML")])
async def test_F10_during_an_outage_hidden_copies_are_kept_and_come_back(
    house: Household, failing: Callable[[str], SourceFailure]
) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    down(house, failing)
    await hours_pass(house, 26)
    assert {house.state(number) for number in mine} == {DocumentState.SEALED}
    assert house.served() == set()
    assert house.on_disk() == set(mine)
    health = await read_health(house.catalog, house.clock, house.rules.lease, 1000)
    document = house.document(mine[0])
    assert document is not None
    assert health.sealed_until == document.verified_at + 7 * DAY
    assert (health.overdue, health.is_lawful) == (0, True)
    publish(health, house.metrics)
    assert b'ipsync_documents{state="sealed"} 3.0' in house.metrics.render()[0]
    house.source.heal()
    await hours_pass(house, 2)
    assert house.served() == set(mine)
    assert house.open_removals() == []


async def test_at_the_end_of_its_time_it_is_erased_and_that_is_no_breach(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    down(house)
    await hours_pass(house, 6 * 24 + 20)
    assert house.on_disk() == set(mine)
    await hours_pass(house, 4)
    assert house.on_disk() == set()
    removal = house.removal(mine[0])
    assert (removal.stage, removal.reason, removal.certificate) == (Stage.GONE, Reason.EXPIRED, "sealed; deadline")
    assert removal.gone_at is not None
    assert removal.gone_at <= removal.erase_by == removal.first_unsafe_at + 7 * DAY
    assert await breaches(house) == "ipsync_deadline_breaches_total 0.0"


async def test_I4_what_was_removed_meanwhile_goes_once_it_is_confirmed(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    down(house)
    house.source.delete(mine[0])
    house.source.share(mine[1], Visibility.PRIVATE)
    await hours_pass(house, 30)
    house.source.heal()
    house.passes(HOUR)
    await house.sync()
    # Absent from its listing, and not yet confirmed: it waits, sealed.
    assert house.state(mine[0]) is DocumentState.SEALED
    assert house.on_disk() == set(mine)
    await house.confirm()
    await house.purge()
    assert house.on_disk() == house.served() == {mine[2]}
    removal = house.removal(mine[0])
    assert removal.certificate == "sealed; pages=1 total=1 distinct=1; doc.get error 1"
    assert await breaches(house) == "ipsync_deadline_breaches_total 0.0"


async def test_F12_I10_an_empty_listing_after_an_outage_erases_nothing(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    down(house)
    await hours_pass(house, 30)
    house.source.heal()
    house.source.unlisted = set(mine)
    await house.sync()
    await house.sync()
    # One batch of removals arose, so there is one certificate.
    assert len(house.catalog.read_now(lambda view: view.certificates(limit=9))) == 1
    await house.purge()
    assert house.on_disk() == set(mine)
    assert (await house.confirm()).withdrawn == 3
    assert house.served() == set(mine)


async def test_T11_an_owners_request_breaks_the_seal(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    down(house)
    await hours_pass(house, 26)
    await house.requests.file(Subject(RequestScope.DOCUMENT, mine[0], 7), Words("", ""))
    await house.purge()
    assert house.on_disk() == set(mine[1:])
    await house.requests.file(Subject(RequestScope.ACCOUNT, 7, 7), Words("", ""))
    await house.purge()
    assert house.on_disk() == set()
    assert await breaches(house) == "ipsync_deadline_breaches_total 0.0"


async def test_F18_a_lost_grant_breaks_the_seal(house: Household) -> None:
    await house.member(7, 3)
    await house.mirror()
    down(house)
    await hours_pass(house, 26)
    house.source.heal()
    house.source.revoke(7)
    await hours_pass(house, 1)
    assert house.account_state(7) is AccountState.LOST
    assert house.on_disk() == set()
    assert await breaches(house) == "ipsync_deadline_breaches_total 0.0"


@pytest.mark.parametrize("failure", [QuotaReached, KeyRefused])
async def test_F20_a_spent_budget_or_a_refused_key_is_no_outage(house: Household, failure: type[SourceFailure]) -> None:
    await house.member(7, 2)
    await house.mirror()
    down(house, lambda method: failure(method, "no"))
    await hours_pass(house, 23)
    assert house.on_disk() == set()


async def test_a_suspicion_is_not_sealed(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    house.source.unlisted = {mine[0]}
    await house.sync()
    down(house)
    await hours_pass(house, 24)
    assert house.on_disk() == set(mine[1:])
    assert house.removal(mine[0]).stage is Stage.GONE


async def test_a_paused_account_is_not_sealed(house: Household) -> None:
    await house.member(7, 2)
    theirs = await house.member(8, 1)
    await house.mirror()
    down(house)
    await house.accounts.pause(7)
    await hours_pass(house, 24)
    assert house.on_disk() == set(theirs)
    await house.accounts.pause(8)
    await hours_pass(house, 1)
    assert house.on_disk() == set()


async def test_a_poisoned_account_is_no_outage(house: Household) -> None:
    mine, theirs = await house.member(7, 2), await house.member(8, 2)
    await house.mirror()

    def broken(asked: object) -> None:
        if getattr(asked, "account_id", 0) == 7:
            raise Malformed("doc.getList", "never decodes")

    house.source.on_call = broken
    await hours_pass(house, 24)
    assert house.on_disk() == house.served() == set(theirs)
    assert not house.on_disk() & set(mine)


async def test_T09_a_daemon_that_was_away_seals_nothing(house: Household) -> None:
    await house.member(7, 2)
    await house.mirror()
    house.passes(3 * DAY)
    house.configure(house.rules)
    await house.expire()
    await house.purge()
    assert house.on_disk() == set()


async def test_the_record_of_the_outage_survives_a_restart(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    down(house)
    await hours_pass(house, 3)
    house.configure(house.rules)
    house.passes(20 * HOUR)
    await house.expire()
    assert {house.state(number) for number in mine} == {DocumentState.SEALED}
    # Whoever works without asking, e.g. a purge beside a daemon that hangs, goes by the record too.
    house.configure(house.rules)
    await house.expire()
    await house.purge()
    assert house.on_disk() == set(mine)


async def test_switching_sealing_off_erases_at_once(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    down(house)
    await hours_pass(house, 26)
    assert house.on_disk() == set(mine)
    house.configure(RULES)
    await house.expire()
    await house.purge()
    assert house.on_disk() == set()


async def test_what_is_not_verified_ten_hours_after_the_outage_goes(house: Household) -> None:
    mine = await house.member(7, 2)
    theirs = await house.member(8, 1)
    await house.mirror()
    down(house)
    await hours_pass(house, 26)
    house.source.heal()

    def broken(asked: object) -> None:
        if getattr(asked, "account_id", 0) == 7:
            raise Later("doc.getList", "only for this account")

    house.source.on_call = broken
    house.passes(MINUTE)
    await house.sync(8)
    await house.expire()
    assert house.on_disk() == {*mine, *theirs}
    house.passes(10 * HOUR)
    await house.expire()
    await house.purge()
    assert house.on_disk() == set(theirs)
