"""Suspicions: asked about once, the nearest deadline first, never over and over, never erased for one odd answer."""

from collections.abc import Callable

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.instants import HOUR, MINUTE, SECOND
from ipsync.policy.removals import Reason, Scope, Stage
from ipsync.ports.source import KeyRefused, Lane, Later, Malformed, QuotaReached, Refused, SourceFailure
from ipsync.ports.store import ContentKey
from tests.fakes.source import Asked
from tests.jobs.household import Household, at_once, content_of


async def suspected(house: Household, account_id: int, documents: int) -> list[int]:
    """A member of whose documents none is listed any more, though all are there."""
    mine = await house.member(account_id, documents)
    await house.sync()
    house.source.unlisted |= set(mine)
    await house.sync()
    return mine


async def test_F19_a_deleted_document_is_confirmed_by_error_1(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.delete(mine[0])
    await house.sync()
    assert (await house.confirm()).confirmed == 1
    removal = house.removal(mine[0])
    assert (removal.reason, removal.stage) == (Reason.DELETED, Stage.CONFIRMED)
    assert removal.certificate == "pages=1 total=1 distinct=1; doc.get error 1"
    assert house.state(mine[0]) is DocumentState.DOOMED
    assert {asked.lane for asked in house.source.calls("doc.get")} == {Lane.CONFIRMATION}


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda house, number: house.source.share(number, Visibility.PRIVATE), Reason.UNSHARED),
        (lambda house, number: house.source.relicense(number, 0), Reason.RELICENSED),
    ],
)
async def test_T10_what_the_owner_changed_is_the_reason(
    house: Household, act: Callable[[Household, int], None], reason: Reason
) -> None:
    house.configure_view(licenses=frozenset({1}))
    mine = await house.member(7, 1)
    await house.mirror()
    act(house, mine[0])
    await house.sync()
    await house.confirm()
    assert house.removal(mine[0]).reason is reason


async def test_what_our_configuration_bars_meanwhile_is_not_the_owners_doing(house: Household) -> None:
    mine = await suspected(house, 7, 1)
    house.configure_view(licenses=frozenset({3}))
    await house.confirm()
    assert house.removal(mine[0]).reason is Reason.POLICY_CHANGE


async def test_F13_a_file_that_was_replaced_goes_though_only_the_question_about_it_is_answered(
    house: Household,
) -> None:
    """Listings that leave a document out say nothing of its new file; what renews its lease must."""
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.replace(mine[0])
    house.source.unlisted |= set(mine)
    await house.sync()
    assert (await house.confirm()).withdrawn == 1
    assert house.served() == set(mine)
    assert house.served_files() == set()
    await house.purge()
    assert house.on_disk() == set()
    removal = house.removals(mine[0])[-1]
    assert (removal.reason, removal.scope, removal.files_erased) == (Reason.REPLACED, Scope.FILES, 2)
    await house.fetch()
    assert house.store.open(ContentKey(7, mine[0], "240")).read() == content_of(mine[0], 2, "240")


async def test_the_nearest_deadline_is_asked_about_first_whosever_it_is(house: Household) -> None:
    first, second = await house.member(7, 2), await house.member(8, 1)
    await house.sync(7)
    house.passes(HOUR)
    await house.sync(8)
    house.passes(HOUR)
    third = house.source.add_document(7)
    await house.sync(7)
    house.source.unlisted = {first[0], second[0], third}
    await house.sync()
    await house.confirm()
    asked = [asked.subject for asked in house.source.calls("doc.get")]
    assert asked == [second[0], first[0], third]


async def test_no_more_is_asked_than_may_be_at_once(house: Household) -> None:
    await suspected(house, 7, 5)
    assert (await house.confirm(limit=2)).withdrawn == 2
    assert (await house.confirm()).withdrawn == 3


@pytest.mark.parametrize(
    "failing", [lambda m: Later(m, "down"), lambda m: Malformed(m, "HTML"), lambda m: Refused(m, "not permitted", 110)]
)
async def test_F10_without_an_answer_a_suspicion_waits_longer_each_time(
    house: Household, failing: Callable[[str], SourceFailure]
) -> None:
    mine = await suspected(house, 7, 1)
    house.source.fail("doc.get", failing, None)
    waits = []
    for _ in range(9):
        assert (await house.confirm()).unanswered == 1
        waits.append(house.removal(mine[0]).next_try_at - house.clock.now())
        assert (await house.confirm()).unanswered == 0
        house.passes(HOUR)
    assert waits == [30 * SECOND * 2**n for n in range(6)] + [30 * MINUTE] * 3
    assert house.state(mine[0]) is DocumentState.SUSPECT
    house.source.heal()
    assert (await house.confirm()).withdrawn == 1


async def test_T21_while_nobody_is_answered_only_a_few_are_asked_about(house: Household) -> None:
    await suspected(house, 7, 30)
    house.source.fail("doc.get", lambda method: Later(method, "down"), None)
    for _ in range(60):
        await house.confirm()
        house.passes(MINUTE)
    assert len(house.source.calls("doc.get")) < 15


