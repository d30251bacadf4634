"""A stocked world behind the real server, in a thread of its own: for programs that read the API from outside."""

import asyncio
import json
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ipsync.catalog import open_catalog
from ipsync.catalog.stamp import CommitStamp
from ipsync.jobs.read_tokens import ReadTokens
from ipsync.policy.documents import Details, DocumentState, Tombstone
from ipsync.policy.entries import EntryKind
from ipsync.policy.profiles import ProfileWords
from ipsync.policy.read_tokens import TokenScope
from ipsync.store import FileStore
from ipsync.telemetry import Metrics
from ipsync.web import Limits, WebServer
from ipsync.web.authentication import DOOR, Door, FailureLimit
from tests.fakes.catalogs import fresh_database
from tests.fakes.clock import FakeClock
from tests.web.conftest import START, World
from tests.web.media_cases import SIZE

DOCUMENTS = 12
CASED = 6000
"""A document of account 9 whose file is the one of `tests/web/media_cases.py`."""

CONTENT = b"\xff\xd8\xff\xe0" + bytes(number % 251 for number in range(SIZE - 4))
GONE = 7001
"""A document that was erased."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """Where the API answers, and a token that opens all of it."""

    address: str
    token: str

    def get(self, path: str) -> dict[str, object]:
        """Read JSON."""
        request = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, object] = json.load(answer)
        return found


@contextmanager
def reachable(folder: Path, limits: Limits | None = None, **changes: Any) -> Iterator[Reachable]:
    """Serve a world in `folder` from another thread while the block lasts; `changes` go to its WebParts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    world = asyncio.run_coroutine_threadsafe(_open(folder), loop).result(30)
    server = WebServer(replace(world.parts(), **changes), limits)
    # Whoever tries wrong tokens on purpose is not slowed down.
    door = server._app[DOOR]
    server._app[DOOR] = Door(door._authenticator, FailureLimit(world.clock, 1 << 30, 1 << 30))
    try:
        address = asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", 0), loop).result(30)
        made = ReadTokens(world.catalog, world.clock).create("programs", frozenset(TokenScope), None, None)
        yield Reachable(address, asyncio.run_coroutine_threadsafe(made, loop).result(30)[1])
    finally:
        asyncio.run_coroutine_threadsafe(_close(world, server), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        shutil.rmtree(folder / "content", ignore_errors=True)


async def _open(folder: Path) -> World:
    fresh_database(folder)
    catalog = open_catalog("sqlite:///ipsync.db", folder, bytes(32))
    store = FileStore(folder / "content", free_space_floor_bytes=0)
    world = World(catalog, store, FakeClock(START), Metrics(), CommitStamp(folder / "ipsync.db"))
    for account_id in (7, 8, 9):
        await world.account(account_id, name=f"member {account_id}")
    for number in range(1, DOCUMENTS + 1):
        details = Details("Seen from the pier, été", ("sea", "<b>")) if number % 2 else Details("", ())
        changes = {"details": details, "details_at": START} if number % 3 else {}
        await world.document(number, account_id=7 + number % 2, title=f'Title {number} "<&>" \u202e', **changes)
        await world.file(number, account_id=7 + number % 2)
    await world.document(CASED, account_id=9)
    await world.file(CASED, account_id=9, content=CONTENT)
    await world.document(7000, account_id=9, state=DocumentState.SUSPECT, hidden_at=START)
    await world.entry(EntryKind.PROFILE, 7, text=ProfileWords("Anna", "anna", "Gent \u202e", "be").as_text())
    for kind in set(EntryKind) - {EntryKind.PROFILE}:
        for entry_id in (880_001, 880_002):
            members = (880_001,) if kind is EntryKind.FOLDER else (2, 4)
            await world.entry(kind, entry_id, members=members, title=f'{kind} "<&>" \u202e', posted_at=START)
    await catalog.write(lambda tx: tx.put_tombstones([Tombstone(GONE, 9, "deleted", START)]))
    return world


async def _close(world: World, server: WebServer) -> None:
    await server.stop(0.1)
    await world.catalog.close()
    world.store.close()
