"""When a removal is due, and when it is late."""

from dataclasses import replace

import pytest

from ipsync.policy.removals import Reason, Removal, Scope, Stage, confirmed, is_breach, is_due

REMOVAL = Removal(
    document_id=1,
    account_id=2,
    reason=Reason.UNSHARED,
    stage=Stage.SUSPECTED,
    scope=Scope.DOCUMENT,
    first_unsafe_at=0,
    detected_at=10,
    hidden_at=10,
    erase_from=22,
    erase_by=24,
)


def test_I10_a_suspicion_waits_for_confirmation_but_not_past_the_deadline() -> None:
    assert not is_due(REMOVAL, 21)
    assert is_due(REMOVAL, 22)


@pytest.mark.parametrize("stage", [Stage.CONFIRMED, Stage.INTENDED])
def test_what_is_confirmed_is_due_at_once(stage: Stage) -> None:
    assert is_due(replace(REMOVAL, stage=stage), 0)


def test_a_failed_try_pauses_but_never_past_the_deadline() -> None:
    paused = replace(REMOVAL, stage=Stage.CONFIRMED, next_try_at=23)
    assert not is_due(paused, 21)
    assert is_due(paused, 22)


@pytest.mark.parametrize("stage", [Stage.ERASED, Stage.GONE, Stage.WITHDRAWN])
def test_what_is_done_is_never_due(stage: Stage) -> None:
    assert not is_due(replace(REMOVAL, stage=stage), 10**9)


def test_the_last_instant_of_the_law_is_kept() -> None:
    assert not is_breach(REMOVAL, 24)
    assert is_breach(REMOVAL, 25)


def test_an_obligation_begins_with_nothing_done() -> None:
    assert (REMOVAL.removal_id, REMOVAL.attempts, REMOVAL.next_try_at) == (0, 0, 0)
    assert (REMOVAL.files_erased, REMOVAL.bytes_erased, REMOVAL.renditions) == (0, 0, ())
    assert (REMOVAL.confirmed_at, REMOVAL.gone_at, REMOVAL.certificate) == (None, None, "")


def test_I10_what_was_confirmed_is_certain_since_then_and_is_erased_at_once() -> None:
    tried = replace(REMOVAL, removal_id=7, attempts=3, next_try_at=21)
    certain = confirmed(tried, 15, "doc.get error 1")
    assert certain == replace(
        tried, stage=Stage.CONFIRMED, confirmed_at=15, attempts=0, next_try_at=0, certificate="doc.get error 1"
    )
    assert is_due(certain, 15)


def test_evidence_joins_what_is_there_and_may_tell_the_reason_better() -> None:
    listed = replace(REMOVAL, certificate="pages=4 total=310 distinct=310")
    certain = confirmed(listed, 15, "doc.get error 1", Reason.DELETED)
    assert certain.certificate == "pages=4 total=310 distinct=310; doc.get error 1"
    assert certain.reason is Reason.DELETED
    assert confirmed(listed, 15, "doc.get error 1").reason is Reason.UNSHARED
