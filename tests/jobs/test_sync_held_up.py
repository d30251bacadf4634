"""Sweeps that are interrupted, refused, starved of budget, or begun long ago: nobody pays for another's trouble."""

from collections.abc import Callable

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.instants import HOUR, MINUTE, SECOND
from ipsync.ports.source import KeyRefused, Lane, Later, Malformed, QuotaReached, Refused, SourceFailure
from tests.fakes.source import Asked
from tests.jobs.household import Household


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", range(1, 7))
async def test_F1_a_sweep_that_died_anywhere_goes_on_and_overlooks_nothing(
    house: Household, at: int, before: bool
) -> None:
    mine = await house.member(7, 320)
    await house.sync()
    gone = {mine[10], mine[150], mine[310]}  # on the last, a middle and the first page
    for number in gone:
        house.source.delete(number)
    verified = {number: held.document.verified_at for number, held in house.held().items()}
    with house.crashing(at, before=before):
        await house.sync()
    is_under_way = house.listing(7).sweep_started_at is not None
    house.passes(5 * MINUTE)
    await house.sync(force=False)
    pages = [asked.subject for asked in house.source.calls("doc.getList")][4:]
    if is_under_way:
        # Every page is read, and at most the one that was under way is read twice; a look beyond the end costs one.
        assert set(pages) >= {1, 2, 3, 4}
        assert len(pages) <= 5
    for _ in range(10):  # where no sweep is on record, the plan reads the pages, each in its turn
        house.passes(HOUR)
        await house.sync(force=False)
    assert house.served() == set(mine) - gone
    for number in set(mine) - gone:
        document = house.document(number)
        assert document is not None
        assert document.verified_at > verified[number]
    await house.confirm()
    await house.purge()
    assert set(house.held()) == set(mine) - gone


async def test_a_sweep_that_failed_in_the_middle_goes_on_where_it_was(house: Household) -> None:
    await house.member(7, 250)
    house.source.on_call = lambda asked: _fail_on(asked, page=2)
    await house.sync()
    assert len(house.served()) == 100
    house.source.on_call = None
    house.passes(MINUTE)
    report = await house.sync(force=False)
    assert [asked.subject for asked in house.source.calls("doc.getList")] == [1, 2, 2, 3]
    assert (report.sweeps, report.missing) == (1, 0)
    assert len(house.served()) == 250


def _fail_on(asked: Asked, page: int) -> None:
    if asked.subject == page:
        raise Later("doc.getList", "down")


async def test_a_sweep_interrupted_too_long_ago_begins_anew(house: Household) -> None:
    await house.member(7, 250)
    house.source.on_call = lambda asked: _fail_on(asked, page=3)
    await house.sync()
    house.source.on_call = None
    house.passes(20 * HOUR)
    await house.sync(force=False)
    assert [asked.subject for asked in house.source.calls("doc.getList")] == [1, 2, 3, 1, 2, 3]


async def test_before_that_it_goes_on_since_the_pages_it_did_not_reach_hold_the_oldest_leases(
    house: Household,
) -> None:
    await house.member(7, 250)
    house.source.on_call = lambda asked: _fail_on(asked, page=3)
    await house.sync()
    house.source.on_call = None
    house.passes(19 * HOUR)
    await house.sync(force=False)
    assert [asked.subject for asked in house.source.calls("doc.getList")][:4] == [1, 2, 3, 3]


FAILURES: list[Callable[[str], SourceFailure]] = [
    lambda method: Later(method, "down"),
    lambda method: Malformed(method, "HTML"),
]


@pytest.mark.parametrize("failing", FAILURES)
async def test_F10_F11_no_answer_is_no_observation(house: Household, failing: Callable[[str], SourceFailure]) -> None:
    mine = await house.member(7, 120)
    await house.mirror()
    before = {number: held.document for number, held in house.held().items()}
    house.source.fail("doc.getList", failing, None)
    report = await house.sync()
    assert list(report.failures) == [7]
    assert {number: held.document for number, held in house.held().items()} == before
    assert house.served() == set(mine)
    assert house.account(7).failures == 1
    house.source.heal()
    house.passes(HOUR)
    await house.sync(force=False)
    assert (house.account(7).failure, house.account(7).failures) == ("", 0)


