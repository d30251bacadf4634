"""The 20, 22, 23 and 24 hours, to the microsecond."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.lease import Lease, Standing, may_serve, observation_applies, standing


def test_thresholds_are_parts_of_the_window(lease: Lease) -> None:
    assert (lease.recheck_age, lease.serve_age, lease.erase_age, lease.gone_age) == (
        10 * HOUR,
        20 * HOUR,
        22 * HOUR,
        23 * HOUR,
    )
    half_minute = Lease(30 * SECOND)
    assert half_minute.serve_age == 25 * SECOND
    assert half_minute.erase_by(7) == 30 * SECOND + 7


def test_T10_served_strictly_before_twenty_hours(lease: Lease, document: Document) -> None:
    last = document.verified_at + 20 * HOUR - 1
    assert may_serve(lease, document, last)
    assert not may_serve(lease, document, last + 1)
    assert lease.serve_until(document.verified_at) == last + 1


def test_F7_a_verification_from_the_future_holds_nothing(lease: Lease, document: Document) -> None:
    assert not may_serve(lease, document, document.verified_at - 1)


@pytest.mark.parametrize("state", [DocumentState.SUSPECT, DocumentState.STALE, DocumentState.DOOMED])
def test_only_live_is_served(lease: Lease, document: Document, state: DocumentState) -> None:
    assert not may_serve(lease, replace(document, state=state), document.verified_at + 1)


def test_standing_by_age(lease: Lease) -> None:
    ages = {0: Standing.FRESH, 20 * HOUR - 1: Standing.FRESH, 20 * HOUR: Standing.STALE}
    ages |= {22 * HOUR - 1: Standing.STALE, 22 * HOUR: Standing.OVERDUE, 10 * 365 * DAY: Standing.OVERDUE}
    assert {age: standing(lease, 5, 5 + age) for age in ages} == ages
    assert standing(lease, 5, 4) is Standing.STALE


def test_F17_a_late_answer_does_not_undo_an_absence(document: Document) -> None:
    absent = replace(document, absent_at=document.verified_at + 10)
    assert not observation_applies(absent, document.verified_at + 10)
    assert observation_applies(absent, document.verified_at + 11)
    assert observation_applies(document, 0)
    assert not observation_applies(replace(absent, state=DocumentState.DOOMED), document.verified_at + 11)


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Lease(23)


@given(st.integers(24, 10 * DAY), st.integers(0, 10 * DAY), st.integers(0, 20 * DAY))
def test_whatever_is_served_is_younger_than_what_is_erased(window: int, verified_at: int, age: int) -> None:
    lease = Lease(window)
    assert lease.recheck_age <= lease.serve_age <= lease.erase_age <= lease.gone_age < lease.window
    if lease.holds(verified_at, verified_at + age):
        assert standing(lease, verified_at, verified_at + age) is Standing.FRESH
        assert verified_at + age < lease.serve_until(verified_at) <= lease.erase_from(verified_at)
