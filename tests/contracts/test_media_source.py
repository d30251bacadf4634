"""What every source of media promises (`ports.source.MediaSource`), asked of each one there is."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable

import pytest

from ipsync.ipernity.media import MediaFetcher
from ipsync.policy.documents import RENDITIONS, Media, RemoteFile
from ipsync.policy.instants import SECOND
from ipsync.ports.source import Fetched, MediaGone, MediaLater, MediaRejected, MediaSource
from ipsync.ports.store import ContentKey
from tests.fakes.clock import FakeClock
from tests.fakes.media import ERROR_PAGE, JPEG, MP3, MP4, PNG, FakeMediaSource, MediaHost, raw, status, whole
from tests.fakes.media import head as head_of
from tests.fakes.store import MemoryIncoming, MemoryStore

KEY = ContentKey(7, 12, "original")


class Bench(ABC):
    """A source under test, and the ways to say what it will find."""

    def __init__(self, source: MediaSource, url: Callable[[str], str]) -> None:
        self.source = source
        self.url = url
        self.store = MemoryStore()

    @abstractmethod
    def holds(self, path: str, content: bytes) -> None: ...

    @abstractmethod
    def is_gone(self, path: str) -> None: ...

    @abstractmethod
    def is_busy(self, path: str) -> None: ...

    @abstractmethod
    def is_cut(self, path: str, content: bytes, after: int) -> None: ...

    def sink(self) -> MemoryIncoming:
        self.store = MemoryStore()
        return self.store.receive(KEY)

    async def fetch(
        self, path: str, sink: MemoryIncoming, rendition: str = "original", kind: Media | None = None
    ) -> Fetched:
        return await self.source.fetch(RemoteFile(rendition, self.url(path)), sink, kind)


class FakeBench(Bench):
    def __init__(self) -> None:
        self.fake = FakeMediaSource()
        super().__init__(self.fake, "https://u1.ipernity.com{}".format)

    def holds(self, path: str, content: bytes) -> None:
        self.fake.files[self.url(path)] = content

    def is_gone(self, path: str) -> None:
        self.fake.files[self.url(path)] = MediaGone("the host answered 404")

    def is_busy(self, path: str) -> None:
        self.fake.files[self.url(path)] = MediaLater("the host answered 429", 7 * SECOND)

    def is_cut(self, path: str, content: bytes, after: int) -> None:
        self.holds(path, content)
        self.fake.cuts[self.url(path)] = after


class RealBench(Bench):
    def __init__(self, host: MediaHost, source: MediaFetcher) -> None:
        self.host = host
        super().__init__(source, host.url)

    def holds(self, path: str, content: bytes) -> None:
        self.host.answers[path] = whole(content) if content else raw(head_of(200, Content_Length=0))

    def is_gone(self, path: str) -> None:
        self.host.answers.pop(path, None)

    def is_busy(self, path: str) -> None:
        self.host.answers[path] = status(429, Retry_After=7)

    def is_cut(self, path: str, content: bytes, after: int) -> None:
        self.host.answers[path] = whole(content, cut_after=after)


@pytest.fixture(params=["fetcher", "fake"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield FakeBench()
        return
    async with (
        MediaHost() as host,
        MediaFetcher(
            media_hosts=["127.0.0.1"], user_agent="tests", clock=FakeClock(), loopback=("127.0.0.1", host.port)
        ) as fetcher,
    ):
        yield RealBench(host, fetcher)


@pytest.mark.parametrize(
    ("rendition", "content", "content_type"),
    [
        ("240", JPEG, "image/jpeg"),
        ("75x", PNG, "image/png"),
        ("media", MP4, "video/mp4"),
        ("media", MP3, "audio/mpeg"),
        ("original", JPEG, "image/jpeg"),
        ("original", b"any old text", "text/plain"),
        ("original", b"\0\1\2" * 500, "application/octet-stream"),
    ],
)
async def test_a_file_arrives_whole_and_is_typed_by_its_bytes(
    bench: Bench, rendition: str, content: bytes, content_type: str
) -> None:
    bench.holds("/file.exe", content)
    sink = bench.sink()
    assert await bench.fetch("/file.exe", sink, rendition) == Fetched(content_type, len(content))
    sink.keep()
    assert bench.store.files == {KEY: content}


async def test_a_cut_download_goes_on_where_it_stopped(bench: Bench) -> None:
    content = JPEG * 10
    bench.is_cut("/cut.jpg", content, 30_000)
    sink = bench.sink()
    with pytest.raises(MediaLater):
        await bench.fetch("/cut.jpg", sink)
    kept = sink.received_bytes
    assert 0 < kept <= 30_000
    sink.close()
    bench.holds("/cut.jpg", content)
    again = bench.store.receive(KEY)
    assert again.received_bytes == kept
    assert await bench.fetch("/cut.jpg", again) == Fetched("image/jpeg", len(content))
    again.keep()
    assert bench.store.files == {KEY: content}


async def test_what_another_left_in_the_sink_is_not_taken_for_this_file(bench: Bench) -> None:
    bench.holds("/other.jpg", JPEG)
    sink = bench.sink()
    sink.write(b"the half of something else")
    assert await bench.fetch("/other.jpg", sink) == Fetched("image/jpeg", len(JPEG))
    sink.keep()
    assert bench.store.files == {KEY: JPEG}


async def test_a_dead_address_is_gone_and_leaves_nothing(bench: Bench) -> None:
    bench.is_gone("/dead.jpg")
    sink = bench.sink()
    sink.write(b"an old half")
    with pytest.raises(MediaGone):
        await bench.fetch("/dead.jpg", sink)
    assert sink.received_bytes == 0


async def test_a_busy_host_says_how_long_to_wait(bench: Bench) -> None:
    bench.is_busy("/busy.jpg")
    with pytest.raises(MediaLater) as caught:
        await bench.fetch("/busy.jpg", bench.sink())
    assert caught.value.pause == 7 * SECOND


@pytest.mark.parametrize("rendition", RENDITIONS)
@pytest.mark.parametrize("content", [b"", ERROR_PAGE], ids=["empty", "page"])
async def test_an_empty_file_or_an_error_page_is_never_a_file(bench: Bench, rendition: str, content: bytes) -> None:
    bench.holds("/oops.jpg", content)
    sink = bench.sink()
    with pytest.raises(MediaRejected):
        await bench.fetch("/oops.jpg", sink, rendition)
    assert sink.received_bytes == 0


@pytest.mark.parametrize(("rendition", "content"), [("240", MP4), ("240", b"text"), ("media", JPEG), ("media", b"x")])
async def test_a_rendition_must_be_of_its_kind(bench: Bench, rendition: str, content: bytes) -> None:
    bench.holds("/wrong", content)
    sink = bench.sink()
    with pytest.raises(MediaRejected):
        await bench.fetch("/wrong", sink, rendition)
    assert sink.received_bytes == 0


@pytest.mark.parametrize("kind", [Media.PHOTO, Media.VIDEO, Media.AUDIO])
@pytest.mark.parametrize("content", [b"come back later", b'{"retry": true}'], ids=["words", "json"])
async def test_F33_a_text_is_never_the_original_of_a_photo_a_video_or_a_sound(
    bench: Bench, kind: Media, content: bytes
) -> None:
    bench.holds("/late.jpg", content)
    sink = bench.sink()
    with pytest.raises(MediaRejected):
        await bench.fetch("/late.jpg", sink, kind=kind)
    assert sink.received_bytes == 0


async def test_F33_the_original_of_another_document_may_be_a_text_but_no_error(bench: Bench) -> None:
    bench.holds("/notes.txt", b"come back later")
    assert (await bench.fetch("/notes.txt", bench.sink(), kind=Media.OTHER)).content_type == "text/plain"
    bench.holds("/oops.txt", b'{"error": "too many requests"}')
    with pytest.raises(MediaRejected):
        await bench.fetch("/oops.txt", bench.sink(), kind=Media.OTHER)


async def test_a_raw_photo_of_an_unknown_maker_is_kept_as_it_is(bench: Bench) -> None:
    bench.holds("/1.raw", b"MAKER\0\1" + bytes(2000))
    fetched = await bench.fetch("/1.raw", bench.sink(), kind=Media.PHOTO)
    assert fetched.content_type == "application/octet-stream"


async def test_F35_no_failure_tells_the_address(bench: Bench) -> None:
    for name, arrange in (("gone", bench.is_gone), ("busy", bench.is_busy)):
        path = f"/{name}.s3cret.jpg"
        arrange(path)
        with pytest.raises((MediaGone, MediaLater)) as caught:
            await bench.fetch(path, bench.sink())
        assert "s3cret" not in repr(caught.value)
