"""What the processes of a story write about themselves, and what may never be in it (I9): secrets, members' words."""

import io
import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ipsync.settings import Settings
from ipsync.simulator.world import World
from ipsync.telemetry.log import configure_logging
from tests.fakes.configuration import SECRETS

_TOKEN = re.compile(r"tok-[0-9a-f]+")


class Logbook:
    """The log of every life of one story, and what it may not hold.

    Args:
        world: whose tokens are secrets.
        settings: whose secrets the daemon knows.
        is_kept: whether anything is written at all: that takes time.
    """

    def __init__(self, world: World, settings: Settings, *, is_kept: bool) -> None:
        self._world = world
        self._settings = settings
        self._is_kept = is_kept
        self._stream = io.StringIO()
        self._secrets = {*SECRETS.values(), world.api_key, world.secret}

    @contextmanager
    def is_written(self) -> Iterator[None]:
        """Log as the daemon does, as much as it can; or nothing."""
        if not self._is_kept:
            logging.disable(logging.CRITICAL)
            try:
                yield
            finally:
                logging.disable(logging.NOTSET)
            return
        known = [secret.reveal() for secret in self._settings.secrets.all() if secret]
        undo = configure_logging("debug", "json", known, self._stream)
        try:
            yield
        finally:
            undo()

    def look(self) -> None:
        """Take note of tokens and frobs that there are now."""
        self._secrets |= {*self._world.state.tokens, *self._world.state.frobs}

    def told_of(self, words: Collection[str], metrics: str) -> str:
        """What was written since it was last asked though it may not be, or "". No secret is repeated.

        Args:
            words: tokens that stand in the texts of members' documents.
            metrics: what anybody may read as well.
        """
        if not self._is_kept:
            return ""
        text = self._stream.getvalue() + metrics
        self._stream.seek(0)
        self._stream.truncate()
        if any(secret in text for secret in self._secrets):
            return "a secret"
        found = {*_TOKEN.findall(text)} & {*words}
        return f"a member's words ({min(found)})" if found else ""
