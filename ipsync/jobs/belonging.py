"""Database and store: whether they belong together, and what to do where one was put back from a backup (F28).

Neither alone shows it. So both carry a word that is new at each start and each orderly stop. Where the words do not
fit, or the record of tombstones knows more than the database, nothing is believed: everything is hidden
until ipernity names it again, and every file is compared with what the database says of it.
"""

import asyncio
import secrets
from dataclasses import replace
from functools import partial

from ipsync.policy.belonging import belong_together, words_of
from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.instants import Instant
from ipsync.ports.catalog import Catalog, CatalogFull, Transaction
from ipsync.ports.clock import Clock
from ipsync.ports.store import MarkedStore, StoreFull
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

NOTE = "store mark"
STOPPED_NOTE = "stopped"
_IN_ORDER = "in order"
_BATCH = 500


class Belonging:
    """The keeper of the word that both carry."""

    def __init__(self, catalog: Catalog, store: MarkedStore, clock: Clock) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            store: where the bytes are.
            clock: the lease clock.
        """
        self._catalog = catalog
        self._store = store
        self._clock = clock

    async def holds(self) -> bool:
        """Whether database and store belong together."""
        noted = await self._catalog.read(lambda view: view.note(NOTE))
        marked = await asyncio.to_thread(self._store.read_mark)
        return belong_together(noted or None, marked)

    async def was_stopped_in_order(self) -> bool:
        """Whether the last daemon ended by itself, so that all it wrote is known to be there."""
        return await self._catalog.read(lambda view: view.note(STOPPED_NOTE)) == _IN_ORDER

    async def renew(self, epoch: int, *, stopped: bool) -> None:
        """Give both a new word, so that older copies of either are known as such.

        Where there is no room for it the old word goes on holding.

        Args:
            epoch: of this process.
            stopped: whether this is the last thing a daemon does that ends in order.

        Raises:
            CatalogFailure: the database cannot be written, for another reason than room.
            StoreBroken: the store cannot.
        """
        before = await asyncio.to_thread(self._store.read_mark)
        word = f"{epoch}-{secrets.token_hex(8)}"
        state = _IN_ORDER if stopped else ""
        try:
            await self._catalog.write(partial(_note, words=words_of(word, before or ""), state=state))
            await asyncio.to_thread(self._store.write_mark, word)
            await self._catalog.write(partial(_note, words=word, state=state))
        except (CatalogFull, StoreFull) as full:
            _log.warning(Event.STORE_FULL, "There is no room for a new mark; the old one holds.", cause=full)

    async def hide_everything(self) -> int:
        """Serve nothing that was not named anew: what was LIVE is STALE, and every listing is due.

        Returns:
            How many documents were hidden.
        """
        hidden = 0
        cursor: int | None = 0
        while cursor is not None:
            cursor, found = await self._catalog.write(partial(_hide, cursor=cursor, now=self._clock.now()))
            hidden += found
        await self._catalog.write(_read_again)
        _log.critical(
            Event.STORE_UNFIT,
            "Database and store do not belong together, or one was put back from a backup: "
            "nothing is served before ipernity names it again.",
            hidden=hidden,
        )
        return hidden


def _note(tx: Transaction, words: str, state: str) -> None:
    tx.set_note(NOTE, words)
    tx.set_note(STOPPED_NOTE, state)


def _hide(tx: Transaction, cursor: int, now: Instant) -> tuple[int | None, int]:
    found = tx.documents_after(cursor, _BATCH, states={DocumentState.LIVE})
    tx.update_documents([_stale(entry, now) for entry in found])
    return found[-1].document_id if found else None, len(found)


def _stale(document: Document, now: Instant) -> Document:
    return replace(document, state=DocumentState.STALE, hidden_at=now)


def _read_again(tx: Transaction) -> None:
    for listing in tx.listings():
        tx.put_listing(replace(listing, next_due_at=0, sweep_started_at=None, next_page=1))
