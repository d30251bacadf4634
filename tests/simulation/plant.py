"""`make plant`: switch each mistake on, and see what catches it, and when."""

import sys
import time
from dataclasses import dataclass

from tests.simulation.planted import MISTAKES, Planted, planted
from tests.simulation.story import play

SEEDS = range(1, 61)
YEAR_DAYS = 365.0


@dataclass(frozen=True)
class Caught:
    """What became of a mistake.

    Attributes:
        days: simulated until it was caught, over all seeds that were tried.
    """

    mistake: Planted
    by: str
    seed: int
    days: float


def catch(mistake: Planted) -> Caught:
    """Play stories with a mistake until one fails, a year in all at most."""
    days = 0.0
    for seed in SEEDS:
        with planted(mistake):
            outcome = play(seed, mistake.plan)
        days += outcome.days
        if outcome.broken:
            return Caught(mistake, outcome.broken, seed, days)
        if days >= YEAR_DAYS:
            break
    return Caught(mistake, "", 0, days)


def main(names: list[str]) -> int:
    """Try all mistakes, or those named; print the table."""
    wanted = [mistake for mistake in MISTAKES if not names or mistake.name in names]
    missed = 0
    began = time.process_time()
    print(f"{'mistake':22} {'days':>7} {'seed':>4}  caught by")
    for mistake in wanted:
        caught = catch(mistake)
        missed += not caught.by
        print(
            f"{mistake.name:22} {caught.days:7.2f} {caught.seed:4}  {caught.by or 'NOBODY: ' + mistake.what}",
            flush=True,
        )
    print(f"{len(wanted) - missed} of {len(wanted)} caught, {time.process_time() - began:.0f} s of CPU time")
    return 3 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
