"""What the catalog promises of absences; run on every implementation like `test_catalog.py`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.certificates import Certificate
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.removals import DEADLINE, Reason, Stage
from ipsync.policy.tripwire import Outcome, Phase, Resolution, Tripwire
from ipsync.ports.catalog import Catalog
from tests.fakes.catalogs import NOW, a_document, a_removal, an_account, fresh_catalog

CERTIFICATE = Certificate(
    account_id=1,
    visibility=Visibility.FRIENDS,
    first_sent_at=NOW,
    last_sent_at=NOW + 1,
    pages=2,
    pages_claimed=3,
    total=4,
    named=5,
    distinct=6,
    held=7,
    missing=8,
    first_removal=9,
    last_removal=10,
)
WIRE = Tripwire(
    account_id=1, certificate_id=1, tripped_at=NOW, missing=3, held=4, first_removal=2, last_removal=4, sample=(2, 4)
)


@pytest.fixture(params=["sqlite", "sqlite inline"])
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    opened: Catalog = fresh_catalog(tmp_path, inline=request.param == "sqlite inline")
    await opened.write(lambda tx: [tx.put_account(an_account(number)) for number in (1, 2)])
    yield opened
    await opened.close()


async def test_certificates_are_numbered_and_come_back_newest_first(catalog: Catalog) -> None:
    others = replace(CERTIFICATE, account_id=2)
    numbers = await catalog.write(lambda tx: [tx.add_certificate(entry) for entry in (CERTIFICATE, others, others)])
    assert numbers == [1, 2, 3]
    read = catalog.read
    assert await read(lambda view: view.certificates(account_id=1, limit=9)) == [replace(CERTIFICATE, certificate_id=1)]
    assert [entry.certificate_id for entry in await read(lambda view: view.certificates(limit=2))] == [3, 2]
    assert [entry.certificate_id for entry in await read(lambda view: view.certificates(before=3, limit=9))] == [2, 1]


async def test_a_removal_finds_its_certificate(catalog: Catalog) -> None:
    later = replace(CERTIFICATE, first_removal=21, last_removal=30)
    nothing_new = replace(CERTIFICATE, first_removal=0, last_removal=0)
    await catalog.write(lambda tx: [tx.add_certificate(entry) for entry in (CERTIFICATE, later, nothing_new)])
    asked = [a_removal(number, account, removal_id=number) for account in (1, 2) for number in (8, 9, 10, 11, 25, 31)]
    told = await catalog.read(lambda view: view.certificates_of([entry for entry in asked if entry.account_id == 1]))
    assert {number: entry.certificate_id for number, entry in told.items()} == {9: 1, 10: 1, 25: 2}
    assert await catalog.read(lambda view: view.certificates_of([e for e in asked if e.account_id == 2])) == {}


async def test_tripwires_are_numbered_replaced_and_found(catalog: Catalog) -> None:
    first = replace(WIRE, tripwire_id=await catalog.write(lambda tx: tx.put_tripwire(WIRE)))
    second = replace(WIRE, account_id=2, sample=())
    second = replace(second, tripwire_id=await catalog.write(lambda tx: tx.put_tripwire(second)))
    assert await catalog.read(lambda view: view.tripwires()) == [second, first]
    ended = replace(
        first, phase=Phase.ENDED, rereads=2, doubted_at=NOW, ended_at=NOW + 1, resolution=Resolution.PARTLY, sample=()
    )
    assert await catalog.write(lambda tx: tx.put_tripwire(ended)) == first.tripwire_id
    assert await catalog.read(lambda view: view.tripwires()) == [second]
    assert await catalog.read(lambda view: view.tripwires(account_id=1)) == []
    assert await catalog.read(lambda view: view.tripwires(account_id=1, active_only=False)) == [ended]
    assert await catalog.read(lambda view: view.tripwires(active_only=False, limit=1)) == [second]


async def test_suspicions_are_counted_chosen_and_passed_over(catalog: Catalog) -> None:
    assert await catalog.read(lambda view: view.newest_removal()) == 0
    entries = [a_removal(number, 1 if number < 6 else 2) for number in range(1, 8)]
    entries[2] = replace(entries[2], stage=Stage.CONFIRMED)
    await catalog.write(lambda tx: tx.add_removals(entries))
    read = catalog.read
    assert await read(lambda view: view.newest_removal()) == 7
    assert await read(lambda view: view.open_suspicions(1, 0)) == 4
    assert await read(lambda view: view.open_suspicions(1, 4)) == 1
    assert await read(lambda view: view.open_suspicions(3, 0)) == 0
    chosen = await read(lambda view: view.suspicions_at(1, [1, 3, 4, 6]))
    assert [entry.removal_id for entry in chosen] == [1, 4]
    found = await read(lambda view: view.suspicions(NOW, 9, [WIRE]))
    assert [entry.removal_id for entry in found] == [1, 5, 6, 7]
    found = await read(lambda view: view.suspicions(NOW, 9, [WIRE, replace(WIRE, account_id=2, last_removal=6)]))
    assert [entry.removal_id for entry in found] == [1, 5, 7]


async def test_what_became_of_a_tripwires_suspicions_is_counted(catalog: Catalog) -> None:
    entries = [
        a_removal(1),
        a_removal(2, stage=Stage.WITHDRAWN),
        a_removal(3, stage=Stage.GONE, certificate="pages=1; doc.get error 1"),
        a_removal(4, stage=Stage.GONE, certificate=f"pages=1; {DEADLINE}"),
        a_removal(5, stage=Stage.INTENDED, reason=Reason.OWNER_REQUEST),
        a_removal(6, stage=Stage.CONFIRMED, reason=Reason.GRANT_LOST),
        a_removal(7, 2),
        a_removal(8),
    ]
    await catalog.write(lambda tx: [tx.add_removals([entry]) for entry in entries])
    wire = replace(WIRE, first_removal=1, last_removal=7)
    outcome = await catalog.read(lambda view: view.outcome_of(wire))
    assert outcome == Outcome(open=1, confirmed=1, withdrawn=1, by_deadline=1, otherwise=2)
    assert (
        await catalog.read(lambda view: view.outcome_of(replace(wire, first_removal=90, last_removal=99))) == Outcome()
    )


async def test_what_is_held_and_what_was_verified(catalog: Catalog) -> None:
    documents = [
        a_document(1),
        a_document(2, state=DocumentState.SUSPECT),
        a_document(3, state=DocumentState.DOOMED),
        a_document(4, verified_at=NOW - 1),
        a_document(5, visibility=Visibility.FRIENDS),
        a_document(6, 2),
    ]
    await catalog.write(lambda tx: tx.add_documents(documents))
    assert await catalog.read(lambda view: view.held_documents(1)) == 4
    assert await catalog.read(lambda view: view.held_documents(9)) == 0
    assert await catalog.read(lambda view: view.verified_documents(1, Visibility.PUBLIC, NOW)) == 1
