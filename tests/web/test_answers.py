"""An answer that is written once for all: the same, header by header, as one that is made for a single reader."""

import asyncio
from dataclasses import replace
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest

from ipsync.policy.instants import DAY
from ipsync.policy.lease import Lease
from ipsync.web.answers import WrittenAnswer
from ipsync.web.documents import SHOWCASE
from ipsync.web.headers import head_of
from tests.web.conftest import ADMIN, serving
from tests.web.test_connections import line, received

ONE = f"GET /v1/documents/5 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n"


async def test_it_says_what_an_answer_of_ones_own_says(shown):
    for public_url in ("", "https://mirror.example.org"):
        async with serving(shown, public_url=public_url) as client:
            shared, own = await client.get("/v1/documents/5"), await client.get("/v1/documents/5", method="HEAD")
            closing = await client.get("/v1/documents/5", Connection="close")
        alike = {name.lower(): value for name, value in shared.headers.items() if name != "Date"}
        assert alike == {name.lower(): value for name, value in own.headers.items() if name != "Date"}
        assert ("strict-transport-security" in alike) is bool(public_url)
        assert closing.body == shared.body
        assert own.body == b""


async def test_its_date_is_of_the_wall_clock_and_goes_on(shown, client):
    """The lease clock may run ahead of it (F7); HEAD and GET shall not differ."""
    dates = []
    for _ in range(2):
        shared, own = await client.get("/v1/documents/5"), await client.get("/v1/documents/5", method="HEAD")
        of_shared, of_own = (parsedate_to_datetime(answer.headers["Date"]) for answer in (shared, own))
        assert abs((of_own - of_shared).total_seconds()) <= 2
        dates.append(of_shared)
        await asyncio.sleep(1.1)
    assert dates[0] < dates[1]


async def test_all_are_given_one_answer_until_something_changes(shown, client):
    showcase = client.server._app[SHOWCASE]
    first = (await client.get("/v1/documents/5")).json()
    written = showcase._told[5].answer
    await client.get("/v1/documents/5")
    assert showcase._told[5].answer is written
    shown.rules = replace(shown.rules, lease=Lease(DAY // 2))
    changed = (await client.get("/v1/documents/5")).json()
    assert changed["serve_until"] < first["serve_until"]
    assert showcase._told[5].answer is not written


class SlowWriter:
    """The writer of a connection whose reader takes nothing yet."""

    def __init__(self):
        self.written = b""
        self.taken = asyncio.Event()

    async def write(self, chunk):
        self.written += chunk

    async def drain(self):
        await self.taken.wait()


async def test_it_waits_for_a_slow_reader():
    """So that a connection is seen to be answering, and cut when that takes too long (F23)."""
    writer = SlowWriter()
    answer = WrittenAnswer({"a": 1}, {}, is_encrypted=False)
    sending = asyncio.create_task(answer.prepare(SimpleNamespace(writer=writer)))
    await asyncio.sleep(0.01)
    assert writer.written.endswith(b'{"a":1}')
    assert not sending.done()
    writer.taken.set()
    await sending


async def test_many_on_one_connection_get_each_their_own(shown, client):
    await shown.document(6, title="Morning")
    asked = "".join(ONE.replace("/5", f"/{number}") + "\r\n" for number in (5, 6, 5, 6))
    async with line(client, (asked + ONE + "Connection: close\r\n\r\n").encode()) as plain:
        found = await received(plain)
    answers = found.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [b'"title":"Morning"' in answer for answer in answers] == [False, True, False, True, False]
    assert b"Connection: close" in answers[-1]
    assert not any(b"Connection: " in answer for answer in answers[:-1])


async def test_http_1_0_is_answered_and_closed(shown, client):
    async with line(client, ONE.replace("/1.1", "/1.0").encode() + b"\r\n") as plain:
        found = await received(plain)
    assert found.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b'"document_id":"5"' in found


async def test_http_1_0_that_wants_to_go_on_is_told_so(shown, client):
    asked = ONE.replace("/1.1", "/1.0") + "Connection: keep-alive\r\n\r\n"
    async with line(client, asked.encode()) as plain:
        found = await asyncio.get_running_loop().sock_recv(plain, 1 << 16)
    assert found.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"\r\nConnection: keep-alive\r\n" in found


async def test_who_has_it_already_is_not_sent_it_again(shown, client):
    tag = (await client.get("/v1/documents/5")).headers["ETag"]
    again = await client.get("/v1/documents/5", If_None_Match=tag)
    assert (again.status, again.body) == (304, b"")
    assert (await client.get("/v1/documents/5", If_None_Match='"another"')).status == 200


@pytest.mark.parametrize("hostile", ["a\r\nSet-Cookie: b", "a\nb", "a\x00b", "a\x7f"])
def test_no_header_becomes_two(hostile):
    assert (
        head_of("200 OK", {"Link": "<x>; rel=license", "X": "y\tz"})
        == b"HTTP/1.1 200 OK\r\nLink: <x>; rel=license\r\nX: y\tz\r\n"
    )
    with pytest.raises(ValueError, match="control character"):
        head_of("200 OK", {"Link": hostile})
    with pytest.raises(ValueError, match="control character"):
        head_of("200 OK", {hostile: "x"})
