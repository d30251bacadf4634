"""Mass disappearance: all of it is hidden at once, a sample is asked first, and nothing waits beyond its deadline."""

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import HOUR, MINUTE, SECOND
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.policy.tripwire import Phase, Resolution, Tripwire
from ipsync.ports.source import Later, Malformed
from tests.fakes.source import Asked
from tests.jobs.household import Household

MANY = 150
SAMPLE = 12  # 5 % of 1000 requests an hour, for a quarter of an hour


async def disappeared(house: Household, number: int = MANY) -> list[int]:
    """A member whose listing is empty though everything is there, and a neighbor."""
    mine = await house.member(7, number)
    await house.member(8, 3)
    await house.mirror()
    house.source.unlisted |= set(mine)
    await house.sync()
    return mine


def wire(house: Household, account_id: int = 7) -> Tripwire:
    """The newest tripwire of an account."""
    return house.catalog.read_now(lambda view: view.tripwires(account_id=account_id, active_only=False))[0]


def asked_for(house: Household) -> int:
    return len(house.source.calls("doc.get"))


async def test_F12_an_empty_listing_hides_all_at_once_and_is_contradicted_by_one_question(house: Household) -> None:
    mine = await disappeared(house)
    # Hidden in the transaction that ended the sweep, a second after the answer at the latest.
    removal = house.removal(mine[0])
    assert removal.hidden_at - removal.detected_at <= SECOND
    assert not house.served() & set(mine)
    tripped = wire(house)
    assert (tripped.phase, tripped.missing, tripped.held, len(tripped.sample)) == (Phase.SAMPLING, MANY, MANY, SAMPLE)
    report = await house.confirm()
    assert (report.withdrawn, report.confirmed, asked_for(house)) == (1, 0, 1)
    assert wire(house).phase is Phase.REREADING
    # The others are not asked about one by one: their listing is read again, a while later.
    assert (await house.confirm()).withdrawn == 0
    house.source.unlisted = set()
    pages = len(house.source.calls("doc.getList"))
    await house.sync(force=False)
    assert len(house.source.calls("doc.getList")) == pages
    house.passes(5 * MINUTE)
    await house.sync(force=False)
    await house.confirm()
    assert house.served() >= set(mine)
    ended = wire(house)
    assert (ended.phase, ended.resolution, ended.ended_at) == (Phase.ENDED, Resolution.FALSE_ALARM, house.clock.now())
    assert asked_for(house) == 1
    assert (await house.purge()).erased == 0


async def test_F12_an_owner_who_deleted_everything_is_believed_after_the_sample(house: Household) -> None:
    mine = await house.member(7, MANY)
    await house.mirror()
    for number in mine:
        house.source.delete(number)
    await house.sync()
    assert (await house.confirm(limit=SAMPLE)).confirmed == SAMPLE
    assert wire(house).phase is Phase.CONFIRMING
    # Those of the sample are certain: nothing holds them back.
    assert (await house.purge()).erased == SAMPLE
    await house.confirm(limit=MANY)
    assert (await house.purge()).erased == MANY - SAMPLE
    await house.confirm()
    assert wire(house).resolution is Resolution.CONFIRMED
    assert {removal.reason for removal in house.removals(*mine)} == {Reason.DELETED}


async def test_F12_the_sample_comes_from_all_pages(house: Household) -> None:
    mine = await disappeared(house)
    sample = {
        house.catalog.read_now(lambda view, n=number: view.removal(n)).document_id for number in wire(house).sample
    }
    thirds = [set(mine[:50]), set(mine[50:100]), set(mine[100:])]
    assert all(sample & third for third in thirds)


async def test_F12_I2_I10_if_nobody_answers_nothing_goes_before_the_deadline_and_all_of_it_then(
    house: Household,
) -> None:
    mine = await disappeared(house)
    house.source.fail("*", lambda method: Later(method, "down"), None)
    for _ in range(21):
        house.passes(HOUR)
        await house.tick()
        assert house.on_disk() >= set(mine)
        assert not house.served() & set(mine)
    house.passes(HOUR)
    await house.tick()
    assert not house.on_disk() & set(mine)
    assert {removal.stage for removal in house.removals(*mine)} == {Stage.GONE}
    await house.confirm()
    assert wire(house).resolution is Resolution.DEADLINE


