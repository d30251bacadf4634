"""Every metric, declared once, with its unit and the closed set of words its labels may hold (design §8).

Labels are our own words only: no account name, no id, no title, nothing ipernity sent. A word that
is not declared here counts as `other`, so that no caller can open a label to the world.
"""

from collections.abc import Iterable, Mapping
from math import inf

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

import ipsync
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import Duration, Instant, seconds
from ipsync.policy.removals import OPEN_STAGES, Reason
from ipsync.telemetry.telling import TellingMetrics

OTHER = "other"
METHODS = (
    "auth.getFrob",
    "auth.getToken",
    "auth.checkToken",
    "user.get",
    "doc.getList",
    "doc.get",
    "album.getList",
    "album.get",
    "album.docs.getList",
    "folder.getList",
    "folder.get",
    "folder.albums.getList",
    "post.getList",
    "post.get",
    "account.getQuota",
    "test.echo",
)
OUTCOMES = (
    "ok",
    "gone",
    "refused",
    "grant-lost",
    "account-closed",
    "key-refused",
    "quota",
    "later",
    "malformed",
    "frob-unused",
)
WINDOWS = ("second", "minute", "hour", "day")
STATES = (*(state.value for state in DocumentState), "gone")
JOBS = (
    "sync",
    "entries",
    "confirm",
    "purge",
    "expiry",
    "grants",
    "media",
    "details",
    "probe",
    "checkpoint",
    "audit",
    "orphans",
    "policy",
    "intake",
    "petitions",
    "requests",
    "health",
    "history",
    "admission",
    "feed",
    "webhooks",
    "incidents",
    "notices",
)
MEDIA_OUTCOMES = ("stored", "gone", "later", "rejected", "full")
ROUTES = (
    *("metrics", "healthz", "readyz", "privacy", "static", "documents", "document", "media"),
    *("connect", "me", "removals", "status", "changes", "webhooks"),
)
ACCOUNT_STATES = tuple(state.value for state in AccountState)
STAGES = tuple(stage.value for stage in OPEN_STAGES)
REASONS = tuple(reason.value for reason in Reason)

_AGES_SECONDS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 57600, 72000, 79200, 82800, 86400)
"""From a second to the law's 24 h, with the lease's own marks (20 h, 22 h, 23 h) among the bounds."""

_STATUS_CODES = range(100, 600)

# Creation instants of each series would double the page, and nobody asks for them.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # reason: it has no annotations


