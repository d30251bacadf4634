"""Whoever follows the feed knows at any moment what is shown, whatever happened and whoever noticed it."""

import random
from dataclasses import replace

import pytest

from ipsync.jobs.feed import FeedKeeper
from ipsync.policy.accounts import AccountState
from ipsync.policy.changes import Change, ChangeKind, Place, compacted, place_of
from ipsync.policy.documents import Visibility
from ipsync.policy.entries import EntryKind, entry_of, subject_number
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.ports.source import GrantLost, Later
from tests.jobs.household import Household

APPEARED, CHANGED, HIDDEN, GONE = ChangeKind


class Follower:
    """An application that keeps nothing but what the feed told it."""

    def __init__(self, house: Household, limit: int = 50) -> None:
        self.house = house
        self.limit = limit
        self.shown: dict[int, int] = {}
        self.gone: set[int] = set()
        self.at = 0

    def catch_up(self) -> list[Change]:
        """Read to the end, page by page. Returns what was told."""
        told: list[Change] = []
        while page := self.house.catalog.read_now(lambda view: view.changes_after(self.at, 1000)):
            found = compacted(page, self.limit)
            assert found.until is not None
            self.at = found.until.sequence
            told += found.changes
        for change in told:
            self._take(change)
        return told

    def _take(self, change: Change) -> None:
        if change.kind in (APPEARED, CHANGED):
            assert change.document_id is not None
            self.shown[change.document_id] = change.account_id
        elif change.document_id is None:
            assert change.kind is HIDDEN
            self.shown = {number: owner for number, owner in self.shown.items() if owner != change.account_id}
        else:
            self.shown.pop(change.document_id, None)
            self.gone |= {change.document_id} if change.kind is GONE else set()


@pytest.fixture
def follower(house: Household) -> Follower:
    return Follower(house)


def kinds(told: list[Change], document_id: int | None) -> list[ChangeKind]:
    return [change.kind for change in told if change.document_id == document_id]


async def test_what_appears_changes_and_goes_is_told(house: Household, follower: Follower) -> None:
    one, two = await house.member(7, 2)
    await house.sync()
    at = house.clock.now()
    assert follower.catch_up() == [Change(1, APPEARED, two, 7, at), Change(2, APPEARED, one, 7, at)]
    assert set(follower.shown) == house.served() == {one, two}

    await house.fetch()
    assert kinds(follower.catch_up(), one) == [CHANGED]  # its files came, both of them

    house.source.documents[one].title = "Another title"
    house.source.relicense(one, 3)
    await house.sync()
    told = follower.catch_up()
    assert kinds(told, one) == [CHANGED]
    assert kinds(told, two) == []

    house.source.delete(one)
    await house.sync()
    assert kinds(follower.catch_up(), one) == [HIDDEN]
    assert set(follower.shown) == {two}
    await house.confirm()
    await house.purge()
    told = follower.catch_up()
    assert kinds(told, one) == [GONE]
    assert told[-1].at == house.removal(one).gone_at


async def test_renewing_leases_is_not_told(house: Household, follower: Follower) -> None:
    await house.member(7, 5)
    await house.mirror()
    follower.catch_up()
    for _ in range(3):
        house.passes(HOUR)
        await house.sync()
        await house.grants()
        await house.expire()
    assert follower.catch_up() == []


async def test_a_false_alarm_is_hidden_and_appears_again(house: Household, follower: Follower) -> None:
    (one,) = await house.member(7, 1)
    await house.mirror()
    follower.catch_up()
    house.source.share(one, Visibility.PRIVATE)
    await house.sync()
    assert kinds(follower.catch_up(), one) == [HIDDEN]
    house.source.share(one, Visibility.PUBLIC)
    await house.sync()
    assert kinds(follower.catch_up(), one) == [APPEARED]
    assert set(follower.shown) == house.served()


async def test_a_lease_that_ran_out_hides_and_a_verification_shows_again(house: Household, follower: Follower) -> None:
    (one,) = await house.member(7, 1)
    await house.sync()
    follower.catch_up()
    house.source.fail("doc.getList", lambda method: Later(method, "nobody answers"), times=None)
    house.passes(20 * HOUR + MINUTE)
    await house.expire()
    assert kinds(follower.catch_up(), one) == [HIDDEN]
    house.source.heal()
    await house.sync()
    assert kinds(follower.catch_up(), one) == [APPEARED]
    house.passes(DAY)
    await house.expire()
    await house.purge()
    assert kinds(follower.catch_up(), one) == [GONE]


async def test_F18_a_doubted_account_is_hidden_by_one_change(house: Household, follower: Follower) -> None:
    mine = await house.member(7, 3)
    others = await house.member(8, 2)
    await house.sync()
    follower.catch_up()
    house.source.fail("doc.getList", lambda method: GrantLost(method, "107"))
    await house.sync(7)
    assert house.account_state(7) is AccountState.DOUBTED
    (told,) = follower.catch_up()
    assert (told.kind, told.document_id, told.account_id) == (HIDDEN, None, 7)
    assert told.at == house.clock.now()
    assert set(follower.shown) == house.served() == set(others)

    await house.grants(7)  # a false alarm
    assert [change.kind for change in follower.catch_up()] == [APPEARED] * 3
    assert set(follower.shown) == house.served() == {*mine, *others}


