"""What the catalog promises of incidents; run on every implementation like `test_catalog.py`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.incidents import Condition, Incident
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.notices import Delivery
from ipsync.policy.removals import Stage
from ipsync.policy.requests import Holding, RequestScope, Subject, new_request
from ipsync.ports.catalog import Catalog
from tests.fakes.catalogs import LEASE, NOW, a_document, a_removal, an_account, fresh_catalog

LOST = Incident(Condition.GRANT_LOST, "7", 3, NOW)


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    opened: Catalog = fresh_catalog(tmp_path, inline=True)
    yield opened
    await opened.close()


async def put(catalog: Catalog, *incidents: Incident) -> list[Incident]:
    numbers = await catalog.write(lambda tx: [tx.put_incident(incident) for incident in incidents])
    return [replace(entry, incident_id=number) for entry, number in zip(incidents, numbers, strict=True)]


async def test_incidents_are_numbered_and_come_back_newest_first(catalog: Catalog) -> None:
    first, second, third = await put(
        catalog, LOST, replace(LOST, subject="8", absent_at=NOW + 1), replace(LOST, subject="9", resolved_at=NOW + 2)
    )
    assert await catalog.read(lambda view: view.incidents()) == [third, second, first]
    assert await catalog.read(lambda view: view.incidents(open_only=True)) == [second, first]
    assert await catalog.read(lambda view: view.incidents(before=third.incident_id, limit=1)) == [second]
    assert await catalog.read(lambda view: view.incident(first.incident_id)) == first
    assert await catalog.read(lambda view: view.incident(99)) is None


async def test_an_incident_is_replaced_by_number(catalog: Catalog) -> None:
    (kept,) = await put(catalog, LOST)
    over = replace(kept, absent_at=NOW + 1, resolved_at=NOW + HOUR)
    assert await catalog.write(lambda tx: tx.put_incident(over)) == kept.incident_id
    assert await catalog.read(lambda view: view.incidents()) == [over]


async def test_who_is_owed_something_is_found(catalog: Catalog) -> None:
    going_on, over = await put(catalog, LOST, replace(LOST, subject="8", resolved_at=NOW + HOUR))
    told = Delivery(going_on.incident_id, "mail", opened_sent_at=NOW)
    failing = Delivery(going_on.incident_id, "command", attempts=2, next_try_at=NOW + 5, failure="ended with code 1")
    ended = Delivery(over.incident_id, "mail", opened_sent_at=NOW, next_try_at=NOW)
    done = Delivery(over.incident_id, "command", resolved_sent_at=NOW, done_at=NOW)
    await catalog.write(lambda tx: tx.put_deliveries([told, failing, ended, done]))
    assert await catalog.read(lambda view: view.open_deliveries(10)) == [(ended, over), (failing, going_on)]
    assert await catalog.read(lambda view: view.deliveries([going_on.incident_id])) == [failing, told]
    await catalog.write(lambda tx: tx.put_deliveries([replace(failing, opened_sent_at=NOW + 9)]))
    assert await catalog.read(lambda view: view.open_deliveries(10)) == [(ended, over)]


async def test_old_incidents_are_forgotten_with_who_was_told(catalog: Catalog) -> None:
    old, young, going_on = await put(
        catalog, replace(LOST, resolved_at=NOW), replace(LOST, resolved_at=NOW + 1), replace(LOST, subject="9")
    )
    await catalog.write(lambda tx: tx.put_deliveries([Delivery(entry.incident_id, "mail") for entry in (old, young)]))
    assert await catalog.write(lambda tx: tx.forget_incidents(NOW + 1)) == 1
    assert await catalog.read(lambda view: view.incidents()) == [going_on, young]
    assert await catalog.read(lambda view: view.deliveries([old.incident_id])) == []


async def test_new_requests_are_found_from_their_end(catalog: Catalog) -> None:
    def ask(number: int, at: int) -> None:
        request = new_request(Subject(RequestScope.DOCUMENT, number, 1), Holding(), 1, at, LEASE)
        assert catalog.write_now(lambda tx: tx.put_removal_request(request)) == number  # type: ignore[attr-defined]  # reason: inline

    for number, at in ((1, NOW - DAY), (2, NOW), (3, NOW + 1)):
        ask(number, at)
    found = await catalog.read(lambda view: view.newest_removal_requests(NOW, 10))
    assert [request.request_id for request in found] == [3, 2]
    assert [request.request_id for request in await catalog.read(lambda view: view.newest_removal_requests(0, 1))] == [
        3
    ]


async def test_removals_that_fail_again_and_again_are_counted(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.put_account(an_account()))
    await catalog.write(lambda tx: tx.add_documents([a_document(number) for number in range(1, 5)]))
    stages = (Stage.CONFIRMED, Stage.INTENDED, Stage.ERASED, Stage.GONE)
    await catalog.write(
        lambda tx: tx.add_removals(
            [a_removal(number, stage=stage, attempts=3 + number) for number, stage in enumerate(stages, 1)]
        )
    )
    assert await catalog.read(lambda view: view.failing_removals(5, 10)) == 2
    assert await catalog.read(lambda view: view.failing_removals(1, 2)) == 2
    assert await catalog.read(lambda view: view.failing_removals(99, 10)) == 0
