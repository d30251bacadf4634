"""What planning knows is kept to the letter, and the documents a page should name are found by where they stand."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.catalog import SqliteCatalog
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.planner import HeldDocument, ListingKey, ListingKnowledge, PageKnowledge
from ipsync.policy.planner.removal_rate import RemovalRate
from tests.fakes.catalogs import NOW, a_document, an_account, fresh_catalog

MINE = ListingKey(1, Visibility.PUBLIC)
FRIENDS = ListingKey(1, Visibility.FRIENDS)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqliteCatalog]:
    found = fresh_catalog(tmp_path, inline=True)
    found.write_now(lambda tx: [tx.put_account(an_account(number)) for number in (1, 2)])
    yield found
    found.close_now()


def test_plans_are_kept_as_they_are(catalog: SqliteCatalog) -> None:
    whole = ListingKnowledge(
        MINE, 310, 312, 4, True, RemovalRate(1.5, 99.25, NOW), NOW - 5, 3, NOW - 9, NOW - 7, 2, NOW + 60
    )
    pages = [
        PageKnowledge(1, NOW, 310, 100, 9, 5, 7, 96),
        PageKnowledge(2, NOW + 1, 309, 100),
        PageKnowledge(3, 1, 2, 3),
    ]
    catalog.write_now(lambda tx: (tx.put_listing_plan(whole), tx.put_listing_plan(ListingKnowledge(FRIENDS))))
    catalog.write_now(lambda tx: (tx.put_page_plans(MINE, pages), tx.put_page_plans(FRIENDS, pages[2:])))
    assert catalog.read_now(lambda view: view.listing_plans()) == {MINE: whole, FRIENDS: ListingKnowledge(FRIENDS)}
    assert catalog.read_now(lambda view: view.page_plans(MINE)) == pages
    assert catalog.read_now(lambda view: (view.page_plan(MINE, 2), view.page_plan(MINE, 9))) == (pages[1], None)
    catalog.write_now(
        lambda tx: (tx.put_page_plans(MINE, [replace(pages[0], total=1)]), tx.drop_page_plans_after(MINE, 1))
    )
    assert catalog.read_now(lambda view: view.page_plans(MINE)) == [replace(pages[0], total=1)]
    catalog.write_now(lambda tx: tx.drop_plans([MINE]))
    assert catalog.read_now(lambda view: (view.page_plans(MINE), set(view.listing_plans()))) == ([], {FRIENDS})


def test_one_plan_is_asked_for_and_rates_that_have_changed(catalog: SqliteCatalog) -> None:
    quiet = ListingKnowledge(MINE, removals=RemovalRate(0.0, 9.5, NOW))
    busy = ListingKnowledge(FRIENDS, removals=RemovalRate(3.0, 9.5, NOW + 1))
    never = ListingKnowledge(ListingKey(2, Visibility.PUBLIC))
    catalog.write_now(lambda tx: [tx.put_listing_plan(plan) for plan in (quiet, busy, never)])
    asked = catalog.read_now(lambda view: [view.listing_plan(key) for key in (MINE, never.key, ListingKey(3, MINE[1]))])
    assert asked == [quiet, never, None]
    assert catalog.read_now(lambda view: view.removal_rates(NOW)) == {MINE: quiet.removals, FRIENDS: busy.removals}
    assert catalog.read_now(lambda view: view.removal_rates(NOW + 1)) == {FRIENDS: busy.removals}


def test_with_its_listing_a_plan_goes(catalog: SqliteCatalog) -> None:
    catalog.write_now(
        lambda tx: (tx.put_listing_plan(ListingKnowledge(MINE)), tx.put_page_plans(MINE, [PageKnowledge(1, 2, 3, 4)]))
    )
    catalog.write_now(lambda tx: tx.drop_listings(1))
    assert catalog.read_now(lambda view: (view.page_plans(MINE), view.listing_plans())) == ([], {})


def test_documents_are_found_by_where_they_stand_in_their_listing(catalog: SqliteCatalog) -> None:
    def posted(number: int, at: int | None, **changes: object) -> None:
        document = a_document(number, **changes)  # type: ignore[arg-type]  # reason: names are checked by a_document
        catalog.write_now(lambda tx: tx.add_documents([replace(document, facts=replace(document.facts, posted_at=at))]))

    posted(1, 10, verified_at=NOW)
    posted(2, 20, verified_at=NOW, state=DocumentState.STALE)
    posted(3, 30, verified_at=NOW + 1)
    posted(4, 20, verified_at=NOW, state=DocumentState.SUSPECT)
    posted(5, 20, verified_at=NOW, visibility=Visibility.FRIENDS)
    posted(6, None, verified_at=NOW)
    posted(7, 41, verified_at=NOW)
    found = catalog.read_now(lambda view: view.documents_posted(MINE, 10, 40, NOW + 1))
    assert sorted(found, key=lambda document: document.document_id) == [
        HeldDocument(1, 10, NOW),
        HeldDocument(2, 20, NOW),
    ]
