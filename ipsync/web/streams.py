"""Changes as server-sent events: many readers at once, and one reading of the catalog for all of them.

One watcher asks the commit stamp a few times a second, whoever committed. When something changed it wakes the
readers, who ask for the page after their place; those who stand at the same place share one reading. Nothing is
kept for a reader that is slow: it holds one page, is cut when that does not leave in time, and resumes by its id.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from ipsync.policy.changes import Place
from ipsync.policy.instants import rfc3339
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import CatalogFailure
from ipsync.ports.changes import ChangesForgotten, ToldPage
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, Metrics, get_log
from ipsync.web.authentication import Caller
from ipsync.web.failures import WebFailure
from ipsync.web.reading import PAGE_LIMIT
from ipsync.web.telling import ChangeTeller, Standing

_log = get_log(__name__)

LOOK_SECONDS = 0.2
BEAT_SECONDS = 15.0
MOST = 1500
_RETRY_MILLISECONDS = 3000
_PAGES_KEPT = 64
_REFUSED = (401, 403)
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # A front server must hand events on as they come.
    "X-Accel-Buffering": "no",
}

Admit = Callable[[], Awaitable[Caller]]
Write = Callable[[bytes], Awaitable[None]]


class _Page:
    """What was told after one place, written down once for all readers that stand there."""

    def __init__(self, told: ToldPage, cursor: Callable[[Place], str]) -> None:
        self.told = told
        self._events = [
            (change.account_id, _event(change.kind.value, cursor(change.place), change.value))
            for change in told.changes
        ]
        self._whole = b"".join(event for _, event in self._events)

    def of(self, caller: Caller) -> bytes:
        """The events of what this caller may see."""
        if caller.account_id is None:
            return self._whole
        return b"".join(event for account_id, event in self._events if caller.may_see(account_id))


class _Reader:
    """One open stream, and what woke it."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._beat: Standing | None = None

    def wake(self, beat: Standing | None = None) -> None:
        self._beat = beat or self._beat
        self._woken.set()

    async def wait(self) -> Standing | None:
        """Wait to be woken; gives where the feed ended, where it was a heartbeat."""
        await self._woken.wait()
        self._woken.clear()
        beat, self._beat = self._beat, None
        return beat


