"""`/media`: whole files and ranges, tags, credit, and an end that no reader can put off."""

import asyncio
import errno
import os
import re
import socket
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import pytest

from ipsync.policy.documents import DocumentState, RenditionState
from ipsync.policy.instants import HOUR, MINUTE, SECOND
from ipsync.ports.store import ContentKey
from ipsync.web.documents import SHOWCASE
from ipsync.web.opening import IN_ONE_PIECE_BYTES
from ipsync.web.parts import no_stamp
from tests.fakes.store import MemoryStore
from tests.web.conftest import ADMIN, JPEG, START, eventually, serving

SIZE = len(JPEG)


async def test_a_file_is_served_whole_with_its_own_type_and_a_strong_tag(shown, client):
    answer = await client.get("/media/5/240")
    assert (answer.status, answer.body) == (200, JPEG)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["ETag"])
    assert "Content-Disposition" not in answer.headers


async def test_T08_credit_travels_with_every_file(shown, client):
    for method in ("GET", "HEAD"):
        links = (await client.get("/media/5/240", method=method)).headers["Link"].split(", ")
        assert links == [
            '<https://creativecommons.org/licenses/by/3.0/>; rel="license"',
            '<https://www.ipernity.com/doc/7/5>; rel="canonical"',
            "<https://www.ipernity.com/home/7>; rel=\"author\"; title*=UTF-8''anna",
        ]


async def test_F33_a_long_name_makes_no_long_header(world, client):
    await world.account(name="🌅" * 1000)
    await world.document(5)
    await world.file(5)
    for path in ("/media/5/240", "/v1/documents/5"):
        link = (await client.get(path)).headers["Link"]
        assert len(link) < 2000
        assert unquote(link.rpartition("''")[2]) == "🌅" * 100
    assert (await client.get("/v1/documents/5")).json()["owner"]["name"] == "🌅" * 1000


@pytest.mark.parametrize(
    "name", ["Żółć 🐟", 'a", <https://evil.example>; rel="x', "a\r\nSet-Cookie: x=1", "\x00\x7f\u202e", "n\u0308;,'*%"]
)
async def test_F33_no_name_breaks_out_of_a_header(world, client, name):
    await world.account(name=name)
    await world.document(5)
    await world.file(5)
    answer = await client.get("/media/5/240")
    assert answer.status == 200
    title = re.search(r"title\*=UTF-8''([A-Za-z0-9%._~-]*)$", answer.headers["Link"])
    assert title is not None
    assert unquote(title[1]) == name
    assert "Set-Cookie" not in answer.headers


# Ranges


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        (f"bytes=-{SIZE * 9}", 0, SIZE - 1),
        (f"bytes={SIZE - 1}-{SIZE * 9}", SIZE - 1, SIZE - 1),
        ("bytes= 5-6 ", 5, 6),
    ],
)
async def test_one_range(shown, client, header, first, last):
    answer = await client.get("/media/5/240", Range=header)
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.body == JPEG[first : last + 1]


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,5-6",
        "bytes=6-5",
        "bytes=-",
        "bytes=a-b",
        "items=0-5",
        "bytes=0-5-6",
        "bytes",
        "bytes=+1-2",
        "bytes=٣-",
    ],
)
async def test_other_ranges_get_the_whole_file(shown, client, header):
    answer = await client.get("/media/5/240", Range=header)
    assert (answer.status, answer.body) == (200, JPEG)


@pytest.mark.parametrize(
    "header", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", "bytes=999999999999999999-"]
)
async def test_a_range_beyond_the_end_is_said_to_be_so(shown, client, header):
    answer = await client.get("/media/5/240", Range=header)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


async def test_a_head_tells_everything_and_sends_nothing(shown, client):
    whole = await client.get("/media/5/240")
    answer = await client.get("/media/5/240", method="HEAD", Range="bytes=0-5")
    assert (answer.status, answer.body) == (200, b"")
    assert {**answer.headers, "Date": ""} == {**whole.headers, "Date": ""}


# Conditions


