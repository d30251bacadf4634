"""The client on a socket that answers anything: limits, refusals, secrets (F10, F20, F21, F22, F32, F35)."""

import asyncio
import gzip
import ipaddress
import json
import logging
import ssl
import time
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ipsync.ipernity import transport
from ipsync.ipernity.client import IpernitySource
from ipsync.ipernity.gate import BudgetGate
from ipsync.ipernity.transport import Transport
from ipsync.policy.budget import BudgetState, Caps
from ipsync.policy.documents import Visibility
from ipsync.policy.instants import SECOND, Instant
from ipsync.ports.source import Gone, GrantLost, Lane, Later, Malformed, QuotaReached, SourceFailure
from ipsync.simulator import Simulator
from tests.fakes.budget import FakeBudgetBook
from tests.fakes.clock import FakeClock

KEY, SECRET, TOKEN = "canary-key-1", "canary-secret-2", "canary-token-3"
THEIRS = "canary-upstream-4"
AGENT = "test-application ipsync/1.0 (tests; mail@example.org)"
WIDE = Caps(per_second=1000, per_minute=10_000, per_hour=100_000, per_day=1_000_000)
EMPTY = b'{"api":{"status":"ok"},"docs":{"total":"0","page":"1","pages":"0"}}'

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A loopback server that reads requests and writes whatever a test wants."""

    answering: Answering | None = None
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    serving: set["asyncio.Task[None]"] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append((first, headers, body))
                assert self.answering is not None
                await self.answering(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


def plain(body: bytes, status: str = "200 OK", *headers: str) -> Answering:
    """Answer with a whole body."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return answer


def error(code: int) -> Answering:
    return plain(json.dumps({"api": {"status": "error", "code": str(code), "message": THEIRS}}).encode())


