"""What the catalog promises of owners' requests; run on every implementation like `test_catalog.py`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.documents import DocumentState, Tombstone
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.removals import OPEN_STAGES, Reason, Stage
from ipsync.policy.requests import (
    CERTIFICATE,
    Ending,
    Holding,
    RemovalRequest,
    RequestScope,
    Subject,
    Words,
    new_request,
)
from ipsync.ports.catalog import Catalog
from tests.fakes.catalogs import (
    LEASE,
    NOW,
    a_document,
    a_removal,
    a_rendition,
    a_stored_rendition,
    an_account,
    fresh_catalog,
)

DOCUMENT = Subject(RequestScope.DOCUMENT, 5, 1)
ACCOUNT = Subject(RequestScope.ACCOUNT, 1, 1)


@pytest.fixture(params=["sqlite", "sqlite inline"])
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    opened: Catalog = fresh_catalog(tmp_path, inline=request.param == "sqlite inline")
    await opened.write(lambda tx: [tx.put_account(an_account(number)) for number in (1, 2)])
    yield opened
    await opened.close()


def a_request(subject: Subject = DOCUMENT, **changes: object) -> RemovalRequest:
    return replace(new_request(subject, Holding(1, 2, 3000), 4, NOW, LEASE), **changes)  # type: ignore[arg-type]  # reason: names are checked by replace


async def put(catalog: Catalog, request: RemovalRequest, words: Words | None = None) -> RemovalRequest:
    number = await catalog.write(lambda tx: tx.put_removal_request(request, words))
    return replace(request, request_id=number)


async def test_T11_a_request_is_numbered_and_comes_back(catalog: Catalog) -> None:
    first, second = await put(catalog, a_request()), await put(catalog, a_request(ACCOUNT))
    assert (first.request_id, second.request_id) == (1, 2)
    assert await catalog.read(lambda view: view.removal_request(1)) == first
    assert await catalog.read(lambda view: view.removal_request(2)) == second
    assert await catalog.read(lambda view: view.removal_request(3)) is None


async def test_a_request_is_replaced_by_its_number(catalog: Catalog) -> None:
    request = await put(catalog, a_request(), Words("olga@example.org", "by mail"))
    changed = replace(
        request, gone_at=NOW + 1, ended_at=NOW + 2, ended_by=Ending.CONSENT, is_kept_outside=True, held=Holding()
    )
    assert await put(catalog, changed) == changed
    assert await catalog.read(lambda view: view.removal_request(1)) == changed
    # What was told beside it stays.
    assert await catalog.read(lambda view: view.request_words([1, 2])) == {1: Words("olga@example.org", "by mail")}
    # A number of its own, e.g. from the record outside, is kept.
    assert (await put(catalog, a_request(request_id=40))).request_id == 40
    assert (await put(catalog, a_request())).request_id == 41


async def test_requests_are_found(catalog: Catalog) -> None:
    one = await put(catalog, a_request(is_kept_outside=True))
    two = await put(catalog, a_request(ACCOUNT, gone_at=NOW))
    three = await put(catalog, a_request())
    other = await put(catalog, a_request(Subject(RequestScope.ACCOUNT, 5)))
    assert await catalog.read(lambda view: view.removal_requests()) == [one, two, three, other]
    assert await catalog.read(lambda view: view.removal_requests(after=1, limit=2)) == [two, three]
    assert await catalog.read(lambda view: view.removal_requests(open_only=True)) == [one, three, other]
    assert await catalog.read(lambda view: view.removal_requests(open_only=True, after=1, limit=1)) == [three]
    # Whoever its owner is said to be, it is the same document.
    assert await catalog.read(lambda view: view.removal_requests_of(replace(DOCUMENT, account_id=9))) == [one, three]
    assert await catalog.read(lambda view: view.requests_not_outside(2)) == [two, three]
    # Of one member, newest first.
    assert await catalog.read(lambda view: view.removal_requests_by(1)) == [three, two, one]
    assert await catalog.read(lambda view: view.removal_requests_by(1, before=3, limit=1)) == [two]
    assert await catalog.read(lambda view: view.removal_requests_by(9)) == []


async def test_what_is_held_is_counted(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_documents([a_document(5), a_document(6), a_document(7, 2)]))
    files = [a_stored_rendition(5), a_rendition(5, "500"), a_stored_rendition(6), a_stored_rendition(6, "original")]
    await catalog.write(lambda tx: tx.put_renditions(files))

    async def holding(scope: RequestScope, number: int) -> Holding:
        return await catalog.read(lambda view: view.holding(Subject(scope, number)))

    assert await holding(RequestScope.DOCUMENT, 5) == Holding(1, 1, 1000)
    assert await holding(RequestScope.DOCUMENT, 7) == Holding(1, 0, 0)
    assert await holding(RequestScope.DOCUMENT, 8) == Holding()
    assert await holding(RequestScope.ACCOUNT, 1) == Holding(2, 3, 3000)
    assert await holding(RequestScope.ACCOUNT, 9) == Holding()


@pytest.mark.parametrize("subject", [DOCUMENT, ACCOUNT])
async def test_T11_gone_is_said_when_nothing_is_left(catalog: Catalog, subject: Subject) -> None:
    await catalog.write(lambda tx: tx.add_documents([a_document(5, mirrored_at=NOW - 1), a_document(6, 2)]))
    await catalog.write(lambda tx: tx.add_removals([a_removal(5, stage=Stage.CONFIRMED, detected_at=NOW)]))
    await put(catalog, a_request(subject))
    assert await catalog.write(lambda tx: tx.settle_requests(NOW + 1)) == 0  # the document is there

    await catalog.write(lambda tx: tx.forget_documents([5]))
    assert await catalog.write(lambda tx: tx.settle_requests(NOW + 2)) == 0  # the log may still hold its text
    for stage in OPEN_STAGES:
        removal = await catalog.read(lambda view: view.removals(document_ids=[5])[0])
        await catalog.write(
            lambda tx, removal=removal, stage=stage: tx.update_removals([replace(removal, stage=stage)])
        )
        assert await catalog.write(lambda tx: tx.settle_requests(NOW + 3)) == 0, stage
    removal = await catalog.read(lambda view: view.removals(document_ids=[5])[0])
    await catalog.write(lambda tx: tx.update_removals([replace(removal, stage=Stage.GONE)]))
    assert await catalog.write(lambda tx: tx.settle_requests(NOW + 4)) == 1
    assert await catalog.write(lambda tx: tx.settle_requests(NOW + 5)) == 0
    found = await catalog.read(lambda view: view.removal_request(1))
    assert found is not None
    assert found.gone_at == NOW + 4


async def test_what_came_back_lawfully_is_not_of_the_request(catalog: Catalog) -> None:
    await put(catalog, a_request(DOCUMENT))
    await put(catalog, a_request(ACCOUNT))
    await catalog.write(lambda tx: tx.add_documents([a_document(5, mirrored_at=NOW + 1)]))
    await catalog.write(lambda tx: tx.add_removals([a_removal(5, detected_at=NOW + 2)]))
    assert await catalog.write(lambda tx: tx.settle_requests(NOW + 3)) == 2


async def test_words_are_erased_a_while_after_everything_was_gone(catalog: Catalog) -> None:
    for changes in ({"gone_at": NOW}, {"gone_at": NOW + 1}, {"gone_at": None}):
        await put(catalog, a_request(**changes), Words("olga@example.org"))
    await put(catalog, a_request(gone_at=NOW), Words())  # nothing was told
    assert await catalog.write(lambda tx: tx.forget_words(NOW + 1)) == 1
    assert set(await catalog.read(lambda view: view.request_words(range(9)))) == {2, 3}
    assert await catalog.write(lambda tx: tx.forget_words(NOW + DAY)) == 1
    assert set(await catalog.read(lambda view: view.request_words(range(9)))) == {3}


async def test_T11_an_accounts_request_is_unsafe_from_now_on(catalog: Catalog) -> None:
    ages = {5: HOUR, 6: 19 * HOUR, 7: HOUR}
    await catalog.write(lambda tx: tx.add_documents([a_document(n, verified_at=NOW - age) for n, age in ages.items()]))
    suspected = a_removal(7, detected_at=NOW - MINUTE, first_unsafe_at=NOW - HOUR, certificate="pages=1")
    await catalog.write(lambda tx: tx.add_removals([suspected]))
    assert await catalog.write(lambda tx: tx.doom_account_by_request(1, NOW, LEASE)) == 3
    found = {entry.document_id: entry for entry in await catalog.read(lambda view: view.removals())}
    assert {entry.stage for entry in found.values()} == {Stage.CONFIRMED}
    assert {entry.reason for entry in found.values()} == {Reason.OWNER_REQUEST}
    assert [found[number].first_unsafe_at for number in ages] == [NOW, NOW, NOW - HOUR]
    assert [found[number].certificate for number in ages] == [CERTIFICATE, CERTIFICATE, "pages=1"]
    documents = await catalog.read(lambda view: view.documents(ages))
    assert {entry.state for entry in documents.values()} == {DocumentState.DOOMED}


async def test_T11_I4_every_document_of_an_account_is_asked_for_at_once(catalog: Catalog) -> None:
    doomed = a_document(7, state=DocumentState.DOOMED, hidden_at=NOW - 5)
    await catalog.write(lambda tx: tx.add_documents([a_document(5), a_document(6), doomed, a_document(8, 2)]))
    files = [a_stored_rendition(5), a_stored_rendition(5, "original"), a_rendition(6)]
    await catalog.write(lambda tx: tx.put_renditions(files))
    stones = [Tombstone(5, 1, "unshared", NOW - 9), Tombstone(7, 1, "owner-request", NOW - 5, stands=True)]
    await catalog.write(lambda tx: tx.put_tombstones(stones))

    assert await catalog.write(lambda tx: tx.request_every_document(1, NOW, LEASE)) == 2
    # The same as if the owner had named one by one; who asked before asked once.
    assert await catalog.read(lambda view: view.removal_requests()) == [
        replace(new_request(Subject(RequestScope.DOCUMENT, number, 1), held, 0, NOW, LEASE), request_id=request_id)
        for request_id, number, held in ((1, 5, Holding(1, 2, 2000)), (2, 6, Holding(1, 0, 0)))
    ]
    found = await catalog.read(lambda view: view.documents([5, 6, 7, 8]))
    assert [found[number].state for number in (5, 6, 7, 8)] == [DocumentState.DOOMED] * 3 + [DocumentState.LIVE]
    removals = {entry.document_id: entry for entry in await catalog.read(lambda view: view.removals())}
    assert {removals[number].reason for number in (5, 6)} == {Reason.OWNER_REQUEST}
    assert 8 not in removals
    standing = await catalog.read(lambda view: view.tombstones([5, 6, 7, 8]))
    assert {number: (stone.stands, stone.since) for number, stone in standing.items()} == {
        5: (True, NOW),
        6: (True, NOW),
        7: (True, NOW - 5),
    }
    assert await catalog.write(lambda tx: tx.request_every_document(1, NOW + 1, LEASE)) == 0
    assert await catalog.write(lambda tx: tx.request_every_document(9, NOW, LEASE)) == 0


async def test_a_lifted_tombstone_stands_no_more(catalog: Catalog) -> None:
    stones = [Tombstone(number, 1, "owner-request", NOW, stands=True) for number in (5, 6)]
    await catalog.write(lambda tx: tx.put_tombstones(stones))
    await catalog.write(lambda tx: tx.lift_tombstone(5, NOW + 1))
    await catalog.write(lambda tx: tx.lift_tombstone(6, NOW - 1))
    await catalog.write(lambda tx: tx.lift_tombstone(7, NOW))
    assert await catalog.read(lambda view: view.tombstones_after(0, 10)) == [
        Tombstone(5, 1, "owner-request", NOW + 1),
        Tombstone(6, 1, "owner-request", NOW),
    ]
    assert [stone.document_id for stone in await catalog.read(lambda view: view.tombstones_after(5, 10))] == [6]
    assert len(await catalog.read(lambda view: view.tombstones_after(0, 1))) == 1
