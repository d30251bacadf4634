"""Stories of people who ask to have a document removed and have not shown that it is theirs (T11)."""

import pytest

from ipsync.jobs.petitions import Petitions, Standing, TooManyPetitionsError
from ipsync.jobs.requests import RequestRefusedError
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.petitions import Outcome
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.requests import RequestScope, Subject, Words
from tests.fakes.processes import files_with
from tests.jobs.household import Household
from tests.jobs.test_leave import leaving

NO_WORDS = Words()
CONTACT = "zkontakt@example.org"


@pytest.fixture
def petitions(house: Household) -> Petitions:
    return Petitions(house.catalog, house.requests, house.clock, house.rules)


def document(document_id: int) -> Subject:
    return Subject(RequestScope.DOCUMENT, document_id)


async def standing(petitions: Petitions, token: str) -> Standing:
    found = await petitions.standing(token)
    assert found is not None
    return found


async def test_T11_a_stranger_hides_nothing_and_the_operator_is_asked(house: Household, petitions: Petitions) -> None:
    first, second = await house.member(1, documents=2)
    await house.mirror()
    token = await petitions.take_in(document(first), Words(CONTACT))
    assert house.served() == {first, second}
    waiting = await standing(petitions, token)
    assert waiting.petition.waits
    assert waiting.request is None
    assert waiting.petition.subject.account_id == 1
    assert await petitions.standing("another") is None


async def test_T11_what_the_operator_grants_is_hidden_erased_and_stays_away(
    house: Household, petitions: Petitions
) -> None:
    first, second = await house.member(1, documents=2)
    await house.mirror()
    asked_at = house.clock.now()
    token = await petitions.take_in(document(first), Words(CONTACT))
    other = await petitions.take_in(document(first), NO_WORDS)
    house.passes(3 * HOUR)
    await petitions.grant((await standing(petitions, token)).petition.petition_id)

    assert house.served() == {second}
    removal = house.removal(first)
    assert (removal.reason, removal.stage) == (Reason.OWNER_REQUEST, Stage.CONFIRMED)
    assert removal.erase_by <= asked_at + DAY
    await house.purge()
    await house.mirror()
    assert house.on_disk() == {second}
    for found in (await standing(petitions, token), await standing(petitions, other)):
        assert found.petition.outcome is Outcome.GRANTED
        assert found.request is not None
        assert found.request.erase_by == asked_at + DAY
        assert found.request.gone_at is not None


async def test_T11_what_nobody_decides_is_complied_with_before_the_law(house: Household, petitions: Petitions) -> None:
    first, second = await house.member(1, documents=2)
    await house.mirror()
    asked_at = house.clock.now()
    token = await petitions.take_in(document(first), NO_WORDS)
    for _ in range(2):
        house.passes(10 * HOUR - MINUTE)
        await house.mirror()
        assert await petitions.run() == 0
    assert house.served() == {first, second}

    house.passes(2 * MINUTE)
    assert await petitions.run() == 1
    assert house.served() == {second}
    await house.purge()
    found = await standing(petitions, token)
    assert found.petition.outcome is Outcome.UNANSWERED
    assert found.request is not None
    assert found.request.gone_at is not None
    assert found.request.gone_at < found.request.erase_by == asked_at + DAY
    assert await petitions.run() == 0


async def test_T11_what_the_operator_declines_stays(house: Household, petitions: Petitions) -> None:
    (first,) = await house.member(1, documents=1)
    await house.mirror()
    token = await petitions.take_in(document(first), NO_WORDS)
    number = (await standing(petitions, token)).petition.petition_id
    assert (await petitions.decline(number)).petition.outcome is Outcome.DECLINED
    house.passes(9 * HOUR)
    await house.mirror()
    house.passes(12 * HOUR)
    assert await petitions.run() == 0
    assert house.document(first).state is DocumentState.LIVE  # type: ignore[union-attr]  # reason: it is held
    with pytest.raises(RequestRefusedError, match="decided already"):
        await petitions.grant(number)
    with pytest.raises(RequestRefusedError, match="no petition 99"):
        await petitions.decline(99)


async def test_nobody_blocks_documents_that_are_not_here_by_guessing_numbers(
    house: Household, petitions: Petitions
) -> None:
    token = await petitions.take_in(document(77), NO_WORDS)
    house.passes(21 * HOUR)
    assert await petitions.run() == 1
    found = await standing(petitions, token)
    assert found.petition.outcome is Outcome.ABSENT
    assert found.request is None
    assert not house.catalog.read_now(lambda view: view.tombstones([77]))


async def test_a_process_that_dies_between_hiding_and_deciding_goes_on(house: Household, petitions: Petitions) -> None:
    (first,) = await house.member(1, documents=1)
    await house.mirror()
    token = await petitions.take_in(document(first), NO_WORDS)
    taken = await house.requests.file(document(first), NO_WORDS)  # what `grant` does first
    await petitions.grant((await standing(petitions, token)).petition.petition_id)
    found = await standing(petitions, token)
    assert found.petition.request_id == taken.request.request_id
    assert len(house.catalog.read_now(lambda view: view.removal_requests())) == 1


async def test_a_flood_ends_at_a_number(
    house: Household, petitions: Petitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipsync.jobs.petitions.WAITING_MOST", 3)
    for number in range(3):
        await petitions.take_in(document(number + 1), NO_WORDS)
    with pytest.raises(TooManyPetitionsError, match="write to the operator"):
        await petitions.take_in(document(4), NO_WORDS)
    assert house.catalog.read_now(lambda view: view.waiting_petitions()) == 3


async def test_T11_the_words_of_who_asked_are_nowhere_a_month_after(house: Household, petitions: Petitions) -> None:
    (first,) = await house.member(1, documents=1)
    await house.mirror()
    token = await petitions.take_in(document(first), Words(CONTACT, "zanmerkung"))
    declined = await petitions.take_in(document(first), Words("zzweiter@example.org"))
    await petitions.decline((await standing(petitions, declined)).petition.petition_id)
    await petitions.grant((await standing(petitions, token)).petition.petition_id)
    await house.purge()
    house.passes(31 * DAY)
    await petitions.run()
    await house.requests.run()
    assert not any(files_with(house.folder, [CONTACT, "zanmerkung", "zzweiter"]).values())


async def test_T24_who_leaves_leaves_no_word_of_those_who_asked(house: Household, petitions: Petitions) -> None:
    (first,) = await house.member(1, documents=1)
    await house.mirror()
    token = await petitions.take_in(document(first), Words(CONTACT))
    assert sum(files_with(house.folder, [CONTACT]).values()) > 0
    assert (await leaving(house).run()).left_at is not None
    assert (await standing(petitions, token)).petition.outcome is Outcome.ABSENT
    assert not any(files_with(house.folder, [CONTACT]).values())
