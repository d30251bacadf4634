"""Incidents: find what needs a person, once, and see when it is over.

Reads what health and catalog already know and asks ipernity nothing. What follows from it is decided in
`policy.incidents`; telling somebody is another job (`jobs.notices`), which may hang without holding this one up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ipsync.jobs.audit_standing import findings_standing
from ipsync.jobs.health import read_health
from ipsync.policy.accounts import AccountState
from ipsync.policy.incidents import (
    FAILURES_MOST,
    KEPT,
    Incident,
    Member,
    Room,
    Situation,
    Spending,
    Trouble,
    reconcile,
    troubles,
)
from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.notices import Delivery, incident_headline
from ipsync.policy.quota import NO_QUOTA, Quota
from ipsync.policy.requests import RemovalRequest
from ipsync.ports.catalog import AccountFigures, Catalog, JobRun, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_REQUESTS_MOST = 200
_REMOVALS_MOST = 1000


@dataclass(frozen=True, slots=True)
class Senses:
    """What is looked at besides the catalog.

    Attributes:
        spending: how the request budget stands.
        rooms: what is left of the disks, by place.
        behind: how far the wall clock lies behind the lease clock.
        quota: how many bytes of files may be kept.
    """

    spending: Callable[[], Spending]
    rooms: Callable[[], Mapping[str, Room]]
    behind: Callable[[], Duration]
    quota: Quota = NO_QUOTA


class Incidents:
    """The one who looks."""

    def __init__(
        self, catalog: Catalog, clock: Clock, lease: Lease, senses: Senses, channels: Callable[[], Sequence[str]]
    ) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            lease: the thresholds.
            senses: budget, disks, clocks.
            channels: the names of those who are to be told.
        """
        self._catalog = catalog
        self._clock = clock
        self._lease = lease
        self._senses = senses
        self._channels = channels
        self._began_at = clock.now()

    async def run(self) -> int:
        """Look once, and keep what changed. Returns how many incidents stand.

        Raises:
            CatalogFailure: it could not be read or written; it is tried again.
        """
        found = troubles(await self.look())
        standing = await self._catalog.read(lambda view: view.incidents(open_only=True))
        changed = reconcile(standing, found, self._clock.now(), self._lease)
        untold = await self._catalog.read(partial(_untold, standing=standing, channels=self._channels()))
        if changed or untold:
            await self._catalog.write(partial(self._keep, found=found))
        return len(found)

    async def look(self) -> Situation:
        """Gather how things stand."""
        spending = self._senses.spending()
        health = await read_health(self._catalog, self._clock, self._lease, spending.believed)
        members, requests, petitions, failing, findings = await self._catalog.read(
            partial(_read, now=health.at, lease=self._lease)
        )
        return Situation(
            now=health.at,
            lease=self._lease,
            slack=health.slack,
            overdue=health.overdue,
            members=members,
            requests=requests,
            petitions=petitions,
            tripwires=health.tripwires,
            findings=findings,
            failing_removals=failing,
            jobs=_failing_jobs(health.job_runs, self._began_at),
            rooms=self._senses.rooms(),
            behind=self._senses.behind(),
            spending=spending,
            quota=self._senses.quota,
            holdings=health.holdings,
        )

    def _keep(self, tx: Transaction, found: Sequence[Trouble]) -> None:
        # Read again: another process may have looked as well, and nothing must be opened twice.
        now, standing = self._clock.now(), tx.incidents(open_only=True)
        for incident in reconcile(standing, found, now, self._lease):
            number = tx.put_incident(incident)
            if not incident.incident_id:
                _told(Event.INCIDENT_OPENED, incident, number)
            elif incident.resolved_at is not None:
                _told(Event.INCIDENT_RESOLVED, incident, number)
                tx.forget_incidents(now - KEPT)
        tx.put_deliveries(_untold(tx, tx.incidents(open_only=True), self._channels()))


def _told(event: Event, incident: Incident, number: int) -> None:
    words = "Something needs a person" if event is Event.INCIDENT_OPENED else "What needed a person is over"
    say = _log.warning if event is Event.INCIDENT_OPENED else _log.info
    say(
        event,
        f"{words}: {incident_headline(incident)}.",
        incident=number,
        condition=incident.condition.value,
        subject=incident.subject,
    )


def _untold(view: View, standing: Sequence[Incident], channels: Sequence[str]) -> list[Delivery]:
    """Deliveries that are to be begun: also for a channel that was set up while an incident stands."""
    known = {(entry.incident_id, entry.channel) for entry in view.deliveries([one.incident_id for one in standing])}
    return [
        Delivery(incident.incident_id, channel)
        for incident in standing
        for channel in channels
        if (incident.incident_id, channel) not in known
    ]


def _read(view: View, now: Instant, lease: Lease) -> tuple[list[Member], list[RemovalRequest], list[int], int, int]:
    figures = view.account_figures()
    members = []
    for account in view.accounts():
        if account.state is AccountState.REMOVED:
            continue
        ended_at = None
        if account.state in (AccountState.LOST, AccountState.CLOSED):
            ended_at = max((entry.ended_at or 0 for entry in view.consents(account.account_id)), default=None)
        held = _held(figures.get(account.account_id))
        members.append(Member(account.account_id, account.state, account.failures, held, ended_at))
    requests = {entry.request_id: entry for entry in view.removal_requests(open_only=True, limit=_REQUESTS_MOST)}
    for entry in view.newest_removal_requests(now - lease.window, _REQUESTS_MOST):
        requests[entry.request_id] = entry
    waiting = [entry.petition_id for entry in view.petitions(waiting_only=True, limit=_REQUESTS_MOST)]
    failing = view.failing_removals(FAILURES_MOST, _REMOVALS_MOST)
    return members, list(requests.values()), waiting, failing, findings_standing(view)


def _held(figures: AccountFigures | None) -> int:
    return 0 if figures is None else sum(figures.documents.values()) + figures.open_removals


def _failing_jobs(runs: Mapping[str, JobRun], since: Instant) -> dict[str, Instant]:
    """Since when each job that fails has not gone well; what failed before a restart is tried anew first."""
    failing = [run for run in runs.values() if run.failure and run.finished_at >= since]
    return {run.job: run.succeeded_at or run.started_at for run in failing}
