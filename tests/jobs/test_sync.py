"""Sweeps: what pages bring in, what they renew, what is missing, and what interrupts them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ipsync.jobs.obligations import put_off_account
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, RenditionState, Visibility
from ipsync.policy.instants import HOUR, MINUTE
from ipsync.policy.removals import Reason, Scope, Stage
from ipsync.ports.catalog import Transaction
from ipsync.ports.source import Lane, Later, MediaLater
from ipsync.ports.store import ContentKey
from tests.fakes.source import Asked
from tests.jobs.household import Household, at_once, content_of


async def test_everything_permitted_is_mirrored_and_served(house: Household) -> None:
    mine = await house.member(7, 230)
    theirs = await house.member(8, 1)
    private = house.source.add_document(7, visibility=Visibility.PRIVATE)
    report = await house.sync()
    assert (report.pages, report.named, report.added, report.sweeps) == (4, 231, 231, 2)
    await house.fetch()
    assert house.served() == {*mine, *theirs}
    assert house.served_files() == {(number, name) for number in house.served() for name in ("240", "original")}
    assert private not in house.on_disk()
    first = house.document(mine[-1])
    assert first is not None
    assert first.verified_at == house.source.calls("doc.getList")[0].sent_at


async def test_a_sweep_that_finds_nothing_new_only_renews(house: Household) -> None:
    await house.member(7, 120)
    await house.mirror()
    before = {number: held.document for number, held in house.held().items()}
    report = await house.sync()
    assert (report.renewed, report.added, report.changed, report.missing) == (120, 0, 0, 0)
    for number, held in house.held().items():
        assert held.document.verified_at > before[number].verified_at
        assert held.document.facts == before[number].facts
    assert not house.open_removals()
    fetched = len(house.media_source.fetched)
    await house.fetch()
    assert len(house.media_source.fetched) == fetched


async def test_T10_what_is_made_private_is_hidden_at_once_and_erased_when_confirmed(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    house.source.share(mine[1], Visibility.PRIVATE)
    report = await house.sync()
    assert report.missing == 1
    assert house.served() == {mine[0], mine[2]}
    assert house.state(mine[1]) is DocumentState.SUSPECT
    assert (await house.purge()).erased == 0  # I10: one answer erases nothing
    assert mine[1] in house.on_disk()
    assert (await house.confirm()).confirmed == 1
    assert house.removal(mine[1]).reason is Reason.UNSHARED
    assert (await house.purge()).erased == 1
    assert mine[1] not in house.on_disk()
    assert house.document(mine[1]) is None
    assert house.removal(mine[1]).stage is Stage.GONE


async def test_T10_what_is_shared_again_comes_back(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.share(mine[0], Visibility.PRIVATE)
    await house.sync()
    await house.confirm()
    await house.purge()
    house.source.share(mine[0], Visibility.PUBLIC)
    await house.sync()
    await house.fetch()
    assert (mine[0], "original") in house.served_files()


async def test_F13_a_short_listing_is_a_false_alarm_that_costs_one_question(house: Household) -> None:
    mine = await house.member(7, 5)
    await house.mirror()
    house.source.unlisted = {mine[0], mine[1]}
    await house.sync()
    assert house.served() == set(mine[2:])
    house.source.unlisted = set()
    report = await house.confirm()
    assert (report.withdrawn, report.confirmed) == (2, 0)
    assert len(house.source.calls("doc.get")) == 2
    assert house.served() == set(mine)
    assert [removal.stage for removal in house.removals(*mine)] == [Stage.WITHDRAWN] * 2


async def test_F13_a_suspect_named_again_by_a_sweep_needs_no_question(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.unlisted = {mine[0]}
    await house.sync()
    house.source.unlisted = set()
    await house.sync()
    assert house.served() == set(mine)
    assert house.removal(mine[0]).stage is Stage.WITHDRAWN
    assert (await house.confirm()).withdrawn == 0


async def test_F12_an_empty_listing_hides_the_account_and_erases_nothing(house: Household) -> None:
    mine = await house.member(7, 150)
    theirs = await house.member(8, 2)
    await house.mirror()
    house.source.unlisted = set(mine)
    report = await house.sync()
    assert report.missing == 150
    assert house.served() == set(theirs)
    assert {house.removal(number).certificate for number in mine} == {"pages=1 total=0 distinct=0"}
    assert (await house.purge()).erased == 0
    house.source.unlisted = set()
    await house.sync()
    assert house.served() == {*mine, *theirs}
    assert not house.open_removals()


async def test_F12_at_the_deadline_what_nobody_confirmed_goes(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    house.source.unlisted = set(mine)
    await house.sync()
    house.source.fail("*", lambda method: Later(method, "down"), None)
    house.passes(22 * HOUR - MINUTE)
    await house.tick()
    assert house.on_disk() == set(mine)
    house.passes(2 * MINUTE)
    await house.tick()
    assert not house.on_disk()
    assert {(removal.reason, removal.stage) for removal in house.removals(*mine)} == {(Reason.UNSHARED, Stage.GONE)}
    assert house.removal(mine[0]).certificate == "pages=1 total=0 distinct=0; deadline"


async def test_F14_pages_that_shift_while_they_are_read_erase_nothing(house: Household) -> None:
    mine = await house.member(7, 250)
    await house.mirror()

    def owner(asked: Asked) -> None:
        # After the first page two of its documents go: the next page begins two documents later.
        if asked.method == "doc.getList" and asked.subject == 2:
            for number in mine[-2:]:
                house.source.documents.pop(number, None)

    house.source.on_call = owner
    await house.sync()
    assert len(house.served()) == 250 - 2  # two were shifted over; the deleted ones were seen before they went
    house.source.on_call = None
    report = await house.confirm()
    assert (report.withdrawn, report.confirmed) == (2, 0)
    assert house.served() == set(mine)
    await house.sync()
    await house.confirm()
    await house.purge()
    assert house.served() == house.on_disk() == set(mine[:-2])


async def test_F14_documents_that_come_while_pages_are_read_are_named_twice(house: Household) -> None:
    mine = await house.member(7, 150)

    def owner(asked: Asked) -> None:
        if asked.subject == 2:
            house.source.on_call = None
            house.source.add_document(7)

    house.source.on_call = owner
    await house.sync()
    assert house.served() == set(mine)
    await house.sync()
    assert len(house.served()) == 151


async def test_F16_a_total_that_is_too_small_hides_nobody(house: Household) -> None:
    mine = await house.member(7, 250)
    await house.mirror()
    house.source.claimed_total[7] = 100
    assert (await house.sync()).missing == 0
    assert house.served() == set(mine)
    assert [asked.subject for asked in house.source.calls("doc.getList")[-3:]] == [1, 2, 3]


async def test_F16_a_total_that_is_too_large_ends_with_the_first_empty_page(house: Household) -> None:
    await house.member(7, 100)
    house.source.claimed_total[7] = 10**9
    report = await house.sync()
    assert (report.pages, report.added) == (2, 100)
    assert house.listing(7).pages == 10_002


async def test_F16_a_full_last_page_of_a_mirror_that_shrank_costs_one_page(house: Household) -> None:
    mine = await house.member(7, 250)
    await house.mirror()
    for number in mine[:150]:
        house.source.delete(number)
    report = await house.sync()
    assert (report.pages, report.missing) == (2, 150)
    assert house.served() == set(mine[150:])


@pytest.mark.parametrize("verb", ["remove", "pause"])
async def test_F17_a_page_under_way_when_an_account_leaves_counts_for_nothing(house: Household, verb: str) -> None:
    await house.member(7, 2)
    await house.member(8, 2)

    def operator(asked: Asked) -> None:
        if asked.account_id == 7:
            house.leaves(7) if verb == "remove" else at_once(house.accounts.pause(7))

    house.source.on_call = operator
    report = await house.sync()
    assert report.added == 2
    assert {held.document.account_id for held in house.held().values()} == {8}


async def test_F17_a_page_asked_for_with_a_former_grant_counts_for_nothing(house: Household) -> None:
    await house.member(7, 2)

    def member(asked: Asked) -> None:
        if asked.method == "doc.getList":
            house.source.on_call = None
            at_once(house.authorize(7))

    house.source.on_call = member
    assert (await house.sync()).pages == 0
    assert (await house.sync()).added == 2


async def test_F17_an_account_that_leaves_after_its_last_page_leaves_no_listing(house: Household) -> None:
    await house.member(7, 2)
    await house.sync()
    house.source.unlisted = set(house.source.documents)
    application = house.catalog.write_now
    # The member leaves between the last page and the end of the sweep.
    writes = 0

    def write(work: Callable[[Transaction], Any]) -> Any:
        nonlocal writes
        writes += 1
        done = application(work)
        if writes == 2:
            application(lambda tx: tx.drop_listings(7))
            application(lambda tx: tx.put_account(replace(house.account(7), state=AccountState.REMOVED)))
        return done

    house.catalog.write_now = write  # type: ignore[method-assign]  # reason: something must come between two writes
    report = await house.sync()
    assert report.missing == 0
    assert house.catalog.read_now(lambda view: view.listings(7)) == []


async def test_F15_a_document_that_two_accounts_claim_stays_with_the_first(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.member(8, 1)
    await house.mirror()
    house.source.documents[mine[0]].account_id = 8
    await house.sync()
    document = house.document(mine[0])
    assert document is not None
    assert document.account_id == 7
    assert mine[0] not in house.served()  # its owner's listing does not name it any more


async def test_a_document_that_moves_between_mirrored_levels_is_served_on(house: Household) -> None:
    house.configure_view(visibility=frozenset({Visibility.PUBLIC, Visibility.FRIENDS}))
    mine = await house.member(7, 3)
    await house.mirror()
    house.source.share(mine[0], Visibility.FRIENDS)
    await house.sync()
    assert house.served() == set(mine)
    document = house.document(mine[0])
    assert document is not None
    assert document.facts.visibility is Visibility.FRIENDS
    assert {removal.stage for removal in house.open_removals()} == set()


async def test_a_document_that_moves_behind_the_reader_is_found_by_the_next_sweep(house: Household) -> None:
    house.configure_view(visibility=frozenset({Visibility.PUBLIC, Visibility.FRIENDS}))
    mine = await house.member(7, 3)
    await house.mirror()

    def owner(asked: Asked) -> None:
        # Friends are listed first; the document moves there just after.
        if asked.visibility is Visibility.PUBLIC:
            house.source.share(mine[0], Visibility.FRIENDS)

    house.source.on_call = owner
    await house.sync()
    house.source.on_call = None
    assert house.served() == set(mine[1:])
    await house.sync()
    assert house.served() == set(mine)


async def test_T10_a_relicensed_document_is_hidden_confirmed_and_erased(house: Household) -> None:
    house.configure_view(licenses=frozenset({1, 3}))
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.relicense(mine[0], 0)
    report = await house.sync()
    assert (report.hidden, report.changed, report.renewed, report.missing) == (1, 0, 1, 0)
    assert house.served() == {mine[1]}
    await house.confirm()
    await house.purge()
    assert house.on_disk() == {mine[1]}
    assert house.removal(mine[0]).reason is Reason.RELICENSED


async def test_T10_a_change_of_words_is_taken_over(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.documents[mine[0]].title = "Reworded"
    assert (await house.sync()).changed == 1
    document = house.document(mine[0])
    assert document is not None
    assert document.facts.title == "Reworded"


async def test_T10_the_old_version_of_a_replaced_file_goes_and_the_new_one_comes(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.replace(mine[0])
    await house.sync()
    assert house.served() == {mine[0]}
    assert house.served_files() == set()
    await house.purge()
    assert house.on_disk() == set()
    await house.fetch()
    assert house.store.open(ContentKey(7, mine[0], "240")).read() == content_of(mine[0], 2, "240")
    (removal,) = house.removals(mine[0])
    assert (removal.reason, removal.scope, removal.files_erased) == (Reason.REPLACED, Scope.FILES, 2)


async def test_a_file_that_fails_does_not_make_the_others_be_fetched_again(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.sync()
    house.media_source.failing[house.files(mine[0])["original"].file.url] = MediaLater("down")
    await house.fetch()
    assert house.file_states(mine[0]) == {"240": RenditionState.STORED, "original": RenditionState.FAILED}
    await house.sync()
    assert house.file_states(mine[0]) == {"240": RenditionState.STORED, "original": RenditionState.FAILED}
    assert house.served_files() == {(mine[0], "240")}


async def test_a_new_address_is_tried_at_once(house: Household) -> None:
    house.configure_view(visibility=frozenset({Visibility.PUBLIC, Visibility.FRIENDS}))
    mine = await house.member(7, 1)
    await house.sync()
    house.source.share(mine[0], Visibility.FRIENDS)
    assert (await house.fetch()).failed == 2
    await house.sync()
    assert (await house.fetch()).files == 2


async def test_dry_run_says_what_a_sync_would_do_and_changes_nothing(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    house.source.delete(mine[0])
    house.source.documents[mine[1]].title = "Reworded"
    house.source.add_document(7)
    await house.member(8, 1)
    before = snapshot(house.folder)
    reports = await house.dry_run()
    assert (reports[7].added, reports[7].changed, reports[7].renewed, reports[7].missing) == (1, 1, 1, 1)
    assert reports[8].added == 1
    assert snapshot(house.folder) == before
    assert {asked.lane for asked in house.source.calls("doc.getList")[-2:]} == {Lane.INTERACTIVE}


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every byte of the database; its shared memory only says who reads."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".db-shm"}


async def test_dry_run_reads_every_page(house: Household) -> None:
    await house.member(7, 150)
    reports = await house.dry_run()
    assert (reports[7].pages, reports[7].added) == (2, 150)
    assert house.held() == {}


async def test_progress_is_told_page_by_page(house: Household) -> None:
    await house.member(7, 150)
    told: list[tuple[int, int]] = []
    house.passes(MINUTE)
    await house._sync.run(on_page=lambda listing, report: told.append((listing.next_page, report.pages)))
    assert told == [(2, 1), (1, 2)]


async def test_F18_a_refusal_after_the_account_left_is_no_doubt(house: Household) -> None:
    await house.member(7, 1)

    def member(asked: Asked) -> None:
        house.leaves(7)
        house.source.revoke(7)

    house.source.on_call = member
    await house.sync()
    assert house.account_state(7) is AccountState.REMOVED


async def test_a_stale_document_keeps_its_details(house: Household) -> None:
    house.configure(replace(house.rules, details=True))
    mine = await house.member(7, 1)
    house.source.documents[mine[0]].description = "By the river"
    await house.mirror()
    house.passes(21 * HOUR)
    await house.expire()
    await house.sync()
    document = house.document(mine[0])
    assert document is not None
    assert document.details.description == "By the river"
    assert (await house.details()).fetched == 0


def test_an_account_nobody_knows_is_not_put_off(house: Household) -> None:
    house.catalog.write_now(lambda tx: put_off_account(tx, 99, "down", 1, house.rules.lease))
    assert house.catalog.read_now(lambda view: view.accounts()) == []
