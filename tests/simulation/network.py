"""What lies between ipsync and the simulated ipernity: requests travel, get lost, come late; files are fetched.

The client's own code signs, decodes and sorts; only sockets are left out. What really went over the line is
told to whoever listens: the oracle.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ipsync.ipernity.media_receiving import Reception
from ipsync.policy.documents import Media, RemoteFile
from ipsync.policy.instants import MILLISECOND, MINUTE, SECOND, Duration, Instant
from ipsync.ports.source import Fetched, Later, MediaGone, MediaLater, MediaSink, QuotaReached
from ipsync.simulator.dispatcher import Call
from ipsync.simulator.documents import Document
from ipsync.simulator.world import JSON, Answer, World
from tests.simulation.machine import Machine

TIMEOUT: Duration = 30 * SECOND
MEDIA_TIMEOUT: Duration = 60 * SECOND
LARGEST_FILE_BYTES = 1 << 20


@dataclass
class Line:
    """The line to ipernity.

    Attributes:
        down_until: no request gets through before.
        hangs: whether a request on a dead line waits for its timeout instead of failing at once.
        late: share of requests whose answer takes tens of seconds.
        files_are_large: whether a file takes minutes since our own limit of bandwidth holds it back; no timeout
            counts then.
        meanwhile: what happens at ipernity while a late answer is under way.
        on_sent: told of each request that was sent: its method and parameters.
        on_answer: told of each answer as it was delivered: when its request was sent, method, parameters, body.
        before_request: called around each request; may crash the process.
    """

    machine: Machine
    world: World
    chance: random.Random
    down_until: Instant = 0
    hangs: bool = False
    late: float = 0.0
    files_are_large: bool = False
    meanwhile: Callable[[], None] = lambda: None
    on_sent: Callable[[str, Mapping[str, str]], None] = lambda _method, _params: None
    on_answer: Callable[[Instant, str, Mapping[str, str], Answer], None] = lambda *_: None
    before_request: Callable[[], None] = lambda: None
    requests: int = 0
    media: int = 0
    contents: dict[int, bytes] = field(default_factory=dict)

    async def pass_by(self, duration: Duration) -> None:
        await asyncio.sleep(duration / SECOND)


class SimulatedTransport:
    """Stands in for `ipsync.ipernity.transport.Transport`."""

    line: Line

    def __init__(self, *_: object, **__: object) -> None:
        self._line = SimulatedTransport.line

    async def post(self, method: str, params: Mapping[str, str]) -> bytes:
        line = self._line
        line.before_request()
        sent_at = line.machine.now
        line.requests += 1
        line.on_sent(method, params)
        if line.machine.now < line.down_until:
            await line.pass_by(TIMEOUT if line.hangs else 20 * MILLISECOND)
            raise Later(method, "no connection to the server")
        is_late = line.late > 0 and line.chance.random() < line.late
        await line.pass_by(line.chance.randrange(20, 400) * MILLISECOND)
        answer = line.world.answer(Call(method, params))
        if is_late:
            line.meanwhile()
            await line.pass_by(line.chance.randrange(5, 29) * SECOND)
        line.before_request()
        body = await _received(line, method, answer)
        line.on_answer(sent_at, method, params, answer)
        return body

    async def close(self) -> None:
        """Nothing to close."""


async def _received(line: Line, method: str, answer: Answer) -> bytes:
    waits = answer.hang_seconds or answer.spread_seconds
    if waits:
        await line.pass_by(min(TIMEOUT, int(waits * SECOND)))
    if answer.hang_seconds or answer.spread_seconds * SECOND >= TIMEOUT:
        raise Later(method, "no whole answer in time")
    if answer.status == 429:
        raise QuotaReached(method, "a server before ipernity's own asks for fewer requests")
    if answer.status != 200:
        raise Later(method, f"the server answered HTTP {answer.status}")
    if answer.reset_after is not None:
        raise Later(method, "the connection was cut before the answer was whole")
    return answer.body


def is_whole(answer: Answer) -> bool:
    """Whether an answer can have been understood by anybody."""
    return answer.status == 200 and answer.content_type == JSON and answer.reset_after is None


class SimulatedMedia:
    """Stands in for `ipsync.ipernity.media.MediaFetcher`: small files, each telling whose and which version it is."""

    line: Line

    def __init__(self, *_: object, **__: object) -> None:
        self._line = SimulatedMedia.line

    async def fetch(self, file: RemoteFile, sink: MediaSink, kind: Media | None = None) -> Fetched:
        line = self._line
        line.media += 1
        if sink.received_bytes:
            sink.restart()
        if line.machine.now < line.down_until:
            raise MediaLater("the host could not be reached")
        answer = line.world.answer_media(urlsplit(file.url).path)
        document_id = int(urlsplit(file.url).path.rpartition("/")[2].partition(".")[0])
        document = line.world.state.library.get(document_id)
        content = b"" if document is None else content_of(document, file.rendition)
        takes = line.chance.randrange(20, 2000) * MILLISECOND + int(answer.spread_seconds * SECOND)
        await line.pass_by(min(takes, MEDIA_TIMEOUT))
        if line.files_are_large:
            await line.pass_by(line.chance.randrange(1, 20) * MINUTE)
        if answer.status == 404:
            raise MediaGone("the host answered 404")
        if answer.status != 200 or answer.hang_seconds or answer.reset_after is not None or takes > MEDIA_TIMEOUT:
            raise MediaLater("the host did not answer")
        if document is None:
            raise MediaGone("the host answered 410")
        reception = Reception(file.rendition, kind, sink, LARGEST_FILE_BYTES, None)
        reception.begin(None)
        reception.take(content if answer.cut_at is None else content[: len(content) // 2])
        if answer.cut_at is not None:
            raise MediaLater("the file was cut short")
        line.before_request()
        return reception.finish()

    async def close(self) -> None:
        """Nothing to close."""


_HEAD = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


def content_of(document: Document, rendition: str) -> bytes:
    """The bytes of a file; a new version has others, and each holds the document's token."""
    told = f"{document.document_id} {rendition} {document.token} version {document.replaced_at}"
    return _HEAD + told.encode() + bytes(64)
