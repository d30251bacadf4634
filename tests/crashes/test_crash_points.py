"""Interrupted at any point, by whatever: started again, everything that was promised holds (F1 to F4).

I3, I5, I7, I8 and I11 are looked at. A part of the points here; `make crash` goes through every one.
"""

import json
import subprocess
import sys
from typing import Any

import pytest


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    """In a process of its own, since what forks must have no threads."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.crashes", "--json", "--jobs=1", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ended.returncode in {0, 3}, ended.stderr[-2000:]
    return ended.returncode, json.loads(ended.stdout)


@pytest.mark.parametrize(
    ("harm", "first"),
    [("kill", 5), ("power", 11), ("eio", 17), ("enospc", 23), ("short", 29)],
    ids=["F1-kill", "F2-power-cut", "F4-EIO", "F3-ENOSPC", "F4-short-write"],
)
def test_F1_F2_F3_F4_after_an_interruption_at_any_call_everything_promised_holds(harm: str, first: int) -> None:
    code, told = run(harm, "--first", str(first), "--stride", "53")
    assert told["found"] == []
    assert code == 0
    assert told["calls"] > 300
    assert told["points"][harm] >= 8


@pytest.mark.parametrize(("mistake", "sign"), [("commits-not-synced", "CatalogCorrupt"), ("files-not-synced", "I5")])
def test_F2_a_known_mistake_is_found(mistake: str, sign: str) -> None:
    code, told = run("power", "--mistake", mistake, "--first", "3", "--stride", "43")
    assert code == 3
    assert any(sign in finding["wrong"] for finding in told["found"])
