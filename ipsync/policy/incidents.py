"""Incidents: conditions that need a person, opened once, resolved when they end (design §3, §4; F3, F6, F12, F18, F20).

Values in, a decision out. What is wrong now follows from a `Situation` alone; what is new and what is over follows
from comparing it with the incidents that stand. A condition that comes and goes within `settling_time` is one incident.
Nothing here holds a member's word: subjects are numbers of accounts and requests, and words of our own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ipsync.policy.accounts import AccountState
from ipsync.policy.instants import DAY, SECOND, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.quota import NO_QUOTA, Holdings, Quota
from ipsync.policy.requests import RemovalRequest
from ipsync.policy.tripwire import Tripwire

KEPT: Duration = 400 * DAY
"""How long incidents are remembered after they ended; as long as the counts by day (`policy.history`)."""

FAILURES_MOST = 5
"""So many failures in a row are no passing trouble."""

CLOCK_TOLERANCE: Duration = 60 * SECOND
"""A wall clock that lies this far behind the time that has passed was set back, or had run ahead (F6, F7)."""

SPENT_SHARE = 0.05
"""A window of the budget with no more than this share left lets no lease be renewed (`budget.LANE_SHARES`)."""

SUBJECTS_MOST = 20
"""Of so many accounts, requests or jobs in the same trouble each is an incident; the rest together is one more."""

OTHERS = "others"
"""The subject of that one."""

_SHORT_PARTS, _CRITICAL_PARTS, _PARTS = 4, 2, 24
_SETTLING_PARTS = 144
_REQUEST_PARTS = 24


class Condition(StrEnum):
    """What can be wrong, the worst first."""

    OVERDUE = "overdue"  # something is held that should be gone
    SLACK_CRITICAL = "slack-critical"  # the nearest deadline is nearer than 2/24 of the window
    DISK_FULL = "disk-full"  # nothing new is taken in (F3)
    AUDIT = "audit"  # an audit found what should not be, and nobody mended it
    SLACK_SHORT = "slack-short"  # nearer than 4/24: what was not verified is hidden
    TRIPWIRE = "tripwire"  # very much of an account went missing at once (F12)
    REQUEST = "request"  # an owner asked for removal (T11)
    PETITION = "petition"  # somebody asks without proof, and the operator is to decide
    GRANT_LOST = "grant-lost"  # a member took the grant back (F18)
    ACCOUNT_CLOSED = "account-closed"  # a member's account at ipernity is closed (F19)
    REMOVALS_FAILING = "removals-failing"  # erasing fails again and again
    ACCOUNT_FAILING = "account-failing"  # an account can't be read, again and again
    JOB_FAILING = "job-failing"  # a job fails and has not gone well for a while
    NOT_KEPT = "not-kept"  # the budget does not carry an account: not admitted, or given up (F20)
    QUOTA = "quota"  # files wait since a quota of bytes is reached (F31)
    BUDGET_CUT = "budget-cut"  # ipernity allows less than is configured (112, 113)
    BUDGET_SPENT = "budget-spent"  # our own cap of an hour or a day is used up
    CLOCK = "clock"  # the wall clock disagrees with the time that has passed
    DISK_LOW = "disk-low"  # the room that new content must leave free is near

    @property
    def is_urgent(self) -> bool:
        """Whether the promise itself is in danger."""
        return self in (Condition.OVERDUE, Condition.SLACK_CRITICAL, Condition.DISK_FULL)


_RANK = {condition: rank for rank, condition in enumerate(Condition)}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A condition as it is found now.

    Attributes:
        subject: whom or what it is about: the number of an account or request, a window, a job, a place; or "".
        number: how bad it is, in the unit of its condition (see `policy.notices`).
    """

    condition: Condition
    subject: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """A condition from when it was found until it ended.

    Attributes:
        number: how bad it was when it was found.
        absent_at: since when it is not found any more; None while it is.
        resolved_at: when it was called over.
        incident_id: 0 until the catalog gave it a number.
    """

    condition: Condition
    subject: str
    number: int
    opened_at: Instant
    absent_at: Instant | None = None
    resolved_at: Instant | None = None
    incident_id: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.resolved_at is None


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a disk, in bytes.

    Attributes:
        floor: with less than this nothing new is taken in; 0 where nobody minds.
    """

    free: int
    floor: int


@dataclass(frozen=True, slots=True)
class Member:
    """One account, as far as it can be in trouble.

    Attributes:
        failures: failed passes in a row.
        held: documents and open removals.
        ended_at: when the newest consent ended, or None.
    """

    account_id: int
    state: AccountState
    failures: int = 0
    held: int = 0
    ended_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """How the request budget stands.

    Attributes:
        believed: requests an hour that ipernity is believed to allow.
        is_cut: whether ipernity refused and the pace is not back.
        left: the share of each long window that is left, by name.
    """

    believed: float
    is_cut: bool = False
    left: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything from which troubles are found.

    Attributes:
        slack: until the nearest legal deadline; negative when one was missed.
        overdue: documents held that should be gone.
        members: accounts that may be in trouble.
        requests: of owners, those that are open or new.
        petitions: the numbers of those that wait for the operator.
        findings: of audits, those that stand.
        failing_removals: how many failed `FAILURES_MOST` times or more.
        jobs: since when each failing job has not gone well; 0 for never.
        rooms: by place.
        behind: how far the wall clock lies behind the lease clock.
        quota: how many bytes of files may be kept.
        holdings: what is kept, by account.
    """

    now: Instant
    lease: Lease
    slack: Duration
    overdue: int = 0
    members: Sequence[Member] = ()
    requests: Sequence[RemovalRequest] = ()
    petitions: Sequence[int] = ()
    tripwires: Sequence[Tripwire] = ()
    findings: int = 0
    failing_removals: int = 0
    jobs: Mapping[str, Instant] | None = None
    rooms: Mapping[str, Room] | None = None
    behind: Duration = 0
    spending: Spending | None = None
    quota: Quota = NO_QUOTA
    holdings: Holdings = field(default_factory=dict)


