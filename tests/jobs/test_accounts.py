"""Members come, are paused, go, and come again; only what they approved, and only as many as may."""

from dataclasses import replace

import pytest

from ipsync.jobs.accounts import AccountRefusedError, Recognized
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import HOUR
from ipsync.policy.removals import Reason, Stage
from ipsync.ports.source import FrobUnused
from tests.fakes.store import MemoryStore
from tests.jobs.household import Household


async def test_T12_T14_a_member_comes_in_by_their_own_page(house: Household) -> None:
    house.source.add_account(7)
    url, frob = await house.accounts.begin()
    assert "perm_doc=read" in url
    with pytest.raises(FrobUnused):
        await house.accounts.finish(frob)
    house.source.approve(frob, 7, {"doc": "read"})
    taken = await house.accounts.finish(frob)
    assert (taken.account.account_id, taken.account.state, taken.again) == (7, AccountState.ACTIVE, False)
    assert taken.excess == {}
    (consent,) = house.catalog.read_now(lambda view: view.consents(7))
    assert (consent.permissions, consent.ended_at) == ({"doc": "read"}, None)
    grant = house.catalog.read_now(lambda view: view.grant(7))
    assert grant is not None
    assert grant.token not in consent.fingerprint


async def test_T13_who_grants_too_little_is_not_taken_in_and_who_grants_more_is_told(house: Household) -> None:
    house.source.add_account(7)
    with pytest.raises(AccountRefusedError, match="doc: read"):
        await house.authorize(7, {"blog": "read"})
    assert house.catalog.read_now(lambda view: view.accounts()) == []
    taken = await house.authorize(7, {"doc": "write", "blog": "read"})
    assert taken.excess == {"doc": "write", "blog": "read"}


async def test_T04_a_key_under_test_takes_in_only_so_many(house: Household) -> None:
    assert await house.accounts.limit_reached() is None
    house.configure(replace(house.rules, accounts_most=1))
    assert await house.accounts.limit_reached() is None
    await house.member(7, 1)
    assert await house.accounts.limit_reached() == 1
    house.source.add_account(8)
    with pytest.raises(AccountRefusedError, match="T04"):
        await house.authorize(8)
    await house.authorize(7)  # again is not more
    house.source.revoke(7)
    await house.sync()
    assert house.account_state(7) is AccountState.DOUBTED
    with pytest.raises(AccountRefusedError):
        await house.authorize(8)
    await house.accounts.remove(7)
    assert (await house.authorize(8)).account.account_id == 8


