"""A served world: the real catalog and store, a clock that only moves when told, the real server on loopback."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

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
from ipsync.policy.entries import Content, Entry, EntryKind
from ipsync.policy.instants import DAY, HOUR, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import KeyUse, PermittedView
from ipsync.policy.rules import Rules, TimeToLive
from ipsync.ports.store import ContentKey
from ipsync.store import FileStore
from ipsync.telemetry import Metrics
from ipsync.web import Limits, Operator, WebParts, WebServer
from tests.fakes.clock import FakeClock
from tests.fakes.site import LiveSite, SiteMirror, empty_mirror, stocked_mirror
from tests.web.wall import Wall, wall_of

ADMIN = "admin-token-for-tests-0123456789"
BEARER = {"Authorization": f"Bearer {ADMIN}"}
START: Instant = 1_800_000_000_000_000
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"

RULES = Rules(
    lease=Lease(24 * HOUR),
    view=PermittedView(
        use=KeyUse.NON_COMMERCIAL,
        visibility=frozenset({Visibility.PUBLIC}),
        media=frozenset(Media),
        safety=frozenset(Safety),
        licenses=frozenset(LICENSES),
        renditions=("240", "original"),
    ),
    ttl=TimeToLive(30 * DAY, 30 * DAY, 20 * DAY, 10 * DAY),
)
OPERATOR = Operator(
    application="Evening Light Archive",
    purpose="Keeps a reading copy of members' photos for an exhibition.",
    contact="archive@example.org",
    privacy_policy="# Privacy policy\n\nWe keep *little*.\n\n- one\n- two\n",
)


@dataclass
class World:
    """What the server sees, and the means to change it."""

    catalog: SqliteCatalog
    store: FileStore
    clock: FakeClock
    metrics: Metrics
    stamp: Callable[[], int | None]
    rules: Rules = RULES
    operator: Operator = OPERATOR
    unready: list[str] = field(default_factory=list)
    damaged: list[ContentKey] = field(default_factory=list)

    def parts(self) -> WebParts:
        async def readiness() -> Sequence[str]:
            return self.unready

        return WebParts(
            catalog=self.catalog,
            store=self.store,
            clock=self.clock,
            rules=lambda: self.rules,
            operator=lambda: self.operator,
            metrics=self.metrics,
            readiness=readiness,
            on_damage=self.damaged.append,
            admin_token=ADMIN,
            stamp=self.stamp,
        )

    async def account(self, account_id: int = 7, state: AccountState = AccountState.ACTIVE, name: str = "anna") -> None:
        now = self.clock.now()
        account = Account(account_id, name, "Anna B.", state, 1, now, now, now)
        await self.catalog.write(lambda tx: tx.put_account(account))

    def made(self, document_id: int, *, account_id: int = 7, title: str = "Evening", **changes: object) -> Document:
        """Make a document; `changes` go to its Facts or to itself, by name."""
        facts = Facts(Media.PHOTO, 1, Safety.EVERYONE, Visibility.PUBLIC, title, posted_at=START - DAY)
        of_facts = {name: value for name, value in changes.items() if name in Facts.__dataclass_fields__}
        of_document = {name: value for name, value in changes.items() if name not in of_facts}
        now = self.clock.now()
        document = Document(document_id, account_id, replace(facts, **of_facts), DocumentState.LIVE, now, now)
        return replace(document, **of_document)

    async def document(self, document_id: int, **changes: Any) -> Document:
        document = self.made(document_id, **changes)
        await self.catalog.write(lambda tx: tx.add_documents([document]))
        return document

    async def entry(self, kind: EntryKind, entry_id: int, **changes: object) -> Entry:
        """An album, a folder or an article of member 7, mirrored like its documents; `members` and `text` are its."""
        self.rules = replace(self.rules, kinds=frozenset(EntryKind))
        content = Content(str(changes.pop("text", "")), tuple(changes.pop("members", ())))  # type: ignore[arg-type]  # reason: as the test says
        now = self.clock.now()
        public = frozenset({Visibility.PUBLIC})
        entry = Entry(kind, entry_id, 7, f"{kind.value} {entry_id}", public, DocumentState.LIVE, now, now, now, content)
        entry = replace(entry, **changes)  # type: ignore[arg-type]  # reason: names are checked by replace
        await self.catalog.write(lambda tx: tx.put_entries([entry]))
        return entry

    async def change(self, document: Document, **changes: object) -> None:
        await self.catalog.write(lambda tx: tx.update_documents([replace(document, **changes)]))

    async def file(
        self,
        document_id: int,
        name: str = "240",
        content: bytes = JPEG,
        *,
        account_id: int = 7,
        content_type: str = "image/jpeg",
    ) -> Rendition:
        """Store a file of a document."""
        incoming = self.store.receive(ContentKey(account_id, document_id, name))
        incoming.write(content)
        kept = incoming.keep()
        rendition = Rendition(
            document_id,
            account_id,
            RemoteFile(name, f"https://u1.ipernity.com/1/{document_id}.secret.{name}.jpg", 240, 160),
            RenditionState.STORED,
            kept.size_bytes,
            kept.digest,
            content_type,
            self.clock.now(),
        )
        await self.catalog.write(lambda tx: tx.put_renditions([rendition]))
        return rendition


@dataclass
class Client:
    """A reader on the other side of a real socket."""

    session: aiohttp.ClientSession
    server: WebServer
    address: str

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    async def get(self, path: str, *, method: str = "GET", token: bool = True, **headers: str) -> "Answer":
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        own = BEARER if token else {}
        url = aiohttp.client.URL(f"{self.address}{path}", encoded=True)
        async with self.session.request(method, url, headers=own | sent) as found:
            return Answer(found.status, found.headers, await found.read())


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json; charset=utf-8"
        return json.loads(self.body)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    upgrade("sqlite:///ipsync.db", folder)
    open_catalog("sqlite:///ipsync.db", folder, bytes(32)).close_now()
    return folder / "ipsync.db"


@pytest.fixture
async def world(tmp_path: Path, empty_database: Path) -> AsyncIterator[World]:
    shutil.copyfile(empty_database, tmp_path / "ipsync.db")
    catalog = open_catalog("sqlite:///ipsync.db", tmp_path, bytes(32))
    store = FileStore(tmp_path / "content", free_space_floor_bytes=0)
    stamp = CommitStamp(tmp_path / "ipsync.db")
    yield World(catalog, store, FakeClock(START), Metrics(), stamp)
    stamp.close()
    await catalog.close()
    store.close()


@asynccontextmanager
async def serving(world: World, limits: Limits | None = None, **changes: Any) -> AsyncIterator[Client]:
    """Serve a world; `changes` go to its WebParts."""
    server = WebServer(replace(world.parts(), **changes), limits)
    address = await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Client(session, server, address)
    await server.stop(1)


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with serving(world) as found:
        yield found


@pytest.fixture
async def shown(world: World) -> World:
    """One member with one document and one file of it."""
    await world.account()
    await world.document(5)
    await world.file(5)
    return world


@pytest.fixture(scope="session")
def member_site() -> Iterator[LiveSite]:
    """A small ipernity for pages; what tests change there, they change for their own member."""
    with LiveSite(members=4, documents=5, seed=11) as site:
        yield site


@pytest.fixture(scope="session")
def _walls(member_site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, SiteMirror]:
    folder = tmp_path_factory.mktemp("walls")
    return {
        "empty": empty_mirror(folder / "empty", member_site),
        "stocked": stocked_mirror(folder / "stocked", member_site, members=(0, 1)),
    }


@pytest.fixture
async def new_wall(_walls: Mapping[str, SiteMirror], tmp_path: Path) -> AsyncIterator[Wall]:
    """A served mirror to which nobody has said yes."""
    async with wall_of(_walls["empty"].copy_to(tmp_path / "wall")) as wall:
        yield wall


@pytest.fixture
def wall_mirror(_walls: Mapping[str, SiteMirror], tmp_path: Path) -> SiteMirror:
    """A mirror of the members 0 and 1 that nobody serves yet."""
    return _walls["stocked"].copy_to(tmp_path / "wall")


@pytest.fixture
async def wall(_walls: Mapping[str, SiteMirror], tmp_path: Path) -> AsyncIterator[Wall]:
    """A served mirror of the members 0 and 1."""
    async with wall_of(_walls["stocked"].copy_to(tmp_path / "wall")) as wall:
        yield wall


async def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # reason: what is waited for is out there, and tells nobody
            await asyncio.sleep(0.01)