@pytest.mark.parametrize("failure", [QuotaReached, KeyRefused])
async def test_F20_a_spent_budget_or_a_refused_key_ends_the_run(house: Household, failure: type[SourceFailure]) -> None:
    mine = await suspected(house, 7, 3)
    house.source.fail("doc.get", lambda method: failure(method, "no"), None)
    report = await house.confirm()
    assert (report.confirmed, report.withdrawn, report.unanswered) == (0, 0, 0)
    assert len(house.source.calls("doc.get")) == 1
    assert {house.removal(number).next_try_at for number in mine} == {0}


async def test_F18_a_lost_grant_hides_the_account_and_blocks_no_other(house: Household) -> None:
    mine = await suspected(house, 7, 2)
    theirs = await suspected(house, 8, 2)
    house.source.revoke(7)
    assert (await house.confirm()).withdrawn == 2
    assert house.account_state(7) is AccountState.DOUBTED
    assert house.served() == set(theirs)
    assert len(house.source.calls("doc.get")) == 3  # the lost token was tried once
    assert {house.removal(number).stage for number in mine} == {Stage.SUSPECTED}


async def test_F18_a_doubted_accounts_suspicions_wait_and_crowd_nobody_out(house: Household) -> None:
    await suspected(house, 7, 700)
    house.source.revoke(7)
    await house.confirm()
    house.source.fail("auth.checkToken", lambda method: Later(method, "down"), None)
    theirs = await suspected(house, 8, 3)
    asked = len(house.source.calls("doc.get"))
    assert (await house.confirm(limit=5)).withdrawn == 3
    assert house.served() == set(theirs)
    assert len(house.source.calls("doc.get")) == asked + 3
    await house.confirm()
    assert len(house.source.calls("doc.get")) == asked + 3


async def test_a_paused_accounts_suspicions_are_settled(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.delete(mine[0])
    await house.sync()
    await house.accounts.pause(7)
    assert (await house.confirm()).confirmed == 1


@pytest.mark.parametrize("exists", [True, False])
async def test_an_answer_about_an_account_that_left_meanwhile_changes_nothing(house: Household, exists: bool) -> None:
    mine = await suspected(house, 7, 1)
    if not exists:
        house.source.delete(mine[0])

    def member(asked: Asked) -> None:
        house.leaves(7)

    house.source.on_call = member
    report = await house.confirm()
    assert (report.confirmed, report.withdrawn) == (0, 0)
    assert house.removal(mine[0]).reason is Reason.OWNER_REQUEST
    assert house.state(mine[0]) is DocumentState.DOOMED


async def test_a_suspicion_withdrawn_by_a_sweep_meanwhile_stays_withdrawn(house: Household) -> None:
    mine = await suspected(house, 7, 1)

    def listing(asked: Asked) -> None:
        if asked.method == "doc.get":
            house.source.unlisted = set()
            at_once(house.sync())
            house.source.documents.pop(mine[0])

    house.source.on_call = listing
    report = await house.confirm()
    assert report.confirmed == 0
    assert house.state(mine[0]) is DocumentState.LIVE
    assert house.removal(mine[0]).stage is Stage.WITHDRAWN


async def test_F17_an_answer_no_later_than_the_absence_is_no_news(house: Household) -> None:
    mine = await suspected(house, 7, 1)
    later = house.clock.now() + HOUR
    house.catalog.write_now(
        lambda tx: tx.update_documents([_absent(tx.documents(mine)[mine[0]], later)]),
    )
    report = await house.confirm()
    assert (report.withdrawn, report.confirmed) == (0, 0)
    assert house.state(mine[0]) is DocumentState.SUSPECT


def _absent(document, at):  # type: ignore[no-untyped-def]  # reason: a test's helper
    from dataclasses import replace

    return replace(document, absent_at=at)


async def test_a_document_past_its_deadline_is_not_called_back_by_an_answer(house: Household) -> None:
    mine = await suspected(house, 7, 1)
    house.passes(22 * HOUR)
    report = await house.confirm()
    assert (report.withdrawn, report.confirmed) == (0, 0)
    await house.purge()
    assert house.held() == {}
    assert house.removal(mine[0]).stage is Stage.GONE


async def test_I10_one_odd_answer_is_asked_about_again_and_erases_nothing(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.configure_view(licenses=frozenset({1}))
    house.source.relicense(mine[0], 0)
    await house.sync()
    house.source.relicense(mine[0], 1)
    await house.confirm()
    await house.purge()
    assert house.served() == set(mine)
    assert (7, mine[0]) == (house.removal(mine[0]).account_id, next(iter(house.on_disk())))


async def test_a_document_seen_again_is_compared_with_its_listing_by_the_next_sweep(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.unlisted = set(mine)
    await house.sync()
    house.source.replace(mine[0])
    house.source.documents[mine[0]].title = "Another picture"
    await house.confirm()
    document = house.document(mine[0])
    assert document is not None
    assert document.facts.title == "Another picture"
    house.source.unlisted = set()
    await house.sync()
    assert house.removal(mine[0]).reason is Reason.REPLACED


async def test_enough_is_found_beside_many_that_cannot_be_asked_about(house: Household) -> None:
    await suspected(house, 7, 3)
    theirs = await suspected(house, 8, 3)
    house.source.revoke(7)
    await house.grants(7)
    assert (await house.confirm(limit=2)).withdrawn == 2
    assert (await house.confirm(limit=2)).withdrawn == 1
    assert house.served() == set(theirs)
