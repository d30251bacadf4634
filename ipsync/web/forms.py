"""Forms that come in: small, whole in time, from a page of ours that this very browser was shown.

The only place that reads the body of a request. Everything else has none (`client_max_size`).
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import web

from ipsync.web.failures import WebFailure, bad_request
from ipsync.web.place import PLACE
from ipsync.web.sessions import SESSIONS, Kind, Session

LARGEST_FORM_BYTES = 64_000
CRUMB = "crumb"
"""The name of the hidden field that every form carries."""

_FIELDS_MOST = 64
_BODY_SECONDS = 10.0
_PIECE_BYTES = 16_384
_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """A form that came back.

    Attributes:
        session: of the browser that was shown the form.
        fields: by name, as they were sent; at most 64 kB in all.
    """

    session: Session
    fields: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str:
        """Give a field without space around it, "" when it was left out."""
        return self.fields.get(name, "").strip()


async def read_form(request: web.Request, kind: Kind, known: Collection[str] = ()) -> Form:
    """Read a form that this browser was shown by us.

    Args:
        request: a POST.
        kind: of the session to which the form was bound when it was shown.
        known: the names of its fields; anything else is refused.

    Raises:
        WebFailure: 403, the form is not from a page of ours, or too old; 408, 413, 415 or 400, it cannot be read.
    """
    request.app[PLACE].check_origin(request)
    sessions = request.app[SESSIONS]
    session = sessions.read(request, kind)
    fields = _fields(await _body(request))
    if session is None or not sessions.is_crumb(session, fields.pop(CRUMB, "")):
        raise WebFailure(403, "stale-form", "This page was open for too long. Load it again and try once more.")
    if not fields.keys() <= set(known):
        raise bad_request("bad-form", "The form holds what was not asked for.")
    return Form(session, fields)


async def _body(request: web.Request) -> bytes:
    if request.content_type != _TYPE:
        raise WebFailure(415, "not-a-form", "Only forms are read here.")
    too_large = WebFailure(413, "too-large", "The form is too large.", {"Connection": "close"})
    if (request.content_length or 0) > LARGEST_FORM_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while piece := await request.content.read(_PIECE_BYTES):
                body += piece
                if len(body) > LARGEST_FORM_BYTES:
                    raise too_large
    except TimeoutError:
        raise WebFailure(408, "too-slow", "The form took too long to arrive.", {"Connection": "close"}) from None
    return bytes(body)


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MOST)
    except ValueError:
        raise bad_request("bad-form", "The form is not well formed.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise bad_request("bad-form", "Each field of a form may be given once.")
    return fields
