"""A simulated ipernity on a socket, in a thread of this process, and a mirror of it that is stocked already."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import sqlite3
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any, Self, TypeVar

from ipsync.assembly import Works, open_base, open_works
from ipsync.catalog import upgrade
from ipsync.settings import Settings, load
from ipsync.simulator import Simulator

T = TypeVar("T")

CONFIGURATION = """\
[operator]
application = "Site wall"
purpose = "Tests the commands"
contact = "site@ipsync.test"
terms_accepted = "2017-11-28"

[key]
use = "{use}"
status = "{status}"

[api]
url = "{api_url}"
timeout = "2s"

{budget}
[mirror]
licenses = ["cc-by", "cc-by-nc", "cc-by-nd", "cc-by-nc-nd", "cc-by-sa", "cc-by-nc-sa", "copyleft"]

[web]
listen = "127.0.0.1:0"

[removal]
window = "{window}"
"""
_BUDGET = """\
[budget]
per_second = 100
per_minute = 6000
per_hour = 360000
per_day = 8000000
"""
ADMIN_TOKEN = "canary-admin-token-0123456789"
STATE_KEY = "00112233445566778899aabbccddeeff" * 2


class LiveSite:
    """The simulator on a loopback socket; a context manager."""

    def __init__(self, members: int = 3, documents: int = 12, seed: int = 5) -> None:
        self.simulator = Simulator(members, documents, seed, control=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.do(self.simulator.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.simulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the site's thread, where its world may be changed."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def change(self, work: Callable[[Any], T]) -> T:
        """Run `work` on the simulated world."""

        async def step() -> T:
            return work(self.simulator.world)

        return self.do(step())

    def fault(self, kind: str, methods: list[str], **options: object) -> None:
        """Order a fault at the control endpoint."""
        self._control("faults", {"kind": kind, "methods": methods, "share": 1} | options)

    def heal(self) -> None:
        """Take all faults back."""
        self._control("faults", None, "DELETE")

    def end_member(self, member: int, verb: str) -> None:
        """Let a member `revoke` every grant, or `close` the account."""
        self._control(f"members/{self.members[member].user_id}/{verb}", {})

    def count(self, method: str) -> int:
        """How often a method was called."""
        return int(self.change(lambda world: world.meter.report())["calls"].get(method, 0))

    def refusals(self, code: int) -> int:
        """How often a call was refused with this code."""
        return int(self.change(lambda world: world.meter.report())["rejected"].get(str(code), 0))

    def delete(self, document_id: int) -> None:
        """An owner deletes a document."""
        self.change(lambda world: world.state.library.delete(world.state.library.get(document_id)))

    def _control(self, path: str, body: object, method: str | None = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        base = self.simulator.base_url
        urllib.request.urlopen(urllib.request.Request(f"{base}/_control/{path}", data, method=method), timeout=10)

    @property
    def members(self) -> list[Any]:
        return self.simulator.members

    def permitted(self, member: int | None = None) -> dict[str, dict[str, Any]]:
        """What may be mirrored, by id."""
        wanted = None if member is None else str(self.members[member].user_id)
        return {
            entry["document_id"]: entry
            for entry in self.change(lambda world: list(world.truth()))
            if entry["share"] == 4 and entry["license"] != 0 and wanted in (None, entry["owner_id"])
        }

    def approve(self, url: str, member: int) -> None:
        """What a member does in a browser."""
        approve(url, self.members[member].cookie)


def approve(url: str, cookie: str) -> None:
    """Say yes on the page that `url` leads to, signed in by a member's `cookie`."""
    headers = {"Cookie": f"member={cookie}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        page = answer.read().decode()
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page[page.index('name="fa"') :])
    body = urllib.parse.urlencode({unescape(name): unescape(value) for name, value in found}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        assert 'class="ok"' in answer.read().decode()


@dataclass(frozen=True, slots=True)
class SiteMirror:
    """A folder with configuration, database and files of a mirror of `site`."""

    folder: Path
    site: LiveSite

    @property
    def config(self) -> Path:
        return self.folder / "ipsync.toml"

    @property
    def env(self) -> dict[str, str]:
        return {
            "IPSYNC_CONFIG": str(self.config),
            "IPSYNC_API_KEY": self.site.simulator.api_key,
            "IPSYNC_API_SECRET": self.site.simulator.secret,
            "IPSYNC_ADMIN_TOKEN": ADMIN_TOKEN,
            "IPSYNC_STATE_KEY": STATE_KEY,
        }

    def configure(
        self, more: str = "", *, window: str = "24h", use: str = "non-commercial", status: str = "active"
    ) -> None:
        """Write the configuration."""
        budget = _BUDGET if status == "active" else ""
        text = CONFIGURATION.format(
            api_url=self.site.simulator.api_url, budget=budget, window=window, use=use, status=status
        )
        self.config.write_text(text + more)
        (self.folder / "privacy-policy.md").write_text("# Privacy\n\nWe keep copies of what members share.\n")

    def edit(self, before: str, after: str) -> None:
        """Change one place of the configuration."""
        text = self.config.read_text()
        assert text.count(before) == 1
        self.config.write_text(text.replace(before, after))

    def settings(self) -> Settings:
        return load(self.config, self.env)

    def work(self, work: Callable[[Works], Coroutine[Any, Any, T]]) -> T:
        """Do something with the wired parts, as a command beside a daemon would."""

        async def main() -> T:
            settings = self.settings()
            base = await open_base(settings, is_daemon=False)
            try:
                works = open_works(base, settings)
                try:
                    return await work(works)
                finally:
                    await works.close_clients()
            finally:
                await base.close()

        return asyncio.run(main())

    def files(self) -> list[Path]:
        """Stored files. Some may go while they are being listed; `os.walk` does not mind, `glob` does."""
        content = self.folder / "content"
        found = [Path(place) / name for place, _, names in os.walk(content) for name in names]
        return [path for path in found if len(path.relative_to(content).parts) == 3 and path.is_file()]

    def copies(self, tokens: Mapping[str, Any] | set[str]) -> dict[str, int]:
        """In how many files of the mirror each of these words stands."""
        contents = [path.read_bytes() for path in self.folder.rglob("*") if path.is_file()]
        return {token: sum(token.encode() in content for content in contents) for token in tokens}

    def copy_to(self, folder: Path) -> "SiteMirror":
        """The same mirror in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        for lock in folder.glob("*.daemon-lock"):
            lock.unlink()
        return SiteMirror(folder, self.site)


def empty_mirror(folder: Path, site: LiveSite) -> SiteMirror:
    """A mirror with an empty database."""
    folder.mkdir(parents=True, exist_ok=True)
    mirror = SiteMirror(folder, site)
    mirror.configure()
    settings = mirror.settings()
    upgrade(settings.database.url, settings.file.parent)
    return mirror


def stocked_mirror(folder: Path, site: LiveSite, members: tuple[int, ...] = (0, 1)) -> SiteMirror:
    """A mirror to which these members said yes, with everything they share."""
    mirror = empty_mirror(folder, site)

    async def stock(works: Works) -> None:
        for member in members:
            url, frob = await works.accounts.begin()
            await asyncio.to_thread(site.approve, url, member)
            await works.accounts.finish(frob)
        await works.sync.run(force=True)
        await works.media.run()

    mirror.work(stock)
    return mirror


def age(mirror: SiteMirror, seconds: float) -> None:
    """Make every verification of a mirror older; nobody may have its database open."""
    change_rows(mirror, f"UPDATE document SET verified_at = verified_at - {int(seconds * 1_000_000)}")


def change_rows(mirror: SiteMirror, statement: str) -> None:
    """Change a mirror's database behind the catalog's back; nobody may have it open."""
    with contextlib.closing(sqlite3.connect(mirror.folder / "ipsync.db")) as connection, connection:
        connection.execute(statement)


def is_root() -> bool:
    """Whether the tests run as root."""
    return os.geteuid() == 0
