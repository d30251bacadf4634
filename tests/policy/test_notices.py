"""What people are told of incidents, and when it is tried again."""

from dataclasses import replace

import pytest

from ipsync.policy.incidents import OTHERS, Condition, Incident
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Instant
from ipsync.policy.notices import (
    PATIENCE,
    Delivery,
    advice,
    after_failing,
    after_sending,
    headline,
    incident_headline,
    notice_of,
    owed,
    span,
)

NOW: Instant = 1_795_000_000 * SECOND
LOST = Incident(Condition.GRANT_LOST, "7", 3, NOW, incident_id=12)
OVER = replace(LOST, resolved_at=NOW + 3 * HOUR)
FRESH = Delivery(12, "mail")


@pytest.mark.parametrize("condition", Condition)
def test_every_condition_has_words_and_advice(condition: Condition) -> None:
    said = headline(condition, "7", 3)
    assert len(said) > 10
    assert not said.endswith(".")
    assert advice(condition).endswith(".")


def test_the_beginning_and_the_end_are_told() -> None:
    begun = notice_of(LOST, "Our wall", "https://mirror.example.org/status")
    assert begun.subject == "[Our wall] Account 7 took its grant back"
    assert "https://mirror.example.org/status" in begun.text
    assert "Incident 12." in begun.text
    assert (begun.facts["condition"], begun.facts["subject"], begun.facts["resolved_at"]) == ("grant-lost", "7", None)
    over = notice_of(OVER, "Our wall", "https://mirror.example.org/status")
    assert over.subject == "[Our wall] Over: Account 7 took its grant back"
    assert "(3 h)" in over.text


def test_danger_is_told_as_such() -> None:
    urgent = Incident(Condition.SLACK_CRITICAL, "", 6300, NOW, incident_id=1)
    assert notice_of(urgent, "A", "").subject == "[A] URGENT: The nearest deadline is 105 min away"
    assert incident_headline(replace(urgent, number=-5)) == "A deadline has passed"
    assert headline(Condition.NOT_KEPT, OTHERS, 480).startswith("480 more accounts are not mirrored")


def test_each_beginning_and_each_end_is_sent_once() -> None:
    assert owed(FRESH, LOST, NOW)
    told = after_sending(FRESH, LOST, NOW)
    assert not owed(told, LOST, NOW + DAY)
    assert owed(told, OVER, NOW + 3 * HOUR)
    done = after_sending(told, OVER, NOW + 3 * HOUR)
    assert done.done_at == NOW + 3 * HOUR
    assert not owed(done, OVER, NOW + DAY)


def test_what_began_and_ended_unsent_is_told_once() -> None:
    failed = after_failing(FRESH, LOST, "no connection", NOW)
    done = after_sending(failed, OVER, NOW + 4 * HOUR)
    assert (done.opened_sent_at, done.resolved_sent_at, done.failure) == (None, NOW + 4 * HOUR, "")
    assert not owed(done, OVER, NOW + DAY)


def test_failures_are_tried_ever_more_rarely_and_not_for_ever() -> None:
    pauses, at, delivery = [], NOW, FRESH
    while delivery.done_at is None:
        assert owed(delivery, LOST, at)
        delivery = after_failing(delivery, LOST, "no connection", at)
        assert not owed(delivery, LOST, at)
        pauses.append(delivery.next_try_at - at)
        at = delivery.next_try_at
    assert pauses[:4] == [15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE]
    assert pauses == sorted(pauses)
    assert max(pauses) == HOUR
    assert PATIENCE < at - NOW < PATIENCE + 3 * HOUR


def test_F6_a_plan_made_under_a_clock_that_ran_ahead_is_due() -> None:
    assert owed(replace(FRESH, next_try_at=NOW + 3650 * DAY), LOST, NOW)


@pytest.mark.parametrize(
    ("duration", "words"),
    [(0, "0 s"), (47 * SECOND, "47 s"), (3 * MINUTE, "3 min"), (HOUR * 39 // 2, "19.5 h"), (12 * DAY, "12 d")],
)
def test_durations_for_people(duration: int, words: str) -> None:
    assert span(duration) == words
