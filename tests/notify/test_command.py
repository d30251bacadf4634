"""A command of the operator's own, real processes without a shell."""

import sys
from pathlib import Path

import pytest

from ipsync.notify import CommandChannel
from ipsync.policy.notices import Notice
from ipsync.ports.notify import NotifyFailure

FACTS: dict[str, str | int | bool | None] = {"incident": 12, "condition": "grant-lost", "resolved_at": None}
NOTICE = Notice("[Our wall] $(reboot)", "Account 7 took its grant back; `rm -rf`\n", FACTS)
SECRET = "canary-admin-token"


def python(program: str, *arguments: str, seconds: float = 20) -> CommandChannel:
    environ = {"PATH": "/usr/bin:/bin", "IPSYNC_ADMIN_TOKEN": SECRET, "CREDENTIALS_DIRECTORY": "/secret"}
    return CommandChannel([sys.executable, "-c", program, *arguments], environ, seconds)


async def test_the_text_comes_on_standard_input_and_the_facts_in_the_environment(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    program = "import os, sys; open(sys.argv[1], 'w').write(sys.stdin.read() + repr(dict(os.environ)) + repr(sys.argv))"
    await python(program, str(kept), "; $(boom)").send(NOTICE)

    told = kept.read_text()
    assert told.startswith("[Our wall] $(reboot)\n\nAccount 7 took its grant back; `rm -rf`\n")
    assert "'IPSYNC_INCIDENT': '12'" in told
    assert "'IPSYNC_CONDITION': 'grant-lost'" in told
    assert "'IPSYNC_RESOLVED_AT': ''" in told
    assert "'; $(boom)'" in told
    assert SECRET not in told
    assert "CREDENTIALS_DIRECTORY" not in told


async def test_a_command_need_not_read() -> None:
    big = Notice("s", "x" * 1_000_000)
    await python("pass").send(big)


async def test_a_command_that_fails_is_told_by_its_code() -> None:
    with pytest.raises(NotifyFailure, match=r"^the command ended with code 3$"):
        await python("import sys; print('hostile'); sys.exit(3)").send(NOTICE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/nowhere/at/all"], "No such file or directory"),
        (["/etc/hostname"], "format error|Permission denied"),
        (["a\0b"], "not a"),
    ],
)
async def test_a_command_that_cannot_be_started(words: list[str], told: str) -> None:
    with pytest.raises(NotifyFailure, match=told):
        await CommandChannel(words, {}).send(NOTICE)


async def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    late = tmp_path / "late"
    child = f"sleep 2; touch {late}"
    program = f"import subprocess, time; subprocess.Popen(['sh', '-c', {child!r}]); time.sleep(60)"
    with pytest.raises(NotifyFailure, match="took longer than"):
        await python(program, seconds=0.4).send(NOTICE)
    assert not late.exists()
