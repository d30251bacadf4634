"""A cut download goes on only where the host proves it still has the same file; halves are never joined."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ipsync.ipernity.media import MediaFetcher, MediaLimits
from ipsync.ipernity.media_resuming import Half, Halves, rest_of, validator_of
from ipsync.policy.documents import RemoteFile
from ipsync.policy.instants import HOUR
from ipsync.ports.source import Fetched, MediaLater, MediaRejected
from ipsync.ports.store import ContentKey
from tests.fakes.clock import FakeClock
from tests.fakes.media import JPEG, Answer, MediaHost, raw, status, whole
from tests.fakes.media import head as head_of
from tests.fakes.store import MemoryIncoming, MemoryStore

KEY = ContentKey(7, 12, "original")
OLD = JPEG * 10
NEW = JPEG[:2000] + bytes(reversed(JPEG * 9))
PATH = "/1.jpg"


class Story:
    """One host, one fetcher, one partial download."""

    def __init__(self, host: MediaHost) -> None:
        self.host = host
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.fetcher = MediaFetcher(
            media_hosts=["127.0.0.1"],
            user_agent="tests",
            clock=self.clock,
            loopback=("127.0.0.1", host.port),
            limits=MediaLimits(total_seconds=2),
        )

    async def fetch(self, answer: Answer, sink: MemoryIncoming | None = None, path: str = PATH) -> Fetched:
        """Fetch once; what came stays as a partial download, or is kept when it is whole."""
        self.host.answers[path] = answer
        sink = sink or self.store.receive(KEY)
        try:
            fetched = await self.fetcher.fetch(RemoteFile("original", self.host.url(path)), sink)
        finally:
            sink.close()
        sink.keep()
        return fetched

    async def cut(self, answer: Answer) -> int:
        """A download that is cut. Returns how much of it lies there."""
        with pytest.raises(MediaLater, match="cut short"):
            await self.fetch(answer)
        return len(self.store.partials[KEY])

    @property
    def asked_range(self) -> tuple[str | None, str | None]:
        headers = self.host.asked[-1].headers
        return headers.get("range"), headers.get("if-range")


@pytest.fixture
async def story() -> AsyncIterator[Story]:
    async with MediaHost() as host:
        told = Story(host)
        yield told
        await told.fetcher.close()


async def test_the_rest_is_asked_for_and_joined(story: Story) -> None:
    received = await story.cut(whole(OLD, cut_after=20_000))
    assert 1024 <= received <= 20_000
    assert await story.fetch(whole(OLD)) == Fetched("image/jpeg", len(OLD))
    assert story.asked_range == (f"bytes={received}-", '"v1"')
    assert story.store.files == {KEY: OLD}


async def test_a_file_cut_again_and_again_arrives(story: Story) -> None:
    for _ in range(30):
        try:
            await story.fetch(whole(OLD, cut_after=4_000))
        except MediaLater:
            continue
        break
    assert story.store.files == {KEY: OLD}
    assert len(story.host.asked) > 5


async def test_a_changed_file_is_fetched_anew(story: Story) -> None:
    await story.cut(whole(OLD, cut_after=20_000))
    await story.fetch(whole(NEW, etag='"v2"'))
    assert story.store.files == {KEY: NEW}


async def test_a_host_that_ignores_ranges_is_read_from_the_beginning(story: Story) -> None:
    await story.cut(whole(OLD, cut_after=20_000))
    await story.fetch(raw(head_of(200, Content_Length=len(NEW)) + NEW))
    assert story.store.files == {KEY: NEW}


async def test_without_a_validator_nothing_is_resumed(story: Story) -> None:
    await story.cut(whole(OLD, cut_after=20_000, etag=None))
    await story.fetch(whole(NEW, etag=None))
    assert story.asked_range == (None, None)
    assert story.store.files == {KEY: NEW}


async def test_a_weak_tag_proves_nothing(story: Story) -> None:
    await story.cut(whole(OLD, cut_after=20_000, etag='W/"v1"'))
    await story.fetch(whole(OLD))
    assert story.asked_range == (None, None)


async def test_an_old_date_of_change_proves_it(story: Story) -> None:
    dates = {"Last_Modified": "Mon, 16 Nov 2026 08:00:00 GMT", "Date": "Sat, 21 Nov 2026 20:18:00 GMT"}
    received = await story.cut(whole(OLD, cut_after=20_000, etag=None, **dates))
    await story.fetch(whole(OLD, etag=None, **dates))
    assert story.asked_range == (f"bytes={received}-", "Mon, 16 Nov 2026 08:00:00 GMT")
    assert story.store.files == {KEY: OLD}


async def test_another_address_is_another_file(story: Story) -> None:
    await story.cut(whole(OLD, cut_after=20_000))
    await story.fetch(whole(NEW), path="/replaced.jpg")
    assert story.asked_range == (None, None)
    assert story.store.files == {KEY: NEW}


async def test_a_half_another_process_left_is_not_trusted(story: Story) -> None:
    sink = story.store.receive(KEY)
    sink.write(OLD[:5000])
    await story.fetch(whole(NEW), sink)
    assert story.asked_range == (None, None)
    assert story.store.files == {KEY: NEW}


@pytest.mark.parametrize(
    "content_range",
    [
        None,
        "bytes 0-{last}/{total}",
        "bytes {next}-{last}/{total}",
        "bytes {here}-{last}/*",
        "bytes {here}-{last}/{more}",
        "bytes {here}-{middle}/{total}",
        "bytes {last}-{here}/{total}",
        "bytes {here}-/{total}",
        "items {here}-{last}/{total}",
        "bytes {here}-{last}/{total}, bytes 0-1/2",
        "bytes */{total}",
    ],
)
async def test_a_range_that_is_not_ours_is_thrown_away_with_the_half(story: Story, content_range: str | None) -> None:
    here = await story.cut(whole(OLD, cut_after=20_000))
    total = len(OLD)
    told = (
        {}
        if content_range is None
        else {
            "Content_Range": content_range.format(
                here=here, next=here + 1, middle=here + 10, last=total - 1, total=total, more=total + 1
            )
        }
    )
    with pytest.raises(MediaLater):
        await story.fetch(raw(head_of(206, Content_Length=len(OLD) - here, **told) + OLD[here:]))
    assert len(story.store.partials[KEY]) == 0
    await story.fetch(whole(OLD))
    assert story.asked_range == (None, None)
    assert story.store.files == {KEY: OLD}


async def test_a_rest_of_another_version_is_thrown_away(story: Story) -> None:
    here = await story.cut(whole(OLD, cut_after=20_000))
    told = {"Content_Range": f"bytes {here}-{len(NEW) - 1}/{len(NEW)}", "ETag": '"v2"'}
    with pytest.raises(MediaLater):
        await story.fetch(raw(head_of(206, Content_Length=len(NEW) - here, **told) + NEW[here:]))
    assert len(story.store.partials[KEY]) == 0


async def test_a_rest_of_another_length_than_its_range_is_thrown_away(story: Story) -> None:
    here = await story.cut(whole(OLD, cut_after=20_000))
    told = {"Content_Range": f"bytes {here}-{len(OLD) - 1}/{len(OLD)}"}
    with pytest.raises(MediaLater, match="length"):
        await story.fetch(raw(head_of(206, Content_Length=10, **told) + OLD[here : here + 10]))
    assert len(story.store.partials[KEY]) == 0


async def test_a_part_nobody_asked_for_is_no_file(story: Story) -> None:
    told = {"Content_Range": f"bytes 0-{len(OLD) - 1}/{len(OLD)}", "ETag": '"v1"'}
    with pytest.raises(MediaLater):
        await story.fetch(raw(head_of(206, Content_Length=len(OLD), **told) + OLD))
    assert len(story.store.partials[KEY]) == 0


async def test_a_range_that_cannot_be_had_begins_anew(story: Story) -> None:
    await story.cut(whole(OLD, cut_after=20_000))
    with pytest.raises(MediaLater):
        await story.fetch(status(416))
    assert len(story.store.partials[KEY]) == 0
    with pytest.raises(MediaRejected):
        await story.fetch(status(416))


async def test_a_half_outlasts_failures_that_say_nothing_of_the_file(story: Story) -> None:
    here = await story.cut(whole(OLD, cut_after=20_000))
    for answer in (status(503), raw(b""), status(429, Retry_After=60), whole(OLD)):
        with pytest.raises(MediaLater):
            await story.fetch(answer)
        assert len(story.store.partials[KEY]) == here
    story.clock.jump(HOUR)
    await story.fetch(whole(OLD))
    assert story.asked_range == (f"bytes={here}-", '"v1"')
    assert story.store.files == {KEY: OLD}


async def test_a_half_too_short_to_be_judged_is_not_kept(story: Story) -> None:
    assert await story.cut(whole(OLD, cut_after=500)) == 0


async def test_a_rest_over_the_cap_is_refused(story: Story) -> None:
    here = await story.cut(whole(OLD, cut_after=20_000))
    told = {"Content_Range": f"bytes {here}-{10**12 - 1}/{10**12}"}
    with pytest.raises(MediaRejected, match="cap"):
        await story.fetch(raw(head_of(206, **told) + OLD[here:]))
    assert len(story.store.partials[KEY]) == 0


async def test_a_half_is_used_once_at_a_time(story: Story) -> None:
    received = await story.cut(whole(OLD, cut_after=20_000))
    story.host.answers[PATH] = whole(OLD)
    other = MemoryStore().receive(KEY)
    other.write(OLD[:received])
    mine = story.store.receive(KEY)
    file = RemoteFile("original", story.host.url(PATH))
    await asyncio.gather(story.fetcher.fetch(file, mine), story.fetcher.fetch(file, other))
    assert mine.head(len(OLD)) == other.head(len(OLD)) == OLD
    assert sum("range" in asked.headers for asked in story.host.asked) == 1


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({}, None),
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": "a"}, None),
        ({"ETag": '"a"b"'}, None),
        ({"ETag": '"' + "x" * 300 + '"'}, None),
        ({"Last-Modified": "Mon, 16 Nov 2026 08:00:00 GMT"}, None),
        ({"Last-Modified": "yesterday", "Date": "Mon, 16 Nov 2026 08:00:00 GMT"}, None),
        ({"Last-Modified": "Mon, 16 Nov 2026 08:00:00 GMT", "Date": "Mon, 16 Nov 2026 08:00:59 GMT"}, None),
        (
            {"Last-Modified": "Mon, 16 Nov 2026 08:00:00 GMT", "Date": "Mon, 16 Nov 2026 08:01:00 GMT"},
            "Mon, 16 Nov 2026 08:00:00 GMT",
        ),
        ({"Last-Modified": "Mon, 16 Nov 2026 08:00:00", "Date": "Mon, 16 Nov 2026 08:01:00 GMT"}, None),
    ],
)
def test_what_can_prove_that_a_file_is_the_same(headers: dict[str, str], validator: str | None) -> None:
    assert validator_of(headers) == validator


def test_halves_are_few_and_hold_no_address() -> None:
    halves = Halves()
    for number in range(10_000):
        halves.keep(f"https://u1.ipernity.com/{number}.s3cret.jpg", Half(5000, '"v"', "image/jpeg"))
    assert len(halves._halves) == 4096
    assert not any(b"s3cret" in name for name in halves._halves)
    assert halves.take("https://u1.ipernity.com/1.s3cret.jpg", 5000) is None
    assert halves.take("https://u1.ipernity.com/9999.s3cret.jpg", 4999) is None
    assert rest_of(Half(1, '"v"', ""), {"Content-Range": "bytes 1-9/10", "ETag": '"v"'}) == 10
