"""One line per promise: what was promised, whether it holds, and the figure that shows it."""

import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

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
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    environ = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(install, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:  # on a fresh machine apt knows no package yet
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
        done = subprocess.run(install, env=environ, capture_output=True, text=True, check=False)
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise Unavailable(f"{', '.join(missing)} cannot be installed: {done.stderr.strip()[-300:]}")


def ran(*command: str, words: str, figure: str = "") -> Promise:
    """A promise that a command ends well; its figure is what is given, or what the command listed or said last."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    said = (done.stdout + done.stderr).strip().splitlines() or ["silent"]
    if done.returncode:
        return Promise(words, False, " ".join(said[-5:])[-600:])
    listed = ", ".join(line.removeprefix(" - ") for line in said if line.startswith(" - "))
    return Promise(words, True, figure or listed or said[-1])


def show(part: str, promises: Iterable[Promise]) -> Iterator[bool | None]:
    """Print each promise as it is looked at, and give whether it holds.

    What falls over is a broken promise, so that the parts after it are looked at too.
    """
    try:
        for promise in promises:
            print(f"{_STATES[promise.holds]}  {part}: {promise.words}: {' '.join(promise.figure.split())}", flush=True)
            yield promise.holds
    except (Exception, SystemExit) as failure:  # noqa: BLE001  # reason: nothing may hide the parts that come after it
        print(f"{_STATES[False]}  {part}: {_told(failure)}", flush=True)
        yield False


def _told(failure: BaseException) -> str:
    """What fell over, with what a program said before it did, and where."""
    said = ""
    if isinstance(failure, subprocess.CalledProcessError | subprocess.TimeoutExpired):
        texts = [text.decode(errors="replace") if isinstance(text, bytes) else text for text in _output(failure)]
        said = f": {' '.join(''.join(texts).split())[-600:]}"
    place = traceback.extract_tb(failure.__traceback__)[-1]
    where = "" if isinstance(failure, Unavailable | TimeoutError) else f" ({Path(place.filename).name}:{place.lineno})"
    return f"{failure}{said}{where}"


def _output(failure: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> list[str | bytes]:
    return [text for text in (failure.stdout, failure.stderr) if text]
