"""The ledger's entries and its signed head, in the same transaction as what they tell of (I8).

Entries are never read back into anything that could fail over what was altered: that is for
`policy.ledger_check` to say. Altered or not, appending goes on, since erasing must.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, select

from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.ledger_keys import is_signed
from ipsync.catalog.ledger_tables import LedgerEntryRow, LedgerHeadRow
from ipsync.catalog.removals import REMOVAL
from ipsync.catalog.sqlite import Batch, in_numbers, insert, numbers, upsert
from ipsync.catalog.tables import table
from ipsync.policy.instants import Instant
from ipsync.policy.ledger import (
    GENESIS,
    EntryKind,
    LedgerEntry,
    LedgerEvent,
    LedgerHead,
    encode,
    leaf,
    link,
    without_content,
)
from ipsync.policy.removals import Stage
from ipsync.ports.ledger import LedgerDifference

_ENTRY = table(LedgerEntryRow.__tablename__)
_HEAD = table(LedgerHeadRow.__tablename__)

_ENTRIES = select(_ENTRY).where(_ENTRY.c.sequence > bindparam("after")).order_by(_ENTRY.c.sequence)
_PAGE = _ENTRIES.limit(bindparam("most"))
_LAST = select(_ENTRY.c.sequence, _ENTRY.c.hash).order_by(_ENTRY.c.sequence.desc()).limit(1)
_OF_DOCUMENT = (
    select(_ENTRY).where(_ENTRY.c.document == bindparam("digest")).order_by(_ENTRY.c.sequence).limit(bindparam("most"))
)
_OF_ACCOUNT = (
    select(_ENTRY).where(_ENTRY.c.account == bindparam("digest")).order_by(_ENTRY.c.sequence).limit(bindparam("most"))
)
_SINCE = select(func.min(_ENTRY.c.sequence)).where(_ENTRY.c.at >= bindparam("since"))
_THE_HEAD = select(_HEAD)
_TOLD = select(_ENTRY.c.removal).where(_ENTRY.c.removal.is_not(None), in_numbers(_ENTRY.c.removal))
_BEGUN_AT = select(_ENTRY.c.at).order_by(_ENTRY.c.sequence).limit(1)
_UNTOLD = (
    select(REMOVAL.c.removal_id)
    .where(
        REMOVAL.c.stage == Stage.GONE.value,
        REMOVAL.c.gone_at >= bindparam("begun_at"),
        ~select(_ENTRY.c.sequence)
        .where(_ENTRY.c.removal.is_not(None), _ENTRY.c.removal == REMOVAL.c.removal_id)
        .exists(),
    )
    .limit(bindparam("most"))
)
_UNDONE = (
    select(_ENTRY.c.removal, _ENTRY.c.sequence)
    .where(
        _ENTRY.c.removal.is_not(None),
        ~select(REMOVAL.c.removal_id)
        .where(REMOVAL.c.removal_id == _ENTRY.c.removal, REMOVAL.c.stage == Stage.GONE.value)
        .exists(),
    )
    .limit(bindparam("most"))
)
_ADD = Batch(insert(_ENTRY), _ENTRY.c.keys())
_PUT_HEAD = upsert(_HEAD)


class LedgerReading(Handle):
    """The questions about the ledger."""

    def ledger_key(self) -> str:
        """The Ed25519 public key by which heads are signed, 64 hex digits."""
        return self._sealing.ledger.public

    def ledger_opening(self, kind: str, number: int) -> bytes:
        """What shows that a digest is that of this `document` or `account`: 32 bytes (`policy.ledger.digest_of`)."""
        return self._sealing.ledger.opening(kind, number)

    def ledger_head(self) -> LedgerHead | None:
        """The newest signed head; None while the ledger has not begun."""
        row = self._row(_THE_HEAD)
        if row is None:
            return None
        with decoding("ledger_head"):
            return LedgerHead(row.sequence, row.at, row.hash.hex(), row.key.hex(), row.signature.hex())

    def ledger_entries(self, after: int, limit: int) -> list[LedgerEntry]:
        """Up to `limit` entries behind sequence `after`, in their order."""
        return _entries(self._rows(_PAGE, after=after, most=limit))

    def ledger_entries_of(
        self, *, document_id: int | None = None, account_id: int | None = None, limit: int = 1000
    ) -> list[LedgerEntry]:
        """Entries that tell of a document, or else of an account, in their order. The latter reads the whole ledger."""
        keys = self._sealing.ledger
        if document_id is not None:
            return _entries(self._rows(_OF_DOCUMENT, digest=keys.digest("document", document_id), most=limit))
        if account_id is not None:
            return _entries(self._rows(_OF_ACCOUNT, digest=keys.digest("account", account_id), most=limit))
        return []

    def ledger_since(self, at: Instant) -> int | None:
        """The sequence of the first entry at or after the instant `at`; reads the whole ledger."""
        row = self._row(_SINCE, since=at)
        return None if row is None else row[0]

    def ledger_differences(self, limit: int) -> list[LedgerDifference]:
        """Where the removals that are gone since the ledger began and its entries disagree; reads all of both."""
        begun = self._row(_BEGUN_AT)
        if begun is None:
            return []
        untold = self._rows(_UNTOLD, begun_at=begun.at, most=limit)
        undone = self._rows(_UNDONE, most=limit)
        return [LedgerDifference(row.removal_id, None) for row in untold] + [
            LedgerDifference(row.removal, row.sequence) for row in undone
        ]


class LedgerAppending(LedgerReading):
    """The one change to the ledger.

    Attributes:
        new_head: what this transaction signed last, or None; to be copied outside once it is committed.
    """

    new_head: LedgerHead | None = None

    def append_ledger(self, events: Sequence[LedgerEvent]) -> None:
        """Append an entry for each event, and sign the new head. Begins the ledger if need be.

        A removal that has its entry gets no second one, so that a step may be repeated (I8, I11). Entries carry
        the epoch of this transaction, unless the event names another.
        """
        wanted = self._untold(events)
        if not wanted:
            return
        sequence, before, opening = self._end(wanted[0])
        keys = self._sealing.ledger
        rows: list[tuple[Any, ...]] = []
        at = wanted[0].at
        accounts: dict[int | None, bytes | None] = {None: None}
        evidence: dict[str, str] = {}
        for event in (*opening, *wanted):
            sequence, at = sequence + 1, event.at
            document = None if event.document_id is None else keys.digest("document", event.document_id)
            # An account goes with all of its documents, so its name is asked for again and again.
            if event.account_id is not None and event.account_id not in accounts:
                accounts[event.account_id] = keys.digest("account", event.account_id)
            account = accounts[event.account_id]
            # Nor is the evidence of many removals at once a different one for each.
            certificate = event.certificate
            if certificate is not None and event.kind is not EntryKind.BEGUN:
                certificate = evidence.get(certificate) or evidence.setdefault(
                    certificate, without_content(certificate)
                )
            entry = _entry_of(event, sequence, document, account, event.epoch or self._epoch, certificate)
            before = link(before, leaf(encode(entry)))
            rows.append((*entry[:3], document, account, *entry[5:-1], before))
        self._do_many(_ADD, rows)
        self.new_head = head = keys.sign(sequence, at, before.hex())
        self._do(
            _PUT_HEAD,
            head_id=1,
            sequence=sequence,
            at=at,
            hash=before,
            key=bytes.fromhex(head.key),
            signature=bytes.fromhex(head.signature),
        )

    def _untold(self, events: Sequence[LedgerEvent]) -> list[LedgerEvent]:
        asked = [event.removal for event in events if event.removal is not None]
        told = {row[0] for row in self._rows(_TOLD, numbers=numbers(asked))} if asked else set()
        wanted: list[LedgerEvent] = []
        for event in events:
            if event.removal is not None:
                if event.removal in told:
                    continue
                told.add(event.removal)
            wanted.append(event)
        return wanted

    def _end(self, first: LedgerEvent) -> tuple[int, bytes, list[LedgerEvent]]:
        """Where to go on, and what must be said before: that the ledger begins, or that its end was altered.

        An end that is not the signed one must neither hold up erasing nor be signed over in silence.
        """
        head, last = self.ledger_head(), self._row(_LAST)
        if head is None and last is None:
            certificate = f"key={self._sealing.ledger.public}"
            return 0, GENESIS, [LedgerEvent(EntryKind.BEGUN, first.at, epoch=first.epoch, certificate=certificate)]
        sequence = 0 if last is None else last.sequence
        before = GENESIS if last is None else last.hash
        holds = (
            head is not None
            and (head.sequence, head.hash) == (sequence, before.hex())
            and head.key == self._sealing.ledger.public
            and is_signed(head)
        )
        if holds:
            return sequence, before, []
        # The numbers go on behind whatever was cut, so that the gap stays to be seen.
        if head is not None:
            sequence = max(sequence, head.sequence)
        return sequence, before, [LedgerEvent(EntryKind.BREAK, first.at, epoch=first.epoch)]


def _entry_of(
    event: LedgerEvent,
    sequence: int,
    document: bytes | None,
    account: bytes | None,
    epoch: int,
    certificate: str | None,
) -> LedgerEntry:
    # By position: names would cost as much as the digests do.
    return LedgerEntry(
        sequence,
        event.kind.value,
        event.at,
        None if document is None else document.hex(),
        None if account is None else account.hex(),
        epoch,
        event.consent,
        event.removal,
        event.reason,
        event.scope,
        event.first_unsafe_at,
        event.detected_at,
        event.hidden_at,
        event.confirmed_at,
        event.gone_at,
        event.erase_by,
        event.files,
        event.size_bytes,
        certificate,
        "",
    )


def _entries(rows: Sequence[AnyRow]) -> list[LedgerEntry]:
    with decoding("ledger_entry"):
        try:
            return [
                LedgerEntry._make(
                    (
                        *row[:3],
                        None if row[3] is None else row[3].hex(),
                        None if row[4] is None else row[4].hex(),
                        *row[5:-1],
                        row[-1].hex(),
                    )
                )
                for row in rows
            ]
        except AttributeError as error:
            raise ValueError("a digest is no bytes") from error
