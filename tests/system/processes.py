"""Real processes: the simulator, the commands, the daemon; a real client that is not ours acts for the owner."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ipernity import IpernityAPI

from tests.fakes.site import approve

WINDOW_SECONDS = 30

CONFIGURATION = """
[operator]
application = "Story wall"
purpose = "Tells the whole story"
contact = "story@ipsync.test"
terms_accepted = "2017-11-28"

[key]
use = "non-commercial"

[api]
url = "{api_url}"
timeout = "2s"

[budget]
per_second = 50
per_minute = 3000
per_hour = 100000
per_day = 1000000

[mirror]
licenses = ["cc-by", "cc-by-nc", "cc-by-nd", "cc-by-nc-nd", "cc-by-sa", "cc-by-nc-sa", "copyleft"]

[removal]
window = "{window}s"

[web]
listen = "127.0.0.1:0"
"""


class Site:
    """A simulator in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready
        self.base_url = ready["api_url"].removesuffix("/api/")
        self.members = ready["members"]

    def control(self, path: str, body: object = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base_url}/_control/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def truth(self) -> dict[str, dict[str, Any]]:
        return {entry["document_id"]: entry for entry in self.control("truth")["documents"]}

    def permitted(self) -> set[str]:
        return {
            document_id for document_id, entry in self.truth().items() if entry["share"] == 4 and entry["license"] != 0
        }

    def client(self, member: int) -> Any:
        """What an owner uses: PyIpernity, with permission to change and delete."""
        client = IpernityAPI(
            self.ready["api_key"],
            self.ready["secret"],
            url=self.ready["api_url"],
            auth_url_base=self.ready["authorize_url"],
        )
        frob = client.auth.getFrob()["auth"]["frob"]
        approve(client.auth.auth_url({"doc": "delete"}, frob), self.members[member]["cookie"])
        client.auth.getToken(frob)
        return client


class Mirror:
    """One configured ipsync: its commands, its daemon, its web server."""

    def __init__(self, folder: Path, site: Site, more: str = "") -> None:
        self.folder = folder
        self.config = folder / "ipsync.toml"
        self.config.write_text(CONFIGURATION.format(api_url=site.ready["api_url"], window=WINDOW_SECONDS) + more)
        (folder / "privacy-policy.md").write_text("# Privacy\n\nWe keep copies of what members share.\n")
        self.environ = os.environ | {
            "IPSYNC_CONFIG": str(self.config),
            "IPSYNC_API_KEY": site.ready["api_key"],
            "IPSYNC_API_SECRET": site.ready["secret"],
            "IPSYNC_ADMIN_TOKEN": "canary-admin-token-0123456789",
            "IPSYNC_STATE_KEY": "00112233445566778899aabbccddeeff" * 2,
        }
        self.daemon: subprocess.Popen[str] | None = None
        self.log = folder / "daemon.log"
        self.address = ""

    def command(self, *words: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "ipsync.cli", *words],
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *words: str) -> Any:
        return json.loads(self.command(*words, "--json").stdout)

    def authorize(self, cookie: str) -> dict[str, Any]:
        """`account add --json` as a script uses it."""
        with subprocess.Popen(
            [sys.executable, "-m", "ipsync.cli", "account", "add", "--json"],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            approve(json.loads(process.stdout.readline())["authorize_url"], cookie)
            process.stdin.write("\n")
            process.stdin.flush()
            account = json.loads(process.stdout.readline())
            process.stdin.close()
            assert process.wait(60) == 0
        return account

    def start(self) -> None:
        with self.log.open("a") as log:
            self.daemon = subprocess.Popen([sys.executable, "-m", "ipsync.cli", "run"], env=self.environ, stderr=log)
        self.address = str(wait_for(self._listening, "the daemon listens", 30))

    def _listening(self) -> str | None:
        assert self.daemon is not None
        assert self.daemon.poll() is None, self.log.read_text()
        for line in reversed(self.log.read_text().splitlines()):
            record = json.loads(line)
            if record["event"] == "daemon.starting":
                return None
            if record["event"] == "daemon.ready":
                return str(record["address"])
        return None

    def stop(self) -> int:
        assert self.daemon is not None
        self.daemon.terminate()
        code = self.daemon.wait(60)
        self.daemon = None
        return code

    def get(self, path: str, token: str | None = None, **headers: str) -> tuple[int, bytes, Any]:
        bearer = self.environ["IPSYNC_ADMIN_TOKEN"] if token is None else token
        request = urllib.request.Request(
            f"{self.address}{path}", headers={"Authorization": f"Bearer {bearer}"} | headers
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read(), refusal.headers

    def served(self) -> dict[str, dict[str, Any]]:
        documents: dict[str, dict[str, Any]] = {}
        cursor = ""
        while True:
            page = json.loads(self.get(f"/v1/documents?limit=50{cursor}")[1])
            documents |= {entry["document_id"]: entry for entry in page["documents"]}
            if not page["next_cursor"]:
                return documents
            cursor = f"&cursor={page['next_cursor']}"

    def copies(self, token: str) -> list[str]:
        """Every file of the mirror in which a word stands."""
        return [str(path) for path in self.folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


def wait_for(look: Callable[[], Any], what: str, seconds: float = WINDOW_SECONDS) -> Any:
    """Look until something is there; fail loudly when it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.05)
    return found
