"""The daemon under test: as a process of its own, or, faster, in this one."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Self

from ipsync.daemon import Daemon
from tests.fakes.command_line import COMMAND, PATIENCE_SECONDS, ROOT
from tests.fakes.site import ADMIN_TOKEN, SiteMirror


def get(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Ask a daemon; status and body."""
    request = urllib.request.Request(f"{address}{path}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def served(address: str) -> set[str]:
    """Ids of all documents that are served."""
    found: set[str] = set()
    cursor = ""
    while True:
        page = json.loads(get(address, f"/v1/documents?limit=50{cursor}")[1])
        found |= {entry["document_id"] for entry in page["documents"]}
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def wait_for(look: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Look until something is there; fail loudly when it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.02)
    return found


class DaemonProcess:
    """`ipsync run` as a process; a context manager that ends it whatever happens."""

    def __init__(self, mirror: SiteMirror, env: Mapping[str, str] | None = None, *, is_ready: bool = True) -> None:
        self.log = mirror.folder / "daemon.log"
        self._is_ready = is_ready
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run"],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | mirror.env | dict(env or {}),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> Self:
        if self._is_ready:
            self.wait_event("daemon.ready")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def records(self) -> list[dict[str, Any]]:
        """The log; every line of it must be JSON."""
        text = self.log.read_text()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def events(self) -> list[str]:
        return [record["event"] for record in self.records()]

    def wait_event(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until an event was logged `count` times; give the newest record of it."""

        def found() -> dict[str, Any] | None:
            ended = self.process.poll()
            mine = [record for record in self.records() if record["event"] == event]
            assert ended is None or len(mine) >= count, self.log.read_text()
            return mine[-1] if len(mine) >= count else None

        record: dict[str, Any] = wait_for(found, f"{event} is logged")
        return record

    @property
    def address(self) -> str:
        return str(self.wait_event("daemon.ready")["address"])

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = PATIENCE_SECONDS) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


def stop_between_writes(daemon: DaemonProcess, mirror: SiteMirror) -> None:
    """SIGSTOP, at a moment when the daemon holds neither the gate of writers nor the database."""
    gate = os.open(mirror.folder / "ipsync.db-writer", os.O_RDWR)
    try:
        while True:
            daemon.process.send_signal(signal.SIGSTOP)
            wait_for(lambda: state_of(daemon.process.pid) == "T", "it is stopped")
            try:
                fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                daemon.process.send_signal(signal.SIGCONT)
                time.sleep(0.05)
            else:
                return
    finally:
        os.close(gate)


def state_of(pid: int) -> str:
    """The kernel's letter for what a process does: T when it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Systemd:
    """The socket on which systemd listens to services."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()

    def _listen(self) -> None:
        while message := self._socket.recv(65536):
            self.messages.append(message.decode())

    def wait(self, text: str, count: int = 1) -> str:
        """Wait until `text` began a line `count` times; give the newest such message."""

        def found() -> str | None:
            mine = [message for message in self.messages if any(line.startswith(text) for line in message.split("\n"))]
            return mine[-1] if len(mine) >= count else None

        message: str = wait_for(found, f"systemd is told {text}")
        return message


class DaemonHere:
    """A daemon in this process, and what it logs."""

    def __init__(self, daemon: Daemon, address: str) -> None:
        self.daemon = daemon
        self.address = address

    async def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        return await asyncio.to_thread(get, self.address, path, **headers)

    async def served(self) -> set[str]:
        return await asyncio.to_thread(served, self.address)


@contextlib.asynccontextmanager
async def daemon_here(mirror: SiteMirror) -> AsyncIterator[DaemonHere]:
    """Run a daemon on a mirror until the block ends; it must end with 0."""
    addresses: list[str] = []
    daemon = Daemon(mirror.settings(), mirror.settings, {}, addresses.append, handles_signals=False)
    running = asyncio.create_task(daemon.run())
    try:
        while not addresses:
            await asyncio.sleep(0.01)
            if running.done():
                running.result()
                raise AssertionError("the daemon has ended")
        yield DaemonHere(daemon, addresses[0])
    finally:
        daemon.stop()
        code = await asyncio.wait_for(running, PATIENCE_SECONDS)
    assert code == 0


async def until(look: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Look, without holding up the event loop, until something is there."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = look()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert loop.time() < deadline, f"waited {seconds} s in vain until {what}"
        await asyncio.sleep(0.02)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
