"""What always fails blocks nobody else, is tried ever more rarely, and ages visibly towards its deadline."""

import errno
from collections.abc import Callable

import pytest

from ipsync.jobs.health import read_health
from ipsync.policy.documents import DocumentState, RenditionState
from ipsync.policy.instants import HOUR, MINUTE
from ipsync.policy.removals import Reason, Stage
from ipsync.ports.source import Later, Malformed, MediaLater, MediaRejected, SourceFailure
from ipsync.ports.store import StoreFailure
from tests.fakes.source import Asked
from tests.jobs.household import Household

Failing = Callable[[str], SourceFailure]
FAILURES = [
    pytest.param(lambda method: Later(method, "ipernity answers 500"), id="5xx"),
    pytest.param(lambda method: Malformed(method, "it never decodes"), id="malformed"),
]


def poison(
    house: Household, failing: Failing, *, documents: set[int] = frozenset(), accounts: set[int] = frozenset()
) -> None:  # type: ignore[assignment]  # reason: empty is empty
    """Let every question about these fail, for ever."""

    def answer(asked: Asked) -> None:
        if asked.method == "doc.get" and asked.subject in documents:
            raise failing("doc.get")
        if asked.method == "doc.getList" and asked.account_id in accounts:
            raise failing("doc.getList")

    house.source.on_call = answer


@pytest.mark.parametrize("failing", FAILURES)
async def test_a_document_that_is_never_answered_about_holds_up_no_other_suspicion(
    house: Household, failing: Failing
) -> None:
    mine = await house.member(7, 30)
    await house.mirror()
    house.source.unlisted = set(mine)
    await house.sync()
    # The poisoned ones have the nearest deadlines, and are more than may fail before everybody is given a rest.
    poisoned = set(mine[:10])
    poison(house, failing, documents=poisoned)
    for _ in range(12):
        await house.confirm()
        house.passes(MINUTE)
    assert house.served() == set(mine[10:])
    asked = len(house.source.calls("doc.get"))
    for _ in range(60):
        await house.confirm()
        house.passes(MINUTE)
    assert len(house.source.calls("doc.get")) - asked < 60
    # They age visibly, and go at their deadline.
    removals = house.removals(*poisoned)
    assert {removal.stage for removal in removals} == {Stage.SUSPECTED}
    assert max(removal.attempts for removal in removals) > 2
    house.source.unlisted = poisoned
    await house.sync()
    house.passes(20 * HOUR)
    await house.sync()
    house.passes(HOUR)
    await house.expire()
    await house.purge()
    assert house.on_disk() == set(mine[10:])


@pytest.mark.parametrize("failing", FAILURES)
async def test_accounts_whose_listings_never_decode_hold_up_no_other_account(
    house: Household, failing: Failing
) -> None:
    poisoned = {account_id: await house.member(account_id, 2) for account_id in range(1, 7)}
    healthy = {account_id: await house.member(account_id, 2) for account_id in (8, 9)}
    await house.mirror()
    poison(house, failing, accounts=set(poisoned))
    for _ in range(26 * 4):
        await house.tick()
        house.passes(15 * MINUTE)
    # Nobody else's leases ran out, though there are more of the poisoned than patience.
    assert house.served() == house.on_disk() == {number for mine in healthy.values() for number in mine}
    assert all(house.account(account_id).failures > 10 for account_id in poisoned)
    assert all("ipernity" in house.account(1).failure or "decodes" in house.account(1).failure for _ in "x")
    # They were tried ever more rarely: at most every half hour, in the end.
    tries = [asked for asked in house.source.calls("doc.getList") if asked.account_id == 1]
    assert len(tries) < 26 * 4


@pytest.mark.parametrize("failing", FAILURES)
@pytest.mark.parametrize("page", [1, 2, 4])
async def test_a_page_that_never_decodes_costs_the_other_pages_of_its_listing_nothing(
    house: Household, failing: Failing, page: int
) -> None:
    mine = await house.member(7, 350)
    await house.member(8, 2)
    await house.mirror()

    def answer(asked: Asked) -> None:
        if (asked.method, asked.account_id, asked.subject) == ("doc.getList", 7, page):
            raise failing("doc.getList")

    house.source.on_call = answer
    newest_first = mine[::-1]
    poisoned = set(newest_first[(page - 1) * 100 : page * 100])
    for _ in range(25 * 4):
        house.passes(15 * MINUTE)
        await house.sync(force=False)
        await house.confirm()
        await house.expire()
        await house.purge()
    # What the page names could not be verified: it is gone, and nothing else is.
    assert house.served() & set(mine) == set(mine) - poisoned
    assert house.on_disk() & set(mine) == set(mine) - poisoned
    assert {removal.reason for removal in house.removals(*poisoned)} == {Reason.EXPIRED}
    house.source.on_call = None
    await house.sync()
    assert house.served() >= set(mine)


async def test_F13_a_sweep_that_passed_a_page_over_calls_nothing_missing(house: Household) -> None:
    mine = await house.member(7, 350)
    await house.mirror()
    broken = {2}

    def answer(asked: Asked) -> None:
        if asked.method == "doc.getList" and asked.subject in broken:
            raise Malformed("doc.getList", "it never decodes")

    house.source.on_call = answer
    house.source.delete(mine[0])
    sweeps = 0
    while not sweeps:
        house.passes(HOUR)
        sweeps = (await house.sync(force=False)).sweeps
    assert house.open_removals() == []
    assert house.served() == set(mine)
    broken.clear()
    for _ in range(12):
        house.passes(HOUR)
        await house.sync(force=False)
    assert house.served() == set(mine[1:])


