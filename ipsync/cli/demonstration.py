"""The demo's story: a simulated ipernity, a real daemon, and owners who act through a client that is not ours.

Nothing is staged: the daemon is told nothing, owners act on the simulator through PyIpernity, and what
is measured is read over HTTP and from the disk, as an auditor would. It leaves nothing running and
nothing behind.
"""

import asyncio
import json
import math
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from html import unescape
from pathlib import Path
from typing import Any, TypeAlias

from ipernity import IpernityAPI

from ipsync.assembly import open_base, open_works
from ipsync.assets import asset_folder
from ipsync.catalog import upgrade
from ipsync.clock import monotonic_microseconds
from ipsync.daemon import Daemon
from ipsync.jobs.health import Health, read_health
from ipsync.policy.instants import SECOND, seconds
from ipsync.policy.listings import pages_of
from ipsync.settings import Settings, load
from ipsync.simulator import Simulator

_PATIENCE_PARTS = 1.0
"""How much of a window the demo waits for anything before it says that something is wrong."""
_LOOK_SECONDS = 0.05
_PUBLIC = 4
_RESERVED = "0"

Tell: TypeAlias = Callable[[float, str, str], None]


class DemoFailedError(Exception):
    """Something did not happen that must; the message says what."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo measured, in the words of the contract (design §8).

    Attributes:
        mirrored: documents with all their files that were served before the owners acted.
        removed: documents that owners took away, by any of the ways shown.
        erased: those of them of which nothing was left at the end.
        breaches: those that were served later than 20/24 of the window, or stored later than the window.
        requests: API requests the application sent, authorization included.
        requests_lower_bound: what no mirror can do without: two to authorize each member, and each page
            read once per longest lease.
        hide_seconds_max: from the owner's act until it was served no more, the slowest.
        erase_seconds_max: from the owner's act until nothing was left, the slowest.
    """

    mirrored: int
    removed: int
    erased: int
    breaches: int
    requests: int
    requests_lower_bound: int
    hide_seconds_max: float
    erase_seconds_max: float

    def line(self) -> str:
        """The summary as one line of JSON."""
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Withdrawal:
    """One document an owner took away, and when what was seen of it.

    Attributes:
        token: the unique word in its title, description and files.
    """

    document_id: str
    owner_id: str
    way: str
    token: str
    acted_at: float
    hidden_after: float | None = None
    erased_after: float | None = None


@dataclass(slots=True)
class Owner:
    """A member of the simulated site, with their own client."""

    user_id: str
    username: str
    cookie: str
    client: Any = field(default=None, repr=False)


