"""A whole mirror in one process on virtual time: members, what they do, the jobs, and what is left to see.

Real jobs, real SQLite catalog, real or remembered files; an ipernity in memory. A story reads: given
members and documents, when an owner does something, then after sync, confirm, purge it shows so and so.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ipsync.catalog import SqliteCatalog, open_catalog
from ipsync.catalog.work import SqlTransaction
from ipsync.jobs.accounts import Accounts, TakenIn
from ipsync.jobs.confirm import Confirm, ConfirmReport
from ipsync.jobs.details import Details, DetailsReport
from ipsync.jobs.entries import Entries, EntriesReport
from ipsync.jobs.expiry import Expiry
from ipsync.jobs.grants import Grants, GrantsReport
from ipsync.jobs.media import Media, MediaReport
from ipsync.jobs.orphans import Orphans, OrphansReport
from ipsync.jobs.purge import Purge, PurgeReport
from ipsync.jobs.reachability import Reachability, WatchedSource
from ipsync.jobs.requests import Requests, hide
from ipsync.jobs.sync import Sync
from ipsync.jobs.sync_report import SyncReport
from ipsync.jobs.tombstones import Tombstones
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import (
    Document,
    DocumentState,
    RemoteFile,
    Rendition,
    RenditionState,
    Safety,
    Visibility,
)
from ipsync.policy.documents import Media as MediaKind
from ipsync.policy.entries import Entry, EntryKind, subject_number
from ipsync.policy.instants import DAY, SECOND, Duration
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.policy.listings import Listing
from ipsync.policy.permission import KeyUse, PermittedView
from ipsync.policy.removals import OPEN_STAGES, Removal
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.policy.rules import Rules, TimeToLive
from ipsync.ports.catalog import View
from ipsync.ports.source import Fetched, MediaFailure, MediaSink
from ipsync.ports.store import ContentKey, ContentStore
from ipsync.store.tombstones import TombstoneFile, tombstones_file
from ipsync.telemetry import Metrics
from ipsync.web.entry_showing import may_show_entry
from ipsync.web.showing import Held, may_show
from tests.fakes.catalogs import STATE_KEY, URL, fresh_catalog
from tests.fakes.clock import FakeClock
from tests.fakes.media import JPEG, FakeMediaSource
from tests.fakes.source import FakeSource
from tests.fakes.store import MemoryStore

T = TypeVar("T")

RULES = Rules(
    lease=Lease(DAY),
    view=PermittedView(
        use=KeyUse.NON_COMMERCIAL,
        visibility=frozenset({Visibility.PUBLIC}),
        media=frozenset(MediaKind),
        safety=frozenset(Safety),
        licenses=frozenset(LICENSES),
        renditions=("240", "original"),
    ),
    ttl=TimeToLive(30 * DAY, 30 * DAY, 30 * DAY, 30 * DAY),
)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Do something between two steps of a job: with the catalog in this thread, nothing ever waits.

    For use in `FakeSource.on_call`, i.e. while a request is under way.
    """
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # reason: StopIteration carries anything
    work.close()
    raise AssertionError("it had to wait")


class Crash(BaseException):
    """The process dies here."""


class HouseMedia(FakeMediaSource):
    """Hosts that keep the files of a `FakeSource`: an address is good as long as the document has it.

    Attributes:
        instead: what an address gives instead of its file.
        failing: what to raise instead of giving the file, by address.
        held_back: while set, downloads begin, and end when this event comes; `under_way` counts them.
    """

    def __init__(self, source: FakeSource) -> None:
        super().__init__()
        self._source = source
        self.instead: dict[str, bytes] = {}
        self.failing: dict[str, MediaFailure] = {}
        self.held_back: asyncio.Event | None = None
        self.under_way = asyncio.Semaphore(0)

    async def fetch(self, file: RemoteFile, sink: MediaSink, kind: MediaKind | None = None) -> Fetched:
        self.files.pop(file.url, None)
        for document in self._source.documents.values():
            if document.file(file.rendition).url == file.url:
                self.files[file.url] = content_of(document.document_id, document.version, file.rendition)
        if file.url in self.instead:
            self.files[file.url] = self.instead[file.url]
        if file.url in self.failing:
            self.files[file.url] = self.failing[file.url]
        if self.held_back is not None:
            self.under_way.release()
            sink.write(b"\xff\xd8")
            await self.held_back.wait()
            sink.restart()
        return await super().fetch(file, sink, kind)


def content_of(document_id: int, version: int, rendition: str) -> bytes:
    """What a file holds, never the same twice."""
    return JPEG + f"canary of {document_id} version {version} rendition {rendition}".encode()


