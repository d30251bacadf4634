"""The tool that tests our tests: it finds what nobody notices, and calls no mistake noticed that is not."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.documents.reading import ROOT
from tests.mutants.mutating import Source

A_PART = """
    from ipsync.policy.instants import DAY, SECOND
    from ipsync.policy.lease import Lease
    from ipsync.policy.reaping import beat_period

    def test_a_daemon_gives_a_sign_of_life_every_15_seconds():
        assert beat_period(Lease(DAY)) == 15 * SECOND
"""
MAP = """
[modules]
"ipsync/policy/reaping.py" = ["{tests}"]
"""
EXPLAINED = """
[[survivor]]
module = "ipsync/policy/reaping.py"
where = "second_look"
change = "2 → 3"
reason = "For this test any second look will do."

[[survivor]]
module = "ipsync/policy/reaping.py"
where = "beat_period"
change = "lease.window // _BEATS → lease.window * _BEATS"
reason = "It is noticed."
"""


def mutants_of(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "sample.py"
    path.write_text(text, encoding="utf-8")
    return [f"{mutant.where}: {mutant.change}" for mutant in Source(path).mutants]


def run(tmp_path: Path, tests: str, explained: str = "") -> tuple[int, str]:
    """In a process of its own, since what forks must have imported nothing of ours."""
    (tmp_path / "map.toml").write_text(MAP.format(tests=tests), encoding="utf-8")
    (tmp_path / "explained.toml").write_text(explained, encoding="utf-8")
    words = ["--map", str(tmp_path / "map.toml"), "--explained", str(tmp_path / "explained.toml"), "reaping"]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.mutants", *words], capture_output=True, text=True, cwd=ROOT, timeout=110
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_comparisons_are_shifted_and_turned(tmp_path: Path) -> None:
    assert mutants_of(tmp_path, "def late(age):\n    return age >= limit\n") == [
        "late: return age >= limit → return None",
        "late: age >= limit → age > limit",
        "late: age >= limit → age < limit",
    ]


def test_conditions_constants_calls_and_statements_are_changed(tmp_path: Path) -> None:
    text = '"""Why."""\nMOST: int = 5\ndef act(a, b=False):\n    "What."\n    if a and ready(b):\n        note("x")\n'
    assert mutants_of(tmp_path, text) == [
        "MOST: 5 → 6",
        "MOST: 5 → 4",
        "act: False → True",
        "act: a and ready(b) → a or ready(b)",
        "act: a and ready(b) → ready(b)",
        "act: a and ready(b) → a",
        "act: a and ready(b) → not (a and ready(b))",
        "act: note('x') → nothing",
    ]


def test_equal_changes_in_one_place_have_names_of_their_own(tmp_path: Path) -> None:
    assert mutants_of(tmp_path, "A = (7, 7)\n") == [
        "A: 7 → 8",
        "A: 7 → 6",
        "A: 7 → 8 #2",
        "A: 7 → 6 #2",
    ]


def test_what_is_left_out_of_a_new_value_is_named(tmp_path: Path) -> None:
    text = "class Row:\n    tries: int = 0\n\n    def again(self):\n        replace(self, tries=n, at=later)\n"
    assert mutants_of(tmp_path, text) == [
        "Row.tries: 0 → 1",
        "Row.tries: 0 → -1",
        "Row.again: replace(self, tries=n, at=later) → nothing",
        "Row.again: tries=n → nothing",
        "Row.again: at=later → nothing",
    ]


def test_a_change_is_taken_back_after_it_was_compiled(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("def double(n):\n    n *= 2\n    return n + n - 1 if n > 1 else 0\n", encoding="utf-8")
    source = Source(path)
    changed = [source.code(mutant) for mutant in source.mutants]
    assert source.original not in changed
    assert len(set(changed)) == len(source.mutants) > 10
    assert source.code(source.mutants[0]) == changed[0]


@pytest.mark.slow
def test_what_nobody_tests_survives_and_an_explanation_must_fit(tmp_path: Path) -> None:
    tests = tmp_path / "test_half.py"
    tests.write_text("\n".join(line[4:] for line in A_PART.splitlines()), encoding="utf-8")
    code, told = run(tmp_path, str(tests), EXPLAINED)
    assert code == 3, told
    assert "keeper_of: not is_held → is_held\n    SURVIVED" in told
    assert "_LONGEST_SILENCE_PARTS: 96 → 97\n    SURVIVED" in told
    assert "second_look: 2 → 3\n    For this test any second look will do." in told
    assert "beat_period: return lease.window // _BEATS → return None" not in told
    assert "_BEATS: 5760 → 5761" not in told
    assert "explained, but killed or no longer there: ipsync/policy/reaping.py: beat_period: " in told
    (row,) = (line.split() for line in told.splitlines() if line.startswith("ipsync/policy/reaping.py "))
    mutants, killed, survived, explained = map(int, row[1:5])
    assert (killed + survived, explained) == (mutants, 1)
    assert 4 <= killed < survived


@pytest.mark.slow
def test_tests_that_fail_by_themselves_say_nothing_about_mutants(tmp_path: Path) -> None:
    tests = tmp_path / "test_broken.py"
    tests.write_text("def test_broken():\n    raise AssertionError('by itself')\n", encoding="utf-8")
    code, told = run(tmp_path, str(tests))
    assert code == 1
    assert "by itself" in told


def test_modules_and_their_tests_exist() -> None:
    modules = tomllib.loads((ROOT / "tests/mutants/modules.toml").read_text(encoding="utf-8"))["modules"]
    named = {path for path, tests in modules.items() for path in (path, *tests)}
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_what_may_survive_is_explained_in_a_sentence() -> None:
    told = tomllib.loads((ROOT / "tests/mutants/survivors.toml").read_text(encoding="utf-8")).get("survivor", [])
    modules = tomllib.loads((ROOT / "tests/mutants/modules.toml").read_text(encoding="utf-8"))["modules"]
    assert [entry for entry in told if entry["module"] not in modules or len(entry["reason"].split()) < 5] == []
