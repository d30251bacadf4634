"""Holding back while nobody is answered, and going on at once when somebody is."""

from ipsync.jobs.restraint import Restraint
from ipsync.policy.instants import DAY, MINUTE, SECOND
from ipsync.policy.lease import Lease
from ipsync.ports.source import Gone, GrantLost, KeyRefused, Later, Malformed, QuotaReached, Refused

LATER = Later("doc.getList", "down")


def test_T21_three_failures_in_a_row_end_the_asking() -> None:
    restraint = Restraint(Lease(DAY))
    assert restraint.failed(LATER, 0)
    assert restraint.failed(Malformed("doc.getList", "HTML"), 0)
    assert not restraint.failed(LATER, 0)
    assert restraint.holds(30 * SECOND - 1)
    assert not restraint.holds(30 * SECOND)


def test_T21_after_a_pause_one_failure_is_enough_and_pauses_double_up_to_half_an_hour() -> None:
    restraint, now, waits = Restraint(Lease(DAY)), 0, []
    for _ in range(2):
        restraint.failed(LATER, now)
    for _ in range(9):
        assert not restraint.failed(LATER, now)
        before = now
        while restraint.holds(now):
            now += SECOND
        waits.append(now - before)
    assert waits == [30 * SECOND * 2**n for n in range(6)] + [30 * MINUTE] * 3


def test_an_answer_ends_the_pauses_even_a_refusal_about_one_account() -> None:
    for failure in (Gone("m", "r"), GrantLost("m", "r"), Refused("m", "r")):
        restraint = Restraint(Lease(DAY))
        restraint.failed(LATER, 0)
        restraint.failed(LATER, 0)
        assert restraint.failed(failure, 0)
        assert restraint.failed(LATER, 0)
        assert not restraint.holds(0)


def test_a_refused_key_is_a_pause_at_once_and_a_spent_budget_none() -> None:
    restraint = Restraint(Lease(DAY))
    assert not restraint.failed(QuotaReached("m", "r"), 0)
    assert not restraint.holds(0)
    assert not restraint.failed(KeyRefused("m", "r"), 0)
    assert restraint.holds(0)
