"""The daemon: pass the boot gate, serve, be nudged, reload, stop in order.

Nothing listens before what is overdue has been erased (design §3). A database that fails to write
ends the process at once: the boot gate of the next start decides what is still true (F4).
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from ipsync.alone import DaemonRefusedError, take_alone
from ipsync.assembly import BudgetTooSmallError, Works, open_works
from ipsync.base import Base, KeyUseChangedError, erase_without_database, open_base, refuse_other_use
from ipsync.clock import monotonic_microseconds
from ipsync.in_force import forget_in_force, write_in_force
from ipsync.jobs.boot import Told
from ipsync.jobs.health import Health, publish, read_health, status_line
from ipsync.jobs.leave import refuse_where_left
from ipsync.policy.instants import SECOND, Duration, rfc3339
from ipsync.ports.catalog import CatalogCorrupt, CatalogFailure, CatalogMissing, StateKeyWrong
from ipsync.ports.store import ContentKey, StoreFailure
from ipsync.process import OneProcessLock, ServiceNotifier
from ipsync.schedule import Schedule, period_of
from ipsync.settings import Settings, SettingsInvalid
from ipsync.settings.effective import need_restart
from ipsync.telemetry import Event, configure_logging, get_log, observe_events
from ipsync.web import Operator, WebServer
from ipsync.web_wiring import operator_of, web_parts

_log = get_log(__name__)

COMMAND = "ipsync run"
"""How the daemon calls itself to whoever finds the database taken."""

STOP_PATIENCE: Duration = 20 * SECOND
"""How long running jobs may take to end by themselves, at stop and reload."""

_MORE_TIME: Duration = 120 * SECOND
_LOOK_PATIENCE_SECONDS = 300.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Daemon:
    """One running ipsync."""

    def __init__(
        self,
        settings: Settings,
        reload: Callable[[], Settings],
        environ: Mapping[str, str],
        on_ready: Callable[[str], None] | None = None,
        *,
        handles_signals: bool = True,
    ) -> None:
        """Prepare; nothing happens before `run`.

        Args:
            settings: what is configured.
            reload: reads the configuration again, on SIGHUP.
            environ: the environment, for systemd's socket.
            on_ready: told the address the web server listens at, once everything runs.
            handles_signals: False where the process belongs to somebody else, e.g. the demo.
        """
        self._settings = self._started_with = settings
        self._reload = reload
        self._notifier = ServiceNotifier(environ)
        self._on_ready = on_ready
        self._handles_signals = handles_signals
        self._wake = asyncio.Event()
        self._stopping = False
        self._patience = STOP_PATIENCE
        self._reload_asked = False
        self._fatal: BaseException | None = None
        self._reloading = False
        self._looked_at = 0.0
        self._has_served = False
        self._undo_logging: Callable[[], None] = lambda: None
        self._operator: Operator | None = None
        self._works: Works | None = None
        self._schedule: Schedule | None = None
        self._health: Health | None = None

    def stop(self, patience: Duration = STOP_PATIENCE) -> None:
        """Ask the daemon to end in order.

        Args:
            patience: how long running jobs may take to end by themselves, microseconds.
        """
        self._stopping = True
        self._patience = min(self._patience, patience)
        self._wake.set()

    def reload(self) -> None:
        """Ask the daemon to read its configuration again."""
        self._reload_asked = True
        self._wake.set()

    async def run(self) -> int:
        """Run until asked to stop.

        Returns:
            The exit code: 0 after an orderly stop, 1 after a failure.

        Raises:
            DaemonRefusedError: another process works on the database, or nothing can listen.
            CatalogFailure: the database cannot be used, or the operator has left this mirror.
            StoreFailure: the store cannot be used.
        """
        self._configure_logging(self._settings)
        lock = OneProcessLock(self._settings.database.path)
        try:
            self._install_signals()
            if not await take_alone(
                lock, self._settings.database.path, COMMAND, self._notifier, lambda: self._stopping
            ):
                return 0
            return await self._live()
        except (DaemonRefusedError, CatalogFailure, StoreFailure) as refusal:
            # Where nobody can read the database nothing is served, and old files go (F5).
            if isinstance(refusal, CatalogCorrupt | CatalogMissing) and not isinstance(refusal, StateKeyWrong):
                await erase_without_database(self._settings)
            _log.critical(Event.BOOT_REFUSED, str(refusal))
            raise
        finally:
            lock.release()
            self._remove_signals()
            self._undo_logging()

    async def _live(self) -> int:
        _log.info(Event.DAEMON_STARTING, "The daemon starts.", configuration=str(self._settings.file))
        _log_odd(self._settings)
        self._notifier.tell("STATUS=passing the boot gate")
        base = await open_base(self._settings, is_daemon=True)
        loop = asyncio.get_running_loop()
        base.catalog.when_lost(lambda lost: _soon(loop, partial(self._fail, lost)))
        stop_counting = observe_events(base.history.count)
        web: WebServer | None = None
        beating: asyncio.Task[None] | None = None
        try:
            await base.catalog.read(refuse_where_left)
            works = self._works = open_works(base, self._settings)
            self._operator = operator_of(self._settings)
            told = Told(self._tell_status, self._ask_for_time, lambda: self._stopping)
            passed = await works.boot_gate().run(told)
            await works.look_at_budget()
            await works.refuse_overload()
            if passed and not self._stopping:
                self._has_served = True
                web, address = await self._listen(base)
                self._begin_schedule(base, works)
                beating = asyncio.create_task(self._beat(), name="watchdog")
                write_in_force(self._started_with, self._settings)
                self._notifier.tell("READY=1", f"STATUS=serving at {address}")
                _log.info(Event.DAEMON_READY, "The daemon is ready.", address=address)
                if self._on_ready is not None:
                    self._on_ready(address)
                await self._wait(base)
        except (DaemonRefusedError, CatalogFailure, StoreFailure):
            base.history.count(Event.BOOT_REFUSED)
            raise
        finally:
            if beating is not None:
                beating.cancel()
            await self._end(base, web)
            stop_counting()
        if self._fatal is not None:
            _log.critical(Event.DAEMON_FAILED, "The daemon cannot go on.", cause=self._fatal)
            return 1
        _log.info(Event.DAEMON_STOPPED, "The daemon has stopped.")
        return 0

    def _tell_status(self, words: str) -> None:
        self._notifier.tell(f"STATUS={words}")

    def _ask_for_time(self) -> None:
        """Keep systemd from taking a long boot gate for a hang: it erases, and must not be cut off."""
        self._notifier.tell(f"EXTEND_TIMEOUT_USEC={_MORE_TIME}")

    async def _listen(self, base: Base) -> tuple[WebServer, str]:
        settings = self._settings
        parts = web_parts(
            base,
            self._current_works,
            self._current_operator,
            settings,
            self._readiness,
            self._damaged,
            self._nudge,
        )
        web = WebServer(parts)
        try:
            return web, await web.start(settings.web.host, settings.web.port)
        except OSError as error:
            raise DaemonRefusedError(
                f"cannot listen at {settings.web.listen} ({os.strerror(error.errno or 0)}): another program listens "
                f"there, or the address is not this machine's; change web.listen in {settings.file}"
            ) from error

    def _begin_schedule(self, base: Base, works: Works) -> None:
        window = works.rules.lease.window
        nudges = [*works.nudges(), *works.watches(lambda: self._look(base, works))]
        self._schedule = Schedule(nudges, base.catalog, base.clock, base.metrics, self._fail, period_of(window, 1440))
        self._schedule.start()
        self._looked_at = asyncio.get_running_loop().time()

    async def _look(self, base: Base, works: Works) -> None:
        """Measure, publish, save the clock's mark, tell systemd."""
        health = await read_health(base.catalog, base.clock, works.rules.lease, works.believed_requests_per_hour)
        self._health = health
        publish(health, base.metrics, works.rules.quota)
        await base.removal_count.run(works.rules.lease)
        base.show_machine(self._settings)
        await works.look_at_budget()
        await base.save_clock()
        self._looked_at = asyncio.get_running_loop().time()
        self._notifier.tell(f"STATUS={status_line(health)}")

    @property
    def _is_moving(self) -> bool:
        """Whether jobs are nudged and come to an end; while one configuration replaces another, that is so too."""
        if self._schedule is None or not (self._schedule.is_running or self._reloading):
            return False
        return asyncio.get_running_loop().time() - self._looked_at < _LOOK_PATIENCE_SECONDS

    async def _beat(self) -> None:
        """Feed systemd's watchdog. A daemon whose jobs stand still must be restarted."""
        if self._notifier.watchdog_seconds is None:
            return
        while True:
            if self._is_moving:
                self._notifier.tell("WATCHDOG=1")
            await asyncio.sleep(self._notifier.watchdog_seconds / 3)

    def _current_works(self) -> Works:
        if self._works is None:
            raise RuntimeError("the works are not open yet")
        return self._works

    def _current_operator(self) -> Operator:
        if self._operator is None:
            raise RuntimeError("the operator is not known yet")
        return self._operator

    def _damaged(self, key: ContentKey) -> None:
        """A stored file is not what was stored: have it erased and fetched anew."""
        _log.error(Event.STORE_DAMAGED, "A stored file is damaged; it is fetched anew.", document_id=key.document_id)
        if self._works is not None:
            self._works.orphans.doubt(key)
        self._nudge("orphans")

    def _nudge(self, job: str) -> None:
        """Have a job run soon; while nothing runs, the next start does it all the same."""
        if self._schedule is not None:
            self._schedule.nudge(job)

    async def _readiness(self) -> list[str]:
        """Why the daemon is not ready; empty when it is."""
        reasons: list[str] = []
        if self._stopping:
            reasons.append("stopping")
        elif not self._is_moving:
            reasons.append("the jobs stand still")
        if self._health is None:
            reasons.append("nothing has been measured yet")
        elif not self._health.is_lawful:
            reasons.append("something is held that should be gone")
        return reasons

    async def _wait(self, base: Base) -> None:
        """Until asked to stop; reload when asked to."""
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            if self._reload_asked and not self._stopping:
                self._reload_asked = False
                self._reloading = True
                try:
                    await self._reload_now(base)
                finally:
                    self._reloading = False

    async def _reload_now(self, base: Base) -> None:
        """Take over what may change while running; say what may not, and refuse what is wrong as a whole."""
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={monotonic_microseconds()}")
        try:
            settings = self._reload()
            refuse_other_use(self._started_with, settings)
            # Whatever cannot be wired must show before anything is given up.
            works, operator = self._current_works().rewired(settings), operator_of(settings)
            await works.refuse_overload()
        except (SettingsInvalid, KeyUseChangedError, BudgetTooSmallError, OSError, ValueError) as wrong:
            problems = wrong.errors if isinstance(wrong, SettingsInvalid) else [wrong]
            _log.error(
                Event.DAEMON_RELOAD_REFUSED,
                "The changed configuration is wrong; the old one holds.",
                problems="; ".join(str(problem) for problem in problems),
            )
            self._notifier.tell("READY=1", "STATUS=the changed configuration is wrong; the old one holds")
            return
        fixed = need_restart(self._started_with, settings)
        if fixed:
            _log.warning(
                Event.DAEMON_RELOADED, "Some settings take effect only after a restart.", settings=", ".join(fixed)
            )
        _log_odd(settings)
        await self._take_over(base, settings, works, operator)
        write_in_force(self._started_with, settings)
        self._notifier.tell("READY=1", "STATUS=reloaded")
        _log.info(Event.DAEMON_RELOADED, "The configuration was read again.")

    async def _take_over(self, base: Base, settings: Settings, works: Works, operator: Operator) -> None:
        before = self._current_works()
        # From here nothing is served that the new rules forbid; the jobs end under the old ones.
        self._works, self._operator, self._settings = works, operator, settings
        self._configure_logging(settings)
        if self._schedule is not None and not await self._schedule.stop(self._patience):
            _log.warning(Event.DAEMON_RELOADED, "A job had to be cut off; it goes on under the new configuration.")
        await before.close_clients()
        # Every job is nudged at once, so that nothing that came up meanwhile is lost.
        if not self._stopping:
            self._begin_schedule(base, works)

    async def _end(self, base: Base, web: WebServer | None) -> None:
        """Stop in order: no more nudges, no more answers, then the files and the database."""
        self._notifier.tell("STOPPING=1", "STATUS=stopping")
        forget_in_force(self._started_with.database.path)
        _log.info(Event.DAEMON_STOPPING, "The daemon stops.", at=rfc3339(base.clock.now()))
        is_orderly = self._schedule is None or await self._schedule.stop(self._patience)
        if not is_orderly:
            _log.warning(Event.DAEMON_STOPPING, "A job had to be cut off; it goes on at the next start.")
        if web is not None:
            # Where nobody knows what is true any more, no answer is waited for.
            await web.stop(5.0 if self._fatal is None else 0.0)
        if self._works is not None:
            # Request slots that cannot be given back count as spent.
            with suppress(CatalogFailure):
                await self._works.close_clients()
        if self._fatal is None:
            with suppress(CatalogFailure, StoreFailure):
                await base.save_clock()
                await base.history.run()
                # From here on nothing is written: whatever is found at the next start was put there by somebody else.
                if self._has_served and is_orderly and self._works is not None:
                    await self._works.belonging.renew(base.epoch, stopped=True)
        await base.close()

    def _fail(self, error: BaseException) -> None:
        """End at once: nothing is retried, and the next start finds out what is still true (F4, F27)."""
        self._fatal = self._fatal or error
        self.stop(0)

    def _configure_logging(self, settings: Settings) -> None:
        self._undo_logging()
        secrets = [secret.reveal() for secret in settings.secrets.all() if secret]
        self._undo_logging = configure_logging(settings.log.level, settings.log.format, secrets)

    def _install_signals(self) -> None:
        if self._handles_signals:
            loop = asyncio.get_running_loop()
            for number in _STOP_SIGNALS:
                loop.add_signal_handler(number, self.stop)
            loop.add_signal_handler(signal.SIGHUP, self.reload)

    def _remove_signals(self) -> None:
        if self._handles_signals:
            for number in (*_STOP_SIGNALS, signal.SIGHUP):
                asyncio.get_running_loop().remove_signal_handler(number)


def _soon(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Have something done in the event loop, from whatever thread; nothing where the loop has ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(act)


def _log_odd(settings: Settings) -> None:
    for problem in settings.warnings:
        _log.warning(Event.SETTINGS_ODD, f"{problem.key}: {problem.reason}", remedy=problem.remedy)