async def test_one_accounts_trouble_does_not_hold_up_anothers_pages(house: Household) -> None:
    await house.member(7, 250)
    await house.member(8, 250)

    def broken(asked: Asked) -> None:
        if asked.account_id == 7 and asked.subject == 2:
            raise Malformed("doc.getList", "an odd entry")

    house.source.on_call = broken
    report = await house.sync()
    assert list(report.failures) == [7]
    assert len(house.served()) == 100 + 250


async def test_T21_while_ipernity_answers_nobody_it_is_asked_seldom(house: Household) -> None:
    for account_id in range(1, 21):
        await house.member(account_id, 1)
    await house.mirror()
    house.source.fail("*", lambda method: Later(method, "down"), None)
    asked_before = len(house.source.asked)
    for _ in range(6 * 60):
        await house.tick()
        house.passes(MINUTE - 9 * SECOND)
    assert len(house.source.asked) - asked_before < 6 * 2 * 4 + 20
    assert len(house.served()) == 20
    house.source.heal()
    house.passes(HOUR)
    await house.tick()
    assert house.account(20).failures == 0


async def test_T21_a_refused_key_is_not_tried_over_and_over(house: Household) -> None:
    await house.member(7, 1)
    await house.member(8, 1)
    await house.mirror()
    house.source.fail("*", lambda method: KeyRefused(method, "ipernity does not accept the API key", 100), None)
    before = len(house.source.asked)
    for _ in range(4 * 60):
        await house.tick()
        house.passes(MINUTE - 9 * SECOND)
    assert len(house.source.asked) - before < 4 * 2 * 2 + 20
    assert house.account_state(7) is AccountState.ACTIVE


async def test_F20_a_spent_budget_ends_the_run(house: Household) -> None:
    await house.member(7, 1)
    await house.sync()
    house.source.fail("doc.getList", lambda method: QuotaReached(method, "the budget allows none", 112), None)
    report = await house.sync()
    assert report.stopped.startswith("doc.getList: the budget allows none")
    assert house.account(7).failures == 0


async def test_F20_a_long_first_reading_does_not_cost_others_their_leases(house: Household) -> None:
    await house.member(7, 150)
    await house.mirror()
    await house.member(8, 300)

    def budget(asked: Asked) -> None:
        if asked.lane is Lane.DISCOVERY:
            raise QuotaReached("doc.getList", "what is left is for leases")

    house.source.on_call = budget
    report = await house.sync()
    assert report.sweeps == 1
    assert report.stopped
    assert [asked.account_id for asked in house.source.calls("doc.getList")[-3:]] == [7, 8, 7]
    listing = house.listing(7)
    assert listing.completed_at is not None


async def test_what_becomes_due_during_a_long_run_joins_in(house: Household) -> None:
    await house.member(7, 1)
    await house.sync()
    await house.member(8, 1500)
    house.source.on_call = lambda _asked: house.passes(2 * MINUTE)
    report = await house.sync(force=False)
    order = [asked.account_id for asked in house.source.calls("doc.getList")]
    assert order.count(7) > 3
    assert order.index(7, 2) < len(order) - 1
    assert report.sweeps > 2


async def test_a_run_ends_after_a_while_and_the_next_goes_on(house: Household) -> None:
    await house.member(7, 3000)
    house.source.on_call = lambda _asked: house.passes(5 * MINUTE)
    first = await house.sync(force=False)
    assert (first.pages, first.sweeps) == (12, 0)
    second = await house.sync(force=False)
    assert second.pages == 12
    assert house.listing(7).next_page == 25


@pytest.mark.parametrize("code", [109, 110])
async def test_F18_what_is_not_permitted_any_more_hides_the_account_at_once(house: Household, code: int) -> None:
    mine = await house.member(7, 2)
    theirs = await house.member(8, 1)
    await house.mirror()

    def scopes(asked: Asked) -> None:
        if asked.account_id == 7:
            raise Refused("doc.getList", "the member has not granted this permission", code)

    house.source.on_call = scopes
    await house.sync()
    assert house.account_state(7) is AccountState.DOUBTED
    assert house.served() == set(theirs)
    assert house.on_disk() == {*mine, *theirs}


async def test_listings_of_levels_that_are_not_mirrored_any_more_are_forgotten(house: Household) -> None:
    house.configure_view(visibility=frozenset({Visibility.PUBLIC, Visibility.FRIENDS}))
    await house.member(7, 1)
    friends = house.source.add_document(7, visibility=Visibility.FRIENDS)
    await house.mirror()
    house.configure_view(visibility=frozenset({Visibility.PUBLIC}))
    assert friends not in house.served()
    await house.apply_policy()
    await house.purge()
    assert friends not in house.on_disk()
    await house.sync()
    listings = house.catalog.read_now(lambda view: view.listings(7))
    assert [entry.visibility for entry in listings] == [Visibility.PUBLIC]


