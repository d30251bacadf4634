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
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return web.Response(body=body, status=status, headers={**(headers or {}), "Content-Type": _JSON})


def tagged(request: web.Request, answer: web.Response) -> web.Response:
    """Give an answer the tag of its bytes; 304 without them where the reader has the same (RFC 9110 §13.1.2)."""
    body = answer.body
    tag = f'"{hashlib.sha256(body if isinstance(body, bytes) else b"").hexdigest()[:_TAG_DIGITS]}"'
    answer.headers["ETag"] = tag
    known = request.headers.get("If-None-Match")
    if known is None or not names_tag(known, tag, strong=False):
        return answer
    kept = {name: value for name, value in answer.headers.items() if name not in ("Content-Type", "Content-Length")}
    return web.Response(status=304, headers=kept)


def failure_answer(failure: WebFailure) -> web.Response:
    """Answer with why there is no answer."""
    return json_answer({"error": {"code": failure.code, "message": failure.message}}, failure.status, failure.headers)


def wants_html(request: web.Request) -> bool:
    """Whether the reader is a browser rather than a program: HTML is asked for, and JSON is not preferred."""
    accepted = request.headers.get("Accept", "")
    html, program = accepted.find("text/html"), accepted.find("application/json")
    return html >= 0 and (program < 0 or html < program)
