"""Drill: a synthetic withdrawal of one document, hidden, confirmed and erased for real, and measured.

The drill itself is a word in the catalog (`policy.drills`), so that a running daemon goes through with it in
its own way; without one, `hasten` does what the daemon would. Afterwards the document is mirrored again by the
next answer that names it: its tombstone only keeps older answers away.
"""

import asyncio
from dataclasses import dataclass, replace

from ipsync.jobs.confirm import Confirm
from ipsync.jobs.leave import refuse_where_left
from ipsync.jobs.media import Media
from ipsync.jobs.media_keeping import key_of
from ipsync.jobs.purge import Purge
from ipsync.jobs.sync import Sync
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import Document, DocumentState, Rendition, RenditionState
from ipsync.policy.drills import NOTE, Drill, read_drill
from ipsync.policy.instants import Instant
from ipsync.policy.removals import Removal, Scope, Stage
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.store import ContentKey, ContentStore, StoreFailure

_BATCH = 500
_LEAST_DOCUMENTS = 2
_MOST_TURNS = 20
_SHORTEST_MARK = 12


class DrillRefusedError(Exception):
    """A drill cannot be held; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that a drill would take, and how it can be recognized where nothing of it should be left.

    Attributes:
        files: its stored files.
        marks: bytes that only this document brings into the database: digests, addresses, a title of its own.
    """

    document: Document
    files: tuple[Rendition, ...]
    marks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DrillState:
    """How far a drill is.

    Attributes:
        stage: `shared`, `hidden`, `confirmed`, `erased` or `gone`.
        removal: the one that the drill made, or None yet.
        entry: the sequence of its ledger entry, or None yet.
        files_left: files of it that are still there, by looking.
        text_left: whether the catalog still holds the document.
    """

    stage: str
    removal: Removal | None
    entry: int | None
    files_left: int
    text_left: bool


class DrillRun:
    """The one who holds drills."""

    def __init__(
        self,
        catalog: Catalog,
        store: ContentStore,
        jobs: tuple[Sync, Confirm, Purge, Media],
        clock: Clock,
        rules: Rules,
    ) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            store: where the bytes are.
            jobs: those that do the work where no daemon does.
            clock: the lease clock.
            rules: the promise to measure against.
        """
        self._catalog = catalog
        self._store = store
        self._sync, self._confirm, self._purge, self._media = jobs
        self._clock = clock
        self._rules = rules

    async def choose(self, document_id: int | None = None) -> Candidate:
        """Take the document that is named, or the oldest with a file of the member who shares the least.

        The oldest stands last in its listing, so that the answers of a drill are exactly what they would be.

        Raises:
            DrillRefusedError: there is none that can be taken.
        """
        found = await self._catalog.read(lambda view: _named(view, document_id) if document_id else _oldest(view))
        held = await self._catalog.read(lambda view: view.renditions([found.document_id]))
        files = held.get(found.document_id, [])
        stored = tuple(entry for entry in files if entry.state is RenditionState.STORED)
        if not stored:
            raise DrillRefusedError(
                f"document {found.document_id} has no stored file: run `ipsync sync` first, or name another document"
            )
        marks = [entry.digest for entry in stored if entry.digest] + [entry.file.url.encode() for entry in files]
        title = found.facts.title
        if len(title) >= _SHORTEST_MARK and not await self._is_shared(title, found.document_id):
            marks.append(title.encode())
        return Candidate(found, stored, tuple(mark for mark in marks if mark))

    async def begin(self, candidate: Candidate) -> Drill:
        """Take the document back, as it were. It lasts at most as long as the law gives to erase it.

        Raises:
            DrillRefusedError: another drill is on, or the document is not shown any more.
        """
        return await self._catalog.write(lambda tx: self._begin(tx, candidate.document))

    async def hasten(self, drill: Drill) -> None:
        """Have the account's listing read at once, whoever reads it."""
        await self._catalog.write(lambda tx: _read_soon(tx, drill, self._clock.now()))

    async def work(self, drill: Drill) -> None:
        """Do what a daemon would do, until the document is gone or it can only wait.

        Raises:
            SourceFailure, CatalogFailure, StoreFailure: something did not answer.
        """
        for _ in range(_MOST_TURNS):
            state = await self.look(drill)
            if state.stage == "gone":
                return
            if state.stage == "shared":
                await self._sync.run(drill.account_id, force=True)
            else:
                await self._confirm.run()
                await self._purge.run()

    async def look(self, drill: Drill, files: tuple[Rendition, ...] = ()) -> DrillState:
        """See how far it is, in the catalog and in the store."""
        document, removal, entry = await self._catalog.read(lambda view: _look(view, drill))
        keys = [key_of(held) for held in files]
        left = await asyncio.to_thread(_count_left, self._store, keys)
        return DrillState(_stage(document, removal), removal, entry, left, document is not None)

    async def end(self, drill: Drill) -> None:
        """Let the source answer as it does again, and the listing be read at once."""

        def lift(tx: Transaction) -> None:
            if read_drill(tx.note(NOTE)) == drill:
                tx.set_note(NOTE, "")
            _read_soon(tx, drill, self._clock.now())

        await self._catalog.write(lift)

    async def fetch_again(self, drill: Drill) -> None:
        """Mirror it again where no daemon does."""
        await self._sync.run(drill.account_id, force=True)
        await self._media.run()

    async def is_back(self, candidate: Candidate) -> bool:
        """Whether it is shown again, with every file it had."""
        number = candidate.document.document_id
        document, files = await self._catalog.read(
            lambda view: (view.documents([number]).get(number), view.renditions([number], {RenditionState.STORED}))
        )
        wanted = {entry.file.rendition for entry in candidate.files}
        there = {entry.file.rendition for entry in files.get(number, [])}
        return document is not None and document.state is DocumentState.LIVE and wanted <= there

    async def _is_shared(self, title: str, document_id: int) -> bool:
        """Whether another document's title holds this one, so that finding it would prove nothing."""
        cursor = 0
        while batch := await self._catalog.read(lambda view: view.documents_after(cursor, _BATCH)):  # noqa: B023  # reason: awaited at once
            cursor = batch[-1].document_id
            if any(title in entry.facts.title and entry.document_id != document_id for entry in batch):
                return True
        return False

    def _begin(self, tx: Transaction, document: Document) -> Drill:
        now = self._clock.now()
        refuse_where_left(tx)
        before = read_drill(tx.note(NOTE))
        if before is not None and before.is_on(now):
            raise DrillRefusedError(f"a drill with document {before.document_id} is on: wait until it has ended")
        current = tx.documents([document.document_id]).get(document.document_id)
        if current is None or current.state is not DocumentState.LIVE:
            raise DrillRefusedError(f"document {document.document_id} is not shown any more: name another")
        visibility, until = document.facts.visibility, now + self._rules.lease.window
        drill = Drill(document.document_id, document.account_id, visibility, now, until)
        tx.set_note(NOTE, drill.encode())
        return drill


