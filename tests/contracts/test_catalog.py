"""The promises of `ports.catalog.Catalog`, run on every implementation.

A new implementation adds a param to `catalog` and passes everything here.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.accounts import Account, AccountState, Consent, Grant
from ipsync.policy.budget import BudgetState, RealRate, Spent
from ipsync.policy.documents import (
    Document,
    DocumentState,
    Facts,
    Media,
    RenditionState,
    Safety,
    Tombstone,
    Visibility,
)
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.listings import Listing, PageRecord
from ipsync.policy.quota import FilesHeld
from ipsync.policy.removals import OPEN_STAGES, Reason, Scope, Stage
from ipsync.policy.sweeping import doom
from ipsync.ports.catalog import Catalog, CatalogFailure, JobRun, Transaction, View
from ipsync.ports.store import ContentKey
from tests.fakes.catalogs import (
    LEASE,
    NOW,
    a_document,
    a_removal,
    a_rendition,
    a_stored_rendition,
    an_account,
    fresh_catalog,
    with_details,
)

PUBLIC, FRIENDS = Visibility.PUBLIC, Visibility.FRIENDS


@pytest.fixture(params=["sqlite", "sqlite inline"])
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    opened: Catalog = fresh_catalog(tmp_path, inline=request.param == "sqlite inline")
    await opened.write(lambda tx: [tx.put_account(an_account(number)) for number in (1, 2)])
    yield opened
    await opened.close()


# Units of work


async def test_a_write_returns_what_the_work_returned(catalog: Catalog) -> None:
    assert await catalog.write(lambda tx: tx.account(1)) == an_account(1)


async def test_work_that_fails_leaves_nothing_behind(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.set_note("half", "done")
        tx.add_documents([a_document()])
        raise LookupError("the work's own failure")

    with pytest.raises(LookupError, match="the work's own failure"):
        await catalog.write(work)
    assert await catalog.read(lambda view: (view.note("half"), view.documents([1]))) == (None, {})
    assert (await catalog.read(lambda view: view.figures())).documents[DocumentState.LIVE] == 0


async def test_the_catalog_serves_on_after_a_failure(catalog: Catalog) -> None:
    with pytest.raises(CatalogFailure):
        await catalog.write(lambda tx: tx.add_documents([a_document(1), a_document(1)]))
    await catalog.write(lambda tx: tx.add_documents([a_document(1)]))
    assert await catalog.read(lambda view: view.documents([1])) == {1: a_document(1)}


async def test_a_transaction_reads_what_it_wrote(catalog: Catalog) -> None:
    def work(tx: Transaction) -> str | None:
        tx.set_note("epoch", "1")
        tx.set_note("epoch", "2")
        return tx.note("epoch")

    assert await catalog.write(work) == "2"


async def test_a_closed_catalog_says_so(catalog: Catalog) -> None:
    await catalog.close()
    await catalog.close()
    with pytest.raises(CatalogFailure, match="closed"):
        await catalog.read(lambda view: view.figures())
    with pytest.raises(CatalogFailure, match="closed"):
        await catalog.write(lambda tx: tx.set_note("a", "b"))


async def test_scrubbing_works_while_nobody_reads(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.set_note("a", "b"))
    assert await catalog.scrub() is True


# Accounts and grants


async def test_an_account_comes_back_as_it_was(catalog: Catalog) -> None:
    paused = Account(
        7, "ana", "Ana \N{LATIN SMALL LETTER E WITH ACUTE}", AccountState.PAUSED, 3, 1, 2, 3, "no answer", 4, 5
    )
    await catalog.write(lambda tx: tx.put_account(paused))
    assert await catalog.read(lambda view: view.account(7)) == paused
    await catalog.write(lambda tx: tx.put_account(replace(paused, state=AccountState.ACTIVE, failures=0)))
    assert await catalog.read(lambda view: view.account(7)) == replace(paused, state=AccountState.ACTIVE, failures=0)


async def test_accounts_come_by_id_and_by_state(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.put_account(an_account(1, state=AccountState.LOST)))
    assert [account.account_id for account in await catalog.read(lambda view: view.accounts())] == [1, 2]
    active = await catalog.read(lambda view: view.accounts({AccountState.ACTIVE}))
    assert [account.account_id for account in active] == [2]
    assert await catalog.read(lambda view: view.accounts(())) == []
    assert await catalog.read(lambda view: view.account(99)) is None


def consent(epoch: int, at: int = NOW) -> Consent:
    return Consent(1, epoch, f"fingerprint {epoch}", {"doc": "read"}, at)


async def test_a_grant_comes_back_and_replaces_the_former(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.put_grant(Grant(1, "token-1", {"doc": "read"}), consent(1)))
    await catalog.write(
        lambda tx: tx.put_grant(Grant(1, "token-2", {"doc": "read", "blog": "write"}), consent(2, NOW + HOUR))
    )
    assert await catalog.read(lambda view: view.grant(1)) == Grant(1, "token-2", {"doc": "read", "blog": "write"})
    first, second = await catalog.read(lambda view: view.consents(1))
    assert first == replace(consent(1), ended_at=NOW + HOUR, ended_reason="replaced")
    assert second == consent(2, NOW + HOUR)


async def test_T15_the_consent_outlives_the_grant(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.put_grant(Grant(1, "token-1", {"doc": "read"}), consent(1)))
    await catalog.write(lambda tx: tx.end_grant(1, NOW + HOUR, "grant-lost"))
    await catalog.write(lambda tx: tx.end_grant(1, NOW + DAY, "again"))
    assert await catalog.read(lambda view: view.grant(1)) is None
    assert await catalog.read(lambda view: view.consents(1)) == [
        replace(consent(1), ended_at=NOW + HOUR, ended_reason="grant-lost")
    ]


async def test_a_fingerprint_recognizes_a_token_and_does_not_tell_it(catalog: Catalog) -> None:
    first, again, other = await catalog.write(
        lambda tx: [tx.token_fingerprint(token) for token in ("token-1", "token-1", "token-2")]
    )
    assert first == again != other
    assert "token" not in first


# Listings


async def test_listings_come_back_and_go(catalog: Catalog) -> None:
    whole = Listing(1, PUBLIC, 310, 4, NOW, NOW - 1, 3, NOW - DAY)
    friends = Listing(1, FRIENDS)
    other = Listing(2, PUBLIC, pages=9)

    def work(tx: Transaction) -> None:
        for listing in (replace(whole, total=1), whole, friends, other):
            tx.put_listing(listing)
        tx.record_page(PageRecord(1, FRIENDS, 1, NOW, 3, 3))

    await catalog.write(work)
    assert await catalog.read(lambda view: view.listings(1)) == [friends, whole]
    assert await catalog.read(lambda view: view.listings()) == [friends, whole, other]
    await catalog.write(lambda tx: tx.drop_listings(1, keep=[PUBLIC]))
    assert await catalog.read(lambda view: view.listings()) == [whole, other]
    assert await catalog.read(lambda view: view.page_records(1, FRIENDS)) == []
    await catalog.write(lambda tx: tx.drop_listings(1))
    assert await catalog.read(lambda view: view.listings()) == [other]


async def test_the_newest_record_of_each_page_is_kept(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        for page in (2, 1, 3):
            tx.record_page(PageRecord(1, PUBLIC, page, NOW, 210, 100))
        tx.record_page(PageRecord(1, PUBLIC, 2, NOW + 1, 209, 99))
        tx.record_page(PageRecord(1, FRIENDS, 7, NOW, 1, 1))
        tx.record_page(PageRecord(2, PUBLIC, 7, NOW, 1, 1))
        tx.drop_pages_after(1, PUBLIC, 2)

    await catalog.write(work)
    assert await catalog.read(lambda view: view.page_records(1, PUBLIC)) == [
        PageRecord(1, PUBLIC, 1, NOW, 210, 100),
        PageRecord(1, PUBLIC, 2, NOW + 1, 209, 99),
    ]
    assert len(await catalog.read(lambda view: view.page_records(1, FRIENDS))) == 1


# Documents


async def test_a_document_comes_back_as_it_was(catalog: Catalog) -> None:
    full = with_details(
        1,
        state=DocumentState.SUSPECT,
        absent_at=NOW + 1,
        hidden_at=NOW + 2,
        replaced_at=NOW - DAY,
        title="<b>\N{BLACK HEART SUIT}</b>\n'; DROP TABLE document; --",
    )
    bare = a_document(
        2, posted_at=None, modified_at=None, created=None, md5=None, latitude=None, longitude=None, title=""
    )
    await catalog.write(lambda tx: tx.add_documents([full, bare]))
    assert await catalog.read(lambda view: view.documents([2, 1, 3])) == {1: full, 2: bare}


async def test_an_update_replaces_everything(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_documents([with_details(1), a_document(2), a_document(3)]))
    changed = [
        a_document(1, state=DocumentState.STALE, title="Another", account_id=2, visibility=FRIENDS, verified_at=5),
        with_details(2, latitude=None),
    ]
    await catalog.write(lambda tx: tx.update_documents(changed))
    assert await catalog.read(lambda view: view.documents([1, 2, 3])) == {
        1: changed[0],
        2: changed[1],
        3: a_document(3),
    }


async def test_renewing_never_goes_back_and_touches_live_documents_only(catalog: Catalog) -> None:
    others = [state for state in DocumentState if state is not DocumentState.LIVE]
    documents = [
        a_document(1),
        a_document(2, verified_at=NOW + 5),
        *(a_document(number, state=state) for number, state in enumerate(others, 3)),
        a_document(9),
    ]
    await catalog.write(lambda tx: tx.add_documents(documents))
    await catalog.write(lambda tx: tx.renew([1, 2, 3, 4, 5, 77], NOW + 3))
    found = await catalog.read(lambda view: view.documents(range(10)))
    assert found.pop(1) == a_document(1, verified_at=NOW + 3)
    assert found == {document.document_id: document for document in documents[1:]}


async def test_nothing_to_do_is_done(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.add_documents([])
        tx.update_documents([])
        tx.renew([], NOW)
        tx.forget_documents([])
        tx.put_tombstones([])
        tx.drop_tombstones([])
        tx.put_renditions([])
        tx.drop_renditions([])
        tx.set_rendition_state([], RenditionState.ERASING)
        tx.add_removals([])
        tx.update_removals([])

    await catalog.write(work)
    assert await catalog.read(lambda view: view.documents([])) == {}
    assert await catalog.read(lambda view: view.removals(document_ids=[])) == []


async def test_thousands_of_ids_at_once(catalog: Catalog) -> None:
    """SQL's limit on parameters (999, 32766) is no limit of ours."""
    numbers = range(1, 33_001)
    await catalog.write(lambda tx: tx.add_documents([a_document(number) for number in numbers]))
    await catalog.write(lambda tx: tx.renew(numbers, NOW + 1))
    found = await catalog.read(lambda view: view.documents(numbers))
    assert len(found) == 33_000
    assert {document.verified_at for document in found.values()} == {NOW + 1}
    await catalog.write(lambda tx: tx.put_tombstones(Tombstone(number, 1, "deleted", NOW) for number in numbers))
    await catalog.write(lambda tx: tx.forget_documents(numbers))
    assert await catalog.read(lambda view: view.documents(numbers)) == {}
    assert len(await catalog.read(lambda view: view.tombstones(numbers))) == 33_000


