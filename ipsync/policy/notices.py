"""What a person is told of an incident, in plain words, and when it is tried again if telling fails.

Only numbers, times, words of our own and the application's own name get into a notice: no title, no member's name,
no contact (F33, T22). Mail servers, chat rooms and logs of others keep what they are sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ipsync.policy.incidents import OTHERS, Condition, Incident
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Duration, Instant, rfc3339

PATIENCE: Duration = 7 * DAY
"""A notice that could not be sent for so long is given up: it is history by then."""

_FIRST_PAUSE: Duration = 15 * SECOND
_LONGEST_PAUSE: Duration = HOUR

_PLACES = {"store": "the copies", "database": "the database"}

_MANY: Mapping[Condition, str] = {
    Condition.TRIPWIRE: "accounts miss very many documents at once",
    Condition.REQUEST: "requests of owners came in",
    Condition.PETITION: "petitions wait for you",
    Condition.GRANT_LOST: "accounts took their grants back",
    Condition.ACCOUNT_CLOSED: "accounts were closed at ipernity",
    Condition.ACCOUNT_FAILING: "accounts could not be read many times in a row",
    Condition.JOB_FAILING: "jobs keep failing",
    Condition.NOT_KEPT: "accounts are not mirrored: the request budget does not carry them",
    Condition.QUOTA: "accounts have filled their quota, and new files of them wait",
}

_ADVICE: Mapping[Condition, str] = {
    Condition.OVERDUE: "Run `ipsync purge`; if that fails, the log says why. `ipsync audit` shows what is held.",
    Condition.SLACK_CRITICAL: "What could not be verified is being erased now. `ipsync status` shows what works.",
    Condition.SLACK_SHORT: "Something was not verified in its usual time, so it is hidden, and is erased if nothing "
    "changes. `ipsync status` shows what works and what does not. An account that you paused runs out like this.",
    Condition.DISK_FULL: "Make room: nothing new is taken in. Serving and erasing go on.",
    Condition.DISK_LOW: "Make room soon: with half of that, nothing new is taken in. Serving and erasing go on.",
    Condition.AUDIT: "`ipsync audit` tells what, and what to do; `ipsync audit --repair` mends what can be. It is over "
    "when an audit finds nothing.",
    Condition.TRIPWIRE: "All of it is hidden. ipernity is asked about a sample, then about each; nothing needs to be "
    "done, but somebody should look: `ipsync account show` tells how far it is.",
    Condition.REQUEST: "What it names is hidden and being erased. Answer the owner: `ipsync removal show` has the "
    "receipt and, as long as it is kept, the contact.",
    Condition.PETITION: "`ipsync removal queue` shows it; `ipsync removal grant` or `decline` decides. If nobody "
    "does in time, it is complied with.",
    Condition.GRANT_LOST: "Its copies are hidden and being erased. It is mirrored again if the member authorizes anew.",
    Condition.ACCOUNT_CLOSED: "Its copies are hidden and being erased.",
    Condition.REMOVALS_FAILING: "Look at the log (removal.failed) and at the disk: the deadlines do not wait.",
    Condition.ACCOUNT_FAILING: "`ipsync account show` says why. Its leases run out if nothing changes.",
    Condition.JOB_FAILING: "The log says why (job.failed).",
    Condition.NOT_KEPT: "`ipsync plan` shows what each account costs, and `ipsync plan --what-if` what would change.",
    Condition.QUOTA: "What is kept is verified, served and erased as ever. New files come by themselves when something "
    "was erased, or when you raise `store.size_most` or `store.account_size_most` and reload.",
    Condition.BUDGET_CUT: "ipsync slowed down by itself and recovers by itself. If it happens often, lower the caps in "
    "[budget] to what the key is allowed.",
    Condition.BUDGET_SPENT: "Only removals and confirmations get through until the window moves on. `ipsync plan` "
    "shows what needs so much.",
    Condition.CLOCK: "Set the clock right, best by NTP. No copy gets younger by it; ages count on by the boot clock.",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What is sent to a person.

    Attributes:
        subject: one line.
        text: some lines.
        facts: the same for programs: texts and numbers.
    """

    subject: str
    text: str
    facts: Mapping[str, str | int | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far one channel was told of one incident.

    Attributes:
        channel: its name.
        opened_sent_at: when its beginning was told, or None.
        resolved_sent_at: when its end was told, or None.
        attempts: failures since the last success.
        next_try_at: not before.
        failure: why the last try failed, in words without secrets; "".
        done_at: when nothing is owed any more: the end was told, or it was given up.
    """

    incident_id: int
    channel: str
    opened_sent_at: Instant | None = None
    resolved_sent_at: Instant | None = None
    attempts: int = 0
    next_try_at: Instant = 0
    failure: str = ""
    done_at: Instant | None = None


def headline(condition: Condition, subject: str, number: int) -> str:
    """Say in one sentence what is wrong, without a full stop."""
    if subject == OTHERS:
        return f"{number:,} more {_MANY[condition]}"
    documents = f"{number:,} document{'' if number == 1 else 's'}"
    sentences = {
        Condition.OVERDUE: f"{documents} held that should be gone" if number else "A deadline has passed",
        Condition.SLACK_CRITICAL: _nearest(number * SECOND),
        Condition.AUDIT: f"An audit found what should not be: {number:,} finding{'' if number == 1 else 's'}",
        Condition.SLACK_SHORT: _nearest(number * SECOND),
        Condition.DISK_FULL: f"The disk of {_PLACES.get(subject, subject)} is full: {_size(number)} left",
        Condition.DISK_LOW: f"The disk of {_PLACES.get(subject, subject)} is nearly full: {_size(number)} left",
        Condition.TRIPWIRE: f"{documents} of account {subject} went missing at once",
        Condition.REQUEST: f"An owner's request came in: number {subject}, {documents} held",
        Condition.PETITION: f"Somebody asks without proof to have a document removed: petition {subject} waits for you",
        Condition.GRANT_LOST: f"Account {subject} took its grant back",
        Condition.ACCOUNT_CLOSED: f"Account {subject} was closed at ipernity",
        Condition.REMOVALS_FAILING: f"{number:,} removal{' fails' if number == 1 else 's fail'} again and again",
        Condition.ACCOUNT_FAILING: f"Account {subject} could not be read {number:,} times in a row",
        Condition.JOB_FAILING: f"The job {subject} keeps failing",
        Condition.NOT_KEPT: f"Account {subject} is not mirrored: the request budget does not carry it",
        Condition.QUOTA: (
            f"Account {subject} has filled its quota with {_size(number)}, and new files of it wait"
            if subject
            else f"The quota of all files is reached with {_size(number)}, and new ones wait"
        ),
        Condition.BUDGET_CUT: f"ipernity refused requests; about {number:,} an hour are believed to be allowed",
        Condition.BUDGET_SPENT: f"The requests of the {subject} are used up",
        Condition.CLOCK: f"The wall clock lies {span(number * SECOND)} behind the time that has passed",
    }
    return sentences[condition]


def _nearest(slack: Duration) -> str:
    return f"The nearest deadline is {span(slack)} away" if slack > 0 else "A deadline has passed"


def advice(condition: Condition) -> str:
    """Say what to do."""
    return _ADVICE[condition]


def incident_headline(incident: Incident) -> str:
    """Say in one sentence what an incident is."""
    return headline(incident.condition, incident.subject, incident.number)


def notice_of(incident: Incident, application: str, link: str) -> Notice:
    """Write the notice of an incident, as it stands: its beginning, or its end.

    Args:
        incident: which.
        application: the operator's own name for it.
        link: of the status page.
    """
    said = incident_headline(incident)
    since = f"Since {clock_text(incident.opened_at)}"
    if incident.resolved_at is None:
        subject = f"[{application}] {'URGENT: ' if incident.condition.is_urgent else ''}{said}"
        lines = [f"{said}.", "", _ADVICE[incident.condition], "", f"{since}. Incident {incident.incident_id}."]
    else:
        lasted = span(incident.resolved_at - incident.opened_at)
        subject = f"[{application}] Over: {said}"
        lines = [
            f"This is over: {said}.",
            "",
            f"{since}, until {clock_text(incident.resolved_at)} ({lasted}). Incident {incident.incident_id}.",
        ]
    facts: dict[str, str | int | bool | None] = {
        "incident": incident.incident_id,
        "condition": incident.condition.value,
        "subject": incident.subject,
        "number": incident.number,
        "urgent": incident.condition.is_urgent,
        "opened_at": rfc3339(incident.opened_at),
        "resolved_at": None if incident.resolved_at is None else rfc3339(incident.resolved_at),
        "application": application,
        "link": link,
    }
    return Notice(subject, "\n".join([*lines, "", link, ""]), facts)


def trial(application: str, link: str, now: Instant) -> Notice:
    """Write a notice that only shows that notices arrive."""
    facts: dict[str, str | int | bool | None] = {
        "incident": 0,
        "condition": "test",
        "opened_at": rfc3339(now),
        "application": application,
        "link": link,
    }
    text = f"If you can read this, {application} can tell you when it needs a person.\n\n{link}\n"
    return Notice(f"[{application}] This is a test", text, facts)


def owed(delivery: Delivery, incident: Incident, now: Instant) -> bool:
    """Whether something is to be sent now.

    What begins and ends unsent is told once, by its end alone. A plan that lies further ahead than any pause was made
    under a clock that ran ahead, and counts as due.
    """
    if delivery.done_at is not None:
        return False
    if incident.resolved_at is None and delivery.opened_sent_at is not None:
        return False
    return delivery.next_try_at <= now or delivery.next_try_at > now + 2 * _LONGEST_PAUSE


def after_sending(delivery: Delivery, incident: Incident, now: Instant) -> Delivery:
    """The delivery after its notice was sent."""
    if incident.resolved_at is None:
        return replace(delivery, opened_sent_at=now, attempts=0, next_try_at=0, failure="")
    return replace(delivery, resolved_sent_at=now, attempts=0, next_try_at=0, failure="", done_at=now)


def after_failing(delivery: Delivery, incident: Incident, failure: str, now: Instant) -> Delivery:
    """The delivery after a failed try: later again, ever more rarely, or never."""
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE << min(delivery.attempts, 20))
    since = incident.opened_at if incident.resolved_at is None else incident.resolved_at
    return replace(
        delivery,
        attempts=delivery.attempts + 1,
        next_try_at=now + pause,
        failure=failure[:200],
        done_at=now if now - since > PATIENCE else None,
    )


def clock_text(instant: Instant) -> str:
    """An instant for people: `2026-11-21 21:29 UTC`."""
    return f"{rfc3339(instant)[:16].replace('T', ' ')} UTC"


def span(duration: Duration) -> str:
    """A duration for people, in the unit that fits: `47 s`, `3 min`, `19.5 h`, `12 d`."""
    for unit, size, begins_at in (("d", DAY, 2 * DAY), ("h", HOUR, 2 * HOUR), ("min", MINUTE, 100 * SECOND)):
        if duration >= begins_at:
            return f"{_short(duration / size, decimals=unit == 'h')} {unit}"
    return f"{_short(duration / SECOND)} s"


def _short(amount: float, *, decimals: bool = False) -> str:
    return f"{amount:.1f}".removesuffix(".0") if decimals or amount < 9.95 else f"{amount:.0f}"


def _size(size_bytes: int) -> str:
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
