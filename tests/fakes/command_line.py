"""The command line as people meet it: a process of its own, or, faster, a call in this one."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from ipsync.cli.frame import run

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "ipsync.cli")
PATIENCE_SECONDS = 60.0
"""How long to wait for another process: no promise of ours, only the end of a test that would hang."""
_RESTED = 5
_BASE = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def ipsync(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    cwd: Path | None = None,
    timeout_seconds: float = PATIENCE_SECONDS,
) -> Outcome:
    """Run a command line as a process with nothing in its environment but what is given."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=_BASE | dict(env or {}),
        input=stdin.encode(),
        capture_output=True,
        cwd=cwd,
        timeout=timeout_seconds,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def ipsync_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Make a function that runs a command line in this process: no start to wait for, the same code."""

    def call(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Outcome:
        with monkeypatch.context() as patch:
            for name in list(os.environ):
                if name.startswith("IPSYNC_") or name == "CREDENTIALS_DIRECTORY":
                    patch.delenv(name)
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = run([str(argument) for argument in arguments])
            printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


class Terminal:
    """A command at a terminal of its own, which is read and typed into."""

    def __init__(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        keep_escapes: bool = False,
    ) -> None:
        self.seen = ""
        self._keep_escapes = keep_escapes
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=_BASE | {"TERM": "dumb"} | dict(env or {}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    def expect(self, text: str, timeout_seconds: float = PATIENCE_SECONDS) -> str:
        """Wait until `text` was printed; give what came until then, and forget it."""
        deadline = time.monotonic() + timeout_seconds
        while text not in self.seen:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} did not come; seen: {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C when the process has come to rest: between a prompt and its reading a signal would wait.

        It rests when it sleeps whenever we look. A process that never does is interrupted all the same.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        rested = 0
        while rested < _RESTED and time.monotonic() < deadline:
            time.sleep(0.02)
            rested = rested + 1 if _sleeps(self._process.pid) else 0
        self._process.send_signal(signal.SIGINT)

    def end(self, timeout_seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Wait until it ends; what was printed last is in `out`."""
        deadline = time.monotonic() + timeout_seconds
        while self._read(deadline):
            pass
        return Outcome(self._process.wait(timeout=PATIENCE_SECONDS), self.seen, "")

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        text = data.decode(errors="replace").replace("\r\n", "\n")
        self.seen += text if self._keep_escapes else re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
        return bool(data)


def _sleeps(pid: int) -> bool:
    """Whether a process waits for something; its name in `/proc/PID/stat` may hold spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    except OSError:
        return True  # it has ended
