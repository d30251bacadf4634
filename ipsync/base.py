"""What lives as long as the process: database, files, clock, metrics. Opened here, and bound to one epoch and one use.

A daemon, a command and the reaper stand on the same ground; what they do on it is put together above.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from ipsync.catalog import SqliteCatalog, open_catalog
from ipsync.catalog.reserve import Reserve
from ipsync.catalog.stamp import CommitStamp
from ipsync.clock import ClockMark, SystemClock
from ipsync.jobs.counting import RemovalCount
from ipsync.jobs.history import HistoryKeeper
from ipsync.jobs.unaccounted import erase_unaccounted
from ipsync.policy.instants import Instant
from ipsync.ports.catalog import CatalogFailure, CatalogFull, Transaction, View
from ipsync.ports.store import Erased
from ipsync.process import REAPED, LastRun
from ipsync.settings import Settings
from ipsync.store import FileStore
from ipsync.store.tombstones import TombstoneFile, tombstones_file
from ipsync.telemetry import Metrics

CLOCK_NOTE = "clock"
KEY_USE_NOTE = "key use"


class KeyUseChangedError(CatalogFailure):
    """The catalog was filled under another purpose of the key, which cannot change (T03)."""


@dataclass(slots=True)
class Base:
    """What lives as long as the process.

    Attributes:
        epoch: under which this process writes; 0 for a command beside the daemon, which is not fenced.
        alive_at: the newest sign of life before this process, by the lease clock, or None.
        stamp: tells whether anything was committed since.
        outside: the record of tombstones that no backup holds.
        store_lock: held while files get or lose their names.
        history: what a report will tell of the days that passed.
        removal_count: counts what others erased.
    """

    catalog: SqliteCatalog
    stamp: CommitStamp
    store: FileStore
    outside: TombstoneFile
    clock: SystemClock
    metrics: Metrics
    epoch: int = 0
    alive_at: Instant | None = None
    store_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    history: HistoryKeeper = field(init=False)
    removal_count: RemovalCount = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self.history = HistoryKeeper(self.catalog, self.clock)
        self.removal_count = RemovalCount(self.catalog, self.clock, self.metrics)

    async def save_clock(self) -> None:
        """Keep the clock's high-water mark, so that a restart makes nothing younger (F7)."""
        mark = self.clock.mark().encode()
        await self.catalog.write(lambda tx: tx.set_note(CLOCK_NOTE, mark))

    async def read_mark(self) -> ClockMark | None:
        """The newest mark that any process kept: the sign of life of the daemon."""
        return ClockMark.decode(await self.catalog.read(partial(_note, name=CLOCK_NOTE)))

    def show_machine(self, settings: Settings) -> None:
        """Show the room on the disk, the clocks, and when the reaper last looked."""
        reaped_at = LastRun(settings.database.path, REAPED).at()
        self.metrics.set_machine(self.store.free_bytes(), self.clock.behind(), reaped_at)

    async def close(self) -> None:
        """Close the database and the store."""
        self.stamp.close()
        await self.catalog.close()
        self.store.close()


async def open_base(settings: Settings, *, is_daemon: bool) -> Base:
    """Open the database and the store.

    Args:
        settings: what is configured.
        is_daemon: whether this process holds the daemon's lock: then it begins a new epoch, which fences off
            whoever held the lock before (F27), and checkpoints the database.

    Raises:
        CatalogFailure: the database cannot be used, or was filled under another purpose of the key.
        StoreFailure: the store cannot be used.
    """
    try:
        catalog = _open_catalog(settings, is_daemon=is_daemon)
    except CatalogFull:
        if not is_daemon:
            raise
        # Serving and erasing go on without room; what is kept in reserve is enough for opening (F3).
        make_room(settings)
        catalog = _open_catalog(settings, is_daemon=True)
    try:
        epoch = await catalog.take_epoch() if is_daemon else 0
        mark = ClockMark.decode(await catalog.read(partial(_note, name=CLOCK_NOTE)))
        use = settings.key.use.value
        if await catalog.read(partial(_note, name=KEY_USE_NOTE)) != use:
            await catalog.write(partial(_claim_key_use, use=use))
        store = FileStore(settings.store.path)
        stamp = CommitStamp(settings.database.path)
    except BaseException:
        await catalog.close()
        raise
    outside = TombstoneFile(tombstones_file(settings.database.path))
    base = Base(catalog, stamp, store, outside, SystemClock(mark), Metrics(), epoch, mark.instant if mark else None)
    if is_daemon:
        # The first sign of life, for whoever finds the lock taken.
        with suppress(CatalogFull):
            await base.save_clock()
    return base


async def erase_without_database(settings: Settings) -> Erased:
    """Let files go that may be past their lease, where the database that could tell cannot be read (F5).

    Args:
        settings: what is configured.

    Raises:
        StoreFailure: not all of it could be erased.
    """
    if not settings.store.path.exists():
        return Erased(0, 0)
    store = FileStore(settings.store.path)
    try:
        # Without the mark that the database keeps, the clock is the machine's.
        return await erase_unaccounted(store, SystemClock(), settings.rules().lease)
    finally:
        store.close()


@asynccontextmanager
async def catalog_beside(settings: Settings) -> AsyncIterator[SqliteCatalog]:
    """The database alone, to look something up in beside whoever works on it.

    Args:
        settings: what is configured.

    Raises:
        CatalogFailure: it cannot be used.
    """
    catalog = _open_catalog(settings, is_daemon=False)
    try:
        yield catalog
    finally:
        await catalog.close()


def _open_catalog(settings: Settings, *, is_daemon: bool) -> SqliteCatalog:
    key = settings.secrets.state_key_bytes()
    return open_catalog(settings.database.url, settings.file.parent, key, checkpoints=is_daemon)


def make_room(settings: Settings) -> None:
    """Give the room up that is kept beside the database for a full disk (F3)."""
    Reserve(settings.database.path).release()


def _note(view: View, name: str) -> str | None:
    return view.note(name)


def _claim_key_use(tx: Transaction, use: str) -> None:
    """Bind an empty catalog to the key's purpose; refuse one that was filled under the other (T03)."""
    before = tx.note(KEY_USE_NOTE)
    if before == use:
        return
    if before is not None and tx.accounts():
        raise _other_use(before, use)
    tx.set_note(KEY_USE_NOTE, use)


def refuse_other_use(before: Settings, after: Settings) -> None:
    """Let no running mirror change the purpose of its key (T03).

    Args:
        before: what it was started with.
        after: what it shall go on with.

    Raises:
        KeyUseChangedError: the purpose differs.
    """
    if before.key.use is not after.key.use:
        raise _other_use(before.key.use.value, after.key.use.value)


def _other_use(before: str, after: str) -> KeyUseChangedError:
    return KeyUseChangedError(
        f'this database was filled under a {before} key, and key.use is now "{after}": the purpose of a key cannot '
        "change (T03). Use a new database and store (database.url, store.url) and let members authorize again"
    )
