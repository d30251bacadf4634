"""`ipsync config check --running`: what a reload would take over, what needs a restart, and nothing secret."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipsync.in_force import forget_in_force, in_force_file, write_in_force
from ipsync.process import OneProcessLock
from ipsync.settings import load
from tests.fakes.command_line import Outcome
from tests.fakes.configuration import KEY, SECRETS, write_configuration

Check = Callable[..., Outcome]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("canary-first-token-012345")
    (tmp_path / "token").chmod(0o600)
    return write_configuration(tmp_path, '[secrets]\nsmtp_password_file = "token"')


@pytest.fixture
def daemon(file: Path) -> Iterator[Path]:
    """Something that holds the daemon's lock and goes by the configuration; gives the database."""
    settings = load(file, SECRETS)
    lock = OneProcessLock(settings.database.path)
    assert lock.take("ipsync run")
    write_in_force(settings, settings)
    yield settings.database.path
    forget_in_force(settings.database.path)
    lock.release()


@pytest.fixture
def check(cli: Check, file: Path) -> Check:
    return lambda *words, env=SECRETS: cli("config", "check", "--running", "-c", file, *words, env=env)


def test_what_is_in_force_already_is_said(check: Check, daemon: Path) -> None:
    shown = check()
    assert shown.code == 0
    assert "goes by it already" in shown.out
    assert json.loads(check("--json").out)["changes"] == []


def test_what_a_reload_takes_over_is_told_from_what_needs_a_restart(check: Check, file: Path, daemon: Path) -> None:
    write_configuration(file.parent, '[secrets]\nsmtp_password_file = "token"\n[budget]\nper_hour = 500\n')
    only_reload = check()
    assert only_reload.code == 0
    assert "A reload takes over" in only_reload.out
    assert "1000 -> 500" in only_reload.out

    key = KEY.replace("non-commercial", "commercial")
    more = '[budget]\nper_hour = 500\n[web]\nlisten = "127.0.0.1:9999"\n[[agreements]]\n'
    write_configuration(file.parent, f'{more}owner = 7\nreference = "folder 1"\nuntil = 2030-01-01\n', key=key)
    shown = check()
    found = {change["key"]: change for change in json.loads(check("--json").out)["changes"]}
    assert shown.code == 3
    assert found["budget.per_hour"] == {
        "key": "budget.per_hour",
        "running": 1000,
        "configured": 500,
        "effect": "reload",
    }
    effects = {key: change["effect"] for key, change in found.items()}
    assert effects["web.listen"] == "restart"
    assert effects["key.use"] == "refused"
    assert effects["agreements[0].owner"] == effects["secrets.smtp_password_file"] == "reload"
    assert "Only a restart takes over (systemctl restart ipsync):\n  web.listen" in shown.out
    assert "127.0.0.1:8480 -> 127.0.0.1:9999" in shown.out


def test_T05_a_changed_secret_is_noticed_and_never_shown(check: Check, file: Path, daemon: Path) -> None:
    (file.parent / "token").write_text("canary-second-token-67890")
    other = SECRETS | {"IPSYNC_API_SECRET": "canary-other-secret-0123"}
    shown, as_json = check(env=other), check("--json", env=other)
    effects = {change["key"]: change["effect"] for change in json.loads(as_json.out)["changes"]}
    # A file is read again; a process keeps the environment that it began with.
    assert effects == {"secret smtp_password": "reload", "secret api_secret": "restart"}
    assert all(change["running"] is change["configured"] is None for change in json.loads(as_json.out)["changes"])
    written = in_force_file(daemon)
    assert written.stat().st_mode & 0o077 == 0
    everything = shown.out + shown.err + as_json.out + written.read_text()
    assert "canary" not in everything
    assert SECRETS["IPSYNC_STATE_KEY"] not in everything


def test_under_another_state_key_only_that_is_said(check: Check, daemon: Path) -> None:
    other = SECRETS | {"IPSYNC_STATE_KEY": "0123456789abcdef" * 4}
    assert [change["key"] for change in json.loads(check("--json", env=other).out)["changes"]] == ["secret state_key"]


def test_where_nothing_runs_that_is_said(check: Check, file: Path) -> None:
    assert check().code == 1
    settings = load(file, SECRETS)
    # One that crashed left behind what it went by: whoever holds the lock now is another.
    write_in_force(settings, settings)
    assert "no daemon that can be asked" in check().err
    path = in_force_file(settings.database.path)
    path.write_text(path.read_text().replace(f'"pid": {os.getpid()}', '"pid": 1'))
    lock = OneProcessLock(settings.database.path)
    assert lock.take("ipsync run")
    assert check().code == 1
    lock.release()


def test_what_cannot_be_written_is_not_told_wrongly(file: Path, daemon: Path) -> None:
    before = load(file, SECRETS)
    in_force_file(daemon).unlink()
    in_force_file(daemon).mkdir()
    write_in_force(before, before)
    assert [path.name for path in daemon.parent.iterdir() if path.name.startswith(f"{daemon.name}-settings")] == [
        in_force_file(daemon).name
    ]
    in_force_file(daemon).rmdir()
