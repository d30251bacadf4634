"""From an owner's document hidden to the last of 1,000 sockets that heard of it, beside a bare aiohttp loop.

ipsync's server and the readers each have a process. A document is hidden by one transaction, as sync does it; the
commit is noticed, the change is read, checked and told. The bare loop hands the same bytes to as many queues, and
knows no catalog. A burst hides many documents by one transaction: how many events a second then reach readers.
"""

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from benchmarks.figures import Figure, Goal
from benchmarks.served import ACCOUNT_ID, TOKEN, Stock, WallClock, ours
from ipsync.catalog import SqliteCatalog, open_catalog, upgrade
from ipsync.catalog.stamp import CommitStamp
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import Document, DocumentState, Facts, Media, Safety, Visibility
from ipsync.process import allow_many_files
from ipsync.store import FileStore

HEARD = Goal(most=1.0, absolute=True)
PATH = "/v1/changes?since=now"
BURST_FIRST = 1_000_000

_LISTENER = Path(__file__).with_name("feed_listener.py")
_PAGE = 50

Hide = Callable[[list[int]], Awaitable[None]]


def run(sockets: int = 1_000, rounds: int = 15, burst: int = 500) -> list[Figure]:
    """Measure both.

    Args:
        sockets: how many readers listen at once.
        rounds: how many documents are hidden one after the other; the median counts.
        burst: how many are hidden at once.
    """
    allow_many_files()
    place = Path(tempfile.mkdtemp(prefix="ipsync-feed-"))
    try:
        own = asyncio.run(_measure_own(place, sockets, rounds, burst))
        bare = asyncio.run(_measure_bare(sockets, rounds, burst))
    finally:
        shutil.rmtree(place)
    count = f"{sockets:,} sockets"
    peer = "bare loop of queues"
    return [
        Figure(f"from hide to the last of {count}", own[0], "s", bare[0], peer, HEARD),
        Figure(f"from hide to the middle of {count}", own[1], "s", bare[1], peer),
        Figure(f"events told to {count}, {burst:,} hidden at once", own[2], "events/s", bare[2], peer),
    ]


async def _measure_own(place: Path, sockets: int, rounds: int, burst: int) -> tuple[float, float, float]:
    clock = WallClock()
    upgrade("sqlite:///ipsync.db", place)
    catalog = open_catalog("sqlite:///ipsync.db", place, os.urandom(32))
    store, stamp = FileStore(place / "content", free_space_floor_bytes=0), CommitStamp(place / "ipsync.db")
    numbers = [*range(1, rounds + 1), *range(BURST_FIRST, BURST_FIRST + burst)]
    documents = await _fill(catalog, clock, numbers)

    async def hide(going: list[int]) -> None:
        now = clock.now()
        hidden = [replace(documents[number], state=DocumentState.SUSPECT, hidden_at=now) for number in going]
        await catalog.write(lambda tx: tx.update_documents(hidden))

    try:
        async with ours(Stock(place, len(numbers), catalog, store, clock, stamp)) as port:
            return await _listen(port, sockets, rounds, burst, hide)
    finally:
        stamp.close()
        await catalog.close()
        store.close()


async def _fill(catalog: SqliteCatalog, clock: WallClock, numbers: list[int]) -> dict[int, Document]:
    now = clock.now()
    facts = Facts(Media.PHOTO, 1, Safety.EVERYONE, Visibility.PUBLIC, "Photo")
    made = {number: Document(number, ACCOUNT_ID, facts, DocumentState.LIVE, now, now) for number in numbers}
    account = Account(ACCOUNT_ID, "anna", "Anna", AccountState.ACTIVE, 1, now, now, now)
    await catalog.write(lambda tx: tx.put_account(account))
    await catalog.write(lambda tx: tx.add_documents(list(made.values())))
    return made


async def _measure_bare(sockets: int, rounds: int, burst: int) -> tuple[float, float, float]:
    queues: set[asyncio.Queue[bytes]] = set()

    async def hide(going: list[int]) -> None:
        for first in range(0, len(going), _PAGE):
            page = b"".join(map(_event, going[first : first + _PAGE]))
            for queue in queues:
                queue.put_nowait(page)

    async with _bare(queues) as port:
        return await _listen(port, sockets, rounds, burst, hide)


def _event(number: int) -> bytes:
    value = f'{{"change":"hidden","document_id":"{number}","account_id":"7","at":"2026-11-22T03:18:41.120Z"}}'
    return f"id: {'x' * 50}\nevent: hidden\ndata: {value}\n\n".encode()


@asynccontextmanager
async def _bare(queues: set[asyncio.Queue[bytes]]) -> AsyncIterator[int]:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 3000\n\n")
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                await response.write(await queue.get())
        finally:
            queues.discard(queue)

    app = web.Application()
    app.router.add_get("/v1/changes", stream)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def _listen(port: int, sockets: int, rounds: int, burst: int, hide: Hide) -> tuple[float, float, float]:
    """Have readers listen. Returns seconds until the last and the middle one heard, and events a second in a burst."""
    pipe = asyncio.subprocess.PIPE
    words = [str(word) for word in (port, sockets, PATH, TOKEN)]
    listener = await asyncio.create_subprocess_exec(sys.executable, _LISTENER, *words, stdin=pipe, stdout=pipe)
    if listener.stdin is None or listener.stdout is None or await listener.stdout.readline() != b"ready\n":
        raise RuntimeError("the readers did not begin")

    async def heard(going: list[int]) -> tuple[float, float]:
        if listener.stdin is None or listener.stdout is None:
            raise RuntimeError("the readers are gone")
        listener.stdin.write(f'"document_id":"{going[-1]}"\n'.encode())
        await listener.stdout.readline()
        began = time.monotonic()
        await hide(going)
        _, middle, last = map(float, (await listener.stdout.readline()).split())
        return last - began, middle - began

    found = [await heard([number]) for number in range(1, rounds + 1)]
    whole, _ = await heard(list(range(BURST_FIRST, BURST_FIRST + burst)))
    listener.stdin.close()
    await listener.wait()
    last, middle = (statistics.median(values) for values in zip(*found, strict=True))
    return last, middle, sockets * burst / whole
