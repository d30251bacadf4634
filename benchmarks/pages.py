"""The pages of a member with very many works: how long a page takes, how heavy it is, how soon all of it is asked for.

Time is that of the whole answer on loopback, the reader's part included; weight is what is sent, uncompressed. The
member asks in the end for everything to go, document by document, and goes on being connected.
"""

import asyncio
import http.client
import io
import statistics
import time
from collections.abc import Mapping
from http.cookies import SimpleCookie
from pathlib import Path

from aiohttp import web

from benchmarks.figures import Figure, Goal
from benchmarks.owner_request import ACCOUNT, RENDITION, record
from benchmarks.world import Mirror, Site, folder, run_as_daemon
from ipsync.assembly import Works
from ipsync.telemetry import configure_logging
from ipsync.web import WebParts, WebServer
from ipsync.web.place import Place
from ipsync.web.sessions import Sessions
from ipsync.web_wiring import operator_of, web_parts

ANSWERED = Goal(most=0.1, absolute=True)
LIGHT = Goal(most=50_000, absolute=True)
_NOWHERE = {"api_url": "http://127.0.0.1:9/api/", "api_key": "key", "secret": "secret", "members": []}
_BATCH = 5_000


def run(documents: int = 100_000, times: int = 30) -> list[Figure]:
    """Measure the pages.

    Args:
        documents: how many the member has.
        times: how often each page is asked for.
    """
    with folder() as place:
        seconds, size, hidden = run_as_daemon(_measure(place, documents, times))
    count = f"{documents:,} documents"
    slowest = max(seconds, key=lambda path: seconds[path])
    heaviest = max(size, key=lambda path: size[path])
    return [
        Figure(f"slowest page at {count}: {slowest}", seconds[slowest], "s", 0.1, "what is promised", ANSWERED),
        Figure(f"heaviest page: {heaviest}", size[heaviest], "bytes", 50_000, "what is promised", LIGHT),
        Figure(f"{count} asked for, one request each, and on record outside", hidden, "s", 1.0, "one of them"),
    ]


async def _measure(place: Path, documents: int, times: int) -> tuple[dict[str, float], dict[str, int], float]:
    undo_logging = configure_logging("info", "json", (), io.StringIO())
    mirror = Mirror(place, Site(_NOWHERE), (RENDITION,))
    async with mirror.opened() as works:
        for first in range(1, documents + 1, _BATCH):
            await record(works, range(first, min(first + _BATCH, documents + 1)))
        parts = _parts(works)
        server = WebServer(parts)
        address = await server.start("127.0.0.1", 0)
        port, headers = int(address.rpartition(":")[2]), {"Cookie": _cookie(parts), "Accept": "text/html"}
        paths = ["/connect", "/me", f"/me?after={documents // 2}", "/me/receipts", "/removals", "/privacy"]
        seconds, size = await _ask(port, paths, headers, times)
        began = time.perf_counter()
        await works.requests.file_all(ACCOUNT)
        hidden = time.perf_counter() - began
        later = ["/me", "/me/receipts"]
        after_seconds, after_size = await _ask(port, later, headers, times)
        await server.stop(1)
    undo_logging()
    seconds |= {f"{path} afterwards": after_seconds[path] for path in later}
    size |= {f"{path} afterwards": after_size[path] for path in later}
    return seconds, size, hidden


async def _ask(
    port: int, paths: list[str], headers: Mapping[str, str], times: int
) -> tuple[dict[str, float], dict[str, int]]:
    """Ask for each page so often. Returns the median seconds and the bytes of each."""
    seconds, size = {}, {}
    for path in paths:
        found = await asyncio.to_thread(_times, port, path, headers, times)
        seconds[path], size[path] = statistics.median(taken for taken, _ in found), max(sent for _, sent in found)
    return seconds, size


def _times(port: int, path: str, headers: Mapping[str, str], times: int) -> list[tuple[float, int]]:
    line = http.client.HTTPConnection("127.0.0.1", port)
    found = []
    for _ in range(times):
        began = time.perf_counter()
        line.request("GET", path, headers=dict(headers))
        answer = line.getresponse()
        body = answer.read()
        found.append((time.perf_counter() - began, len(body)))
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
    line.close()
    return found


def _parts(works: Works) -> WebParts:
    async def readiness() -> list[str]:
        return []

    operator = operator_of(works.settings)
    return web_parts(
        works.base,
        lambda: works,
        lambda: operator,
        works.settings,
        readiness,
        on_damage=lambda _key: None,
        nudge=lambda _job: None,
    )


def _cookie(parts: WebParts) -> str:
    """Give the cookie of the member, as signing in would."""
    sessions = Sessions(parts.cookie_key, parts.clock, Place())
    answer = web.Response()
    sessions.give(answer, sessions.new("member", str(ACCOUNT)))
    cookies: SimpleCookie = answer.cookies
    return "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
