"""The one question, answered in words: are we within the 24 hours, and how do we know?"""

from dataclasses import replace

from ipsync.jobs.standing import PARTS, age_bands, read_ages, read_standing
from ipsync.jobs.verdict import Level, Verdict, verdict
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.incidents import Condition, Incident
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.ports.catalog import JobRun
from tests.jobs.household import Household


async def judged(house: Household) -> Verdict:
    return verdict(await read_standing(house.catalog, house.clock, house.rules.lease, 1000), house.rules.lease)


async def opened(house: Household, condition: Condition, subject: str = "", number: int = 1) -> None:
    incident = Incident(condition, subject, number, house.clock.now())
    await house.catalog.write(lambda tx: tx.put_incident(incident))


async def test_an_empty_mirror_holds_nothing(house: Household) -> None:
    found = await judged(house)
    assert (found.level, found.headline) == (Level.GOOD, "Yes: nothing is held longer than it may be.")
    assert found.grounds == ("Nothing is held.", "No job has run yet.")


async def test_the_grounds_name_deadline_oldest_check_jobs_and_ledger(house: Household) -> None:
    await house.member(7, 3)
    await house.mirror()
    house.passes(2 * HOUR)
    now = house.clock.now()
    runs = [JobRun("purge", now, now, "StoreBroken", now - HOUR), JobRun("expiry", now, now, "", now)]
    await house.catalog.write(lambda tx: [tx.put_job_run(run) for run in runs])
    grounds = (await judged(house)).grounds
    assert grounds[0].endswith("UTC, in 22 h.")
    assert "was seen at ipernity within the last 2 h; after 20 h" in grounds[1]
    assert grounds[2] == "Erasing FAILED 0 s ago (StoreBroken); it went well last 60 min ago."
    assert grounds[3] == "Looking for leases that run out went well 0 s ago."
    assert "The ledger has 2 entries, signed" in grounds[4]


async def test_what_should_be_gone_comes_before_everything(house: Household) -> None:
    await house.member(7, 3)
    await house.mirror()
    await opened(house, Condition.SLACK_SHORT)
    house.passes(23 * HOUR + MINUTE)
    found = await judged(house)
    assert (found.level, found.headline) == (Level.WRONG, "No: 3 documents are held that should be gone.")


async def test_what_needs_a_person_makes_a_yes_weaker(house: Household) -> None:
    await house.member(7, 1)
    await house.mirror()
    await opened(house, Condition.GRANT_LOST, "7")
    found = await judged(house)
    assert (found.level, found.headline) == (Level.NOTICE, "Yes; one thing needs you: account 7 took its grant back.")
    await opened(house, Condition.CLOCK, number=90)
    assert (await judged(house)).headline == "Yes; 2 things need you."
    house.passes(20 * HOUR + 30 * MINUTE)
    await opened(house, Condition.SLACK_SHORT)
    assert (await judged(house)).headline == "Yes, but the nearest deadline is only 3.5 h away."


async def test_what_is_sealed_is_no_plain_yes(house: Household) -> None:
    (document,) = await house.member(7, 1)
    await house.mirror()
    held = house.document(document)
    assert held is not None
    await house.catalog.write(lambda tx: tx.update_documents([replace(held, state=DocumentState.SEALED)]))
    found = await judged(house)
    assert (found.level, "1 copy is sealed" in found.headline) == (Level.NOTICE, True)


async def test_accounts_in_trouble_come_first_and_removed_ones_not_at_all(house: Household) -> None:
    for account_id in (7, 8, 9):
        await house.member(account_id, 1)
    await house.mirror()
    await house.catalog.write(lambda tx: tx.put_account(replace(house.account(9), state=AccountState.LOST)))
    await house.accounts.remove(7)
    standing = await read_standing(house.catalog, house.clock, house.rules.lease, 1000)
    assert [(member.account.account_id, member.is_troubled) for member in standing.members] == [(9, True), (8, False)]
    assert (standing.members[1].served, standing.members[1].hidden) == (1, 0)
    assert standing.requests == 1


async def test_leases_are_counted_by_age_and_none_is_left_out(house: Household) -> None:
    lease = house.rules.lease
    documents = await house.member(7, 6)
    await house.mirror()
    now = house.clock.now()
    ages = (0, 11 * HOUR, 20 * HOUR, 22 * HOUR, 24 * HOUR, 100 * DAY)
    for document_id, age in zip(documents, ages, strict=True):
        held = house.document(document_id)
        assert held is not None
        state = DocumentState.LIVE if age < lease.serve_age else DocumentState.STALE
        aged = replace(held, verified_at=now - age, state=state)
        await house.catalog.write(lambda tx: tx.update_documents([aged]))  # noqa: B023  # reason: awaited at once
    counted = await read_ages(house.catalog, house.clock, lease)
    assert dict(counted.served) == {0: 1, 22: 1}
    assert dict(counted.hidden) == {40: 1, 44: 1, PARTS: 2}
    assert [band.number for band in age_bands(counted, lease)] == [1, 1, 1, 1, 2]