@pytest.mark.parametrize("failure", [MediaLater("429"), MediaRejected("no media")])
async def test_F39_a_file_that_never_comes_holds_up_no_other_file_and_no_verification(
    house: Household, failure: Exception
) -> None:
    mine = await house.member(7, 40)
    await house.sync()
    bad = house.source.documents[mine[0]].file("original").url
    house.media_source.failing[bad] = failure  # type: ignore[assignment]  # reason: both are MediaFailure
    await house.fetch()
    assert len(house.served_files()) == 2 * 40 - 1
    for _ in range(24):
        house.passes(HOUR)
        await house.tick()
    assert house.served() == set(mine)
    rendition = house.files(mine[0])["original"]
    assert rendition.state in (RenditionState.FAILED, RenditionState.WANTED)
    assert rendition.attempts > 2


async def test_F39_while_the_media_host_refuses_everything_verification_goes_on(house: Household) -> None:
    mine = await house.member(7, 20)
    await house.mirror()
    new = [house.source.add_document(7) for _ in range(20)]
    for number in new:
        for name in ("240", "original"):
            house.media_source.failing[house.source.documents[number].file(name).url] = MediaLater("429", HOUR)
    gone = mine[0]
    for hour in range(30):
        if hour == 25:
            house.source.delete(gone)
        house.passes(HOUR)
        await house.tick()
    assert house.served() == {*mine[1:], *new}
    assert gone not in house.on_disk()
    assert {file for file in house.served_files() if file[0] in new} == set()
    assert all(entry.state is DocumentState.LIVE for entry in (house.document(number) for number in new) if entry)


class StuckStore:
    """A store in which the files of some documents cannot be unlinked."""

    def __init__(self, store: object, stuck: set[int]) -> None:
        self._store = store
        self.stuck = stuck

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def erase_documents(self, keys: list[tuple[int, int]]) -> object:
        if any(document_id in self.stuck for _, document_id in keys):
            raise StoreFailure(f"a file cannot be unlinked: {errno.errorcode[errno.EIO]}")
        return self._store.erase_documents(keys)  # type: ignore[attr-defined]  # reason: whatever store it is


async def test_what_cannot_be_unlinked_is_tried_again_is_seen_as_overdue_and_holds_up_nobody(house: Household) -> None:
    mine = await house.member(7, 5)
    await house.mirror()
    for number in mine:
        house.source.delete(number)
    await house.sync()
    await house.confirm()
    stuck = house.store = StuckStore(house.store, {mine[0]})  # type: ignore[assignment]  # reason: as good as one
    house.configure(house.rules)
    assert (await house.purge()).erased == 4
    assert house.on_disk() == {mine[0]}
    for _ in range(24):
        house.passes(HOUR)
        await house.tick()
    health = await read_health(house.catalog, house.clock, house.rules.lease, 1000)
    assert (health.overdue, health.is_lawful) == (1, False)
    assert house.removal(mine[0]).attempts > 10
    assert house.removal(mine[0]).stage is Stage.INTENDED
    stuck.stuck = set()  # type: ignore[attr-defined]  # reason: it is the one above
    house.passes(HOUR)
    assert (await house.purge()).breaches == 1
    assert not house.on_disk()
    health = await read_health(house.catalog, house.clock, house.rules.lease, 1000)
    assert (health.overdue, health.is_lawful) == (0, True)


@pytest.mark.parametrize("word", ["state = 'sold'", "media = 'opera'", "visibility = 99"])
async def test_F5_a_row_that_cannot_be_read_holds_up_nobody_and_is_erased(house: Household, word: str) -> None:
    mine = await house.member(7, 3)
    await house.mirror()

    def damage(tx: object) -> None:
        tx._connection.exec_driver_sql(f"UPDATE document SET {word} WHERE document_id = {mine[1]}")  # type: ignore[attr-defined]  # reason: nothing else would write that

    house.catalog.write_now(damage)
    assert house.served() == {mine[0], mine[2]}
    house.source.delete(mine[0])
    await house.sync()
    await house.confirm()
    await house.expire()
    await house.purge()
    assert mine[0] not in house.on_disk()
    await house.apply_policy()
    await house.purge()
    if "media" in word:
        # Its state can be read, so it counts as missing: it goes at its deadline at the latest.
        house.passes(19 * HOUR)
        await house.sync()
        house.passes(3 * HOUR)
        await house.purge()
    assert house.on_disk() == {mine[2]}
    # It is still shared: the next sweep takes it in anew.
    await house.sync()
    await house.fetch()
    assert house.served() == house.on_disk() == {mine[1], mine[2]}


async def test_F5_a_removal_that_cannot_be_read_holds_up_no_other(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    for number in mine[:2]:
        house.source.delete(number)
    await house.sync()
    await house.confirm()

    def damage(tx: object) -> None:
        tx._connection.exec_driver_sql(f"UPDATE removal SET reason = 'whim' WHERE document_id = {mine[0]}")  # type: ignore[attr-defined]  # reason: nothing else would write that

    house.catalog.write_now(damage)
    assert (await house.purge()).erased == 2
    assert house.on_disk() == {mine[2]}
    assert house.removal(mine[0]).stage is Stage.GONE
