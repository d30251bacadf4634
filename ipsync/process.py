"""What this process is to the machine: who may checkpoint a database, what systemd is told, what a crash leaves.

Knows nothing of ipsync's work; decides nothing but who was first.
"""

import asyncio
import ctypes
import fcntl
import os
import resource
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REAPED = "reaped"
"""What `LastRun` calls a run of the reaper."""

_PR_SET_DUMPABLE = 4
_HOLDER_BYTES = 256
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Attributes:
        pid: of the process; 0 where it did not say.
        command: what it runs, e.g. `ipsync sync`; "" where it did not say.
    """

    pid: int
    command: str

    def __str__(self) -> str:
        """Name it for a message."""
        return f"`{self.command}` (process {self.pid})" if self.command else "another process"


class OneProcessLock:
    """Only one process checkpoints a database: the daemon, or without one the command that erases (F27).

    The lock is the kernel's and ends with the process, however that ends. What is written in the file
    only names the holder.
    """

    def __init__(self, database: Path) -> None:
        """Name the lock after the database.

        Args:
            database: the database file; the lock lies beside it.
        """
        self.path = database.with_name(f"{database.name}.daemon-lock")
        self._descriptor: int | None = None

    def take(self, command: str) -> bool:
        """Take the lock. Returns False where another process holds it.

        Args:
            command: what this process runs, for whoever comes next.

        Raises:
            OSError: the file cannot be made or opened; without its folder there is no database either.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        # A full disk must not keep anybody from erasing: then the holder stays unnamed.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {command}\n".encode()[:_HOLDER_BYTES], 0)
        return True

    async def take_patiently(
        self,
        command: str,
        patience_seconds: float,
        on_wait: Callable[[Holder], None],
        is_over: Callable[[], bool],
    ) -> bool:
        """Take the lock, waiting for a process that holds it.

        Args:
            command: what this process runs.
            patience_seconds: how long to wait at most.
            on_wait: told once who holds it; what it raises ends the waiting.
            is_over: asked again and again whether to give up.

        Returns:
            False where the patience was over, or `is_over` said so.

        Raises:
            OSError: the file cannot be made or opened.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_seconds
        told = False
        while not is_over():
            if self.take(command):
                return True
            holder = self.holder()
            if holder is not None and not told:
                told = True
                on_wait(holder)
            if loop.time() >= until:
                return False
            await asyncio.sleep(_PAUSE_SECONDS)
        return False

    def release(self) -> None:
        """Let another take it."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> Holder | None:
        """Who holds it now; None where nobody does, or where we may not look."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, command = os.pread(descriptor, _HOLDER_BYTES, 0).decode(errors="replace").strip().partition(" ")
            return Holder(int(pid), command) if pid.isdecimal() else Holder(0, "")
        finally:
            os.close(descriptor)
        return None


class ServiceNotifier:
    """Tells systemd how the service is (sd_notify), or nobody where there is no systemd."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read where systemd listens.

        Args:
            environ: the environment of the process.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with @ and addressed with a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog = environ.get("WATCHDOG_USEC", "")
        meant_for = environ.get("WATCHDOG_PID", "")
        is_ours = meant_for in ("", str(os.getpid()))
        self.watchdog_seconds = int(watchdog) / 1_000_000 if watchdog.isdecimal() and is_ours else None

    def tell(self, *lines: str) -> None:
        """Send state lines such as `READY=1`; a systemd that does not listen is no reason to fail."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            # A queue that nobody empties must not hold up the daemon.
            channel.setblocking(False)
            channel.sendto("\n".join(lines).encode(), self._address)


def allow_many_files() -> None:
    """Let this process have as many files and sockets open as the machine permits: often it begins with fewer."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def forbid_core_dumps() -> None:
    """See to it that a crash writes no tokens and no members' words to a disk (F35, I9).

    The limit keeps the kernel from writing a file; the flag also keeps it from handing the dump to a
    program, and other processes of the same user from reading our memory.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):  # a C library without prctl is no Linux
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class LastRun:
    """When something was done last, by a file beside the database whose time tells it; a full disk has room for that.

    For what another process must see and no transaction should be needed for: that the reaper still looks.
    """

    def __init__(self, database: Path, what: str) -> None:
        """Name the file.

        Args:
            database: the database's file.
            what: a word of ours, e.g. "reaped".
        """
        self._path = database.with_name(f"{database.name}-{what}")

    def mark(self) -> None:
        """It was done now. Where the file cannot be written nobody is kept from working: the silence will tell."""
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.utime(descriptor)
            finally:
                os.close(descriptor)

    def at(self) -> int | None:
        """The instant, in microseconds since the Unix epoch by the kernel's wall clock; None where it never was."""
        try:
            return self._path.stat(follow_symlinks=False).st_mtime_ns // 1000
        except OSError:
            return None


def file_system_of(path: Path, mountinfo: Path) -> str:
    """The kind of file system that `path` is, or will be, on; "" where it cannot be told.

    Args:
        path: of a file or folder.
        mountinfo: what the kernel tells of this process's mounts: `/proc/self/mountinfo`.
    """
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    wanted = str(path.resolve())
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) > 4 and after:
            place = fields[4].encode().decode("unicode_escape")
            inside = place == "/" or wanted == place or wanted.startswith(f"{place}/")
            if inside and len(place) >= len(best):
                best, kind = place, after.split()[0]
    return kind
