"""A simulated ipernity and a mirror of it, each in processes, sockets and files as real as outside.

The simulator always runs in a process of its own, so that its work is not counted as ours, and its own
counters (`/_control/stats`) are the witness of what was asked of it.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from html import unescape
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from benchmarks.processes import Child
from ipsync.assembly import Works, open_base, open_works
from ipsync.catalog import SqliteCatalog, open_catalog, upgrade
from ipsync.settings import Settings, load

T = TypeVar("T")

PUBLIC = 4
PUBLIC_SHARE = 16 / 20
"""Of 20 seeded documents 16 are public; the others are in no listing that is read here."""

AUTHORIZING = frozenset({"auth.getFrob", "auth.getToken"})
"""What a member's own act costs, once; it belongs to no sweep."""

_CONFIGURATION = """
[operator]
application = "Measuring"
purpose = "Measures a mirror of a simulated ipernity"
contact = "bench@example.org"
terms_accepted = "2017-11-28"

[key]
use = "non-commercial"

[api]
url = "{api_url}"
timeout = "30s"

[budget]
per_second = {per_second}
per_minute = 6000
per_hour = 360000
per_day = 8640000
media_bandwidth = "1GB"

[mirror]
renditions = {renditions}

[removal]
window = "24h"

[web]
listen = "127.0.0.1:0"
"""


class Site:
    """A running simulator."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self.base_url: str = ready["api_url"].removesuffix("/api/")
        self.members: list[dict[str, str]] = ready["members"]

    def control(self, path: str, body: object = None, method: str | None = None) -> Any:
        """Ask a control address."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base_url}/_control/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def calls(self) -> Counter[str]:
        """How often each method was called since the start, but those of `AUTHORIZING`."""
        counted = self.control("stats")["calls"]
        return Counter({method: number for method, number in counted.items() if method not in AUTHORIZING})

    def files_sent(self) -> int:
        """How many files were asked for."""
        return int(self.control("stats")["media"])

    def public(self) -> dict[int, set[int]]:
        """The ids of the public documents of each member."""
        found: dict[int, set[int]] = {int(member["user_id"]): set() for member in self.members}
        for entry in self.control("truth")["documents"]:
            if entry["share"] == PUBLIC:
                found[int(entry["owner_id"])].add(int(entry["document_id"]))
        return found


@contextmanager
def site(members: int, documents: int) -> Iterator[Site]:
    """A simulator in a process of its own.

    Args:
        members: how many.
        documents: how many public ones each of them has; a multiple of 4 is met exactly.
    """
    words = ("--members", str(members), "--documents", str(round(documents / PUBLIC_SHARE)))
    command = [sys.executable, "-m", "ipsync.cli", "simulator", "--listen", "127.0.0.1:0", "--control", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("a simulator without an output")
            yield Site(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


class Mirror:
    """A configured ipsync in a folder of its own."""

    def __init__(self, folder: Path, site: Site, renditions: Sequence[str] = (), per_second: float = 100) -> None:
        self.folder = folder
        self.config = folder / "ipsync.toml"
        self.config.write_text(
            _CONFIGURATION.format(
                api_url=site.ready["api_url"], renditions=json.dumps(list(renditions)), per_second=per_second
            )
        )
        (folder / "privacy-policy.md").write_text("# Privacy\n\nNothing is kept longer than a measurement takes.\n")
        self._children: list[Child] = []
        self.environ = os.environ | {
            "IPSYNC_CONFIG": str(self.config),
            "IPSYNC_API_KEY": site.ready["api_key"],
            "IPSYNC_API_SECRET": site.ready["secret"],
            "IPSYNC_ADMIN_TOKEN": "the-admin-token-of-a-measurement",
            "IPSYNC_STATE_KEY": "00112233445566778899aabbccddeeff" * 2,
        }
        self.settings: Settings = load(self.config, self.environ)
        upgrade(self.settings.database.url, folder)

    @property
    def content(self) -> Path:
        """Where the files lie."""
        return self.settings.store.path

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Works]:
        """The wired parts in this process, with the real client."""
        base = await open_base(self.settings, is_daemon=True)
        works = open_works(base, self.settings)
        try:
            yield works
        finally:
            await works.close_clients()
            await base.close()

    @contextmanager
    def watched(self) -> Iterator[SqliteCatalog]:
        """The catalog, to be looked at beside whatever process works on it."""
        settings = self.settings
        key = settings.secrets.state_key_bytes()
        catalog = open_catalog(settings.database.url, self.folder, key, checkpoints=False)
        try:
            yield catalog
        finally:
            catalog.close_now()

    async def authorize(self, works: Works, members: Sequence[dict[str, str]]) -> None:
        """Take these members in, by the real flow."""
        for member in members:
            url, frob = await works.accounts.begin()
            await asyncio.to_thread(_approve, url, member["cookie"])
            await works.accounts.finish(frob)

    def authorize_now(self, members: Sequence[dict[str, str]]) -> None:
        """As `authorize`, opening and closing the mirror for it."""

        async def main() -> None:
            async with self.opened() as works:
                await self.authorize(works, members)

        run_as_daemon(main())

    def start(self, *words: str) -> Child:
        """Start a command of ipsync in a process of its own, e.g. `run`."""
        self._children.append(Child([sys.executable, "-m", "ipsync.cli", *words], self.environ, self.folder / "log"))
        return self._children[-1]

    def close(self) -> None:
        """End whatever was started here and still runs."""
        for child in self._children:
            child.kill()

    def command(self, *words: str) -> Any:
        """Run a command with `--json` to its end, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "ipsync.cli", *words, "--json"],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"`ipsync {' '.join(words)}` ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)


def run_as_daemon(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on the event loop that the daemon has where `ipsync[speed]` is installed."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on the disk of the system's temporary directory, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="ipsync-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _approve(url: str, cookie: str) -> None:
    """Do what a member does in a browser: open the authorization page and send its form."""
    headers = {"Cookie": f"member={cookie}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        page = answer.read().decode()
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page[page.index('name="fa"') :])
    body = urllib.parse.urlencode({unescape(name): unescape(value) for name, value in found}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
        if 'class="ok"' not in answer.read().decode():
            raise RuntimeError("the authorization page did not take the member's yes")