def _named(view: View, document_id: int) -> Document:
    document = view.documents([document_id]).get(document_id)
    if document is None:
        raise DrillRefusedError(f"document {document_id} is not mirrored: `ipsync documents list` shows what is")
    account = view.account(document.account_id)
    if document.state is not DocumentState.LIVE or account is None or account.state is not AccountState.ACTIVE:
        raise DrillRefusedError(f"document {document_id} is not shown now ({document.state.value}): name another")
    return document


def _oldest(view: View) -> Document:
    """The oldest document with a file, of the active account with the fewest but more than one."""
    active = {entry.account_id for entry in view.accounts({AccountState.ACTIVE})}
    counts = {
        number: figures.documents.get(DocumentState.LIVE, 0)
        for number, figures in view.account_figures().items()
        if number in active and figures.stored_files
    }
    for number in sorted(counts, key=lambda number: (counts[number] < _LEAST_DOCUMENTS, counts[number], number)):
        oldest: list[tuple[Instant, int]] = []
        cursor = 0
        while batch := view.documents_after(cursor, _BATCH, account_id=number, states={DocumentState.LIVE}):
            cursor = batch[-1].document_id
            stored = view.renditions([entry.document_id for entry in batch], {RenditionState.STORED})
            held = [(entry.facts.posted_at or 0, entry.document_id) for entry in batch if entry.document_id in stored]
            oldest = sorted([*oldest, *held])[:1]
        if oldest:
            return view.documents([oldest[0][1]])[oldest[0][1]]
    raise DrillRefusedError("nothing with a stored file is mirrored yet: `ipsync account add`, `ipsync sync`")


def _read_soon(tx: Transaction, drill: Drill, now: Instant) -> None:
    for listing in tx.listings(drill.account_id):
        # One that is being read is left alone: whoever reads it keeps its place.
        if listing.visibility is drill.visibility and listing.sweep_started_at is None:
            tx.put_listing(replace(listing, next_due_at=min(listing.next_due_at, now)))


def _look(view: View, drill: Drill) -> tuple[Document | None, Removal | None, int | None]:
    number = drill.document_id
    document = view.documents([number]).get(number)
    made = [
        entry
        for entry in view.removals(document_ids=[number])
        if entry.scope is Scope.DOCUMENT and entry.stage is not Stage.WITHDRAWN and entry.detected_at >= drill.began_at
    ]
    removal = max(made, key=lambda entry: entry.removal_id, default=None)
    entries = view.ledger_entries_of(document_id=number) if removal is not None and removal.gone_at else []
    told = [entry.sequence for entry in entries if removal is not None and entry.removal == removal.removal_id]
    return document, removal, told[0] if told else None


def _stage(document: Document | None, removal: Removal | None) -> str:
    if removal is None:
        return "shared" if document is None or document.state is DocumentState.LIVE else "hidden"
    return {
        Stage.SUSPECTED: "hidden",
        Stage.CONFIRMED: "confirmed",
        Stage.INTENDED: "confirmed",
        Stage.ERASED: "erased",
        Stage.GONE: "gone",
    }.get(removal.stage, "hidden")


def _count_left(store: ContentStore, keys: list[ContentKey]) -> int:
    left = 0
    for key in keys:
        try:
            left += store.stored_bytes(key) is not None
        except StoreFailure:
            left += 1
    return left
