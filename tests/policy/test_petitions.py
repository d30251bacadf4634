"""Petitions: who asks without proof is answered in time, whatever the operator does (T11)."""

from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.lease import Lease
from ipsync.policy.petitions import Outcome, decided, digest_of, erase_by, is_due, new_petition, new_token
from ipsync.policy.requests import RequestScope, Subject

NOW = 1_800_000_000 * SECOND
LEASE = Lease(DAY)
DOCUMENT = Subject(RequestScope.DOCUMENT, 5, 1)


def test_T11_whoever_asks_may_be_the_owner_so_the_law_counts_from_when_they_asked() -> None:
    petition = new_petition(DOCUMENT, "token", NOW, LEASE)
    assert petition.waits
    assert not is_due(petition, NOW + 20 * HOUR - 1)
    assert is_due(petition, NOW + 20 * HOUR)
    assert erase_by(petition, LEASE) == NOW + DAY


@given(window=st.integers(30 * SECOND, DAY))
def test_T11_there_is_room_to_erase_between_the_decision_and_the_law(window: int) -> None:
    petition = new_petition(DOCUMENT, "token", NOW, Lease(window))
    assert NOW < petition.decide_by < erase_by(petition, Lease(window))
    assert erase_by(petition, Lease(window)) - petition.decide_by >= window // 6


def test_what_is_decided_stays_decided() -> None:
    petition = decided(new_petition(DOCUMENT, "token", NOW, LEASE), Outcome.DECLINED, NOW + HOUR)
    assert not petition.waits
    assert not is_due(petition, NOW + 2 * DAY)
    assert decided(petition, Outcome.GRANTED, NOW + 2 * HOUR, 3) == petition


def test_a_token_is_long_new_and_shown_nowhere() -> None:
    first, second = new_token(), new_token()
    assert first != second
    assert len(first) >= 32
    petition = new_petition(DOCUMENT, first, NOW, LEASE)
    assert petition.digest == digest_of(first) != digest_of(second)
    assert first not in repr(petition)
    assert str(petition.digest) not in repr(petition)
