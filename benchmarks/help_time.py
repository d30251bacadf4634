"""How long `ipsync --help` takes, from typing to the prompt, beside an interpreter that does nothing. Goal: 0.3 s."""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure, Goal

GOAL = Goal(most=0.3, absolute=True)


def run(rounds: int = 11) -> list[Figure]:
    """Measure both in turn; the medians count.

    Args:
        rounds: how often.
    """
    script = Path(sys.executable).with_name("ipsync")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "ipsync.cli"]
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(_seconds([*command, "--help"]))
        bare.append(_seconds([sys.executable, "-c", "pass"]))
    peer = "an interpreter that does nothing"
    return [Figure("ipsync --help", statistics.median(ours), "s", statistics.median(bare), peer, GOAL)]


def _seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