async def test_F13_half_a_listing_is_read_again_and_what_is_really_gone_is_told_apart(house: Household) -> None:
    mine = await house.member(7, 200)
    await house.mirror()
    for number in mine[:5]:
        house.source.delete(number)
    house.source.unlisted = set(mine[5:100])
    await house.sync()
    assert house.served() == set(mine[100:])
    assert wire(house).missing == 100
    for _ in range(3):
        await house.confirm()
        if wire(house).phase is Phase.REREADING:
            break
    house.source.unlisted = set()
    house.passes(5 * MINUTE)
    await house.sync(force=False)
    await house.confirm()
    await house.confirm()
    assert house.served() == set(mine[5:])
    assert wire(house).resolution is Resolution.PARTLY
    await house.purge()
    assert house.on_disk() == set(mine[5:])
    assert asked_for(house) <= SAMPLE + 5


async def test_F13_a_listing_that_stays_short_loses_its_say_and_each_document_is_asked_about(house: Household) -> None:
    mine = await disappeared(house, 60)
    for _ in range(10):
        await house.confirm()
        house.passes(5 * MINUTE)
        await house.sync(force=False)
        house.source.unlisted = set(mine)
    assert wire(house).rereads <= 3
    await house.confirm()
    assert house.on_disk() >= set(mine)
    assert {removal.stage for removal in house.removals(*mine)} <= {Stage.WITHDRAWN, Stage.SUSPECTED}
    assert not [removal for removal in house.removals(*mine) if removal.stage is Stage.GONE]


async def test_F13_a_doubted_listing_that_cannot_be_read_is_not_waited_for(house: Household) -> None:
    mine = await disappeared(house)
    await house.confirm()

    def broken(asked: Asked) -> None:
        if asked.method == "doc.getList" and asked.account_id == 7:
            raise Malformed("doc.getList", "HTML")

    house.source.on_call = broken
    house.passes(HOUR)
    await house.sync(force=False)
    assert (await house.confirm(limit=MANY)).withdrawn == MANY - 1
    assert house.served() >= set(mine)


async def test_F14_a_few_that_shifted_trip_nothing(house: Household) -> None:
    mine = await house.member(7, 250)
    await house.mirror()
    house.source.unlisted = set(mine[:49])
    await house.sync()
    assert house.catalog.read_now(lambda view: view.tripwires(active_only=False)) == []
    assert (await house.confirm()).withdrawn == 49


async def test_the_neighbor_is_asked_about_meanwhile(house: Household) -> None:
    await disappeared(house, 700)
    house.source.delete(next(entry.document_id for entry in house.source.documents.values() if entry.account_id == 8))
    await house.confirm()
    assert wire(house).phase is Phase.REREADING
    await house.sync(8)
    assert (await house.confirm()).confirmed == 1


async def test_T11_an_owners_request_is_not_held_back(house: Household) -> None:
    mine = await disappeared(house)
    await house.confirm()
    await house.requests.file(Subject(RequestScope.DOCUMENT, mine[0], 7), Words("", ""))
    assert (await house.purge()).erased == 1
    assert mine[0] not in house.on_disk()
    await house.requests.file(Subject(RequestScope.ACCOUNT, 7, 7), Words("", ""))
    await house.purge()
    assert not house.on_disk() & set(mine)
    await house.confirm()
    assert wire(house).resolution in (Resolution.OVERTAKEN, Resolution.PARTLY, Resolution.FALSE_ALARM)


@pytest.mark.parametrize("ending", ["revoke", "close_account"])
async def test_F18_F19_a_lost_grant_or_a_closed_account_is_not_held_back(house: Household, ending: str) -> None:
    mine = await disappeared(house)
    getattr(house.source, ending)(7)
    await house.confirm()
    assert house.account_state(7) is AccountState.DOUBTED
    await house.grants(7)
    await house.purge()
    assert not house.on_disk() & set(mine)
    await house.confirm()
    assert wire(house).resolution is Resolution.OVERTAKEN


