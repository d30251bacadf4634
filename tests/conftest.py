"""What every test owes to the next one in the same process."""

import logging
import signal
from collections.abc import Iterator

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background lets them ignore Ctrl-C, and every process that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _log() -> tuple[object, ...]:
    """What decides whether a record is written: everything that is not as Python made it."""
    loggers = {"root": logging.getLogger()} | {
        name: entry for name, entry in logging.Logger.manager.loggerDict.items() if isinstance(entry, logging.Logger)
    }
    unlike = {name: (entry.level, entry.disabled, entry.propagate) for name, entry in loggers.items()}
    return (
        logging.Logger.manager.disable,
        {name: found for name, found in unlike.items() if found != (logging.NOTSET, False, True)},
        [type(entry).__name__ for entry in logging.getLogger().handlers],
    )


@pytest.fixture(autouse=True)
def log_left_as_found() -> Iterator[None]:
    """A log that stays configured, or a logger that stays disabled, swallows what another test wants to read."""
    before = _log()
    yield
    assert _log() == before, "the test left the log configured"
