"""Listings and pages for tests that watch single steps, on a cadence whose parts are easy to reckon with."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ipsync.policy.instants import SECOND
from ipsync.policy.planner import Cadence, PageKnowledge, PageRead

CADENCE = Cadence(window=1280 * SECOND, serve_age=2560 * SECOND)
"""One 128th of the window, the tolerance, is 10 s; a period is 1260 s."""


def page_of(number: int, total: int, at: int = 0, without: Collection[int] = ()) -> PageRead:
    """One page, in order, of documents posted at ten times their rank from the oldest; some ranks have gone."""
    listed = [10 * rank for rank in range(total + len(without), 0, -1) if rank not in without]
    return PageRead(number, at * SECOND, total, listed[(number - 1) * 100 : number * 100])


def rows_of(read_at: Sequence[int]) -> list[PageKnowledge]:
    """What is kept of full pages that were read at these times, in seconds."""
    pages = len(read_at)
    return [
        replace(
            page_of(page, pages * 100, at).record(),
            cut_at=10 * (100 * (pages - page) + 51),
            documents=100 if page < pages else 51,
        )
        for page, at in enumerate(read_at, 1)
    ]
