"""Small files served per second by ipsync's web server, beside bare aiohttp FileResponse over the same files.

Ours asks the catalog on every answer, checks a token, the lease and the permitted view, and adds
credit. A client in a process of its own takes all answers and looks that they are whole. Goal: at
least 0.8 of the bare speed. Run: `python -m benchmarks.serve_media [DOCUMENTS] [DIRECTORY]`.
"""

import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from aiohttp import web

from ipsync.catalog import SqliteCatalog, open_catalog, upgrade
from ipsync.catalog.stamp import CommitStamp
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import (
    Document,
    DocumentState,
    Facts,
    Media,
    RemoteFile,
    Rendition,
    RenditionState,
    Safety,
    Visibility,
)
from ipsync.policy.instants import DAY, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import KeyUse, PermittedView
from ipsync.policy.rules import Rules, TimeToLive
from ipsync.ports.store import ContentKey
from ipsync.store import FileStore
from ipsync.telemetry import Metrics
from ipsync.web import Operator, WebParts, WebServer

ACCOUNT_ID = 7
RENDITION = "240"
FILE_BYTES = 20_000
TOKEN = "a-token-of-the-benchmark"
CONNECTIONS = (32, 1)
SECONDS = 3.0
ROUNDS = 3
RULES = Rules(
    Lease(DAY),
    PermittedView(
        KeyUse.NON_COMMERCIAL,
        frozenset(Visibility),
        frozenset(Media),
        frozenset(Safety),
        frozenset(LICENSES),
        (RENDITION,),
    ),
    TimeToLive(DAY, DAY, DAY, DAY),
)

_CLIENT = Path(__file__).with_name("media_client.py")

Server = Callable[[], AbstractAsyncContextManager[int]]


def run(
    documents: int = 1_000, directory: Path | None = None, seconds: float = SECONDS, rounds: int = ROUNDS
) -> dict[str, float]:
    """Measure both servers, in turn, over the same files.

    Args:
        documents: how many, of one file of 20 kB each; each is asked for several times.
        directory: where to measure; default the system's temporary directory.
        seconds: how long each server is asked, in each round.
        rounds: how often.

    Returns:
        Answers per second (medians over the rounds): `ipsync` and `file_response` with 32 connections,
        `ipsync_single` and `file_response_single` with one, and `ratio`, `ratio_single` between them.
    """
    place = Path(tempfile.mkdtemp(dir=directory, prefix="ipsync-serve-"))
    try:
        return asyncio.run(_measure(place, documents, seconds, rounds))
    finally:
        shutil.rmtree(place)


async def _measure(place: Path, documents: int, seconds: float, rounds: int) -> dict[str, float]:
    clock = WallClock()
    upgrade("sqlite:///ipsync.db", place)
    catalog = open_catalog("sqlite:///ipsync.db", place, os.urandom(32))
    store = FileStore(place / "content", free_space_floor_bytes=0)
    stamp = CommitStamp(place / "ipsync.db")
    await _fill(catalog, store, clock, documents)
    servers: dict[str, Server] = {
        "ipsync": lambda: ours(catalog, store, clock, stamp),
        "file_response": lambda: _bare(place / "content"),
    }
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for name, server in servers.items():
                async with server() as port:
                    rate = await _ask(port, connections, documents, seconds)
                rates.setdefault((name, connections), []).append(rate)
    stamp.close()
    await catalog.close()
    store.close()
    found = {
        f"{name}_single" if connections == 1 else name: statistics.median(values)
        for (name, connections), values in rates.items()
    }
    return {
        **{name: round(rate) for name, rate in found.items()},
        "ratio": found["ipsync"] / found["file_response"],
        "ratio_single": found["ipsync_single"] / found["file_response_single"],
    }


class WallClock:
    """The machine's time, where nothing ever sleeps through it."""

    def now(self) -> Instant:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000

    async def sleep(self, duration: Duration) -> None:
        """Wait for some microseconds."""
        await asyncio.sleep(duration / 1_000_000)


async def _fill(catalog: SqliteCatalog, store: FileStore, clock: WallClock, documents: int) -> None:
    now = clock.now()
    made: list[Document] = []
    files: list[Rendition] = []
    for document_id in range(1, documents + 1):
        incoming = store.receive(ContentKey(ACCOUNT_ID, document_id, RENDITION))
        incoming.write(b"\xff\xd8\xff" + os.urandom(FILE_BYTES - 3))
        kept = incoming.keep()
        facts = Facts(Media.PHOTO, 1, Safety.EVERYONE, Visibility.PUBLIC, f"Photo {document_id}")
        made.append(Document(document_id, ACCOUNT_ID, facts, DocumentState.LIVE, now, now))
        remote = RemoteFile(RENDITION, f"https://u1.ipernity.com/{document_id}.secret.240.jpg", 240, 160)
        files.append(
            Rendition(
                document_id, ACCOUNT_ID, remote, RenditionState.STORED, kept.size_bytes, kept.digest, "image/jpeg", now
            )
        )
    account = Account(ACCOUNT_ID, "anna", "Anna", AccountState.ACTIVE, 1, now, now, now)
    await catalog.write(lambda tx: tx.put_account(account))
    await catalog.write(lambda tx: tx.add_documents(made))
    await catalog.write(lambda tx: tx.put_renditions(files))


@asynccontextmanager
async def ours(catalog: SqliteCatalog, store: FileStore, clock: WallClock, stamp: CommitStamp) -> AsyncIterator[int]:
    """Serve a catalog and a store as ipsync does; gives the port."""

    async def ready() -> list[str]:
        return []

    operator = Operator("Benchmark", "Measures.", "bench@example.org", "Nothing is kept.")
    server = WebServer(
        WebParts(
            catalog=catalog,
            store=store,
            clock=clock,
            rules=lambda: RULES,
            operator=lambda: operator,
            metrics=Metrics(),
            readiness=ready,
            on_damage=lambda key: sys.exit(f"damaged: {key}"),
            admin_token=TOKEN,
            stamp=stamp,
        )
    )
    address = await server.start("127.0.0.1", 0)
    yield int(address.rpartition(":")[2])
    await server.stop(1)


@asynccontextmanager
async def _bare(content: Path) -> AsyncIterator[int]:
    async def send(request: web.Request) -> web.FileResponse:
        name = f"{request.match_info['document']}/{request.match_info['rendition']}"
        return web.FileResponse(content / str(ACCOUNT_ID) / name, headers={"Content-Type": "image/jpeg"})

    app = web.Application()
    app.router.add_get("/media/{document}/{rendition}", send)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def _ask(port: int, connections: int, documents: int, seconds: float) -> float:
    asked = (f"/media/{{}}/{RENDITION}", TOKEN, FILE_BYTES, seconds)
    words = [str(word) for word in (port, connections, documents, *asked)]
    client = await asyncio.create_subprocess_exec(sys.executable, _CLIENT, *words, stdout=asyncio.subprocess.PIPE)
    told, _ = await client.communicate()
    if client.returncode != 0:
        raise RuntimeError("an answer was not whole: the comparison is void")
    return float(told)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    print(json.dumps(run(count, where)))