async def test_cursors_go_through_documents_by_id(catalog: Catalog) -> None:
    documents = [
        a_document(1, verified_at=NOW - DAY),
        a_document(3, account_id=2),
        a_document(5, state=DocumentState.STALE),
        a_document(7, account_id=2, state=DocumentState.SUSPECT),
        a_document(9),
    ]
    await catalog.write(lambda tx: tx.add_documents(documents[::-1]))

    async def ids(cursor: int, limit: int, **filters: object) -> list[int]:
        found = await catalog.read(lambda view: view.documents_after(cursor, limit, **filters))  # type: ignore[arg-type]  # reason: filters are of several types
        return [document.document_id for document in found]

    assert await ids(0, 3) == [1, 3, 5]
    assert await ids(5, 3) == [7, 9]
    assert await ids(9, 3) == []
    assert await ids(0, 9, account_id=2) == [3, 7]
    assert await ids(3, 9, account_id=2) == [7]
    assert await ids(0, 9, states={DocumentState.LIVE}) == [1, 3, 9]
    assert await ids(0, 9, states={DocumentState.STALE, DocumentState.SUSPECT}) == [5, 7]
    assert await ids(5, 9, states={DocumentState.STALE, DocumentState.SUSPECT}) == [7]
    assert await ids(0, 9, states=()) == []
    assert await ids(0, 9, verified_since=NOW) == [3, 5, 7, 9]
    await catalog.write(lambda tx: tx.put_account(an_account(2, state=AccountState.LOST)))
    assert await ids(0, 9, verified_since=NOW, states={DocumentState.LIVE}) == [9]
    await catalog.write(lambda tx: tx.put_account(an_account(2, state=AccountState.PAUSED)))
    assert await ids(0, 9, verified_since=NOW, states={DocumentState.LIVE}) == [3, 9]


