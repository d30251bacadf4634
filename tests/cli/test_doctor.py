"""`ipsync doctor`: a healthy mirror is called so, and each harm is named with its remedy."""

import ast
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ipsync import doctor
from ipsync.catalog import canary
from ipsync.catalog.unit_of_work import SqliteCatalog
from ipsync.doctor import Doctor, Finding, Verdict
from ipsync.doctor.machine import credentials
from ipsync.process import REAPED, LastRun, file_system_of
from ipsync.settings import load
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror


@pytest.fixture
def told(mirror: SiteMirror, on: Callable[..., Outcome]) -> Callable[..., dict[str, tuple[str, str]]]:
    def call(*words: str) -> dict[str, tuple[str, str]]:
        done = on(mirror, "doctor", "--json", *words)
        found = json.loads(done.out)
        assert found["healthy"] == (done.code == 0)
        return {entry["subject"]: (entry["verdict"], entry["words"]) for entry in found["findings"]}

    return call


def test_a_healthy_mirror_is_called_healthy(mirror: SiteMirror, on: Callable[..., Outcome]) -> None:
    done = on(mirror, "doctor")
    assert done.code == 0, done.out
    assert done.out.endswith("Nothing is wrong.\n")
    assert "ok     erasing: an erased text was not found again" in done.out
    assert "answered a signed request" in done.out
    assert not list(mirror.folder.glob(".ipsync-doctor-*"))


def test_secrets_stay_secret(mirror: SiteMirror, on: Callable[..., Outcome]) -> None:
    done = on(mirror, "doctor", "--offline")
    for name in ("IPSYNC_API_KEY", "IPSYNC_API_SECRET", "IPSYNC_STATE_KEY", "IPSYNC_ADMIN_TOKEN"):
        assert mirror.env[name] not in done.out + done.err


def test_offline_nothing_is_asked(mirror: SiteMirror, told: Callable[..., dict[str, tuple[str, str]]]) -> None:
    assert "ipernity" not in told("--offline")
    assert told()["ipernity"][0] == "ok"


def test_a_wrong_secret_of_the_api_is_told_from_a_missing_network(
    mirror: SiteMirror, cli: Callable[..., Outcome]
) -> None:
    done = cli("doctor", "--json", env=mirror.env | {"IPSYNC_API_SECRET": "0123456789abcdef"})
    found = {entry["subject"]: entry for entry in json.loads(done.out)["findings"]}
    assert done.code == 3
    assert "refuses the application" in found["ipernity"]["words"]
    assert "api_secret" in found["ipernity"]["remedy"]

    text = mirror.config.read_text()
    mirror.config.write_text(
        re.sub(r'^url = "http://.*/api/"$', 'url = "http://127.0.0.1:9/api/"', text, flags=re.MULTILINE)
    )
    assert text != mirror.config.read_text()
    done = cli("doctor", "--json", env=mirror.env)
    found = {entry["subject"]: entry for entry in json.loads(done.out)["findings"]}
    assert done.code == 3
    assert "gave no usable answer" in found["ipernity"]["words"]


def test_T05_where_secrets_come_from_is_looked_at(mirror: SiteMirror, tmp_path: Path) -> None:
    assert credentials(load(mirror.config, mirror.env)).verdict is Verdict.NOTE
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name in ("api_key", "api_secret", "admin_token", "state_key"):
        (folder / name).write_text(mirror.env[f"IPSYNC_{name.upper()}"])
    settings = load(mirror.config, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert credentials(settings).verdict is Verdict.OK
    assert "admin_token" in credentials(load(mirror.config, {}, needs=())).words


def test_pragmas_that_were_read_back_are_told(told: Callable[..., dict[str, tuple[str, str]]]) -> None:
    verdict, words = told("--offline")["database"]
    assert (verdict, "secure_delete on" in words) == ("ok", True)


def test_whatever_is_not_right_says_what_to_do() -> None:
    made = 0
    for path in Path(doctor.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Finding":
                verdict = getattr(call.args[1], "attr", "")
                made += 1
                assert verdict in ("OK", "SKIPPED") or len(call.args) == 4, (path.name, call.lineno)
    assert made > 30


def test_what_others_may_read_is_wrong(mirror: SiteMirror, told: Callable[..., dict[str, tuple[str, str]]]) -> None:
    (mirror.folder / "ipsync.db").chmod(0o644)
    verdict, words = told("--offline")["files"]
    assert verdict == "wrong"
    assert "0644" in words


def test_a_damaged_database_is_wrong(mirror: SiteMirror, told: Callable[..., dict[str, tuple[str, str]]]) -> None:
    path = mirror.folder / "ipsync.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + bytes(8192) + whole[16384:])
    assert told("--offline")["database"][0] == "wrong"


def test_without_a_database_the_next_step_is_told(
    mirror: SiteMirror, told: Callable[..., dict[str, tuple[str, str]]]
) -> None:
    for path in mirror.folder.glob("ipsync.db*"):
        path.unlink()
    assert told("--offline")["database"] == ("note", "there is no database yet")


def test_a_reaper_that_was_there_is_seen(mirror: SiteMirror, told: Callable[..., dict[str, tuple[str, str]]]) -> None:
    assert told("--offline")["reaper"][0] == "note"
    LastRun(mirror.folder / "ipsync.db", REAPED).mark()
    assert told("--offline")["reaper"][0] == "ok"
    os.utime(mirror.folder / "ipsync.db-reaped", (1_600_000_000, 1_600_000_000))
    assert told("--offline")["reaper"][0] == "note"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    root = tmp_path / "machine"
    (root / "run/systemd/system").mkdir(parents=True)
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    return root


async def test_missing_units_are_named(mirror: SiteMirror, machine: Path) -> None:
    looking = Doctor(load(mirror.config, mirror.env), machine)
    found = await looking._service()
    assert (found.verdict, "ipsync-reaper.timer" in found.words) == (Verdict.NOTE, True)
    for name in ("ipsync.service", "ipsync-reaper.service", "ipsync-reaper.timer"):
        (machine / "etc/systemd/system" / name).touch()
    asleep = await looking._service()
    assert (asleep.verdict, "ipsync.service" in asleep.words) == (Verdict.NOTE, True)
    for target in ("multi-user.target.wants/ipsync.service", "timers.target.wants/ipsync-reaper.timer"):
        link = machine / "etc/systemd/system" / target
        link.parent.mkdir()
        link.symlink_to(f"../{link.name}")
    assert (await looking._service()).verdict is Verdict.OK


async def test_a_network_file_system_is_wrong(mirror: SiteMirror, machine: Path) -> None:
    table = machine / "proc/self/mountinfo"
    table.write_text(
        "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
        f"30 22 0:40 / {mirror.folder} rw - nfs4 server:/export rw\n"
    )
    found: Finding = await Doctor(load(mirror.config, mirror.env), machine)._file_system()
    assert found.verdict is Verdict.WRONG
    assert "nfs4" in found.words
    assert file_system_of(Path("/elsewhere"), table) == "ext4"


def test_T10_the_canary_finds_an_erasing_that_does_not_erase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good").mkdir()
    assert canary.copies_left(tmp_path / "good") == 0
    monkeypatch.setattr(SqliteCatalog, "scrub_now", lambda _catalog: True)
    (tmp_path / "bad").mkdir()
    assert canary.copies_left(tmp_path / "bad") > 0