class Household:
    """The mirror of a few members."""

    def __init__(self, folder: Path, rules: Rules = RULES, store: ContentStore | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.clock = FakeClock()
        self.source = FakeSource(self.clock)
        self.media_source = HouseMedia(self.source)
        self.catalog: SqliteCatalog = fresh_catalog(folder, inline=True)
        self.store: ContentStore = MemoryStore() if store is None else store
        self.outside = TombstoneFile(tombstones_file(folder / "ipsync.db"))
        self.store_lock = asyncio.Lock()
        self.metrics = Metrics()
        self.requests_per_hour = 1000.0
        self.configure(rules)

    def configure(self, rules: Rules) -> None:
        """Wire the jobs anew, as a reload or restart does."""
        self.rules = rules
        catalog, clock = self.catalog, self.clock
        self.reachability = Reachability(clock)
        source = WatchedSource(self.source, self.reachability)
        self._sync = Sync(source, catalog, clock, rules, self.metrics, lambda: self.requests_per_hour)
        self._entries = Entries(source, catalog, clock, rules)
        self._confirm = Confirm(source, catalog, clock, rules, lambda: self.requests_per_hour)
        self.tombstones = Tombstones(catalog, self.outside, clock, rules)
        self.requests = Requests(catalog, self.tombstones, clock, rules)
        self._purge = Purge(catalog, self.store, self.store_lock, clock, rules, self.metrics, self.tombstones)
        self._media = Media(self.media_source, catalog, self.store, self.store_lock, clock, rules)
        self._grants = Grants(source, catalog, clock, rules)
        self._expiry = Expiry(catalog, clock, rules, self.reachability)
        self._details = Details(source, catalog, clock, rules)
        self._orphans = Orphans(catalog, self.store, self.store_lock)
        self.accounts = Accounts(source, catalog, clock, rules, self.tombstones)

    def configure_view(self, **changes: object) -> None:
        """Change what is permitted, e.g. `renditions=("240",)`."""
        self.configure(replace(self.rules, view=replace(self.rules.view, **changes)))  # type: ignore[arg-type]  # reason: names are checked by replace

    def close(self) -> None:
        self.catalog.close_now()

    def reopen(self) -> None:
        """Open the database that lies in the folder now, whatever was open before."""
        self.catalog = open_catalog(URL, self.folder, STATE_KEY, inline=True)
        self.configure(self.rules)

    # members

    async def member(self, account_id: int, documents: int = 0) -> list[int]:
        """A member with public documents who authorizes the application. Returns the documents, oldest first."""
        self.source.add_account(account_id)
        ids = self.source.add_documents(account_id, documents)
        await self.authorize(account_id)
        return ids

    async def authorize(self, account_id: int, permissions: dict[str, str] | None = None) -> TakenIn:
        """The member says yes on the authorization page."""
        _, frob = await self.accounts.begin()
        self.source.approve(frob, account_id, {"doc": "read"} if permissions is None else permissions)
        return await self.accounts.finish(frob)

    def passes(self, duration: Duration) -> None:
        """Time passes, and nobody does anything."""
        self.clock.jump(duration)

    # jobs; a second passes before each, so that what comes after is later

    async def sync(self, account_id: int | None = None, *, force: bool = True) -> SyncReport:
        self.passes(SECOND)
        return await self._sync.run(account_id, force=force)

    async def sweep_entries(self, account_id: int | None = None, *, force: bool = True) -> EntriesReport:
        self.passes(SECOND)
        return await self._entries.run(account_id, force=force)

    async def dry_run(self) -> dict[int, SyncReport]:
        self.passes(SECOND)
        return await self._sync.dry_run()

    def leaves(self, account_id: int) -> None:
        """A member leaves between two steps of a job; the record outside the catalog comes after it."""
        everything = Subject(RequestScope.ACCOUNT, account_id, account_id)
        at_once(hide(self.catalog, everything, Words(), self.clock.now(), self.rules.lease))

    async def confirm(self, limit: int = 100) -> ConfirmReport:
        self.passes(SECOND)
        return await self._confirm.run(limit)

    async def purge(self, batch: int = 500) -> PurgeReport:
        self.passes(SECOND)
        return await self._purge.run(batch)

    async def fetch(self) -> MediaReport:
        self.passes(SECOND)
        return await self._media.run()

    async def grants(self, account_id: int | None = None) -> GrantsReport:
        self.passes(SECOND)
        return await self._grants.run(account_id)

    async def expire(self) -> None:
        self.passes(SECOND)
        await self._expiry.run()

    async def apply_policy(self) -> int:
        self.passes(SECOND)
        return await self._expiry.apply_policy()

    async def details(self, limit: int = 200) -> DetailsReport:
        self.passes(SECOND)
        return await self._details.run(limit)

    async def orphans(self) -> OrphansReport:
        self.passes(SECOND)
        return await self._orphans.run()

    async def mirror(self) -> None:
        """Everything there is to read and to fetch."""
        await self.sync()
        await self.sweep_entries()
        await self.details()
        await self.fetch()

    async def tick(self) -> None:
        """One turn of all jobs, as the daemon nudges them: only what is due is done."""
        await self.expire()
        await self.purge()
        await self.grants()
        await self.sync(force=False)
        await self.sweep_entries(force=False)
        await self.confirm()
        await self.grants()
        await self.details()
        await self.fetch()
        await self.purge()

    @contextmanager
    def crashing(self, at: int, *, before: bool) -> Iterator[None]:
        """Let the process die at its `at`-th transaction, just before or just after it was committed."""
        whole, writes = self.catalog.write_now, 0

        def write(work: Callable[[SqlTransaction], Any]) -> Any:
            nonlocal writes
            writes += 1
            if writes == at and before:
                raise Crash
            done = whole(work)
            if writes == at:
                raise Crash
            return done

        self.catalog.write_now = write  # type: ignore[method-assign]  # reason: a crash has no better place
        try:
            yield
        except Crash:
            self.store.discard_incoming()
            self.store_lock = asyncio.Lock()
            self.configure(self.rules)
        finally:
            self.catalog.write_now = whole  # type: ignore[method-assign]  # reason: as it was

    # what is to be seen

    def document(self, document_id: int) -> Document | None:
        return self.catalog.read_now(lambda view: view.documents([document_id])).get(document_id)

    def state(self, document_id: int) -> DocumentState | None:
        document = self.document(document_id)
        return None if document is None else document.state

    def entry(self, kind: EntryKind, entry_id: int) -> Entry | None:
        number = subject_number(kind, entry_id)
        return self.catalog.read_now(lambda view: view.entries([number])).get(number)

    def served_entries(self) -> set[int]:
        """The subject numbers of what pages show beside documents."""
        now = self.clock.now()

        def look(view: View) -> set[int]:
            found = [entry for kind in EntryKind for entry in view.entries_of(kind, 1000)]
            return {
                entry.number
                for entry in found
                if may_show_entry(entry, view.account(entry.account_id), self.rules, now)
            }

        return self.catalog.read_now(look)

    def entry_state(self, kind: EntryKind, entry_id: int) -> DocumentState | None:
        entry = self.entry(kind, entry_id)
        return None if entry is None else entry.state

    def account(self, account_id: int) -> Account:
        account = self.catalog.read_now(lambda view: view.account(account_id))
        assert account is not None
        return account

    def account_state(self, account_id: int) -> AccountState:
        return self.account(account_id).state

    def listing(self, account_id: int, visibility: Visibility = Visibility.PUBLIC) -> Listing:
        listings = self.catalog.read_now(lambda view: view.listings(account_id))
        return next(entry for entry in listings if entry.visibility is visibility)

    def files(self, document_id: int) -> dict[str, Rendition]:
        held = self.catalog.read_now(lambda view: view.renditions([document_id])).get(document_id, [])
        return {entry.file.rendition: entry for entry in held}

    def file_states(self, document_id: int) -> dict[str, RenditionState]:
        return {name: entry.state for name, entry in self.files(document_id).items()}

    def removals(self, *document_ids: int) -> list[Removal]:
        """All removals of these documents, oldest first."""
        found = self.catalog.read_now(lambda view: view.removals(document_ids=document_ids))
        return sorted(found, key=lambda removal: removal.removal_id)

    def removal(self, document_id: int) -> Removal:
        """The newest removal of a document."""
        return self.removals(document_id)[-1]

    def open_removals(self) -> list[Removal]:
        return self.catalog.read_now(lambda view: view.removals(stages=OPEN_STAGES, limit=10_000))

    def held(self) -> dict[int, Held]:
        """Every document with its account and files, as pages see it."""

        def read(view: View) -> dict[int, Held]:
            documents = view.documents_after(0, 1_000_000)
            files = view.renditions([entry.document_id for entry in documents])
            return {
                entry.document_id: Held(entry, view.account(entry.account_id), tuple(files.get(entry.document_id, ())))
                for entry in documents
            }

        return self.catalog.read_now(read)

    def served(self) -> set[int]:
        """The documents that pages would show now."""
        now = self.clock.now()
        return {document_id for document_id, held in self.held().items() if may_show(held, self.rules, now)}

    def served_files(self) -> set[tuple[int, str]]:
        """The files that pages would send now."""
        held, shown = self.held(), self.served()
        return {
            (document_id, entry.file.rendition)
            for document_id in shown
            for entry in held[document_id].renditions
            if held[document_id].stored(entry.file.rendition)
        }

    def keys_on_disk(self) -> set[ContentKey]:
        return {entry for entry in self.store.walk() if isinstance(entry, ContentKey)}

    def on_disk(self) -> set[int]:
        """The documents of which any byte is stored, partial downloads included."""
        partials: Collection[ContentKey] = getattr(self.store, "partials", ())
        return {key.document_id for key in (*self.keys_on_disk(), *partials)}
