"""The catalog in numbers for probes and pages, read at most every few seconds, however many ask."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from ipsync.policy.accounts import SERVED_STATES
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import SECOND, Instant
from ipsync.ports.catalog import Catalog, Figures, View
from ipsync.ports.clock import Clock

_FRESH = 2 * SECOND


@dataclass(frozen=True, slots=True)
class Standings:
    """How things stand.

    Attributes:
        read_at: when this was read.
        accounts: how many members are served.
        entries: how many albums, folders, articles and profiles are held, by state.
    """

    read_at: Instant
    figures: Figures
    accounts: int
    entries: Mapping[DocumentState, int]


class Numbers:
    """Reads the standings, not more often than pages need them."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._reading = asyncio.Lock()
        self._last: Standings | None = None

    async def standings(self) -> Standings:
        """Give the standings, not older than two seconds.

        Raises:
            CatalogFailure: they could not be read.
        """
        async with self._reading:
            now = self._clock.now()
            if self._last is None or now - self._last.read_at >= _FRESH:
                self._last = await self._catalog.read(partial(_standings, now=now))
            return self._last


NUMBERS = web.AppKey("NUMBERS", Numbers)


def _standings(view: View, now: Instant) -> Standings:
    entries: Counter[DocumentState] = Counter()
    for counts in view.entry_counts().values():
        entries.update(counts)
    return Standings(now, view.figures(), len(view.accounts(SERVED_STATES)), entries)
