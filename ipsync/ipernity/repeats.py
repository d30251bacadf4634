"""Whether a JSON text says one thing twice (F11).

`{"license": "11", "license": "1"}` is valid JSON, and every reader picks one of the two. An answer that contradicts
itself is no observation, so it is found before the answer is read. Listings are read by the thousand, hence a quick
way first: decode, encode again, and compare how often a quote is followed by a colon; what was said twice is said
once in the copy. Where the numbers differ the exact way decides, since a text spelled otherwise may differ too.
"""

import json
from typing import Any

import msgspec

_SPACE = b" \t\r\n"


class _RepeatedError(ValueError):
    pass


def repeats_a_name(body: bytes) -> bool:
    """Whether any object in `body` has a name twice.

    Raises:
        ValueError: it is no JSON at all, or not UTF-8.
        RecursionError: it is nested too deeply.
    """
    body.decode()
    try:
        copy = msgspec.json.encode(msgspec.json.decode(body))
    except msgspec.MsgspecError:
        raise ValueError("not JSON") from None
    if _names(body) == _names(copy):
        return False
    try:
        json.loads(body, object_pairs_hook=_distinct)
    except _RepeatedError:
        return True
    return False


def _names(text: bytes) -> int:
    """How many names a text has; more than that where a value begins with a colon or has `":` within."""
    return text.translate(None, _SPACE).count(b'":')


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _RepeatedError