@asynccontextmanager
async def listening(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/api"
    try:
        yield server
    finally:
        listener.close()
        for task in server.serving:
            task.cancel()
        await asyncio.gather(*server.serving, return_exceptions=True)
        await listener.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening(Server()) as server:
        yield server


class Watched:
    """A source with everything around it that a test looks at."""

    def __init__(self, url: str, timeout_seconds: float = 5, caps: Caps = WIDE) -> None:
        self.clock = FakeClock(auto=True)
        self.book = FakeBudgetBook()
        self.gate = BudgetGate(self.book, caps, self.clock)
        self.observed: list[tuple[str, str]] = []
        self.source = IpernitySource(
            api_url=url,
            authorize_url="https://www.ipernity.com/apps/authorize",
            api_key=KEY,
            api_secret=SECRET,
            user_agent=AGENT,
            timeout_seconds=timeout_seconds,
            gate=self.gate,
            clock=self.clock,
            observe=lambda method, outcome, seconds: self.observed.append((method, outcome)),
        )

    async def list_page(self) -> object:
        return await self.source.list_page(7, TOKEN, Visibility.PUBLIC, 1, ("240",), Lane.VERIFICATION)

    async def close(self) -> None:
        await self.source.close()
        await self.gate.close()


@pytest.fixture
async def watched(server: Server) -> AsyncIterator[Watched]:
    watched = Watched(server.url)
    yield watched
    await watched.close()


# how it asks


async def test_T02_F35_a_call_is_a_signed_form_and_its_address_holds_no_secret(
    server: Server, watched: Watched
) -> None:
    server.answering = plain(EMPTY)
    await watched.list_page()
    ((first, headers, body),) = server.requests
    assert first == "POST /api/doc.getList/json HTTP/1.1"
    form = parse_qs(body.decode())
    assert set(form) == {
        "api_key", "auth_token", "api_sig", "user_id", "share", "page", "per_page", "extra", "thumbsize",
    }  # fmt: skip
    assert (form["per_page"], form["share"], form["user_id"]) == (["100"], ["4"], ["7"])
    assert headers["user-agent"] == AGENT
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["accept-encoding"] == "gzip, deflate"
    assert "cookie" not in headers
    assert SECRET not in f"{first}{headers}{body!r}"


async def test_connections_are_used_again(server: Server, watched: Watched) -> None:
    server.answering = plain(EMPTY)
    for _ in range(5):
        await watched.list_page()
    assert (len(server.requests), server.connections) == (5, 1)


async def test_no_connection_before_the_first_request_and_closing_twice_is_fine(server: Server) -> None:
    watched = Watched(server.url)
    await watched.close()
    await watched.close()
    assert server.connections == 0


async def test_a_slash_at_the_end_of_the_address_does_not_matter(server: Server) -> None:
    server.answering = plain(EMPTY)
    watched = Watched(server.url + "/")
    await watched.list_page()
    assert server.requests[0][0].startswith("POST /api/doc.getList/json ")
    await watched.close()


async def test_cookies_are_neither_kept_nor_sent(server: Server, watched: Watched) -> None:
    server.answering = plain(EMPTY, "200 OK", "Set-Cookie: session=1; Path=/")
    await watched.list_page()
    await watched.list_page()
    assert "cookie" not in server.requests[1][1]


# what is no answer


@pytest.mark.parametrize(
    ("answering", "kind", "reason"),
    [
        (plain(b"<html>Maintenance</html>", "200 OK", "Content-Type: text/html"), Malformed, "not JSON"),
        (plain(b""), Malformed, "not JSON"),
        (plain(b"<html></html>", "503 Service Unavailable"), Later, "HTTP 503"),
        (plain(EMPTY, "500 Internal Server Error"), Later, "HTTP 500"),
        (plain(EMPTY, "404 Not Found"), Later, "HTTP 404"),
        (plain(b"", "204 No Content"), Later, "HTTP 204"),
        (plain(EMPTY, "206 Partial Content"), Later, "HTTP 206"),
        (plain(b"not gzip", "200 OK", "Content-Encoding: gzip"), Later, "cut"),
        (plain(gzip.compress(EMPTY)[:-20], "200 OK", "Content-Encoding: gzip"), SourceFailure, "JSON|cut"),
    ],
    ids=["html", "empty", "503", "500", "404", "204", "206", "no-gzip", "cut-gzip"],
)
async def test_F10_what_is_no_answer_observes_nothing(
    server: Server, watched: Watched, answering: Answering, kind: type[SourceFailure], reason: str
) -> None:
    server.answering = answering
    with pytest.raises(kind, match=reason):
        await watched.list_page()
    assert (await watched.gate.snapshot()).backoff_step == 0
    server.answering = plain(gzip.compress(EMPTY), "200 OK", "Content-Encoding: gzip")
    await watched.list_page()


async def test_no_redirect_is_followed(server: Server, watched: Watched) -> None:
    for status in ("301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
        server.answering = plain(EMPTY, status, f"Location: {server.url}/elsewhere")
        with pytest.raises(Later, match="HTTP 30"):
            await watched.list_page()
    assert len(server.requests) == 4


async def test_F10_a_body_cut_short_observes_nothing(server: Server, watched: Watched) -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + EMPTY)
        await writer.drain()
        writer.close()

    async def cut_chunk(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(EMPTY), EMPTY))
        await writer.drain()
        writer.close()

    async def nothing(writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def rubbish(writer: asyncio.StreamWriter) -> None:
        writer.write(THEIRS.encode() + b"\r\n\r\n")

    async def endless_head(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000)

    for answering in (cut, cut_chunk, nothing, rubbish, endless_head):
        server.answering = answering
        with pytest.raises(Later) as later:
            await watched.list_page()
        assert THEIRS not in str(later.value)


async def test_F22_a_slow_or_silent_server_is_left_in_time(server: Server) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        for _ in range(2_000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(40)

    watched = Watched(server.url, timeout_seconds=0.15)
    for answering in (slow, silent):
        server.answering = answering
        began = time.monotonic()
        with pytest.raises(Later, match=r"no whole answer within 0.15 s"):
            await watched.list_page()
        assert time.monotonic() - began < 20  # long before the answer is over
    server.answering = plain(EMPTY)
    await watched.list_page()  # the connection was given up with the request
    await watched.close()


def test_F22_no_request_takes_longer_than_a_minute_whatever_is_configured() -> None:
    assert Transport("http://127.0.0.1/api", AGENT, 3600)._timeout.total == 60


async def test_F22_an_endless_body_is_cut_off(server: Server, watched: Watched) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
            sent += 0x100000
            await writer.drain()

    server.answering = endless
    with pytest.raises(Malformed, match="too large"):
        await watched.list_page()
    assert sent < 64 * 1024 * 1024


async def test_F32_a_decompression_bomb_is_cut_off(server: Server, watched: Watched) -> None:
    bomb = gzip.compress(b" " * (1 << 26), 6)
    assert len(bomb) < 1 << 17
    server.answering = plain(bomb, "200 OK", "Content-Encoding: gzip")
    with pytest.raises(Malformed, match="too large"):
        await watched.list_page()
    server.answering = plain(EMPTY)
    await watched.list_page()


async def test_F32_exactly_the_cap_is_still_read(
    server: Server, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER_BYTES", len(EMPTY))
    server.answering = plain(EMPTY)
    await watched.list_page()
    server.answering = plain(EMPTY + b" ")
    with pytest.raises(Malformed, match="too large"):
        await watched.list_page()


# who answers


async def test_F21_no_server_no_name_no_answer() -> None:
    for url in ("http://127.0.0.1:9/api", "http://no-such-host.invalid/api"):
        watched = Watched(url)
        with pytest.raises(Later):
            await watched.list_page()
        assert watched.observed == [("doc.getList", "later")]
        await watched.close()


def certificate(folder: Path, *, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for `name` (a host name or an address): the server's context, and one that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(pem)
    return theirs, ssl.create_default_context(cafile=pem)


@pytest.mark.parametrize(
    ("name", "trusted", "reason"),
    [
        ("127.0.0.1", True, None),
        ("127.0.0.1", False, "certificate is not valid"),
        ("www.ipernity.com", True, "certificate is not valid"),
    ],
    ids=["right", "unknown-issuer", "wrong-host"],
)
async def test_F21_only_a_valid_certificate_is_talked_to(
    tmp_path: Path, name: str, trusted: bool, reason: str | None
) -> None:
    theirs, ours = certificate(tmp_path, name=name)
    async with listening(Server(plain(EMPTY)), theirs) as server:
        asking = Transport(server.url, AGENT, 5, ours if trusted else None)
        if reason is None:
            assert await asking.post("test.hello", {}) == EMPTY
        else:
            with pytest.raises(Later, match=reason):
                await asking.post("test.hello", {"auth_token": TOKEN})
            assert server.requests == []
        await asking.close()


async def test_F21_an_outdated_version_of_tls_is_not_talked(tmp_path: Path) -> None:
    theirs, ours = certificate(tmp_path, name="127.0.0.1")
    _outdate(theirs)
    async with listening(Server(plain(EMPTY)), theirs) as server:
        asking = Transport(server.url, AGENT, 5, ours)
        with pytest.raises(Later, match="no connection"):
            await asking.post("test.hello", {"auth_token": TOKEN})
        assert server.requests == []
        await asking.close()
        # It is the version alone: who still talks it is answered.
        _outdate(ours)
        asking = Transport(server.url, AGENT, 5, ours)
        assert await asking.post("test.hello", {}) == EMPTY
        await asking.close()
    # Where a test gives no context of its own, Python's is used.
    assert ssl.create_default_context().minimum_version >= ssl.TLSVersion.TLSv1_2


def _outdate(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


async def test_F21_there_is_no_falling_back_to_plain_http(server: Server) -> None:
    server.answering = plain(EMPTY)
    watched = Watched(server.url.replace("http:", "https:"), timeout_seconds=0.3)
    with pytest.raises(Later):
        await watched.list_page()
    assert server.requests == []
    await watched.close()


# the gate


@pytest.mark.parametrize("code", [112, 113, 429])
async def test_F20_I6_after_a_refusal_nothing_is_sent(server: Server, watched: Watched, code: int) -> None:
    server.answering = plain(b"", "429 Too Many Requests") if code == 429 else error(code)
    with pytest.raises(QuotaReached):
        await watched.list_page()
    server.answering = error(113)
    assert watched.book.state.backoff_step == 1
    assert watched.book.state.blocked_until > watched.clock.now()
    sent = len(server.requests)
    for _ in range(5):
        with pytest.raises(QuotaReached):
            await watched.source.document(7, TOKEN, 1, Lane.REMOVAL)
    probes = len(server.requests) - sent
    assert probes <= 5
    assert watched.book.state.backoff_step == 1 + probes
    assert ("doc.getList", "quota") in watched.observed


@pytest.mark.parametrize(
    ("answering", "kind", "opens"),
    [
        (error(1), Gone, True),
        (error(107), GrantLost, True),
        (error(500), Later, False),
        (plain(b"<html>"), Malformed, False),
        (plain(b"", "503 Unavailable"), Later, False),
    ],
    ids=["gone", "grant-lost", "500", "html", "503"],
)
async def test_F20_whatever_ipernity_answers_to_a_probe_opens_the_gate_but_silence_does_not(
    server: Server, watched: Watched, answering: Answering, kind: type[SourceFailure], opens: bool
) -> None:
    server.answering = answering
    watched.book.state = BudgetState(backoff_step=1, blocked_until=1, recovered_at=1)
    with pytest.raises(kind):
        await watched.source.document(7, TOKEN, 1, Lane.CONFIRMATION)
    assert (watched.book.state.backoff_step == 0) is opens


class RealClock:
    """The machine's clock, for a test of real seconds."""

    def now(self) -> Instant:
        return time.time_ns() // 1000

    async def sleep(self, duration: int) -> None:
        await asyncio.sleep(duration / SECOND)


async def test_T21_F20_the_cap_per_second_holds_at_the_other_end_of_the_wire() -> None:
    async with Simulator(members=1, documents=5, seed=1, rate_limit="25/s") as simulator:
        clock = RealClock()
        gate = BudgetGate(FakeBudgetBook(), Caps(20, 1000, 10_000, 100_000), clock)  # a busy machine may delay some
        source = IpernitySource(
            api_url=simulator.api_url,
            authorize_url=simulator.authorize_url,
            api_key=simulator.api_key,
            api_secret=simulator.secret,
            user_agent=AGENT,
            timeout_seconds=5,
            gate=gate,
            clock=clock,
        )
        token = simulator.world.state.grant(simulator.members[0], {"doc": "read"}).value
        lanes = [Lane.VERIFICATION, Lane.PROBE, Lane.REMOVAL] * 16
        began = time.monotonic()
        await asyncio.gather(*(source.check_grant(token, lane) for lane in lanes))
        took = time.monotonic() - began
        report = simulator.world.meter.report()
        assert report["rejected"] == {}
        assert report["peak_per_second"] <= 25
        assert took < 30
        await source.close()
        await gate.close()


# secrets


async def test_F35_I9_no_failure_and_no_log_tells_a_secret_or_their_words(
    server: Server, watched: Watched, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)

    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 {THEIRS}\r\nContent-Length: 500\r\nX: {THEIRS}\r\n\r\n{THEIRS}".encode())
        await writer.drain()
        writer.close()

    page = {"total": "1", "page": "1", "pages": "1", "doc": [{"doc_id": THEIRS, "title": THEIRS}]}
    answerings = [
        plain(THEIRS.encode()),
        plain(THEIRS.encode(), f"500 {THEIRS}"),
        plain(b"", "302 Found", f"Location: http://{THEIRS}/"),
        plain(json.dumps({"api": {"status": "ok"}, "docs": page}).encode()),
        plain(json.dumps({"api": {"status": THEIRS}}).encode()),
        cut,
        *(error(code) for code in (1, 2, 100, 101, 105, 107, 108, 109, 110, 111, 120, 500, 777)),
    ]
    told: list[str] = []
    for answering in answerings:
        server.answering = answering
        for calling in (
            watched.list_page(),
            watched.source.document(7, TOKEN, 1, Lane.DETAILS),
            watched.source.exchange("canary-frob-5"),
        ):
            with pytest.raises(SourceFailure) as failure:
                await calling
            told.append(repr(failure.value) + "".join(traceback.format_exception(failure.value)))
    told += [record.getMessage() for record in caplog.records]
    told += [repr(watched.observed), repr(watched.source), repr(vars(watched.source)["_transport"])]
    for canary in (KEY, SECRET, TOKEN, THEIRS, "canary-frob-5"):
        assert not [text for text in told if canary in text]


async def test_every_outcome_is_told_to_the_observer(server: Server, watched: Watched) -> None:
    for answering in (plain(EMPTY), error(107), error(500), plain(b"x"), error(110), error(108), error(101)):
        server.answering = answering
        with suppress(SourceFailure):
            await watched.list_page()
    assert [outcome for _, outcome in watched.observed] == [
        "ok",
        "grant-lost",
        "later",
        "malformed",
        "refused",
        "account-closed",
        "key-refused",
    ]


async def test_a_request_that_is_given_up_leaves_the_client_usable(server: Server, watched: Watched) -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    server.answering = silent
    task = asyncio.create_task(watched.list_page())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.answering = plain(EMPTY)
    await watched.list_page()
