"""The order in which a member's documents are listed, kept so that a page costs its own length only.

A view is the ascending array of the ids that a privacy level and a kind let through. Ids grow with posted time, so
the newest page is the end of the array. Views are made when first asked for and then kept up to date: a deletion
moves at most the bytes above it, some tens of microseconds for a hundred thousand documents.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cache
from itertools import compress

KINDS = ("photo", "video", "audio", "other")
ALL_SHARES = 0b11111
ALL_KINDS = 0b1111


def _code(share: int, kind: str) -> int:
    """Return privacy level and kind as one small number."""
    return share | KINDS.index(kind) << 3


class Stream:
    """One member's documents.

    Args:
        first: gives id, privacy level (0 to 4) and kind of each, oldest first; asked once, when the stream is read.
    """

    __slots__ = ("_codes", "_first", "_ids", "_views")

    def __init__(self, first: Callable[[], Iterable[tuple[int, int, str]]]) -> None:
        self._first = first
        self._ids: array[int] | None = None
        self._codes = bytearray()
        self._views: dict[frozenset[int], array[int]] = {}

    def _all(self) -> "array[int]":
        if self._ids is None:
            self._ids = array("Q")
            for document_id, share, kind in self._first():
                self._ids.append(document_id)
                self._codes.append(_code(share, kind))
        return self._ids

    def view(self, shares: int = ALL_SHARES, kinds: int = ALL_KINDS) -> "array[int]":
        """Return the ids of these privacy levels (bits 0 to 4) and kinds (bits 0 to 3), ascending: read only."""
        if (shares, kinds) == (ALL_SHARES, ALL_KINDS):
            return self._all()
        key = _codes_let_through(shares, kinds)
        view = self._views.get(key)
        if view is None:
            ids = self._all()
            view = self._views[key] = array("Q", compress(ids, map(key.__contains__, self._codes)))
        return view

    def add(self, document_id: int, share: int, kind: str) -> None:
        """Put an id into the views it belongs to."""
        code, ids = _code(share, kind), self._all()
        place = bisect_left(ids, document_id)
        ids.insert(place, document_id)
        self._codes.insert(place, code)
        for codes, view in self._views.items():
            if code in codes:
                view.insert(bisect_left(view, document_id), document_id)

    def remove(self, document_id: int) -> None:
        """Take an id out of the views it belongs to."""
        ids = self._all()
        place = bisect_left(ids, document_id)
        code = self._codes[place]
        del ids[place], self._codes[place]
        for codes, view in self._views.items():
            if code in codes:
                del view[bisect_left(view, document_id)]


@cache
def _codes_let_through(shares: int, kinds: int) -> frozenset[int]:
    return frozenset(
        _code(share, kind)
        for share in range(5)
        for place, kind in enumerate(KINDS)
        if shares >> share & 1 and kinds >> place & 1
    )


def newest(view: "array[int] | list[int]", page: int, per_page: int) -> list[int]:
    """Return page `page` (from 1) of an ascending view, newest first."""
    stop = len(view) - (page - 1) * per_page
    if stop <= 0:
        return []
    return list(reversed(view[max(0, stop - per_page) : stop]))
