"""A computer on virtual time: its clocks, its event loop, its disk. Time passes only when nothing is left to do.

Three clocks, as on a real machine: the wall clock may be set, the boot-time clock counts suspend and begins
anew with every boot, the event loop's clock stands still while the machine sleeps. True time is ipernity's.
"""

import asyncio
import errno
import os
import selectors
import shutil
import tempfile
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import ipsync.clock
import ipsync.store.incoming
from ipsync.policy.instants import SECOND, Duration, Instant

T = TypeVar("T")

SHARED_MEMORY = Path("/dev/shm")
BEGINNING: Instant = 1_800_000_000 * SECOND
"""Where every simulated story begins."""


class Crash(BaseException):
    """The process dies here: no handler of the product may see it."""


class Machine:
    """One computer.

    Attributes:
        now: true time, microseconds since the epoch.
        wall_offset: how far the wall clock is ahead of it; negative when it is behind.
        lag: gives how long a piece of work in a thread takes, microseconds; 0 is at once.
        before_work: called before and after each piece of work in a thread; may crash the process.
    """

    def __init__(self) -> None:
        self.now: Instant = BEGINNING
        self.wall_offset: Duration = 0
        self.lag: Callable[[], Duration] = lambda: 0
        self.before_work: Callable[[], None] = lambda: None
        self.is_disk_full = False
        self._booted_at = self.now - 3600 * SECOND
        self._asleep: Duration = 0
        parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="ipsync-simulation-", dir=parent))
        self._boot = 0
        self.boot()

    # clocks

    @property
    def wall(self) -> Instant:
        return self.now + self.wall_offset

    @property
    def boottime(self) -> Duration:
        return self.now - self._booted_at

    @property
    def uptime(self) -> Duration:
        """The event loop's clock, microseconds."""
        return self.now - BEGINNING - self._asleep

    def suspend(self, duration: Duration) -> None:
        """Sleep: the event loop's clock stands still, the others go on."""
        self.now += duration
        self._asleep += duration

    def boot(self) -> None:
        """Start anew; the wall clock went on as it was."""
        self._booted_at = self.now
        self._boot += 1
        (self.folder / "boot_id").write_text(f"boot-{self._boot}\n")

    # what the product reads

    CLOCK_BOOTTIME = real_time.CLOCK_BOOTTIME
    CLOCK_MONOTONIC = real_time.CLOCK_MONOTONIC

    def time_ns(self) -> int:
        return self.wall * 1000

    def clock_gettime_ns(self, which: int) -> int:
        return (self.boottime if which == self.CLOCK_BOOTTIME else self.boottime - self._asleep) * 1000

    @contextmanager
    def is_this_machine(self) -> Iterator[None]:
        """Let the product read these clocks and this disk."""
        clock: Any = ipsync.clock
        incoming: Any = ipsync.store.incoming
        before = clock.time, clock._BOOT_ID, incoming.free_bytes
        clock.time, clock._BOOT_ID = self, self.folder / "boot_id"
        incoming.free_bytes = lambda _descriptor: 0 if self.is_disk_full else 1 << 40
        try:
            yield
        finally:
            clock.time, clock._BOOT_ID, incoming.free_bytes = before

    # disk

    def copy_database(self, name: str) -> Path:
        """Copy the database as it lies on the disk, log included, and return the folder of the copy."""
        to = self.folder / name
        to.mkdir(exist_ok=True)
        for suffix in ("", "-wal"):
            file = to / f"ipsync.db{suffix}"
            file.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(self.folder / file.name, file)
                file.chmod(0o600)
        return to

    def put_database_back(self, name: str) -> None:
        """Put a copy in the place of the database."""
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"ipsync.db{suffix}").unlink(missing_ok=True)
        for file in (self.folder / name).iterdir():
            shutil.copyfile(file, self.folder / file.name)
            (self.folder / file.name).chmod(0o600)

    def scrap(self) -> None:
        """Throw the machine away."""
        shutil.rmtree(self.folder)


class _Selector(selectors.SelectSelector):
    """Instead of waiting for sockets, time passes."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left that anybody waits for")
        if timeout > 0:
            self._machine.now += max(1, round(timeout * SECOND))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a machine's time. Threads' work is done in between, in order, so that a seed repeats itself."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        super().__init__(_Selector(machine))
        self._clock_resolution = 0.5 / SECOND  # instants are whole microseconds, and seconds as floats nearly so
        self.set_exception_handler(_only_what_matters)

    def time(self) -> float:
        return self.machine.uptime / SECOND

    def run_in_executor(self, _executor: object, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]  # reason: no threads here
        future: asyncio.Future[T] = self.create_future()
        lag = self.machine.lag()
        try:
            self.machine.before_work()
            result = func(*args)
            self.machine.before_work()
        except BaseException as failure:  # noqa: BLE001  # reason: whatever it is, it belongs to who waits
            if isinstance(failure, StopIteration):
                failure = RuntimeError("a piece of work raised StopIteration")
            future.set_exception(failure)
            return future
        if lag:
            self.call_later(lag / SECOND, _give, future, result)
        else:
            future.set_result(result)
        return future


def _only_what_matters(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A task of a process that died owes nobody an answer."""
    if not isinstance(context.get("exception"), Crash):
        loop.default_exception_handler(context)


def _give(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def no_room(*_: object) -> None:
    """What a full disk answers."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
