"""May this be shown now? Asked of the catalog on every answer (T06, design §3).

Many requests at once share one reading: whoever asks while a reading is under way waits for the
next, which begins after the question was put. What was read is used again only while the catalog's
stamp says that nothing at all was committed since. So an answer is never older than its question.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from ipsync.policy.accounts import SERVED_STATES, Account
from ipsync.policy.documents import Details, Document, DocumentState, Rendition, RenditionState, Tombstone
from ipsync.policy.instants import Instant
from ipsync.policy.lease import may_serve
from ipsync.policy.permission import bar
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, View
from ipsync.web.answers import WrittenAnswer
from ipsync.web.commit_stamps import Stamp
from ipsync.web.failures import WebFailure, gone, not_found

_SCANNED_PER_ROUND = 200
_ROUNDS = 25
_KEPT_MOST = 2000
_LONGEST_KEPT = 4000
"""Documents kept in memory for a moment, and characters of description and tags of one that is: 32 MB at most, and
48 MB for the answers made of them, where a character becomes six bytes."""


@dataclass(frozen=True, slots=True)
class Held:
    """A document as the catalog holds it, shown or not."""

    document: Document
    account: Account | None
    renditions: tuple[Rendition, ...]

    def stored(self, name: str) -> Rendition | None:
        """The stored file of this name, if there is one."""
        for rendition in self.renditions:
            if rendition.file.rendition == name and rendition.state is RenditionState.STORED and rendition.digest:
                return rendition
        return None


@dataclass(frozen=True, slots=True)
class Told:
    """A document as it is written, and what that was made of.

    Attributes:
        answer: the document, written.
    """

    held: Held
    rules: Rules
    answer: WrittenAnswer


def may_show(held: Held, rules: Rules, now: Instant) -> bool:
    """Whether a document and its files may be shown at `now`.

    The account is served, ipernity named the document recently enough, and the permitted view
    still holds it: the same rule that decides copying and keeping.
    """
    account, document = held.account, held.document
    return (
        account is not None
        and account.state in SERVED_STATES
        and may_serve(rules.lease, document, now)
        and bar(rules.view, document.account_id, document.facts, now) is None
    )


@dataclass(frozen=True, slots=True)
class Page:
    """Documents in the order of their ids.

    Attributes:
        after: the id to go on after, or None at the end.
    """

    held: tuple[Held, ...]
    after: int | None


class Showcase:
    """Reads documents from the catalog for those who want to show them."""

    def __init__(self, catalog: Catalog, stamp: Stamp) -> None:
        self._catalog = catalog
        self._stamp = stamp
        self._kept: dict[int, Held] = {}
        self._kept_at: int | None = None
        self._told: dict[int, Told] = {}
        self._waiting: dict[int, asyncio.Future[Held | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def document(self, document_id: int) -> Held | None:
        """Give one document, whatever its state; None when it is not held.

        Raises:
            CatalogFailure: it could not be read.
        """
        self.forget_outdated()
        if (kept := self._kept.get(document_id)) is not None:
            return kept
        waiter = self._waiting.get(document_id)
        if waiter is None:
            waiter = self._waiting[document_id] = asyncio.get_running_loop().create_future()
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_waiting())
        # Shielded: others may wait for the same answer.
        return await asyncio.shield(waiter)

    def forget_outdated(self) -> None:
        """Drop what was read before the newest commit, so that erased words do not stay in memory either."""
        current = self._stamp()
        if current is None or current != self._kept_at:
            self._kept.clear()
            self._told.clear()
            self._kept_at = current

    def told(self, held: Held, rules: Rules, tell: Callable[[Held, Rules], Told]) -> Told:
        """Give a document as it is written, and write it only once while nothing was committed and no rule changed.

        Args:
            held: as `document` gave it, at this very moment.
            rules: in force.
            tell: writes it; nothing else may go into that.
        """
        known = self._told.get(held.document.document_id)
        if known is not None and known.held is held and known.rules is rules:
            return known
        found = tell(held, rules)
        if self._kept.get(held.document.document_id) is held:
            self._told[held.document.document_id] = found
        return found

    async def documents(self, document_ids: Collection[int]) -> Mapping[int, Held]:
        """Give those of these documents that are held, in one reading."""
        return await self._catalog.read(partial(read_held, document_ids=document_ids))

    async def tombstone(self, document_id: int) -> Tombstone | None:
        """Give what is remembered of an erased document: its number and whose it was.

        Raises:
            CatalogFailure: it could not be read.
        """
        found = await self._catalog.read(lambda view: view.tombstones([document_id]))
        return found.get(document_id)

    async def page(self, rules: Rules, now: Instant, after: int, limit: int, account_id: int | None) -> Page:
        """Give up to `limit` documents that may be shown, with ids above `after`.

        A page may hold fewer although more follow, where many are held back; `after` tells.
        """
        return await self._catalog.read(
            partial(_page, rules=rules, now=now, after=after, limit=limit, account_id=account_id)
        )

    async def _read_waiting(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                await self._answer(asked)
        finally:
            self._reading = None

    async def _answer(self, asked: Mapping[int, asyncio.Future[Held | None]]) -> None:
        self.forget_outdated()
        stamp = self._kept_at
        try:
            found = await self.documents(asked.keys())
        except BaseException as failure:
            for waiter in asked.values():
                if not waiter.done():
                    waiter.set_exception(failure if isinstance(failure, Exception) else asyncio.CancelledError())
                    waiter.exception()  # whoever asked may be gone; that is no error
            if not isinstance(failure, Exception):
                raise
            return
        if stamp is not None and stamp == self._kept_at and len(self._kept) + len(found) <= _KEPT_MOST:
            # Read after that stamp was taken: while it stands, this stands.
            self._kept.update((number, held) for number, held in found.items() if _is_light(held.document.details))
        for document_id, waiter in asked.items():
            if not waiter.done():
                waiter.set_result(found.get(document_id))


def _is_light(details: Details) -> bool:
    return len(details.description) + sum(map(len, details.tags)) <= _LONGEST_KEPT


async def why_missing(showcase: Showcase, document_id: int, account_id: int | None) -> WebFailure:
    """Say why a document that is not held is not shown: erased (410), or nothing that we know of (404).

    Args:
        showcase: where tombstones are read.
        document_id: which.
        account_id: the only member whose documents the caller may know of; None for all.

    Raises:
        CatalogFailure: the catalog could not be asked.
    """
    tombstone = await showcase.tombstone(document_id)
    if tombstone is None or account_id not in (None, tombstone.account_id):
        return not_found()
    return gone()


def read_held(view: View, document_ids: Collection[int]) -> dict[int, Held]:
    """Give those of these documents that are held, with their files and accounts."""
    documents = view.documents(document_ids)
    return _with_files(view, documents.values())


def _with_files(view: View, documents: Collection[Document]) -> dict[int, Held]:
    if not documents:
        return {}
    renditions = view.renditions([document.document_id for document in documents])
    accounts = {owner: view.account(owner) for owner in {document.account_id for document in documents}}
    return {
        document.document_id: Held(
            document, accounts[document.account_id], tuple(renditions.get(document.document_id, ()))
        )
        for document in documents
    }


def _page(view: View, rules: Rules, now: Instant, after: int, limit: int, account_id: int | None) -> Page:
    permitted: list[Document] = []
    # What was verified before this holds nothing any more.
    since = now - rules.lease.serve_age + 1
    size = limit + 1
    for _ in range(_ROUNDS):
        found = view.documents_after(
            after, size, account_id=account_id, states=(DocumentState.LIVE,), verified_since=since
        )
        permitted += (entry for entry in found if bar(rules.view, entry.account_id, entry.facts, now) is None)
        if len(permitted) > limit:
            del permitted[limit:]
            return _shown(view, rules, now, permitted, permitted[-1].document_id)
        if len(found) < size:
            return _shown(view, rules, now, permitted, None)
        after, size = found[-1].document_id, _SCANNED_PER_ROUND
    return _shown(view, rules, now, permitted, after)


def _shown(view: View, rules: Rules, now: Instant, documents: Collection[Document], after: int | None) -> Page:
    held = _with_files(view, documents)
    return Page(tuple(entry for entry in held.values() if may_show(entry, rules, now)), after)
