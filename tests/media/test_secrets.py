"""F35: an address of a file holds a secret. No failure, log record or trace tells it."""

import asyncio
import logging
import traceback

import pytest

from ipsync.ipernity.media import MediaFetcher, MediaLimits
from ipsync.policy.documents import RemoteFile
from ipsync.ports.source import MediaFailure
from ipsync.ports.store import ContentKey
from tests.fakes.clock import FakeClock
from tests.fakes.media import ERROR_PAGE, MediaHost, raw, status, whole
from tests.fakes.media import head as head_of
from tests.fakes.store import MemoryStore

SECRET = "e831d113"
PATH = f"/p/394926.{SECRET}.75x.jpg"
ANSWERS = {
    "gone": status(404),
    "busy": status(429),
    "failing": status(500),
    "redirect": status(302, Location=f"http://evil.example{PATH}"),
    "page": whole(ERROR_PAGE),
    "empty": raw(head_of(200, Content_Length=0)),
    "cut": raw(head_of(200, Content_Length=100) + b"x"),
    "encoded": raw(head_of(200, Content_Encoding="gzip")),
    "no http": raw(b"220 smtp.example\r\n\r\n"),
    "hung up": raw(b""),
    "hung": raw(b"", b"", pause_seconds=5),
    "odd length": raw(head_of(200, Content_Length="x")),
    "other part": raw(head_of(206) + b"x"),
}
ADDRESSES = {
    "refused": f"https://evil.example{PATH}",
    "user": f"https://{SECRET}:{SECRET}@u1.ipernity.com/x",
    "unreadable": f"gopher://{SECRET}",
    "nowhere": f"https://u1.ipernity.com{PATH}",
}


async def fail(address: str, port: int, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that can be seen of a failed download."""

    async def lookup(_: str) -> list[str]:
        raise OSError(f"no such host in {address}")

    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    async with MediaFetcher(
        media_hosts=["127.0.0.1", "*.ipernity.com"],
        user_agent="tests",
        clock=FakeClock(),
        loopback=("127.0.0.1", port),
        limits=MediaLimits(idle_seconds=0.1, total_seconds=0.2),
        lookup=lookup,
    ) as fetcher:
        sink = MemoryStore().receive(ContentKey(7, 12, "75x"))
        with pytest.raises(MediaFailure) as caught:
            await fetcher.fetch(RemoteFile("75x", address), sink)
    failure = caught.value
    assert failure.__cause__ is None
    assert failure.__context__ is None
    seen = traceback.TracebackException.from_exception(failure, capture_locals=True)
    own = [frame for frame in seen.stack if "ipsync" in frame.filename and "tests" not in frame.filename]
    assert len(own) == 1
    return "\n".join((repr(failure), str(own[0].locals), repr(vars(failure)), caplog.text))


@pytest.mark.parametrize("answer", ANSWERS)
async def test_F35_no_answer_makes_us_tell_an_address(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    async with MediaHost() as host:
        host.answers[PATH] = ANSWERS[answer]
        assert SECRET not in await fail(host.url(PATH), host.port, caplog)


@pytest.mark.parametrize("kind", ADDRESSES)
async def test_F35_no_address_makes_us_tell_it(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    assert SECRET not in await fail(ADDRESSES[kind], 9, caplog)


async def test_F35_a_host_that_is_not_there_is_told_without_address(caplog: pytest.LogCaptureFixture) -> None:
    async with MediaHost() as host:
        port = host.port
    assert SECRET not in await fail(f"http://127.0.0.1:{port}{PATH}", port, caplog)
