"""One line per promise: what was promised, whether it holds, and the figure that shows it."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

_STATES = {True: "holds ", False: "BROKEN", None: "unseen"}


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise that was looked at.

    Attributes:
        words: what is promised.
        holds: None where this machine has no way to show it; the figure says what is missing.
        figure: what was seen.
    """

    words: str
    holds: bool | None
    figure: str


class Unavailable(RuntimeError):
    """A program that is needed cannot be had here; the message says which."""


def need(programs: dict[str, str]) -> None:
    """Have programs, by the Debian packages that hold them; they are installed where they are missing.

    Raises:
        Unavailable: one cannot be installed.
    """
    packages = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    if not packages:
        return
    print(f"installing {' '.join(packages)} ...", file=sys.stderr)
    done = subprocess.run(
        ["apt-get", "install", "-y", "--no-install-recommends", *packages], capture_output=True, text=True, check=False
    )
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise Unavailable(f"{', '.join(missing)} cannot be installed: {done.stderr.strip()[-300:]}")


def ran(*command: str, words: str, figure: str = "") -> Promise:
    """A promise that a command ends well and complains of nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    said = (done.stdout + done.stderr).strip().splitlines()
    return Promise(words, done.returncode == 0, figure or (said[-1].strip() if said else "silent"))


def show(part: str, promises: Iterable[Promise]) -> bool:
    """Print each promise as it is looked at. Returns whether none was seen broken."""
    good = True
    for promise in promises:
        good = good and promise.holds is not False
        print(f"{_STATES[promise.holds]}  {part}: {promise.words}: {promise.figure}", flush=True)
    return good
