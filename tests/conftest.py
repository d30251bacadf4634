"""What every test owes to the next one."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def log_left_as_found() -> Iterator[None]:
    """A log that stays configured would swallow what another test wants to read."""
    before = logging.getLogger("ipsync").level
    yield
    assert logging.getLogger("ipsync").level == before, "the test left the log configured"
