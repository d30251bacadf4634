"""Report: how the promise was kept over a period, from what is durable: ledger, requests, counts by day.

Values only; `ipsync.reports` draws them. Holds no id and no word of a member, so it may be published. Times
count from the last moment at which a document surely was shared, i.e. they are upper bounds.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from ipsync.jobs.audit import Audit, Witness
from ipsync.jobs.ledger import check_ledger, pages
from ipsync.policy.accounts import AccountState
from ipsync.policy.auditing import Kind
from ipsync.policy.distribution import Distribution
from ipsync.policy.documents import DocumentState
from ipsync.policy.history import NOTE, read_history
from ipsync.policy.instants import DAY, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.ledger import EntryKind, LedgerEntry, LedgerHead
from ipsync.policy.removals import OPEN_STAGES, SEALED, Reason
from ipsync.policy.requests import RemovalRequest
from ipsync.ports.catalog import Catalog, Figures, View
from ipsync.ports.clock import Clock

T = TypeVar("T")

_BATCH = 500
_MOST_BREACHES = 100

WITHDRAWN = frozenset(
    reason.value
    for reason in (
        Reason.UNSHARED,
        Reason.DELETED,
        Reason.RELICENSED,
        Reason.REPLACED,
        Reason.GRANT_LOST,
        Reason.ACCOUNT_CLOSED,
    )
)
"""What members did at ipernity, which has to be found out."""


@dataclass(slots=True)
class Group:
    """Removals of one kind, with how long they took.

    Attributes:
        hide: from the last moment of sure permission until it was not shown.
        erase: from there until nothing of it was left.
        act: from the moment ipsync knew, or suspected, until it was not shown.
    """

    hide: list[Duration] = field(default_factory=list)
    erase: list[Duration] = field(default_factory=list)
    act: list[Duration] = field(default_factory=list)

    def add(self, entry: LedgerEntry, lease: Lease) -> None:
        """Count an entry.

        From S on every answer refuses a copy by its lease, whatever is on record: a job writes it down only when the
        machine runs again.
        """
        since = entry.first_unsafe_at or 0
        hidden_at, gone_at = entry.hidden_at or since, entry.gone_at or since
        self.hide.append(min(hidden_at - since, lease.serve_age))
        self.erase.append(gone_at - since)
        self.act.append(hidden_at - (entry.detected_at or hidden_at))


@dataclass(frozen=True, slots=True)
class Times:
    """How long the removals of a group took."""

    hide: Distribution
    erase: Distribution
    act: Distribution


@dataclass(slots=True)
class ReasonCount:
    """What went for one reason."""

    removals: int = 0
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Breach:
    """A removal that came later than the law allows.

    Attributes:
        entry: its sequence in the ledger.
        late: by how much.
    """

    entry: int
    reason: str
    late: Duration


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """Owners' requests of the period.

    Attributes:
        open: of which something is still held.
        late: that were done, or are open, past their deadline.
        worst: the longest from receipt until everything was gone, or None.
    """

    received: int
    open: int
    late: int
    worst: Duration | None


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """What the ledger proves now.

    Attributes:
        has_heads: whether there are copies of heads to compare with.
        untold: removals that are gone without an entry, as far as counted.
    """

    head: LedgerHead | None
    entries: int
    heads_compared: int
    has_heads: bool
    findings: tuple[str, ...]
    found: int
    untold: int

    @property
    def holds(self) -> bool:
        """Whether it is whole, and each removal has its entry."""
        return self.found == 0 and self.untold == 0


@dataclass(slots=True)
class Report:
    """Everything a report tells.

    Attributes:
        begun_at: when the ledger began, or None: what was before is not told of.
        by_reason: removals by reason, drills among them.
        slack: the least time that was left to the law's instant, negative where it was missed; None without removals.
        breaches: the first hundred; `breached` counts all, `sealed` those among them that were kept by the operator's
            choice (`removal.unverified = "seal"`).
        requests_by_day, incidents_by_day: by the instant at which the day begins.
        members: accounts by state, now.
        audit: what a quick audit finds now, by kind.
    """

    at: Instant
    since: Instant
    until: Instant
    lease: Lease
    begun_at: Instant | None
    by_reason: dict[str, ReasonCount]
    withdrawn: Times
    asked: Times
    own: Times
    drills: Times
    slack: Duration | None
    breached: int
    sealed: int
    breaches: tuple[Breach, ...]
    requests: RequestFigures
    ledger: LedgerFigures
    figures: Figures
    members: dict[AccountState, int]
    consents_given: int
    consents_ended: int
    starts: int
    breaks: int
    requests_by_day: dict[Instant, int]
    requests_per_day: int
    incidents_by_day: dict[Instant, dict[str, int]]
    audit: dict[Kind, int]

    @property
    def removals(self) -> int:
        """How many there were, without drills."""
        drills = self.by_reason.get(Reason.DRILL.value, ReasonCount()).removals
        return sum(count.removals for count in self.by_reason.values()) - drills

    @property
    def is_kept(self) -> bool:
        """Whether the promise was kept, and what proves it holds."""
        return not (self.breached or self.requests.late or self.audit) and self.ledger.holds

    @property
    def shown(self) -> int:
        """Documents on record as shown, now."""
        return self.figures.documents.get(DocumentState.LIVE, 0)

    @property
    def open_removals(self) -> int:
        """Removals under way, now."""
        return sum(self.figures.open_removals.get(stage, 0) for stage in OPEN_STAGES)


class Reporter:
    """The one who gathers."""

    def __init__(
        self,
        catalog: Catalog,
        witness: Witness,
        audit: Audit,
        clock: Clock,
        lease: Lease,
        requests_per_day: int,
    ) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            witness: the evidence beside it.
            audit: for a quick look at how things are now.
            clock: the lease clock.
            lease: the promise.
            requests_per_day: the cap that is configured.
        """
        self._catalog = catalog
        self._witness = witness
        self._audit = audit
        self._clock = clock
        self._lease = lease
        self._requests_per_day = requests_per_day

    async def total(self) -> int:
        """How many steps `run` will tell of, about: every entry twice."""
        head = await self._catalog.read(lambda view: view.ledger_head())
        return 2 * head.sequence if head else 0

    async def run(self, since: Instant, until: Instant, tell: Callable[[int], None] = lambda _: None) -> Report:
        """Gather what happened from `since` until before `until`.

        Args:
            since: the period's begin.
            until: its end.
            tell: told how many more entries were looked at.

        Raises:
            CatalogFailure: the database cannot be read.
        """
        tally = _Tally(since, until, self._lease)
        head = await self._catalog.read(lambda view: view.ledger_head())
        async for page in pages(self._catalog, 0, head):
            tally.add(page)
            tell(len(page))
        ledger = await self._check(tell)
        found = await self._audit.quick()
        requests = await self._requests(since, until)
        noted, budget, figures, accounts = await self._catalog.read(
            lambda view: (view.note(NOTE), view.budget(), view.figures(), view.accounts())
        )
        history = read_history(noted)
        return Report(
            at=self._clock.now(),
            since=since,
            until=until,
            lease=self._lease,
            begun_at=tally.begun_at,
            by_reason=tally.by_reason,
            withdrawn=tally.times("withdrawn"),
            asked=tally.times("asked"),
            own=tally.times("own"),
            drills=tally.times("drills"),
            slack=tally.slack,
            breached=tally.breached,
            sealed=tally.sealed,
            breaches=tuple(tally.breaches),
            requests=requests,
            ledger=ledger,
            figures=figures,
            members=dict(Counter(account.state for account in accounts)),
            consents_given=tally.kinds[EntryKind.CONSENT_GIVEN],
            consents_ended=tally.kinds[EntryKind.CONSENT_ENDED],
            starts=tally.kinds[EntryKind.STARTED],
            breaks=tally.kinds[EntryKind.BREAK],
            requests_by_day=_within(history.requests_by_day(budget.spent), since, until),
            requests_per_day=self._requests_per_day,
            incidents_by_day=_within(history.incidents, since, until),
            audit=dict(found.counts),
        )

    async def _check(self, tell: Callable[[int], None]) -> LedgerFigures:
        heads = self._witness.heads()
        check = await check_ledger(self._catalog, heads or (), self._witness.is_signed, tell, with_removals=False)
        differences = await self._catalog.read(lambda view: view.ledger_differences(_MOST_BREACHES))
        return LedgerFigures(
            head=await self._catalog.read(lambda view: view.ledger_head()),
            entries=check.entries,
            heads_compared=check.heads,
            has_heads=heads is not None,
            findings=tuple(finding.what for finding in check.findings),
            found=check.found,
            untold=len(differences),
        )

    async def _requests(self, since: Instant, until: Instant) -> RequestFigures:
        now, after = self._clock.now(), 0
        received = still_open = late = 0
        took: list[Duration] = []
        while page := await self._catalog.read(partial(_requests_after, after=after)):
            after = page[-1].request_id
            for request in page:
                if not since <= request.received_at < until:
                    continue
                received += 1
                still_open += request.is_open
                late += (now if request.gone_at is None else request.gone_at) > request.erase_by
                if request.gone_at is not None:
                    took.append(request.gone_at - request.received_at)
        return RequestFigures(received, still_open, late, max(took, default=None))