async def test_a_member_who_leaves_is_hidden_by_one_change_and_gone_one_by_one(
    house: Household, follower: Follower
) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    follower.catch_up()
    house.source.revoke(7)
    await house.grants(7)
    await house.grants(7)
    told = follower.catch_up()
    assert {(change.kind, change.document_id) for change in told} == {(HIDDEN, None)}
    await house.purge()
    told = follower.catch_up()
    assert sorted((change.kind, change.document_id or 0) for change in told) == [(GONE, number) for number in mine]
    assert told[0].at <= house.clock.now()


async def test_a_paused_account_is_told_only_when_its_leases_end(house: Household, follower: Follower) -> None:
    await house.member(7, 2)
    await house.sync()
    follower.catch_up()
    await house.accounts.pause(7)
    assert follower.catch_up() == []
    house.passes(21 * HOUR)
    await house.expire()
    assert [change.kind for change in follower.catch_up()] == [HIDDEN, HIDDEN]


@pytest.mark.parametrize("scope", RequestScope)
async def test_T11_an_owners_request_is_told_at_once(house: Household, follower: Follower, scope: RequestScope) -> None:
    one, two = await house.member(7, 2)
    await house.mirror()
    follower.catch_up()
    subject = Subject(scope, one if scope is RequestScope.DOCUMENT else 7, 7)
    await house.requests.file(subject, Words())
    assert follower.catch_up()[0].kind is HIDDEN
    assert set(follower.shown) == house.served() == ({two} if scope is RequestScope.DOCUMENT else set())
    await house.purge()
    assert follower.catch_up()[-1].kind is GONE


async def test_our_own_configuration_is_told_when_it_is_applied(house: Household, follower: Follower) -> None:
    one, two = await house.member(7, 2)
    house.source.relicense(one, 3)
    await house.mirror()
    follower.catch_up()
    house.configure_view(licenses=house.rules.view.licenses - {3})
    await house.apply_policy()
    assert set(follower.shown) - {change.document_id for change in follower.catch_up()} == {two} == house.served()


async def test_albums_and_profiles_are_told_like_documents(house: Household, follower: Follower) -> None:
    house.configure(replace(house.rules, kinds=frozenset({EntryKind.ALBUM, EntryKind.PROFILE})))
    ids = await house.member(7, 2)
    album = subject_number(EntryKind.ALBUM, house.source.add_album(7, ids))
    await house.mirror()
    told = follower.catch_up()
    assert kinds(told, album) == [APPEARED]
    assert set(follower.shown) == house.served() | house.served_entries() == {*ids, album}
    house.passes(HOUR)
    await house.sweep_entries()
    assert follower.catch_up() == [], "a lease that was renewed is no news"
    house.source.entries.all[entry_of(album)].members = ids[:1]
    await house.sweep_entries()
    assert kinds(follower.catch_up(), album) == [CHANGED]
    house.source.entries.unlisted.add(entry_of(album)[1])
    await house.sweep_entries()
    assert kinds(follower.catch_up(), album) == [HIDDEN]
    await house.confirm()
    assert kinds(follower.catch_up(), album) == [APPEARED], "a false alarm"
    del house.source.entries.all[entry_of(album)]
    await house.sweep_entries()
    await house.confirm()
    await house.purge()
    told = follower.catch_up()
    assert kinds(told, album) == [GONE]
    assert told[-1].at == house.removal(album).gone_at


async def test_T15_an_account_that_ends_hides_its_albums_with_one_change(house: Household, follower: Follower) -> None:
    house.configure(replace(house.rules, kinds=frozenset({EntryKind.ALBUM})))
    ids = await house.member(7, 1)
    album = subject_number(EntryKind.ALBUM, house.source.add_album(7, ids))
    await house.mirror()
    follower.catch_up()
    house.source.fail("album.getList", lambda method: GrantLost(method, "107"))
    await house.sweep_entries()
    assert [(change.kind, change.document_id) for change in follower.catch_up()] == [(HIDDEN, None)]
    await house.grants()
    assert kinds(follower.catch_up(), album) == [APPEARED]
    assert set(follower.shown) == house.served() | house.served_entries()


async def test_a_member_with_another_name_changes_what_is_told_of_their_documents(
    house: Household, follower: Follower
) -> None:
    mine = await house.member(7, 2)
    await house.sync()
    follower.catch_up()
    house.source.accounts[7].username = "renamed"
    await house.grants(7)
    assert [(change.kind, change.document_id) for change in follower.catch_up()] == [(CHANGED, n) for n in mine]