class Metrics:
    """The metrics of one daemon, in a registry of their own, so that two of them never mix.

    Label words are checked here; durations are handed in as microseconds and shown in seconds.
    """

    def __init__(self, *, jobs: Iterable[str] = JOBS, methods: Iterable[str] = METHODS) -> None:
        """Declare everything.

        Args:
            jobs: the names the `job` label may have.
            methods: the API methods the `method` label may have.
        """
        self._jobs = frozenset(jobs)
        self._methods = frozenset(methods)
        self._told_once: set[int] = set()
        registry = self.registry = CollectorRegistry(auto_describe=True)
        self.telling = TellingMetrics(registry)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._declare_traffic(registry)
        self._declare_promise(registry)
        self._declare_standing(registry)

    def _declare_traffic(self, registry: CollectorRegistry) -> None:
        self._build = Gauge("ipsync_build_info", "Which version runs; always 1.", ["version"], registry=registry)
        self._build.labels(ipsync.__version__).set(1)
        self._requests = Counter(
            "ipsync_requests_total",
            "Requests sent to ipernity, by method and by what the answer asks of us.",
            ["method", "outcome"],
            registry=registry,
        )
        self._budget_remaining = Gauge(
            "ipsync_budget_remaining", "Requests that may still be sent in this window.", ["window"], registry=registry
        )
        self._budget_limit = Gauge(
            "ipsync_budget_limit", "Requests allowed in this window.", ["window"], registry=registry
        )
        self._utilization = Gauge(
            "ipsync_utilization",
            "Share of the request budget that keeping all leases needs (U = P/(B·W_s)); below 1 or leases are lost.",
            registry=registry,
        )
        self._sweep_pages = Counter("ipsync_sweep_pages_total", "Listing pages read by sweeps.", registry=registry)
        self._media_downloads = Counter(
            "ipsync_media_downloads_total", "Finished attempts to download a file.", ["outcome"], registry=registry
        )
        self._media_bytes = Counter(
            "ipsync_media_bytes_total", "Bytes of files received from media hosts.", registry=registry
        )
        self._http_requests = Counter(
            "ipsync_http_requests_total",
            "Requests answered by the HTTP server, by route and status code.",
            ["route", "status"],
            registry=registry,
        )
        # Looking a label up costs as much as the rest of counting, and this happens on every answer.
        self._http_counters: dict[tuple[str, int], Counter] = {}
        self._job_success = Gauge(
            "ipsync_job_last_success_timestamp_seconds",
            "When a job last ended well, in seconds since the Unix epoch.",
            ["job"],
            registry=registry,
        )

    def _declare_promise(self, registry: CollectorRegistry) -> None:
        self._oldest_lease_age = Gauge(
            "ipsync_oldest_lease_age_seconds",
            "Age of the oldest verification among the documents that are served; 0 when there are none.",
            registry=registry,
        )
        self._min_slack = Gauge(
            "ipsync_min_slack_seconds",
            "Time left until the first of all legal deadlines; negative means it was missed.",
            registry=registry,
        )
        self._documents = Gauge(
            "ipsync_documents",
            "Documents known, by state; gone ones are remembered by number only.",
            ["state"],
            registry=registry,
        )
        self._removals = Counter(
            "ipsync_removals_total", "Removals completed, by reason.", ["reason"], registry=registry
        )
        self._time_to_hide = Histogram(
            "ipsync_time_to_hide_seconds",
            "From the last moment a document was surely permitted until it was hidden.",
            buckets=_AGES_SECONDS,
            registry=registry,
        )
        self._time_to_erase = Histogram(
            "ipsync_time_to_erase_seconds",
            "From the last moment a document was surely permitted until nothing of it was left.",
            buckets=_AGES_SECONDS,
            registry=registry,
        )
        self._breaches = Counter(
            "ipsync_deadline_breaches_total", "Removals completed later than the law allows.", registry=registry
        )
        self._overdue = Gauge(
            "ipsync_overdue_documents",
            "Documents still held although they should have been erased by now.",
            registry=registry,
        )
        for state in STATES:
            self._documents.labels(state).set(0)
        for reason in REASONS:
            self._removals.labels(reason)

    def _declare_standing(self, registry: CollectorRegistry) -> None:
        self._tripwires = Gauge(
            "ipsync_tripwires",
            "Mass disappearances that are not settled: hidden, and asked about.",
            registry=registry,
        )
        self._store_bytes = Gauge("ipsync_store_bytes", "Bytes of files stored.", registry=registry)
        self._store_free = Gauge(
            "ipsync_store_free_bytes", "Room left on the file system of the store.", registry=registry
        )
        self._quota = Gauge(
            "ipsync_store_quota_bytes", "Bytes of files that may be stored; +Inf where none is set.", registry=registry
        )
        self._quota.set(inf)
        self._held_up = Gauge(
            "ipsync_accounts_held_up_by_quota",
            "Accounts of which new files wait because a quota of bytes is reached.",
            registry=registry,
        )
        self._clock_behind = Gauge(
            "ipsync_clock_behind_seconds",
            "How far the wall clock lies behind the lease clock; more than a moment means that it was set back.",
            registry=registry,
        )
        self._reaper_run = Gauge(
            "ipsync_reaper_last_run_timestamp_seconds",
            "When the reaper last looked and could do what it had to; 0 where it never did.",
            registry=registry,
        )
        self._accounts = Gauge("ipsync_accounts", "Accounts, by state.", ["state"], registry=registry)
        self._open_removals = Gauge(
            "ipsync_removals_open", "Removals that are not done yet, by stage.", ["stage"], registry=registry
        )
        self._petitions = Gauge(
            "ipsync_petitions_waiting",
            "Requests for a removal, without proof of who asks, that wait for the operator.",
            registry=registry,
        )
        self._ledger_entries = Gauge("ipsync_ledger_entries", "Entries of the ledger.", registry=registry)
        for account_state in ACCOUNT_STATES:
            self._accounts.labels(account_state).set(0)
        for stage in STAGES:
            self._open_removals.labels(stage).set(0)

    def count_request(self, method: str, outcome: str) -> None:
        """Count one request to ipernity, by API `method` and `outcome` (one of `OUTCOMES`)."""
        self._requests.labels(
            method if method in self._methods else OTHER, outcome if outcome in OUTCOMES else OTHER
        ).inc()

    def set_budget(self, window: str, limit: int, remaining: int) -> None:
        """Show a budget `window` (one of `WINDOWS`): how many requests it allows and how many are left."""
        word = window if window in WINDOWS else OTHER
        self._budget_limit.labels(word).set(limit)
        self._budget_remaining.labels(word).set(remaining)

    def set_utilization(self, share: float) -> None:
        """Show U, the share of the budget that keeping every lease needs."""
        self._utilization.set(share)

    def set_leases(self, oldest_age: Duration, min_slack: Duration, overdue_documents: int) -> None:
        """Show how near the deadlines are.

        Args:
            oldest_age: of the oldest verification among served documents, 0 when there are none.
            min_slack: until the first legal deadline; negative when it was missed.
            overdue_documents: held although they should have been erased by now.
        """
        self._oldest_lease_age.set(seconds(oldest_age))
        self._min_slack.set(seconds(min_slack))
        self._overdue.set(overdue_documents)

    def set_documents(self, state: str, count: int) -> None:
        """Show how many documents are in a `state` (one of `STATES`)."""
        self._documents.labels(state if state in STATES else OTHER).set(count)

    def count_removal(
        self, removal_id: int, reason: str, hidden_after: Duration, erased_after: Duration, *, breach: bool
    ) -> None:
        """Count one completed removal of a document, once: whoever erased it tells of it, and the ledger does.

        Args:
            removal_id: of the removal; the second time it is told of nothing is counted.
            reason: a `policy.removals.Reason`.
            hidden_after: from `first_unsafe_at` until it was hidden.
            erased_after: from `first_unsafe_at` until it was gone.
            breach: whether that was later than the law allows.
        """
        if removal_id in self._told_once:
            self._told_once.discard(removal_id)
            return
        self._told_once.add(removal_id)
        self._removals.labels(str(reason) if reason in REASONS else OTHER).inc()
        self._time_to_hide.observe(max(0.0, seconds(hidden_after)))
        self._time_to_erase.observe(max(0.0, seconds(erased_after)))
        if breach:
            self._breaches.inc()

    def count_sweep_page(self) -> None:
        """Count one listing page read by a sweep."""
        self._sweep_pages.inc()

    def set_tripwires(self, active: int) -> None:
        """Show how many mass disappearances are not settled."""
        self._tripwires.set(active)

    def set_store_bytes(self, size_bytes: int) -> None:
        """Show how many bytes of files are stored."""
        self._store_bytes.set(size_bytes)

    def set_quota(self, size_most: int | None, held_up: int) -> None:
        """Show what the quotas hold back.

        Args:
            size_most: bytes of files that may be stored in all, or None.
            held_up: accounts of which files wait.
        """
        self._quota.set(inf if size_most is None else size_most)
        self._held_up.set(held_up)

    def set_machine(self, free_bytes: int, clock_behind: Duration, reaped_at: Instant | None) -> None:
        """Show how the machine does.

        Args:
            free_bytes: room left on the file system of the store.
            clock_behind: how far the wall clock lies behind the lease clock.
            reaped_at: when the reaper last looked, or None.
        """
        self._store_free.set(free_bytes)
        self._clock_behind.set(seconds(clock_behind))
        self._reaper_run.set(0 if reaped_at is None else seconds(reaped_at))

    def set_account_states(self, counts: Mapping[str, int]) -> None:
        """Show how many accounts are in each of `ACCOUNT_STATES`."""
        for state in ACCOUNT_STATES:
            self._accounts.labels(state).set(counts.get(state, 0))

    def set_open_removals(self, counts: Mapping[str, int]) -> None:
        """Show how many removals are in each of `STAGES`."""
        for stage in STAGES:
            self._open_removals.labels(stage).set(counts.get(stage, 0))

    def set_petitions(self, waiting: int) -> None:
        """Show how many petitions wait for the operator."""
        self._petitions.set(waiting)

    def set_ledger(self, entries: int) -> None:
        """Show how many entries the ledger has."""
        self._ledger_entries.set(entries)

    def set_job_success(self, job: str, ended_at: Instant) -> None:
        """Show when `job` last ended well."""
        self._job_success.labels(job if job in self._jobs else OTHER).set(seconds(ended_at))

    def count_media(self, outcome: str, received_bytes: int) -> None:
        """Count one attempt to download a file: its `outcome` (one of `MEDIA_OUTCOMES`) and the bytes received."""
        self._media_downloads.labels(outcome if outcome in MEDIA_OUTCOMES else OTHER).inc()
        self._media_bytes.inc(max(0, received_bytes))

    def count_http(self, route: str, status: int) -> None:
        """Count one answer of the HTTP server, by our own name of the `route` and its `status` code."""
        counter = self._http_counters.get((route, status))
        if counter is None:
            route_word = route if route in ROUTES else OTHER
            status_word = str(status) if status in _STATUS_CODES else OTHER
            counter = self._http_requests.labels(route_word, status_word)
            if OTHER not in (route_word, status_word):
                self._http_counters[route, status] = counter
        counter.inc()

    def render(self) -> tuple[bytes, str]:
        """Give all metrics as Prometheus reads them, with the content type of that text."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4
