"""Owners' requests, and apart from them the words that came with a request (T11)."""

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, delete, exists, func, insert, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ipsync.catalog.documents import DocumentReading, DocumentWriting
from ipsync.catalog.dooming import AccountDooming
from ipsync.catalog.entry_tables import EntryRow
from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import AnyRow
from ipsync.catalog.removals import OPEN
from ipsync.catalog.renditions import HELD
from ipsync.catalog.sqlite import by_index, in_numbers, numbers, one_of, unindexed, upsert
from ipsync.catalog.tables import METADATA, OPEN_REQUESTS, REQUESTS_NOT_OUTSIDE, table
from ipsync.policy.documents import Tombstone
from ipsync.policy.entries import is_entry
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason, Scope, Stage
from ipsync.policy.requests import (
    CERTIFICATE,
    Ending,
    Holding,
    RemovalRequest,
    RequestScope,
    Subject,
    Words,
    deadline,
)

_REQUEST = table("removal_request")
_WORDS = table("removal_request_words")
_DOCUMENT = table("document")
_RENDITION = table("rendition")
_REMOVAL = table("removal")
_TALLY = table("tally")
_TOMBSTONE = table("tombstone")
_ENTRY = METADATA.tables[EntryRow.__tablename__]

_LARGEST = 2**63 - 1

_ONE = select(_REQUEST).where(_REQUEST.c.request_id == bindparam("request_id"))
_AFTER = (
    select(_REQUEST)
    .where(_REQUEST.c.request_id > bindparam("after"))
    .order_by(_REQUEST.c.request_id)
    .limit(bindparam("most"))
)
_OPEN_AFTER = by_index(_AFTER, _REQUEST, "removal_request_open").where(OPEN_REQUESTS)
_NOT_OUTSIDE = (
    by_index(select(_REQUEST), _REQUEST, "removal_request_not_outside")
    .where(REQUESTS_NOT_OUTSIDE)
    .order_by(_REQUEST.c.request_id)
    .limit(bindparam("most"))
)
_OF_SUBJECT = (
    by_index(select(_REQUEST), _REQUEST, "removal_request_by_subject")
    .where(_REQUEST.c.scope == bindparam("scope"), _REQUEST.c.subject_id == bindparam("subject_id"))
    .order_by(_REQUEST.c.request_id)
)
_BY_ACCOUNT = (
    select(_REQUEST)
    .where(_REQUEST.c.account_id == bindparam("of_account"), _REQUEST.c.request_id < bindparam("before"))
    .order_by(_REQUEST.c.request_id.desc())
    .limit(bindparam("most"))
)
_WORDS_OF = select(_WORDS).where(in_numbers(_WORDS.c.request_id))
_DOCUMENT_EXISTS = (
    select(func.count()).select_from(_DOCUMENT).where(_DOCUMENT.c.document_id == bindparam("of_document"))
)
_ENTRY_EXISTS = select(func.count()).select_from(_ENTRY).where(_ENTRY.c.number == bindparam("of_document"))
_FILES_OF_DOCUMENT = select(func.count(), func.coalesce(func.sum(_RENDITION.c.size_bytes), 0)).where(
    _RENDITION.c.document_id == bindparam("of_document"), _RENDITION.c.state.in_(HELD)
)
_OF_ACCOUNT = select(_TALLY).where(
    _TALLY.c.kind.in_(("document", "rendition")), _TALLY.c.account_id == bindparam("of_account")
)
_TOMBSTONES_AFTER = (
    select(_TOMBSTONE)
    .where(_TOMBSTONE.c.document_id > bindparam("document_id"))
    .order_by(_TOMBSTONE.c.document_id)
    .limit(bindparam("most"))
)

