"""Slow, silent, many and malformed: none of them keeps others out, and stopping is orderly (F23)."""

import asyncio
import io
import json
import re
import resource
import socket
import time
from contextlib import asynccontextmanager

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.telemetry import configure_logging
from ipsync.web import Limits, WebServer
from tests.web.conftest import ADMIN, JPEG, eventually, serving

QUICK = Limits(connections=400, head_seconds=0.6, idle_seconds=0.6, write_seconds=0.6, lingering_seconds=0.3)
GET = f"GET /media/5/240 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n".encode()


@asynccontextmanager
async def line(client, first=b"", receive_buffer=None):
    """A bare connection."""
    plain = socket.socket()
    plain.setblocking(False)
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plain, ("127.0.0.1", client.port))
    if first:
        await loop.sock_sendall(plain, first)
    try:
        yield plain
    finally:
        plain.close()


async def received(plain, seconds=5.0):
    """Everything until the other side ends it."""
    loop = asyncio.get_running_loop()
    found = b""
    async with asyncio.timeout(seconds):
        try:
            while chunk := await loop.sock_recv(plain, 1 << 16):
                found += chunk
        except ConnectionError:
            pass
    return found


async def trickle(plain, text):
    for byte in text:
        await asyncio.get_running_loop().sock_sendall(plain, bytes([byte]))
        await asyncio.sleep(0.05)


async def flood(plain):
    while True:
        await asyncio.get_running_loop().sock_sendall(plain, bytes(1 << 20))


async def test_F23_a_head_that_never_ends_is_cut(shown):
    async with serving(shown, QUICK) as client, line(client) as plain:
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            await trickle(plain, GET * 10)
        assert time.monotonic() - began < 20
        await eventually(lambda: client.server.connections == 0)


async def test_F23_a_connection_that_says_nothing_is_cut(shown):
    async with serving(shown, QUICK) as client, line(client) as plain:
        assert await received(plain, 4) == b""


async def test_F23_a_second_head_that_never_ends_is_cut(shown):
    async with serving(shown, QUICK) as client, line(client, GET + GET[:40]) as plain:
        began = time.monotonic()
        found = await received(plain, 3)
        assert found.startswith(b"HTTP/1.1 200 ")
        assert found.endswith(JPEG)
        assert time.monotonic() - began < 20


async def test_F23_hundreds_of_slow_heads_keep_nobody_out_and_end(shown):
    async with serving(shown, QUICK) as client:
        slow = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(300)]
        for plain in slow:
            plain.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ")
        await eventually(lambda: client.server.connections == 300)
        assert (await client.get("/media/5/240")).body == JPEG
        await eventually(lambda: client.server.connections <= 1, 3)
        for plain in slow:
            plain.close()


async def test_F23_beyond_the_limit_the_door_is_closed_politely_and_opens_again(shown):
    limits = Limits(connections=3)
    async with serving(shown, limits) as client:
        async with line(client), line(client), line(client):
            await eventually(lambda: client.server.connections == 3)
            async with line(client, GET) as fourth:
                found = await received(fourth)
                assert found.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
                assert b"\r\nX-Content-Type-Options: nosniff\r\n" in found
                assert found.endswith(b"\r\n\r\n")
        await eventually(lambda: client.server.connections == 0)
        assert (await client.get("/media/5/240")).status == 200


async def test_F23_a_reader_who_does_not_read_is_cut(world):
    await world.account()
    documents = [world.made(number, title="x" * 400_000) for number in range(1, 51)]
    await world.catalog.write(lambda tx: tx.add_documents(documents))
    request = GET.replace(b"/media/5/240", b"/v1/documents")
    async with serving(world, QUICK) as client, line(client, request, receive_buffer=4096):
        await eventually(lambda: client.server.connections == 1)
        await eventually(lambda: client.server.connections == 0, 4)


async def test_F23_a_large_file_is_not_held_up_forever_by_its_reader(shown, monkeypatch):
    monkeypatch.setattr("ipsync.web.sending.PIECE_SECONDS", 0.5)
    await shown.file(5, "original", JPEG * 2000)
    request = GET.replace(b"240", b"original")
    async with serving(shown) as client, line(client, request, receive_buffer=4096):
        await eventually(lambda: client.server.connections == 1)
        await eventually(lambda: client.server.connections == 0, 4)


async def test_a_quick_reader_of_a_large_answer_is_not_cut(shown):
    await shown.file(5, "original", JPEG * 2000)
    async with serving(shown, QUICK) as client:
        for _ in range(3):
            assert len((await client.get("/media/5/original")).body) == len(JPEG) * 2000


@pytest.mark.parametrize(
    "head",
    [
        b"POST /privacy HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
        b"GET /privacy HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
        b"GET /privacy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /privacy HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n",
    ],
)
async def test_F23_a_body_nobody_asked_for_is_not_waited_for(shown, head):
    async with serving(shown, QUICK) as client, line(client, head + b"5\r\nxxxxx\r\n") as plain:
        began = time.monotonic()
        found = await received(plain, 4)
        assert found.startswith((b"HTTP/1.1 405 ", b"HTTP/1.1 200 ", b"HTTP/1.1 100 "))
        assert time.monotonic() - began < 20


