"""The question of a sweep: which documents are held just as a page says.

Whatever it answers, `policy.sweeping` must come to the same end with everything before its eyes.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.documents import (
    Document,
    DocumentState,
    ListedDocument,
    Media,
    RenditionState,
    Safety,
    Visibility,
)
from ipsync.policy.instants import HOUR, SECOND
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import KeyUse, PermittedView
from ipsync.policy.sweeping import Held, PagePlan, plan_page
from ipsync.ports.catalog import Catalog, Transaction, View
from tests.fakes.catalogs import LEASE, NOW, a_document, a_rendition, a_stored_rendition, an_account, fresh_catalog

SENT = NOW + HOUR
EVERYTHING = PermittedView(
    KeyUse.NON_COMMERCIAL, frozenset(Visibility), frozenset(Media), frozenset(Safety), frozenset(LICENSES), ("240",)
)

SAME = {
    "as it was": a_document(),
    "nothing told but the title": a_document(
        posted_at=None, modified_at=None, created=None, md5=None, latitude=None, longitude=None
    ),
    "absent once, back since": a_document(absent_at=SENT - 1),
    "verified this very instant": a_document(verified_at=SENT),
    "words of every alphabet": a_document(title="Ωmega \N{SNOWMAN} 'quoted' \\ 1e400"),
}
OTHER = {
    "suspect": a_document(state=DocumentState.SUSPECT, hidden_at=NOW),
    "stale": a_document(state=DocumentState.STALE, hidden_at=NOW),
    "sealed": a_document(state=DocumentState.SEALED, hidden_at=NOW),
    "doomed": a_document(state=DocumentState.DOOMED, hidden_at=NOW),
    "another's": a_document(account_id=2),
    "verified later": a_document(verified_at=SENT + 1),
    "absent since": a_document(absent_at=SENT),
    "past its deadline": a_document(verified_at=SENT + SECOND - LEASE.erase_age),
}
CHANGES = {
    "media": Media.VIDEO,
    "license": 1,
    "safety": Safety.ADULTS,
    "visibility": Visibility.FRIENDS,
    "title": "a heron, early",
    "posted_at": None,
    "modified_at": NOW,
    "replaced_at": NOW,
    "created": None,
    "md5": "f" * 32,
    "latitude": -48.137,
    "longitude": None,
}


@pytest.fixture(params=["sqlite", "sqlite inline"])
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    opened = fresh_catalog(tmp_path, inline=request.param == "sqlite inline")
    await opened.write(lambda tx: [tx.put_account(an_account(account_id)) for account_id in (1, 2)])
    yield opened
    await opened.close()


async def compare(catalog: Catalog, listed: list[ListedDocument]) -> set[int]:
    return await catalog.read(
        lambda view: view.unchanged(1, listed, SENT, verified_after=SENT + SECOND - LEASE.erase_age)
    )


async def planned(catalog: Catalog, listed: list[ListedDocument]) -> PagePlan:
    def work(view: View) -> PagePlan:
        held = Held(view.documents([item.document_id for item in listed]), {}, {})
        return plan_page(1, SENT, listed, held, EVERYTHING, LEASE, SENT + SECOND)

    return await catalog.read(work)


@pytest.mark.parametrize("story", SAME)
async def test_a_document_held_just_so_needs_a_renewal_and_nothing_else(catalog: Catalog, story: str) -> None:
    held = SAME[story]
    listed = [ListedDocument(1, held.facts), ListedDocument(2, held.facts)]
    await catalog.write(lambda tx: tx.add_documents([held]))
    assert await compare(catalog, listed) == {1}
    assert (await planned(catalog, listed[:1])) == PagePlan(renewed=[1])


@pytest.mark.parametrize("story", OTHER)
async def test_a_document_that_stands_otherwise_is_looked_at(catalog: Catalog, story: str) -> None:
    held = OTHER[story]
    listed = [ListedDocument(1, held.facts)]
    await catalog.write(lambda tx: tx.add_documents([held]))
    assert await compare(catalog, listed) == set()
    assert (await planned(catalog, listed)).renewed == []


@pytest.mark.parametrize("name", CHANGES)
async def test_a_document_of_which_anything_changed_is_looked_at(catalog: Catalog, name: str) -> None:
    held = a_document()
    listed = [ListedDocument(1, replace(held.facts, **{name: CHANGES[name]}))]
    await catalog.write(lambda tx: tx.add_documents([held]))
    assert set(CHANGES) == set(held.facts.__dataclass_fields__)
    assert await compare(catalog, listed) == set()
    assert (await planned(catalog, listed)).renewed == []


async def test_a_document_with_a_file_left_to_fetch_is_looked_at(catalog: Catalog) -> None:
    documents: list[Document] = [a_document(number) for number in (1, 2, 3, 4)] + [a_document(5, account_id=2)]

    def work(tx: Transaction) -> None:
        tx.add_documents(documents)
        tx.put_renditions([a_stored_rendition(number) for number in (1, 2)])
        tx.put_renditions([a_rendition(5, account_id=2)])

    listed = [ListedDocument(document.document_id, document.facts) for document in documents]
    await catalog.write(work)
    assert await compare(catalog, listed) == {1, 2, 3, 4}
    await catalog.write(
        lambda tx: tx.put_renditions([a_rendition(1, "original"), a_rendition(3, state=RenditionState.FAILED)])
    )
    assert await compare(catalog, listed) == {2, 4}


async def test_of_no_documents_none_is_held(catalog: Catalog) -> None:
    assert await compare(catalog, []) == set()
