"""How the mirror stands, whole: what the status page and `ipsync status` tell, gathered once for both.

Reads only what is counted already, however many documents there are; ages of leases, which take a look at each, are
read apart (`read_ages`) and never while somebody waits for a page.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ipsync.jobs.health import Health, read_health
from ipsync.jobs.webhooks import Told, read_told
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.incidents import FAILURES_MOST, Incident
from ipsync.policy.instants import DAY, HOUR, MINUTE, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.ledger import LedgerHead
from ipsync.ports.catalog import AccountFigures, Catalog, View
from ipsync.ports.clock import Clock

PAST_SHOWN = 5
"""So many incidents that are over are told of."""

PARTS = 48
"""Bars of the histogram of ages over one window: half an hour each of 24 h."""

WINDOWS: Mapping[str, Duration] = {"minute": MINUTE, "hour": HOUR, "day": DAY}
"""The windows of the budget that are told of; what is left of a second is over before it is read."""

_TROUBLED = frozenset({AccountState.WAITING, AccountState.DOUBTED, AccountState.LOST, AccountState.CLOSED})


@dataclass(frozen=True, slots=True)
class Member:
    """One account with its numbers."""

    account: Account
    figures: AccountFigures

    @property
    def served(self) -> int:
        """Documents on record as shown."""
        return self.figures.documents.get(DocumentState.LIVE, 0)

    @property
    def hidden(self) -> int:
        """Documents held and not shown."""
        return sum(self.figures.documents.values()) - self.served

    @property
    def is_troubled(self) -> bool:
        """Whether somebody should look at it."""
        return self.account.state in _TROUBLED or self.account.failures >= FAILURES_MOST


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything at one instant.

    Attributes:
        members: of all states but REMOVED, those in trouble first.
        incidents: those that go on, the newest first.
        past: the newest of those that are over.
        head: of the ledger, or None while it has not begun.
        petitions: how many wait for the operator.
        requests: of owners, those of which something is still held.
        webhooks: all there are, with what they are owed.
    """

    health: Health
    members: Sequence[Member]
    incidents: Sequence[Incident]
    past: Sequence[Incident]
    head: LedgerHead | None
    petitions: int
    requests: int
    webhooks: Sequence[Told] = ()


@dataclass(frozen=True, slots=True)
class Ages:
    """How old leases are.

    Attributes:
        at: when they were counted.
        width: of one place, microseconds.
        served: how many documents are shown, by place.
        hidden: how many are held and not shown, by place.
    """

    at: Instant
    width: Duration
    served: Mapping[int, int] = field(default_factory=dict)
    hidden: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Band:
    """Leases from age `begin` until before `end` (None: and all that are older)."""

    begin: Duration
    end: Duration | None
    number: int
    words: str


def planned_requests(health: Health) -> dict[str, float]:
    """How many requests the leases are planned to need, by window of the budget."""
    return {window: health.plan.requests_per_hour * length / HOUR for window, length in WINDOWS.items()}


def age_bands(ages: Ages, lease: Lease) -> list[Band]:
    """How many leases lie between the thresholds.

    Args:
        ages: as counted.
        lease: the thresholds.
    """
    edges = (0, lease.recheck_age, lease.serve_age, lease.erase_age, lease.window)
    words = ("shown", "shown, due to be seen again", "hidden", "being erased")
    counts = {place: ages.served.get(place, 0) + ages.hidden.get(place, 0) for place in range(PARTS + 1)}
    found = [
        Band(begin, end, sum(number for place, number in counts.items() if begin <= place * ages.width < end), said)
        for begin, end, said in zip(edges, edges[1:], words, strict=False)
    ]
    # Places are whole parts of the window: what a division leaves over belongs to the last one.
    oldest = sum(counts.values()) - sum(band.number for band in found)
    return [*found, Band(lease.window, None, oldest, "must be gone, unless sealed")]


async def read_standing(catalog: Catalog, clock: Clock, lease: Lease, requests_per_hour: float) -> Standing:
    """Look at everything that is counted.

    Args:
        catalog: the durable memory.
        clock: the lease clock.
        lease: the thresholds.
        requests_per_hour: what the budget is believed to allow.
    """
    health = await read_health(catalog, clock, lease, requests_per_hour)
    return await catalog.read(partial(_read, health=health))


def _read(view: View, health: Health) -> Standing:
    figures = view.account_figures()
    states: Collection[AccountState] = set(AccountState) - {AccountState.REMOVED}
    members = [
        Member(account, figures.get(account.account_id, AccountFigures(account.account_id)))
        for account in view.accounts(states)
    ]
    newest = view.incidents(limit=100)
    return Standing(
        health=health,
        members=sorted(members, key=lambda member: (not member.is_troubled, member.account.account_id)),
        incidents=view.incidents(open_only=True, limit=100),
        past=[incident for incident in newest if not incident.is_open][:PAST_SHOWN],
        head=view.ledger_head(),
        petitions=view.waiting_petitions(),
        requests=len(view.removal_requests(open_only=True)),
        webhooks=read_told(view),
    )


async def read_ages(catalog: Catalog, clock: Clock, lease: Lease) -> Ages:
    """Count leases by age; this looks at every document.

    Args:
        catalog: the durable memory.
        clock: the lease clock.
        lease: the thresholds.
    """
    now, width = clock.now(), max(1, lease.window // PARTS)
    counted = await catalog.read(lambda view: view.lease_ages(now, width))
    served: dict[int, int] = {}
    hidden: dict[int, int] = {}
    for (state, place), number in counted.items():
        into = served if state is DocumentState.LIVE else hidden
        # What is sealed may be older than any window; it stands in the last place.
        into[min(place, PARTS)] = into.get(min(place, PARTS), 0) + number
    return Ages(now, width, served, hidden)