def troubles(situation: Situation) -> list[Trouble]:
    """Everything that needs a person now."""
    found = [
        *_of_deadlines(situation),
        *_of_members(situation),
        *_of_requests(situation),
        *_of_tripwires(situation),
        *_of_work(situation),
        *_of_quotas(situation),
        *_of_budget(situation),
        *_of_machine(situation),
    ]
    worst_first = sorted(found, key=lambda trouble: (_RANK[trouble.condition], len(trouble.subject), trouble.subject))
    counts: Counter[Condition] = Counter()
    kept = []
    for trouble in worst_first:
        counts[trouble.condition] += 1
        if counts[trouble.condition] <= SUBJECTS_MOST:
            kept.append(trouble)
    others = [
        Trouble(condition, OTHERS, number - SUBJECTS_MOST)
        for condition, number in counts.items()
        if number > SUBJECTS_MOST
    ]
    return kept + others


def _of_deadlines(situation: Situation) -> Iterator[Trouble]:
    part = situation.lease.window // _PARTS
    left = situation.slack // SECOND
    if situation.overdue or situation.slack <= 0:
        yield Trouble(Condition.OVERDUE, "", situation.overdue)
    if situation.slack < _CRITICAL_PARTS * part:
        yield Trouble(Condition.SLACK_CRITICAL, "", left)
    if situation.slack < _SHORT_PARTS * part:
        yield Trouble(Condition.SLACK_SHORT, "", left)


def _of_members(situation: Situation) -> Iterator[Trouble]:
    ended = {AccountState.LOST: Condition.GRANT_LOST, AccountState.CLOSED: Condition.ACCOUNT_CLOSED}
    for member in situation.members:
        subject = str(member.account_id)
        if member.state in ended:
            # After everything is gone, and a window has passed, it is history and no incident.
            is_recent = member.ended_at is not None and situation.now - member.ended_at < situation.lease.window
            if member.held or is_recent:
                yield Trouble(ended[member.state], subject, member.held)
        elif member.state is AccountState.WAITING:
            yield Trouble(Condition.NOT_KEPT, subject, member.held)
        elif member.state is AccountState.ACTIVE and member.failures >= FAILURES_MOST:
            yield Trouble(Condition.ACCOUNT_FAILING, subject, member.failures)


