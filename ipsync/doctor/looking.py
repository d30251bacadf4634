"""The doctor: what must be true of machine, files, database, API and services before an operator can sleep well.

It changes nothing of the mirror: the canary that proves erasing lives and dies in a folder of its own beside the
database. Each finding says what was seen and what to do. One request is sent to ipernity, through the budget's gate.
"""

import asyncio
import os
import shutil
import stat
import tempfile
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ipsync.assembly import Works, open_works
from ipsync.base import open_base
from ipsync.catalog import canary
from ipsync.clock import is_synchronized
from ipsync.doctor.findings import Finding, Verdict
from ipsync.doctor.machine import credentials, services
from ipsync.policy.instants import HOUR, MINUTE, seconds
from ipsync.policy.planning import plan_sweeps
from ipsync.ports.catalog import CatalogFailure, CatalogMissing, CatalogOutdated
from ipsync.ports.source import KeyRefused, QuotaReached, SourceFailure
from ipsync.ports.store import StoreFailure
from ipsync.process import REAPED, LastRun, OneProcessLock, file_system_of
from ipsync.settings import Settings

_ROOM_BYTES = 1_000_000_000
_ANSWER_SECONDS = 5.0
_NETWORKED = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs"})
_REAPER_SILENT = HOUR
_PRAGMAS = "secure_delete on, synchronous full, write-ahead log, foreign keys on, nothing temporary on the disk"
"""What opening the database demands; where one does not hold it cannot be opened."""

_SCRAPED = 'ipsync_http_requests_total{route="metrics",status="200"}'


Check = Callable[[], Awaitable[Finding]]


