"""Media hosts for tests: one without a network, and one on a loopback socket that can misbehave in any way."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from ipsync.ipernity.media_types import HEAD_BYTES, content_type_of, refusal
from ipsync.policy.documents import Media, RemoteFile
from ipsync.ports.source import Fetched, MediaFailure, MediaGone, MediaLater, MediaRejected, MediaSink

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(256)) * 20
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0" + bytes(range(256)) * 20
MP3 = b"\xff\xfb\x90\0" + bytes(range(256)) * 20
ERROR_PAGE = b"<!DOCTYPE html>\n<html><head><title>Oops</title></head><body>Not now</body></html>" + b" " * 5000


class FakeMediaSource:
    """`MediaSource` without a network.

    Attributes:
        files: what lies at an address: bytes, or the failure to raise. Nothing there means gone.
        cuts: addresses whose next download breaks after so many bytes of it.
        fetched: every address asked, in order.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes | MediaFailure] = {}
        self.cuts: dict[str, int] = {}
        self.fetched: list[str] = []
        self._halves: dict[str, bytes] = {}

    async def fetch(self, file: RemoteFile, sink: MediaSink, kind: Media | None = None) -> Fetched:
        self.fetched.append(file.url)
        await asyncio.sleep(0)
        found = self.files.get(file.url, MediaGone("the host answered 404"))
        if isinstance(found, MediaFailure):
            self._leave(sink, isinstance(found, MediaLater) and file.url in self._halves)
            raise found
        reason = refusal(file.rendition, found[:HEAD_BYTES], kind)
        if reason is not None:
            self._leave(sink, False)
            raise MediaRejected(reason)
        before = self._halves.pop(file.url, None)
        if sink.received_bytes and (before is None or not found.startswith(before)):
            sink.restart()
        rest = found[sink.received_bytes :]
        cut = self.cuts.pop(file.url, len(rest))
        sink.write(rest[:cut])
        if cut < len(rest):
            self._halves[file.url] = found[: sink.received_bytes]
            raise MediaLater("the file was cut short")
        return Fetched(content_type_of(found[:HEAD_BYTES]), len(found))

    def _leave(self, sink: MediaSink, half: bool) -> None:
        if sink.received_bytes and not half:
            sink.restart()


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


class MediaHost:
    """A server on 127.0.0.1 that answers each path as told, down to the last byte on the wire.

    Attributes:
        answers: by path; nothing there means 404. Each connection is closed after one answer.
        asked: every request, in order.
        open_now: requests being answered.
        peak: the most of them at once.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        self.open_now = 0
        self.peak = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            asked = Asked(first.split(" ")[1], headers)
            self.asked.append(asked)
            self.open_now += 1
            self.peak = max(self.peak, self.open_now)
            await self.answers.get(asked.path, status(404))(asked, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_now -= 1
            self._tasks.discard(task)
            writer.close()


def raw(*pieces: bytes, pause_seconds: float = 0.0) -> Answer:
    """Send these bytes and hang up."""

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return answer


def head(code: int, **headers: object) -> bytes:
    """The head of an answer; `_` in a name stands for `-`."""
    lines = [f"HTTP/1.1 {code} -", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status(code: int, **headers: object) -> Answer:
    """An answer without a body worth reading."""
    return raw(head(code, Content_Length=5, **headers) + b"sorry")


def whole(content: bytes, *, cut_after: int | None = None, etag: str | None = '"v1"', **headers: object) -> Answer:
    """A file by a host that resumes; with `cut_after` it hangs up after so many bytes of each body."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        told = {"ETag": etag, **headers} if etag is not None else dict(headers)
        match = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        validators = [value for name, value in told.items() if name in ("ETag", "Last_Modified")]
        if match and asked.headers.get("if-range") in (None, *validators):
            first = int(match[1])
            told["Content_Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            body, code = content[first:], 206
        else:
            body, code = content, 200
        writer.write(head(code, Content_Length=len(body), **told) + body[:cut_after])
        await writer.drain()

    return answer