_NAMES = [column.name for column in _REQUEST.c]
_ADD = insert(_REQUEST).values({name: bindparam(name) for name in _NAMES[1:]})
_PUT = upsert(_REQUEST)
_PUT_WORDS = upsert(_WORDS)
_FORGET_WORDS = delete(_WORDS).where(
    _WORDS.c.request_id.in_(select(_REQUEST.c.request_id).where(_REQUEST.c.gone_at < bindparam("closed_before")))
)
_SAME_DOCUMENT = _REQUEST.c.scope == RequestScope.DOCUMENT.value
_SAME_ACCOUNT = _REQUEST.c.scope == RequestScope.ACCOUNT.value
_NO_ENTRY = ~exists().where(
    _ENTRY.c.account_id == _REQUEST.c.subject_id, _ENTRY.c.mirrored_at <= _REQUEST.c.received_at
)
_SETTLE = {
    # What was taken in after the request, or learned after it, came by a newer consent or a withdrawal.
    scope: update(_REQUEST)
    .where(
        OPEN_REQUESTS,
        _REQUEST.c.scope == scope.value,
        ~exists().where(document_key == _REQUEST.c.subject_id, _DOCUMENT.c.mirrored_at <= _REQUEST.c.received_at),
        ~exists().where(
            removal_key == _REQUEST.c.subject_id,
            one_of(_REMOVAL.c.stage, OPEN),
            _REMOVAL.c.detected_at <= _REQUEST.c.received_at,
        ),
        *((_NO_ENTRY,) if scope is RequestScope.ACCOUNT else ()),
    )
    .values(gone_at=bindparam("now"))
    for scope, document_key, removal_key in (
        (RequestScope.DOCUMENT, _DOCUMENT.c.document_id, _REMOVAL.c.document_id),
        (RequestScope.ACCOUNT, _DOCUMENT.c.account_id, _REMOVAL.c.account_id),
    )
}
_UNSAFE_FROM_NOW = (
    update(_REMOVAL)
    .where(
        _REMOVAL.c.account_id == bindparam("of_account"),
        _REMOVAL.c.stage == Stage.CONFIRMED.value,
        _REMOVAL.c.scope == Scope.DOCUMENT.value,
        _REMOVAL.c.reason == Reason.OWNER_REQUEST.value,
        _REMOVAL.c.detected_at == bindparam("at"),
    )
    .values(first_unsafe_at=bindparam("at"), certificate=bindparam("evidence"))
)
_ASKED_FOR = exists().where(_TOMBSTONE.c.document_id == _DOCUMENT.c.document_id, _TOMBSTONE.c.stands == 1)
_HELD_OF_DOCUMENT = (
    _RENDITION.c.document_id == _DOCUMENT.c.document_id,
    unindexed(_RENDITION.c.state).in_(HELD),
)
_COUNTED = {
    "held_files": select(func.count()).where(*_HELD_OF_DOCUMENT).scalar_subquery(),
    "held_bytes": select(func.coalesce(func.sum(_RENDITION.c.size_bytes), 0))
    .where(*_HELD_OF_DOCUMENT)
    .scalar_subquery(),
}
_OF_EVERY_DOCUMENT = {
    "scope": literal_column(f"'{RequestScope.DOCUMENT.value}'"),
    "subject_id": _DOCUMENT.c.document_id,
    "account_id": _DOCUMENT.c.account_id,
    "received_at": bindparam("now"),
    "hidden_at": bindparam("now"),
    "erase_by": bindparam("erase_by"),
    "held_documents": literal_column("1"),
    **_COUNTED,
    "consent_epoch": literal_column("0"),
    "ended_by": literal_column("''"),
    "is_kept_outside": literal_column("0"),
}
_EVERY_DOCUMENT = by_index(select(_DOCUMENT.c.document_id), _DOCUMENT, "document_by_account").where(
    _DOCUMENT.c.account_id == bindparam("of_account"), ~_ASKED_FOR
)
_REQUEST_EVERY = insert(_REQUEST).from_select(
    list(_OF_EVERY_DOCUMENT), _EVERY_DOCUMENT.with_only_columns(*_OF_EVERY_DOCUMENT.values())
)
_stand = sqlite_insert(_TOMBSTONE).from_select(
    ["document_id", "account_id", "reason", "since", "stands"],
    _EVERY_DOCUMENT.with_only_columns(
        _DOCUMENT.c.document_id,
        _DOCUMENT.c.account_id,
        literal_column(f"'{Reason.OWNER_REQUEST.value}'"),
        bindparam("now"),
        literal_column("1"),
    ),
)
_STAND_EVERY = _stand.on_conflict_do_update(
    index_elements=[_TOMBSTONE.c.document_id],
    set_={
        "reason": _stand.excluded.reason,
        "since": func.max(_TOMBSTONE.c.since, _stand.excluded.since),
        "stands": 1,
    },
)
_stand_entries = sqlite_insert(_TOMBSTONE).from_select(
    ["document_id", "account_id", "reason", "since", "stands"],
    select(
        _ENTRY.c.number,
        _ENTRY.c.account_id,
        literal_column(f"'{Reason.OWNER_REQUEST.value}'"),
        bindparam("now"),
        literal_column("1"),
    ).where(_ENTRY.c.account_id == bindparam("of_account")),
)
_STAND_ENTRIES = _stand_entries.on_conflict_do_update(
    index_elements=[_TOMBSTONE.c.document_id],
    set_={
        "reason": _stand_entries.excluded.reason,
        "since": func.max(_TOMBSTONE.c.since, _stand_entries.excluded.since),
        "stands": 1,
    },
)
_LIFT_ENTRIES = (
    update(_TOMBSTONE)
    .where(
        _TOMBSTONE.c.account_id == bindparam("of_account"),
        _TOMBSTONE.c.document_id < 0,
        _TOMBSTONE.c.stands == 1,
        # Who asked for one album asked for that one, whatever else they permit (I4).
        ~exists().where(
            _SAME_DOCUMENT, _REQUEST.c.subject_id == _TOMBSTONE.c.document_id, _REQUEST.c.ended_at.is_(None)
        ),
    )
    .values(stands=0, since=func.max(_TOMBSTONE.c.since, bindparam("at")))
)
_LIFT = (
    update(_TOMBSTONE)
    .where(_TOMBSTONE.c.document_id == bindparam("of_document"))
    .values(stands=0, since=func.max(_TOMBSTONE.c.since, bindparam("at")))
)


