"""Fetch a file when it is first asked for: one download for however many ask, within the limits of all downloads.

`Media` decides whether it may be copied, before and after; here it is only seen to that nobody waits for ever, and
that those who ask together wait for the same download.
"""

import asyncio
from contextlib import suppress

from ipsync.jobs.media import Media
from ipsync.policy.instants import SECOND, Duration, seconds
from ipsync.ports.store import ContentKey

PATIENCE: Duration = 10 * SECOND
"""How long whoever asks waits for the download."""

_AT_ONCE = 4
_MOST = 256


class OnDemand:
    """The files that are being fetched because somebody asked."""

    def __init__(self, media: Media, patience: Duration = PATIENCE) -> None:
        """Fetch by `media`; whoever asks waits up to `patience`."""
        self._media = media
        self._patience = patience
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[ContentKey, asyncio.Task[Duration]] = {}

    async def fetch(self, key: ContentKey) -> Duration:
        """Have a file fetched, and wait for it.

        A download goes on when nobody waits for it any more.

        Args:
            key: which file.

        Returns:
            0 where there is nothing to wait for: look again whether it is there. Else after how long to ask again.

        Raises:
            CatalogFailure: the catalog could not be asked, or told.
        """
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= _MOST:
                return self._patience
            task = self._under_way[key] = asyncio.create_task(self._fetch(key), name="on-demand")
            task.add_done_callback(lambda done: self._end(key, done))
        done, _ = await asyncio.wait({task}, timeout=seconds(self._patience))
        return task.result() if done and not task.cancelled() else self._patience

    async def close(self) -> None:
        """End all downloads; what is half there is fetched anew when it is asked for again."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _fetch(self, key: ContentKey) -> Duration:
        async with self._gate:
            return await self._media.fetch_one(key)

    def _end(self, key: ContentKey, done: asyncio.Task[Duration]) -> None:
        self._under_way.pop(key, None)
        if not done.cancelled():
            done.exception()  # whoever asked may be gone; the catalog told of its failure itself
