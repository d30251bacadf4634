"""A drill that somebody asked a running daemon for: begun, driven to its end, and remembered for the page that asked.

What is hidden, confirmed and erased is the other jobs' work; this one makes them look soon, and lets the document come
back. A daemon that ends meanwhile leaves the drill to end by itself (`policy.drills`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ipsync.jobs.drill import Candidate, DrillRun, DrillState
from ipsync.policy.drills import Drill
from ipsync.policy.instants import SECOND, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.ports.catalog import CatalogFailure
from ipsync.ports.clock import Clock
from ipsync.ports.store import StoreFailure
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_LOOK: Duration = SECOND // 2
_BACK_PARTS = 144


@dataclass(frozen=True, slots=True)
class DrillNews:
    """How the newest drill of this process goes, or went.

    Attributes:
        is_over: whether nothing more is done for it.
        is_back: whether the document is mirrored again with its files.
        failure: why it could not go on, "" otherwise.
    """

    drill: Drill
    state: DrillState
    is_over: bool = False
    is_back: bool = False
    failure: str = ""

    @property
    def hidden_after(self) -> Duration | None:
        """How long it took to be hidden, or None yet."""
        return None if self.state.removal is None else self.state.removal.hidden_at - self.drill.began_at

    @property
    def gone_after(self) -> Duration | None:
        """How long it took to be gone, or None yet."""
        removal = self.state.removal
        return None if removal is None or removal.gone_at is None else removal.gone_at - self.drill.began_at

    def is_in_time(self, lease: Lease) -> bool:
        """Whether it was hidden and erased as soon as is promised."""
        hidden, gone = self.hidden_after, self.gone_after
        return hidden is not None and gone is not None and hidden <= lease.serve_age and gone <= lease.window


class DrillWatch:
    """The one who sees drills through."""

    def __init__(self, run: DrillRun, clock: Clock, lease: Lease, nudge: Callable[[str], None]) -> None:
        """Wire it.

        Args:
            run: holds drills.
            clock: the lease clock.
            lease: the promise.
            nudge: has a job of this name run soon.
        """
        self._run = run
        self._clock = clock
        self._lease = lease
        self._nudge = nudge
        self._task: asyncio.Task[None] | None = None
        self.news: DrillNews | None = None

    async def begin(self, candidate: Candidate) -> None:
        """Take a document back, as it were, and see it through in the background.

        Raises:
            DrillRefusedError: another drill is on, or the document is not shown any more.
        """
        drill = await self._run.begin(candidate)
        self.news = DrillNews(drill, await self._run.look(drill, candidate.files))
        self._task = asyncio.create_task(self._follow(candidate, drill), name="ipsync drill")

    async def close(self) -> None:
        """Follow it no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self, candidate: Candidate, drill: Drill) -> None:
        try:
            await self._until(drill.until, lambda: self._step(candidate, drill))
            await self._run.end(drill)
            back_by = self._clock.now() + self._lease.window // _BACK_PARTS
            await self._until(back_by, lambda: self._come_back(candidate))
        except (CatalogFailure, StoreFailure) as failure:
            _log.warning(Event.JOB_FAILED, "A drill could not be followed; it ends by itself.", cause=failure)
            self._tell(failure=type(failure).__name__)
        self._tell(is_over=True)

    async def _until(self, end: Instant, step: Callable[[], Awaitable[bool]]) -> None:
        while self._clock.now() < end:
            if await step():
                return
            await self._clock.sleep(_LOOK)

    async def _step(self, candidate: Candidate, drill: Drill) -> bool:
        state = await self._run.look(drill, candidate.files)
        self._tell(state=state)
        if state.stage == "shared":
            await self._run.hasten(drill)
        self._nudge({"shared": "sync", "hidden": "confirm"}.get(state.stage, "purge"))
        return state.stage == "gone"

    async def _come_back(self, candidate: Candidate) -> bool:
        is_back = await self._run.is_back(candidate)
        self._tell(is_back=is_back)
        self._nudge("sync")
        return is_back

    def _tell(self, **changes: object) -> None:
        if self.news is not None:
            self.news = replace(self.news, **changes)  # type: ignore[arg-type]  # reason: names are checked by replace
