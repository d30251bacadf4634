"""Mirrored documents and their tombstones, many at a time."""

import json
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, case, delete, func, or_, select, update

from ipsync.catalog.failures import CatalogFull, readable
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.sqlite import Batch, by_index, in_numbers, insert, numbers, one_of, replacing, unindexed
from ipsync.catalog.statements import given
from ipsync.catalog.tables import table
from ipsync.policy.accounts import SERVED_STATES, AccountState
from ipsync.policy.documents import (
    Details,
    Document,
    DocumentState,
    Facts,
    Media,
    Safety,
    Tombstone,
    Visibility,
)
from ipsync.policy.instants import Instant

_ACCOUNT = table("account")
_DOCUMENT = table("document")
_TEXT = table("document_text")
_RENDITION = table("rendition")
_TOMBSTONE = table("tombstone")

DOCUMENTS = select(*_DOCUMENT.c, *(column for column in _TEXT.c if column.name != "document_id")).join_from(
    _DOCUMENT, _TEXT, _TEXT.c.document_id == _DOCUMENT.c.document_id
)
_BY_NUMBER = DOCUMENTS.where(in_numbers(_DOCUMENT.c.document_id))
_WANTING_DETAILS = (
    by_index(DOCUMENTS, _DOCUMENT, "document_wanting_details")
    .where(
        one_of(_DOCUMENT.c.state, (DocumentState.LIVE.value,)),
        or_(_DOCUMENT.c.details_at.is_(None), _DOCUMENT.c.details_at < _DOCUMENT.c.modified_at),
        _DOCUMENT.c.account_id.in_(select(_ACCOUNT.c.account_id).where(_ACCOUNT.c.state == AccountState.ACTIVE.value)),
    )
    .limit(bindparam("most"))
)
_DETAILED_BEFORE = (
    by_index(DOCUMENTS, _DOCUMENT, "document_detailed")
    .where(_DOCUMENT.c.details_at.is_not(None), _DOCUMENT.c.details_at < bindparam("before"))
    .order_by(_DOCUMENT.c.details_at, _DOCUMENT.c.document_id)
    .limit(bindparam("most"))
)
_TOMBSTONES = Batch(select(_TOMBSTONE).where(in_numbers(_TOMBSTONE.c.document_id)), ("numbers",))

_ADD = Batch(insert(_DOCUMENT), _DOCUMENT.c.keys())
_ADD_TEXT = Batch(insert(_TEXT), _TEXT.c.keys())
_UPDATE = replacing(_DOCUMENT, _DOCUMENT.c.document_id)
_UPDATE_TEXT = replacing(_TEXT, _TEXT.c.document_id)
_RENEW = Batch(
    update(_DOCUMENT)
    .where(
        in_numbers(_DOCUMENT.c.document_id),
        one_of(unindexed(_DOCUMENT.c.state), (DocumentState.LIVE.value,)),
        unindexed(_DOCUMENT.c.verified_at) < bindparam("sent_at"),
    )
    .values(verified_at=bindparam("sent_at")),
    ("sent_at", "numbers", "sent_at"),
)
_DOOM = (
    update(_DOCUMENT)
    .where(in_numbers(_DOCUMENT.c.document_id), unindexed(_DOCUMENT.c.state) != DocumentState.DOOMED.value)
    .values(state=DocumentState.DOOMED.value, hidden_at=func.coalesce(_DOCUMENT.c.hidden_at, bindparam("now")))
)
_FORGET = [delete(emptied).where(in_numbers(emptied.c.document_id)) for emptied in (_RENDITION, _TEXT, _DOCUMENT)]
_put_tombstone = insert(_TOMBSTONE)
_new_tombstone = _put_tombstone.excluded
_PUT_TOMBSTONE = Batch(
    _put_tombstone.on_conflict_do_update(
        index_elements=[_TOMBSTONE.c.document_id],
        set_={
            "account_id": _new_tombstone.account_id,
            "reason": case(
                (_TOMBSTONE.c.stands > _new_tombstone.stands, _TOMBSTONE.c.reason), else_=_new_tombstone.reason
            ),
            "since": case((_TOMBSTONE.c.since > _new_tombstone.since, _TOMBSTONE.c.since), else_=_new_tombstone.since),
            "stands": case(
                (_TOMBSTONE.c.stands > _new_tombstone.stands, _TOMBSTONE.c.stands), else_=_new_tombstone.stands
            ),
        },
    ),
    _TOMBSTONE.c.keys(),
)
_DROP_TOMBSTONES = delete(_TOMBSTONE).where(in_numbers(_TOMBSTONE.c.document_id))


