"""Small answers: JSON for programs, and failures as JSON or as a page, whatever the reader asked for."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from ipsync.web.failures import WebFailure
from ipsync.web.headers import head_of, protect
from ipsync.web.ranges import names_tag

_JSON = "application/json; charset=utf-8"
_TAG_DIGITS = 32


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON."""
    return web.Response(body=json_bytes(value), status=status, headers={**(headers or {}), "Content-Type": _JSON})


def json_bytes(value: Any) -> bytes:
    """Write JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def tag_of(body: bytes) -> str:
    """Give the entity tag of an answer's bytes, with its quotes."""
    return f'"{hashlib.sha256(body).hexdigest()[:_TAG_DIGITS]}"'


def tagged(request: web.Request, value: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON and its tag; with 304 where the reader has the same (RFC 9110 §13.1.2)."""
    body = json_bytes(value)
    return written(request, body, tag_of(body), headers)


def written(request: web.Request, body: bytes, tag: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON that is written already, likewise."""
    own = {**(headers or {}), "ETag": tag}
    known = request.headers.get("If-None-Match")
    if known is not None and names_tag(known, tag, strong=False):
        return web.Response(status=304, headers=own)
    own["Content-Type"] = _JSON
    return web.Response(body=body, headers=own)


class WrittenAnswer(web.StreamResponse):
    """An answer of JSON, its head too, that is written once and sent to all who ask while it holds.

    aiohttp makes a head for each answer; where the same document is asked for over and over, that is a third of the
    work. Nothing in here belongs to one reader but the date, which is the same for all within a second.
    """

    def __init__(self, value: Any, headers: Mapping[str, str], *, is_encrypted: bool) -> None:
        """Write it.

        Args:
            value: what becomes JSON.
            headers: of its own, beside its tag.
            is_encrypted: whether members reach us by https (see `protect`).
        """
        super().__init__()
        self._content = json_bytes(value)
        self._own = {**headers, "ETag": tag_of(self._content)}
        shown = {**self._own, "Content-Type": _JSON, "Content-Length": str(len(self._content))}
        protect(shown, is_encrypted=is_encrypted)
        self._head = head_of("200 OK", shown)
        self._date = b""

    @property
    def keep_alive(self) -> bool:
        """That more may be asked on the same connection: who wants it closed gets an answer of their own."""
        return True

    def to(self, request: web.Request) -> web.StreamResponse:
        """Give what `request` is answered with: this, or for the rarer kinds of question an answer of their own."""
        is_usual = request.method == "GET" and request.version == HttpVersion11 and request.keep_alive
        if not is_usual or "If-None-Match" in request.headers:
            return written(request, self._content, self._own["ETag"], self._own)
        self._date = _date_line(int(asyncio.get_running_loop().time()))
        return self

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send head and body in one piece."""
        await request.writer.write(b"".join((self._head, self._date, self._content)))
        await request.writer.drain()
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Add nothing: it went with the head."""


@lru_cache(maxsize=1)
def _date_line(_second: int) -> bytes:
    """Write the date, by the wall clock as in all other answers, anew in each second of the event loop's clock."""
    return f"Date: {formatdate(usegmt=True)}\r\n\r\n".encode()


def failure_answer(failure: WebFailure) -> web.Response:
    """Answer with why there is no answer."""
    return json_answer({"error": {"code": failure.code, "message": failure.message}}, failure.status, failure.headers)


def wants_html(request: web.Request) -> bool:
    """Whether the reader is a browser rather than a program: HTML is asked for, and JSON is not preferred."""
    accepted = request.headers.get("Accept", "")
    html, program = accepted.find("text/html"), accepted.find("application/json")
    return html >= 0 and (program < 0 or html < program)