def request_is_news(request: RemovalRequest, now: Instant, lease: Lease) -> bool:
    """Whether an owner's request is open, or so new that whoever should know of it may not."""
    return request.is_open or now - request.received_at < lease.window // _REQUEST_PARTS


def _of_requests(situation: Situation) -> Iterator[Trouble]:
    for request in situation.requests:
        if request_is_news(request, situation.now, situation.lease):
            yield Trouble(Condition.REQUEST, str(request.request_id), request.held.documents)
    for number in situation.petitions:
        yield Trouble(Condition.PETITION, str(number))


def _of_tripwires(situation: Situation) -> Iterator[Trouble]:
    missing: dict[int, int] = {}
    for tripwire in situation.tripwires:
        missing[tripwire.account_id] = missing.get(tripwire.account_id, 0) + tripwire.missing
    for account_id, number in missing.items():
        yield Trouble(Condition.TRIPWIRE, str(account_id), number)


def _of_work(situation: Situation) -> Iterator[Trouble]:
    if situation.findings:
        yield Trouble(Condition.AUDIT, "", situation.findings)
    if situation.failing_removals:
        yield Trouble(Condition.REMOVALS_FAILING, "", situation.failing_removals)
    patience = situation.lease.window // _PARTS
    for job, well_at in (situation.jobs or {}).items():
        if situation.now - well_at >= patience:
            yield Trouble(Condition.JOB_FAILING, job)


def _of_quotas(situation: Situation) -> Iterator[Trouble]:
    """A full account is no trouble while nothing of it waits; where all together are full, that is one."""
    quota, holdings = situation.quota, situation.holdings
    held_up = quota.held_up(holdings)
    if held_up and quota.is_reached(holdings):
        yield Trouble(Condition.QUOTA, "", sum(holding.size_bytes for holding in holdings.values()))
        return
    for account_id in sorted(held_up):
        yield Trouble(Condition.QUOTA, str(account_id), holdings[account_id].size_bytes)


def _of_budget(situation: Situation) -> Iterator[Trouble]:
    spending = situation.spending
    if spending is None:
        return
    if spending.is_cut:
        yield Trouble(Condition.BUDGET_CUT, "", round(spending.believed))
    for window, share in (spending.left or {}).items():
        if share <= SPENT_SHARE:
            yield Trouble(Condition.BUDGET_SPENT, window)


def _of_machine(situation: Situation) -> Iterator[Trouble]:
    if situation.behind > CLOCK_TOLERANCE:
        yield Trouble(Condition.CLOCK, "", situation.behind // SECOND)
    for place, room in (situation.rooms or {}).items():
        if room.free < room.floor:
            yield Trouble(Condition.DISK_FULL, place, room.free)
        elif room.free < 2 * room.floor:
            yield Trouble(Condition.DISK_LOW, place, room.free)


def settling_time(lease: Lease) -> Duration:
    """How long a condition must stay away to be over: 10 minutes of 24 h."""
    return lease.window // _SETTLING_PARTS


def reconcile(standing: Sequence[Incident], found: Sequence[Trouble], now: Instant, lease: Lease) -> list[Incident]:
    """Compare what stands with what is found: the incidents that are new or changed, as they shall be.

    Args:
        standing: every open incident.
        found: what is wrong now.
        now: the lease clock.
        lease: the thresholds.
    """
    wrong = {(trouble.condition, trouble.subject): trouble for trouble in found}
    known = {(incident.condition, incident.subject) for incident in standing}
    changed = [
        Incident(trouble.condition, trouble.subject, trouble.number, now)
        for key, trouble in wrong.items()
        if key not in known
    ]
    for incident in standing:
        is_found = (incident.condition, incident.subject) in wrong
        if is_found and incident.absent_at is not None:
            changed.append(replace(incident, absent_at=None))
        elif not is_found and incident.absent_at is None:
            changed.append(replace(incident, absent_at=now))
        elif not is_found and now - (incident.absent_at or 0) >= settling_time(lease):
            changed.append(replace(incident, resolved_at=now))
    return changed