async def member_of_years(house: Household, documents: int) -> list[int]:
    """A member who posted a document every hour."""
    mine = await house.member(7, documents)
    for age, number in enumerate(reversed(mine), 1):
        house.source.documents[number].posted_at -= age * HOUR
    return mine


async def test_after_its_first_reading_a_listing_is_read_page_by_page_over_the_period(house: Household) -> None:
    mine = await member_of_years(house, 1000)
    await house.sync()
    pages = []
    for _ in range(20):
        before = len(house.source.calls("doc.getList"))
        house.passes(30 * MINUTE)
        await house.sync(force=False)
        asked = house.source.calls("doc.getList")[before:]
        pages += [call.subject for call in asked if call.lane is Lane.VERIFICATION]
        assert len(asked) <= 4
    assert sorted(set(pages)) == list(range(1, 11))
    assert len(pages) <= 12
    now = house.clock.now()
    assert all(now - held.document.verified_at <= 10 * HOUR + 30 * MINUTE for held in house.held().values())
    assert house.served() == set(mine)


async def test_T10_a_document_missing_from_its_page_is_hidden_by_that_answer(house: Household) -> None:
    mine = await member_of_years(house, 1000)
    await house.sync()
    await house.sync(force=False)
    gone = {mine[333], mine[777]}
    for number in gone:
        house.source.delete(number)
    house.passes(6 * MINUTE)
    report = await house.sync(force=False)
    # The first answer tells that two are missing, and they are located at once.
    assert report.missing == 2
    assert house.served() == set(mine) - gone
    assert report.pages <= 1 + 2 * 5
    await house.confirm()
    await house.purge()
    assert gone.isdisjoint(house.on_disk())


async def test_F16_two_swapped_documents_are_found_when_their_page_is_read(house: Household) -> None:
    mine = await member_of_years(house, 300)
    await house.sync()
    house.source.delete(mine[150])
    house.source.add_document(7)
    for _ in range(22):
        house.passes(30 * MINUTE)
        await house.sync(force=False)
    assert mine[150] not in house.served()
    assert len(house.served()) == 300


async def test_a_restart_goes_on_with_what_the_catalog_keeps(house: Household) -> None:
    mine = await member_of_years(house, 1000)
    await house.sync()
    for _ in range(8):
        house.passes(HOUR)
        await house.sync(force=False)
        house.configure(house.rules)
    house.source.delete(mine[500])
    house.configure(house.rules)
    house.passes(6 * MINUTE)
    await house.sync(force=False)
    assert house.served() == set(mine) - {mine[500]}
    asked = house.source.calls("doc.getList")[10:]
    assert len([call for call in asked if call.lane is Lane.VERIFICATION]) <= 12


async def test_what_the_catalog_refused_to_write_is_planned_anew(house: Household) -> None:
    mine = await house.member(7, 300)
    await house.sync()
    house.passes(11 * HOUR)
    with house.crashing(1, before=True):
        await house.sync(force=False)
    for _ in range(6):
        house.passes(2 * MINUTE)
        await house.sync(force=False)
    now = house.clock.now()
    assert all(now - held.document.verified_at <= HOUR for held in house.held().values())
    assert house.served() == set(mine)


async def test_a_budget_of_nothing_is_no_error(house: Household) -> None:
    await house.member(7, 1)
    house.requests_per_hour = 0.0
    await house.sync()
    house.passes(10 * HOUR)
    assert (await house.sync(force=False)).renewed == 1


async def test_an_account_without_a_token_is_not_read(house: Household) -> None:
    await house.member(7, 1)
    house.catalog.write_now(lambda tx: tx.end_grant(7, house.clock.now(), "removed"))
    assert (await house.sync()).pages == 0
    assert house.state(1001) is None


async def test_a_document_past_its_deadline_is_not_called_back_by_a_page(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.passes(22 * HOUR)
    await house.sync()
    assert house.served() == set()
    await house.expire()
    assert house.state(mine[0]) is DocumentState.DOOMED
    await house.purge()
    await house.mirror()
    assert house.served() == set(mine)