@cache
def _after(states: frozenset[DocumentState] | None, *, of_account: bool, served_only: bool) -> Select[Any]:
    statement = DOCUMENTS.where(_DOCUMENT.c.document_id > bindparam("after"))
    if of_account:
        statement = by_index(statement, _DOCUMENT, "document_by_account")
        statement = statement.where(_DOCUMENT.c.account_id == bindparam("of_account"))
    elif states is None or DocumentState.LIVE in states:
        # Most documents are LIVE: going through them in order finds `most` at once. The others are few.
        statement = by_index(statement, _DOCUMENT, "")
    else:
        statement = by_index(statement, _DOCUMENT, "document_by_age")
        statement = statement.where(_DOCUMENT.c.account_id.in_(select(_ACCOUNT.c.account_id)))
    if states is not None:
        statement = statement.where(_DOCUMENT.c.state.in_(sorted(state.value for state in states)))
    if served_only:
        served = select(_ACCOUNT.c.account_id).where(_ACCOUNT.c.state.in_([state.value for state in SERVED_STATES]))
        statement = statement.where(_DOCUMENT.c.verified_at >= bindparam("since"), _DOCUMENT.c.account_id.in_(served))
    return statement.order_by(_DOCUMENT.c.document_id).limit(bindparam("most"))


class DocumentReading(Handle):
    """The questions about documents."""

    def documents(self, document_ids: Collection[int]) -> dict[int, Document]:
        """Those of these documents that are mirrored, by id."""
        found = documents_of(self._rows(_BY_NUMBER, numbers=numbers(document_ids)))
        return {document.document_id: document for document in found}

    def documents_after(
        self,
        document_id: int,
        limit: int,
        *,
        account_id: int | None = None,
        states: Collection[DocumentState] | None = None,
        verified_since: Instant | None = None,
    ) -> list[Document]:
        """Up to `limit` documents with ids above `document_id`, by id; for pages and cursors."""
        statement = _after(
            None if states is None else frozenset(states),
            of_account=account_id is not None,
            served_only=verified_since is not None,
        )
        asked = given(of_account=account_id, since=verified_since)
        return documents_of(self._rows(statement, after=document_id, most=limit, **asked))

    def documents_wanting_details(self, limit: int) -> list[Document]:
        """LIVE documents of ACTIVE accounts without details, or with details older than `modified_at`."""
        return documents_of(self._rows(_WANTING_DETAILS, most=limit))

    def documents_detailed_before(self, before: Instant, limit: int) -> list[Document]:
        """Documents whose details were fetched before `before`, oldest first (TTL of metadata, T09)."""
        return documents_of(self._rows(_DETAILED_BEFORE, before=before, most=limit))

    def tombstones(self, document_ids: Collection[int]) -> dict[int, Tombstone]:
        """Those of these documents that were erased, by id."""
        return {
            document_id: Tombstone(document_id, account_id, reason, since, stands=bool(stands))
            for document_id, account_id, reason, since, stands in self._tuples(_TOMBSTONES, (numbers(document_ids),))
        }