async def test_conditions_follow_the_tag(shown, client):
    tag = (await client.get("/media/5/240")).headers["ETag"]
    for known in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        answer = await client.get("/media/5/240", If_None_Match=known)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag), known
        assert answer.headers["Cache-Control"] == "private, max-age=300"
    for known in ('"other"', "", tag.strip('"')):
        assert (await client.get("/media/5/240", If_None_Match=known)).status == 200
    assert (await client.get("/media/5/240", If_Match=tag)).status == 200
    for wanted in ('"other"', f"W/{tag}"):
        assert (await client.get("/media/5/240", If_Match=wanted)).status == 412


async def test_a_range_of_another_version_is_answered_by_the_whole(shown, client):
    tag = (await client.get("/media/5/240")).headers["ETag"]
    for known, status in ((tag, 206), ('"other"', 200), (f"W/{tag}", 200), ("Sat, 21 Nov 2026 20:00:00 GMT", 200)):
        answer = await client.get("/media/5/240", Range="bytes=0-9", If_Range=known)
        assert answer.status == status, known


async def test_a_new_version_has_another_tag(shown, client):
    before = (await client.get("/media/5/240")).headers["ETag"]
    await shown.file(5, content=JPEG[:-1])
    after = await client.get("/media/5/240", If_None_Match=before)
    assert (after.status, after.body) == (200, JPEG[:-1])


# How long readers may keep it


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (0, "private, max-age=300"),
        (20 * HOUR - 5 * MINUTE, "private, max-age=300"),
        (20 * HOUR - 5 * MINUTE + 1, "private, max-age=299"),
        (20 * HOUR - 2 * SECOND + 1, "private, max-age=1"),
        (20 * HOUR - SECOND + 1, "private, no-store"),
        (20 * HOUR - 1, "private, no-store"),
    ],
)
async def test_F37_nobody_is_told_to_keep_it_beyond_its_lease(shown, client, age, told):
    shown.clock.jump(age)
    assert (await client.get("/media/5/240")).headers["Cache-Control"] == told
    assert (await client.get("/media/5/240", If_None_Match="*")).headers["Cache-Control"] == told


# What is not a file of ours


@pytest.mark.parametrize(
    "path",
    ["5/500", "5/", "5", "5/240/", "5/240.jpg", "5/240/x.css", "5/../5/240", "5/%2e%2e/240", "05/240", "0/240",
     "-5/240", "x/240", "%D9%A5/240", "5/ORIGINAL", "5/240%00", "5/..%2f240", "9" * 19 + "/240",
     "5/240?x=1", "5/incoming"],
)  # fmt: skip
async def test_F30_F37_no_other_path_reaches_a_file(shown, client, path):
    assert (await client.get(f"/media/{path}")).status == 404


@pytest.mark.parametrize("state", sorted(set(RenditionState) - {RenditionState.STORED}))
async def test_only_stored_files_are_served(shown, client, state):
    await shown.catalog.write(lambda tx: tx.set_rendition_state([ContentKey(7, 5, "240")], state))
    assert (await client.get("/media/5/240")).status == 404


def path_of(world, document_id=5):
    return world.store.path(ContentKey(7, document_id, "240"))


@pytest.mark.parametrize("content", [JPEG[:-1], JPEG + b"\0", b""])
async def test_F5_a_file_of_another_size_is_not_served_and_its_damage_is_told(shown, client, content):
    path_of(shown).write_bytes(content)
    for method in ("GET", "HEAD"):
        answer = await client.get("/media/5/240", method=method)
        assert answer.status == 404
        assert JPEG[:100] not in answer.body
    assert shown.damaged == [ContentKey(7, 5, "240")] * 2


