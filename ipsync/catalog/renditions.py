"""The files of documents: wanted, stored, expiring. The bytes are the content store's; here are their rows."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, select, update

from ipsync.catalog.failures import readable
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.sqlite import Batch, by_index, in_numbers, numbers, one_of, upsert
from ipsync.catalog.tables import table
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import RENDITIONS, DocumentState, RemoteFile, Rendition, RenditionState
from ipsync.policy.instants import SECOND, Instant
from ipsync.ports.store import ContentKey

_ACCOUNT = table("account")
_DOCUMENT = table("document")
_RENDITION = table("rendition")
_TALLY = table("tally")

TO_FETCH = (RenditionState.WANTED.value, RenditionState.FAILED.value)
HELD = (RenditionState.STORED.value, RenditionState.ERASING.value)

_BY_NUMBER = (
    select(_RENDITION)
    .where(in_numbers(_RENDITION.c.document_id))
    .order_by(_RENDITION.c.document_id, _RENDITION.c.rendition)
)
_KNOWN = select(_RENDITION.c.account_id, _RENDITION.c.document_id, _RENDITION.c.rendition).where(
    in_numbers(_RENDITION.c.document_id), one_of(_RENDITION.c.state, HELD)
)
_ACCOUNTS_THAT_WANT = (
    select(_ACCOUNT.c.account_id)
    .join(_TALLY, and_(_TALLY.c.kind == "rendition", _TALLY.c.account_id == _ACCOUNT.c.account_id))
    .where(_ACCOUNT.c.state == AccountState.ACTIVE.value, one_of(_TALLY.c.state, TO_FETCH), _TALLY.c.number > 0)
    .distinct()
    .order_by(_ACCOUNT.c.account_id)
)
_WANTED = (
    by_index(select(_RENDITION), _RENDITION, "rendition_wanted")
    .join(_DOCUMENT, _DOCUMENT.c.document_id == _RENDITION.c.document_id)
    .where(
        one_of(_RENDITION.c.state, TO_FETCH),
        _RENDITION.c.account_id == bindparam("account_id"),
        _RENDITION.c.next_try_at <= bindparam("now"),
        _DOCUMENT.c.state == DocumentState.LIVE.value,
    )
    .order_by(_RENDITION.c.next_try_at, _RENDITION.c.document_id, _RENDITION.c.rendition)
    .limit(bindparam("most"))
)
_IS_STORED = one_of(_RENDITION.c.state, (RenditionState.STORED.value,))
_STORED_BEFORE = (
    by_index(select(_RENDITION), _RENDITION, "rendition_stored")
    .where(
        _IS_STORED,
        _RENDITION.c.rendition == bindparam("name"),
        _RENDITION.c.stored_at < bindparam("before"),
    )
    .order_by(_RENDITION.c.stored_at, _RENDITION.c.document_id)
    .limit(bindparam("most"))
)
_WITH_STORED_AFTER = (
    by_index(select(_RENDITION.c.document_id), _RENDITION, "")
    .where(_RENDITION.c.document_id > bindparam("after"), _IS_STORED)
    .order_by(_RENDITION.c.document_id)
    .distinct()
    .limit(bindparam("most"))
)
_ITS_KEY = (
    _RENDITION.c.document_id == bindparam("its_document_id"),
    _RENDITION.c.rendition == bindparam("its_rendition"),
    _RENDITION.c.account_id == bindparam("its_account_id"),
)
_KEY_NAMES = ("its_document_id", "its_rendition", "its_account_id")
_PUT = Batch(upsert(_RENDITION), _RENDITION.c.keys())
_DROP = Batch(delete(_RENDITION).where(*_ITS_KEY), _KEY_NAMES)
_SET_STATE = Batch(update(_RENDITION).where(*_ITS_KEY).values(state=bindparam("state")), ("state", *_KEY_NAMES))


@cache
def _by_number_and_state(states: frozenset[RenditionState]) -> Select[Any]:
    """A sweep asks this for every page, mostly for states that hardly any file is in."""
    return _BY_NUMBER.where(_RENDITION.c.state.in_(sorted(state.value for state in states)))


class RenditionReading(Handle):
    """The questions about files."""

    def renditions(
        self, document_ids: Collection[int], states: Collection[RenditionState] | None = None
    ) -> dict[int, list[Rendition]]:
        """The files of these documents, in these states (None: in any); documents without any are left out."""
        statement = _BY_NUMBER if states is None else _by_number_and_state(frozenset(states))
        found: dict[int, list[Rendition]] = {}
        for rendition in _renditions(self._rows(statement, numbers=numbers(document_ids))):
            found.setdefault(rendition.document_id, []).append(rendition)
        return found

    def documents_with_files_after(self, document_id: int, limit: int) -> list[int]:
        """Up to `limit` ids of documents that have a STORED file, above `document_id`, in order."""
        return [row.document_id for row in self._rows(_WITH_STORED_AFTER, after=document_id, most=limit)]

    def wanted_renditions(self, now: Instant, limit: int, without: Collection[int] = ()) -> list[Rendition]:
        """Files to fetch now: WANTED or FAILED, `next_try_at` ≤ now, of LIVE documents of ACTIVE accounts.

        Every account but those of `without` gets an equal share of `limit` first; what some do not use goes to the
        others.
        """
        accounts = [row.account_id for row in self._rows(_ACCOUNTS_THAT_WANT) if row.account_id not in without]
        if not accounts or limit < 1:
            return []
        # Where there are more accounts than places, another of them begins each second.
        first = now // SECOND % len(accounts)
        accounts = (accounts[first:] + accounts[:first])[:limit]
        share = limit // len(accounts)
        found = {account_id: self._wanted(account_id, now, share) for account_id in accounts}
        spare = limit - sum(map(len, found.values()))
        for account_id, files in found.items():
            if spare and len(files) == share:
                found[account_id] = self._wanted(account_id, now, share + spare)
                spare -= len(found[account_id]) - share
        return [rendition for files in found.values() for rendition in files]

    def renditions_stored_before(self, before: Instant, renditions: Collection[str], limit: int) -> list[Rendition]:
        """STORED files of these rendition names fetched before `before`, oldest first (TTL, T09)."""
        found = [
            rendition
            for name in renditions
            for rendition in _renditions(self._rows(_STORED_BEFORE, name=name, before=before, most=limit))
        ]
        found.sort(key=lambda rendition: (rendition.stored_at or 0, rendition.document_id))
        return found[:limit]

    def known_files(self, keys: Collection[ContentKey]) -> set[ContentKey]:
        """Those of these keys for which a STORED or ERASING rendition exists; the others are orphans."""
        documents = {key.document_id for key in keys}
        known = {ContentKey(*row) for row in self._rows(_KNOWN, numbers=numbers(documents))}
        return known.intersection(keys)

    def _wanted(self, account_id: int, now: Instant, most: int) -> list[Rendition]:
        return _renditions(self._rows(_WANTED, account_id=account_id, now=now, most=most))


class RenditionWriting(RenditionReading):
    """The changes to files."""

    def put_renditions(self, renditions: Sequence[Rendition]) -> None:
        """Insert or replace by document_id and rendition name, many at once.

        Raises:
            CatalogConflict: a document of these is not mirrored (any more).
        """
        self._do_many(_PUT, [_rendition_row(rendition) for rendition in renditions])

    def drop_renditions(self, keys: Collection[ContentKey]) -> None:
        """Forget single renditions."""
        self._do_many(_DROP, [_key_row(key) for key in keys])

    def set_rendition_state(self, keys: Collection[ContentKey], state: RenditionState) -> None:
        """Change only the state of these renditions."""
        self._do_many(_SET_STATE, [(state.value, *_key_row(key)) for key in keys])


_STATES = {state.value: state for state in RenditionState}


def _renditions(rows: Sequence[AnyRow]) -> list[Rendition]:
    # A file of which the state means nothing is one that goes: it is never served, and its document's removal takes it.
    return readable(rows, _rendition, _unreadable)


def _unreadable(row: AnyRow) -> Rendition:
    return _read((*row[:3], RenditionState.ERASING.value, *row[4:]))


def _rendition(row: AnyRow) -> Rendition:
    if row[1] not in RENDITIONS:
        raise ValueError("a name that ipsync never wrote")
    return _read(row)


def _read(row: Sequence[Any]) -> Rendition:
    (
        document_id,
        name,
        account_id,
        state,
        url,
        width,
        height,
        announced_bytes,
        size_bytes,
        digest,
        content_type,
        stored_at,
        attempts,
        next_try_at,
    ) = row
    return Rendition(
        document_id,
        account_id,
        RemoteFile(name, url, width, height, announced_bytes),
        _STATES[state],
        size_bytes,
        digest,
        content_type,
        stored_at,
        attempts,
        next_try_at,
    )


def _rendition_row(rendition: Rendition) -> tuple[Any, ...]:
    """All columns, in their order."""
    file = rendition.file
    return (
        rendition.document_id,
        file.rendition,
        rendition.account_id,
        rendition.state.value,
        file.url,
        file.width,
        file.height,
        file.size_bytes,
        rendition.size_bytes,
        rendition.digest,
        rendition.content_type,
        rendition.stored_at,
        rendition.attempts,
        rendition.next_try_at,
    )


def _key_row(key: ContentKey) -> tuple[Any, ...]:
    return key.document_id, key.rendition, key.account_id
