"""`/media/…` on the wire: the documents' files, with `Range` and `ETag`. Not calls of the API, and not signed."""

from dataclasses import replace

from aiohttp import web

from ipsync.simulator.serving.api import Handler
from ipsync.simulator.serving.sending import send
from ipsync.simulator.world import World


def _partial(request: web.Request, content: bytes, headers: dict[str, str]) -> tuple[bytes, int]:
    """Return the part that `Range` asks for and the status: 200 all, 206 some, 416 there is no such part."""
    if "Range" not in request.headers or request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
        return content, 200
    try:
        start, stop, _ = request.http_range.indices(len(content))
    except ValueError:
        return content, 200
    if start >= stop:
        headers["Content-Range"] = f"bytes */{len(content)}"
        return b"", 416
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return content[start:stop], 206


def media_handler(world: World) -> Handler:
    """Return the handler of every address under `/media/`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        made = world.answer_media(request.path)
        if made.name is None:
            return await send(request, made)
        headers = {
            "ETag": f'"{made.name}"',
            "Accept-Ranges": "bytes",
            "Cache-Control": "public, max-age=86400",
            "X-Content-Type-Options": "nosniff",
        }
        if headers["ETag"] in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        body, status = _partial(request, made.body, headers)
        return await send(request, replace(made, body=body, status=status), headers)

    return answer
