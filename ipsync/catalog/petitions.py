"""Petitions, and apart from them the words that came with them (T11)."""

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, delete, func, insert, select

from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.petition_tables import WAITING_PETITIONS, PetitionRow, PetitionWordsRow
from ipsync.catalog.sqlite import by_index, in_numbers, numbers, upsert
from ipsync.catalog.tables import METADATA
from ipsync.policy.instants import Instant
from ipsync.policy.petitions import Outcome, Petition
from ipsync.policy.requests import RequestScope, Subject, Words

_PETITION = METADATA.tables[PetitionRow.__tablename__]
_WORDS = METADATA.tables[PetitionWordsRow.__tablename__]

_ONE = select(_PETITION).where(_PETITION.c.petition_id == bindparam("petition_id"))
_BY_DIGEST = by_index(select(_PETITION), _PETITION, "petition_by_digest").where(
    _PETITION.c.digest == bindparam("digest")
)
_AFTER = (
    select(_PETITION)
    .where(_PETITION.c.petition_id > bindparam("after"))
    .order_by(_PETITION.c.petition_id)
    .limit(bindparam("most"))
)
_WAITING_AFTER = by_index(_AFTER, _PETITION, "petition_waiting").where(WAITING_PETITIONS)
_WAITING = by_index(select(func.count()).select_from(_PETITION), _PETITION, "petition_waiting").where(WAITING_PETITIONS)
_WORDS_OF = select(_WORDS).where(in_numbers(_WORDS.c.petition_id))

_NAMES = [column.name for column in _PETITION.c]
_ADD = insert(_PETITION).values({name: bindparam(name) for name in _NAMES[1:]})
_PUT = upsert(_PETITION)
_PUT_WORDS = upsert(_WORDS)
_FORGET_WORDS = delete(_WORDS).where(
    _WORDS.c.petition_id.in_(select(_PETITION.c.petition_id).where(_PETITION.c.decided_at < bindparam("before")))
)


class PetitionReading(Handle):
    """The questions about petitions."""

    def petition(self, petition_id: int) -> Petition | None:
        """One petition."""
        found = _petitions(self._rows(_ONE, petition_id=petition_id))
        return found[0] if found else None

    def petition_of(self, digest: bytes) -> Petition | None:
        """The petition whose token has this digest."""
        found = _petitions(self._rows(_BY_DIGEST, digest=digest))
        return found[0] if found else None

    def petitions(self, *, waiting_only: bool = False, after: int = 0, limit: int = 1000) -> list[Petition]:
        """Petitions with numbers above `after`, by number."""
        return _petitions(self._rows(_WAITING_AFTER if waiting_only else _AFTER, after=after, most=limit))

    def waiting_petitions(self) -> int:
        """How many wait to be decided."""
        row = self._row(_WAITING)
        return 0 if row is None else int(row[0])

    def petition_words(self, petition_ids: Collection[int]) -> dict[int, Words]:
        """What is still kept of contacts and notes, by petition."""
        rows = self._rows(_WORDS_OF, numbers=numbers(petition_ids))
        return {row.petition_id: Words(row.contact, row.note) for row in rows}


class PetitionWriting(PetitionReading):
    """The changes to petitions."""

    def put_petition(self, petition: Petition, words: Words | None = None) -> int:
        """Insert (number 0: the catalog numbers it) or replace by number. Returns its number."""
        values = {
            "scope": petition.subject.scope.value,
            "subject_id": petition.subject.subject_id,
            "account_id": petition.subject.account_id,
            "received_at": petition.received_at,
            "decide_by": petition.decide_by,
            "digest": petition.digest,
            "outcome": "" if petition.outcome is None else petition.outcome.value,
            "decided_at": petition.decided_at,
            "request_id": petition.request_id,
        }
        petition_id = petition.petition_id
        if petition_id:
            self._do(_PUT, petition_id=petition_id, **values)
        else:
            petition_id = int(self._connection.execute(_ADD, values).lastrowid)
        if words is not None and (words.contact or words.note):
            self._do(_PUT_WORDS, petition_id=petition_id, contact=words.contact, note=words.note)
        return petition_id

    def forget_petition_words(self, decided_before: Instant) -> int:
        """Erase contact and note of petitions decided before this. Returns of how many."""
        return self._do(_FORGET_WORDS, before=decided_before)


def _petitions(rows: Sequence[AnyRow]) -> list[Petition]:
    with decoding("petition"):
        return [
            Petition(
                subject=Subject(RequestScope(row.scope), row.subject_id, row.account_id),
                received_at=row.received_at,
                decide_by=row.decide_by,
                digest=row.digest,
                petition_id=row.petition_id,
                outcome=Outcome(row.outcome) if row.outcome else None,
                decided_at=row.decided_at,
                request_id=row.request_id,
            )
            for row in rows
        ]