class RequestReading(DocumentReading):
    """The questions about owners' requests."""

    def removal_request(self, request_id: int) -> RemovalRequest | None:
        """One request."""
        found = requests_of(self._rows(_ONE, request_id=request_id))
        return found[0] if found else None

    def removal_requests(self, *, open_only: bool = False, after: int = 0, limit: int = 1000) -> list[RemovalRequest]:
        """Requests with numbers above `after`, by number; of `open_only` those of which something is still held."""
        return requests_of(self._rows(_OPEN_AFTER if open_only else _AFTER, after=after, most=limit))

    def removal_requests_of(self, subject: Subject) -> list[RemovalRequest]:
        """Every request that named this document or account, by number."""
        return requests_of(self._rows(_OF_SUBJECT, scope=subject.scope.value, subject_id=subject.subject_id))

    def removal_requests_by(
        self, account_id: int, *, before: int | None = None, limit: int = 1000
    ) -> list[RemovalRequest]:
        """Requests that concern this account or a document of it, with numbers below `before`, newest first."""
        last = _LARGEST if before is None else before
        return requests_of(self._rows(_BY_ACCOUNT, of_account=account_id, before=last, most=limit))

    def requests_not_outside(self, limit: int) -> list[RemovalRequest]:
        """Requests of which the record outside the database does not know how they stand, by number."""
        return requests_of(self._rows(_NOT_OUTSIDE, most=limit))

    def request_words(self, request_ids: Collection[int]) -> dict[int, Words]:
        """What is still kept of contacts and notes, by request."""
        rows = self._rows(_WORDS_OF, numbers=numbers(request_ids))
        return {row.request_id: Words(row.contact, row.note) for row in rows}

    def holding(self, subject: Subject) -> Holding:
        """What is held of a document, an entry or an account, in counts."""
        if subject.scope is RequestScope.DOCUMENT:
            exists_there = _ENTRY_EXISTS if is_entry(subject.subject_id) else _DOCUMENT_EXISTS
            document = self._row(exists_there, of_document=subject.subject_id)
            files = self._row(_FILES_OF_DOCUMENT, of_document=subject.subject_id)
            counts = (0, 0, 0) if document is None or files is None else (document[0], files[0], files[1])
            return Holding(*counts)
        rows = self._rows(_OF_ACCOUNT, of_account=subject.subject_id)
        stored = [row for row in rows if row.kind == "rendition" and row.state in HELD]
        return Holding(
            documents=sum(row.number for row in rows if row.kind == "document"),
            files=sum(row.number for row in stored),
            size_bytes=sum(row.size_bytes for row in stored),
        )

    def tombstones_after(self, document_id: int, limit: int) -> list[Tombstone]:
        """Up to `limit` tombstones with document ids above `document_id`, by id."""
        return [
            Tombstone(row.document_id, row.account_id, row.reason, row.since, stands=bool(row.stands))
            for row in self._rows(_TOMBSTONES_AFTER, document_id=document_id, most=limit)
        ]


