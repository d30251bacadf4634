"""The catalog's stamp, read once for all questions that were there before it was read."""

import asyncio
from collections.abc import Callable

from aiohttp import web

Stamp = Callable[[], int | None]
"""Gives a number that changes with every commit to the catalog, at once; None when it cannot."""


class SharedStamp:
    """A stamp that many requests share, and that is older than none of them.

    What was read is forgotten whenever bytes arrive, so what is asked by them is answered by a later reading. And it is
    forgotten when the event loop comes round, for those who ask without new bytes: answers that go on for long, and
    whoever looks after them.
    """

    def __init__(self, stamp: Stamp) -> None:
        """Read `stamp` when it is asked for."""
        self._stamp = stamp
        self._is_known = False
        self._value: int | None = None

    def __call__(self) -> int | None:
        """Give the stamp; to be called while the event loop runs."""
        if not self._is_known:
            self._value = self._stamp()
            self._is_known = True
            asyncio.get_running_loop().call_soon(self.forget)
        return self._value

    def forget(self) -> None:
        """Have it read again when it is asked for next."""
        self._is_known = False


STAMP = web.AppKey("STAMP", SharedStamp)