class DocumentWriting(DocumentReading):
    """The changes to documents."""

    def add_documents(self, documents: Sequence[Document]) -> None:
        """Insert new documents, many at once.

        Raises:
            CatalogFull: the disk was found full; what room is left is for removals (F3).
        """
        if self._full and documents:
            raise CatalogFull("no room is left for new documents: free some disk space")
        self._do_many(_ADD, [(document.document_id, *_row(document)) for document in documents])
        self._do_many(_ADD_TEXT, [(document.document_id, *_text_row(document)) for document in documents])

    def update_documents(self, documents: Sequence[Document]) -> None:
        """Replace everything of these documents, by id, many at once."""
        self._do_many(_UPDATE, [(*_row(document), document.document_id) for document in documents])
        self._do_many(_UPDATE_TEXT, [(*_text_row(document), document.document_id) for document in documents])

    def doom_documents(self, document_ids: Collection[int], now: Instant) -> None:
        """Make these documents DOOMED and hidden, many at once; what is DOOMED stays as it is."""
        self._do(_DOOM, numbers=numbers(document_ids), now=now)

    def renew(self, document_ids: Collection[int], sent_at: Instant) -> None:
        """Set verified_at = max(verified_at, sent_at) where LIVE; nothing else changes."""
        if document_ids:
            self._do_many(_RENEW, [(sent_at, numbers(document_ids), sent_at)])

    def forget_documents(self, document_ids: Collection[int]) -> None:
        """Delete these documents and their renditions: the personal text is gone (overwritten, `secure_delete`)."""
        listed = numbers(document_ids)
        for statement in _FORGET:
            self._do(statement, numbers=listed)

    def put_tombstones(self, tombstones: Iterable[Tombstone]) -> None:
        """Insert; an older one of the same document is replaced, but a standing one goes on standing."""
        self._do_many(
            _PUT_TOMBSTONE,
            [
                (entry.document_id, entry.account_id, entry.reason, entry.since, int(entry.stands))
                for entry in tombstones
            ],
        )

    def drop_tombstones(self, document_ids: Collection[int]) -> None:
        """Let these documents come back."""
        self._do(_DROP_TOMBSTONES, numbers=numbers(document_ids))


_STATES = {state.value: state for state in DocumentState}
_MEDIA = {media.value: media for media in Media}
_SAFETY = {int(safety): safety for safety in Safety}
_VISIBILITY = {int(visibility): visibility for visibility in Visibility}


def documents_of(rows: Sequence[AnyRow]) -> list[Document]:
    """Turn rows of `DOCUMENTS` into values.

    A row that means nothing gives a document that is DOOMED and has no facts: nobody serves it, and whoever looks for
    what is hidden and not owed has it erased. If it is still shared, the next sweep takes it in anew.
    """
    return readable(rows, _document, _unreadable)


def _document(row: AnyRow) -> Document:
    (
        document_id,
        account_id,
        state,
        verified_at,
        mirrored_at,
        absent_at,
        hidden_at,
        details_at,
        media,
        license_id,
        safety,
        visibility,
        posted_at,
        modified_at,
        replaced_at,
        title,
        created,
        md5,
        latitude,
        longitude,
        description,
        tags,
    ) = row
    facts = Facts(
        _MEDIA[media],
        license_id,
        _SAFETY[safety],
        _VISIBILITY[visibility],
        title,
        posted_at,
        modified_at,
        replaced_at,
        created,
        md5,
        latitude,
        longitude,
    )
    details = Details(description, tuple(json.loads(tags)) if tags else ())
    return Document(
        document_id,
        account_id,
        facts,
        _STATES[state],
        verified_at,
        mirrored_at,
        absent_at,
        hidden_at,
        details,
        details_at,
    )


NO_FACTS = Facts(Media.OTHER, 0, Safety.ADULTS, Visibility.PRIVATE, "")


def state_of(word: str) -> DocumentState:
    """Read a state.

    Raises:
        KeyError: it is none.
    """
    return _STATES[word]


def decisive_facts(media: str, license_id: int, safety: int, visibility: int) -> Facts:
    """Give the facts that decide whether a document may be kept, and nothing else of it.

    Raises:
        KeyError: one of them means nothing.
    """
    return Facts(_MEDIA[media], license_id, _SAFETY[safety], _VISIBILITY[visibility], "")


def _unreadable(row: AnyRow) -> Document:
    document_id, account_id, _, verified_at, mirrored_at = row[:5]
    return Document(
        document_id, account_id, NO_FACTS, DocumentState.DOOMED, verified_at, mirrored_at, hidden_at=verified_at
    )


def _row(document: Document) -> tuple[Any, ...]:
    """All columns of `document` but the number, in their order."""
    facts = document.facts
    return (
        document.account_id,
        document.state.value,
        document.verified_at,
        document.mirrored_at,
        document.absent_at,
        document.hidden_at,
        document.details_at,
        facts.media.value,
        facts.license,
        int(facts.safety),
        int(facts.visibility),
        facts.posted_at,
        facts.modified_at,
        facts.replaced_at,
    )


def _text_row(document: Document) -> tuple[Any, ...]:
    """All columns of `document_text` but the number, in their order."""
    facts = document.facts
    return (
        facts.title,
        facts.created,
        facts.md5,
        facts.latitude,
        facts.longitude,
        document.details.description,
        json.dumps(document.details.tags) if document.details.tags else "",
    )
