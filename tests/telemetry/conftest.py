"""A log of its own for each test, put back afterwards."""

import io
import json
from collections.abc import Callable, Iterator

import pytest

from ipsync.telemetry import configure_logging


class Written:
    """What was logged so far."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def logging_to() -> Iterator[Callable[..., Written]]:
    """Configure the log and give what is written to it."""
    undone: list[Callable[[], None]] = []

    def start(layout: str = "json", level: str = "debug", secrets: tuple[str, ...] = ()) -> Written:
        stream = io.StringIO()
        undone.append(configure_logging(level, layout, secrets, stream))
        return Written(stream)

    yield start
    for undo in reversed(undone):
        undo()
