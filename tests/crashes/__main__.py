"""Every call of a mirror at work that changes a file, and what is left when it is the last one (F1, F2, F4).

`python -m tests.crashes --help`; `make crash` goes through all of them.
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.crashes.planted import MISTAKES
from tests.crashes.power import DurableDisk, copy_folder
from tests.crashes.story import REFUSED, Promise, prepare, recover, tell_story
from tests.crashes.tracing import Harm, Traced, traced
from tests.fakes.clock import FakeClock
from tests.fakes.source import FakeSource

HARMS = ("kill", "power", "eio", "enospc", "short")
_OF = {"kill": Harm.KILL, "power": Harm.KILL, "eio": Harm.EIO, "enospc": Harm.ENOSPC, "short": Harm.SHORT}


class Bench:
    """One prepared mirror, interrupted as often as asked for."""

    def __init__(self, room: Path) -> None:
        """Prepare the mirror in the folder `room`, and live through the story once.

        What Python and SQLAlchemy do only once is done then, and each interrupted child finds it in its memory.
        """
        self._room = room
        self._template = room / "template"
        self.source, self.clock = asyncio.run(prepare(self._template))
        with self._copy() as folder, Path(os.devnull).open("wb") as unheard:
            asyncio.run(tell_story(folder, *deepcopy((self.source, self.clock)), unheard.fileno()))
            asyncio.run(recover(folder, *deepcopy((self.source, self.clock)), Promise()))

    def calls(self) -> list[str]:
        """What the whole story does to files, undisturbed."""
        with self._copy() as folder:
            result = traced(partial(_child, folder, self.source, self.clock), folder, None, Harm.KILL)
        if result.exit_code:
            raise RuntimeError(f"the story itself ended with {result.exit_code}")
        return [str(call) for call in result.calls]

    def interrupt(self, at: int, harm: str) -> tuple[Traced, list[str]]:
        """Do harm at one call, start again, and say what does not hold then."""
        with self._copy() as folder:
            disk = DurableDisk(folder) if harm == "power" else None
            before = disk.before if disk else lambda _call: None
            result = traced(partial(_child, folder, self.source, self.clock), folder, at, _OF[harm], before)
            wrong = []
            if harm in {"kill", "power"}:
                if result.exit_code != -9 and len(result.calls) >= at:
                    wrong.append(f"it should have been killed and ended with {result.exit_code}")
            elif result.exit_code not in {0, REFUSED}:
                wrong.append(f"it ended with {result.exit_code} instead of one of the failures that are foreseen")
            left = folder
            if disk:
                left = self._room / "left"
                disk.leave(left)
            try:
                wrong += _in_a_fork(partial(recover, left, self.source, self.clock, Promise.of(result.told)))
            finally:
                if disk:
                    shutil.rmtree(left)
        return result, wrong

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        folder = copy_folder(self._template, self._room / "work")
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _child(folder: Path, source: FakeSource, clock: FakeClock, pipe: int) -> None:
    asyncio.run(tell_story(folder, source, clock, pipe))


def _in_a_fork(work: Callable[[], object]) -> list[str]:
    """Do it in a process of its own, so that nothing of it stays here."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        found: list[str]
        try:
            found = asyncio.run(work())  # type: ignore[arg-type]  # reason: it is a coroutine function
        except BaseException as error:  # noqa: BLE001  # reason: whatever it is, it is what was found
            import traceback

            found = ["".join(traceback.format_exception(error)[-4:])]
        with os.fdopen(writing, "w") as pipe:
            json.dump(found, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return list(json.loads(told)) if told else ["the process that recovers died"]


@dataclass(slots=True)
class Findings:
    """What was found in some of the calls.

    Attributes:
        calls: how many the undisturbed story makes.
        points: interruptions by harm.
        found: what did not hold afterwards.
    """

    calls: int = 0
    points: Counter[str] = field(default_factory=Counter)
    found: list[dict[str, Any]] = field(default_factory=list)


def _interrupt_all(asked: argparse.Namespace) -> Findings:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as room:
        bench = Bench(Path(room))
        told = Findings(len(bench.calls()))
        for harm in asked.harms:
            for at in range(asked.first, told.calls + 1, asked.stride):
                result, wrong = bench.interrupt(at, harm)
                told.points[harm] += 1
                where = str(result.calls[at - 1]) if len(result.calls) >= at else "never reached"
                told.found += [{"harm": harm, "at": at, "call": where, "wrong": what} for what in wrong]
                if sys.stderr.isatty():
                    print(f"\r{harm} {at}/{told.calls}", end="", file=sys.stderr)
    return told


def _share(asked: argparse.Namespace) -> Findings:
    """Every worker takes each so-manieth point: forking wants a process without threads, so each is one of its own."""
    command = [sys.executable, "-m", "tests.crashes", *asked.harms, "--json", "--jobs=1"]
    command += [f"--mistake={asked.mistake}"] if asked.mistake else []
    workers = [
        subprocess.Popen(
            [*command, f"--first={asked.first + asked.stride * number}", f"--stride={asked.stride * asked.jobs}"],
            stdout=subprocess.PIPE,
        )
        for number in range(asked.jobs)
    ]
    told = Findings()
    for worker in workers:
        answer, _ = worker.communicate()
        if worker.returncode not in {0, 3}:
            raise RuntimeError(f"a worker ended with {worker.returncode}")
        part = json.loads(answer)
        told.calls = part["calls"]
        told.points.update(part["points"])
        told.found += part["found"]
    return told


def main() -> int:
    """Interrupt at the points asked for; print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("harms", nargs="*", default=list(HARMS), metavar="|".join(HARMS))
    parser.add_argument("--stride", type=int, default=1, help="only every so-manieth call")
    parser.add_argument("--first", type=int, default=1, help="the first call")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--json", action="store_true", help="one line for scripts")
    parser.add_argument("--mistake", choices=MISTAKES, help="switch a known mistake on, which must be found")
    asked = parser.parse_args()
    if asked.jobs > 1:
        told = _share(asked)
    else:
        if asked.mistake:
            MISTAKES[asked.mistake]()
        logging.disable()  # what the mirror has to say meanwhile is not asked for here
        told = _interrupt_all(asked)
    if asked.json:
        print(json.dumps({"calls": told.calls, "points": told.points, "found": told.found}))
    else:
        for one in told.found:
            print(f"{one['harm']} at {one['at']} ({one['call']}):\n  {one['wrong']}")
        print(f"{told.calls} calls change a file; interrupted at", dict(told.points), "- wrong:", len(told.found))
    return 3 if told.found else 0


if __name__ == "__main__":
    sys.exit(main())