class Streams:
    """All open streams."""

    def __init__(
        self,
        teller: ChangeTeller,
        stamp: Callable[[], int | None],
        rules: Callable[[], Rules],
        clock: Clock,
        metrics: Metrics,
        most: int = MOST,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        """Have none open yet.

        Args:
            teller: tells changes.
            stamp: changes with every commit to the catalog; None when it cannot tell.
            rules: gives the policy in force.
            clock: the lease clock.
            metrics: shows how many are open.
            most: how many may be open at once.
            beat_seconds: how often a reader hears that nothing happened, and its token is looked at again.
        """
        self._teller = teller
        self._stamp = stamp
        self._rules = rules
        self._clock = clock
        self._metrics = metrics
        self._most = most
        self._beat_seconds = beat_seconds
        self._readers: set[_Reader] = set()
        self._pages: dict[Place | None, asyncio.Task[_Page]] = {}
        self._pages_under: tuple[int | None, Rules | None] = (None, None)
        self._ending = False

    async def serve(
        self, request: web.Request, after: Place | None, caller: Caller, admit: Admit
    ) -> web.StreamResponse:
        """Tell one reader what happens, until it goes or may not be told any more.

        Args:
            request: of the reader.
            after: where it goes on; None for the oldest that is kept.
            caller: who it is.
            admit: looks at its token again.

        Raises:
            WebFailure: 503, there are too many streams already.
            ChangesForgotten: changes after that place were forgotten.
            CatalogFailure: they could not be read.
        """
        if len(self._readers) >= self._most or self._ending:
            raise WebFailure(503, "too-many-streams", "Too many streams are open.", {"Retry-After": "30"})
        # What is too old is told before the stream begins.
        await self._page(after)
        response = web.StreamResponse(headers=_HEADERS)
        reader = _Reader()
        self._readers.add(reader)
        self._metrics.telling.set_change_streams(len(self._readers))
        try:
            await response.prepare(request)
            await self._follow(partial(_write, request, response), reader, after, caller, admit)
        except (ChangesForgotten, CatalogFailure):
            _log.info(Event.WEB_CUT, "A stream of changes was ended; its reader resumes.")
        finally:
            self._readers.discard(reader)
            self._metrics.telling.set_change_streams(len(self._readers))
        return response

    async def _follow(self, write: Write, reader: _Reader, place: Place | None, caller: Caller, admit: Admit) -> None:
        await write(b"retry: %d\n\n" % _RETRY_MILLISECONDS)
        beat: Standing | None = await self._teller.standing()
        while not self._ending:
            page = await self._page(place)
            if events := page.of(caller):
                await write(events)
            place = page.told.following
            if page.told.more:
                continue
            if beat is not None:
                await write(self._beaten(beat, place))
            beat = await reader.wait()
            if beat is not None:
                try:
                    caller = await admit()
                except WebFailure as failure:
                    # Others' mistakes at the same address hold nobody up who is inside.
                    if failure.status in _REFUSED:
                        return

    def _beaten(self, beat: Standing, place: Place) -> bytes:
        """A sign of life; where the reader has heard everything, it says until when that was all."""
        if place.sequence < beat.newest.sequence:
            return b":\n\n"
        return b":\n" + _event("current", self._teller.cursor(place), {"told_until": rfc3339(beat.told_until)})

    async def _page(self, after: Place | None) -> _Page:
        """What is told after a place; read once for all who ask while nothing was committed and no lease ended."""
        self._forget_outdated()
        task = self._pages.get(after)
        if task is None or not self._holds(task):
            if len(self._pages) >= _PAGES_KEPT:
                self._pages.clear()
            task = self._pages[after] = asyncio.create_task(self._tell(after))
            # Whoever asked may be gone; that is no error.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    def _holds(self, task: "asyncio.Task[_Page]") -> bool:
        """Whether a reading is under way, or what it gave may still be told."""
        if not task.done():
            return True
        if task.cancelled() or task.exception() is not None:
            return False
        return task.result().told.good_until > self._clock.now()

    async def _tell(self, after: Place | None) -> _Page:
        return _Page(await self._teller.tell(after, PAGE_LIMIT), self._teller.cursor)

    def _forget_outdated(self) -> None:
        """Drop what was read before the newest commit, so that erased words do not stay in memory either."""
        stamp, rules = self._stamp(), self._rules()
        if stamp is None or self._pages_under[0] != stamp or self._pages_under[1] is not rules:
            self._pages = {after: task for after, task in self._pages.items() if stamp is None and not task.done()}
            self._pages_under = (stamp, rules)

    def end(self) -> None:
        """Let every stream end; their readers resume elsewhere or later."""
        self._ending = True
        for reader in self._readers:
            reader.wake()

    async def watch(self) -> None:
        """Wake readers when something happened, until cancelled."""
        loop = asyncio.get_running_loop()
        seen: int | None = None
        newest = Place()
        beaten_at = loop.time()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._forget_outdated()
            stamp = self._stamp()
            is_beat = loop.time() - beaten_at >= self._beat_seconds
            beaten_at = loop.time() if is_beat else beaten_at
            if not self._readers or (stamp is not None and stamp == seen and not is_beat):
                continue
            try:
                standing = await self._teller.standing() if is_beat else None
                latest = await self._teller.newest() if standing is None else standing.newest
            except CatalogFailure as failure:
                _log.warning(Event.CATALOG_FAILED, "Changes could not be looked for.", reason=str(failure))
                continue
            if standing is not None or latest != newest:
                for reader in self._readers:
                    reader.wake(standing)
            seen, newest = stamp, latest


async def _write(request: web.Request, response: web.StreamResponse, events: bytes) -> None:
    await response.write(events)
    # A connection that is cut while we wait for its reader lets us go on as if all were well.
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError("the reader is gone")


def _event(name: str, cursor: str, value: Mapping[str, Any]) -> bytes:
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), name.encode(), data)


STREAMS = web.AppKey("STREAMS", Streams)