async def test_a_paused_account_has_no_listing_to_read_so_each_is_asked_about(house: Household) -> None:
    mine = await disappeared(house)
    await house.confirm()
    await house.accounts.pause(7)
    assert (await house.confirm(limit=MANY)).withdrawn == MANY - 1
    assert {house.state(number) for number in mine} == {DocumentState.LIVE}
    assert wire(house).resolution is Resolution.FALSE_ALARM


async def test_what_goes_missing_while_the_sample_is_asked_joins(house: Household) -> None:
    mine = await house.member(7, 200)
    await house.mirror()
    house.source.unlisted = set(mine[:100])
    await house.sync()
    house.source.unlisted = set(mine)
    await house.sync()
    tripped = house.catalog.read_now(lambda view: view.tripwires())
    assert [entry.missing for entry in tripped] == [200]


async def test_a_second_disappearance_is_sampled_though_the_first_was_true(house: Household) -> None:
    mine = await house.member(7, 250)
    await house.mirror()
    for number in mine[:100]:
        house.source.delete(number)
    await house.sync()
    await house.confirm(limit=SAMPLE)
    first = wire(house)
    assert first.phase is Phase.CONFIRMING
    house.source.unlisted = set(mine[100:])
    await house.sync()
    second = wire(house)
    assert second.tripwire_id != first.tripwire_id
    assert (second.phase, second.first_removal) == (Phase.SAMPLING, first.last_removal + 1)


async def test_it_survives_a_restart(house: Household) -> None:
    mine = await disappeared(house)
    house.configure(house.rules)
    await house.confirm()
    house.configure(house.rules)
    house.source.unlisted = set()
    house.passes(5 * MINUTE)
    await house.sync(force=False)
    house.configure(house.rules)
    await house.confirm()
    assert house.served() >= set(mine)
    assert wire(house).resolution is Resolution.FALSE_ALARM


async def test_a_batch_of_removals_keeps_what_was_read_before(house: Household) -> None:
    mine = await house.member(7, 250)
    await house.mirror()
    house.source.delete(mine[0])
    house.source.delete(mine[130])
    await house.sync()
    removals = house.removals(mine[0], mine[130])
    told = house.catalog.read_now(lambda view: view.certificates_of(removals))
    assert set(told) == {removal.removal_id for removal in removals}
    (certificate,) = set(told.values())
    pages = [asked.sent_at for asked in house.source.calls("doc.getList")[-3:]]
    assert (certificate.first_sent_at, certificate.last_sent_at) == (pages[0], pages[-1])
    assert (certificate.pages, certificate.pages_claimed, certificate.total) == (3, 3, 248)
    assert (certificate.named, certificate.distinct, certificate.held, certificate.missing) == (248, 248, 250, 2)
    assert certificate.is_whole
    assert {removal.certificate for removal in removals} == {"pages=3 total=248 distinct=248"}
    # A removal of another origin has none, though its number lies between.
    await house.requests.file(Subject(RequestScope.DOCUMENT, mine[1], 7), Words("", ""))
    house.source.delete(mine[2])
    await house.sync()
    other = house.removals(mine[1])
    assert house.catalog.read_now(lambda view: view.certificates_of(other)) == {}
    assert len(house.catalog.read_now(lambda view: view.certificates(account_id=7, limit=10))) == 2
    assert house.catalog.read_now(lambda view: view.certificates(before=2, limit=10)) == [certificate]


async def test_F16_a_certificate_shows_a_listing_that_claimed_more_than_it_named(house: Household) -> None:
    mine = await house.member(7, 5)
    await house.mirror()
    house.source.claimed_total[7] = 5
    house.source.unlisted = {mine[0]}
    await house.sync()
    (certificate,) = house.catalog.read_now(lambda view: view.certificates(limit=10))
    assert (certificate.total, certificate.named) == (5, 4)
    assert not certificate.is_whole
