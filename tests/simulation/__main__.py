"""`make sim` and `make soak`: many stories, what they came to, and how to see a failure again.

    python -m tests.simulation [--seed N] [--years Y] [--days D] [--state FILE] [--jobs N]

Without a seed, stories of `--days` are played one after the other until so many years have passed. With `--state`,
seeds that were done are remembered, so that the next run goes on with others.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from ipsync.policy.instants import HOUR
from tests.simulation.story import Outcome, Plan, play

YEAR_DAYS = 365.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, help="play this story alone")
    parser.add_argument("--years", type=float, default=1.0, help="simulated years in all (default 1)")
    parser.add_argument("--days", type=float, default=60.0, help="how long things may fail in one story (default 60)")
    parser.add_argument("--state", type=Path, help="file that remembers seeds that were done")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (default 2)")
    return parser.parse_args()


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _stories(seeds: Iterator[int], plan: Plan, years: float, jobs: int, *, goes_on: bool) -> Iterator[Outcome]:
    """Play stories in processes of their own until so many years have passed, or one failed where that ends it."""
    days = 0.0
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=4) as pool:
        waiting = {pool.submit(play, next(seeds), plan) for _ in range(jobs)}
        while waiting:
            for done in as_completed(set(waiting)):
                waiting.discard(done)
                outcome = done.result()
                days += outcome.days
                yield outcome
                if days < years * YEAR_DAYS and (goes_on or not outcome.broken):
                    waiting.add(pool.submit(play, next(seeds), plan))
                break


def _tell(outcome: Outcome) -> None:
    print(
        f"seed {outcome.seed:6}  {outcome.days:6.1f} days  {outcome.removals:5} files erased  "
        f"{outcome.requests:6} requests  {outcome.lives:4} lives  trace {outcome.trace}",
        flush=True,
    )


def _tell_failure(outcome: Outcome) -> None:
    print(f"\nBROKEN after {outcome.failed_at_days:.4f} days: {outcome.broken}\n")
    print("\n".join(outcome.events))
    print(f"\nAgain: git checkout {_commit()} && make sim SEED={outcome.seed}")


def _tell_all(outcomes: list[Outcome], wall_seconds: float) -> None:
    years = sum(outcome.days for outcome in outcomes) / YEAR_DAYS
    cpu_hours = sum(outcome.cpu_seconds for outcome in outcomes) / 3600
    print(
        f"\n{years:.2f} simulated years in {len(outcomes)} stories, {wall_seconds:.0f} s; "
        f"{years / cpu_hours if cpu_hours else 0:.1f} years per CPU-hour\n"
        f"documents taken away      {sum(outcome.lost for outcome in outcomes)}\n"
        f"files erased              {sum(outcome.removals for outcome in outcomes)}\n"
        f"wrong erasures            {sum(outcome.wrong for outcome in outcomes)}\n"
        f"longest served after      {max(outcome.served_age for outcome in outcomes) / HOUR:.2f} h (20 h are allowed)\n"
        f"longest stored after      {max(outcome.stored_age for outcome in outcomes) / HOUR:.2f} h (24 h are allowed)\n"
        f"oldest lease served       {max(outcome.verified_age for outcome in outcomes) / HOUR:.2f} h\n"
        f"requests                  {sum(outcome.requests for outcome in outcomes)}\n"
        f"lives of the daemon       {sum(outcome.lives for outcome in outcomes)}"
    )


def main() -> int:
    """Play, print, remember."""
    asked = _arguments()
    plan = Plan(days=asked.days)
    began = time.monotonic()
    done: dict[str, dict[str, object]] = {}
    if asked.state is not None and asked.state.exists():
        done = json.loads(asked.state.read_text())
    outcomes: list[Outcome] = []
    if asked.seed is not None:
        outcomes.append(play(asked.seed, plan))
        _tell(outcomes[0])
    else:
        seeds = iter(seed for seed in range(1, 10_000_000) if str(seed) not in done)
        for outcome in _stories(seeds, plan, asked.years, asked.jobs, goes_on=asked.state is not None):
            _tell(outcome)
            outcomes.append(outcome)
            if outcome.broken and asked.state is not None:
                _tell_failure(outcome)
            if asked.state is not None and not outcome.broken:
                done[str(outcome.seed)] = {**asdict(outcome), "events": []}
                asked.state.write_text(json.dumps(done))
    broken = [outcome for outcome in outcomes if outcome.broken]
    for outcome in broken:
        _tell_failure(outcome)
    if asked.state is not None and done:
        everything = [Outcome(**kept) for kept in done.values()]  # type: ignore[arg-type]  # reason: our own file
        _tell_all(everything, time.monotonic() - began)
    else:
        _tell_all(outcomes, time.monotonic() - began)
    return 3 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
