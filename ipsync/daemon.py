"""The daemon: pass the boot gate, serve, be nudged, reload, stop in order.

Nothing listens before what is overdue has been erased (design §3). A database that fails to write
ends the process at once: the boot gate of the next start decides what is still true (F4).
"""

import asyncio
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ipsync.assembly import Base, Works, open_base, open_works, web_parts
from ipsync.clock import monotonic_microseconds
from ipsync.jobs.health import Health, publish, read_health, status_line
from ipsync.policy.instants import SECOND, rfc3339
from ipsync.ports.catalog import CatalogFailure
from ipsync.ports.store import ContentKey
from ipsync.schedule import Nudge, Schedule, period_of
from ipsync.settings import Settings, SettingsInvalid
from ipsync.telemetry import Event, configure_logging, get_log
from ipsync.web import WebServer

_log = get_log(__name__)

STOP_PATIENCE = 20 * SECOND


class DaemonRefusedError(Exception):
    """The daemon does not start; the message says why and what to do."""


class OneDaemonLock:
    """Only one daemon works on a database (F27). The lock is the kernel's: it ends with the process."""

    def __init__(self, database: Path) -> None:
        """Name the lock after the database.

        Args:
            database: the database file; the lock lies beside it.
        """
        self._path = database.with_name(f"{database.name}.daemon-lock")
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the lock. Returns False where another process holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let another take it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


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
        self.watchdog_seconds = int(watchdog) / 1_000_000 if watchdog.isdecimal() else None

    def tell(self, *lines: str) -> None:
        """Send state lines such as `READY=1`; a systemd that does not listen is no reason to fail."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto("\n".join(lines).encode(), self._address)


class Daemon:
    """One running ipsync."""

    def __init__(
        self,
        settings: Settings,
        reload: Callable[[], Settings],
        environ: Mapping[str, str],
        on_ready: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare; nothing happens before `run`.

        Args:
            settings: what is configured.
            reload: reads the configuration again, on SIGHUP.
            environ: the environment, for systemd's socket.
            on_ready: told the address the web server listens at, once everything runs.
        """
        self._settings = settings
        self._reload = reload
        self._notifier = ServiceNotifier(environ)
        self._on_ready = on_ready
        self._wake = asyncio.Event()
        self._stopping = False
        self._reload_asked = False
        self._fatal: BaseException | None = None
        self._works: Works | None = None
        self._schedule: Schedule | None = None
        self._health: Health | None = None

    def stop(self) -> None:
        """Ask the daemon to end in order."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> int:
        """Run until asked to stop.

        Returns:
            The exit code: 0 after an orderly stop, 1 after a failure.

        Raises:
            DaemonRefusedError: another daemon runs.
            CatalogFailure: the database cannot be used.
        """
        undo_logging = self._configure_logging(self._settings)
        lock = OneDaemonLock(self._settings.database.path)
        if not lock.take():
            undo_logging()
            raise DaemonRefusedError(
                f"another ipsync daemon works on {self._settings.database.path}: stop it first, "
                "or give this one a database of its own (database.url)"
            )
        self._install_signals()
        try:
            return await self._live()
        finally:
            lock.release()
            undo_logging()

    async def _live(self) -> int:
        _log.info(Event.DAEMON_STARTING, "The daemon starts.", configuration=str(self._settings.file))
        _log_odd(self._settings)
        self._notifier.tell("STATUS=passing the boot gate")
        base = await open_base(self._settings, is_daemon=True)
        web: WebServer | None = None
        try:
            works = self._works = open_works(base, self._settings)
            await works.pass_boot_gate()
            parts = web_parts(base, self._current_works, self._settings, self._readiness, self._damaged)
            web = WebServer(parts)
            address = await web.start(self._settings.web.host, self._settings.web.port)
            self._begin_schedule(base, works)
            self._notifier.tell("READY=1", f"STATUS=serving at {address}")
            _log.info(Event.DAEMON_READY, "The daemon is ready.", address=address)
            if self._on_ready is not None:
                self._on_ready(address)
            await self._wait(base)
        finally:
            await self._end(base, web)
        if self._fatal is not None:
            _log.critical(Event.DAEMON_FAILED, "The daemon cannot go on.", cause=self._fatal)
            return 1
        _log.info(Event.DAEMON_STOPPED, "The daemon has stopped.")
        return 0

    def _begin_schedule(self, base: Base, works: Works) -> None:
        window = works.rules.lease.window
        nudges = [
            *works.nudges(),
            Nudge("health", period_of(window, 5760), lambda: self._look(base, works)),
        ]
        self._schedule = Schedule(nudges, base.catalog, base.clock, base.metrics, self._fail, period_of(window, 1440))
        self._schedule.start()

    async def _look(self, base: Base, works: Works) -> None:
        """Measure, publish, save the clock's mark, tell systemd."""
        health = await read_health(base.catalog, base.clock, works.rules.lease, works.believed_requests_per_hour)
        self._health = health
        publish(health, base.metrics)
        await works.look_at_budget()
        await base.save_clock()
        self._notifier.tell(f"STATUS={status_line(health)}")

    def _current_works(self) -> Works:
        if self._works is None:
            raise RuntimeError("the works are not open yet")
        return self._works

    def _damaged(self, key: ContentKey) -> None:
        """A stored file is not what was stored: have it erased and fetched anew."""
        _log.error(Event.STORE_DAMAGED, "A stored file is damaged; it is fetched anew.", document_id=key.document_id)
        if self._schedule is not None:
            self._schedule.nudge("orphans")

    async def _readiness(self) -> list[str]:
        """Why the daemon is not ready; empty when it is."""
        reasons: list[str] = []
        if self._stopping:
            reasons.append("stopping")
        if self._schedule is None or not self._schedule.is_running:
            reasons.append("the scheduler does not run")
        if self._health is None:
            reasons.append("nothing has been measured yet")
        elif not self._health.is_lawful:
            reasons.append("something is held that should be gone")
        return reasons

    async def _wait(self, base: Base) -> None:
        """Until asked to stop: feed the watchdog, and reload when asked to."""
        beat_seconds = (self._notifier.watchdog_seconds or 10.0) / 3
        while not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(beat_seconds):
                    await self._wake.wait()
            self._wake.clear()
            if self._reload_asked and not self._stopping:
                self._reload_asked = False
                await self._reload_now(base)
            # A scheduler that stands still must let systemd restart us.
            if self._schedule is not None and self._schedule.is_running:
                self._notifier.tell("WATCHDOG=1")

    async def _reload_now(self, base: Base) -> None:
        """Take over what may change while running; say what may not, and refuse what is wrong as a whole."""
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={monotonic_microseconds()}")
        try:
            settings = self._reload()
        except SettingsInvalid as invalid:
            _log.error(
                Event.DAEMON_RELOAD_REFUSED,
                "The changed configuration is wrong; the old one holds.",
                problems="; ".join(str(problem) for problem in invalid.problems),
            )
            self._notifier.tell("READY=1", "STATUS=the changed configuration is wrong; the old one holds")
            return
        fixed = self._fixed_settings(self._settings, settings)
        if fixed:
            _log.warning(
                Event.DAEMON_RELOADED, "Some settings take effect only after a restart.", settings=", ".join(fixed)
            )
        _log_odd(settings)
        await self._take_over(base, settings)
        self._notifier.tell("READY=1", "STATUS=reloaded")
        _log.info(Event.DAEMON_RELOADED, "The configuration was read again.")

    async def _take_over(self, base: Base, settings: Settings) -> None:
        before = self._current_works()
        if self._schedule is not None:
            await self._schedule.stop(STOP_PATIENCE)
        self._configure_logging(settings)
        works = self._works = before.rewired(settings)
        await before.close_clients()
        self._settings = settings
        self._begin_schedule(base, works)

    @staticmethod
    def _fixed_settings(before: Settings, after: Settings) -> list[str]:
        """Settings that were changed and need a restart."""
        pairs = {
            "database.url": (before.database.url, after.database.url),
            "store.url": (before.store.url, after.store.url),
            "web.listen": (before.web.listen, after.web.listen),
            "web.public_url": (before.web.public_url, after.web.public_url),
            "removal.window": (before.removal.window, after.removal.window),
            "key.use": (before.key.use, after.key.use),
            "operator": (before.operator, after.operator),
        }
        return [name for name, (old, new) in pairs.items() if old != new]

    async def _end(self, base: Base, web: WebServer | None) -> None:
        """Stop in order: no more nudges, no more answers, then the files and the database."""
        self._notifier.tell("STOPPING=1", "STATUS=stopping")
        _log.info(Event.DAEMON_STOPPING, "The daemon stops.", at=rfc3339(base.clock.now()))
        if self._schedule is not None and not await self._schedule.stop(STOP_PATIENCE):
            _log.warning(Event.DAEMON_STOPPING, "A job had to be cut off; it goes on at the next start.")
        if web is not None:
            await web.stop(5.0)
        if self._works is not None:
            await self._works.close_clients()
        if self._fatal is None:
            with suppress(CatalogFailure):
                await base.save_clock()
        await base.close()

    def _fail(self, error: BaseException) -> None:
        self._fatal = error
        self.stop()

    def _configure_logging(self, settings: Settings) -> Callable[[], None]:
        secrets = [secret.reveal() for secret in settings.secrets.all() if secret]
        return configure_logging(settings.log.level, settings.log.format, secrets)

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._ask_reload)

    def _ask_reload(self) -> None:
        self._reload_asked = True
        self._wake.set()


def _log_odd(settings: Settings) -> None:
    for problem in settings.warnings:
        _log.warning(Event.SETTINGS_ODD, f"{problem.key}: {problem.reason}", remedy=problem.remedy)
