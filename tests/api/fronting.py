"""A real nginx in front of the real server, with the configuration that docs/how-to/nginx-in-front.md tells."""

import contextlib
import http.client
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from ipsync.web import Accel
from tests.api.serving import CASED, CONTENT, reachable
from tests.web.media_cases import CASES, Case

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "nginx-in-front.md"
_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile 4096;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    types {{ }}
    default_type application/octet-stream;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port};
        server_name _;
{upstream}
        location /_bare/ {{ alias {content}/; }}
{internal}
    }}
}}
"""


def nginx() -> str | None:
    """The program, or None where it is not installed."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


def told_blocks(address: str, content: Path) -> tuple[str, str]:
    """The two locations as the page tells them, for this server and this folder."""
    blocks = re.findall(r"^```nginx\n(.*?)^```", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    upstream = re.search(r"^    location / \{.*?^    \}", blocks[0], re.MULTILINE | re.DOTALL)
    assert upstream is not None
    return (
        upstream[0].replace("http://127.0.0.1:8480", address),
        blocks[1].replace("/var/lib/ipsync/content/", f"{content}/"),
    )


@contextmanager
def fronted(folder: Path, address: str, content: Path) -> Iterator[str]:
    """Run nginx in front of the server at `address`; gives nginx's own address."""
    program = nginx()
    assert program is not None
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    upstream, internal = told_blocks(address, content)
    file = folder / "nginx.conf"
    file.write_text(
        _CONFIGURATION.format(folder=folder, port=port, upstream=upstream, internal=internal, content=content)
    )
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")])
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "nginx ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("nginx does not listen")


def misanswered(folder: Path) -> list[str]:
    """Put every case of ranges and conditions to nginx in front of the real server; gives what was answered wrongly."""
    wrong: list[str] = []
    accel = Accel("X-Accel-Redirect", "/_content/")
    with reachable(folder, accel=accel) as api, fronted(folder, api.address, folder / "content") as address:
        front = Front(address, api.token)
        first = front.ask("GET", {})
        tag = first.headers["ETag"]
        for case in CASES:
            headers = {name: value.replace("TAG", tag) for name, value in case.headers.items()}
            answer = front.ask(case.method, headers)
            wrong += [f"{case.name}: {words}" for words in _wrong(case, answer, tag)]
        wrong += [
            f"{path} is open"
            for path in ("/_content/9/6000/240", "/_content/../ipsync.db", "/_content/")
            if front.ask("GET", {}, path).status not in (400, 404)
        ]
        unknown = Front(address, "nobody").ask("GET", {})
        wrong += [] if unknown.status == 401 else [f"without a token: {unknown.status}"]
    return wrong


def _wrong(case: Case, answer: "Told", tag: str) -> Iterator[str]:
    if case.alone and answer.status in (200, 206, 416):
        return  # a server in front answers these in its own right way
    if answer.status != case.status:
        yield f"{answer.status} instead of {case.status}"
    if case.status == 206 and case.part is not None and answer.body != CONTENT[case.part[0] : case.part[1] + 1]:
        yield "another part"
    if case.status == 200 and case.method == "GET" and answer.body != CONTENT:
        yield "not the whole file"
    if case.status in (200, 206, 304):
        for name, told in (("ETag", tag), ("Cache-Control", "private, max-age=300")):
            if answer.headers.get(name) != told:
                yield f"{name} is {answer.headers.get(name)}"
        if 'rel="license"' not in (answer.headers.get("Link") or ""):
            yield "no license"
    if "X-Accel-Redirect" in answer.headers:
        yield "the inner path got out"


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    headers: Message
    body: bytes


class Front:
    """A reader of the cases' file."""

    def __init__(self, address: str, token: str) -> None:
        self._host = address.removeprefix("http://")
        self._token = token

    def ask(self, method: str, headers: Mapping[str, str], path: str = f"/media/{CASED}/240") -> Told:
        """Ask once."""
        with contextlib.closing(http.client.HTTPConnection(self._host, timeout=10)) as connection:
            connection.request(method, path, headers={"Authorization": f"Bearer {self._token}", **headers})
            answer = connection.getresponse()
            return Told(answer.status, answer.headers, answer.read())
