"""Transactions, and the threads they run in.

All writing happens in one thread on one connection, reading in a few threads on connections that
cannot write. A piece of work is one hop to a thread and back, however many statements it has. No
work may wait for anything: while it writes, nobody else does.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ipsync.catalog import epochs, sqlite
from ipsync.catalog.budget_book import CatalogBudgetBook
from ipsync.catalog.checking import check_within
from ipsync.catalog.failures import CatalogFull
from ipsync.catalog.gate import WriterGate
from ipsync.catalog.heads import HeadsFile
from ipsync.catalog.location import log_file
from ipsync.catalog.reserve import Reserve
from ipsync.catalog.schema import demand_head
from ipsync.catalog.scrubbing import Scrubber
from ipsync.catalog.sealing import Sealing
from ipsync.catalog.work import SqlTransaction, SqlView
from ipsync.policy.ledger import LedgerHead
from ipsync.ports.catalog import CatalogBusy, CatalogCorrupt, CatalogFailure, CatalogLost

T = TypeVar("T")

_READERS = 2
_PROOF_NOTE = "state_key_proof"


class SqliteCatalog:
    """`ports.catalog.Catalog` on an SQLite file. Made by `open_catalog`."""

    def __init__(
        self,
        path: Path,
        sealing: Sealing,
        *,
        checkpoints: bool,
        busy_seconds: float,
        log_limit_bytes: int,
        inline: bool,
    ) -> None:
        """Open the database at `path`; see `open_catalog` for the arguments and failures."""
        self._sealing = sealing
        self._log = log_file(path)
        self._log_limit_bytes = log_limit_bytes
        self._checkpoints = checkpoints
        self._closed = False
        self._lost: CatalogLost | None = None
        self._on_lost: Callable[[CatalogLost], None] = lambda _lost: None
        self._epochs = epochs.Epochs()
        self._reserve = Reserve(path)
        self._heads = HeadsFile(path)
        self._heads_failure = ""
        self._full = False
        self._reading_engine = sqlite.reading_engine(path, busy_seconds)
        self._reading = threading.local()
        self._opened: list[Connection] = []
        self._gate = WriterGate(path, busy_seconds)
        self._scrubber = Scrubber(path)
        try:
            self._writing = sqlite.writing_engine(path, busy_seconds).connect()
            # After SQLite got the room without which it cannot even be opened.
            self._keep_reserve()
        except BaseException as error:
            self._scrubber.close()
            self._gate.close()
            if isinstance(error, DBAPIError):
                raise sqlite.fails_as(error) from error
            raise
        self._writer = None if inline else ThreadPoolExecutor(1, "catalog-writer")
        self._readers = None if inline else ThreadPoolExecutor(_READERS, "catalog-reader")

    @property
    def scrubs(self) -> bool:
        """Whether this process checkpoints, and so may scrub."""
        return self._checkpoints

    @property
    def budget_book(self) -> CatalogBudgetBook:
        """`ports.budget.BudgetBook`, kept in this catalog."""
        return CatalogBudgetBook(self)

    async def read(self, work: Callable[[SqlView], T]) -> T:
        """Run `work` on one consistent reading.

        Raises:
            CatalogFailure: it could not be read.
        """
        return await self._run(self._readers, lambda: self.read_now(work))

    async def write(self, work: Callable[[SqlTransaction], T]) -> T:
        """Run `work` in one transaction (BEGIN IMMEDIATE), durable on return; an exception undoes all of it.

        A caller that is cancelled while it waits does not learn whether the work was done.

        Raises:
            CatalogBusy: another process holds the database.
            CatalogFull: the disk has no room.
            CatalogConflict: the work contradicts what is there.
            CatalogLost: the disk failed, or another process began a newer epoch; end the process.
        """
        return await self._run(self._writer, lambda: self.write_now(work))

    async def take_epoch(self, above: int = 0) -> int:
        """Begin a new epoch: from here on writes of any process that holds an older one are refused (F27).

        Args:
            above: the new one is larger than this, and than any the catalog knows of.

        Returns:
            The new epoch, under which this process writes.

        Raises:
            CatalogFailure: it could not be written.
        """
        return await self._run(self._writer, lambda: self.take_epoch_now(above))

    def when_lost(self, tell: Callable[[CatalogLost], None]) -> None:
        """Have somebody told, once, when this process may not use the catalog any more; in whatever thread that is."""
        self._on_lost = tell

    async def scrub(self) -> bool:
        """Make erased text unrecoverable: truncate the write-ahead log, and clean the database's pages.

        Returns False when a reader held it back; try again, and mind the deadline (F24). A catalog
        opened without checkpoints always answers False: whoever checkpoints has to do it.

        Raises:
            CatalogCorrupt: the database is damaged; what was erased may still lie in it.
            CatalogBroken: the disk failed; end the process.
        """
        return await self._run(self._writer, self.scrub_now)

    async def check(self) -> list[str]:
        """Look for contradictions in the file, and for tokens that do not open (F5): a sentence each."""
        return await self._run(self._readers, self.check_now)

    async def check_within(self, limit_seconds: float) -> tuple[list[str], bool]:
        """Look for contradictions in the file, no longer than a start can wait (F5).

        Returns:
            A sentence for each, and whether all of the file was looked at.
        """
        return await self._run(
            self._readers, lambda: self._look(lambda connection: check_within(connection, limit_seconds))
        )

    async def close(self) -> None:
        """Finish what runs and close. May be called again."""
        if self._writer is None:
            self.close_now()
        else:
            await asyncio.get_running_loop().run_in_executor(None, self.close_now)

    def read_now(self, work: Callable[[SqlView], T]) -> T:
        """As `read`, in this thread; for callers without an event loop."""
        return self._look(lambda connection: work(SqlView(connection, self._sealing)))

    def write_now(self, work: Callable[[SqlTransaction], T]) -> T:
        """As `write`, in this thread; for callers without an event loop, and never beside `write`."""
        self._demand_whole()
        with self._gate:
            try:
                with self._writing.begin():
                    epoch = self._demand_epoch()
                    transaction = SqlTransaction(self._writing, self._sealing, full=self._full, epoch=epoch)
                    result = work(transaction)
            except CatalogFull:
                self._keep_reserve()
                raise
            except (DBAPIError, sqlite3.Error) as error:
                failure = self._failed(error)
                if isinstance(failure, CatalogFull):
                    self._make_room()
                raise failure from sqlite.cause_of(error)
            if transaction.new_head is not None:
                self._copy_head(transaction.new_head)
            self._keep_log_short()
        return result

    def take_epoch_now(self, above: int = 0) -> int:
        """As `take_epoch`, in this thread."""

        def take(transaction: SqlTransaction) -> int:
            newest = self._demand_epoch()
            transaction.set_note(epochs.NOTE, str(max(newest, above) + 1))
            return max(newest, above) + 1

        try:
            self._epochs.own = self.write_now(take)
        except CatalogFull:
            # Now the room in reserve was given up: erasing must go on, whoever has to begin an epoch for it (F3).
            self._epochs.own = self.write_now(take)
        return self._epochs.own

    def scrub_now(self) -> bool:
        """As `scrub`, in this thread."""
        self._demand_whole()
        if not self._checkpoints:
            return False
        with self._gate:
            scrubbed = self._checkpoint() and self._clean_pages()
            self._keep_reserve()
        return scrubbed

    def check_now(self) -> list[str]:
        """As `check`, in this thread."""
        try:
            found = self._look(sqlite.quick_check)
            self.read_now(lambda view: [view.grant(account.account_id) for account in view.accounts()])
        except CatalogCorrupt as failure:
            return [str(failure)]
        return [*found, self._heads_failure] if self._heads_failure else found

    def prove(self) -> None:
        """Refuse another schema, and another state_key, than this database was made with.

        Raises:
            CatalogOutdated: the schema is not this version's.
            CatalogCorrupt: the tokens in it were sealed under another state_key.
        """
        self._look(demand_head)
        proof = self.read_now(lambda view: view.note(_PROOF_NOTE))
        if proof is None:
            self.write_now(lambda transaction: transaction.set_note(_PROOF_NOTE, self._sealing.proof))
        else:
            self._sealing.check(proof)
        self._catch_up_heads()

    def close_now(self) -> None:
        """As `close`, waiting in this thread."""
        if self._closed:
            return
        self._closed = True
        for threads in (self._readers, self._writer):
            if threads is not None:
                threads.shutdown(wait=True)
        for connection in self._opened:
            connection.close()
        if self._checkpoints and self._lost is None:
            # The last connection of all takes the log with it; this is for when others stay.
            with contextlib.suppress(CatalogFailure), self._gate:
                _ = self._checkpoint() and self._clean_pages()
        self._writing.close()
        self._scrubber.close()
        self._gate.close()

    async def _run(self, threads: ThreadPoolExecutor | None, step: Callable[[], T]) -> T:
        if self._closed:
            raise CatalogFailure("the catalog is closed")
        if threads is None:
            return step()
        return await asyncio.get_running_loop().run_in_executor(threads, step)

    def _look(self, question: Callable[[Connection], T]) -> T:
        self._demand_whole()
        try:
            connection: Connection | None = getattr(self._reading, "connection", None)
            if connection is None:
                connection = self._reading.connection = self._reading_engine.connect()
                self._opened.append(connection)
            with connection.begin():
                return question(connection)
        except (DBAPIError, sqlite3.Error) as error:
            raise self._failed(error) from sqlite.cause_of(error)

    def _keep_log_short(self) -> None:
        """Checkpoint after a commit that made the log long. The commit stands whatever happens here."""
        with contextlib.suppress(CatalogFailure, FileNotFoundError):
            if self._checkpoints and self._log.stat().st_size > self._log_limit_bytes:
                self._checkpoint()
                self._keep_reserve()

    def _copy_head(self, head: LedgerHead) -> None:
        """Copy a head that was committed. The commit stands whatever happens here; the next copy covers this one."""
        try:
            self._heads.append(head)
        except CatalogFailure as failure:
            self._heads_failure = str(failure)
        else:
            self._heads_failure = ""

    def _catch_up_heads(self) -> None:
        """Copy the head that a process could not copy before it died.

        A copy that is ahead is left for `ledger verify` to tell of, and a file that is missing is not made
        anew: that would hide that it was taken away.
        """
        head, copied = self.read_now(lambda view: view.ledger_head()), self._heads.last()
        if head is not None and copied is not None and copied.sequence < head.sequence:
            # Whoever holds the gate now copies a head too, if it goes on at all.
            with contextlib.suppress(CatalogBusy), self._gate:
                self._copy_head(head)

    def _demand_epoch(self) -> int:
        try:
            return self._epochs.demand_own(self._writing)
        except CatalogLost as lost:
            self._lose(lost)
            raise

    def _checkpoint(self) -> bool:
        self._scrubber.note(alone=self._gate.sign())
        try:
            # A process that was taken over must not move a log under the feet of its successor.
            self._demand_epoch()
            return sqlite.checkpoint(self._writing)
        except (DBAPIError, sqlite3.Error) as error:
            raise self._failed(error) from sqlite.cause_of(error)

    def _clean_pages(self) -> bool:
        """Clean the pages of a database whose log was just truncated. The caller holds the gate.

        Meanwhile the writing transaction and the empty log keep everybody else from changing the
        file, programs that know nothing of the gate too. Afterwards nobody may write pages back that
        they remember as they were: this connection forgets them, and to the others the second truncation,
        which makes a log of another generation, says that theirs are old.
        """
        try:
            with self._writing.begin():
                if self._log.exists() and self._log.stat().st_size:
                    return False
                self._scrubber.scrub()
            sqlite.forget_pages(self._writing)
        except CatalogLost as lost:
            self._lose(lost)
            raise
        except (DBAPIError, sqlite3.Error) as error:
            raise self._failed(error) from sqlite.cause_of(error)
        return self._checkpoint()

    def _keep_reserve(self) -> None:
        if self._checkpoints:
            self._full = not self._reserve.restore()

    def _make_room(self) -> None:
        """Give the reserve up, and with its room move the log into the database, where it is smaller (F3)."""
        if self._checkpoints:
            self._full = True
            self._reserve.release()
            with contextlib.suppress(CatalogFull):
                self._checkpoint()

    def _failed(self, error: DBAPIError | sqlite3.Error) -> CatalogFailure:
        failure = sqlite.fails_as(error)
        if isinstance(failure, CatalogLost):
            # After a failed sync nobody knows what is on the disk: nothing is tried again (F4).
            self._lose(failure)
        return failure

    def _lose(self, lost: CatalogLost) -> None:
        if self._lost is None:
            self._lost = lost
            self._on_lost(lost)

    def _demand_whole(self) -> None:
        if self._lost is not None:
            raise type(self._lost)(*self._lost.args)
