"""F6, F7: instants that have not come, left by a clock that ran ahead."""

from dataclasses import replace

from ipsync.catalog import SqliteCatalog
from ipsync.policy.budget import BudgetState
from ipsync.policy.documents import DocumentState, RenditionState, Visibility
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.listings import NOT_AS_A_WHOLE, Listing
from ipsync.policy.planner import ListingKey, PageKnowledge
from ipsync.policy.removals import Stage
from ipsync.ports.catalog import Transaction, View
from tests.fakes.catalogs import NOW, a_document, a_removal, a_rendition, a_stored_rendition, an_account

YEAR = 365 * DAY


def test_F7_what_claims_to_be_verified_later_is_found(catalog: SqliteCatalog) -> None:
    documents = [
        a_document(1),
        a_document(2, verified_at=NOW + 1),
        a_document(3, account_id=2, verified_at=NOW + YEAR, state=DocumentState.STALE),
        a_document(4, verified_at=NOW + YEAR, state=DocumentState.DOOMED),
        a_document(5, verified_at=NOW + 2 * YEAR),
    ]
    catalog.write_now(lambda tx: tx.add_documents(documents))
    ahead = catalog.read_now(lambda view: view.documents_verified_after(NOW, 10))
    assert sorted(entry.document_id for entry in ahead) == [2, 3, 5]
    assert len(catalog.read_now(lambda view: view.documents_verified_after(NOW, 2))) == 2
    assert catalog.read_now(lambda view: view.documents_verified_after(NOW + 2 * YEAR, 10)) == []


def test_F1_F6_only_a_listing_whose_pages_were_read_in_the_future_is_read_anew(catalog: SqliteCatalog) -> None:
    by_plan = {"next_due_at": NOT_AS_A_WHOLE, "completed_at": NOW - HOUR}
    listings = [
        Listing(1, Visibility.PUBLIC, **by_plan),
        Listing(2, Visibility.PUBLIC, **by_plan),
        Listing(3, Visibility.PUBLIC, **by_plan | {"completed_at": NOW + YEAR}),
    ]

    def fill(tx: Transaction) -> None:
        for listing in listings:
            tx.put_account(an_account(listing.account_id))
            tx.put_listing(listing)
        for account_id, read_at in ((1, NOW), (2, NOW + 1)):
            tx.put_page_plans(ListingKey(account_id, Visibility.PUBLIC), [PageKnowledge(1, read_at, 1, 1)])

    catalog.write_now(fill)
    assert catalog.write_now(lambda tx: tx.pull_back(NOW + DAY, NOW)) == 2
    due = {listing.account_id: listing.next_due_at for listing in catalog.read_now(lambda view: view.listings())}
    assert due == {1: NOT_AS_A_WHOLE, 2: NOW, 3: NOW}


def test_F6_work_that_was_put_off_for_years_is_due_now(catalog: SqliteCatalog) -> None:
    later, soon = NOW + YEAR, NOW + HOUR

    def fill(tx: Transaction) -> None:
        tx.put_account(an_account(1, next_check_at=later, retry_at=later))
        tx.put_account(an_account(2, next_check_at=soon))
        tx.put_listing(Listing(1, Visibility.PUBLIC, next_due_at=later))
        tx.put_listing(Listing(2, Visibility.PUBLIC, next_due_at=soon))
        tx.add_documents([a_document(1), a_document(2)])
        tx.put_renditions(
            [
                a_rendition(1, next_try_at=later),
                replace(a_rendition(2), state=RenditionState.FAILED, next_try_at=soon),
                a_stored_rendition(2, "original"),
            ]
        )
        tx.add_removals([a_removal(1, next_try_at=later), a_removal(2, stage=Stage.INTENDED, next_try_at=soon)])
        tx.put_budget(BudgetState(next_slot_at=later, blocked_until=soon))

    catalog.write_now(fill)
    assert catalog.write_now(lambda tx: tx.pull_back(NOW + DAY, NOW)) == 6

    def look(view: View) -> None:
        first, second = view.accounts()
        assert (first.next_check_at, first.retry_at, second.next_check_at) == (NOW, NOW, soon)
        assert [entry.next_due_at for entry in view.listings()] == [NOW, soon]
        tries = {key: [entry.next_try_at for entry in held] for key, held in view.renditions([1, 2]).items()}
        assert tries == {1: [NOW], 2: [soon, 0]}
        assert sorted(entry.next_try_at for entry in view.removals()) == [NOW, soon]
        assert (view.budget().next_slot_at, view.budget().blocked_until) == (NOW, soon)

    catalog.read_now(look)
    assert catalog.write_now(lambda tx: tx.pull_back(NOW + DAY, NOW)) == 0
