"""Whether ipernity answers anybody: what counts as an answer, and how it is remembered."""

import pytest

from ipsync.jobs.reachability import OUTAGE_NOTE, WatchedSource
from ipsync.policy.documents import Visibility
from ipsync.policy.instants import HOUR
from ipsync.policy.sealing import Outage, Reached
from ipsync.ports.source import (
    AccountClosed,
    Gone,
    GrantLost,
    KeyRefused,
    Lane,
    Later,
    Malformed,
    QuotaReached,
    Refused,
    Source,
    SourceFailure,
)
from tests.jobs.household import Household


async def asked(source: Source, token: str, frob: str) -> None:
    """Ask everything there is to ask, once."""
    await source.frob()
    await source.exchange(frob)
    await source.check_grant(token)
    await source.profile(7, token)
    await source.list_page(7, token, Visibility.PUBLIC, 1, ("240",), Lane.VERIFICATION)
    await source.document(7, token, 1001, Lane.CONFIRMATION)


async def test_it_gives_every_answer_on_and_notices_it(house: Household) -> None:
    await house.member(7, 1)
    token, frob = house.source.grant(7), await house.source.frob()
    house.source.approve(frob, 7, {"doc": "read"})
    watched = WatchedSource(house.source, house.reachability)
    before = len(house.source.asked)
    await asked(watched, token, frob)
    methods = [entry.method for entry in house.source.asked[before:]]
    assert methods == ["auth.getFrob", "auth.getToken", "auth.checkToken", "user.get", "doc.getList", "doc.get"]
    assert house.reachability.reached == Reached(answered_at=house.clock.now())
    assert watched.authorize_url({"doc": "read"}, "f") == house.source.authorize_url({"doc": "read"}, "f")


@pytest.mark.parametrize(
    ("failure", "reached"),
    [
        (Later, "unanswered"),
        (Malformed, "unanswered"),
        (QuotaReached, "unknown"),
        (KeyRefused, "unknown"),
        (GrantLost, "answered"),
        (AccountClosed, "answered"),
        (Refused, "answered"),
        (Gone, "answered"),
    ],
)
async def test_F10_what_counts_as_an_answer(house: Household, failure: type[SourceFailure], reached: str) -> None:
    watched = WatchedSource(house.source, house.reachability)
    house.source.fail("*", lambda method: failure(method, "no"), None)
    with pytest.raises(failure):
        await watched.check_grant("token")
    now = house.clock.now()
    expected = {"unanswered": Reached(None, now), "answered": Reached(now), "unknown": Reached()}
    assert house.reachability.reached == expected[reached]


async def test_an_outage_begins_with_its_first_question_and_is_written_down(house: Household) -> None:
    began = house.clock.now()
    house.reachability.unanswered()
    house.passes(HOUR)
    house.reachability.unanswered()

    def keep() -> Outage:
        return house.catalog.write_now(house.reachability.keep)

    assert keep() == Outage(began)
    assert house.catalog.read_now(lambda view: view.note(OUTAGE_NOTE)) == str(began)
    house.reachability.answered()
    assert keep() == Outage(began, house.clock.now())
    assert keep() == Outage(began, house.clock.now())