class RequestWriting(RequestReading, DocumentWriting, AccountDooming):
    """The changes to owners' requests."""

    def put_removal_request(self, request: RemovalRequest, words: Words | None = None) -> int:
        """Insert (number 0: the catalog numbers it) or replace by number. Returns its number."""
        values = {
            "scope": request.subject.scope.value,
            "subject_id": request.subject.subject_id,
            "account_id": request.subject.account_id,
            "received_at": request.received_at,
            "hidden_at": request.hidden_at,
            "erase_by": request.erase_by,
            "held_documents": request.held.documents,
            "held_files": request.held.files,
            "held_bytes": request.held.size_bytes,
            "consent_epoch": request.consent_epoch,
            "gone_at": request.gone_at,
            "ended_at": request.ended_at,
            "ended_by": "" if request.ended_by is None else request.ended_by.value,
            "is_kept_outside": int(request.is_kept_outside),
        }
        request_id = request.request_id
        if request_id:
            self._do(_PUT, request_id=request_id, **values)
        else:
            request_id = self._add(_ADD, **values)
        if words is not None and (words.contact or words.note):
            self._do(_PUT_WORDS, request_id=request_id, contact=words.contact, note=words.note)
        return request_id

    def forget_words(self, closed_before: Instant) -> int:
        """Erase contact and note of requests of which everything was gone before this. Returns how many."""
        return self._do(_FORGET_WORDS, closed_before=closed_before)

    def settle_requests(self, now: Instant, *scopes: RequestScope) -> int:
        """Say gone of open requests, of these scopes or of all, of which nothing is left. Returns of how many."""
        return sum(self._do(_SETTLE[scope], now=now) for scope in scopes or _SETTLE)

    def doom_account_by_request(self, account_id: int, now: Instant, lease: Lease) -> int:
        """As `doom_account` for an owner's request that came now: unsafe from now on, and due by the request's law."""
        documents = self.doom_account(account_id, Reason.OWNER_REQUEST, now, lease)
        self._do(_UNSAFE_FROM_NOW, of_account=account_id, at=now, evidence=CERTIFICATE)
        return documents

    def request_every_document(self, account_id: int, now: Instant, lease: Lease) -> int:
        """Put a request for each document of an account on record, doom all of them, and let none of them come back.

        Its albums, folders and articles go and stay away too, until a newer consent (`lift_entries`).
        """
        asked = self._do(_REQUEST_EVERY, of_account=account_id, now=now, erase_by=deadline(now, lease))
        self._do(_STAND_EVERY, of_account=account_id, now=now)
        self._do(_STAND_ENTRIES, of_account=account_id, now=now)
        self.doom_account_by_request(account_id, now, lease)
        return asked

    def lift_entries(self, account_id: int, since: Instant) -> int:
        """Let albums, folders and articles come back that stayed away because their owner asked. Returns how many."""
        return self._do(_LIFT_ENTRIES, of_account=account_id, at=since)

    def lift_tombstone(self, document_id: int, since: Instant) -> None:
        """Let a standing tombstone stand no more; answers sent after `since` may bring the document back."""
        self._do(_LIFT, of_document=document_id, at=since)


def requests_of(rows: Sequence[AnyRow]) -> list[RemovalRequest]:
    """Turn rows into requests."""
    with decoding("removal_request"):
        return [_request(row) for row in rows]


def _request(row: AnyRow) -> RemovalRequest:
    return RemovalRequest(
        subject=Subject(RequestScope(row.scope), row.subject_id, row.account_id),
        received_at=row.received_at,
        hidden_at=row.hidden_at,
        erase_by=row.erase_by,
        held=Holding(row.held_documents, row.held_files, row.held_bytes),
        consent_epoch=row.consent_epoch,
        request_id=row.request_id,
        gone_at=row.gone_at,
        ended_at=row.ended_at,
        ended_by=Ending(row.ended_by) if row.ended_by else None,
        is_kept_outside=bool(row.is_kept_outside),
    )