@pytest.mark.parametrize("size", [len(JPEG), 3 * IN_ONE_PIECE_BYTES])
async def test_F5_a_file_of_which_one_bit_flipped_is_not_served(shown, client, size):
    content = JPEG + bytes(size - len(JPEG))
    shown.store.erase_files([ContentKey(7, 5, "240")])
    await shown.file(5, content=content)
    path_of(shown).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for headers in ({}, {"Range": "bytes=0-9"}):
        assert (await client.get("/media/5/240", **headers)).status == 404
    assert shown.damaged == [ContentKey(7, 5, "240")] * 2
    path_of(shown).write_bytes(content)
    assert (await client.get("/media/5/240")).body == content


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_T10_no_tag_and_no_range_outlives_the_lease(shown, client, method):
    tag = (await client.get("/media/5/240")).headers["ETag"]
    assert (await client.get("/media/5/240", method=method, If_None_Match=tag)).status == 304
    shown.clock.jump(20 * HOUR)
    for headers in ({}, {"If_None_Match": tag}, {"If_None_Match": "*"}, {"If_Match": tag}, {"Range": "bytes=0-1"}):
        answer = await client.get("/media/5/240", method=method, **headers)
        assert (answer.status, answer.headers.get("ETag")) == (404, None), headers


async def test_F5_a_missing_file_is_told(shown, client):
    path_of(shown).unlink()
    assert (await client.get("/media/5/240")).status == 404
    assert shown.damaged == [ContentKey(7, 5, "240")]


async def test_F30_a_planted_link_is_not_followed(shown, client, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(JPEG)
    path = path_of(shown)
    path.unlink()
    path.symlink_to(secret)
    assert (await client.get("/media/5/240")).status == 404
    assert shown.damaged == [ContentKey(7, 5, "240")]


async def test_an_erasure_in_between_is_no_damage(shown, client):
    """The catalog said yes, then the file was erased: an ordinary race, no alarm."""
    opening = shown.store.open

    def erased_meanwhile(key):
        shown.catalog.write_now(lambda tx: tx.set_rendition_state([key], RenditionState.ERASING))
        shown.store.erase_files([key])
        return opening(key)

    shown.store.open = erased_meanwhile
    assert (await client.get("/media/5/240")).status == 404
    assert shown.damaged == []


# What a browser might run


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "audio/mpeg"])
async def test_media_are_shown_inline(shown, client, kind):
    await shown.file(5, content_type=kind)
    answer = await client.get("/media/5/240")
    assert answer.headers["Content-Type"] == kind
    assert "Content-Disposition" not in answer.headers


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("image/svg+xml", "image/svg+xml"),
        ("text/html", "text/html"),
        ("application/pdf", "application/pdf"),
        ("application/octet-stream", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("text/html\r\nX: y", "application/octet-stream"),
        ("IMAGE/JPEG; x=1", "application/octet-stream"),
    ],
)
async def test_F33_anything_else_is_an_attachment_named_by_numbers(world, client, kind, sent):
    await world.account(name='"><script>')
    await world.document(5, title='evil".svg\r\nX-Injected: 1')
    await world.file(5, "original", content_type=kind)
    answer = await client.get("/media/5/original")
    assert answer.headers["Content-Type"] == sent
    assert answer.headers["Content-Disposition"] == 'attachment; filename="ipernity-5-original"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not any("njected" in name for name in answer.headers)


# Long answers

LARGE = b"\xff\xd8\xff" + os.urandom(1 << 20) * 24


