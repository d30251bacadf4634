"""The answer to the one question: are we within the 24 hours, and how do we know? In words, from a `Standing`.

The same words for the status page and for the terminal, so that they cannot disagree.
"""

from dataclasses import dataclass
from enum import StrEnum

from ipsync.jobs.health import Health
from ipsync.jobs.standing import Standing
from ipsync.jobs.webhooks import Told
from ipsync.policy.documents import DocumentState
from ipsync.policy.incidents import Condition
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.notices import clock_text, incident_headline, span
from ipsync.policy.webhooks import WebhookState
from ipsync.policy.wording import counted

_DANGER = frozenset({Condition.SLACK_SHORT, Condition.SLACK_CRITICAL})
_ERASERS = ("purge", "expiry")


class Level(StrEnum):
    """How good the answer is."""

    GOOD = "good"
    NOTICE = "notice"  # kept, but somebody is needed
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer.

    Attributes:
        headline: one sentence.
        grounds: how we know, a sentence each.
    """

    level: Level
    headline: str
    grounds: tuple[str, ...]


def verdict(standing: Standing, lease: Lease) -> Verdict:
    """Judge how things stand.

    Args:
        standing: everything at one instant.
        lease: the thresholds.
    """
    level, headline = _judge(standing)
    return Verdict(level, headline, tuple(_grounds(standing, lease)))


def _judge(standing: Standing) -> tuple[Level, str]:
    health = standing.health
    if not health.is_lawful:
        number = health.overdue
        held = f"{number:,} document{' is' if number == 1 else 's are'} held that should be gone"
        return Level.WRONG, f"No: {held if number else 'a deadline has passed'}."
    sealed = health.figures.documents.get(DocumentState.SEALED, 0)
    if sealed:
        copies = f"{sealed:,} cop{'y is' if sealed == 1 else 'ies are'}"
        return Level.NOTICE, f"Yes, but {copies} sealed: hidden, and kept beyond the law's time by your choice."
    found = {incident.condition for incident in standing.incidents}
    if found & _DANGER:
        return Level.NOTICE, f"Yes, but the nearest deadline is only {span(health.slack)} away."
    if len(standing.incidents) == 1:
        return Level.NOTICE, f"Yes; one thing needs you: {_small(incident_headline(standing.incidents[0]))}."
    if standing.incidents:
        return Level.NOTICE, f"Yes; {len(standing.incidents)} things need you."
    return Level.GOOD, "Yes: nothing is held longer than it may be."


def _small(sentence: str) -> str:
    """A sentence as the second half of another."""
    return sentence[:1].lower() + sentence[1:]


def _grounds(standing: Standing, lease: Lease) -> list[str]:
    health = standing.health
    held = sum(health.figures.documents.values()) or health.figures.nearest_erase_by is not None
    grounds = [
        f"The nearest deadline is {clock_text(health.at + health.slack)}, {_distance(health.slack)}."
        if held
        else "Nothing is held."
    ]
    if health.figures.documents.get(DocumentState.LIVE, 0):
        grounds.append(
            f"Whatever is shown was seen at ipernity within the last {span(health.oldest_age)}; after "
            f"{span(lease.serve_age)} without being seen it is hidden, after {span(lease.window)} it is gone."
        )
    grounds += [_of_job(health, job) for job in _ERASERS if job in health.job_runs]
    if not health.job_runs:
        grounds.append("No job has run yet.")
    if standing.head is not None:
        newest = clock_text(standing.head.at)
        grounds.append(f"The ledger has {standing.head.sequence:,} entries, signed; the newest is of {newest}.")
    return grounds


def _distance(slack: int) -> str:
    return f"in {span(slack)}" if slack > 0 else f"{span(-slack)} ago"


def _of_job(health: Health, job: str) -> str:
    run = health.job_runs[job]
    what = {"purge": "Erasing", "expiry": "Looking for leases that run out"}[job]
    if run.failure:
        well = "never" if run.succeeded_at is None else f"last {ago(run.succeeded_at, health.at)}"
        return f"{what} FAILED {ago(run.finished_at, health.at)} ({run.failure}); it went well {well}."
    return f"{what} went well {ago(run.finished_at, health.at)}."


def webhook_words(told: Told, now: Instant) -> str:
    """What one webhook is owed, since when, and why; neither its address nor anything of it."""
    webhook, debt = told.webhook, told.debt
    if webhook.state is WebhookState.ENDED:
        return "ended: its receiver wants nothing more"
    taken = "never took anything" if webhook.delivered_at is None else f"took the last {ago(webhook.delivered_at, now)}"
    if not debt.changes:
        return f"owed nothing; {taken}"
    since = "" if debt.oldest_at is None else f", the oldest of {ago(debt.oldest_at, now)}"
    trouble = (
        "" if webhook.trouble is None else f"; {webhook.trouble.value}, {counted(webhook.attempts, 'time')} in a row"
    )
    return f"owed {counted(debt.changes, 'change')}{since}; {taken}{trouble}"


def ago(instant: Instant, now: Instant) -> str:
    """How long ago, for people."""
    return f"{span(max(0, now - instant))} ago"
