"""What sealing reaches, what it never reaches, and how it ends."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.lease import Lease, may_serve
from ipsync.policy.removals import DEADLINE, SEALED, Reason, Stage
from ipsync.policy.sealing import Outage, Reached, brought_up_to_date, is_seal_broken, may_seal, sealed, sealed_until
from ipsync.policy.sweeping import overdue, renews, suspect
from tests.fakes.catalogs import NOW, a_document

LEASE, SEAL = Lease(DAY), Lease(DAY, 7 * DAY)
OUT = Outage(since=NOW + HOUR)
STALE = a_document(state=DocumentState.STALE, hidden_at=NOW + 20 * HOUR)
KEPT = sealed(STALE, NOW + 22 * HOUR)


def test_all_its_thresholds_lie_as_far_apart_as_the_laws() -> None:
    assert (LEASE.sealed_grace, SEAL.sealed_grace) == (0, 6 * DAY)
    assert {SEAL.grace(state) for state in DocumentState} == {0, 6 * DAY}
    assert Lease(DAY, HOUR).sealed_grace == 0
    assert sealed_until(KEPT, SEAL) == NOW + 7 * DAY
    assert sealed_until(STALE, SEAL) is None


@pytest.mark.parametrize("state", list(DocumentState))
def test_only_what_merely_aged_is_sealed(state: DocumentState) -> None:
    document = replace(STALE, state=state)
    assert may_seal(document, AccountState.ACTIVE, OUT, SEAL) is (state in (DocumentState.LIVE, DocumentState.STALE))


def test_by_default_nothing_is_sealed() -> None:
    assert not may_seal(STALE, AccountState.ACTIVE, OUT, LEASE)


@pytest.mark.parametrize("state", [None, *(entry for entry in AccountState if entry is not AccountState.ACTIVE)])
def test_nothing_is_sealed_of_an_account_that_is_not_read(state: AccountState | None) -> None:
    assert not may_seal(STALE, state, OUT, SEAL)


@pytest.mark.parametrize(
    ("outage", "seals"),
    [
        (Outage(), False),
        (Outage(NOW, NOW + 1), False),
        (Outage(NOW - 9 * DAY), True),
        (Outage(NOW + 20 * HOUR), True),
        # It had aged for another reason before: a spent budget, a key that was refused.
        (Outage(NOW + 20 * HOUR + 1), False),
    ],
)
def test_only_an_outage_that_lasts_and_came_first_seals(outage: Outage, seals: bool) -> None:
    assert may_seal(STALE, AccountState.ACTIVE, outage, SEAL) is seals


def test_what_is_sealed_is_hidden_and_never_served() -> None:
    assert (KEPT.state, KEPT.hidden_at) == (DocumentState.SEALED, NOW + 20 * HOUR)
    assert sealed(a_document(), NOW + 1).hidden_at == NOW + 1
    assert not any(may_serve(SEAL, KEPT, NOW + age) for age in (0, HOUR, 2 * DAY))


def test_a_verification_brings_it_back_until_its_time_is_up() -> None:
    last = NOW + 7 * DAY - 2 * HOUR
    assert renews(KEPT, last - 2, SEAL, last - 1)
    assert not renews(KEPT, last - 1, SEAL, last)
    assert not renews(STALE, NOW + 2 * DAY, SEAL, NOW + 2 * DAY)
    # Sealing was switched off meanwhile.
    assert not renews(KEPT, NOW + 2 * DAY, LEASE, NOW + 2 * DAY)


def test_I10_an_absence_of_a_sealed_copy_waits_for_confirmation_as_others_do() -> None:
    now = NOW + 3 * DAY
    hidden, removal = suspect(KEPT, Reason.UNSHARED, now - 1, now, SEAL, "pages=1")
    assert (hidden.state, hidden.absent_at) == (DocumentState.SEALED, now - 1)
    assert (removal.stage, removal.certificate) == (Stage.SUSPECTED, f"{SEALED}; pages=1")
    assert (removal.erase_from, removal.erase_by) == (NOW + 7 * DAY - 2 * HOUR, NOW + 7 * DAY)
    assert suspect(KEPT, Reason.UNSHARED, now - 1, now, SEAL)[1].certificate == SEALED
    doomed, certain = suspect(KEPT, Reason.POLICY_CHANGE, now - 1, now, SEAL, "configuration")
    assert (doomed.state, certain.stage, certain.erase_by) == (
        DocumentState.DOOMED,
        Stage.CONFIRMED,
        NOW + 7 * DAY,
    )


def test_at_the_end_of_its_time_it_goes_and_says_that_it_was_sealed() -> None:
    now = NOW + 7 * DAY - 2 * HOUR
    doomed, removal = overdue(KEPT, now, SEAL)
    assert doomed.state is DocumentState.DOOMED
    assert (removal.reason, removal.certificate) == (Reason.EXPIRED, f"{SEALED}; {DEADLINE}")
    assert (removal.first_unsafe_at, removal.erase_by) == (NOW, NOW + 7 * DAY)
    assert overdue(STALE, now, SEAL)[1].certificate == DEADLINE


@pytest.mark.parametrize(
    ("account", "outage", "lease", "broken"),
    [
        (AccountState.ACTIVE, OUT, SEAL, False),
        (AccountState.DOUBTED, OUT, SEAL, False),
        (AccountState.PAUSED, OUT, SEAL, True),
        (AccountState.LOST, OUT, SEAL, True),
        (None, OUT, SEAL, True),
        (AccountState.ACTIVE, OUT, LEASE, True),
        (AccountState.ACTIVE, Outage(NOW, NOW + DAY), SEAL, True),
        (AccountState.ACTIVE, Outage(NOW, NOW + DAY + 1), SEAL, False),
    ],
)
def test_a_seal_is_kept_for_the_sake_of_answers_to_come(
    account: AccountState | None, outage: Outage, lease: Lease, broken: bool
) -> None:
    assert is_seal_broken(account, outage, lease, NOW + DAY + 10 * HOUR) is broken


@given(st.none() | st.integers(), st.none() | st.integers())
def test_an_outage_is_remembered_across_restarts(since: int | None, ended_at: int | None) -> None:
    outage = Outage(since, ended_at) if since is not None else Outage()
    assert Outage.decode(outage.encode()) == outage


@pytest.mark.parametrize("text", [None, "", "yesterday", "1 2 3"])
def test_what_cannot_be_read_is_no_outage(text: str | None) -> None:
    assert Outage.decode(text) == Outage()
    assert not Outage.decode(text).lasts


@pytest.mark.parametrize(
    ("known", "reached", "outage"),
    [
        (Outage(), Reached(), Outage()),
        (Outage(), Reached(answered_at=5), Outage()),
        (Outage(), Reached(5, 7), Outage(7)),
        (Outage(3), Reached(), Outage(3)),
        (Outage(3), Reached(unanswered_since=7), Outage(3)),
        (Outage(3), Reached(answered_at=5), Outage(3, 5)),
        (Outage(3), Reached(5, 7), Outage(7)),
        (Outage(6), Reached(5, 7), Outage(6)),
        (Outage(3, 5), Reached(answered_at=9), Outage(3, 5)),
        (Outage(3, 5), Reached(unanswered_since=9), Outage(9)),
    ],
)
def test_the_record_follows_what_was_seen(known: Outage, reached: Reached, outage: Outage) -> None:
    assert brought_up_to_date(known, reached) == outage


@given(st.sampled_from(DocumentState), st.integers(0, 9 * DAY), st.booleans())
def test_I1_no_state_and_no_setting_serves_beyond_the_lease(state: DocumentState, age: int, seals: bool) -> None:
    document: Document = a_document(state=state)
    served = may_serve(SEAL if seals else LEASE, document, NOW + age)
    assert not served or (age < 20 * HOUR and state is DocumentState.LIVE)
