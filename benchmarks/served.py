"""A stocked catalog and store behind our server, and a bare server over the same files: what serving is measured on."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

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
from ipsync.web import Accel, Operator, WebParts, WebServer

ACCOUNT_ID = 7
RENDITION = "240"
FILE_BYTES = 20_000
TOKEN = "a-token-of-the-benchmark"
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


class WallClock:
    """The wall clock."""

    def now(self) -> Instant:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000

    async def sleep(self, duration: Duration) -> None:
        """Wait."""
        await asyncio.sleep(duration / 1_000_000)


async def _fill(catalog: SqliteCatalog, store: FileStore, clock: WallClock, documents: int, file_bytes: int) -> None:
    now = clock.now()
    made: list[Document] = []
    files: list[Rendition] = []
    for document_id in range(1, documents + 1):
        incoming = store.receive(ContentKey(ACCOUNT_ID, document_id, RENDITION))
        incoming.write(b"\xff\xd8\xff" + os.urandom(file_bytes - 3))
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


@dataclass(frozen=True, slots=True)
class Stock:
    """An open mirror with documents 1, 2, …, and one file of each."""

    place: Path
    documents: int
    catalog: SqliteCatalog
    store: FileStore
    clock: WallClock
    stamp: CommitStamp

    def parts(self, accel: Accel | None = None) -> WebParts:
        """What a server of this mirror is given."""
        operator = Operator("Benchmark", "Measures.", "bench@example.org", "Nothing is kept.")

        async def ready() -> list[str]:
            return []

        return WebParts(
            catalog=self.catalog,
            store=self.store,
            clock=self.clock,
            rules=lambda: RULES,
            operator=lambda: operator,
            metrics=Metrics(),
            readiness=ready,
            on_damage=lambda key: sys.exit(f"damaged: {key}"),
            admin_token=TOKEN,
            stamp=self.stamp,
            accel=accel,
        )


@asynccontextmanager
async def stocked(documents: int, directory: Path | None = None, file_bytes: int = FILE_BYTES) -> AsyncIterator[Stock]:
    """Make a mirror of so many documents, with a file of this size each; it goes when the block ends."""
    place = Path(tempfile.mkdtemp(dir=directory, prefix="ipsync-serve-"))
    clock = WallClock()
    upgrade("sqlite:///ipsync.db", place)
    catalog = open_catalog("sqlite:///ipsync.db", place, os.urandom(32))
    store = FileStore(place / "content", free_space_floor_bytes=0)
    stamp = CommitStamp(place / "ipsync.db")
    try:
        await _fill(catalog, store, clock, documents, file_bytes)
        yield Stock(place, documents, catalog, store, clock, stamp)
    finally:
        stamp.close()
        await catalog.close()
        store.close()
        shutil.rmtree(place)


@asynccontextmanager
async def ours(stock: Stock, accel: Accel | None = None) -> AsyncIterator[int]:
    """Serve a mirror as the daemon does; gives the port."""
    server = WebServer(stock.parts(accel))
    address = await server.start("127.0.0.1", 0)
    yield int(address.rpartition(":")[2])
    await server.stop(1)


@asynccontextmanager
async def bare(content: Path) -> AsyncIterator[int]:
    """Serve the same files by aiohttp's own FileResponse, open to everybody; gives the port."""

    async def send(request: web.Request) -> web.FileResponse:
        name = f"{request.match_info['document']}/{request.match_info['rendition']}"
        return web.FileResponse(content / str(ACCOUNT_ID) / name, headers={"Content-Type": "image/jpeg"})

    async with bare_app("/media/{document}/{rendition}", send) as port:
        yield port


@asynccontextmanager
async def bare_app(path: str, handler: Handler) -> AsyncIterator[int]:
    """Serve one address by aiohttp and nothing else; gives the port."""
    app = web.Application()
    app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def ask(
    port: int,
    connections: int,
    documents: int,
    seconds: float,
    *,
    path: str = f"/media/{{}}/{RENDITION}",
    size_bytes: int = FILE_BYTES,
) -> float:
    """Have a client in a process of its own read at random; gives whole answers per second.

    Args:
        port: of the server.
        connections: how many it keeps busy.
        documents: it asks for 1 to so many.
        seconds: for how long.
        path: with `{}` where the number goes.
        size_bytes: of each answer; 0 where the answer itself says it.

    Raises:
        RuntimeError: an answer was not whole.
    """
    asked = (path, TOKEN, size_bytes, seconds)
    words = [str(word) for word in (port, connections, documents, *asked)]
    client = await asyncio.create_subprocess_exec(sys.executable, _CLIENT, *words, stdout=asyncio.subprocess.PIPE)
    told, _ = await client.communicate()
    if client.returncode != 0:
        raise RuntimeError("an answer was not whole: the comparison is void")
    return float(told)
