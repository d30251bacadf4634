"""The composition root: settings in, wired parts out. Decides nothing and does nothing by itself.

What lives as long as the process (`base.Base`: database, files, clock, metrics) is apart from what a
reload replaces (`Works`: client, gate, jobs).
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import ipsync
from ipsync.base import Base, KeyUseChangedError, open_base, refuse_other_use
from ipsync.catalog.heads import read_heads
from ipsync.catalog.ledger_keys import is_signed
from ipsync.catalog.location import heads_file
from ipsync.ipernity.client import IpernitySource
from ipsync.ipernity.gate import BudgetGate, GateSnapshot
from ipsync.ipernity.media import MediaFetcher
from ipsync.ipernity.media_addresses import loopback_of
from ipsync.jobs.accounts import Accounts
from ipsync.jobs.admission import Admission, pages_held
from ipsync.jobs.audit import Audit, Heads, Witness
from ipsync.jobs.audit_repair import Repair, Steps
from ipsync.jobs.audit_watch import AuditWatch
from ipsync.jobs.belonging import Belonging
from ipsync.jobs.boot import BootGate, Ground
from ipsync.jobs.confirm import Confirm
from ipsync.jobs.details import Details
from ipsync.jobs.drill import DrillRun
from ipsync.jobs.drill_source import DrillSource
from ipsync.jobs.drill_watch import DrillWatch
from ipsync.jobs.entries import Entries
from ipsync.jobs.expiry import Expiry
from ipsync.jobs.grants import Grants
from ipsync.jobs.incidents import Incidents, Senses
from ipsync.jobs.leave import Leave
from ipsync.jobs.media import Media
from ipsync.jobs.notices import Notices
from ipsync.jobs.on_demand import OnDemand
from ipsync.jobs.orphans import Orphans
from ipsync.jobs.petitions import Petitions
from ipsync.jobs.purge import Purge
from ipsync.jobs.reachability import Reachability, WatchedSource
from ipsync.jobs.report import Reporter
from ipsync.jobs.requests import Requests
from ipsync.jobs.sync import Sync
from ipsync.jobs.tombstones import Tombstones
from ipsync.notify import channels_of
from ipsync.policy.admission import Capacity, Overload, overload
from ipsync.policy.incidents import Spending
from ipsync.policy.instants import seconds
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, CatalogFailure
from ipsync.ports.source import Source
from ipsync.schedule import Nudge, period_of
from ipsync.settings import Settings
from ipsync.store.room import rooms_of
from ipsync.telling import Telling
from ipsync.web import Desk

_CHECK_SECONDS = 30.0
"""How long a start may look at the database alone."""

__all__ = [
    "Base",
    "BudgetTooSmallError",
    "KeyUseChangedError",
    "Works",
    "open_base",
    "open_works",
    "overload_held",
    "refuse_other_use",
    "site_of",
]


class BudgetTooSmallError(CatalogFailure):
    """The configured budget cannot renew every lease in time; the message has the numbers."""


@dataclass(slots=True)
class Works:
    """Client, gate and jobs for one configuration.

    Attributes:
        believed_requests_per_hour: what the budget was last believed to allow.
    """

    base: Base
    settings: Settings
    rules: Rules
    gate: BudgetGate
    source: IpernitySource
    fetcher: MediaFetcher
    believed_requests_per_hour: float
    sync: Sync = field(init=False)
    entries: Entries = field(init=False)
    confirm: Confirm = field(init=False)
    purge: Purge = field(init=False)
    media: Media = field(init=False)
    on_demand: OnDemand = field(init=False)
    grants: Grants = field(init=False)
    expiry: Expiry = field(init=False)
    details: Details = field(init=False)
    orphans: Orphans = field(init=False)
    accounts: Accounts = field(init=False)
    admission: Admission = field(init=False)
    tombstones: Tombstones = field(init=False)
    requests: Requests = field(init=False)
    petitions: Petitions = field(init=False)
    audit: Audit = field(init=False)
    repair: Repair = field(init=False)
    leave: Leave = field(init=False)
    drill: DrillRun = field(init=False)
    reporter: Reporter = field(init=False)
    belonging: Belonging = field(init=False)
    incidents: Incidents = field(init=False)
    notices: Notices = field(init=False)
    telling: Telling = field(init=False)
    _budget: GateSnapshot | None = field(init=False, default=None)
    _drills: DrillWatch | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Wire the jobs."""
        base, rules = self.base, self.rules
        catalog, clock, metrics = base.catalog, base.clock, base.metrics
        reachability = Reachability(clock)
        source: Source = WatchedSource(self.source, reachability)
        drilled = DrillSource(source, catalog, clock)
        self.sync = Sync(drilled, catalog, clock, rules, metrics, lambda: self.believed_requests_per_hour)
        self.entries = Entries(drilled, catalog, clock, rules)
        self.confirm = Confirm(drilled, catalog, clock, rules, lambda: self.believed_requests_per_hour)
        self.tombstones = Tombstones(catalog, base.outside, clock, rules)
        self.purge = Purge(catalog, base.store, base.store_lock, clock, rules, metrics, self.tombstones)
        self.media = Media(self.fetcher, catalog, base.store, base.store_lock, clock, rules)
        self.on_demand = OnDemand(self.media)
        self.grants = Grants(source, catalog, clock, rules)
        self.expiry = Expiry(catalog, clock, rules, reachability)
        self.details = Details(drilled, catalog, clock, rules)
        self.orphans = Orphans(catalog, base.store, base.store_lock)
        self.belonging = Belonging(catalog, base.store, clock)
        self.accounts = Accounts(source, catalog, clock, rules, self.tombstones)
        self.admission = Admission(source, catalog, clock, rules, lambda: self.believed_requests_per_hour)
        self.requests = Requests(catalog, self.tombstones, clock, rules)
        self.petitions = Petitions(catalog, self.requests, clock, rules)
        witness, per_day = self._witness(), self.settings.budget.per_day
        self.audit = Audit(catalog, base.store, witness, clock, rules)
        self.reporter = Reporter(catalog, witness, self.audit, clock, rules.lease, per_day)
        mending = Steps(
            self.tombstones, self.requests, self.expiry, self.orphans, self.purge, self.belonging, base.epoch
        )
        self.repair = Repair(catalog, base.store, mending, clock, rules)
        self.leave = Leave(catalog, base.store, self.tombstones, self.purge, self.orphans, clock, rules)
        self.drill = DrillRun(catalog, base.store, (self.sync, self.confirm, self.purge, self.media), clock, rules)
        settings = self.settings
        channels = channels_of(settings, os.environ, clock.now, settings.user_agent(ipsync.__version__))
        self.notices = Notices(catalog, clock, channels, settings.operator.application, settings.status_link)
        senses = Senses(
            self._spending,
            lambda: rooms_of(settings.store.path, settings.database.path),
            base.clock.behind,
            rules.quota,
        )
        self.telling = Telling(
            catalog, clock, metrics, base.stamp, rules, settings, site_of(settings.api.authorize_url)
        )
        self.incidents = Incidents(catalog, clock, rules.lease, senses, lambda: self.notices.channels)

    def _witness(self) -> Witness:
        path = heads_file(self.settings.database.path)

        def heads() -> Heads | None:
            return list(read_heads(path)) if path.is_file() else None

        return Witness(self.base.outside, self.base.catalog.check, heads, is_signed, self.belonging.holds)

    async def look_at_budget(self) -> None:
        """Learn what the budget allows now, and show it."""
        snapshot = self._budget = await self.gate.snapshot()
        self.believed_requests_per_hour = snapshot.believed_requests_per_hour
        for window, allowance in snapshot.allowances.items():
            self.base.metrics.set_budget(window, allowance.limit, allowance.remaining)

    def _spending(self) -> Spending:
        """How the budget stood when it was last looked at."""
        known = self._budget
        if known is None:
            return Spending(self.believed_requests_per_hour)
        windows = {name: known.allowances[name] for name in ("hour", "day") if name in known.allowances}
        return Spending(
            believed=known.believed_requests_per_hour,
            is_cut=known.backoff_step > 0 or known.rate_factor < 1,
            left={name: entry.remaining / max(1, entry.limit) for name, entry in windows.items()},
        )

    def boot_gate(self) -> BootGate:
        """What must be true before anything listens (design §3)."""
        base = self.base
        ground = Ground(
            epoch=base.epoch,
            alive_at=base.alive_at,
            fence=base.store.fence,
            behind=base.clock.behind,
            check=lambda: base.catalog.check_within(_CHECK_SECONDS),
            beat=base.save_clock,
        )
        jobs = (self.tombstones, self.expiry, self.purge, self.orphans, self.belonging)
        return BootGate(ground, base.catalog, base.clock, self.rules.lease, jobs)

    async def refuse_overload(self) -> None:
        """A budget with which pages can't be read again in time, even if everything goes well, is none (design §4).

        Pages that an answer merely claimed keep nobody from starting (F16).

        Raises:
            BudgetTooSmallError: it is so.
        """
        if (found := await overload_held(self.base.catalog, self.settings)) is not None:
            raise BudgetTooSmallError(f"{found.words()}; change budget in {self.settings.file}")

    def nudges(self) -> list[Nudge]:
        """The job table: which job, how often, and what follows when it went well."""
        base, window = self.base, self.rules.lease.window
        return [
            Nudge("expiry", period_of(window, 1440), self.expiry.run, then=("purge",)),
            Nudge("purge", period_of(window, 2880), self.purge.run),
            Nudge("grants", period_of(window, 2880), self.grants.run, then=("purge",)),
            Nudge("confirm", period_of(window, 2880), self.confirm.run, then=("purge",)),
            Nudge("sync", period_of(window, 1440), self.sync.run, then=("confirm", "grants", "media", "details")),
            Nudge("entries", period_of(window, 288), self.entries.run, then=("confirm", "grants")),
            Nudge("admission", period_of(window, 288), self.admission.run, then=("purge",)),
            Nudge("media", period_of(window, 1440), self.media.run),
            Nudge("details", period_of(window, 288), self.details.run),
            Nudge("policy", period_of(window, 24), self.expiry.apply_policy, then=("purge",)),
            Nudge("orphans", period_of(window, 1), self.orphans.run, then=("media",)),
            Nudge("intake", period_of(window, 1440), self.requests.complete, then=("purge",)),
            Nudge("petitions", period_of(window, 288), self.petitions.run, then=("purge",)),
            Nudge("requests", period_of(window, 1), self.requests.run),
            *self.telling.nudges(window),
            Nudge("history", period_of(window, 288), base.history.run),
            Nudge("audit", period_of(window, 48), AuditWatch(self.audit, base.catalog).run),
        ]

    def watches(self, look: Callable[[], Awaitable[None]]) -> list[Nudge]:
        """Who watches the others: nothing that is owed to a member depends on them.

        Args:
            look: measures and publishes.
        """
        window = self.rules.lease.window
        return [
            Nudge("health", period_of(window, 5760), look),
            Nudge("incidents", period_of(window, 1440), self.incidents.run, then=("notices",)),
            Nudge("notices", period_of(window, 1440), self.notices.begin),
        ]

    def desk(self, nudge: Callable[[str], None]) -> Desk:
        """What the operator can see and have done through pages.

        Args:
            nudge: has a job of this name run soon.
        """
        if self._drills is None:
            self._drills = DrillWatch(self.drill, self.base.clock, self.rules.lease, nudge)
        jobs = (self.accounts, self.grants, self.requests, self.petitions, self.drill, self._drills)
        return Desk(*jobs, budget=self.gate.snapshot, nudge=nudge)

    def rewired(self, settings: Settings) -> "Works":
        """The same base under another configuration; budget and leases go on where they were."""
        return open_works(self.base, settings)

    async def close_clients(self) -> None:
        """Close connections to ipernity and its media hosts, and give unused request slots back."""
        await self.notices.close()
        await self.on_demand.close()
        if self._drills is not None:
            await self._drills.close()
        await self.telling.close()
        await self.source.close()
        await self.fetcher.close()
        await self.gate.close()


