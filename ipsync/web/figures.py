"""The catalog in numbers for probes, metrics and pages, read at most every few seconds whoever asks."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from ipsync.policy.accounts import SERVED_STATES
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import SECOND, Instant
from ipsync.policy.lease import Lease
from ipsync.ports.catalog import Catalog, Figures, JobRun, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Metrics

_FRESH = 2 * SECOND
_MOST_OVERDUE = 1000


@dataclass(frozen=True, slots=True)
class Standings:
    """How things stand.

    Attributes:
        read_at: when this was read.
        accounts: how many members are served.
        overdue: documents held beyond the age by which they must be gone (at most 1,000 are counted).
    """

    read_at: Instant
    figures: Figures
    accounts: int
    overdue: int
    job_runs: Mapping[str, JobRun]


class Numbers:
    """Reads the standings, not more often than pages need them."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._reading = asyncio.Lock()
        self._last: Standings | None = None

    async def standings(self, lease: Lease) -> Standings:
        """Give the standings, not older than two seconds.

        Raises:
            CatalogFailure: they could not be read.
        """
        async with self._reading:
            now = self._clock.now()
            if self._last is None or now - self._last.read_at >= _FRESH:
                self._last = await self._catalog.read(partial(_standings, lease=lease, now=now))
            return self._last


NUMBERS = web.AppKey("NUMBERS", Numbers)


def _standings(view: View, lease: Lease, now: Instant) -> Standings:
    overdue = view.documents_unverified_since(now - lease.gone_age, _MOST_OVERDUE, states=tuple(DocumentState))
    return Standings(now, view.figures(), len(view.accounts(SERVED_STATES)), len(overdue), dict(view.job_runs()))


def fill(metrics: Metrics, standings: Standings, lease: Lease, now: Instant) -> None:
    """Show the standings as metrics."""
    figures = standings.figures
    for state in DocumentState:
        metrics.set_documents(state.value, figures.documents.get(state, 0))
    metrics.set_documents("gone", figures.tombstones)
    oldest = figures.oldest_verified_at
    deadlines = [] if oldest is None else [lease.erase_by(oldest)]
    if figures.nearest_erase_by is not None:
        deadlines.append(figures.nearest_erase_by)
    metrics.set_leases(
        oldest_age=0 if oldest is None else now - oldest,
        min_slack=min(deadlines, default=now + lease.window) - now,
        overdue_documents=standings.overdue,
    )
    metrics.set_store_bytes(figures.stored_bytes)
    for run in standings.job_runs.values():
        if run.succeeded_at is not None:
            metrics.set_job_success(run.job, run.succeeded_at)