async def test_documents_are_grouped_by_all_that_decides_whether_they_may_be_kept(catalog: Catalog) -> None:
    documents = [
        with_details(1),
        a_document(2, title="another title", posted_at=NOW - DAY, verified_at=NOW - HOUR),
        a_document(3, account_id=2),
        a_document(4, license=3),
        a_document(5, media=Media.VIDEO),
        a_document(6, safety=Safety.ADULTS),
        a_document(7, visibility=FRIENDS),
        a_document(8, state=DocumentState.STALE),
        a_document(9, state=DocumentState.STALE),
    ]
    assert await catalog.read(lambda view: view.alike()) == []
    await catalog.write(lambda tx: tx.add_documents(documents))

    def groups(view: View) -> dict[tuple[DocumentState, tuple[int, ...]], tuple[int, Facts]]:
        return {
            (group.state, tuple(view.documents_alike(group, 0, 10))): (group.account_id, group.facts)
            for group in view.alike()
        }

    found = await catalog.read(groups)
    live = [(DocumentState.LIVE, alike) for alike in ((1, 2, 8, 9), (3,), (4,), (5,), (6,), (7,))]
    # State tells groups apart, and changes while one looks: whoever looks for a group's documents finds all like them.
    assert sorted(found) == [*live, (DocumentState.STALE, (1, 2, 8, 9))]
    for (_, numbers), (account_id, facts) in found.items():
        one = documents[numbers[0] - 1]
        assert account_id == one.account_id
        assert facts == Facts(one.facts.media, one.facts.license, one.facts.safety, one.facts.visibility, "")


async def test_a_group_is_gone_through_by_id(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_documents([a_document(number) for number in (5, 1, 9, 3, 7)]))
    (group,) = await catalog.read(lambda view: view.alike())
    assert await catalog.read(lambda view: view.documents_alike(group, 0, 3)) == [1, 3, 5]
    assert await catalog.read(lambda view: view.documents_alike(group, 5, 3)) == [7, 9]
    assert await catalog.read(lambda view: view.documents_alike(group, 9, 3)) == []
    await catalog.write(
        lambda tx: tx.update_documents([a_document(7, state=DocumentState.STALE), a_document(5, license=3)])
    )
    assert await catalog.read(lambda view: view.documents_alike(group, 0, 10)) == [1, 3, 7, 9]


def verified(documents: Iterable[Document]) -> list[int]:
    return [document.verified_at for document in documents]


@pytest.mark.parametrize("account_id", [None, 3])
@pytest.mark.parametrize("visibility", [None, FRIENDS])
@pytest.mark.parametrize("limit", [1, 20, 1000])
async def test_the_oldest_verification_comes_first_over_all_accounts(
    catalog: Catalog, account_id: int | None, visibility: Visibility | None, limit: int
) -> None:
    """More documents, accounts and states than one question answers at once; many of the same age."""
    await catalog.write(lambda tx: [tx.put_account(an_account(number)) for number in range(3, 8)])
    states = list(DocumentState)
    documents = [
        a_document(
            number,
            number % 7 + 1,
            state=states[number % 3],
            verified_at=NOW - (number * 7919 % 101) * SECOND,
            visibility=(PUBLIC, FRIENDS)[number % 5 == 0],
        )
        for number in range(1, 501)
    ]
    await catalog.write(lambda tx: tx.add_documents(documents))
    before = NOW - 10 * SECOND
    expected = [
        document
        for document in sorted(documents, key=lambda document: document.verified_at)
        if document.state in (states[0], states[2])
        and document.verified_at < before
        and account_id in (None, document.account_id)
        and visibility in (None, document.facts.visibility)
    ]
    found = await catalog.read(
        lambda view: view.documents_unverified_since(
            before, limit, states=[states[0], states[2]], account_id=account_id, visibility=visibility
        )
    )
    assert verified(found) == verified(expected[:limit])
    assert {document.document_id for document in found} <= {document.document_id for document in expected}
    assert len({document.document_id for document in found}) == len(found)


async def test_nothing_is_unverified_in_no_state(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_documents([a_document(1)]))
    assert await catalog.read(lambda view: view.documents_unverified_since(NOW + 1, 5, states=())) == []
    assert await catalog.read(lambda view: view.documents_unverified_since(NOW, 5, states=set(DocumentState))) == []


async def test_details_are_wanted_and_get_old(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.put_account(an_account(2, state=AccountState.PAUSED)))
    documents = [
        a_document(1),
        with_details(2),
        with_details(3, modified_at=NOW),
        with_details(4, modified_at=None),
        a_document(5, state=DocumentState.STALE),
        a_document(6, account_id=2),
        with_details(7, state=DocumentState.DOOMED, modified_at=NOW),
    ]
    documents[1] = replace(documents[1], details_at=NOW - DAY)
    await catalog.write(lambda tx: tx.add_documents(documents))
    wanting = await catalog.read(lambda view: view.documents_wanting_details(10))
    assert sorted(document.document_id for document in wanting) == [1, 3]
    assert len(await catalog.read(lambda view: view.documents_wanting_details(1))) == 1
    old = await catalog.read(lambda view: view.documents_detailed_before(NOW, 10))
    assert [document.document_id for document in old] == [2, 3, 4, 7]
    assert await catalog.read(lambda view: view.documents_detailed_before(NOW - HOUR, 10)) == [documents[1]]


