"""What every test may rely on, whatever ran before it in the same process."""

import logging

import pytest


@pytest.fixture(autouse=True)
def log_as_new() -> None:
    """A log that stayed configured would swallow what a test wants to read."""
    logging.disable(logging.NOTSET)
    logging.getLogger("ipsync").setLevel(logging.NOTSET)
