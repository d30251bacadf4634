"""What a host may do to us: how slowly (F22), how much (F31), how packed (F32), how often it may refuse (F39)."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Self

import pytest

from ipsync.ipernity.media import MAX_BYTES, MediaFetcher, MediaLimits
from ipsync.policy.documents import Media, RemoteFile
from ipsync.policy.instants import HOUR, SECOND
from ipsync.ports.source import Fetched, MediaGone, MediaLater, MediaRejected
from ipsync.ports.store import ContentKey, StoreFull
from tests.fakes.clock import FakeClock
from tests.fakes.media import JPEG, Asked, MediaHost, raw, status, whole
from tests.fakes.media import head as head_of
from tests.fakes.store import MemoryIncoming, MemoryStore

KEY = ContentKey(7, 12, "240")
QUICK = MediaLimits(connect_seconds=0.5, idle_seconds=0.2, total_seconds=0.5)


@pytest.fixture
async def host() -> AsyncIterator[MediaHost]:
    async with MediaHost() as serving:
        yield serving


class Fetching:
    """A fetcher with what it told its observer."""

    def __init__(self, host: MediaHost, limits: MediaLimits = QUICK, bandwidth: int | None = None) -> None:
        self.clock = FakeClock(auto=True)
        self.observed: list[tuple[str, int]] = []
        self.fetcher = MediaFetcher(
            media_hosts=["127.0.0.1"],
            user_agent="tests",
            clock=self.clock,
            bandwidth_bytes_per_second=bandwidth,
            loopback=("127.0.0.1", host.port),
            limits=limits,
            observe=lambda outcome, size_bytes: self.observed.append((outcome, size_bytes)),
        )
        self.host = host

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fetcher.close()

    async def get(
        self,
        path: str,
        sink: MemoryIncoming | None = None,
        rendition: str = "240",
        size_bytes: int | None = None,
        host: str = "127.0.0.1",
    ) -> Fetched:
        file = RemoteFile(rendition, f"http://{host}:{self.host.port}{path}", size_bytes=size_bytes)
        return await self.fetcher.fetch(file, sink if sink is not None else MemoryStore().receive(KEY))


async def test_F33_a_text_instead_of_a_photo_counts_as_rejected_and_its_rest_is_not_fetched(host: MediaHost) -> None:
    host.answers["/1.jpg"] = whole(b"come back later " * 100_000)
    async with Fetching(host) as fetching:
        sink = MemoryStore().receive(KEY)
        file = RemoteFile("original", f"http://127.0.0.1:{host.port}/1.jpg")
        with pytest.raises(MediaRejected, match="no photo"):
            await fetching.fetcher.fetch(file, sink, Media.PHOTO)
        [(outcome, received_bytes)] = fetching.observed
        assert outcome == "rejected"
        assert received_bytes < 1_600_000
        assert sink.received_bytes == 0


# F22: slowness


async def test_F22_a_host_that_drips_is_left_at_the_deadline_and_what_came_is_kept(host: MediaHost) -> None:
    drops = (b"x",) * 1000
    host.answers["/drip"] = raw(head_of(200, Content_Length=6000, ETag='"v"') + JPEG[:2000], *drops, pause_seconds=0.01)
    async with Fetching(host) as fetching:
        sink = MemoryStore().receive(KEY)
        began = time.monotonic()
        with pytest.raises(MediaLater, match="too long"):
            await fetching.get("/drip", sink)
        assert 0.4 < time.monotonic() - began < 15
        assert 2000 <= sink.received_bytes < 3000
        assert fetching.observed == [("later", sink.received_bytes)]


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", head_of(200, Content_Length=100), head_of(200) + JPEG[:100]])
async def test_F22_a_host_that_says_nothing_more_is_left(host: MediaHost, said: bytes) -> None:
    host.answers["/hang"] = raw(said, b"", pause_seconds=30)
    async with Fetching(host) as fetching:
        began = time.monotonic()
        with pytest.raises(MediaLater, match="too long"):
            await fetching.get("/hang")
        assert time.monotonic() - began < 15


async def test_F22_a_connection_that_is_never_made_is_given_up(
    monkeypatch: pytest.MonkeyPatch, host: MediaHost
) -> None:
    async def hung(**_: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", hung)
    async with Fetching(host, MediaLimits(connect_seconds=0.1, total_seconds=5)) as fetching:
        with pytest.raises(MediaLater, match="too long"):
            await fetching.get("/x")


async def test_F22_a_slow_host_frees_its_slot(host: MediaHost) -> None:
    host.answers["/hang"] = raw(b"", b"", pause_seconds=30)
    host.answers["/1.jpg"] = whole(JPEG)
    limits = MediaLimits(connections_per_host=2, idle_seconds=0.2, total_seconds=0.4)
    async with Fetching(host, limits) as fetching:
        hung = [asyncio.create_task(fetching.get("/hang")) for _ in range(4)]
        await asyncio.sleep(0)
        assert (await fetching.get("/1.jpg")).size_bytes == len(JPEG)
        assert [type(found) for found in await asyncio.gather(*hung, return_exceptions=True)] == [MediaLater] * 4


async def test_F22_waiting_for_our_own_bandwidth_is_not_the_hosts_fault(host: MediaHost) -> None:
    content = JPEG * 40
    host.answers["/1.jpg"] = whole(content)
    async with Fetching(host, MediaLimits(total_seconds=2), bandwidth=len(content) // 30) as fetching:
        before = fetching.clock.now()
        assert (await fetching.get("/1.jpg", rendition="original")).size_bytes == len(content)
        assert 25 * SECOND < fetching.clock.now() - before < 31 * SECOND


async def test_a_cancelled_download_frees_its_slot(host: MediaHost) -> None:
    host.answers["/hang"] = raw(head_of(200, Content_Length=9), b"", pause_seconds=30)
    host.answers["/1.jpg"] = whole(JPEG)
    async with Fetching(host, MediaLimits(connections_per_host=1)) as fetching:
        hung = asyncio.create_task(fetching.get("/hang"))
        await asyncio.sleep(0.05)
        hung.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hung
        assert (await fetching.get("/1.jpg")).size_bytes == len(JPEG)


# F31: sizes


def test_F31_the_cap_is_100_mib_and_5_percent() -> None:
    limits = MediaLimits()
    assert MAX_BYTES == 100 * 2**20 * 105 // 100
    assert limits.cap_bytes("original") == limits.cap_bytes("media") == MAX_BYTES
    assert limits.cap_bytes("2048") == limits.cap_bytes("75x") < MAX_BYTES


@pytest.mark.parametrize("told", [10_001, 10 * 2**30, 10**18])
async def test_F31_a_file_told_to_be_too_large_is_not_begun(host: MediaHost, told: int) -> None:
    host.answers["/huge"] = raw(head_of(200, Content_Length=told) + JPEG)
    async with Fetching(host, MediaLimits(thumbnail_bytes=10_000, total_seconds=2)) as fetching:
        sink = MemoryStore().receive(KEY)
        with pytest.raises(MediaRejected, match="cap"):
            await fetching.get("/huge", sink)
        assert sink.received_bytes == 0


async def test_F31_an_endless_body_is_stopped_at_the_cap(host: MediaHost) -> None:
    async def endless(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(200, Transfer_Encoding="chunked"))
        while True:
            writer.write(f"{len(JPEG):x}\r\n".encode() + JPEG + b"\r\n")
            await writer.drain()

    host.answers["/endless"] = endless
    async with Fetching(host, MediaLimits(thumbnail_bytes=1_000_000)) as fetching:
        sink = MemoryStore().receive(KEY)
        with pytest.raises(MediaRejected, match="cap"):
            await fetching.get("/endless", sink)
        assert sink.received_bytes == 0
        assert fetching.observed[0][1] < 1_400_000


async def test_F31_a_body_shorter_than_told_is_not_stored(host: MediaHost) -> None:
    host.answers["/short"] = raw(head_of(200, Content_Length=len(JPEG) + 1) + JPEG)
    async with Fetching(host) as fetching:
        with pytest.raises(MediaLater, match="cut short"):
            await fetching.get("/short")


async def test_F31_a_body_longer_than_told_brings_nothing_of_the_rest(host: MediaHost) -> None:
    host.answers["/long"] = raw(head_of(200, Content_Length=len(JPEG)) + JPEG + b"and a secret of somebody else")
    async with Fetching(host) as fetching:
        sink = MemoryStore().receive(KEY)
        with pytest.raises(MediaLater):
            await fetching.get("/long", sink)
        assert sink.received_bytes <= len(JPEG)


@pytest.mark.parametrize("ending", [b"0\r\n\r\n", b""], ids=["whole", "cut"])
async def test_F31_a_chunked_body_must_come_to_its_end(host: MediaHost, ending: bytes) -> None:
    host.answers["/chunks"] = raw(
        head_of(200, Transfer_Encoding="chunked") + f"{len(JPEG):x}\r\n".encode() + JPEG + b"\r\n" + ending
    )
    async with Fetching(host) as fetching:
        if ending:
            # What the listing announced is older than the file, and does not count.
            assert (await fetching.get("/chunks", size_bytes=17)).size_bytes == len(JPEG)
        else:
            with pytest.raises(MediaLater, match="cut short"):
                await fetching.get("/chunks")


async def test_F31_a_body_of_untold_length_counts_only_if_it_is_as_long_as_announced(host: MediaHost) -> None:
    host.answers["/untold"] = raw(head_of(200) + JPEG)
    async with Fetching(host) as fetching:
        assert (await fetching.get("/untold", size_bytes=len(JPEG))).size_bytes == len(JPEG)
        for announced in (None, 0, len(JPEG) - 1, len(JPEG) + 1):
            sink = MemoryStore().receive(KEY)
            with pytest.raises(MediaLater, match="length"):
                await fetching.get("/untold", sink, size_bytes=announced)
            assert sink.received_bytes == 0


@pytest.mark.parametrize("length", ["-1", "x", "5, 6", "99999999999999999999999", "1e3"])
async def test_F31_a_length_that_is_none_is_not_believed(host: MediaHost, length: str) -> None:
    host.answers["/odd"] = raw(head_of(200, Content_Length=length) + JPEG)
    async with Fetching(host) as fetching:
        with pytest.raises((MediaLater, MediaRejected)):
            await fetching.get("/odd")


async def test_F31_a_full_store_is_told_as_such(host: MediaHost) -> None:
    host.answers["/1.jpg"] = whole(JPEG)
    async with Fetching(host) as fetching:
        with pytest.raises(StoreFull):
            await fetching.get("/1.jpg", MemoryStore(free_bytes=10).receive(KEY))
        assert fetching.observed == [("full", len(JPEG))]


# F32: packed answers


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "GZIP", "identity, gzip", "x-odd"])
async def test_F32_an_encoded_answer_is_refused_and_never_unpacked(host: MediaHost, encoding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    host.answers["/bomb"] = raw(head_of(200, Content_Length=len(bomb), Content_Encoding=encoding) + bomb)
    async with Fetching(host) as fetching:
        sink = MemoryStore().receive(KEY)
        with pytest.raises(MediaRejected, match="encoded"):
            await fetching.get("/bomb", sink, rendition="original")
        assert sink.received_bytes == 0
    assert host.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["gzip, chunked", "gzip"])
async def test_F32_an_answer_encoded_for_the_way_is_refused(host: MediaHost, encoding: str) -> None:
    packed = gzip.compress(JPEG)
    host.answers["/x"] = raw(
        head_of(200, Transfer_Encoding=encoding) + f"{len(packed):x}\r\n".encode() + packed + b"\r\n0\r\n\r\n"
    )
    async with Fetching(host) as fetching:
        sink = MemoryStore().receive(KEY)
        with pytest.raises((MediaRejected, MediaLater)):
            await fetching.get("/x", sink, rendition="original")
        assert sink.received_bytes == 0


async def test_F32_what_an_original_packs_itself_stays_packed(host: MediaHost) -> None:
    archive = gzip.compress(b"a document of its owner" * 100)
    host.answers["/a.gz"] = raw(head_of(200, Content_Length=len(archive), Content_Encoding="identity") + archive)
    async with Fetching(host) as fetching:
        sink = MemoryStore().receive(KEY)
        await fetching.get("/a.gz", sink, rendition="original")
        assert sink.head(len(archive)) == archive


# Answers, and F39


@pytest.mark.parametrize("code", [403, 404, 410, 451])
async def test_a_dead_address_is_gone(host: MediaHost, code: int) -> None:
    host.answers["/x"] = status(code)
    async with Fetching(host) as fetching:
        with pytest.raises(MediaGone):
            await fetching.get("/x")
        assert [outcome for outcome, _ in fetching.observed] == ["gone"]


@pytest.mark.parametrize("code", [500, 502, 503, 504, 520, 408, 425])
async def test_a_failing_host_is_asked_later_and_others_files_go_on(host: MediaHost, code: int) -> None:
    host.answers["/x"] = status(code)
    host.answers["/1.jpg"] = whole(JPEG)
    async with Fetching(host) as fetching:
        with pytest.raises(MediaLater) as caught:
            await fetching.get("/x")
        assert caught.value.pause is None
        assert (await fetching.get("/1.jpg")).size_bytes == len(JPEG)


@pytest.mark.parametrize("code", [201, 203, 204, 205, 226, 400, 401, 402, 405, 418, 422])
async def test_any_other_answer_is_no_file(host: MediaHost, code: int) -> None:
    host.answers["/x"] = raw(head_of(code) if code in (204, 205) else head_of(code, Content_Length=len(JPEG)) + JPEG)
    async with Fetching(host) as fetching:
        with pytest.raises(MediaRejected):
            await fetching.get("/x")


@pytest.mark.parametrize("said", [b"\x16\x03\x01\x02\0", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 70_000])
async def test_what_is_no_http_is_no_answer(host: MediaHost, said: bytes) -> None:
    host.answers["/x"] = raw(said)
    async with Fetching(host) as fetching:
        with pytest.raises(MediaLater):
            await fetching.get("/x")


async def test_a_head_without_end_is_refused(host: MediaHost) -> None:
    host.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\n", *(f"X-{n}: {'y' * 1000}\r\n".encode() for n in range(2000)))
    async with Fetching(host, MediaLimits(total_seconds=5)) as fetching:
        with pytest.raises(MediaLater):
            await fetching.get("/x")


async def test_F39_after_429_the_host_is_not_asked_before_its_time(host: MediaHost) -> None:
    host.answers["/busy"] = status(429, Retry_After=120)
    host.answers["/1.jpg"] = whole(JPEG)
    async with Fetching(host) as fetching:
        with pytest.raises(MediaLater) as caught:
            await fetching.get("/busy")
        assert caught.value.pause == 120 * SECOND
        fetching.clock.jump(20 * SECOND)
        with pytest.raises(MediaLater) as caught:
            await fetching.get("/1.jpg")
        assert caught.value.pause == 100 * SECOND
        assert len(host.asked) == 1
        # Another host has a budget of its own.
        assert (await fetching.get("/1.jpg", host="localhost")).size_bytes == len(JPEG)
        fetching.clock.jump(100 * SECOND)
        assert (await fetching.get("/1.jpg")).size_bytes == len(JPEG)


@pytest.mark.parametrize("code", [429, 503])
async def test_F39_a_date_to_come_back_is_understood(host: MediaHost, code: int) -> None:
    async with Fetching(host) as fetching:
        until = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=fetching.clock.now(), seconds=90)
        host.answers["/busy"] = status(code, Retry_After=format_datetime(until, usegmt=True))
        with pytest.raises(MediaLater) as caught:
            await fetching.get("/busy")
        assert caught.value.pause is not None
        assert abs(caught.value.pause - 90 * SECOND) <= SECOND


@pytest.mark.parametrize(
    "said", ["", "soon", "-5", "1.5", "٣", "Thu, 99 Foo 2026", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"]
)
async def test_F39_no_word_of_a_host_pauses_it_for_ever_or_breaks_us(host: MediaHost, said: str) -> None:
    host.answers["/busy"] = raw(f"HTTP/1.1 429 -\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode())
    async with Fetching(host) as fetching:
        with pytest.raises(MediaLater) as caught:
            await fetching.get("/busy")
        assert caught.value.pause is not None
        assert 0 < caught.value.pause <= HOUR


async def test_F39_connections_to_one_host_are_few(host: MediaHost) -> None:
    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(head_of(200, Content_Length=len(JPEG)) + JPEG)

    host.answers["/1.jpg"] = slow
    async with Fetching(host, MediaLimits(connections_per_host=3)) as fetching:
        found = await asyncio.gather(*(fetching.get("/1.jpg") for _ in range(20)))
        assert len(found) == 20
        assert host.peak == 3
