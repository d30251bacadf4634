"""Grants: what a token permits now, doubts that end where they began, and accounts whose members said no."""

from collections.abc import Callable

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.removals import Reason, Stage
from ipsync.ports.source import (
    AccountClosed,
    GrantLost,
    KeyRefused,
    Lane,
    Later,
    Malformed,
    QuotaReached,
    Refused,
    SourceFailure,
)
from tests.fakes.source import Asked
from tests.jobs.household import Household, at_once


def lose(house: Household, account_id: int) -> None:
    house.source.revoke(account_id)


def close(house: Household, account_id: int) -> None:
    house.source.close_account(account_id)


@pytest.mark.parametrize(
    ("act", "state", "reason"),
    [(lose, AccountState.LOST, Reason.GRANT_LOST), (close, AccountState.CLOSED, Reason.ACCOUNT_CLOSED)],
)
async def test_T15_F18_F19_a_lost_grant_or_closed_account_is_hidden_asked_once_more_and_erased(
    house: Household, act: Callable[[Household, int], None], state: AccountState, reason: Reason
) -> None:
    mine, theirs = await house.member(7, 3), await house.member(8, 1)
    await house.mirror()
    act(house, 7)
    await house.sync()
    assert house.account_state(7) is AccountState.DOUBTED
    assert house.served() == set(theirs)
    assert house.on_disk() == {*mine, *theirs}  # I10: one answer erases nothing
    assert (await house.grants()).ended == 1
    assert house.account_state(7) is state
    assert house.catalog.read_now(lambda view: view.grant(7)) is None
    await house.purge()
    assert house.on_disk() == set(theirs)
    assert {(removal.reason, removal.stage) for removal in house.removals(*mine)} == {(reason, Stage.GONE)}
    (consent,) = house.catalog.read_now(lambda view: view.consents(7))
    assert consent.ended_reason == reason.value
    asked = len(house.source.asked)
    await house.tick()
    assert {entry.account_id for entry in house.source.asked[asked:]} <= {8}


async def test_T15_a_token_is_asked_after_each_half_window(house: Household) -> None:
    await house.member(7, 1)
    for _ in range(48):
        await house.grants()
        house.passes(HOUR)
    assert len(house.source.calls("auth.checkToken")) == 3
    assert {asked.lane for asked in house.source.calls("auth.checkToken")} == {Lane.VERIFICATION}


