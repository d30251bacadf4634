"""The source of a drill passes the promises of every source, and answers otherwise about one document alone."""

import pytest

from ipsync.jobs.drill_source import DrillSource
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.drills import NOTE, Drill
from ipsync.policy.instants import DAY
from ipsync.ports.source import Gone, Lane
from tests.jobs.household import Household


async def begun(house: Household, mine: list[int]) -> tuple[DrillSource, str]:
    """A drill of the first document, and the token of its owner."""
    now = house.clock.now()
    drill = Drill(mine[0], 7, Visibility.PUBLIC, now, now + DAY)
    await house.catalog.write(lambda tx: tx.set_note(NOTE, drill.encode()))
    grant = await house.catalog.read(lambda view: view.grant(7))
    assert grant is not None
    return DrillSource(house.source, house.catalog, house.clock), grant.token


async def test_the_listing_is_one_short_and_the_document_unknown(house: Household) -> None:
    mine = await house.member(7, 4)
    source, token = await begun(house, mine)

    page = await source.list_page(7, token, Visibility.PUBLIC, 1, ("240",), Lane.VERIFICATION)
    assert {entry.document_id for entry in page.documents} == set(mine[1:])
    assert page.total == 3
    asked = len(house.source.asked)
    with pytest.raises(Gone):
        await source.document(7, token, mine[0], Lane.CONFIRMATION)
    assert len(house.source.asked) == asked
    seen = await source.document(7, token, mine[1], Lane.CONFIRMATION)
    assert seen.document_id == mine[1]


async def test_other_listings_and_members_are_given_as_they_are(house: Household) -> None:
    mine = await house.member(7, 2)
    theirs = await house.member(8, 3)
    source, token = await begun(house, mine)

    private = await source.list_page(7, token, Visibility.PRIVATE, 1, (), Lane.VERIFICATION)
    assert private == await house.source.list_page(7, token, Visibility.PRIVATE, 1, (), Lane.VERIFICATION)
    grant = await house.catalog.read(lambda view: view.grant(8))
    assert grant is not None
    page = await source.list_page(8, grant.token, Visibility.PUBLIC, 1, (), Lane.VERIFICATION)
    assert {entry.document_id for entry in page.documents} == set(theirs)


async def test_after_a_day_it_is_over(house: Household) -> None:
    mine = await house.member(7, 2)
    source, token = await begun(house, mine)
    house.passes(DAY)

    page = await source.list_page(7, token, Visibility.PUBLIC, 1, (), Lane.VERIFICATION)
    assert page.total == 2
    assert (await source.document(7, token, mine[0], Lane.CONFIRMATION)).document_id == mine[0]


async def test_I4_an_owners_request_stands_after_a_drill(house: Household) -> None:
    """A drill lifts no tombstone of an owner: what stands, stands."""
    mine = await house.member(7, 3)
    await house.mirror()
    house.source.documents[mine[0]].title = "as before"
    from ipsync.policy.requests import RequestScope, Subject, Words

    await house.requests.file(Subject(RequestScope.DOCUMENT, mine[0]), Words())
    await begun(house, mine)
    await house.purge()
    await house.catalog.write(lambda tx: tx.set_note(NOTE, ""))
    await house.sync()

    assert house.state(mine[0]) is None
    assert house.state(mine[1]) is DocumentState.LIVE
