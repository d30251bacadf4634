"""`/media/…`: the documents' files, under names that hold a secret. Not calls of the API, and not signed."""

import re

from aiohttp import web

from ipsync.simulator.documents import ORIGINAL, THUMBS, Document, thumb_content
from ipsync.simulator.media import jpeg
from ipsync.simulator.media.recognize import content_type
from ipsync.simulator.serving.api import Handler
from ipsync.simulator.serving.sending import send
from ipsync.simulator.world import JSON, Answer, World, wire_fault

_NAME = re.compile(r"([0-9]{1,15})\.([0-9a-f]{8})\.([0-9a-z]{1,8})\.([0-9a-z]{1,5})", re.ASCII)
_ICON = re.compile(r"([0-9]{1,9})\.jpg", re.ASCII)


def _content(document: Document, secret: str, label: str, extension: str) -> bytes | None:
    """Return the file of this name, or None if the document has none of it (any more)."""
    own = document.original.extension
    if label == "original":
        return document.original.content() if (secret, extension) == (document.secret(ORIGINAL), own) else None
    if secret != document.secret(THUMBS):
        return None
    if label == extension == own and document.kind in ("video", "audio"):
        return document.original.content()
    return thumb_content(document, label) if extension == "jpg" else None


def find(world: World, folder: str, name: str) -> tuple[bytes, str] | None:
    """Return content and content type of a file by the two parts of its address, or None."""
    if folder == "icon" and (icon := _ICON.fullmatch(name)):
        member = world.state.member(int(icon[1]))
        return (jpeg.picture(60, 60, member.index % jpeg.SCENES).content(""), "image/jpeg") if member else None
    parts = _NAME.fullmatch(name)
    if parts is None or folder != f"{int(parts[1]) % 1000:03d}":
        return None
    document = world.state.library.get(int(parts[1]))
    if document is None or document.owner.closed:
        return None
    content = _content(document, parts[2], parts[3], parts[4])
    return (content, content_type(parts[4])) if content else None


def _partial(request: web.Request, content: bytes, headers: dict[str, str]) -> tuple[bytes, int] | None:
    """Return the part that `Range` asks for and the status, or None if there is no such part."""
    if "Range" not in request.headers or request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
        return content, 200
    try:
        start, stop, _ = request.http_range.indices(len(content))
    except ValueError:
        return content, 200
    if start >= stop:
        headers["Content-Range"] = f"bytes */{len(content)}"
        return None
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return content[start:stop], 206


def media_handler(world: World) -> Handler:
    """Return the handler of every address under `/media/`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        fault = world.strike_media()
        manner = wire_fault(fault) if fault else Answer(b"")
        if manner.status != 200 or manner.content_type != JSON or manner.hang_seconds:
            return await send(request, manner)
        name = request.match_info["name"]
        found = find(world, request.match_info["folder"], name)
        if found is None:
            return web.Response(status=404, text="Not found\n")
        content, kind = found
        headers = {
            "ETag": f'"{name}"',
            "Accept-Ranges": "bytes",
            "Cache-Control": "public, max-age=86400",
            "X-Content-Type-Options": "nosniff",
        }
        if headers["ETag"] in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        part = _partial(request, content, headers)
        if part is None:
            return web.Response(status=416, headers=headers)
        body, status = part
        cut_at = None
        if fault is not None and fault.kind == "truncate":
            cut_at = len(body) // 2 if fault.value < 0 else int(fault.value)
        made = Answer(body, status, kind, manner.spread_seconds, reset_after=manner.reset_after, cut_at=cut_at)
        return await send(request, made, headers)

    return answer
