"""`ipsync run` before there is a daemon: configuration, event loop. The daemon itself: tests/system/test_daemon.py."""

import asyncio
from pathlib import Path

import pytest

from ipsync.cli import run
from tests.fakes.command_line import ipsync
from tests.fakes.configuration import write_configuration


def test_without_a_configuration_it_exits_with_2_and_the_next_step(tmp_path: Path) -> None:
    shown = ipsync("run", env={"IPSYNC_CONFIG": str(tmp_path / "none.toml")})

    assert shown.code == 2
    assert shown.out == ""
    assert "ipsync init" in shown.err


def test_every_problem_of_the_configuration_is_told_before_anything_starts(tmp_path: Path) -> None:
    shown = ipsync("run", "-c", write_configuration(tmp_path, '[removal]\nwindow = "48h"\n[web]\nlisten = "x"'))

    assert shown.code == 2
    for key in ("removal.window", "web.listen", "IPSYNC_API_KEY"):
        assert key in shown.err
    assert list(tmp_path.glob("*.db*")) == []


def test_the_faster_loop_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = run._loop_factory()
    assert factory is not None
    loop = factory()
    assert type(loop).__module__.partition(".")[0] == "uvloop"
    loop.close()

    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    assert run._loop_factory() is None
    with asyncio.Runner(loop_factory=run._loop_factory()) as runner:
        assert type(runner.get_loop()).__module__.partition(".")[0] == "asyncio"
