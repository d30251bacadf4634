"""Health: are we within the law, by how much, and how do we know? One value for metrics, probes and people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import Duration, Instant, seconds
from ipsync.policy.lease import Lease
from ipsync.policy.planning import SweepPlan, plan_sweeps
from ipsync.policy.quota import NO_QUOTA, Holdings, Quota
from ipsync.policy.sealing import sealed_until
from ipsync.policy.tripwire import Tripwire
from ipsync.ports.catalog import Catalog, Figures, JobRun, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Metrics

_COUNTED_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Health:
    """How things stand at one instant.

    Attributes:
        at: the lease clock.
        figures: the catalog in numbers.
        oldest_age: of the oldest verification among LIVE documents, 0 when there are none.
        slack: until the first of all legal deadlines; negative means one was missed.
        overdue: documents still held past the age at which erasing must be done, counted up to 1,000.
        plan: how often all listings are read, and what that costs.
        accounts: how many accounts are in each state.
        job_runs: the newest run of each job.
        tripwires: mass disappearances that are not settled, newest first.
        sealed_until: when the first sealed document is erased unless it is verified before, or None.
        petitions: requests without proof that wait for the operator.
        ledger_entries: how many entries the ledger has.
        holdings: the files of each account, for the quotas.
    """

    at: Instant
    figures: Figures
    oldest_age: Duration
    slack: Duration
    overdue: int
    plan: SweepPlan
    accounts: Mapping[AccountState, int]
    job_runs: Mapping[str, JobRun]
    tripwires: Sequence[Tripwire] = ()
    sealed_until: Instant | None = None
    petitions: int = 0
    ledger_entries: int = 0
    holdings: Holdings = field(default_factory=dict)

    @property
    def is_lawful(self) -> bool:
        """Whether nothing is held that should be gone."""
        return self.overdue == 0 and self.slack > 0


async def read_health(catalog: Catalog, clock: Clock, lease: Lease, requests_per_hour: float) -> Health:
    """Look at everything that has a deadline.

    Args:
        catalog: the durable memory.
        clock: the lease clock.
        lease: the thresholds.
        requests_per_hour: what the budget is believed to allow.
    """
    return await catalog.read(lambda view: _read(view, clock.now(), lease, requests_per_hour))


def _read(view: View, now: Instant, lease: Lease, requests_per_hour: float) -> Health:
    figures = view.figures()
    # What is sealed has a deadline of its own, by the operator's choice: it is told apart, not counted as missed.
    only, others = {DocumentState.SEALED}, set(DocumentState) - {DocumentState.SEALED}
    oldest = view.documents_unverified_since(now + 1, 1, states=others)
    kept = view.documents_unverified_since(now + 1, 1, states=only)
    deadlines = [lease.erase_by(entry.verified_at) + lease.grace(entry.state) for entry in (*oldest, *kept)]
    if figures.nearest_erase_by is not None:
        deadlines.append(figures.nearest_erase_by)
    late = view.documents_unverified_since(now - lease.gone_age, _COUNTED_AT_MOST, states=others)
    late += view.documents_unverified_since(now - lease.gone_age - lease.sealed_grace, _COUNTED_AT_MOST, states=only)
    head = view.ledger_head()
    accounts: dict[AccountState, int] = {}
    for account in view.accounts():
        accounts[account.state] = accounts.get(account.state, 0) + 1
    return Health(
        at=now,
        figures=figures,
        oldest_age=max(0, now - figures.oldest_verified_at) if figures.oldest_verified_at is not None else 0,
        slack=min(deadlines) - now if deadlines else lease.window,
        overdue=len(late),
        plan=plan_sweeps(figures.listing_pages, requests_per_hour, lease),
        accounts=accounts,
        job_runs=view.job_runs(),
        tripwires=view.tripwires(),
        sealed_until=sealed_until(kept[0], lease) if kept else None,
        petitions=view.waiting_petitions(),
        ledger_entries=0 if head is None else head.sequence,
        holdings=view.holdings(),
    )


def publish(health: Health, metrics: Metrics, quota: Quota = NO_QUOTA) -> None:
    """Show it to Prometheus.

    Args:
        health: how things stand.
        metrics: where to.
        quota: how many bytes of files may be kept.
    """
    for state in DocumentState:
        metrics.set_documents(state.value, health.figures.documents.get(state, 0))
    metrics.set_documents("gone", health.figures.tombstones)
    metrics.set_leases(health.oldest_age, health.slack, health.overdue)
    metrics.set_utilization(health.plan.utilization)
    metrics.set_tripwires(len(health.tripwires))
    metrics.set_store_bytes(health.figures.stored_bytes)
    metrics.set_quota(quota.size_most, len(quota.held_up(health.holdings)))
    metrics.set_account_states({state.value: number for state, number in health.accounts.items()})
    metrics.set_open_removals({stage.value: number for stage, number in health.figures.open_removals.items()})
    metrics.set_petitions(health.petitions)
    metrics.set_ledger(health.ledger_entries)


def status_line(health: Health) -> str:
    """One line for people, as systemd shows it."""
    documents = health.figures.documents.get(DocumentState.LIVE, 0)
    hidden = sum(health.figures.documents.values()) - documents
    return (
        f"{documents} documents served, {hidden} hidden, "
        f"{sum(health.figures.open_removals.values())} being removed; "
        f"{seconds(health.slack) / 3600:.1f} h to the nearest deadline"
    )