async def test_F22_an_endless_body_fills_no_memory(shown):
    head = b"GET /privacy HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(shown, QUICK) as client, line(client, head) as plain:
        with pytest.raises((ConnectionError, TimeoutError)):
            await asyncio.wait_for(flood(plain), 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kilobytes


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00 <script>canary</script>\r\n\r\n",
        b"canary\r\n\r\n",
        b"GET / HTTP/9.9\r\ncanary: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\ncanary\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: canary\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"c" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"c" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: canary\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00canary\r\n\r\n",
    ],
)
async def test_F33_a_malformed_request_is_answered_without_repeating_it(shown, client, request_bytes):
    async with line(client, request_bytes) as plain:
        found = await received(plain)
    head, _, body = found.partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1\.[01] 400 ", head)
    assert body == b'{"error":{"code":"bad-request","message":"The request is not well formed."}}'
    assert b"canary" not in found
    assert b"Content-Security-Policy: default-src 'none'" in head
    assert b"Server: ipsync" in head


async def test_what_cannot_be_read_is_one_line_a_minute_without_a_word_of_it(shown, client):
    log = io.StringIO()
    undo = configure_logging("info", "json", (), log)
    try:
        for _ in range(3):
            async with line(client, b"canary\r\n\r\n") as plain:
                await received(plain)
    finally:
        undo()
    records = [json.loads(text) for text in log.getvalue().splitlines()]
    assert [record["kind"] for record in records if record["event"] == "web.refused"] == ["bad-request"]
    assert "canary" not in log.getvalue()


async def test_https_is_promised_in_answers_to_nobody_too(shown):
    promise = b"Strict-Transport-Security: max-age=31536000"
    async with serving(shown, Limits(connections=1), public_url="https://mirror.example.org") as client:
        async with line(client):
            await eventually(lambda: client.server.connections == 1)
            async with line(client) as crowded:
                found = await received(crowded)
                assert found.startswith(b"HTTP/1.1 503 ")
                assert promise in found
        await eventually(lambda: client.server.connections == 0)
        async with line(client, b"canary\r\n\r\n") as malformed:
            found = await received(malformed)
            assert b" 400 " in found.partition(b"\r\n")[0]
            assert promise in found


async def test_requests_in_one_go_are_answered_in_order(shown, client):
    health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = health.replace(b"Host: x", b"Host: x\r\nConnection: close")
    async with line(client, GET + health + GET + last) as plain:
        found = await received(plain)
    assert found.count(JPEG) == 2
    assert found.count(b'{"status":"ok"}') == 2
    assert found.index(JPEG) < found.index(b'{"status":"ok"}') < found.rindex(JPEG)


async def test_http_1_0_is_answered_and_closed(shown, client):
    async with line(client, GET.replace(b"HTTP/1.1", b"HTTP/1.0")) as plain:
        found = await received(plain)
    assert found.startswith(b"HTTP/1.0 200 ")
    assert found.endswith(JPEG)


# Stopping


async def test_stopping_lets_an_answer_finish_and_listens_no_more(shown):
    async with serving(shown) as client:
        release = asyncio.Event()
        reading = shown.catalog.read

        async def slow(work):
            await release.wait()
            return await reading(work)

        shown.catalog.read = slow
        answer = asyncio.create_task(client.get("/media/5/240"))
        async with line(client) as idle:
            await eventually(lambda: client.server.connections == 2)
            stopping = asyncio.create_task(client.server.stop(5))
            await asyncio.sleep(0.1)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", client.port)
            assert not stopping.done()
            release.set()
            assert (await answer).body == JPEG
            await stopping
            assert await received(idle) == b""
        assert client.server.connections == 0


async def test_stopping_cuts_what_takes_too_long(shown):
    await shown.file(5, "original", JPEG * 2000)
    async with serving(shown) as client, line(client, GET.replace(b"240", b"original"), receive_buffer=4096):
        await eventually(lambda: client.server.connections == 1)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await client.server.stop(0.3)
        assert time.monotonic() - began < 20
        assert client.server.connections == 0


async def test_a_server_can_be_stopped_before_it_started_and_twice(shown):
    async with serving(shown) as client:
        await client.server.stop()
        await client.server.stop()


async def test_a_port_that_is_taken_is_said_to_be_so(shown):
    async with serving(shown) as client:
        second = WebServer(shown.parts())
        with pytest.raises(OSError, match="address already in use"):
            await second.start("127.0.0.1", client.port)
        await second.stop()


async def test_ipv6_is_served_too(shown):
    server = WebServer(shown.parts())
    address = await server.start("::1", 0)
    assert address.startswith("http://[::1]:")
    await server.stop(0)


async def test_nothing_is_shown_while_an_account_is_in_doubt_even_on_an_open_connection(shown, client):
    assert (await client.get("/media/5/240")).status == 200
    await shown.account(state=AccountState.DOUBTED)
    assert (await client.get("/media/5/240")).status == 404
