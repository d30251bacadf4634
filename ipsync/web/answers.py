"""Small answers: JSON for programs, and failures as JSON or as a page, whatever the reader asked for."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ipsync.web.failures import WebFailure
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


def failure_answer(failure: WebFailure) -> web.Response:
    """Answer with why there is no answer."""
    return json_answer({"error": {"code": failure.code, "message": failure.message}}, failure.status, failure.headers)


def wants_html(request: web.Request) -> bool:
    """Whether the reader is a browser rather than a program: HTML is asked for, and JSON is not preferred."""
    accepted = request.headers.get("Accept", "")
    html, program = accepted.find("text/html"), accepted.find("application/json")
    return html >= 0 and (program < 0 or html < program)