class Doctor:
    """Looks at one installation."""

    def __init__(self, settings: Settings, root: Path = Path("/")) -> None:
        """Prepare; nothing is looked at before `run`.

        Args:
            settings: what is configured.
            root: where the machine's own files lie; another one in tests.
        """
        self._settings = settings
        self._root = root

    async def run(self, *, offline: bool = False, tell: Callable[[Finding], None] | None = None) -> list[Finding]:
        """Look at everything, one thing after the other.

        Args:
            offline: ask ipernity nothing.
            tell: told of each finding as it is made.
        """
        found: list[Finding] = []
        checks: Sequence[Check] = (
            self._clock,
            self._files,
            self._credentials,
            self._policy,
            self._room,
            self._file_system,
            self._erasing,
            self._database,
            self._quota,
            *(() if offline else (self._ipernity,)),
            self._budget,
            self._service,
            self._daemon,
            self._scrape,
            self._reaper,
        )
        for check in checks:
            finding = await check()
            found.append(finding)
            if tell is not None:
                tell(finding)
        return found

    async def _clock(self) -> Finding:
        synchronized = is_synchronized()
        if synchronized is None:
            return Finding("clock", Verdict.SKIPPED, "the kernel does not tell whether the clock is synchronized")
        if not synchronized:
            return Finding(
                "clock",
                Verdict.NOTE,
                "the kernel does not call the wall clock synchronized; leases do not trust it alone",
                "timedatectl set-ntp true, or install systemd-timesyncd or chrony",
            )
        return Finding("clock", Verdict.OK, "the wall clock is synchronized")

    async def _files(self) -> Finding:
        """Who may read what is kept."""
        for path, kind in ((self._settings.database.path, "database"), (self._settings.store.path, "store")):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                return Finding("files", Verdict.WRONG, f"the {kind} {path}: {error.strerror}", f"ls -ld {path}")
            if stat.S_IMODE(status.st_mode) & 0o077:
                return Finding(
                    "files",
                    Verdict.WRONG,
                    f"the {kind} {path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o})",
                    f"chmod go= {path}",
                )
            if status.st_uid != os.geteuid():
                return Finding(
                    "files",
                    Verdict.NOTE,
                    f"the {kind} {path} belongs to another user (uid {status.st_uid})",
                    "run the doctor as that user: ipsync-as-service (docs/how-to/run-under-systemd.md)",
                )
        return Finding("files", Verdict.OK, "database and store can be read by their own user alone")

    async def _credentials(self) -> Finding:
        return credentials(self._settings)

    async def _policy(self) -> Finding:
        path = self._settings.operator.privacy_policy
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return Finding(
                "policy", Verdict.WRONG, f"{path} cannot be read: {error}", "write your privacy policy there"
            )
        if len(text.split()) < 50:
            return Finding(
                "policy",
                Verdict.NOTE,
                f"{path} has {len(text.split())} words: is that your privacy policy?",
                "config/privacy-policy.md is one to begin with",
            )
        return Finding("policy", Verdict.OK, f"{path.name}, {len(text.split())} words")

    async def _room(self) -> Finding:
        for path in (self._settings.database.path.parent, self._settings.store.path):
            existing = next((parent for parent in (path, *path.parents) if parent.exists()), Path("/"))
            try:
                free = shutil.disk_usage(existing).free
            except OSError as error:
                return Finding("room", Verdict.WRONG, f"{existing}: {error.strerror}", f"df -h {existing}")
            if free < _ROOM_BYTES:
                return Finding(
                    "room",
                    Verdict.NOTE,
                    f"{free / 1e9:.2f} GB are left at {existing}; when it is full nothing new is taken in",
                    "make room, or mirror smaller renditions (mirror.renditions)",
                )
        return Finding("room", Verdict.OK, "there is room for database and store")

    async def _file_system(self) -> Finding:
        for path in (self._settings.database.path.parent, self._settings.store.path):
            kind = file_system_of(path, self._root / "proc/self/mountinfo")
            if kind in _NETWORKED:
                return Finding(
                    "file-system",
                    Verdict.WRONG,
                    f"{path} is on {kind}: locks and syncing cannot be relied on there, nor that nothing is kept",
                    "put database and store on a local disk (database.url, store.url)",
                )
        return Finding("file-system", Verdict.OK, "database and store are on local file systems")

    async def _erasing(self) -> Finding:
        """A text is written, erased and looked for, byte by byte, where the database lies."""
        parent = self._settings.database.path.parent
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            return Finding("erasing", Verdict.SKIPPED, f"{parent} cannot be written by this user", "run as the service")
        try:
            with _scratch(parent) as folder:
                left = await asyncio.to_thread(canary.copies_left, folder)
        except (CatalogFailure, OSError) as failure:
            return Finding("erasing", Verdict.WRONG, f"a database cannot be made there: {failure}", f"df -h {parent}")
        if left:
            return Finding(
                "erasing",
                Verdict.WRONG,
                f"an erased text was found {left} times: this SQLite does not erase",
                "install another SQLite; serve nothing until then",
            )
        return Finding("erasing", Verdict.OK, "an erased text was not found again in database or log")

    @contextmanager
    def _failing(self, subject: str, found: list[Finding]) -> Iterator[None]:
        """Turn what the mirror's own parts raise into a finding."""
        try:
            yield
        except CatalogMissing:
            found.append(Finding(subject, Verdict.NOTE, "there is no database yet", "ipsync db upgrade"))
        except CatalogOutdated as outdated:
            found.append(Finding(subject, Verdict.WRONG, str(outdated), "ipsync db upgrade"))
        except KeyRefused as refused:
            remedy = "compare api_key and api_secret with the page of your application at ipernity"
            found.append(Finding(subject, Verdict.WRONG, f"ipernity refuses the application: {refused}", remedy))
        except QuotaReached as reached:
            found.append(Finding(subject, Verdict.NOTE, f"no request may be sent now: {reached}", "ipsync status"))
        except SourceFailure as failure:
            url = self._settings.api.url
            remedy = f"curl -sI {url}; is there a way out of this machine, and a name server?"
            found.append(Finding(subject, Verdict.WRONG, f"{url} gave no usable answer: {failure}", remedy))
        except (CatalogFailure, StoreFailure) as failure:
            found.append(Finding(subject, Verdict.WRONG, str(failure), "ipsync audit, when it can be opened"))

    async def _with_works(self, subject: str, look: Callable[[Works], Awaitable[Finding]]) -> Finding:
        found: list[Finding] = []
        with self._failing(subject, found):
            base = await open_base(self._settings, is_daemon=False)
            try:
                works = open_works(base, self._settings)
                try:
                    found.append(await look(works))
                finally:
                    with suppress(CatalogFailure):
                        await works.close_clients()
            finally:
                await base.close()
        return found[0]

    async def _database(self) -> Finding:
        """Opening it reads every pragma back; then SQLite looks for contradictions."""

        async def look(works: Works) -> Finding:
            problems, _ = await works.base.catalog.check_within(_ANSWER_SECONDS)
            if problems:
                return Finding(
                    "database", Verdict.WRONG, f"SQLite finds it damaged: {problems[0]}", "restore a backup (docs)"
                )
            behind = works.base.clock.behind()
            if behind > MINUTE:
                return Finding(
                    "database",
                    Verdict.NOTE,
                    f"the wall clock lies {seconds(behind):.0f} s behind the clock of the leases: it was set back",
                    "timedatectl; nothing became younger by it",
                )
            return Finding("database", Verdict.OK, f"it is whole; read back from SQLite: {_PRAGMAS}")

        return await self._with_works("database", look)

    async def _quota(self) -> Finding:
        """Whether files wait because a quota is reached (F31)."""

        async def look(works: Works) -> Finding:
            quota = works.rules.quota
            if not quota.is_set:
                return Finding("quota", Verdict.OK, "none is set: only the disk limits what is kept")
            held_up = quota.held_up(await works.base.catalog.read(lambda view: view.holdings()))
            if held_up:
                return Finding(
                    "quota",
                    Verdict.NOTE,
                    f"a quota is reached, and new files wait; accounts concerned: {len(held_up)}",
                    "raise store.size_most or store.account_size_most and reload, or mirror less: ipsync status",
                )
            return Finding("quota", Verdict.OK, "no file waits for room in a quota")

        return await self._with_works("quota", look)

    async def _ipernity(self) -> Finding:
        """One signed request tells of network, key, signature and quota at once."""

        async def look(works: Works) -> Finding:
            began = works.base.clock.now()
            await works.source.frob()
            took = seconds(works.base.clock.now() - began)
            return Finding(
                "ipernity",
                Verdict.OK,
                f"{self._settings.api.url} answered a signed request in {took:.2f} s",
            )

        return await self._with_works("ipernity", look)

    async def _budget(self) -> Finding:
        async def look(works: Works) -> Finding:
            await works.look_at_budget()
            figures = await works.base.catalog.read(lambda view: view.figures())
            plan = plan_sweeps(figures.listing_pages, works.believed_requests_per_hour, works.rules.lease)
            words = (
                f"keeping the leases takes {plan.utilization:.0%} of {works.believed_requests_per_hour:,.0f} requests/h"
            )
            if plan.utilization >= 1:
                return Finding("budget", Verdict.WRONG, words, "raise [budget], or let accounts go: ipsync plan")
            if plan.utilization > 1 - works.rules.outage / works.rules.lease.serve_age:
                return Finding("budget", Verdict.NOTE, f"{words}: an outage would hide documents", "ipsync plan")
            return Finding("budget", Verdict.OK, words)

        return await self._with_works("budget", look)

    async def _service(self) -> Finding:
        return services(self._root)

    async def _daemon(self) -> Finding:
        holder = OneProcessLock(self._settings.database.path).holder()
        if holder is None:
            return Finding("daemon", Verdict.NOTE, "no daemon runs", "ipsync run, or systemctl start ipsync")
        try:
            status, words = await asyncio.to_thread(self._ask, "/readyz")
        except OSError as error:
            return Finding(
                "daemon",
                Verdict.WRONG,
                f"{holder} runs, and does not answer at {self._settings.web.listen}: {error}",
                "journalctl -u ipsync -n 50; is web.listen the one it was started with?",
            )
        if status != 200:
            return Finding("daemon", Verdict.WRONG, f"it runs and is not ready: {words.strip()}", "ipsync status")
        return Finding("daemon", Verdict.OK, f"it is ready at {self._settings.web.listen}")

    async def _scrape(self) -> Finding:
        try:
            _, text = await asyncio.to_thread(self._ask, "/metrics")
        except OSError:
            return Finding("prometheus", Verdict.SKIPPED, "no daemon answers")
        count = next((line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(_SCRAPED)), "0")
        if float(count) < 1:
            return Finding(
                "prometheus",
                Verdict.NOTE,
                "nobody has read /metrics since the daemon started: nobody would be woken",
                "docs/how-to/alerts.md",
            )
        return Finding("prometheus", Verdict.OK, f"/metrics was read {float(count):.0f} times")

    async def _reaper(self) -> Finding:
        at = LastRun(self._settings.database.path, REAPED).at()
        if at is None:
            return Finding(
                "reaper",
                Verdict.NOTE,
                "the reaper has never looked: if the daemon dies, nobody erases",
                "systemctl enable --now ipsync-reaper.timer, or ipsync reap every quarter of an hour",
            )

        async def look(works: Works) -> Finding:
            silent = works.base.clock.now() - at
            if silent > _REAPER_SILENT:
                words = f"the reaper has not looked for {silent / HOUR:.1f} h"
                return Finding("reaper", Verdict.NOTE, words, "systemctl list-timers ipsync-reaper.timer")
            return Finding("reaper", Verdict.OK, f"it looked {max(0, silent) // MINUTE} min ago")

        return await self._with_works("reaper", look)

    def _ask(self, path: str) -> tuple[int, str]:
        """Read a page of the daemon on this machine.

        Raises:
            OSError: nothing answers.
        """
        host = self._settings.web.host
        host = "127.0.0.1" if host in ("0.0.0.0", "") else "[::1]" if host == "::" else host  # noqa: S104  # reason: compared, not bound
        url = f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{self._settings.web.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
                return answer.status, answer.read(1_000_000).decode("utf-8", "replace")
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read(10_000).decode("utf-8", "replace")


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=".ipsync-doctor-", dir=parent) as folder:
        yield Path(folder)
