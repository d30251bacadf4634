"""`python -m benchmarks [NAME…] [--json] [--quick]`: measure, and print one table.

Speed is never asserted: the exit code is 1 only where a measurement could not be made.
"""

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import (
    api,
    crashes,
    erasing,
    feed,
    help_time,
    memory,
    owner_request,
    pages,
    planning,
    serving,
    status_page,
    sweep_requests,
    verification,
)
from benchmarks.figures import Figure

Measure = Callable[[], list[Figure]]

WHOLE: dict[str, Measure] = {
    "help": help_time.run,
    "requests": sweep_requests.run,
    "verification": verification.run,
    "serving": serving.run,
    "api": api.run,
    "status": status_page.run,
    "erasing": erasing.run,
    "request": owner_request.run,
    "pages": pages.run,
    "feed": feed.run,
    "memory": memory.run,
    "planning": planning.run,
    "crashes": crashes.run,
}
QUICK: dict[str, Measure] = {
    "help": partial(help_time.run, 3),
    "requests": partial(sweep_requests.run, ((1, 60), (2, 400))),
    "verification": partial(verification.run, 1, 400, 1),
    "serving": partial(serving.run, 50, 0.2, 1),
    "api": partial(api.run, 50, 0.2, 1, 500),
    "status": partial(status_page.run, 100, 2, 1),
    "erasing": partial(erasing.run, 100, 1, 100, 500),
    "request": partial(owner_request.run, 200),
    "pages": partial(pages.run, 200, 2),
    "feed": partial(feed.run, 20, 3, 100),
    "memory": partial(memory.run, 1, 200, 0.5, 0.5),
    "planning": partial(planning.run, 12, 4, 20, 2_000),
    "crashes": partial(crashes.run, crashes.Plan(400, 2, 2, per_second=5)),
}
"""The same measurements, so small that they say nothing about speed: to see that they run."""


def main() -> int:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure ipsync beside its bounds.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WHOLE)}; default all")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON for scripts")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(WHOLE)
    if unknown:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    failed: list[str] = []
    for name in asked.names or WHOLE:
        began = time.perf_counter()
        try:
            figures += (QUICK if asked.quick else WHOLE)[name]()
        except Exception:  # noqa: BLE001  # reason: one measurement that fails must not hide the others
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    if asked.as_json:
        print(json.dumps({"figures": [figure.as_json() for figure in figures], "failed": failed}, indent=2))
    else:
        _print(figures)
    for name in failed:
        print(f"{name} could not be measured", file=sys.stderr)
    return 1 if failed else 0


def _print(figures: list[Figure]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 200
    table = Table(box=box.SIMPLE_HEAD, title=f"ipsync, measured on {os.cpu_count()} cores")
    for heading, side in zip(
        ("what", "measured", "bound or peer, same run", "ratio", "goal", ""),
        ("left", "right", "left", "right", "left", "left"),
        strict=True,
    ):
        table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for figure in figures:
        table.add_row(*figure.cells())
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
