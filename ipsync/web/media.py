"""`/media/{document}/{rendition}`: a stored file, while its lease holds, with the credit it owes (T06, T08).

The store is asked by a key of our own numbers and words; nothing of the request becomes a path (F30).
The type is the one the bytes themselves showed, and nothing a browser would run is shown inline (F33).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping

from aiohttp import web

from ipsync.policy.documents import RENDITIONS, Rendition
from ipsync.policy.instants import SECOND, Duration
from ipsync.policy.read_tokens import TokenScope
from ipsync.ports.store import ContentKey, NotStored
from ipsync.telemetry import Event, get_log
from ipsync.web.api import ANY_FILE, Endpoint, Parameter, Reply, Where
from ipsync.web.api_schemas import NOT_SHOWN
from ipsync.web.authentication import CALLER, Caller
from ipsync.web.credit import link_header
from ipsync.web.documents import SHOWCASE, TO_FETCH
from ipsync.web.failures import WebFailure, not_found
from ipsync.web.opening import Damaged, Opened, Opener
from ipsync.web.parts import PARTS, WebParts
from ipsync.web.ranges import Span, Unsatisfiable, names_tag, range_applies, requested_span
from ipsync.web.reading import IF_NONE_MATCH, LARGEST_ID, id_in_path
from ipsync.web.sending import Item, Shipments
from ipsync.web.showing import Held, Showcase, may_show, why_missing

_log = get_log(__name__)

LONGEST_MAX_AGE: Duration = 300 * SECOND
"""No reader keeps a copy longer than five minutes unasked, however long the lease still holds."""

INLINE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"})
_INLINE_FAMILIES = ("video/", "audio/")
_UNKNOWN_TYPE = "application/octet-stream"
_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")
_ETAG_BYTES = 16

_LONGEST_WAIT_SECONDS = 3600
_OURS_ALONE = ("If-Range", "If-Match", "If-Unmodified-Since")

OPENER = web.AppKey("OPENER", Opener)
SHIPMENTS = web.AppKey("SHIPMENTS", Shipments)


async def send_media(request: web.Request) -> web.StreamResponse:
    """`GET|HEAD /media/{document}/{rendition}`, whole or one range of it."""
    return await _send(request, {})


async def send_to_owner(request: web.Request, account_id: int) -> web.StreamResponse:
    """`GET|HEAD /me/media/{document_id}/{rendition}`: to a member's own browser, which must ask anew each time.

    Raises:
        WebFailure: 404 or 410, it may not be shown to them, or there is none.
    """
    request[CALLER] = Caller("member", frozenset({TokenScope.MEDIA}), account_id)
    return await _send(request, {"Cache-Control": "private, no-cache", "Vary": "Cookie"})


async def _send(request: web.Request, more: Mapping[str, str]) -> web.StreamResponse:
    """Send the file that the address names, with `more` headers."""
    parts = request.app[PARTS]
    document_id, name = int(request.match_info["document_id"]), request.match_info["rendition"]
    if name not in RENDITIONS or document_id > LARGEST_ID or request.query_string:
        raise not_found()
    held, rendition, left = await _shown(request, document_id, name)
    # The lease goes on running while the file is opened and sent.
    end = asyncio.get_running_loop().time() + left / SECOND
    tag = f'"{(rendition.digest or b"").hex()[: 2 * _ETAG_BYTES]}"'
    headers = _headers(held, rendition, left, tag, parts.site_url) | dict(more)
    if unchanged := _precondition(request, tag, headers):
        return unchanged
    if (answer := await _handed_over(request, held, rendition, left, headers)) is not None:
        return answer
    size = rendition.size_bytes
    span, status = _span(request, size, tag), 200
    if span is not None:
        status = 206
        headers["Content-Range"] = f"bytes {span.start}-{span.start + span.count - 1}/{size}"
    whole = span or Span(0, size)
    # A head is an answer too: what it promises must be there.
    wanted = Span(0, 0) if request.method == "HEAD" else whole
    opened = await _opened(request, held, rendition, wanted)
    if request.method == "HEAD":
        opened.close()
        return _head(status, headers, whole.count)
    if asyncio.get_running_loop().time() >= end:
        # The disk took longer than the lease held.
        opened.close()
        raise not_found()
    with request.app[SHIPMENTS].shipment(Item(document_id, name, rendition.digest or b"")) as shipment:
        return await shipment.send(request, status, headers, opened, end)


def left_of(showcase: Showcase, parts: WebParts) -> Callable[[Collection[Item]], Awaitable[Mapping[Item, float]]]:
    """Give the question `Shipments` asks: for how many seconds may each file still be shown?"""

    async def seconds_left(items: Collection[Item]) -> Mapping[Item, float]:
        held = await showcase.documents({item.document_id for item in items})
        left: dict[Item, float] = {}
        for item in items:
            entry = held.get(item.document_id)
            current = None if entry is None else entry.stored(item.rendition)
            if entry is not None and current is not None and current.digest == item.digest:
                left[item] = _left(entry, parts) / SECOND
        return left

    return seconds_left


def _left(held: Held, parts: WebParts) -> Duration:
    """How long a document may still be shown; 0 when it may not."""
    rules, now = parts.rules(), parts.clock.now()
    if not may_show(held, rules, now):
        return 0
    return rules.lease.serve_until(held.document.verified_at) - now


async def _shown(
    request: web.Request, document_id: int, name: str, *, may_fetch: bool = True
) -> tuple[Held, Rendition, Duration]:
    """Give a stored file, and for how long it may still be shown."""
    caller = request[CALLER]
    held = await request.app[SHOWCASE].document(document_id)
    if held is None:
        raise await why_missing(request.app[SHOWCASE], document_id, caller.account_id)
    if not caller.may_see(held.document.account_id):
        raise not_found()
    parts = request.app[PARTS]
    if (left := _left(held, parts)) <= 0:
        raise not_found()
    rendition = held.stored(name)
    if rendition is None and may_fetch and parts.rules().on_demand and parts.on_demand is not None:
        await _fetch(held, name, parts.on_demand)
        # Much may have happened meanwhile: everything is asked anew.
        return await _shown(request, document_id, name, may_fetch=False)
    if rendition is None:
        raise not_found()
    return held, rendition, left


async def _fetch(held: Held, name: str, fetch: Callable[[ContentKey], Awaitable[Duration]]) -> None:
    """Have a file fetched that is shown and not stored, where it is to be had at all."""
    if not any(entry.file.rendition == name and entry.state in TO_FETCH for entry in held.renditions):
        return
    wait = await fetch(ContentKey(held.document.account_id, held.document.document_id, name))
    if wait > 0:
        seconds_to_wait = min(_LONGEST_WAIT_SECONDS, max(1, -(-wait // SECOND)))
        raise WebFailure(
            503, "being-fetched", "This file is being fetched; ask again.", {"Retry-After": str(seconds_to_wait)}
        )


async def _opened(request: web.Request, held: Held, rendition: Rendition, span: Span) -> Opened:
    """Open the file; one that is missing or not what was stored is not served, and its damage is told."""
    parts = request.app[PARTS]
    name = rendition.file.rendition
    key = ContentKey(held.document.account_id, held.document.document_id, name)
    try:
        return await request.app[OPENER].open(key, rendition.size_bytes, rendition.digest or b"", span)
    except (NotStored, Damaged):
        # An erasure or a new version may have come between reading the catalog and opening the file.
        _, current, _ = await _shown(request, held.document.document_id, name)
        if current.digest == rendition.digest:
            _log.error(
                Event.STORE_DAMAGED,
                "A stored file is missing or not what was stored; it is not served.",
                account_id=key.account_id,
                document_id=key.document_id,
                rendition=name,
            )
            parts.on_damage(key)
        raise not_found() from None


def _headers(held: Held, rendition: Rendition, left: Duration, tag: str, site_url: str) -> dict[str, str]:
    seconds = min(left, LONGEST_MAX_AGE) // SECOND
    kind = rendition.content_type if _TYPE.fullmatch(rendition.content_type) else _UNKNOWN_TYPE
    headers = {
        "Content-Type": kind,
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={seconds}" if seconds > 0 else "private, no-store",
        "Vary": "Authorization",
        "Link": link_header(held, site_url),
    }
    if not (kind in INLINE_TYPES or kind.startswith(_INLINE_FAMILIES)):
        named = f"ipernity-{held.document.document_id}-{rendition.file.rendition}"
        headers["Content-Disposition"] = f'attachment; filename="{named}"'
    return headers


def _precondition(request: web.Request, tag: str, headers: Mapping[str, str]) -> web.Response | None:
    """Answer 304 or 412 where the request says so (RFC 9110 §13.2.2)."""
    if (must := request.headers.get("If-Match")) is not None and not names_tag(must, tag, strong=True):
        raise WebFailure(412, "changed", "The file is another one now.")
    if (known := request.headers.get("If-None-Match")) is not None and names_tag(known, tag, strong=False):
        kept = ("ETag", "Cache-Control", "Vary", "Link")
        return web.Response(status=304, headers={name: headers[name] for name in kept})
    return None


async def _handed_over(
    request: web.Request, held: Held, rendition: Rendition, left: Duration, headers: Mapping[str, str]
) -> web.Response | None:
    """Let the server in front send the file, ranges included; None where we send it ourselves.

    We do where the lease ends soon, since only we can cut an answer, and where a condition is on the version, since a
    server in front would compare it with a tag or a date of its own.
    """
    accel = request.app[PARTS].accel
    if accel is None or left < LONGEST_MAX_AGE or any(name in request.headers for name in _OURS_ALONE):
        return None
    opened = await _opened(request, held, rendition, Span(0, 0))
    opened.close()
    document = held.document
    path = f"{document.account_id}/{document.document_id}/{rendition.file.rendition}"
    return web.Response(headers={**headers, accel.header: f"{accel.prefix}{path}"})


def _span(request: web.Request, size_bytes: int, tag: str) -> Span | None:
    header = request.headers.get("Range")
    # Ranges are defined for GET alone.
    if header is None or request.method != "GET" or not range_applies(request.headers.get("If-Range"), tag):
        return None
    try:
        return requested_span(header, size_bytes)
    except Unsatisfiable:
        raise WebFailure(
            416, "no-such-range", "The file is shorter than that.", {"Content-Range": f"bytes */{size_bytes}"}
        ) from None


def _head(status: int, headers: Mapping[str, str], size_bytes: int) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = size_bytes
    return response


ENDPOINTS = (
    Endpoint(
        path="/media/{document_id}/{rendition}",
        name="media",
        handler=send_media,
        scope=TokenScope.MEDIA,
        summary="A file of a document",
        description="Whole, or one range of it. Keep it no longer than Cache-Control says: it is bound to the lease.",
        parameters=(
            id_in_path("document_id", "a document"),
            Parameter(
                "rendition",
                "Which file: one that the document names.",
                {"type": "string", "enum": list(RENDITIONS)},
                Where.PATH,
                "[a-z0-9]+",
            ),
            Parameter(
                "Range",
                "One range of bytes; several, or other units, are answered with the whole file.",
                {"type": "string", "examples": ["bytes=0-1023"]},
                Where.HEADER,
            ),
            Parameter(
                "If-Range",
                "The ETag of the version the range belongs to; another version is answered whole.",
                {"type": "string", "examples": ['"0123456789abcdef0123456789abcdef"']},
                Where.HEADER,
            ),
            IF_NONE_MATCH,
        ),
        replies={
            200: Reply(
                "The file.",
                content_type=ANY_FILE,
                headers={
                    "ETag": "of the file's bytes",
                    "Cache-Control": "how long it may be kept, never longer than the lease",
                    "Link": "its license, its page at ipernity, its author",
                },
            ),
            206: Reply("The range.", content_type=ANY_FILE, headers={"Content-Range": "which bytes these are"}),
            304: Reply("It is still the same.", content_type=""),
            412: Reply("The file is another one now.", "Error"),
            416: Reply("The file is shorter than that.", "Error", headers={"Content-Range": "its size"}),
            **NOT_SHOWN,
        },
    ),
)
