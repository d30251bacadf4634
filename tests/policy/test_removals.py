"""When a removal is due, and when it is late."""

from dataclasses import replace

import pytest

from ipsync.policy.removals import Reason, Removal, Scope, Stage, is_breach, is_due

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
