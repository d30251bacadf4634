"""What a request asks for: numbers, limits, and which parameters there are; all else is refused with a reason."""

from collections.abc import Mapping

from aiohttp import web

from ipsync.web.api import Parameter, Where
from ipsync.web.failures import bad_request

PAGE_LIMIT = 50
"""The most entries in one answer (T20)."""

LARGEST_ID = 2**63 - 1
ID_ROUTE = r"[1-9]\d{0,18}"
_ID = {"type": "string", "pattern": "^[1-9][0-9]{0,17}$", "description": "a number of ipernity's, as text"}

LIMIT = Parameter(
    "limit",
    f"How many entries at most; a page may hold fewer although more follow. No more than {PAGE_LIMIT} (T20).",
    {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT, "default": PAGE_LIMIT},
)


def cursor_among(entries: str) -> Parameter:
    """Declare where to go on among `entries`, a word of ours."""
    words = "Where to go on: next_cursor of the last answer to the same question. Opaque."
    return Parameter("cursor", words, {"type": "string", "format": f"cursor-among-{entries}"})


ACCOUNT = Parameter("account", "Only what this member shares.", _ID)
IF_NONE_MATCH = Parameter(
    "If-None-Match",
    "The ETag of what you have: 304 where it is still the same.",
    {"type": "string", "examples": ['"0123456789abcdef0123456789abcdef"']},
    Where.HEADER,
)


def id_in_path(name: str, what: str) -> Parameter:
    """Declare an ipernity number in the path.

    Args:
        name: between the braces.
        what: it is the number of.
    """
    return Parameter(name, f"The number of {what}.", _ID, Where.PATH, ID_ROUTE)


def query_of(request: web.Request, *known: str) -> Mapping[str, str]:
    """Give the parameters of a request.

    Raises:
        WebFailure: 400, one is not known here, or given twice.
    """
    if not request.query_string:
        return {}
    names = set(request.query)
    if len(names) != len(request.query) or not names <= set(known):
        words = ", ".join(sorted(known)) or "none"
        raise bad_request("bad-parameter", f"Each parameter may be given once; known here: {words}.")
    return request.query


def read_id(text: str, name: str) -> int:
    """Read an ipernity number.

    Raises:
        WebFailure: 400, it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= LARGEST_ID):
        raise bad_request(f"bad-{name}", f"The parameter {name} must be a positive whole number.")
    return int(text)


def read_limit(text: str | None) -> int:
    """Read how many entries are wanted; None means the most.

    Raises:
        WebFailure: 400, it is no number from 1 to 50.
    """
    if text is None:
        return PAGE_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= PAGE_LIMIT):
        raise bad_request(
            "bad-limit",
            f"The parameter limit must be a whole number from 1 to {PAGE_LIMIT}: no more than {PAGE_LIMIT} entries "
            "are given in one answer.",
        )
    return int(text)
