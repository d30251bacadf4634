"""A process that is measured or killed: its log, its memory, its end."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.02


class Child:
    """A running process of ours. What it writes to standard error goes to a file of its own, replaced each time."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        """Start it.

        Args:
            command: the program and its words.
            environ: its environment.
            log: where its standard error goes.
        """
        self.log = log
        self.began = time.perf_counter()
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                list(command), env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
            )

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def records(self) -> list[dict[str, Any]]:
        """What it logged so far: one value a whole line of JSON."""
        lines = self.log.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_event(self, event: str, seconds: float) -> float:
        """Wait until it logs an event; returns the seconds since its start.

        Raises:
            RuntimeError: it ended first, or did not log it in time.
        """
        self.wait_until(lambda: any(record["event"] == event for record in self.records()), seconds, event)
        return time.perf_counter() - self.began

    def wait_until(self, look: Callable[[], object], seconds: float, what: str) -> None:
        """Look until something is so.

        Raises:
            RuntimeError: the process ended first, or it was not so in time.
        """
        deadline = time.perf_counter() + seconds
        while not look():
            if not self.is_running:
                raise RuntimeError(f"the process ended before {what}: {self.log.read_text()[-2000:]}")
            if time.perf_counter() > deadline:
                raise RuntimeError(f"waited {seconds:g} s in vain for {what}: {self.log.read_text()[-2000:]}")
            time.sleep(LOOK_SECONDS)

    def let_work(self, seconds: float) -> None:
        """Wait, and see that it still runs afterwards.

        Raises:
            RuntimeError: it has ended.
        """
        until = time.perf_counter() + seconds
        self.wait_until(lambda: time.perf_counter() >= until, seconds + 60, "it had worked for a while")

    def peak_mb(self) -> float:
        """The most memory it ever held: VmHWM, in MB of 10^6 bytes."""
        return self._status("VmHWM")

    def resident_mb(self) -> float:
        """The memory it holds now: VmRSS, in MB of 10^6 bytes."""
        return self._status("VmRSS")

    def cpu_seconds(self) -> float:
        """The CPU time all its threads have used, in steps of the kernel's clock (10 ms)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"the kernel does not tell {name}")
        return int(found[1]) * 1024 / 1e6

    def stop(self) -> int:
        """Ask it to end, and wait; returns its exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """End it at once, as a power cut would, but for what the kernel still writes."""
        self.process.kill()
        self.process.wait()