def open_works(base: Base, settings: Settings) -> Works:
    """Wire client, gate and jobs over an open base.

    Args:
        base: database, files, clock, metrics.
        settings: what is configured.
    """
    secrets = settings.secrets
    user_agent = settings.user_agent(ipsync.__version__)
    caps = settings.caps()
    gate = BudgetGate(base.catalog.budget_book, caps, base.clock)
    source = IpernitySource(
        api_url=settings.api.url,
        authorize_url=settings.api.authorize_url,
        # Commands that ask ipernity nothing work without the key.
        api_key=secrets.api_key.reveal() if secrets.api_key else "",
        api_secret=secrets.api_secret.reveal() if secrets.api_secret else "",
        user_agent=user_agent,
        timeout_seconds=seconds(settings.api.timeout),
        gate=gate,
        clock=base.clock,
        observe=lambda method, outcome, _seconds: base.metrics.count_request(method, outcome),
    )
    fetcher = MediaFetcher(
        media_hosts=settings.api.media_hosts,
        user_agent=user_agent,
        bandwidth_bytes_per_second=settings.budget.media_bandwidth,
        loopback=loopback_of(settings.api.url),
        clock=base.clock,
        observe=base.metrics.count_media,
    )
    return Works(base, settings, settings.rules(), gate, source, fetcher, caps.sustainable_per_hour())


async def overload_held(catalog: Catalog, settings: Settings) -> Overload | None:
    """Whether a configuration cannot keep what a catalog holds, even if everything goes well.

    Args:
        catalog: what is held.
        settings: what is configured.
    """
    rules = settings.rules()
    pages = await catalog.read(lambda view: pages_held(view, rules.view.visibility))
    return overload(pages, Capacity(settings.caps().sustainable_per_hour(), rules.lease, rules.outage))


def site_of(authorize_url: str) -> str:
    """The site members know, by the address of its authorization page."""
    parts = urlsplit(authorize_url)
    return f"{parts.scheme}://{parts.netloc}"