async def test_T15_a_check_itself_may_raise_the_doubt(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    lose(house, 7)
    report = await house.grants(7)
    assert (report.doubted, report.ended) == (1, 0)
    assert house.served() == set()
    report = await house.grants()
    assert (report.doubted, report.ended) == (0, 1)
    assert house.source.calls("auth.checkToken")[-1].lane is Lane.CONFIRMATION
    assert house.state(mine[0]) is DocumentState.DOOMED


@pytest.mark.parametrize("paused", [False, True])
async def test_I10_a_doubt_without_ground_changes_nothing(house: Household, paused: bool) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    if paused:
        await house.accounts.pause(7)
    before = house.account(7).state
    house.source.fail("auth.checkToken", lambda method: GrantLost(method, "an odd answer", 107))
    await house.grants(7)
    assert house.account_state(7) is AccountState.DOUBTED
    assert house.served() == set()
    assert (await house.grants()).checked == 1
    assert house.account_state(7) is before
    assert house.served() == set(mine)
    assert not house.open_removals()


async def test_F18_a_doubt_that_keeps_coming_back_is_looked_into_more_and_more_rarely(house: Household) -> None:
    await house.member(7, 1)
    await house.mirror()
    house.source.fail("doc.getList", lambda method: GrantLost(method, "an odd answer", 107), None)
    asked = len(house.source.asked)
    for _ in range(3 * 60):
        await house.tick()
        house.passes(MINUTE - 9 * SECOND)
    assert len(house.source.asked) - asked < 30
    house.source.heal()
    house.passes(HOUR)
    await house.tick()
    assert (house.account(7).state, house.account(7).failures, house.account(7).failure) == (
        AccountState.ACTIVE,
        0,
        "",
    )


async def test_F18_the_lease_of_a_doubted_account_runs_out_even_if_ipernity_never_answers_again(
    house: Household,
) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.fail("doc.getList", lambda method: GrantLost(method, "an odd answer", 107))
    await house.sync()
    house.source.fail("*", lambda method: Later(method, "down"), None)
    for _ in range(23):
        await house.tick()
        house.passes(HOUR - 9 * SECOND)
    assert house.account_state(7) is AccountState.DOUBTED
    assert not house.on_disk()
    assert {house.removal(number).stage for number in mine} == {Stage.GONE}
    assert len(house.source.calls("auth.checkToken")) < 60


async def test_F18_scopes_taken_back_hide_the_account_until_they_are_given_again(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    token = house.source.accounts[7].tokens
    for permissions in token.values():
        permissions["doc"] = "none"
    await house.grants(7)
    assert house.account_state(7) is AccountState.DOUBTED
    assert house.account(7).failure == "the member did not grant doc=read"
    assert house.served() == set()
    assert house.on_disk() == set(mine)
    await house.grants()
    assert len(house.source.calls("auth.checkToken")) == 1  # asked again half an hour later
    for permissions in token.values():
        permissions["doc"] = "read"
    house.passes(30 * MINUTE)
    await house.grants()
    assert house.account_state(7) is AccountState.ACTIVE
    assert house.served() == set(mine)


async def test_F18_scopes_taken_back_for_good_end_with_the_lease(house: Household) -> None:
    await house.member(7, 1)
    await house.mirror()
    for permissions in house.source.accounts[7].tokens.values():
        permissions.clear()
    await house.grants(7)
    for _ in range(24):
        await house.tick()
        house.passes(HOUR)
    assert not house.on_disk()
    assert house.account_state(7) is AccountState.DOUBTED


async def test_T13_a_token_that_grants_more_is_pointed_out(house: Household, caplog: pytest.LogCaptureFixture) -> None:
    house.source.add_account(7)
    await house.authorize(7, {"doc": "delete", "blog": "read"})
    caplog.set_level("INFO")
    await house.grants(7)
    assert "A token grants more than is used." in caplog.messages


async def test_F15_a_token_that_names_another_member_proves_nothing(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.member(8, 1)
    await house.mirror()
    house.source.accounts[8].tokens, house.source.accounts[7].tokens = house.source.accounts[7].tokens, {}
    await house.grants(7)
    assert house.account(7).failure == "the token names another member"
    assert house.account(7).next_check_at > house.clock.now()
    assert house.account_state(7) is AccountState.ACTIVE
    assert set(mine) <= house.served()


@pytest.mark.parametrize(
    "failing",
    [lambda m: Later(m, "down"), lambda m: Malformed(m, "HTML"), lambda m: Refused(m, "not permitted", 109)],
)
async def test_F10_T21_no_answer_says_nothing_and_is_not_asked_for_all_the_time(
    house: Household, failing: Callable[[str], SourceFailure]
) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.fail("auth.checkToken", failing, None)
    house.passes(12 * HOUR)
    for _ in range(12):
        await house.grants()
        await house.sync()
        house.passes(10 * MINUTE)
    assert 3 <= len(house.source.calls("auth.checkToken")) <= 4
    assert house.served() == set(mine)
    assert house.account(7).failure
    house.source.heal()
    house.passes(HOUR)
    await house.grants()
    assert house.account(7).failure == ""


async def test_F10_a_doubted_account_is_asked_after_soon_and_then_later_and_later(house: Household) -> None:
    await house.member(7, 1)
    house.source.fail("doc.getList", lambda method: GrantLost(method, "an odd answer", 107))
    await house.sync()
    house.source.fail("auth.checkToken", lambda method: Later(method, "down"), None)
    waits = []
    for _ in range(9):
        await house.grants(7)
        waits.append(house.account(7).next_check_at - house.clock.now())
    assert waits == [min(3 * HOUR, 4 * MINUTE * 2**n) for n in range(9)]


async def test_a_grant_that_holds_does_not_hide_that_listings_fail(house: Household) -> None:
    await house.member(7, 1)
    house.source.fail("doc.getList", lambda method: Later(method, "down"))
    await house.sync()
    await house.grants(7)
    assert (house.account(7).failure, house.account(7).failures) == ("down", 1)


@pytest.mark.parametrize("failure", [QuotaReached, KeyRefused])
async def test_F20_a_spent_budget_or_a_refused_key_ends_the_run(house: Household, failure: type[SourceFailure]) -> None:
    await house.member(7, 1)
    await house.member(8, 1)
    house.passes(DAY)
    house.source.fail("auth.checkToken", lambda method: failure(method, "no"), None)
    report = await house.grants()
    assert (report.checked, report.unanswered) == (0, 0)
    assert len(house.source.calls("auth.checkToken")) == 1
    assert house.account(7).failures == 0
    await house.grants()
    assert len(house.source.calls("auth.checkToken")) == (2 if failure is QuotaReached else 1)


@pytest.mark.parametrize("closed", [True, False])
async def test_an_answer_about_a_former_grant_says_nothing(house: Household, closed: bool) -> None:
    await house.member(7, 1)
    house.source.fail(
        "auth.checkToken", lambda method: (AccountClosed if closed else GrantLost)(method, "of the former token")
    )

    def member(asked: Asked) -> None:
        if asked.method == "auth.checkToken":
            house.source.on_call = None
            at_once(house.authorize(7))

    house.source.on_call = member
    report = await house.grants(7)
    assert (report.doubted, report.ended) == (0, 0)
    assert house.account_state(7) is AccountState.ACTIVE


async def test_a_second_answer_about_a_former_grant_does_not_end_the_new_one(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    lose(house, 7)
    await house.sync()

    def member(asked: Asked) -> None:
        if asked.method == "auth.checkToken":
            house.source.on_call = None
            at_once(house.authorize(7))

    house.source.on_call = member
    report = await house.grants()
    assert report.ended == 0
    assert house.account_state(7) is AccountState.ACTIVE
    assert house.served() == set(mine)


@pytest.mark.parametrize("answer", ["holds", "fails", "names another"])
async def test_an_answer_that_comes_after_the_account_left_changes_nothing(house: Household, answer: str) -> None:
    await house.member(7, 1)
    await house.member(8, 1)
    if answer == "fails":
        house.source.fail("auth.checkToken", lambda method: Later(method, "down"))
    if answer == "names another":
        house.source.accounts[8].tokens, house.source.accounts[7].tokens = house.source.accounts[7].tokens, {}

    def operator(asked: Asked) -> None:
        house.source.on_call = None
        house.leaves(7)

    house.source.on_call = operator
    await house.grants(7)
    assert house.account_state(7) is AccountState.REMOVED
    assert house.account(7).failure == ""


async def test_doubted_accounts_are_asked_after_first(house: Household) -> None:
    await house.member(7, 1)
    await house.member(8, 1)
    await house.mirror()
    house.passes(DAY)
    lose(house, 8)
    await house.grants(8)
    order: list[Lane] = []
    house.source.on_call = lambda asked: order.append(asked.lane)
    await house.grants()
    assert order == [Lane.CONFIRMATION, Lane.VERIFICATION]
