"""Removals: obligations with deadlines, and the record they become. They hold no personal text."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, not_, or_, select, update

from ipsync.catalog.failures import readable
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.merging import stronger
from ipsync.catalog.sqlite import Batch, by_index, in_numbers, insert, numbers, one_of, replacing
from ipsync.catalog.statements import given
from ipsync.catalog.tables import table
from ipsync.policy.documents import RenditionState
from ipsync.policy.instants import Instant
from ipsync.policy.removals import OPEN_STAGES, Reason, Removal, Scope, Stage
from ipsync.policy.tripwire import Tripwire

REMOVAL = table("removal")
_RENDITION = table("rendition")
OPEN = tuple(stage.value for stage in OPEN_STAGES)
OWED_STAGES = (Stage.SUSPECTED, Stage.CONFIRMED, Stage.INTENDED)
"""Something is still to be erased. What is ERASED waits for the log, and must not swallow a new removal."""
OWED = tuple(stage.value for stage in OWED_STAGES)
_ACTED_ON = (Stage.CONFIRMED.value, Stage.INTENDED.value)

_EARLIEST = (REMOVAL.c.erase_by, REMOVAL.c.removal_id)
_ONE = select(REMOVAL).where(REMOVAL.c.removal_id == bindparam("removal_id"))
_DUE_AT_STAGE = (
    by_index(select(REMOVAL), REMOVAL, "removal_by_deadline")
    .where(
        REMOVAL.c.stage == bindparam("stage"),
        or_(REMOVAL.c.next_try_at <= bindparam("now"), REMOVAL.c.erase_from <= bindparam("now")),
        not_(in_numbers(REMOVAL.c.removal_id)),
    )
    .order_by(*_EARLIEST)
    .limit(bindparam("most"))
)
_DUE_SUSPECTED = (
    by_index(select(REMOVAL), REMOVAL, "removal_suspected")
    .where(
        one_of(REMOVAL.c.stage, (Stage.SUSPECTED.value,)),
        REMOVAL.c.erase_from <= bindparam("now"),
        not_(in_numbers(REMOVAL.c.removal_id)),
    )
    .order_by(*_EARLIEST)
    .limit(bindparam("most"))
)
_SUSPICIONS = (
    by_index(select(REMOVAL), REMOVAL, "removal_suspected")
    .where(one_of(REMOVAL.c.stage, (Stage.SUSPECTED.value,)), REMOVAL.c.next_try_at <= bindparam("now"))
    .order_by(REMOVAL.c.erase_from, REMOVAL.c.removal_id)
    .limit(bindparam("most"))
)
_OWED_OF_DOCUMENTS = by_index(select(REMOVAL), REMOVAL, "removal_owed").where(
    in_numbers(REMOVAL.c.document_id),
    one_of(REMOVAL.c.scope, (Scope.DOCUMENT.value,)),
    one_of(REMOVAL.c.stage, OWED),
)
_VALUES = [column.name for column in REMOVAL.c if not column.primary_key]
_ADD = Batch(insert(REMOVAL).values({name: bindparam(name) for name in _VALUES}), _VALUES)
_UPDATE = replacing(REMOVAL, REMOVAL.c.removal_id)
_FILES_OF_ITS_DOCUMENT = (
    _RENDITION.c.document_id == REMOVAL.c.document_id,
    _RENDITION.c.state.in_([RenditionState.STORED.value, RenditionState.ERASING.value]),
)
_INTEND = (
    update(REMOVAL)
    .where(
        in_numbers(REMOVAL.c.removal_id),
        REMOVAL.c.stage.in_(_ACTED_ON),
        REMOVAL.c.scope == Scope.DOCUMENT.value,
    )
    .values(
        stage=Stage.INTENDED.value,
        files_erased=select(func.count()).where(*_FILES_OF_ITS_DOCUMENT).scalar_subquery(),
        bytes_erased=select(func.coalesce(func.sum(_RENDITION.c.size_bytes), 0))
        .where(*_FILES_OF_ITS_DOCUMENT)
        .scalar_subquery(),
    )
)
_ADVANCE = (
    update(REMOVAL)
    .where(in_numbers(REMOVAL.c.removal_id), REMOVAL.c.stage == bindparam("before"))
    .values(stage=bindparam("after"), gone_at=func.coalesce(bindparam("when"), REMOVAL.c.gone_at))
    .returning(REMOVAL.c.removal_id, REMOVAL.c.reason)
)


@cache
def _at_stage(*, of_account: bool, of_documents: bool) -> Select[Any]:
    statement = select(REMOVAL).where(REMOVAL.c.stage == bindparam("stage"))
    index = "removal_by_deadline"
    if of_account:
        statement = statement.where(REMOVAL.c.account_id == bindparam("of_account"))
        index = "removal_by_account"
    if of_documents:
        statement = statement.where(in_numbers(REMOVAL.c.document_id))
        index = "removal_by_document"
    return by_index(statement, REMOVAL, index).order_by(*_EARLIEST).limit(bindparam("most"))


@cache
def _suspicions(tripwires: int) -> Select[Any]:
    """Suspicions but those of so many tripwires."""
    statement = _SUSPICIONS
    for place in range(tripwires):
        its = REMOVAL.c.removal_id.between(bindparam(f"first_{place}"), bindparam(f"last_{place}"))
        statement = statement.where(or_(REMOVAL.c.account_id != bindparam(f"account_{place}"), not_(its)))
    return statement


class RemovalReading(Handle):
    """The questions about removals."""

    def removal(self, removal_id: int) -> Removal | None:
        """One removal."""
        found = removals_of(self._rows(_ONE, removal_id=removal_id))
        return found[0] if found else None

    def removals(
        self,
        *,
        stages: Collection[Stage] | None = None,
        account_id: int | None = None,
        document_ids: Collection[int] | None = None,
        limit: int = 1000,
    ) -> list[Removal]:
        """Removals, earliest `erase_by` first."""
        # One question per stage keeps each in the order of its index; the earliest of them are the answer.
        statement = _at_stage(of_account=account_id is not None, of_documents=document_ids is not None)
        asked = given(of_account=account_id, numbers=None if document_ids is None else numbers(document_ids))
        found: list[Removal] = []
        for stage in Stage if stages is None else set(stages):
            found.extend(removals_of(self._rows(statement, stage=stage.value, most=limit, **asked)))
        return _earliest(found, limit)

    def due_removals(self, now: Instant, limit: int, passing_over: Collection[int] = ()) -> list[Removal]:
        """Removals for which `policy.removals.is_due` says yes at `now`, earliest `erase_by` first; none of these."""
        asked = {"now": now, "most": limit, "numbers": numbers(passing_over)}
        found = removals_of(self._rows(_DUE_SUSPECTED, **asked))
        for stage in _ACTED_ON:
            found.extend(removals_of(self._rows(_DUE_AT_STAGE, stage=stage, **asked)))
        return _earliest(found, limit)

    def suspicions(self, now: Instant, limit: int, passing_over: Collection[Tripwire] = ()) -> list[Removal]:
        """SUSPECTED removals whose `next_try_at` ≤ now, earliest `erase_from` first (for confirmation).

        Those that belong to a tripwire in `passing_over` are left out.
        """
        held: dict[str, int] = {}
        for place, tripwire in enumerate(passing_over):
            held |= {
                f"account_{place}": tripwire.account_id,
                f"first_{place}": tripwire.first_removal,
                f"last_{place}": tripwire.last_removal,
            }
        return removals_of(self._rows(_suspicions(len(passing_over)), now=now, most=limit, **held))


class RemovalWriting(RemovalReading):
    """The changes to removals."""

    def add_removals(self, removals: Sequence[Removal]) -> None:
        """Record new obligations, numbered by the catalog; a document has at most one open Scope.DOCUMENT removal.

        Where one is open already, the stronger stands: a later stage, an earlier deadline, and the
        reason of whoever is CONFIRMED (see `merging.stronger`). One that is ERASED already owes nothing
        any more and stays as it is.
        """
        unique = [entry for entry in removals if _is_owed(entry)]
        concerned = {entry.document_id for entry in unique}
        held = {
            entry.document_id: entry
            for entry in removals_of(self._rows(_OWED_OF_DOCUMENTS, numbers=numbers(concerned)))
        }
        united: dict[int, Removal] = {}
        for entry in unique:
            before = united.get(entry.document_id) or held.get(entry.document_id)
            united[entry.document_id] = stronger(before, entry) if before else entry
        self.update_removals([entry for number, entry in united.items() if number in held])
        added = [entry for number, entry in united.items() if number not in held]
        added += [entry for entry in removals if not _is_owed(entry)]
        self._do_many(_ADD, [_removal_row(entry) for entry in added])

    def update_removals(self, removals: Sequence[Removal]) -> None:
        """Replace these removals, by removal_id, many at once."""
        self._do_many(_UPDATE, [(*_removal_row(entry), entry.removal_id) for entry in removals])

    def intend_removals(self, removal_ids: Collection[int]) -> None:
        """Move these CONFIRMED removals of whole documents on to INTENDED, and count what they will erase."""
        self._do(_INTEND, numbers=numbers(removal_ids))

    def advance_removals(
        self, removal_ids: Collection[int], before: Stage, after: Stage, gone_at: Instant | None = None
    ) -> dict[int, Reason]:
        """Move those of these removals that stand at `before` on to `after`; says which, and their reasons."""
        rows = self._rows(_ADVANCE, numbers=numbers(removal_ids), before=before.value, after=after.value, when=gone_at)
        return {removal_id: _REASONS.get(reason, Reason.EXPIRED) for removal_id, reason in rows}


def _is_owed(removal: Removal) -> bool:
    return removal.scope is Scope.DOCUMENT and removal.stage in OWED_STAGES


def _earliest(removals: list[Removal], limit: int) -> list[Removal]:
    removals.sort(key=lambda removal: (removal.erase_by, removal.removal_id))
    return removals[:limit]


_REASONS = {reason.value: reason for reason in Reason}
_STAGES = {stage.value: stage for stage in Stage}
_SCOPES = {scope.value: scope for scope in Scope}


def removals_of(rows: Sequence[AnyRow]) -> list[Removal]:
    """Turn rows of the table into values.

    A row of which reason, scope or stage mean nothing is carried out all the same, for the whole document.
    """
    return readable(rows, _removal, _unreadable)


UNREADABLE = "unreadable"
"""The evidence of a removal of which the reason could not be read any more."""


def _unreadable(row: AnyRow) -> Removal:
    return Removal(
        document_id=row.document_id,
        account_id=row.account_id,
        reason=_REASONS.get(row.reason, Reason.EXPIRED),
        stage=_STAGES.get(row.stage, Stage.CONFIRMED),
        scope=Scope.DOCUMENT,
        first_unsafe_at=row.first_unsafe_at,
        detected_at=row.detected_at,
        hidden_at=row.hidden_at,
        erase_from=row.erase_from,
        erase_by=row.erase_by,
        removal_id=row.removal_id,
        confirmed_at=row.confirmed_at,
        gone_at=row.gone_at,
        files_erased=row.files_erased,
        bytes_erased=row.bytes_erased,
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        certificate=UNREADABLE,
    )


def _removal(row: AnyRow) -> Removal:
    (
        removal_id,
        document_id,
        account_id,
        reason,
        stage,
        scope,
        renditions,
        first_unsafe_at,
        detected_at,
        hidden_at,
        erase_from,
        erase_by,
        confirmed_at,
        gone_at,
        files_erased,
        bytes_erased,
        attempts,
        next_try_at,
        certificate,
    ) = row
    return Removal(
        document_id,
        account_id,
        _REASONS[reason],
        _STAGES[stage],
        _SCOPES[scope],
        first_unsafe_at,
        detected_at,
        hidden_at,
        erase_from,
        erase_by,
        removal_id,
        tuple(renditions.split()),
        confirmed_at,
        gone_at,
        files_erased,
        bytes_erased,
        attempts,
        next_try_at,
        certificate,
    )


def _removal_row(removal: Removal) -> tuple[Any, ...]:
    """All columns but the number, in their order."""
    return (
        removal.document_id,
        removal.account_id,
        removal.reason.value,
        removal.stage.value,
        removal.scope.value,
        " ".join(removal.renditions),
        removal.first_unsafe_at,
        removal.detected_at,
        removal.hidden_at,
        removal.erase_from,
        removal.erase_by,
        removal.confirmed_at,
        removal.gone_at,
        removal.files_erased,
        removal.bytes_erased,
        removal.attempts,
        removal.next_try_at,
        removal.certificate,
    )
