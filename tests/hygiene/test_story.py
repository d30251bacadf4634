"""A whole story with secrets in it: afterwards none stands in a log, an error, a page, a database or any file (F35)."""

import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.fakes.command_line import Outcome, ipsync_here
from tests.fakes.site import ADMIN_TOKEN, LiveSite, SiteMirror, stocked_mirror
from tests.hygiene.scanner import leaked
from tests.system.daemons import DaemonProcess, wait_for

_COMMANDS = [
    ["config", "show", "--json"],
    ["token", "list", "--json"],
    ["doctor", "--json"],
    ["report", "--json"],
    ["ledger", "export"],
    ["--debug", "account", "show", "nobody"],
]
_PAGES = ["/", "/privacy", "/privacy.json", "/removals", "/status/sign-in", "/status", "/me", "/connect"]
_API = ["/metrics", "/healthz", "/readyz", "/v1/documents", "/v1/changes", "/v1/accounts", "/v1/openapi.json"]


@pytest.fixture(scope="module")
def site() -> Iterator[LiveSite]:
    with LiveSite(members=2, documents=6) as running:
        yield running


def test_F35_a_whole_story_leaves_no_secret_anywhere(
    site: LiveSite, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = stocked_mirror(tmp_path / "mirror", site, members=(0, 1))
    mirror.configure(window="60s")
    cli = ipsync_here(capsys, monkeypatch)
    read_token = _made_token(cli, mirror)
    grants = site.change(lambda world: list(world.state.tokens))
    secrets = [site.simulator.secret, ADMIN_TOKEN, mirror.env["IPSYNC_STATE_KEY"], read_token, *grants]
    assert len(grants) == 2

    seen = {
        "commands": "".join(outcome.out + outcome.err for outcome in _commands(cli, mirror)).encode(),
        "answers": _lived(site, mirror, read_token, secrets),
    }
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"mirror/ipsync.db", "mirror/daemon.log"} <= files.keys()
    assert len(seen["commands"]) > 5000
    assert b'"level": "warning"' in files["mirror/daemon.log"]
    assert [name for name, data in (files | seen).items() if leaked(secrets, data)] == []


def _made_token(cli: Callable[..., Outcome], mirror: SiteMirror) -> str:
    """Make a read token; it is shown this once."""
    made = cli("token", "create", "--name", "gallery", "--scope", "documents", env=mirror.env)
    return max(re.findall(r"\S+", made.out), key=len)


def _commands(cli: Callable[..., Outcome], mirror: SiteMirror) -> Iterator[Outcome]:
    """What an operator looks at, and what goes wrong: another key, an API that is away, nonsense."""
    for words in _COMMANDS:
        yield cli(*words, env=mirror.env)
    yield cli("--debug", "documents", "list", env=mirror.env | {"IPSYNC_STATE_KEY": "ff" * 32})
    yield cli("--debug", "sync", env=mirror.env | {"IPSYNC_API_SECRET": mirror.site.simulator.secret + "x"})
    mirror.site.fault("html", ["*"], count=3)
    yield cli("--debug", "sync", env=mirror.env)
    mirror.site.heal()


def _lived(site: LiveSite, mirror: SiteMirror, read_token: str, secrets: list[str]) -> bytes:
    """A daemon's life: pages, the API, guesses, an operator who signs in, an ipernity that fails. Every answer."""
    with DaemonProcess(mirror) as daemon:
        visitor = _Visitor(daemon.address)
        for page in _PAGES:
            visitor.get(page)
        for path in _API:
            for token in (ADMIN_TOKEN, read_token, ADMIN_TOKEN[:-1], site.simulator.secret):
                visitor.get(path, {"Authorization": f"Bearer {token}"})
        for secret in secrets:
            # Where no secret belongs: an address.
            visitor.get(f"/v1/documents?token={urllib.parse.quote(secret)}&cursor={urllib.parse.quote(secret)}")
            visitor.get(f"/{urllib.parse.quote(secret)}")
        visitor.sign_in(ADMIN_TOKEN[:-1])
        visitor.sign_in(ADMIN_TOKEN)
        visitor.get("/status")
        assert b"/status/sign-out" in visitor.seen[-1]
        site.fault("http_status", ["*"], seconds=60, value=503)
        wait_for(lambda: any(record["level"] != "info" for record in daemon.records()), "something was worth a warning")
        site.heal()
        assert daemon.stop() == 0
    return b"\n".join(visitor.seen)


class _Visitor:
    """A browser that remembers every answer, headers and all."""

    def __init__(self, address: str) -> None:
        self.seen: list[bytes] = []
        self._address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def get(self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> bytes:
        """Ask, or send a form."""
        request = urllib.request.Request(f"{self._address}{path}", body, dict(headers or {}))
        try:
            with self._opener.open(request, timeout=10) as answer:
                head, content = answer.headers, answer.read()
        except urllib.error.HTTPError as refusal:
            head, content = refusal.headers, refusal.read()
        self.seen.append(str(head).encode() + content)
        return self.seen[-1]

    def sign_in(self, token: str) -> None:
        """Fill in the operator's form."""
        page = self.get("/status/sign-in").decode()
        fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page))
        assert fields
        body = urllib.parse.urlencode(fields | {"token": token}).encode()
        self.get("/status/sign-in", {"Origin": self._address}, body)