class _Tally:
    """The entries of a period, counted in one pass."""

    def __init__(self, since: Instant, until: Instant, lease: Lease) -> None:
        self._since = since
        self._until = until
        self._lease = lease
        self._groups = {name: Group() for name in ("withdrawn", "asked", "own", "drills")}
        self.begun_at: Instant | None = None
        self.by_reason: dict[str, ReasonCount] = {}
        self.kinds: Counter[str] = Counter()
        self.slack: Duration | None = None
        self.breached = 0
        self.sealed = 0
        self.breaches: list[Breach] = []

    def add(self, entries: list[LedgerEntry]) -> None:
        for entry in entries:
            if entry.kind == EntryKind.BEGUN:
                self.begun_at = entry.at
            at = entry.gone_at if entry.gone_at is not None else entry.at
            if not self._since <= at < self._until:
                continue
            self.kinds[entry.kind] += 1
            if entry.kind == EntryKind.GONE:
                self._add_removal(entry)

    def _add_removal(self, entry: LedgerEntry) -> None:
        reason = entry.reason or ""
        count = self.by_reason.setdefault(reason, ReasonCount())
        count.removals += 1
        count.files += entry.files or 0
        count.size_bytes += entry.size_bytes or 0
        self._groups[_group_of(reason)].add(entry, self._lease)
        if entry.gone_at is None or entry.erase_by is None or entry.first_unsafe_at is None:
            return
        slack = entry.erase_by - entry.gone_at
        self.slack = slack if self.slack is None else min(self.slack, slack)
        if slack < 0:
            self.breached += 1
            self.sealed += SEALED in (entry.certificate or "")
            if len(self.breaches) < _MOST_BREACHES:
                self.breaches.append(Breach(entry.sequence, reason, -slack))

    def times(self, name: str) -> Times:
        group = self._groups[name]
        return Times(Distribution(group.hide), Distribution(group.erase), Distribution(group.act))


def _group_of(reason: str) -> str:
    if reason == Reason.DRILL:
        return "drills"
    if reason == Reason.OWNER_REQUEST:
        return "asked"
    return "withdrawn" if reason in WITHDRAWN else "own"


def _within(days: dict[Instant, T], since: Instant, until: Instant) -> dict[Instant, T]:
    """The days that touch the period, in their order."""
    return {day: days[day] for day in sorted(days) if day + DAY > since and day < until}


def _requests_after(view: View, after: int) -> list[RemovalRequest]:
    return view.removal_requests(after=after, limit=_BATCH)
