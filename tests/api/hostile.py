"""What nobody polite sends, and what it must get: a short clear answer, and nothing of its own back.

`crowd` opens as many connections as the machine lets it: those beyond the limit are told to come back, and afterwards
everybody is served as before.
"""

import contextlib
import json
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.api.serving import Reachable

CANARY = "canary9f3a"
_HEALTHY = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
_LONGEST_ANSWER_BYTES = 4096
_SPARE_DESCRIPTORS = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """One request.

    Attributes:
        content: what is sent; TOKEN stands for a valid one.
        answers: the statuses that are right; 0 for a connection that is closed without a word.
    """

    name: str
    content: bytes
    answers: tuple[int, ...]


def _get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: h", "Authorization: Bearer TOKEN", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _plain(line: str, header: str) -> bytes:
    return f"{line} HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n".encode()


_PATHS = (
    f"/media/1/240.{CANARY}", f"/media/1/240/{CANARY}", "/media/1/240%00.jpg", "/media/1/240%2f..%2foriginal",
    "/media/1/..%2f..%2fipsync.db", "/media/../ipsync.db", "/media/1/../../content/8/1/240", "/media//1/240",
    "/media/01/240", "/media/-1/240", "/media/1e1/240", "/media/%31/%2e%2e", "/media/1/240;x", "/media/1/ORIGINAL",
    f"/media/1/240?{CANARY}", "/media/99999999999999999999/240", "/v1/documents/1%20", "/v1/documents/1.json",
    f"/v1/documents/{CANARY}", "/v1/documents/١", "/v1/documents/0x1", "/v1//documents", "/V1/documents",
    "/static/../../etc/passwd", "/static/%2e%2e/%2e%2e/app.py", "/static/..%5c..%5capp.py", "/.git/config",
)  # fmt: skip
_QUERIES = (
    f"account={CANARY}", "account=-1", "account=1&account=2", "account=١", "account=9" + "9" * 30, "limit=51",
    "limit=0", "limit=1e1", "limit=%00", "limit=" + "9" * 1000, f"cursor={CANARY}", "cursor=" + "A" * 3000,
    "cursor=%ff%fe", f"{CANARY}=1", "account[]=1", "limit=1;limit=2",
)  # fmt: skip
_RANGES = (
    "bytes=5-1", "bytes=--1", "bytes=0-0," * 300 + "0-1", "bytes=" + "9" * 400 + "-", "bytes=0x0-0x9", "BYTES=0-1",
    "bytes=0-99999999999999999999999", f"{CANARY}=0-1", "bytes 0-1", "bytes=\t0 - 1",
)  # fmt: skip

SENT = (
    *(Sent(f"path {path[:40]}", _get(path), (404, 400)) for path in _PATHS),
    *(Sent(f"query {query[:30]}", _get(f"/v1/documents?{query}"), (400,)) for query in _QUERIES),
    *(Sent(f"range {text[:30]}", _get("/media/1/240", f"Range: {text}"), (200, 416)) for text in _RANGES),
    Sent("a line of 1 MB", _get("/" + "a" * 1_000_000), (400, 0)),
    Sent("a header of 1 MB", _get("/v1/documents", f"X-{CANARY}: " + "a" * 1_000_000), (400, 0)),
    Sent("5,000 headers", _get("/v1/documents", *(f"X-{number}: {CANARY}" for number in range(5000))), (400, 0)),
    Sent("a token of 1 MB", _get("/v1/documents", "Authorization: Bearer " + "a" * 1_000_000), (400, 0)),
    Sent("two tokens", _get("/v1/documents", "Authorization: Bearer x"), (200, 400, 401)),
    Sent("a header that folds", _get("/v1/documents", "X-A: b\r\n c: d"), (200, 400)),
    Sent("a header without a name", _get("/v1/documents", ": x"), (400,)),
    Sent("a header with a zero", _get("/v1/documents", f"X-A: {CANARY}\0"), (400,)),
    Sent("two lengths", _get("/v1/documents", "Content-Length: 1", "Content-Length: 2"), (400,)),
    Sent("length and chunks", _get("/v1/documents", "Content-Length: 5", "Transfer-Encoding: chunked"), (400,)),
    Sent("a length below nothing", _get("/v1/documents", "Content-Length: -1"), (400,)),
    Sent("no method", b"/v1/documents HTTP/1.1\r\nHost: h\r\n\r\n", (400,)),
    Sent("another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY.encode(), (400, 0)),
    Sent("a proxy's request", _get(f"http://{CANARY}.example/v1/documents"), (200, 400, 404)),
    Sent(
        "a tunnel",
        _plain(f"CONNECT {CANARY}.example:443", "Host: h"),
        (400, 404, 405),
    ),
    Sent("an upgrade", _get("/v1/documents", "Connection: Upgrade", "Upgrade: websocket"), (200, 400)),
    Sent("HTTP/2 by prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 404, 405, 505, 0)),
    Sent(
        "a host of its own",
        _plain("GET /v1/documents", f"Host: {CANARY}"),
        (401,),
    ),
    Sent("no host", b"GET /v1/documents HTTP/1.1\r\n\r\n", (400, 401)),
    Sent("another method", _plain(f"{CANARY.upper()} /v1/documents", "Host: h"), (400, 405)),
)
"""The corpus."""


def misanswered(api: Reachable) -> list[str]:
    """Send all of it; gives what was answered wrongly."""
    return [f"{sent.name}: {words}" for sent in SENT for words in _try(api, sent)]


def _try(api: Reachable, sent: Sent) -> Iterator[str]:
    answer = _send(api.address, sent.content.replace(b"TOKEN", api.token.encode(), 1))
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head[9:12]) if head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) else 0
    if status not in sent.answers:
        yield f"{status} instead of {' or '.join(map(str, sent.answers))}"
    if CANARY.encode() in answer.lower():
        yield "what was sent came back"
    if status >= 400 and len(body) > _LONGEST_ANSWER_BYTES:
        yield f"{len(body)} bytes of excuse"
    if status and not re.search(rb"\r\nX-Content-Type-Options: nosniff", head):
        yield "an answer without its protection"
    if not _send(api.address, b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    ):
        yield "nobody is served any more"


def _send(address: str, content: bytes) -> bytes:
    host, _, port = address.removeprefix("http://").rpartition(":")
    received = b""
    with contextlib.closing(socket.create_connection((host, int(port)), 10)) as connection:
        connection.settimeout(3)
        with contextlib.suppress(OSError):  # whoever answers early need not read to the end
            connection.sendall(content)
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                received += piece
    return received


@dataclass(frozen=True, slots=True)
class Crowded:
    """What became of many connections at once.

    Attributes:
        opened: how many there were at the same time.
        answered: how many got 200.
        put_off: how many got 503 with Retry-After.
        dropped: how many got nothing.
        seconds: until all of them knew.
        after_seconds: how long the first reader afterwards waited.
    """

    opened: int
    answered: int
    put_off: int
    dropped: int
    seconds: float
    after_seconds: float


def crowd(api: Reachable, wanted: int) -> Crowded:
    """Open `wanted` connections at once, or as many as descriptors allow, each with one question; hold them all."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(wanted, soft - _SPARE_DESCRIPTORS)
    words = [sys.executable, str(Path(__file__).with_name("holding.py")), api.address, str(most)]
    told = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=300).stdout)
    began = time.monotonic()
    while not _send(api.address, b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    ):
        time.sleep(0.05)
    return Crowded(**told, after_seconds=time.monotonic() - began)
