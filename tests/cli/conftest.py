"""The command line in this process."""

from collections.abc import Callable

import pytest

from tests.fakes.command_line import Outcome, ipsync_here


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a command line: `cli("config", "check", env={...})`."""
    return ipsync_here(capsys, monkeypatch)
