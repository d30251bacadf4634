"""Leave: the operator ends the use of the API (T24). Everything is erased in the order of every purge, with proof.

What stays holds no content: that members consented and until when, that and when each copy was erased.
A mirror that was left is not mirrored into again until its operator says so.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

from ipsync.jobs.obligations import forget_member, owe_entries, try_again_now
from ipsync.jobs.orphans import Orphans
from ipsync.jobs.petitions import end_all
from ipsync.jobs.purge import Purge
from ipsync.jobs.tombstones import Tombstones
from ipsync.policy.accounts import GRANTED_STATES, Account, AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import FUTURE
from ipsync.policy.instants import Instant, rfc3339
from ipsync.policy.ledger import LedgerHead, left
from ipsync.policy.removals import OPEN_STAGES, Reason, Stage
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import doom, owe_document
from ipsync.ports.catalog import Catalog, CatalogFailure, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.store import ContentStore, StoreFailure
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

NOTE = "left"
"""When the operator began to leave, and since when everything is gone; "" where the mirror is in use."""

EVIDENCE = "leave"

_BATCH = 500


class MirrorLeftError(CatalogFailure):
    """The operator has ended the use of this mirror; nothing may be mirrored into it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What would be erased, in counts.

    Attributes:
        accounts: whose token is held.
        left_at: since when everything is gone, as a text, where the mirror was left before.
    """

    accounts: int
    documents: int
    files: int
    size_bytes: int
    left_at: str


@dataclass(frozen=True, slots=True)
class LeaveReport:
    """What leaving did.

    Attributes:
        erased: removals that were carried out.
        failed: removals that could not be; nothing is called left then.
        held: what is still there by looking: documents in the catalog, files in the store, open removals.
        left_at: since when everything is gone, or None.
        head: the newest signed head of the ledger.
    """

    erased: int
    files: int
    size_bytes: int
    failed: int
    held: int
    left_at: Instant | None
    head: LedgerHead | None


def refuse_where_left(view: View) -> None:
    """Let nothing be mirrored into a mirror that was left.

    Raises:
        MirrorLeftError: it was; the message says how to begin again.
    """
    noted = view.note(NOTE)
    if noted:
        raise MirrorLeftError(
            f"the operator left this mirror ({noted}): everything was erased, and nothing is mirrored into it. To use "
            "it again: `ipsync leave --return`; members then authorize the application anew"
        )


class Leave:
    """The way out."""

    def __init__(
        self,
        catalog: Catalog,
        store: ContentStore,
        tombstones: Tombstones,
        purge: Purge,
        orphans: Orphans,
        clock: Clock,
        rules: Rules,
    ) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            store: where the bytes are.
            tombstones: keeps who was let go away, also from a restored database (F28).
            purge: erases what is owed.
            orphans: erases what nobody accounts for.
            clock: the lease clock.
            rules: the thresholds.
        """
        self._catalog = catalog
        self._store = store
        self._tombstones = tombstones
        self._purge = purge
        self._orphans = orphans
        self._clock = clock
        self._rules = rules

    async def look(self) -> Expected:
        """What would be erased."""
        return await self._catalog.read(_look)

    async def run(self) -> LeaveReport:
        """Erase everything, look, and put it on record. May be repeated after a crash or a failure.

        It must have the mirror to itself.

        Raises:
            CatalogFailure: the database cannot be used.
            StoreFailure: the store cannot be looked at.
        """
        members = await self._catalog.write(self._begin)
        await self._tombstones.keep_away(members, Reason.LEAVE)
        cursor: int | None = 0
        while cursor is not None:
            cursor = await self._catalog.write(partial(self._owe_some, cursor=cursor))
        while await self._catalog.write(self._owe_some_entries):
            pass
        await self._catalog.write(try_again_now)
        done = await self._purge.run()
        await self._catalog.write(lambda tx: tx.forget_words(self._clock.now() + 1))
        await self._catalog.write(lambda tx: end_all(tx, self._clock.now()))
        await asyncio.to_thread(self._store.discard_incoming)
        await self._orphans.run()
        held = await self._held()
        left_at = None
        if not held and await self._catalog.scrub():
            left_at = await self._catalog.write(self._end)
            await self._catalog.scrub()
            _log.warning(Event.MIRROR_LEFT, "Everything was erased; the mirror was left.", removals=done.erased)
        head = await self._catalog.read(lambda view: view.ledger_head())
        return LeaveReport(done.erased, done.files, done.size_bytes, done.failed, held, left_at, head)

    async def come_back(self) -> bool:
        """Let the mirror be used again. What was erased stays erased. Returns whether it had been left."""

        def lift(tx: Transaction) -> bool:
            was_left = bool(tx.note(NOTE))
            tx.set_note(NOTE, "")
            return was_left

        return await self._catalog.write(lift)

    def _begin(self, tx: Transaction) -> list[Account]:
        """Hide everything and forget every token, at once; from here on nothing comes in, whatever happens."""
        now = self._clock.now()
        if not tx.note(NOTE):
            tx.set_note(NOTE, f"begun {rfc3339(now)}")
        members = tx.accounts()
        for account in members:
            ended = account.state not in GRANTED_STATES
            forget_member(tx, account, account.state if ended else AccountState.REMOVED, "removed", now)
        return members

    def _owe_some(self, tx: Transaction, cursor: int) -> int | None:
        """Owe the erasure of the next documents. Returns where to go on, or None at the end."""
        now, lease = self._clock.now(), self._rules.lease
        batch = tx.documents_after(cursor, _BATCH)
        doomed = [doom(entry, now) for entry in batch]
        tx.update_documents(doomed)
        tx.add_removals([owe_document(entry, Reason.LEAVE, now, lease, Stage.CONFIRMED, EVIDENCE) for entry in doomed])
        return batch[-1].document_id if batch else None

    def _owe_some_entries(self, tx: Transaction) -> int:
        """Owe the erasure of the next albums, folders and articles. Returns how many that were."""
        held = tx.entries_unverified_since(FUTURE, _BATCH, states=set(DocumentState) - {DocumentState.DOOMED})
        owe_entries(tx, held, lambda _: Reason.LEAVE, self._clock.now(), self._rules.lease, EVIDENCE)
        return len(held)

    async def _held(self) -> int:
        """What is still there, by looking."""
        inside = await self._catalog.read(_count_held)
        return inside + await asyncio.to_thread(_count_files, self._store)

    def _end(self, tx: Transaction) -> Instant:
        now = self._clock.now()
        tx.append_ledger([left(now)])
        tx.set_note(NOTE, f"everything gone {rfc3339(now)}")
        return now


def _look(view: View) -> Expected:
    figures = view.figures()
    return Expected(
        accounts=len(view.accounts(GRANTED_STATES)),
        documents=sum(figures.documents.values()),
        files=figures.stored_files,
        size_bytes=figures.stored_bytes,
        left_at=view.note(NOTE) or "",
    )


def _count_held(view: View) -> int:
    figures = view.figures()
    entries = sum(sum(counts.values()) for counts in view.entry_counts().values())
    return len(view.documents_after(0, 1)) + entries + sum(figures.open_removals[stage] for stage in OPEN_STAGES)


def _count_files(store: ContentStore) -> int:
    try:
        return sum(1 for _ in store.walk()) + (store.size_bytes() > 0)
    except StoreFailure:
        return 1