async def test_a_paused_account_is_not_read_and_ends_with_its_lease(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    assert (await house.accounts.pause(7)).state is AccountState.PAUSED
    assert (await house.sync()).pages == 0
    assert house.served() == set(mine)
    house.passes(20 * HOUR)
    await house.tick()
    assert (house.served(), house.state(mine[0])) == (set(), DocumentState.STALE)
    house.passes(2 * HOUR)
    await house.tick()
    assert not house.on_disk()
    await house.accounts.resume(7)
    await house.mirror()
    assert house.served() == set(mine)


async def test_a_resumed_account_is_read_at_once(house: Household) -> None:
    await house.member(7, 1)
    await house.mirror()
    await house.accounts.pause(7)
    await house.accounts.resume(7)
    assert (await house.sync(force=False)).pages == 1


async def test_only_what_is_active_can_be_paused_and_only_what_is_paused_resumed(house: Household) -> None:
    with pytest.raises(AccountRefusedError, match="unknown"):
        await house.accounts.pause(7)
    await house.member(7)
    with pytest.raises(AccountRefusedError, match="is active, not paused"):
        await house.accounts.resume(7)
    with pytest.raises(AccountRefusedError, match="unknown"):
        await house.accounts.remove(8)


async def test_T12_nothing_is_asked_or_held_of_members_who_did_not_authorize(house: Household) -> None:
    mine = await house.member(7, 3)
    house.source.add_account(8)
    theirs = house.source.add_documents(8, 3)
    addresses = {house.source.documents[number].file(name).url for number in theirs for name in ("240", "original")}
    for _ in range(3):
        await house.tick()
        house.passes(HOUR)
    assert {asked.account_id for asked in house.source.asked} <= {0, 7}
    assert not {asked.subject for asked in house.source.calls("doc.get")} & set(theirs)
    assert not set(house.media_source.fetched) & addresses
    assert set(house.held()) == set(mine)


async def test_T19_who_leaves_is_erased_here_and_nowhere_else(house: Household) -> None:
    mine, theirs = await house.member(7, 2), await house.member(8, 1)
    await house.mirror()
    there = dict(house.source.documents)
    assert await house.accounts.remove(7) == 2
    assert house.served() == set(theirs)
    await house.purge()
    assert house.on_disk() == set(theirs)
    assert {(house.removal(number).reason, house.removal(number).stage) for number in mine} == {
        (Reason.OWNER_REQUEST, Stage.GONE)
    }
    assert house.source.documents == there
    assert house.catalog.read_now(lambda view: view.grant(7)) is None
    assert [entry.ended_reason for entry in house.catalog.read_now(lambda view: view.consents(7))] == ["removed"]


async def test_who_comes_again_while_they_are_being_erased_is_erased_first(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    await house.accounts.remove(7)
    taken = await house.authorize(7)
    assert (taken.again, taken.account.consent_epoch) == (True, 2)
    await house.sync()
    await house.fetch()
    assert house.served() == set()
    await house.purge()
    assert not house.on_disk()
    await house.mirror()
    assert house.served() == set(mine)
    epochs = house.catalog.read_now(lambda view: view.consents(7))
    assert [(entry.consent_epoch, entry.ended_reason) for entry in epochs] == [(1, "removed"), (2, "")]


async def test_what_changed_in_the_grant_takes_effect_at_once(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.revoke(7)
    await house.sync()
    await house.authorize(7)
    assert house.served() == set(mine)
    assert (await house.sync(force=False)).pages == 1


async def test_a_removed_account_may_be_removed_again(house: Household) -> None:
    await house.member(7, 1)
    await house.mirror()
    await house.accounts.remove(7)
    await house.accounts.remove(7)
    await house.purge()
    assert isinstance(house.store, MemoryStore)
    assert not house.on_disk()
    assert await house.accounts.remove(7) == 0


async def test_T12_T14_who_only_signs_in_is_recognized_and_not_taken_in(house: Household) -> None:
    house.source.add_account(7)
    assert "perm_doc=read" in house.accounts.authorize_url()
    assert "frob" not in house.accounts.authorize_url()
    frob = await house.source.frob()
    with pytest.raises(FrobUnused):
        await house.accounts.recognize(frob)
    house.source.approve(frob, 7, {"doc": "read"})
    assert await house.accounts.recognize(frob) == Recognized(7, is_member=False)
    assert house.catalog.read_now(lambda view: (view.accounts(), view.grant(7), view.consents(7))) == ([], None, [])


async def signs_in(house: Household, account_id: int, permissions: dict[str, str]) -> Recognized:
    frob = await house.source.frob()
    house.source.approve(frob, account_id, permissions)
    return await house.accounts.recognize(frob)


async def test_T15_who_signs_in_again_renews_the_grant_and_nothing_else(house: Household) -> None:
    (mine,) = await house.member(7, 1)
    await house.mirror()
    await house.accounts.pause(7)
    old = house.catalog.read_now(lambda view: view.grant(7))
    house.source.revoke(7)
    assert await signs_in(house, 7, {"doc": "read"}) == Recognized(7, is_member=True)
    new = house.catalog.read_now(lambda view: view.grant(7))
    assert old is not None
    assert new is not None
    assert new.token != old.token
    assert house.account_state(7) is AccountState.PAUSED
    assert house.served() == {mine}
    consents = house.catalog.read_now(lambda view: view.consents(7))
    assert [(entry.consent_epoch, entry.ended_reason) for entry in consents] == [(1, "replaced"), (2, "")]


async def test_T13_a_grant_that_lacks_something_replaces_none(house: Household) -> None:
    await house.member(7, 1)
    old = house.catalog.read_now(lambda view: view.grant(7))
    assert (await signs_in(house, 7, {"blog": "read"})).is_member
    assert house.catalog.read_now(lambda view: view.grant(7)) == old


async def test_who_left_is_a_stranger(house: Household) -> None:
    await house.member(7, 1)
    await house.accounts.remove(7)
    assert await signs_in(house, 7, {"doc": "read"}) == Recognized(7, is_member=False)
    assert house.account_state(7) is AccountState.REMOVED
    assert house.catalog.read_now(lambda view: view.grant(7)) is None
