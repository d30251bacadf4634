"""The order in which a member's documents are listed, kept so that a page costs its own length only.

A view is the ascending array of the ids that a privacy level and a kind let through. Ids grow with posted time, so
the newest page is the end of the array. Views are made when first asked for and then kept up to date: a deletion
moves at most the bytes above it, some tens of microseconds for a hundred thousand documents.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable

ALL_SHARES = 0b11111
ALL_KINDS = 0b1111


class Stream:
    """One member's documents.

    Args:
        ids: gives the member's ids, oldest first; asked once, when the stream is first read.
        facts: a document's privacy level (0 to 4) and the index of its kind (0 to 3).
    """

    __slots__ = ("_facts", "_ids", "_views")

    def __init__(self, ids: Callable[[], Iterable[int]], facts: Callable[[int], tuple[int, int]]) -> None:
        self._ids = ids
        self._facts = facts
        self._views: dict[tuple[int, int], array[int]] = {}

    def view(self, shares: int = ALL_SHARES, kinds: int = ALL_KINDS) -> "array[int]":
        """Return the ids of these privacy levels (bits 0 to 4) and kinds (bits 0 to 3), ascending: read only."""
        view = self._views.get((shares, kinds))
        if view is None:
            if (shares, kinds) == (ALL_SHARES, ALL_KINDS):
                view = array("Q", self._ids())
            else:
                view = array("Q", (one for one in self.view() if self._lets_through(one, shares, kinds)))
            self._views[shares, kinds] = view
        return view

    def _lets_through(self, document_id: int, shares: int, kinds: int) -> bool:
        share, kind = self._facts(document_id)
        return bool(shares >> share & 1 and kinds >> kind & 1)

    def add(self, document_id: int, share: int, kind: int) -> None:
        """Put an id into the views it belongs to."""
        self.view()
        for (shares, kinds), view in self._views.items():
            if shares >> share & 1 and kinds >> kind & 1:
                place = bisect_left(view, document_id)
                if place == len(view) or view[place] != document_id:
                    view.insert(place, document_id)

    def remove(self, document_id: int, share: int, kind: int) -> None:
        """Take an id out of the views it belongs to, as if it had this privacy level and kind."""
        self.view()
        for (shares, kinds), view in self._views.items():
            if shares >> share & 1 and kinds >> kind & 1:
                place = bisect_left(view, document_id)
                if place < len(view) and view[place] == document_id:
                    del view[place]


def newest(view: "array[int] | list[int]", page: int, per_page: int) -> list[int]:
    """Return page `page` (from 1) of an ascending view, newest first."""
    stop = len(view) - (page - 1) * per_page
    if stop <= 0:
        return []
    return list(reversed(view[max(0, stop - per_page) : stop]))
