"""An owner's words about a document: asked for seldom, kept while they hold, and what else the answer says is heard."""

from dataclasses import replace

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, RenditionState, Visibility
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.removals import Reason, Stage
from ipsync.ports.source import Gone, KeyRefused, Lane, Later, MediaLater, QuotaReached, SourceFailure
from tests.fakes.source import Asked
from tests.jobs.household import Household, at_once


@pytest.fixture
def house(house: Household) -> Household:
    """Details are wanted, and more sizes than a listing gives."""
    house.configure(replace(house.rules, details=True, view=replace(house.rules.view, renditions=("240", "500"))))
    house.source.list_page = _one_thumbnail(house)  # type: ignore[method-assign]  # reason: as the real client does
    return house


def _one_thumbnail(house: Household):  # type: ignore[no-untyped-def]  # reason: a test's helper
    list_page = house.source.list_page

    async def listed(account_id, token, visibility, page, renditions, lane):  # type: ignore[no-untyped-def]  # reason: as above
        return await list_page(account_id, token, visibility, page, ("240",), lane)

    return listed


async def words_of(house: Household, number: int) -> str:
    document = house.document(number)
    assert document is not None
    return document.details.description


async def test_details_are_not_asked_for_unless_they_are_wanted(house: Household) -> None:
    house.configure(replace(house.rules, details=False))
    await house.member(7, 2)
    await house.sync()
    assert (await house.details()).fetched == 0
    assert house.source.calls("doc.get") == []


async def test_details_come_once_with_the_addresses_of_all_sizes(house: Household) -> None:
    mine = await house.member(7, 2)
    house.source.documents[mine[0]].description = "By the river"
    house.source.documents[mine[0]].tags = ("river", "dusk")
    await house.sync()
    assert (await house.details()).fetched == 2
    document = house.document(mine[0])
    assert document is not None
    assert (document.details.description, document.details.tags) == ("By the river", ("river", "dusk"))
    assert {asked.lane for asked in house.source.calls("doc.get")} == {Lane.DETAILS}
    await house.fetch()
    assert {name for _, name in house.served_files()} == {"240", "500"}
    assert (await house.details()).fetched == 0


