"""The ledger read: checked from its first entry, exported, and asked what became of one document (F38, I8).

Reads page by page: whoever reads for long keeps erased text in the database's log (F24). New entries
do not disturb, since nothing before them changes.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from ipsync.policy.documents import Document, Tombstone
from ipsync.policy.entries import Entry, is_entry
from ipsync.policy.instants import Instant
from ipsync.policy.ledger import GENESIS, EntryKind, LedgerEntry, LedgerHead, encode, leaf
from ipsync.policy.ledger_check import LedgerCheck
from ipsync.policy.removals import OPEN_STAGES, Removal, Scope, Stage
from ipsync.ports.catalog import Catalog, CatalogFailure, View

_PAGE = 2000
_MOST_DIFFERENCES = 100


async def check_ledger(
    catalog: Catalog,
    heads: Iterable[tuple[str, LedgerHead | None]],
    is_signed: Callable[[LedgerHead], bool],
    tell: Callable[[int], None] = lambda _entries: None,
    *,
    with_removals: bool = True,
) -> LedgerCheck:
    """Check the whole ledger, and that each removal that is gone has one entry.

    Args:
        catalog: where it is.
        heads: copies of heads from outside the database, each with words for where it is written.
        is_signed: whether a head's signature is that of its key.
        tell: told how many more entries were looked at.
        with_removals: whether the removals are compared as well.
    """
    # The copies first: an entry that comes meanwhile is in the database before its head is copied.
    copies = list(heads)
    check = LedgerCheck(is_signed, await catalog.read(lambda view: view.ledger_key()))
    check.expect_heads(copies)
    try:
        head = await catalog.read(lambda view: view.ledger_head())
        async for page in pages(catalog, 0, head):
            for entry in page:
                check.add(entry)
            tell(len(page))
        check.end(head)
        most = _MOST_DIFFERENCES if with_removals else 0
        for difference in await catalog.read(lambda view: view.ledger_differences(most)) if most else ():
            number, sequence = difference.removal_id, difference.sequence
            if sequence is None:
                check.say(None, f"removal {number} is gone, and no entry tells of it")
            else:
                check.say(sequence, f"entry {sequence} tells of removal {number}, which is not gone in the database")
    except CatalogFailure as failure:
        await _go_on_singly(catalog, check)
        check.say(None, f"behind entry {check.last} the ledger cannot be read: {failure}")
    return check


async def _go_on_singly(catalog: Catalog, check: LedgerCheck) -> None:
    """Look at what can still be read of a page, so that it is known which entry cannot."""
    with suppress(CatalogFailure):
        while found := await catalog.read(partial(_page, after=check.last, limit=1)):
            check.add(found[0])
            if check.entries % _PAGE == 0:
                return


async def pages(catalog: Catalog, after: int, head: LedgerHead | None) -> AsyncIterator[list[LedgerEntry]]:
    """The entries behind `after`, page by page, up to and with all that was there when `head` was the newest.

    Args:
        catalog: where they are.
        after: a sequence.
        head: the newest head; entries behind it that are not signed come too.
    """
    while page := await catalog.read(partial(_page, after=after)):
        after = page[-1].sequence
        if head is not None and after > head.sequence:
            newest = await catalog.read(lambda view: view.ledger_head())
            if newest is not None and newest != head:
                # The ledger went on meanwhile: that is for the next time.
                page = [entry for entry in page if entry.sequence <= head.sequence]
                if page:
                    yield page
                return
        yield page


def _page(view: View, after: int, limit: int = _PAGE) -> list[LedgerEntry]:
    return view.ledger_entries(after, limit)


async def hash_before(catalog: Catalog, sequence: int) -> str:
    """The hash of the entry before `sequence`, 64 hex digits."""
    before = await catalog.read(lambda view: view.ledger_entries(sequence - 2, 1)) if sequence > 1 else []
    return before[0].hash if before else GENESIS.hex()


@dataclass(frozen=True, slots=True)
class Evidence:
    """That an entry is in the ledger: what leads from it to a signed head.

    Attributes:
        before: the hash of the entry before, 64 hex digits.
        path: the digests (`policy.ledger.leaf`) of the entries behind it up to the head's, 64 hex digits each.
    """

    entry: LedgerEntry
    before: str
    path: tuple[str, ...]
    head: LedgerHead


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a document, or of an album, folder, article or profile.

    Attributes:
        now: when it was asked.
        begun_at: when the ledger began, or None while it has not.
        opening: shows that the entries' digest is that of this document, 32 bytes.
        document_id: its id, or the subject number of an entry.
        document: where a copy is held.
        owed: removals under way.
        tombstone: what keeps it from being mirrored, where a copy was erased or its owner asked.
        gone_untold: the newest removal of it that was gone before the ledger began.
        evidence: an entry for each removal that is gone, oldest first.
    """

    document_id: int
    now: Instant
    begun_at: Instant | None
    opening: bytes
    document: Document | Entry | None
    owed: tuple[Removal, ...]
    tombstone: Tombstone | None
    gone_untold: Removal | None
    evidence: tuple[Evidence, ...]


async def prove_document(catalog: Catalog, document_id: int, heads: Sequence[LedgerHead], now: Instant) -> Answer:
    """Answer "did you erase mine, and when?".

    Args:
        catalog: where the ledger is.
        document_id: of the document, or the subject number of an entry.
        heads: copies of heads, by sequence; the first that covers an entry is what its evidence leads to.
        now: the lease clock.
    """
    answer, entries = await catalog.read(partial(_look, document_id=document_id, now=now))
    evidence = [await _evidence(catalog, entry, heads) for entry in entries]
    return replace(answer, evidence=tuple(evidence))


def _look(view: View, document_id: int, now: Instant) -> tuple[Answer, list[LedgerEntry]]:
    entries = [entry for entry in view.ledger_entries_of(document_id=document_id) if entry.kind == EntryKind.GONE]
    told = {entry.removal for entry in entries}
    gone = view.removals(stages={Stage.GONE}, document_ids=[document_id])
    untold = [entry for entry in gone if entry.removal_id not in told and entry.scope is Scope.DOCUMENT]
    begun = view.ledger_entries(0, 1)
    answer = Answer(
        document_id=document_id,
        now=now,
        begun_at=begun[0].at if begun else None,
        opening=view.ledger_opening("document", document_id),
        document=(view.entries if is_entry(document_id) else view.documents)([document_id]).get(document_id),
        owed=tuple(view.removals(stages=OPEN_STAGES, document_ids=[document_id])),
        tombstone=view.tombstones([document_id]).get(document_id),
        gone_untold=max(untold, key=lambda removal: removal.removal_id, default=None),
        evidence=(),
    )
    return answer, entries


async def _evidence(catalog: Catalog, entry: LedgerEntry, heads: Sequence[LedgerHead]) -> Evidence:
    newest = await catalog.read(lambda view: view.ledger_head())
    if newest is None:
        raise CatalogFailure("the ledger has entries, and no signed head: see `ipsync ledger verify`")
    to = next((head for head in heads if entry.sequence <= head.sequence <= newest.sequence), newest)
    before = await hash_before(catalog, entry.sequence)
    path: list[str] = []
    async for page in pages(catalog, entry.sequence, newest):
        path += [leaf(encode(later)).hex() for later in page if later.sequence <= to.sequence]
        if page[-1].sequence >= to.sequence:
            break
    return Evidence(entry, before, tuple(path), to)
