"""`ipsync db`: creates and upgrades by the settings, without needing any secret."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from tests.fakes.command_line import Outcome
from tests.fakes.configuration import write_configuration

Cli = Callable[..., Outcome]


def test_upgrade_creates_and_then_has_nothing_to_do(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[database]\nurl = "sqlite:///deep.db"')

    before = cli("db", "current", "-c", file)
    first = cli("db", "upgrade", "-c", file)
    again = cli("db", "upgrade", "-c", file)
    after = cli("db", "current", "-c", file)

    assert (before.code, first.code, again.code, after.code) == (3, 0, 0, 0)
    assert "no schema yet" in before.out
    assert "ipsync db upgrade" in before.out
    assert first.out.startswith(f"Created {tmp_path / 'deep.db'}")
    assert "nothing to do" in again.out
    assert (tmp_path / "deep.db").is_file()


def test_json(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path)

    before = json.loads(cli("db", "current", "-c", file, "--json").out)
    upgraded = json.loads(cli("db", "upgrade", "-c", file, "--json").out)
    after = json.loads(cli("db", "current", "-c", file, "--json").out)

    assert before == {"database": str(tmp_path / "ipsync.db"), "current": None, "needed": before["needed"]}
    assert upgraded == {"database": str(tmp_path / "ipsync.db"), "before": None, "after": before["needed"]}
    assert after["current"] == after["needed"]


def test_a_database_of_a_newer_version_is_refused(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path)
    cli("db", "upgrade", "-c", file)
    with sqlite3.connect(tmp_path / "ipsync.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    shown = cli("db", "upgrade", "-c", file)

    assert shown.code == 1
    assert "newer" in shown.err
    assert "Traceback" not in shown.err
    assert cli("db", "current", "-c", file).code == 3


def test_a_folder_that_does_not_exist_is_said_plainly(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[database]\nurl = "sqlite:///none/ipsync.db"')

    shown = cli("db", "upgrade", "-c", file)

    assert shown.code == 1
    assert "database.url" in shown.err
    assert "Traceback" not in shown.err