async def test_forgetting_a_document_forgets_its_files_and_nothing_else(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.add_documents([with_details(1), with_details(2)])
        tx.put_renditions([a_rendition(1), a_rendition(1, "original"), a_rendition(2)])
        tx.add_removals([a_removal(1)])
        tx.put_tombstones([Tombstone(1, 1, "deleted", NOW)])
        tx.forget_documents([1, 3])

    await catalog.write(work)
    assert await catalog.read(lambda view: view.documents([1, 2])) == {2: with_details(2)}
    assert await catalog.read(lambda view: view.renditions([1, 2])) == {2: [a_rendition(2)]}
    assert [entry.document_id for entry in await catalog.read(lambda view: view.removals())] == [1]
    assert set(await catalog.read(lambda view: view.tombstones([1, 2]))) == {1}


async def test_T11_a_standing_tombstone_goes_on_standing(catalog: Catalog) -> None:
    request = Tombstone(1, 1, "owner-request", NOW, stands=True)

    async def put(tombstone: Tombstone) -> Tombstone:
        await catalog.write(lambda tx: tx.put_tombstones([tombstone]))
        return (await catalog.read(lambda view: view.tombstones([1])))[1]

    assert await put(Tombstone(1, 1, "deleted", NOW - HOUR)) == Tombstone(1, 1, "deleted", NOW - HOUR)
    assert await put(request) == request
    assert await put(Tombstone(1, 1, "expired", NOW + HOUR)) == replace(request, since=NOW + HOUR)
    assert await put(replace(request, since=NOW)) == replace(request, since=NOW + HOUR)
    await catalog.write(lambda tx: tx.drop_tombstones([1, 2]))
    assert await catalog.read(lambda view: view.tombstones([1])) == {}


# Renditions


async def test_a_file_comes_back_as_it_was(catalog: Catalog) -> None:
    wanted = a_rendition(1, "original", attempts=3, next_try_at=NOW, state=RenditionState.FAILED)
    wanted = replace(wanted, file=replace(wanted.file, size_bytes=123_456))
    stored = a_stored_rendition(1, "240")
    await catalog.write(lambda tx: tx.add_documents([a_document(1), a_document(2)]))
    await catalog.write(lambda tx: tx.put_renditions([a_rendition(1, "240"), wanted]))
    await catalog.write(lambda tx: tx.put_renditions([stored]))
    assert await catalog.read(lambda view: view.renditions([1, 2])) == {1: [stored, wanted]}
    assert await catalog.read(lambda view: view.renditions([1, 2], {RenditionState.STORED})) == {1: [stored]}
    assert await catalog.read(lambda view: view.renditions([1, 2], ())) == {}


async def test_a_file_of_an_unknown_document_is_refused(catalog: Catalog) -> None:
    """A late download must not bring a row back that was erased."""
    with pytest.raises(CatalogFailure):
        await catalog.write(lambda tx: tx.put_renditions([a_stored_rendition(1)]))
    assert await catalog.read(lambda view: view.renditions([1])) == {}


async def test_files_are_wanted_of_live_documents_of_active_accounts(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.put_account(an_account(3, state=AccountState.PAUSED))
        tx.add_documents(
            [a_document(1), a_document(2, 2), a_document(3, 3), a_document(4, state=DocumentState.SUSPECT)]
        )
        tx.put_renditions(
            [
                a_rendition(1, "240"),
                a_rendition(1, "500", state=RenditionState.FAILED, next_try_at=NOW),
                a_rendition(1, "640", next_try_at=NOW + 1),
                a_stored_rendition(1, "800"),
                a_rendition(1, "1024", state=RenditionState.ERASING),
                a_rendition(2, "240", 2),
                a_rendition(3, "240", 3),
                a_rendition(4, "240"),
            ]
        )

    await catalog.write(work)
    found = await catalog.read(lambda view: view.wanted_renditions(NOW, 10))
    assert {(entry.document_id, entry.file.rendition) for entry in found} == {(1, "240"), (1, "500"), (2, "240")}
    assert await catalog.read(lambda view: view.wanted_renditions(NOW, 0)) == []


async def test_no_account_is_starved_of_its_files(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.put_account(an_account(3))
        tx.add_documents([a_document(number) for number in range(1, 101)])
        tx.add_documents([a_document(201, 2), a_document(301, 3)])
        tx.put_renditions([a_rendition(number) for number in range(1, 101)])
        tx.put_renditions([a_rendition(201, account_id=2), a_rendition(301, account_id=3)])

    await catalog.write(work)
    found = await catalog.read(lambda view: view.wanted_renditions(NOW, 10))
    assert len(found) == 10
    assert {201, 301} < {entry.document_id for entry in found}
    assert len(await catalog.read(lambda view: view.wanted_renditions(NOW, 1000))) == 102
    others = await catalog.read(lambda view: view.wanted_renditions(NOW, 1000, {1}))
    assert {entry.document_id for entry in others} == {201, 301}
    ones = [
        (await catalog.read(lambda view, at=at: view.wanted_renditions(NOW + at, 1)))[0]
        for at in range(0, 3 * SECOND, SECOND)
    ]
    assert {entry.account_id for entry in ones} == {1, 2, 3}


async def test_T09_files_that_were_stored_long_ago_come_oldest_first(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.add_documents([a_document(number) for number in range(1, 6)])
        tx.put_renditions(
            [
                a_stored_rendition(1, "240", stored_at=NOW - 3 * DAY),
                a_stored_rendition(2, "500", stored_at=NOW - 4 * DAY),
                a_stored_rendition(3, "240", stored_at=NOW - 5 * DAY),
                a_stored_rendition(4, "original", stored_at=NOW - 6 * DAY),
                a_stored_rendition(5, "240", stored_at=NOW - DAY),
                a_stored_rendition(1, "640", stored_at=NOW - 9 * DAY, state=RenditionState.ERASING),
            ]
        )

    await catalog.write(work)

    async def ids(before: int, limit: int) -> list[int]:
        found = await catalog.read(lambda view: view.renditions_stored_before(before, {"240", "500", "640"}, limit))
        return [entry.document_id for entry in found]

    assert await ids(NOW - DAY, 10) == [3, 2, 1]
    assert await ids(NOW - DAY + 1, 10) == [3, 2, 1, 5]
    assert await ids(NOW, 2) == [3, 2]


async def test_documents_with_files_are_gone_through_by_id(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.add_documents([a_document(number) for number in (1, 2, 3, 4, 10)])
        tx.put_renditions(
            [
                a_stored_rendition(10, "1024"),
                a_stored_rendition(1, "500"),
                a_stored_rendition(1, "240"),
                a_rendition(3, "640"),
                a_stored_rendition(2, "240", state=RenditionState.ERASING),
                a_stored_rendition(4, "500"),
                a_rendition(4, "240"),
            ]
        )

    await catalog.write(work)

    async def ids(after: int, limit: int) -> list[int]:
        return await catalog.read(lambda view: view.documents_with_files_after(after, limit))

    assert await ids(0, 10) == [1, 4, 10]
    assert await ids(0, 2) == [1, 4]
    assert await ids(4, 2) == [10]
    assert await ids(10, 2) == []


async def test_single_files_change_state_and_go(catalog: Catalog) -> None:
    key = ContentKey(1, 1, "240")

    def work(tx: Transaction) -> None:
        tx.add_documents([a_document(1), a_document(2)])
        tx.put_renditions([a_stored_rendition(1), a_stored_rendition(1, "500"), a_stored_rendition(2)])
        tx.set_rendition_state([key, ContentKey(1, 9, "240"), ContentKey(2, 2, "240")], RenditionState.ERASING)

    await catalog.write(work)
    erasing = a_stored_rendition(1, state=RenditionState.ERASING)
    assert await catalog.read(lambda view: view.renditions([1, 2])) == {
        1: [erasing, a_stored_rendition(1, "500")],
        2: [a_stored_rendition(2)],
    }
    await catalog.write(lambda tx: tx.drop_renditions([key, ContentKey(1, 9, "240"), ContentKey(2, 2, "240")]))
    assert await catalog.read(lambda view: view.renditions([1, 2])) == {
        1: [a_stored_rendition(1, "500")],
        2: [a_stored_rendition(2)],
    }


async def test_orphans_are_what_no_row_knows(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.add_documents([a_document(1), a_document(2)])
        tx.put_renditions(
            [
                a_stored_rendition(1),
                a_stored_rendition(1, "500", state=RenditionState.ERASING),
                a_rendition(1, "640"),
                a_stored_rendition(2),
            ]
        )

    await catalog.write(work)
    known = {ContentKey(1, 1, "240"), ContentKey(1, 1, "500")}
    orphans = {ContentKey(1, 1, "640"), ContentKey(2, 2, "240"), ContentKey(1, 3, "240"), ContentKey(1, 1, "75x")}
    assert await catalog.read(lambda view: view.known_files(known | orphans)) == known
    assert await catalog.read(lambda view: view.known_files(set())) == set()


# Removals


async def test_a_removal_is_numbered_and_comes_back(catalog: Catalog) -> None:
    files = a_removal(
        2,
        scope=Scope.FILES,
        renditions=("240", "original"),
        reason=Reason.REPLACED,
        stage=Stage.ERASED,
        confirmed_at=NOW + 1,
        files_erased=2,
        bytes_erased=2000,
        attempts=3,
        next_try_at=NOW + 9,
        certificate="pages=4 total=310 distinct=310",
    )
    await catalog.write(lambda tx: tx.add_removals([a_removal(1), files]))
    first, second = await catalog.read(lambda view: view.removals())
    assert 0 < first.removal_id < second.removal_id
    assert replace(first, removal_id=0) == a_removal(1)
    assert replace(second, removal_id=0) == files
    assert await catalog.read(lambda view: view.removal(second.removal_id)) == second
    assert await catalog.read(lambda view: view.removal(99)) is None


async def test_removals_are_found_by_stage_account_and_document(catalog: Catalog) -> None:
    entries = [
        a_removal(number, number % 2 + 1, stage=stage, erase_by=NOW - number) for number, stage in enumerate(Stage, 1)
    ]
    await catalog.write(lambda tx: tx.add_removals(entries))

    async def ids(**filters: object) -> list[int]:
        found = await catalog.read(lambda view: view.removals(**filters))  # type: ignore[arg-type]  # reason: filters are of several types
        return [entry.document_id for entry in found]

    assert await ids() == [6, 5, 4, 3, 2, 1]
    assert await ids(limit=2) == [6, 5]
    assert await ids(stages=OPEN_STAGES) == [4, 3, 2, 1]
    assert await ids(account_id=1) == [6, 4, 2]
    assert await ids(account_id=1, stages={Stage.GONE, Stage.CONFIRMED}) == [2]
    assert await ids(document_ids=[1, 5, 77]) == [5, 1]
    assert await ids(document_ids=[1, 5], stages={Stage.GONE}) == [5]
    assert await ids(document_ids=[1, 5], account_id=1) == []
    assert await ids(stages=()) == []


async def test_removals_are_updated_by_their_number(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_removals([a_removal(1), a_removal(2), a_removal(3)]))

    def work(tx: Transaction) -> None:
        first, second, _ = tx.removals()
        tx.update_removals(
            [replace(first, stage=Stage.GONE, gone_at=NOW + 5, files_erased=1), replace(second, attempts=1)]
        )

    await catalog.write(work)
    found = [replace(entry, removal_id=0) for entry in await catalog.read(lambda view: view.removals())]
    assert found == [
        a_removal(1, stage=Stage.GONE, gone_at=NOW + 5, files_erased=1),
        a_removal(2, attempts=1),
        a_removal(3),
    ]


async def test_removals_move_on_many_at_once(catalog: Catalog) -> None:
    await catalog.write(
        lambda tx: tx.add_removals([a_removal(number, stage=Stage.CONFIRMED) for number in (1, 2, 3)] + [a_removal(4)])
    )
    first, second, third, fourth = (entry.removal_id for entry in await catalog.read(lambda view: view.removals()))

    def move(tx: Transaction) -> dict[int, Reason]:
        tx.update_removals([replace(tx.removals(document_ids=[2])[0], reason=Reason.OWNER_REQUEST)])
        return tx.advance_removals([first, second, fourth, 999], Stage.CONFIRMED, Stage.ERASED)

    assert await catalog.write(move) == {first: Reason.UNSHARED, second: Reason.OWNER_REQUEST}
    assert await catalog.write(lambda tx: tx.advance_removals([], Stage.CONFIRMED, Stage.ERASED)) == {}
    moved = await catalog.write(
        lambda tx: tx.advance_removals([first, second, third], Stage.ERASED, Stage.GONE, NOW + 5)
    )
    assert set(moved) == {first, second}
    found = [replace(entry, removal_id=0) for entry in await catalog.read(lambda view: view.removals())]
    assert found == [
        a_removal(1, stage=Stage.GONE, gone_at=NOW + 5),
        a_removal(2, stage=Stage.GONE, gone_at=NOW + 5, reason=Reason.OWNER_REQUEST),
        a_removal(3, stage=Stage.CONFIRMED),
        a_removal(4),
    ]


async def test_intended_removals_count_what_they_will_erase(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_documents([a_document(number) for number in (1, 2, 3, 4)]))
    erasing = a_stored_rendition(1, "original", state=RenditionState.ERASING)
    await catalog.write(lambda tx: tx.put_renditions([a_stored_rendition(1), erasing, a_rendition(1, "100")]))
    await catalog.write(lambda tx: tx.put_renditions([a_stored_rendition(number) for number in (2, 3, 4)]))
    await catalog.write(
        lambda tx: tx.add_removals(
            [
                a_removal(1, stage=Stage.CONFIRMED),
                a_removal(2, stage=Stage.INTENDED, files_erased=9),
                a_removal(3),
                a_removal(4, stage=Stage.CONFIRMED, scope=Scope.FILES, renditions=("240",)),
                a_removal(5, stage=Stage.CONFIRMED),
            ]
        )
    )
    numbers = [entry.removal_id for entry in await catalog.read(lambda view: view.removals())]
    await catalog.write(lambda tx: tx.intend_removals(numbers))
    found = [replace(entry, removal_id=0) for entry in await catalog.read(lambda view: view.removals())]
    assert sorted(found, key=lambda entry: entry.document_id) == [
        a_removal(1, stage=Stage.INTENDED, files_erased=2, bytes_erased=2000),
        a_removal(2, stage=Stage.INTENDED, files_erased=1, bytes_erased=1000),
        a_removal(3),
        a_removal(4, stage=Stage.CONFIRMED, scope=Scope.FILES, renditions=("240",)),
        a_removal(5, stage=Stage.INTENDED),
    ]


async def test_documents_are_doomed_many_at_once_as_the_rule_says(catalog: Catalog) -> None:
    held = [
        a_document(1),
        a_document(2, state=DocumentState.SUSPECT, hidden_at=NOW - 7, absent_at=NOW - 8),
        a_document(3, state=DocumentState.DOOMED, hidden_at=NOW - 9),
        a_document(4),
    ]
    await catalog.write(lambda tx: tx.add_documents(held))
    await catalog.write(lambda tx: tx.doom_documents([1, 2, 3, 99], NOW + 5))
    found = await catalog.read(lambda view: view.documents([1, 2, 3, 4]))
    assert [found[number] for number in (1, 2, 3)] == [doom(document, NOW + 5) for document in held[:3]]
    assert found[4] == held[3]


async def only(catalog: Catalog) -> object:
    (found,) = await catalog.read(lambda view: view.removals())
    return replace(found, removal_id=0)


async def test_of_two_removals_of_a_document_the_stronger_stands(catalog: Catalog) -> None:
    suspected = a_removal(
        1, erase_by=NOW + 9, erase_from=NOW + 8, detected_at=NOW + 3, attempts=4, next_try_at=NOW + 60
    )
    confirmed = a_removal(
        1,
        stage=Stage.CONFIRMED,
        reason=Reason.DELETED,
        confirmed_at=NOW + 5,
        erase_by=NOW + 20,
        erase_from=NOW + 7,
        certificate="doc.get error 1",
    )
    await catalog.write(lambda tx: tx.add_removals([suspected]))
    await catalog.write(lambda tx: tx.add_removals([confirmed]))
    united = replace(
        confirmed, erase_by=NOW + 9, erase_from=NOW + 7, detected_at=NOW + 3, hidden_at=suspected.hidden_at
    )
    assert await only(catalog) == united
    await catalog.write(lambda tx: tx.add_removals([a_removal(1, reason=Reason.POLICY_CHANGE, erase_by=NOW + 4)]))
    assert await only(catalog) == replace(united, erase_by=NOW + 4)


async def test_T11_an_owners_request_is_remembered_as_one(catalog: Catalog) -> None:
    confirmed = a_removal(1, stage=Stage.INTENDED, reason=Reason.UNSHARED, confirmed_at=NOW + 5)
    request = a_removal(1, stage=Stage.CONFIRMED, reason=Reason.OWNER_REQUEST, confirmed_at=NOW + 6)
    await catalog.write(lambda tx: tx.add_removals([confirmed]))
    await catalog.write(lambda tx: tx.add_removals([request]))
    assert await only(catalog) == replace(confirmed, reason=Reason.OWNER_REQUEST)
    await catalog.write(lambda tx: tx.add_removals([replace(confirmed, reason=Reason.EXPIRED)]))
    assert await only(catalog) == replace(confirmed, reason=Reason.OWNER_REQUEST)


async def test_two_removals_of_a_document_in_one_batch_become_one(catalog: Catalog) -> None:
    request = a_removal(1, stage=Stage.CONFIRMED, reason=Reason.OWNER_REQUEST, confirmed_at=NOW + 6)
    await catalog.write(lambda tx: tx.add_removals([a_removal(1), request, a_removal(1, erase_by=NOW + 1)]))
    assert await only(catalog) == replace(request, erase_by=NOW + 1)


async def test_what_is_over_does_not_hold_a_new_removal_back(catalog: Catalog) -> None:
    over = [a_removal(1, stage=Stage.GONE, gone_at=NOW), a_removal(1, stage=Stage.WITHDRAWN)]
    files = [a_removal(1, scope=Scope.FILES, renditions=("240",)), a_removal(1, scope=Scope.FILES, renditions=("500",))]
    await catalog.write(lambda tx: tx.add_removals(over))
    await catalog.write(lambda tx: tx.add_removals([*files, a_removal(1)]))
    await catalog.write(lambda tx: tx.add_removals(over))
    assert len(await catalog.read(lambda view: view.removals())) == 7


async def test_what_is_erased_and_waits_for_the_log_does_not_swallow_a_new_removal(catalog: Catalog) -> None:
    """A document may come back while a reader still holds the log, and go again."""
    erased = a_removal(1, stage=Stage.ERASED, confirmed_at=NOW, reason=Reason.RELICENSED)
    await catalog.write(lambda tx: tx.add_removals([erased]))
    await catalog.write(lambda tx: tx.add_removals([a_removal(1)]))
    found = await catalog.read(lambda view: view.removals())
    assert [replace(entry, removal_id=0) for entry in found] == [erased, a_removal(1)]

    await catalog.write(lambda tx: tx.add_documents([a_document(1)]))
    await catalog.write(lambda tx: tx.doom_account(1, Reason.GRANT_LOST, NOW, LEASE))
    found = await catalog.read(lambda view: view.removals())
    assert [entry.stage for entry in found] == [Stage.ERASED, Stage.CONFIRMED]


async def test_suspicions_wait_for_their_turn(catalog: Catalog) -> None:
    await catalog.write(
        lambda tx: tx.add_removals(
            [
                a_removal(1, erase_from=NOW + 3),
                a_removal(2, erase_from=NOW + 1),
                a_removal(3, erase_from=NOW + 2, next_try_at=NOW + 1),
                a_removal(4, erase_from=NOW + 2, next_try_at=NOW),
                a_removal(5, erase_from=NOW + 2, stage=Stage.CONFIRMED),
            ]
        )
    )
    found = await catalog.read(lambda view: view.suspicions(NOW, 10))
    assert [entry.document_id for entry in found] == [2, 4, 1]
    assert [entry.document_id for entry in await catalog.read(lambda view: view.suspicions(NOW + MINUTE, 2))] == [2, 3]


# A whole account


async def test_T15_a_document_that_changed_hands_is_doomed_with_the_account_that_has_it_now(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.add_documents([a_document(1, 1, state=DocumentState.SUSPECT), a_document(2, 1)])
        tx.add_removals([a_removal(1), a_removal(2, stage=Stage.CONFIRMED, reason=Reason.DELETED)])
        tx.update_documents([a_document(1, 2, state=DocumentState.SUSPECT), a_document(2, 2)])

    await catalog.write(work)
    assert await catalog.write(lambda tx: tx.doom_account(2, Reason.GRANT_LOST, NOW, LEASE)) == 2
    removals = await catalog.read(lambda view: view.removals(stages=OPEN_STAGES))
    assert [(entry.document_id, entry.stage, entry.reason) for entry in removals] == [
        (1, Stage.CONFIRMED, Reason.GRANT_LOST),
        (2, Stage.CONFIRMED, Reason.DELETED),
    ]


async def test_T15_a_whole_account_is_doomed(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.add_documents(
            [
                a_document(1, verified_at=NOW - HOUR),
                a_document(2, state=DocumentState.SUSPECT, hidden_at=NOW - MINUTE, absent_at=NOW - MINUTE),
                a_document(3, state=DocumentState.DOOMED, hidden_at=NOW - HOUR),
                a_document(4, 2),
            ]
        )
        tx.add_removals(
            [
                a_removal(2, erase_by=NOW + 7, attempts=3, next_try_at=NOW + DAY),
                a_removal(3, stage=Stage.INTENDED, reason=Reason.DELETED, confirmed_at=NOW - HOUR),
                a_removal(1, stage=Stage.WITHDRAWN),
                a_removal(1, scope=Scope.FILES, renditions=("240",), stage=Stage.CONFIRMED, reason=Reason.REPLACED),
            ]
        )

    await catalog.write(work)
    concerned = await catalog.write(lambda tx: tx.doom_account(1, Reason.GRANT_LOST, NOW, LEASE))
    assert concerned == 3

    found = await catalog.read(lambda view: view.documents([1, 2, 3, 4]))
    assert {number: document.state for number, document in found.items()} == {
        1: DocumentState.DOOMED,
        2: DocumentState.DOOMED,
        3: DocumentState.DOOMED,
        4: DocumentState.LIVE,
    }
    assert [found[number].hidden_at for number in (1, 2, 3)] == [NOW, NOW - MINUTE, NOW - HOUR]

    removals = await catalog.read(lambda view: view.removals(stages=OPEN_STAGES))
    by_document = {
        entry.document_id: replace(entry, removal_id=0) for entry in removals if entry.scope is Scope.DOCUMENT
    }
    assert by_document == {
        1: a_removal(
            1,
            stage=Stage.CONFIRMED,
            reason=Reason.GRANT_LOST,
            first_unsafe_at=NOW - HOUR,
            detected_at=NOW,
            hidden_at=NOW,
            erase_from=LEASE.erase_from(NOW - HOUR),
            erase_by=LEASE.erase_by(NOW - HOUR),
            confirmed_at=NOW,
        ),
        2: a_removal(2, stage=Stage.CONFIRMED, reason=Reason.GRANT_LOST, erase_by=NOW + 7, confirmed_at=NOW),
        3: a_removal(3, stage=Stage.INTENDED, reason=Reason.DELETED, confirmed_at=NOW - HOUR),
    }
    assert await catalog.write(lambda tx: tx.doom_account(1, Reason.GRANT_LOST, NOW + 1, LEASE)) == 3
    assert await catalog.read(lambda view: view.removals(stages=OPEN_STAGES)) == removals


async def test_T11_an_owner_who_asks_for_everything_is_remembered(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_documents([a_document(1), a_document(2)]))
    await catalog.write(lambda tx: tx.add_removals([a_removal(1, stage=Stage.INTENDED, confirmed_at=NOW)]))
    await catalog.write(lambda tx: tx.doom_account(1, Reason.OWNER_REQUEST, NOW, LEASE))
    found = await catalog.read(lambda view: view.removals())
    assert [(entry.reason, entry.stage) for entry in found] == [
        (Reason.OWNER_REQUEST, Stage.INTENDED),
        (Reason.OWNER_REQUEST, Stage.CONFIRMED),
    ]


# Numbers and small records


async def test_an_empty_catalog_in_numbers(catalog: Catalog) -> None:
    figures = await catalog.read(lambda view: view.figures())
    assert figures.documents == dict.fromkeys(DocumentState, 0)
    assert figures.open_removals == dict.fromkeys(OPEN_STAGES, 0)
    assert (figures.oldest_verified_at, figures.nearest_erase_by) == (None, None)
    assert (figures.stored_files, figures.stored_bytes, figures.wanted_files, figures.listing_pages) == (0, 0, 0, 0)


async def test_the_catalog_in_numbers(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.put_account(an_account(3, state=AccountState.PAUSED))
        tx.add_documents(
            [
                a_document(1),
                a_document(2, verified_at=NOW - 5),
                a_document(3, state=DocumentState.STALE, verified_at=NOW - 9),
                a_document(4, 2, verified_at=NOW - 3),
            ]
        )
        tx.put_renditions(
            [
                a_stored_rendition(1),
                a_stored_rendition(1, "500", state=RenditionState.ERASING, size_bytes=7),
                a_rendition(2),
                a_rendition(2, "500", state=RenditionState.FAILED),
            ]
        )
        tx.put_renditions([a_stored_rendition(4, account_id=2, size_bytes=50)])
        tx.add_removals([a_removal(3), a_removal(8, 2, stage=Stage.CONFIRMED, erase_by=NOW + 4)])
        tx.add_removals([a_removal(9, 2, stage=Stage.GONE, erase_by=NOW)])
        tx.put_tombstones([Tombstone(9, 2, "deleted", NOW)])
        tx.put_listing(Listing(1, PUBLIC, pages=4))
        tx.put_listing(Listing(1, FRIENDS, pages=2))
        tx.put_listing(Listing(3, PUBLIC, pages=100))

    await catalog.write(work)
    figures = await catalog.read(lambda view: view.figures())
    assert figures.documents[DocumentState.LIVE] == 3
    assert figures.documents[DocumentState.STALE] == 1
    assert figures.tombstones == 1
    assert figures.oldest_verified_at == NOW - 5
    assert figures.open_removals == {
        Stage.SUSPECTED: 1, Stage.CONFIRMED: 1, Stage.INTENDED: 0, Stage.ERASED: 0
    }  # fmt: skip
    assert figures.nearest_erase_by == NOW + 4
    assert (figures.stored_files, figures.stored_bytes, figures.wanted_files) == (3, 1057, 2)
    assert figures.listing_pages == 6

    each = await catalog.read(lambda view: view.account_figures())
    assert set(each) == {1, 2, 3}
    assert each[1].documents[DocumentState.LIVE] == 2
    assert (each[1].stored_files, each[1].stored_bytes, each[1].oldest_verified_at, each[1].open_removals) == (
        2, 1007, NOW - 5, 1
    )  # fmt: skip
    assert (each[2].stored_bytes, each[2].oldest_verified_at, each[2].open_removals) == (50, NOW - 3, 1)
    assert (each[3].stored_bytes, each[3].oldest_verified_at) == (0, None)


async def test_F31_what_an_account_holds_counts_until_it_is_gone(catalog: Catalog) -> None:
    def work(tx: Transaction) -> None:
        tx.put_account(an_account(3, state=AccountState.PAUSED))
        tx.put_account(an_account(4))
        tx.add_documents([a_document(1), a_document(2, 2), a_document(3, 3)])
        tx.put_renditions([a_rendition(1), a_stored_rendition(1, "500", size_bytes=40)])
        tx.put_renditions([a_rendition(1, "640", state=RenditionState.FAILED)])
        tx.put_renditions([a_stored_rendition(1, "800", size_bytes=2), a_stored_rendition(2, account_id=2)])
        tx.put_renditions([a_rendition(3, account_id=3), a_stored_rendition(3, "500", account_id=3, size_bytes=9)])
        tx.set_rendition_state([ContentKey(1, 1, "800")], RenditionState.ERASING)

    await catalog.write(work)
    held = await catalog.read(lambda view: view.holdings())
    size = a_stored_rendition(2, account_id=2).size_bytes
    assert held == {1: FilesHeld(42, 2), 2: FilesHeld(size, 0), 3: FilesHeld(9, 0)}
    await catalog.write(lambda tx: tx.drop_renditions([ContentKey(1, 1, "800")]))
    await catalog.write(lambda tx: tx.forget_documents([3]))
    held = await catalog.read(lambda view: view.holdings())
    assert held == {1: FilesHeld(40, 2), 2: FilesHeld(size, 0)}


async def test_a_failed_run_keeps_the_last_success(catalog: Catalog) -> None:
    good = JobRun("sync", NOW, NOW + 1, succeeded_at=NOW + 1)
    bad = JobRun("sync", NOW + 2, NOW + 3, "no answer")
    await catalog.write(
        lambda tx: [tx.put_job_run(good), tx.put_job_run(bad), tx.put_job_run(JobRun("purge", 1, 2, "x"))]
    )
    assert await catalog.read(lambda view: view.job_runs()) == {
        "sync": replace(bad, succeeded_at=NOW + 1),
        "purge": JobRun("purge", 1, 2, "x"),
    }


async def test_notes_are_remembered(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.set_note("key.use", "non-commercial"))
    assert await catalog.read(lambda view: (view.note("key.use"), view.note("other"))) == ("non-commercial", None)


async def test_the_budget_is_replaced_whole(catalog: Catalog) -> None:
    def budget(view: View) -> BudgetState:
        return view.budget()

    state = BudgetState(
        next_slot_at=NOW,
        spent=(Spent("hour", NOW - HOUR, 3), Spent("minute", NOW, 1)),
        blocked_until=NOW + 1,
        backoff_step=2,
        rate_factor=0.1 + 0.2,
        recovered_at=NOW - 1,
        real_rates=(RealRate(NOW - DAY, 1 / 3),),
    )
    assert await catalog.read(budget) == BudgetState()
    await catalog.write(lambda tx: tx.put_budget(state))
    assert await catalog.read(budget) == state
    later = replace(state, spent=(Spent("hour", NOW - HOUR, 4),), real_rates=(), rate_factor=1.0)
    await catalog.write(lambda tx: tx.put_budget(later))
    assert await catalog.read(budget) == later