def open_content() -> list[str]:
    """The files of the store that this process holds open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if "/content/7/" in target:
            found.append(target)
    return found


def open_but_unlinked() -> list[str]:
    return [target for target in open_content() if target.endswith("(deleted)")]


@pytest.fixture
async def large(shown):
    await shown.file(5, "original", LARGE)
    return shown


async def test_a_large_file_arrives_whole_in_pieces_and_in_ranges(large, client):
    assert (await client.get("/media/5/original")).body == LARGE
    answer = await client.get("/media/5/original", Range="bytes=1000000-20999999")
    assert (answer.status, answer.body) == (206, LARGE[1_000_000:21_000_000])
    # The connection is whole afterwards.
    assert (await client.get("/media/5/240")).body == JPEG


class SlowReader:
    """Asks for a file and reads only when told to."""

    def __init__(self, port, path="/media/5/original", receive_buffer=4096):
        self.port, self.path, self.receive_buffer = port, path, receive_buffer

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.socket.setblocking(False)
        await loop.sock_connect(self.socket, ("127.0.0.1", self.port))
        head = f"GET {self.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(self.socket, head.encode())
        self.received = await loop.sock_recv(self.socket, 2000)
        assert self.received.startswith(b"HTTP/1.1 200"), self.received
        return self

    async def __aexit__(self, *_):
        self.socket.close()

    async def rest(self):
        loop = asyncio.get_running_loop()
        count = 0
        try:
            async with asyncio.timeout(10):
                while chunk := await loop.sock_recv(self.socket, 1 << 16):
                    count += len(chunk)
        except ConnectionError:
            pass
        return count


async def test_F23_an_answer_under_way_is_cut_when_its_lease_ends(large, client, monkeypatch):
    begun = time.monotonic()
    almost = START + 20 * HOUR - SECOND
    monkeypatch.setattr(large.clock, "now", lambda: almost + int((time.monotonic() - begun) * SECOND))
    async with SlowReader(client.port) as reader:
        assert client.server.connections == 1
        await eventually(lambda: client.server.connections == 0)
        assert 0.9 < time.monotonic() - begun < 20
        assert await reader.rest() < len(LARGE)


async def test_F6_an_answer_is_cut_when_the_clock_leaps(large, client):
    async with SlowReader(client.port) as reader:
        large.clock.jump(21 * HOUR)
        await eventually(lambda: client.server.connections == 0)
        assert await reader.rest() < len(LARGE)


async def test_an_answer_whose_lease_is_renewed_goes_on(large, client):
    large.clock.jump(20 * HOUR - SECOND)
    async with SlowReader(client.port, receive_buffer=1 << 16) as reader:
        await large.catalog.write(lambda tx: tx.renew([5], large.clock.now()))
        await asyncio.sleep(1.6)
        assert await reader.rest() + len(reader.received) > len(LARGE)


async def test_F23_no_erased_file_lives_on_behind_a_slow_reader(large, client):
    async with SlowReader(client.port):
        # What the purge does: hidden, then unlinked, then forgotten.
        await large.catalog.write(
            lambda tx: tx.set_rendition_state([ContentKey(7, 5, "original")], RenditionState.ERASING)
        )
        large.store.erase_documents([(7, 5)])
        await large.catalog.write(lambda tx: tx.forget_documents([5]))
        assert open_but_unlinked() != []
        await eventually(lambda: open_but_unlinked() == [])
        await eventually(lambda: client.server.connections == 0)


async def test_F23_a_replaced_version_is_not_sent_to_its_end(large, client):
    async with SlowReader(client.port) as reader:
        await large.file(5, "original", LARGE[:-1])
        await eventually(lambda: client.server.connections == 0)
        assert await reader.rest() < len(LARGE)


async def test_F23_small_files_are_closed_before_they_are_sent(shown, client):
    await shown.file(5, "240", LARGE[: 250 << 10])
    async with SlowReader(client.port, "/media/5/240"):
        assert open_content() == []


async def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(large, client):
    async with SlowReader(client.port) as reader:
        os.truncate(large.store.path(ContentKey(7, 5, "original")), len(LARGE) // 2)
        assert await reader.rest() < len(LARGE)
    await eventually(lambda: client.server.connections == 0)


async def test_other_loops_and_stores_go_through_memory(large, client, monkeypatch):
    async def no_sendfile(*_args, **_kwargs):
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sendfile", no_sendfile)
    assert (await client.get("/media/5/original")).body == LARGE
    answer = await client.get("/media/5/original", Range="bytes=1000000-20999999")
    assert answer.body == LARGE[1_000_000:21_000_000]


@pytest.mark.parametrize("error", [errno.EOPNOTSUPP, errno.EAGAIN, errno.EINVAL])
async def test_where_memory_cannot_be_asked_the_disk_is(shown, client, monkeypatch, error):
    def refused(*_args):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "preadv", refused)
    for _ in range(3):
        assert (await client.get("/media/5/240")).body == JPEG
    assert shown.damaged == []


async def test_a_file_read_lately_is_looked_at_again_all_the_same(shown, client):
    for _ in range(2):
        assert (await client.get("/media/5/240")).body == JPEG
    path_of(shown).write_bytes(JPEG[:-1])
    assert (await client.get("/media/5/240")).status == 404
    path_of(shown).unlink()
    assert (await client.get("/media/5/240")).status == 404
    assert shown.damaged == [ContentKey(7, 5, "240")] * 2


async def test_a_store_without_files_serves_too(shown):
    store = MemoryStore()
    for name, content in (("240", JPEG), ("original", LARGE)):
        await shown.file(5, name, content)
        incoming = store.receive(ContentKey(7, 5, name))
        incoming.write(content)
        incoming.keep()
    async with serving(shown, store=store) as client:
        for _ in range(2):
            assert (await client.get("/media/5/240")).body == JPEG
            assert (await client.get("/media/5/original")).body == LARGE


async def test_readers_at_the_same_time_share_readings_of_the_catalog(shown, client):
    readings = 0
    reading = shown.catalog.read

    async def counted(work):
        nonlocal readings
        readings += 1
        return await reading(work)

    for document_id in range(10, 50):
        await shown.document(document_id)
        await shown.file(document_id)
    shown.catalog.read = counted
    answers = await asyncio.gather(*(client.get(f"/media/{number}/240") for number in range(10, 50)))
    assert all(answer.status == 200 for answer in answers)
    assert readings < 40


async def test_what_was_read_is_used_again_until_something_is_committed(shown, client):
    readings = 0
    reading = shown.catalog.read

    async def counted(work):
        nonlocal readings
        readings += 1
        return await reading(work)

    shown.catalog.read = counted
    for _ in range(5):
        assert (await client.get("/media/5/240")).status == 200
    assert readings == 1
    await shown.document(6)
    assert (await client.get("/media/5/240")).status == 200
    assert readings == 2


async def test_I1_a_lease_ends_also_for_what_was_read_before(shown, client):
    assert (await client.get("/media/5/240")).status == 200
    shown.clock.jump(20 * HOUR)
    assert (await client.get("/media/5/240")).status == 404


ROOT = Path(__file__).parents[2]
HIDE_5 = """
import dataclasses, pathlib, sys
from ipsync.catalog import open_catalog
from ipsync.policy.documents import DocumentState
catalog = open_catalog("sqlite:///ipsync.db", pathlib.Path(sys.argv[1]), bytes(32), checkpoints=False)
document = catalog.read_now(lambda view: view.documents([5]))[5]
hidden = dataclasses.replace(document, state=DocumentState.SUSPECT, hidden_at=document.verified_at)
catalog.write_now(lambda tx: tx.update_documents([hidden]))
catalog.close_now()
"""


async def test_a_commit_of_another_process_is_felt_at_once(shown, client, tmp_path):
    assert (await client.get("/media/5/240")).status == 200
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", HIDE_5, str(tmp_path), cwd=ROOT)
    assert await other.wait() == 0
    assert (await client.get("/media/5/240")).status == 404


async def test_erased_words_do_not_wait_in_memory_for_the_next_reader(shown, client):
    await shown.document(6, title="canary-in-memory-6")
    await client.get("/v1/documents/6")
    await shown.catalog.write(lambda tx: tx.forget_documents([6]))
    kept = client.server._app[SHOWCASE]._kept
    await eventually(lambda: not kept)


@pytest.mark.parametrize("stamped", [True, False])
async def test_a_reader_who_asks_after_hiding_never_gets_an_older_answer(shown, stamped):
    """However many ask at once: whoever asks after the hiding was committed is refused."""
    shown.stamp = shown.stamp if stamped else no_stamp
    async with serving(shown) as client:
        document = (await shown.catalog.read(lambda view: view.documents([5])))[5]
        for _ in range(20):
            crowd = [asyncio.create_task(client.get("/media/5/240")) for _ in range(8)]
            await asyncio.sleep(0.001)
            await shown.change(document, hidden_at=START, state=DocumentState.SUSPECT)
            assert (await client.get("/media/5/240")).status == 404
            await shown.catalog.write(lambda tx: tx.update_documents([document]))
            await asyncio.gather(*crowd)
