"""The daemon's own audit tells only of what two looks in a row saw."""

from dataclasses import replace

import pytest

from ipsync.jobs.audit import Audit, Witness
from ipsync.jobs.audit_standing import WHOLE, findings_standing, remember_findings
from ipsync.jobs.audit_watch import AuditWatch
from ipsync.policy.accounts import AccountState
from ipsync.policy.instants import HOUR
from tests.jobs.household import Household


async def belongs() -> bool:
    """Database and store are one."""
    return True


def the_watch(house: Household) -> AuditWatch:
    """The job, on a household."""
    witness = Witness(house.outside, house.catalog.check, list, lambda _head: True, belongs)
    return AuditWatch(Audit(house.catalog, house.store, witness, house.clock, house.rules), house.catalog)


def told(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged, with its fields."""
    return str([vars(record) for record in caplog.records])


async def test_a_sound_mirror_gives_nothing_to_tell(house: Household, caplog: pytest.LogCaptureFixture) -> None:
    watch = the_watch(house)
    await house.member(7, 3)
    await house.mirror()

    assert [await watch.run() for _ in range(3)] == [0, 0, 0]
    assert "audit" not in caplog.text


async def test_what_stands_is_told_at_the_second_look(house: Household, caplog: pytest.LogCaptureFixture) -> None:
    watch = the_watch(house)
    mine = await house.member(7, 3)
    await house.mirror()
    house.passes(21 * HOUR)

    assert await watch.run() == 0
    assert await watch.run() == len(mine)
    assert "not-hidden" in told(caplog)

    assert house.catalog.read_now(findings_standing) == len(mine)
    assert await the_watch(house).run() == 0
    assert house.catalog.read_now(findings_standing) == len(mine), "a restart ends nothing"

    await house.expire()
    assert await watch.run() == 0
    assert house.catalog.read_now(findings_standing) == 0


async def test_what_the_whole_audit_found_is_not_ended_by_the_quick_one(house: Household) -> None:
    await remember_findings(house.catalog, WHOLE, 3)
    watch = the_watch(house)
    assert [await watch.run() for _ in range(2)] == [0, 0]
    assert house.catalog.read_now(findings_standing) == 3
    await remember_findings(house.catalog, WHOLE, 0)
    assert house.catalog.read_now(findings_standing) == 0


async def test_what_a_job_was_about_to_act_on_is_not_told(house: Household) -> None:
    watch = the_watch(house)
    await house.member(7, 3)
    await house.mirror()
    house.passes(21 * HOUR)

    assert await watch.run() == 0
    await house.expire()
    house.passes(2 * HOUR)
    assert await watch.run() == 0  # other findings than before: past the deadline now


async def test_T15_documents_of_a_member_who_left_are_told(house: Household, caplog: pytest.LogCaptureFixture) -> None:
    watch = the_watch(house)
    await house.member(7, 2)
    await house.mirror()
    account = house.account(7)
    await house.catalog.write(lambda tx: tx.put_account(replace(account, state=AccountState.LOST)))

    await watch.run()
    assert await watch.run() == 2
    assert "no-grant" in told(caplog)
    assert "token-kept" in told(caplog)