async def test_the_newest_copy_decides_what_is_told_of_a_former_one(house: Household, follower: Follower) -> None:
    """It came back before the log was cut: that its former copy is gone by then concerns nobody."""
    (one,) = await house.member(7, 1)
    await house.mirror()
    before = house.source.documents[one]
    house.source.delete(one)
    await house.sync()
    await house.confirm()
    scrub = house.catalog.scrub_now
    house.catalog.scrub_now = lambda: False  # type: ignore[method-assign]  # reason: a reader holds the log back
    await house.purge()
    follower.catch_up()
    house.source.documents[one] = before
    await house.sync()
    assert kinds(follower.catch_up(), one) == [APPEARED]
    house.catalog.scrub_now = scrub  # type: ignore[method-assign]  # reason: as it was
    await house.purge()
    assert kinds(follower.catch_up(), one) == []
    assert set(follower.shown) == house.served() == {one}


async def test_only_what_is_old_is_forgotten_and_never_the_newest(house: Household) -> None:
    await house.member(7, 30)
    await house.sync()
    keeper = FeedKeeper(house.catalog, house.clock, HOUR)
    assert await keeper.run() == 0
    house.passes(30 * MINUTE)
    house.source.add_document(7)
    await house.sync()
    house.passes(45 * MINUTE)
    newest = house.catalog.read_now(lambda view: view.newest_change())
    assert await keeper.run() == 30
    house.passes(DAY)
    assert await keeper.run() == 0  # its number is the only proof that there were thirty before
    assert house.catalog.read_now(lambda view: view.oldest_change()) == newest
    await house.expire()
    (next_one, *_) = house.catalog.read_now(lambda view: view.changes_after(31, 100))
    assert (newest, next_one.sequence) == (house.catalog.read_now(lambda view: view.change(31)), 32)


async def test_F28_a_place_in_another_history_is_recognized(house: Household) -> None:
    await house.member(7, 3)
    await house.sync()
    view = house.catalog.read_now

    def fits(place: Place) -> bool:
        return view(lambda view: place.fits(view.change(place.sequence), view.oldest_change()))

    third = place_of(view(lambda view: view.change(3)))
    assert fits(Place())
    assert fits(third)
    assert not fits(replace(third, at=third.at + 1))  # a restored database has another change there
    assert not fits(replace(third, sequence=4))  # or none yet
    house.source.add_document(7)
    house.passes(DAY)
    await house.sync()
    await FeedKeeper(house.catalog, house.clock, HOUR).run()
    assert not fits(third)  # it was forgotten
    assert not fits(Place())


@pytest.mark.parametrize("seed", range(2))
async def test_T10_whatever_happens_a_follower_knows_what_is_shown(house: Household, seed: int) -> None:
    """A long story at random: after each step the follower shows what pages show, and nothing else."""
    chance = random.Random(seed)
    follower = Follower(house, limit=5)
    house.configure(replace(house.rules, kinds=frozenset({EntryKind.ALBUM})))
    for account_id in (7, 8):
        house.source.add_album(account_id, await house.member(account_id, 4))
    await house.mirror()
    for _ in range(30):
        await happens(house, chance)
        if chance.random() < 0.5:
            house.passes(chance.choice((MINUTE, HOUR, 9 * HOUR)))
        await house.tick()
        if chance.random() < 0.5:
            await house.sync()
            await house.sweep_entries()
        follower.catch_up()
        await house.expire()
        follower.catch_up()
        assert set(follower.shown) == house.served() | house.served_entries()
        left = {number for number in follower.gone if number < 0 or house.document(number) is None}
        assert not left & set(follower.shown) - house.served_entries()
    assert follower.at > 40


async def happens(house: Household, chance: random.Random) -> None:
    """Something that an owner, a member, the operator or ipernity may do."""
    source, number = house.source, chance.choice([*house.source.documents, None])
    account_id = chance.choice((7, 8))
    match chance.randrange(11):
        case 10:
            source.entries.unlisted ^= {chance.choice([entry.entry_id for entry in source.entries.all.values()])}
        case 0:
            source.add_document(account_id)
        case 1 if number is not None:
            source.delete(number)
        case 2 if number is not None:
            source.share(number, chance.choice((Visibility.PRIVATE, Visibility.PUBLIC)))
        case 3 if number is not None:
            source.relicense(number, chance.choice((1, 3)))
        case 4 if number is not None:
            source.replace(number)
        case 5 if house.account_state(account_id) is AccountState.ACTIVE:
            source.fail("doc.getList", lambda method: GrantLost(method, "107"))
        case 6:
            source.revoke(account_id)
        case 7:
            source.heal()
            await house.authorize(account_id)
        case 8 if number is not None:
            await house.requests.file(Subject(RequestScope.DOCUMENT, number, 0), Words())
        case 9:
            allowed = house.rules.view.licenses
            house.configure_view(licenses=allowed - {3} if 3 in allowed else allowed | {3})
            await house.apply_policy()
        case _:
            source.fail("*", lambda method: Later(method, "nobody answers"), times=chance.randrange(4))
