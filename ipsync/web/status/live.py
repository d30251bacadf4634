"""`/status/live`: the page again and again, by server-sent events, as long as somebody looks and is signed in.

Each event holds the part of the page that changes, made by the same template; one that is the same as before is not
sent. Without scripts the page is what it was when it was loaded.
"""

import asyncio
import json

from aiohttp import web

from ipsync.policy.instants import SECOND
from ipsync.ports.catalog import CatalogFailure
from ipsync.web.failures import WebFailure
from ipsync.web.pages import TEMPLATES
from ipsync.web.parts import PARTS
from ipsync.web.place import PLACE
from ipsync.web.sessions import SESSIONS, Session
from ipsync.web.status.signing_in import for_operator
from ipsync.web.status.tower import tower_of
from ipsync.web.status.words import status_values

STREAMS_MOST = 8
"""So many pages may be open at once: operators, not an audience."""

PAUSE_SECONDS = 2.0
_LONGEST_SILENCE = 15 * SECOND
_RETRY_MILLISECONDS = 5000


class Live:
    """Who looks now."""

    def __init__(self) -> None:
        self.watching = 0
        self._over = asyncio.Event()

    def end(self) -> None:
        """Let every stream end: the server stops."""
        self._over.set()

    async def pause(self) -> bool:
        """Wait for the next look. Returns False when it is over."""
        try:
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._over.wait()
        except TimeoutError:
            return True
        return False


LIVE = web.AppKey("LIVE", Live)


def set_up(app: web.Application) -> None:
    """Nobody looks yet."""
    app[LIVE] = Live()


async def stream(request: web.Request, session: Session) -> web.StreamResponse:
    """`GET /status/live`."""
    live = request.app[LIVE]
    if live.watching >= STREAMS_MOST:
        raise WebFailure(503, "too-many-watch", "Too many look at this already.", {"Retry-After": "30"})
    live.watching += 1
    try:
        answer = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "private, no-store",
                # A front server that collects an answer before it hands it on would show nothing.
                "X-Accel-Buffering": "no",
            }
        )
        await answer.prepare(request)
        await answer.write(f"retry: {_RETRY_MILLISECONDS}\n\n".encode())
        await _send(request, session, answer)
        return answer
    finally:
        live.watching -= 1


async def _send(request: web.Request, session: Session, answer: web.StreamResponse) -> None:
    live, clock, before, said_at = request.app[LIVE], request.app[PARTS].clock, "", 0
    while _may_look(request, session):
        now = clock.now()
        try:
            fragment = await _fragment(request)
        except CatalogFailure:
            fragment = before
        if fragment != before:
            await answer.write(f"event: status\ndata: {json.dumps(fragment)}\n\n".encode())
            before, said_at = fragment, now
        elif now - said_at >= _LONGEST_SILENCE:
            # A line that says nothing shows both sides that the other is there.
            await answer.write(b": still here\n\n")
            said_at = now
        if not await live.pause():
            return


def _may_look(request: web.Request, session: Session) -> bool:
    """Whether they are still there, and signed in: one who signs out elsewhere sees no more."""
    if request.transport is None or request.transport.is_closing():
        return False
    known = request.app[SESSIONS].read(request, "operator")
    return known is not None and known.session_id == session.session_id


async def _fragment(request: web.Request) -> str:
    sight = await tower_of(request).look()
    values = {**status_values(sight), "root": request.app[PLACE].root}
    return request.app[TEMPLATES].get_template("status_live.html").render(values)


def routes() -> list[web.RouteDef]:
    """The stream."""
    return [web.get("/status/live", for_operator(stream), name="status-live")]