async def test_a_change_is_asked_for_anew_even_if_our_clock_is_ahead(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    document = house.document(mine[0])
    assert document is not None
    ahead = replace(document, details_at=house.clock.now() + HOUR)
    house.catalog.write_now(lambda tx: tx.update_documents([ahead]))
    house.source.documents[mine[0]].description = "Said better"
    house.source.relicense(mine[0], 3)
    await house.sync()
    await house.details()
    assert await words_of(house, mine[0]) == "Said better"


async def test_a_change_is_asked_for_once_even_if_our_clock_is_behind(house: Household) -> None:
    mine = await house.member(7, 1)
    house.source.documents[mine[0]].modified_at += DAY
    await house.mirror()
    await house.details()
    assert len(house.source.calls("doc.get")) == 1


async def test_T10_a_replaced_file_takes_every_size_of_the_old_version_along(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    assert {name for _, name in house.served_files()} == {"240", "500"}
    house.source.replace(mine[0])
    await house.sync()
    assert house.served_files() == set()
    assert house.removal(mine[0]).renditions == ("240", "500")
    await house.purge()
    assert not house.on_disk()
    assert set(house.file_states(mine[0])) == {"240"}  # the other's address is not known yet
    await house.details()
    await house.fetch()
    for rendition in house.files(mine[0]).values():
        assert ".v2." in rendition.file.url
    assert {name for _, name in house.served_files()} == {"240", "500"}


async def test_a_replaced_file_that_was_not_fetched_yet_is_not_fetched_at_its_old_address(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    await house.details()
    for rendition in house.files(mine[0]).values():
        house.media_source.failing[rendition.file.url] = MediaLater("down")
    await house.fetch()
    house.source.replace(mine[0])
    await house.sync()
    assert house.file_states(mine[0]) == {"240": RenditionState.FAILED, "500": RenditionState.ERASING}
    # A second version before the first removal is done changes nothing about it.
    house.source.replace(mine[0])
    await house.sync()
    await house.purge()
    assert set(house.file_states(mine[0])) == {"240"}
    await house.details()
    await house.fetch()
    assert {name for _, name in house.served_files()} == {"240", "500"}


async def test_addresses_that_the_listing_does_not_give_are_mended(house: Household) -> None:
    house.configure_view(visibility=frozenset({Visibility.PUBLIC, Visibility.FRIENDS}))
    mine = await house.member(7, 1)
    await house.sync()
    await house.details()
    house.source.share(mine[0], Visibility.FRIENDS)
    assert (await house.fetch()).failed == 2
    await house.sync()
    await house.details()
    await house.fetch()
    assert {name for _, name in house.served_files()} == {"240", "500"}


@pytest.mark.parametrize("deleted", [True, False])
async def test_T10_what_is_not_shared_any_more_is_hidden_whoever_noticed(house: Household, deleted: bool) -> None:
    mine = await house.member(7, 2)
    await house.sync()
    if deleted:
        house.source.delete(mine[0])
    else:
        house.source.share(mine[0], Visibility.PRIVATE)
    report = await house.details()
    assert (report.fetched, report.hidden) == (1, 1)
    assert house.served() == {mine[1]}
    assert house.state(mine[0]) is DocumentState.SUSPECT
    assert (await house.purge()).erased == 0  # I10: it is asked about once more
    await house.confirm()
    assert house.removal(mine[0]).reason is (Reason.DELETED if deleted else Reason.UNSHARED)
    await house.purge()
    assert house.removal(mine[0]).stage is Stage.GONE


async def test_T21_what_one_method_denies_and_the_other_names_is_not_asked_about_all_the_time(
    house: Household,
) -> None:
    mine = await house.member(7, 1)

    def denies(asked: Asked) -> None:
        if asked.method == "doc.get":
            raise Gone("doc.get", "it does not exist", 1)

    house.source.on_call = denies
    for _ in range(12):
        await house.sync()
        await house.details()
        house.passes(5 * MINUTE)
    assert len(house.source.calls("doc.get")) <= 5
    assert house.served() == set(mine)


async def test_an_answer_older_than_a_verification_hides_nothing(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()

    def meanwhile(asked: Asked) -> None:
        if asked.method == "doc.get":
            house.source.on_call = None
            at_once(house.sync())
            house.source.documents.pop(mine[0])

    house.source.on_call = meanwhile
    assert (await house.details()).hidden == 0
    assert house.served() == set(mine)


@pytest.mark.parametrize("deleted", [True, False])
async def test_an_answer_about_an_account_that_left_meanwhile_changes_nothing(house: Household, deleted: bool) -> None:
    mine = await house.member(7, 1)
    await house.sync()

    def meanwhile(asked: Asked) -> None:
        house.source.on_call = None
        house.leaves(7)
        if deleted:
            house.source.documents.pop(mine[0])

    house.source.on_call = meanwhile
    report = await house.details()
    assert (report.fetched, report.hidden) == (0, 0)
    assert house.state(mine[0]) is DocumentState.DOOMED


async def test_F18_a_lost_grant_is_noticed_here_too(house: Household) -> None:
    await house.member(7, 3)
    theirs = await house.member(8, 1)
    await house.sync()
    house.source.revoke(7)
    report = await house.details()
    assert report.fetched == 1
    assert house.account_state(7) is AccountState.DOUBTED
    assert house.served() == set(theirs)
    assert len(house.source.calls("doc.get")) == 2


async def test_F18_a_lost_grant_of_an_account_that_left_meanwhile_is_no_doubt(house: Household) -> None:
    await house.member(7, 1)
    await house.sync()

    def meanwhile(asked: Asked) -> None:
        house.source.on_call = None
        house.leaves(7)
        house.source.accounts[7].tokens.clear()

    house.source.on_call = meanwhile
    await house.details()
    assert house.account_state(7) is AccountState.REMOVED


async def test_an_account_without_a_token_is_not_asked_about(house: Household) -> None:
    await house.member(7, 1)
    await house.sync()
    house.catalog.write_now(lambda tx: tx.end_grant(7, house.clock.now(), "removed"))
    assert (await house.details()).fetched == 0


async def test_T21_one_document_that_fails_waits_and_blocks_nobody(house: Household) -> None:
    mine = await house.member(7, 5)
    await house.sync()

    def odd(asked: Asked) -> None:
        if asked.subject == mine[0]:
            raise Later("doc.get", "an error of theirs")

    house.source.on_call = odd
    report = await house.details(limit=2)
    assert (report.failed, report.fetched) == (1, 1)
    assert (await house.details(limit=2)).fetched == 2
    assert (await house.details(limit=2)).fetched == 1
    for _ in range(30):
        await house.details()
        house.passes(MINUTE)
    assert len([asked for asked in house.source.calls("doc.get") if asked.subject == mine[0]]) <= 5
    house.source.on_call = None
    house.passes(HOUR)
    await house.sync()
    assert (await house.details()).fetched == 1
    assert house._details._put_off == {}


async def test_T21_while_nobody_is_answered_only_a_few_are_asked(house: Household) -> None:
    await house.member(7, 30)
    await house.sync()
    house.source.fail("doc.get", lambda method: Later(method, "down"), None)
    for _ in range(60):
        await house.details()
        house.passes(MINUTE)
    assert len(house.source.calls("doc.get")) < 15


async def test_only_so_many_failures_are_remembered(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipsync.jobs.details._PUT_OFF_AT_MOST", 2)
    mine = await house.member(7, 3)
    await house.sync()
    house.source.fail("doc.get", lambda method: Later(method, "down"), None)
    for _ in range(3):
        await house.details()
        house.passes(HOUR)
        await house.sync()
    assert len(house._details._put_off) <= 2
    assert set(house._details._put_off) <= set(mine)


@pytest.mark.parametrize("failure", [QuotaReached, KeyRefused])
async def test_F20_a_spent_budget_or_a_refused_key_ends_the_run(house: Household, failure: type[SourceFailure]) -> None:
    await house.member(7, 3)
    await house.sync()
    house.source.fail("doc.get", lambda method: failure(method, "no"), None)
    assert (await house.details()).fetched == 0
    assert len(house.source.calls("doc.get")) == 1
