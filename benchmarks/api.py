"""The API: what the lease check costs, JSON beside bare aiohttp, files that nginx sends beside nginx alone."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from itertools import count
from typing import Any

from aiohttp import web

from benchmarks.figures import Figure, Goal
from benchmarks.nginx import fronted, nginx
from benchmarks.served import RENDITION, RULES, TOKEN, Stock, ask, bare_app, ours, stocked
from ipsync.jobs.read_tokens import ReadTokens
from ipsync.policy.read_tokens import TokenScope
from ipsync.web import Accel
from ipsync.web.authentication import AdminToken, Door, FailureLimit, TokenBook
from ipsync.web.showing import Showcase, may_show

CONNECTIONS = 32
COMMIT_SECONDS = 0.5
_LARGE_BYTES = 4_000_000
LEASE_GOAL = Goal(most=50.0, absolute=True)
SPEED_GOAL = Goal(least=0.8)


def run(documents: int = 1_000, seconds: float = 2.0, rounds: int = 3, checks: int = 20_000) -> list[Figure]:
    """Measure all three.

    Args:
        documents: how many, with a file of 20 kB each.
        seconds: how long each server is asked, in each round.
        rounds: how often; the medians count.
        checks: how many lease checks are timed.
    """
    return asyncio.run(_measure(documents, seconds, rounds, checks))


async def _measure(documents: int, seconds: float, rounds: int, checks: int) -> list[Figure]:
    async with stocked(documents) as stock:
        figures = await _checks(stock, checks)
        figures += await _json(stock, seconds, rounds)
        if nginx() is None:
            print("nginx is not installed: what it sends for ipsync was not measured (Debian: apt-get install nginx)")
        else:
            figures += await _accel(stock, seconds, rounds, "20 kB")
    if nginx() is not None:
        async with stocked(max(2, documents // 50), file_bytes=_LARGE_BYTES) as stock:
            figures += await _accel(stock, seconds, rounds, "4 MB")
    return figures


async def _checks(stock: Stock, checks: int) -> list[Figure]:
    """What each answer asks before anything is shown: whose token, what the catalog says, whether the lease holds."""
    door = Door(TokenBook(AdminToken(TOKEN), stock.catalog, stock.clock, stock.stamp), FailureLimit(stock.clock))
    _, text = await ReadTokens(stock.catalog, stock.clock).create("bench", frozenset(TokenScope), None, None)
    showcase = Showcase(stock.catalog, stock.stamp)

    async def check(number: int) -> None:
        held = await showcase.document(number % stock.documents + 1)
        if held is None or not may_show(held, RULES, stock.clock.now()):
            raise RuntimeError("a document was not shown")

    async def admit(_number: int) -> None:
        await door.admit(lambda: "127.0.0.1", f"Bearer {text}")

    lease, token = await _microseconds(check, checks, stock.documents), await _microseconds(admit, checks, 1)
    peer = "what a request may cost beside its answer"
    return [
        Figure("lease check of a request, catalog at rest", lease, "µs", LEASE_GOAL.most or 0, peer, LEASE_GOAL),
        Figure("read token of a request, likewise", token, "µs", LEASE_GOAL.most or 0, peer),
    ]


async def _microseconds(act: Callable[[int], Awaitable[None]], times: int, warm: int) -> float:
    for number in range(warm):
        await act(number)
    began = time.perf_counter()
    for number in range(times):
        await act(number)
    return (time.perf_counter() - began) / times * 1e6


async def _json(stock: Stock, seconds: float, rounds: int) -> list[Figure]:
    async def send(request: web.Request) -> web.Response:
        number = request.match_info["number"]
        return web.json_response({**told, "document_id": number, "title": f"Photo {number}"})

    path, rates = "/v1/documents/{}", dict[str, list[float]]()
    async with ours(stock) as port:
        told = await _read(port, path.format(1))
    for _ in range(rounds):
        async with ours(stock) as port:
            rates.setdefault("ours", []).append(await _ask(port, stock, seconds, path))
            async with _committing(stock):
                rates.setdefault("busy", []).append(await _ask(port, stock, seconds, path))
        async with bare_app("/v1/documents/{number}", send) as port:
            rates.setdefault("bare", []).append(await _ask(port, stock, seconds, path))
    found = {name: statistics.median(values) for name, values in rates.items()}
    name, peer = f"documents as JSON, {CONNECTIONS} connections", "bare json_response"
    return [
        Figure(name, found["ours"], "answers/s", found["bare"], peer, SPEED_GOAL),
        Figure(f"the same, a commit every {COMMIT_SECONDS} s", found["busy"], "answers/s", found["bare"], peer),
    ]


@asynccontextmanager
async def _committing(stock: Stock) -> AsyncIterator[None]:
    """Commit something again and again, as a sweep does: nothing that was read before counts any more."""

    async def commit() -> None:
        for number in count():
            await stock.catalog.write(lambda tx: tx.set_note("benchmark", str(number)))  # noqa: B023  # reason: awaited at once
            await asyncio.sleep(COMMIT_SECONDS)

    task = asyncio.create_task(commit())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _accel(stock: Stock, seconds: float, rounds: int, size: str) -> list[Figure]:
    path, plain = f"/media/{{}}/{RENDITION}", f"/_bare/7/{{}}/{RENDITION}"
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        async with ours(stock, Accel("X-Accel-Redirect", "/_content/")) as inner, ours(stock) as alone:
            front = fronted(stock.place, f"http://127.0.0.1:{inner}", stock.place / "content")
            port = int((await asyncio.to_thread(stack.enter_context, front)).rpartition(":")[2])
            for _ in range(rounds):
                rates.setdefault("handed over", []).append(await _ask(port, stock, seconds, path))
                rates.setdefault("nginx", []).append(await _ask(port, stock, seconds, plain))
                rates.setdefault("alone", []).append(await _ask(alone, stock, seconds, path))
            await asyncio.to_thread(stack.close)
    found = {name: statistics.median(values) for name, values in rates.items()}
    handed = f"files of {size} sent by nginx for ipsync"
    return [
        Figure(handed, found["handed over"], "files/s", found["nginx"], "nginx alone, open to all"),
        Figure("the same", found["handed over"], "files/s", found["alone"], "sent by ipsync itself"),
    ]


async def _ask(port: int, stock: Stock, seconds: float, path: str) -> float:
    return await ask(port, CONNECTIONS, stock.documents, seconds, path=path, size_bytes=0)


async def _read(port: int, path: str) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found
