"""`ipsync demo`: the contract for scripts, the picture for people, and nothing left behind."""

import io
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from ipsync.cli import demo_view
from ipsync.cli.demo_owners import Owner
from ipsync.cli.demo_values import Act, Happening, MemberStanding, Standing, Summary, Withdrawal
from ipsync.jobs.health import Health
from ipsync.policy.accounts import AccountState
from ipsync.policy.budget import Allowance
from ipsync.policy.instants import MINUTE, SECOND
from ipsync.policy.planning import SweepPlan
from ipsync.ports.catalog import Figures
from ipsync.simulator import Simulator
from tests.fakes.command_line import COMMAND, PATIENCE_SECONDS, ROOT, Outcome, Terminal

Cli = Callable[..., Outcome]

KEYS = [
    "mirrored",
    "removed",
    "erased",
    "breaches",
    "requests",
    "requests_lower_bound",
    "hide_seconds_max",
    "erase_seconds_max",
]


def environment(folder: Path) -> dict[str, str]:
    # A proxy that is not there: nothing of the demo may ask it.
    proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "TMPDIR": str(folder)} | proxy


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, "demo", *words],
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_whole_story_for_scripts(tmp_path: Path) -> None:
    with start(tmp_path, "--once", "--json", "--documents", "20") as process:
        out, err = process.communicate(timeout=110)

    assert (process.returncode, err) == (0, "")
    *events, last = map(json.loads, out.splitlines())
    assert list(last) == KEYS
    assert last["mirrored"] > 0
    assert last["removed"] == last["erased"] > 7
    assert last["breaches"] == 0
    assert last["requests"] >= last["requests_lower_bound"] > 0
    assert 0 < last["hide_seconds_max"] <= 50
    assert last["hide_seconds_max"] <= last["erase_seconds_max"] <= 60
    assert {"start", "authorized", "mirrored", "act", "hidden", "erased", "appeared", "replaced", "end"} == {
        event["event"] for event in events
    }
    assert sum(event.get("documents", 0) for event in events if event["event"] == "erased") == last["removed"]
    for words in ("made private", "deleted", "relicensed", "shown to friends only", "permission revoked"):
        # One line for all that went in one act.
        assert [event["event"] for event in events if f"({words})" in event["what"]] == ["hidden", "erased"]
    assert list(tmp_path.iterdir()) == []


def test_T10_a_story_whose_titles_once_stayed_in_unused_space(tmp_path: Path) -> None:
    with start(tmp_path, "--once", "--json", "--seed", "2") as process:
        out, _ = process.communicate(timeout=110)
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["breaches"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cut_short_it_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, "--once") as process:
        assert process.stdout is not None
        while "authorized" not in process.stdout.readline():
            pass
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""

    assert list(tmp_path.iterdir()) == []


def test_a_terminal_shows_the_picture_until_ctrl_c(tmp_path: Path) -> None:
    env = environment(tmp_path) | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with Terminal("demo", env=env) as terminal:
        terminal.expect("in the mirror")
        terminal.expect("authorized the application to read")
        terminal.interrupt()
        outcome = terminal.end()

    # Before a round is done there is nothing to sum up.
    assert outcome.code == 130
    assert "Traceback" not in outcome.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("--members", "2"), ("--documents", "3"), ("--seed", "x"), ("more",)])
def test_wrong_usage(cli: Cli, words: tuple[str, ...]) -> None:
    shown = cli("demo", *words)

    assert shown.code == 2
    assert shown.err


def standing(members: int) -> Standing:
    health = Health(
        at=0,
        figures=Figures({}, 0, 0, {}, None, 0, 0, 0, 3),
        oldest_age=SECOND,
        slack=40 * SECOND,
        overdue=0,
        plan=SweepPlan(3, 3 * SECOND, 3600.0, 0.1),
        accounts={AccountState.ACTIVE: members},
        job_runs={},
    )
    rows = [MemberStanding("\x1b[2J" if index == 0 else f"member{index}", 30, 20, 3, 7) for index in range(members)]
    return Standing(health, rows, Allowance(120, 90), 31)


def drawn(columns: int, rows: int, members: int, *, is_ascii: bool, is_started: bool = True) -> list[str]:
    happenings = [Happening(float(at), "ipsync", "hidden", f"hid {at} \u202ephotos" * 9, at) for at in range(80)]
    console = Console(file=io.StringIO(), width=columns, height=rows, markup=False, emoji=False)
    console.print(
        demo_view.picture(
            standing(members) if is_started else None, happenings, MINUTE / SECOND, columns, rows, is_ascii=is_ascii
        )
    )
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (60, 18), (120, 50), (300, 80)])
@pytest.mark.parametrize("members", [3, 10])
def test_the_picture_fits(columns: int, rows: int, members: int) -> None:
    for is_ascii in (False, True):
        for is_started in (False, True):
            lines = drawn(columns, rows, members, is_ascii=is_ascii, is_started=is_started)
            assert len(lines) <= max(rows, members + 8)
            assert max(map(len, lines)) <= columns
            text = "\n".join(lines)
            assert "\x1b[2J" not in text
            assert "\u202e" not in text
            # What happened last is always there.
            assert "79.0 s" in text
    assert "\\x1b[2J" in "\n".join(drawn(columns, rows, members, is_ascii=True))


def test_the_summary_says_what_was_promised_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    owner = Owner(Simulator(1, 1, 1), 0)
    acts = [
        Act(owner, "deleted", [Withdrawal("1", "a", 0.0, 1.0, 2.0), Withdrawal("2", "b", 0.0, 3.0, 4.26)]),
        Act(owner, "deleted", [Withdrawal("3", "c", 0.0, 9.0, 9.5, copies=1)]),
        Act(owner, "made private", [Withdrawal("4", "d", 0.0)]),
    ]

    demo_view.print_summary(Summary(9, 3, 2, 1, 40, 9, 9.0, 9.5), acts, 60.0)

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "9 photos were mirrored; 3 were taken away:" in lines
    assert "deleted 3 9.0 s 9.5 s 1" in lines
    assert not any(line.startswith("made private") for line in lines)
    assert "Erased: 2 of 3. Deadlines missed: 1." in lines
    assert lines[-2].startswith("The law, shortened: hidden within 50 s, erased within 60 s")
