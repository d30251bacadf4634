"""`ipsync run` before there is a daemon: configuration, event loop. The daemon itself: tests/system/test_daemon.py."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ipsync.cli import run
from tests.fakes.command_line import ipsync
from tests.fakes.configuration import SECRETS, write_configuration


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


def test_as_a_unit_runs_it_the_database_is_made_first(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    file = write_configuration(tmp_path, '[store]\nurl = "file:taken"')

    shown = ipsync("run", "--upgrade", "-c", file, env=SECRETS)

    # A store that is no folder ends it after that.
    events = [json.loads(line)["event"] for line in shown.err.splitlines()]
    assert shown.code == 1
    assert events.index("database.upgraded") < events.index("boot.refused")
    assert (tmp_path / "ipsync.db").is_file()


def test_a_database_from_the_future_ends_it_for_good_and_says_the_way_back(tmp_path: Path) -> None:
    file = write_configuration(tmp_path)
    with closing(sqlite3.connect(tmp_path / "ipsync.db")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")

    shown = ipsync("run", "--upgrade", "-c", file, env=SECRETS)

    # 2: systemd does not try again what only an operator can mend.
    assert shown.code == 2
    record = json.loads(shown.err)
    assert record["event"] == "boot.refused"
    assert "made by a newer ipsync" in record["message"]
    assert "restore the backup" in record["message"]


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
