"""`make plant`: switch each mistake on, and see what catches it, and when.

    python -m tests.simulation.plant [NAMES] [--jobs N]

NAMES: those that are tried, separated by commas; all where none are named.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.simulation.planted import MISTAKES, Planted, planted
from tests.simulation.story import play

SEEDS = range(1, 61)
YEAR_DAYS = 365.0
_BY_NAME = {mistake.name: mistake for mistake in MISTAKES}


@dataclass(frozen=True)
class Caught:
    """What became of a mistake.

    Attributes:
        by: what was found, or "" where nobody noticed.
        seed: of the story in which it was.
        days: simulated until then, over all seeds that were tried.
        cpu_seconds: that it took.
    """

    by: str
    seed: int
    days: float
    cpu_seconds: float


def catch(mistake: Planted) -> Caught:
    """Play stories with a mistake until one fails, a year in all at most."""
    days = cpu_seconds = 0.0
    for seed in SEEDS:
        with planted(mistake):
            outcome = play(seed, mistake.plan)
        days += outcome.days
        cpu_seconds += outcome.cpu_seconds
        if outcome.broken:
            return Caught(outcome.broken, seed, days, cpu_seconds)
        if days >= YEAR_DAYS:
            break
    return Caught("", 0, days, cpu_seconds)


def _catch_by_name(name: str) -> Caught:
    return catch(_BY_NAME[name])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make plant", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="?", default="", help="mistakes, separated by commas (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (default 2)")
    return parser.parse_args()


def main() -> int:
    """Try all mistakes, or those named; print the table."""
    asked = _arguments()
    names = [name.strip() for name in asked.names.split(",") if name.strip()] or list(_BY_NAME)
    if unknown := [name for name in names if name not in _BY_NAME]:
        print(f"no such mistake: {', '.join(unknown)}\nthere are: {', '.join(_BY_NAME)}", file=sys.stderr)
        return 2
    found: list[Caught] = []
    began = time.monotonic()
    print(f"{'mistake':22} {'days':>7} {'seed':>4}  caught by", flush=True)
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        for name, caught in zip(names, pool.map(_catch_by_name, names), strict=True):
            found.append(caught)
            by = caught.by or f"NOBODY: {_BY_NAME[name].what}"
            print(f"{name:22} {caught.days:7.2f} {caught.seed:4}  {by}", flush=True)
    missed = sum(not caught.by for caught in found)
    cpu_seconds = sum(caught.cpu_seconds for caught in found)
    seconds = time.monotonic() - began
    print(f"{len(found) - missed} of {len(found)} caught; {seconds:.0f} s, {cpu_seconds:.0f} s of CPU time")
    return 3 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