class Demonstration:
    """One run of the story."""

    def __init__(self, folder: Path, members: int, documents: int, seed: int, tell: Tell) -> None:
        """Prepare; nothing runs before `run`.

        Args:
            folder: an empty folder for configuration, database and files.
            members: how many members the simulated site has, at least 3 for the whole story.
            documents: how many documents each of them has.
            seed: same seed, same world.
            tell: told of each event: seconds since the beginning, who, and a sentence.
        """
        self._folder = folder
        self._simulator = Simulator(members, documents, seed, control=True)
        self._told = tell
        self._admin_token = secrets.token_urlsafe(24)
        self._address = ""
        self._settings: Settings | None = None
        self._base: Any = None
        self._owners: list[Owner] = []
        self.withdrawals: list[Withdrawal] = []
        self._mirrored = 0
        self._owner_requests = 0
        self._started_at = _now_seconds()

    async def run(self, rounds: int) -> Summary:
        """Play the story.

        Args:
            rounds: how often the owners act; the whole account goes at the end.

        Raises:
            DemoFailedError: something that must happen did not.
        """
        async with self._simulator:
            self._tell("ipernity", f"a simulated ipernity listens at {self._simulator.base_url}")
            settings = self._settings = self._configure()
            await asyncio.to_thread(upgrade, settings.database.url, settings.file.parent)
            daemon = Daemon(settings, lambda: settings, {}, on_ready=self._remember_address)
            task = asyncio.create_task(daemon.run(), name="daemon")
            try:
                while not self._address:
                    if task.done():
                        raise DemoFailedError(f"the daemon did not start (exit code {task.result()})")
                    await asyncio.sleep(_LOOK_SECONDS)
                self._tell("ipsync", f"the daemon serves at {self._address}")
                self._base = await open_base(settings, is_daemon=False)
                await self._authorize_all(settings)
                await self._wait_mirrored()
                for _ in range(rounds):
                    await self._act()
                    await self._wait_gone()
                await self._revoke()
                await self._wait_gone()
            finally:
                daemon.stop()
                await asyncio.gather(task, return_exceptions=True)
                if self._base is not None:
                    await self._base.close()
            summary = self._summarize(settings)
        self._tell("ipsync", "stopped; nothing is left running")
        return summary

    async def look(self) -> Health | None:
        """How the mirror stands now, or None before it runs."""
        if self._base is None or self._settings is None:
            return None
        caps = self._settings.caps()
        return await read_health(
            self._base.catalog, self._base.clock, self._settings.lease(), caps.sustainable_per_hour()
        )

    @property
    def requests(self) -> int:
        """API requests the application has sent so far; those of the owners' own client are not counted."""
        calls: dict[str, int] = self._simulator.world.meter.report()["calls"]
        return sum(calls.values()) - self._owner_requests

    @property
    def window_seconds(self) -> float:
        """The law's window in the demo."""
        return seconds(self._settings.removal.window) if self._settings else 0.0

    @property
    def elapsed_seconds(self) -> float:
        """Since the story began."""
        return _now_seconds() - self._started_at

    def _remember_address(self, address: str) -> None:
        self._address = address

    def _tell(self, who: str, what: str) -> None:
        self._told(self.elapsed_seconds, who, what)

    def _configure(self) -> Settings:
        environ = {
            "IPSYNC_API_KEY": self._simulator.api_key,
            "IPSYNC_API_SECRET": self._simulator.secret,
            "IPSYNC_ADMIN_TOKEN": self._admin_token,
            "IPSYNC_STATE_KEY": secrets.token_hex(32),
        }
        for name in ("ipsync.demo.toml", "privacy-policy.md"):
            (self._folder / name).write_bytes((asset_folder("config") / name).read_bytes())
        overrides = {"api.url": self._simulator.api_url, "log.level": "error"}
        return load(self._folder / "ipsync.demo.toml", environ, overrides=overrides)

    async def _authorize_all(self, settings: Settings) -> None:
        """Every member lets the application in, on the site's own page; then opens a client of their own."""
        works = open_works(self._base, settings)
        try:
            for member in self._simulator.members:
                owner = Owner(str(member.user_id), member.username, member.cookie)
                url, frob = await works.accounts.begin()
                await asyncio.to_thread(_approve, url, owner.cookie)
                await works.accounts.finish(frob)
                self._tell(owner.username, "authorized the application to read what is shared")
                owner.client = await asyncio.to_thread(self._own_client, owner)
                self._owners.append(owner)
        finally:
            await works.close_clients()

    def _own_client(self, owner: Owner) -> Any:
        """What an owner uses beside ipsync: PyIpernity, with permission to change their own documents."""
        client = IpernityAPI(
            self._simulator.api_key,
            self._simulator.secret,
            url=self._simulator.api_url,
            auth_url_base=self._simulator.authorize_url,
        )
        frob = client.auth.getFrob()["auth"]["frob"]
        _approve(client.auth.auth_url({"doc": "delete"}, frob), owner.cookie)
        client.auth.getToken(frob)
        self._owner_requests += 2
        return client

    async def _wait_mirrored(self) -> None:
        """Until everything permitted is served, with its files."""
        expected = {
            entry["document_id"]
            for entry in self._simulator.world.truth()
            if entry["share"] == _PUBLIC and str(entry["license"]) != _RESERVED
        }

        async def complete() -> bool:
            served = await asyncio.to_thread(self._served)
            whole = {document_id for document_id, files in served.items() if files}
            self._mirrored = len(whole & expected)
            return whole == expected

        await self._until(complete, "everything that members share is mirrored", parts=4 * _PATIENCE_PARTS)
        self._tell("ipsync", f"mirrored {self._mirrored} documents of {len(self._owners)} members, with their files")

    def _served(self) -> dict[str, bool]:
        """Documents the mirror serves, and whether their thumbnail is there."""
        served: dict[str, bool] = {}
        cursor = ""
        while True:
            query = urllib.parse.urlencode({"limit": 50} | ({"cursor": cursor} if cursor else {}))
            page = json.loads(self._get(f"/v1/documents?{query}")[1])
            for entry in page["documents"]:
                served[str(entry["document_id"])] = "240" in entry["renditions"]
            if not (cursor := page["next_cursor"] or ""):
                return served

    def _get(self, path: str) -> tuple[int, bytes]:
        request = urllib.request.Request(  # noqa: S310  # reason: the daemon's own address on loopback
            f"{self._address}{path}", headers={"Authorization": f"Bearer {self._admin_token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # reason: as above
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    async def _act(self) -> None:
        """Each of the first owners takes something away, each in another way."""
        first, second = self._owners[0], self._owners[1]
        await self._withdraw(
            first,
            "made private",
            2,
            lambda client, document_id: client.doc.setPerms(doc_id=document_id, is_public=0, is_friend=0, is_family=0),
        )
        await self._withdraw(first, "deleted", 2, lambda client, document_id: client.doc.delete(doc_id=document_id))
        await self._withdraw(
            second,
            "relicensed",
            2,
            lambda client, document_id: client.doc.setLicense(doc_id=document_id, license=_RESERVED),
        )
        await self._withdraw(
            second,
            "shown to friends only",
            1,
            lambda client, document_id: client.doc.setPerms(doc_id=document_id, is_public=0, is_friend=1, is_family=0),
        )

    async def _withdraw(self, owner: Owner, way: str, count: int, act: Callable[[Any, str], object]) -> None:
        gone = {entry.document_id for entry in self.withdrawals}
        mine = [entry for entry in self._permitted_of(owner.user_id) if entry["document_id"] not in gone][:count]
        for entry in mine:
            await asyncio.to_thread(act, owner.client, entry["document_id"])
            self._owner_requests += 1
            self.withdrawals.append(
                Withdrawal(entry["document_id"], owner.user_id, way, entry["token"], _now_seconds())
            )
        self._tell(owner.username, f"{way}: {len(mine)} photos")

    def _permitted_of(self, user_id: str) -> list[Mapping[str, Any]]:
        return [
            entry
            for entry in self._simulator.world.truth()
            if entry["owner_id"] == user_id and entry["share"] == _PUBLIC and str(entry["license"]) != _RESERVED
        ]

    async def _revoke(self) -> None:
        """The last owner takes the permission back: everything of theirs must go."""
        owner = self._owners[-1]
        documents = self._permitted_of(owner.user_id)
        now = _now_seconds()
        member = next(entry for entry in self._simulator.members if str(entry.user_id) == owner.user_id)
        self._simulator.world.state.revoke(member)
        self.withdrawals += [
            Withdrawal(entry["document_id"], owner.user_id, "permission revoked", entry["token"], now)
            for entry in documents
        ]
        self._tell(owner.username, f"took the permission back: {len(documents)} documents must go")

    async def _wait_gone(self) -> None:
        """Until all that was taken away is hidden, then erased, noting when each was seen to be."""

        async def gone() -> bool:
            await self._observe()
            return all(entry.erased_after is not None for entry in self.withdrawals)

        await self._until(gone, "everything taken away is hidden and erased")

    async def _observe(self) -> None:
        open_ones = [entry for entry in self.withdrawals if entry.erased_after is None]
        if any(entry.hidden_after is None for entry in open_ones):
            served = await asyncio.to_thread(self._served)
            for entry in open_ones:
                if entry.hidden_after is None and entry.document_id not in served:
                    entry.hidden_after = _now_seconds() - entry.acted_at
                    self._tell("ipsync", f"hid {entry.document_id} ({entry.way}) after {entry.hidden_after:.1f} s")
        hidden = [entry for entry in open_ones if entry.hidden_after is not None]
        if hidden:
            ids = [int(entry.document_id) for entry in hidden]
            stones = await self._base.catalog.read(lambda view: view.tombstones(ids))
            for entry in hidden:
                folder = self._content / entry.owner_id / entry.document_id
                if int(entry.document_id) in stones and not folder.exists():
                    entry.erased_after = _now_seconds() - entry.acted_at
                    self._tell("ipsync", f"erased {entry.document_id} after {entry.erased_after:.1f} s")

    @property
    def _content(self) -> Path:
        return self._settings.store.path if self._settings else self._folder

    async def _until(self, done: Callable[[], Any], what: str, parts: float = _PATIENCE_PARTS) -> None:
        deadline = _now_seconds() + self.window_seconds * parts
        while not await done():
            if _now_seconds() > deadline:
                raise DemoFailedError(f"waited {self.window_seconds * parts:.0f} s in vain until {what}")
            await asyncio.sleep(_LOOK_SECONDS)

    def _summarize(self, settings: Settings) -> Summary:
        lease = settings.lease()
        copies = self.copies_left()
        erased = [entry for entry in self.withdrawals if entry.erased_after is not None and not copies[entry.token]]
        late = [
            entry
            for entry in self.withdrawals
            if (entry.hidden_after or math.inf) > seconds(lease.serve_age)
            or (entry.erased_after or math.inf) > seconds(lease.window)
            or copies[entry.token]
        ]
        pages = sum(
            pages_of(len([entry for entry in self._simulator.world.truth() if entry["owner_id"] == owner.user_id]))
            for owner in self._owners
        )
        rounds = math.ceil(self.elapsed_seconds / seconds(lease.serve_age))
        return Summary(
            mirrored=self._mirrored,
            removed=len(self.withdrawals),
            erased=len(erased),
            breaches=len(late),
            requests=self.requests,
            requests_lower_bound=2 * len(self._owners) + pages * rounds,
            hide_seconds_max=round(max((entry.hidden_after or math.inf for entry in self.withdrawals), default=0), 3),
            erase_seconds_max=round(max((entry.erased_after or math.inf for entry in self.withdrawals), default=0), 3),
        )

    def copies_left(self) -> dict[str, int]:
        """In how many files of the mirror the unique word of each withdrawn document still stands."""
        counts = {entry.token: 0 for entry in self.withdrawals}
        for path in self._folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                for token in counts:
                    counts[token] += token.encode() in content
        return counts


def _now_seconds() -> float:
    return monotonic_microseconds() / SECOND


def _approve(url: str, cookie: str) -> None:
    """Do what a member does in a browser: open the authorization page and send its form."""
    headers = {"Cookie": f"member={cookie}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310  # reason: the simulator's own address
        page = answer.read().decode()
    form = page[page.index('name="fa"') :]
    fields = {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
    }
    body = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:  # noqa: S310  # reason: as above
        if 'class="ok"' not in answer.read().decode():
            raise DemoFailedError("the authorization page did not accept the member's yes")
