"""Which part of a file is asked for, and whether it is asked for at all (RFC 9110 §13, §14). Pure."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=[ \t]*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))[ \t]*", re.ASCII)
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class Span:
    """`count` bytes from byte `start`, counted from 0."""

    start: int
    count: int


class Unsatisfiable(Exception):
    """The range lies beyond the end of the file."""


def requested_span(header: str, size_bytes: int) -> Span | None:
    """Read a Range header.

    Several ranges, other units and malformed ranges are ignored, as RFC 9110 §14.2 allows: the
    whole file is a right answer to them.

    Args:
        header: the value of the header.
        size_bytes: of the file.

    Returns:
        The part to send, or None for the whole file.

    Raises:
        Unsatisfiable: a well-formed single range has nothing in common with the file.
    """
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        count = min(int(suffix), size_bytes)
        if count == 0:
            raise Unsatisfiable
        return Span(size_bytes - count, count)
    start = int(first)
    end = size_bytes - 1 if last is None else min(int(last), size_bytes - 1)
    if last is not None and int(last) < start:
        return None
    if start >= size_bytes:
        raise Unsatisfiable
    return Span(start, end - start + 1)


def names_tag(header: str, tag: str, *, strong: bool) -> bool:
    """Whether an If-Match or If-None-Match header names the entity tag.

    Args:
        header: `*`, or entity tags with commas between.
        tag: ours, strong, with its quotes.
        strong: compare strongly (If-Match); otherwise a weak form of it counts too.
    """
    if header.strip() == "*":
        return True
    found = _ENTITY_TAG.findall(header)
    return tag in found or (not strong and f"W/{tag}" in found)


def range_applies(if_range: str | None, tag: str) -> bool:
    """Whether a Range may be honored beside this If-Range header; dates never match, we send none."""
    return if_range is None or if_range.strip() == tag
