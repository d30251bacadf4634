"""`ipsync assets`: units, man pages and completion, where a system looks for them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ipsync.cli import COMMANDS
from ipsync.cli.manual import commands
from tests.fakes.command_line import Outcome

Cli = Callable[..., Outcome]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("usr")


@pytest.fixture
def installed(prefix: Path, cli: Cli) -> Path:
    if not (prefix / "share").exists():
        done = cli("assets", "install", "--prefix", str(prefix), "--program", "/usr/bin/ipsync")
        assert done.code == 0, done.err
    return prefix


def test_units_name_the_program_that_was_given(installed: Path) -> None:
    unit = (installed / "lib/systemd/system/ipsync.service").read_text()
    assert "ExecStart=/usr/bin/ipsync run" in unit
    assert "/opt/ipsync" not in unit
    assert (installed / "lib/systemd/system/ipsync-reaper.timer").is_file()
    assert (installed / "lib/sysusers.d/ipsync.conf").is_file()
    assert (installed / "sbin/ipsync-as-service").stat().st_mode & 0o111


def test_nothing_of_the_operator_is_touched(installed: Path) -> None:
    assert not (installed / "etc").exists()
    assert (installed / "share/ipsync/ipsync.example.toml").is_file()
    assert (installed / "share/ipsync/prometheus/ipsync.rules.yml").is_file()


def test_every_command_has_a_page_of_its_own(installed: Path) -> None:
    pages = {path.name for path in (installed / "share/man/man1").iterdir()}
    assert {f"{'-'.join(('ipsync', *words))}.1" for words, _ in commands()} | {"ipsync.1"} == pages
    assert len(pages) > 40
    page = (installed / "share/man/man1/ipsync-removal-add.1").read_text()
    for words in (
        ".SH NAME",
        "Remove what an owner asks to have removed",
        "\\-\\-dry\\-run",
        "ipsync removal add 41234567",
    ):
        assert words in page


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ipsync rem", {"removal"}),
        ("ipsync removal qu", {"queue"}),
        ("ipsync removal add --dry", {"--dry-run"}),
        ("ipsync nonsense x", set()),
    ],
)
def test_bash_completes(installed: Path, typed: str, offered: set[str]) -> None:
    script = (
        f"source {installed}/share/bash-completion/completions/ipsync; COMP_WORDS=({typed}); "
        'COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _ipsync; echo "${COMPREPLY[*]}"'
    )
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered
    assert not done.stderr


def test_a_rehearsal_writes_nothing(tmp_path: Path, cli: Cli) -> None:
    done = cli("assets", "install", "--prefix", str(tmp_path / "usr"), "--dry-run")
    assert done.code == 0
    assert f"would write {tmp_path / 'usr'}/lib/systemd/system/ipsync.service" in done.out
    assert not (tmp_path / "usr").exists()


def test_a_program_that_cannot_be_is_refused(tmp_path: Path, cli: Cli) -> None:
    done = cli("assets", "install", "--prefix", str(tmp_path), "--program", "ipsync run; rm")
    assert done.code == 2
    assert "no absolute path" in done.err


def test_every_command_is_listed_in_the_first_page(installed: Path) -> None:
    page = (installed / "share/man/man1/ipsync.1").read_text()
    for entry in COMMANDS:
        assert f"ipsync\\-{entry.name.replace('-', chr(92) + '-')}" in page
