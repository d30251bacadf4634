"""The changes on record: reading them in order, and forgetting the oldest. Triggers write them (`change_tables.py`)."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, select

from ipsync.catalog.change_tables import ChangeRow
from ipsync.catalog.failures import readable
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.tables import METADATA
from ipsync.policy.changes import Change, ChangeKind
from ipsync.policy.instants import Instant

_CHANGE = METADATA.tables[ChangeRow.__tablename__]

_ALL = select(_CHANGE)
_OLDEST = _ALL.order_by(_CHANGE.c.sequence).limit(1)
_NEWEST = _ALL.order_by(_CHANGE.c.sequence.desc()).limit(1)
_ONE = _ALL.where(_CHANGE.c.sequence == bindparam("number"))
_AFTER = _ALL.where(_CHANGE.c.sequence > bindparam("number")).order_by(_CHANGE.c.sequence).limit(bindparam("most"))
_FIRST_TO_KEEP = (
    select(_CHANGE.c.sequence).where(_CHANGE.c.at >= bindparam("before")).order_by(_CHANGE.c.sequence).limit(1)
)
_NEWEST_NUMBER = select(func.max(_CHANGE.c.sequence))
_OLDEST_NUMBER = select(func.min(_CHANGE.c.sequence))
_PRUNE = delete(_CHANGE).where(_CHANGE.c.sequence < bindparam("number"))


class ChangeReading(Handle):
    """The questions about changes."""

    def oldest_change(self) -> Change | None:
        """The oldest change that is kept."""
        return _first(self._rows(_OLDEST))

    def newest_change(self) -> Change | None:
        """The newest change; it is always kept."""
        return _first(self._rows(_NEWEST))

    def change(self, sequence: int) -> Change | None:
        """The change of this sequence, if it is kept."""
        return _first(self._rows(_ONE, number=sequence))

    def changes_after(self, sequence: int, limit: int) -> list[Change]:
        """Up to `limit` changes after this sequence, in their order."""
        return _changes(self._rows(_AFTER, number=sequence, most=limit))


class ChangeWriting(ChangeReading):
    """Forgetting."""

    def prune_changes(self, before: Instant, limit: int) -> int:
        """Forget up to `limit` of the oldest changes, as far as they happened before `before`, and never the newest."""
        oldest, newest = self._row(_OLDEST_NUMBER), self._row(_NEWEST_NUMBER)
        if oldest is None or newest is None or oldest[0] is None:
            return 0
        first = self._row(_FIRST_TO_KEEP, before=before)
        bound = min(newest[0] if first is None else first[0], oldest[0] + limit)
        return self._do(_PRUNE, number=bound) if bound > oldest[0] else 0


_KINDS = {kind.value: kind for kind in ChangeKind}


def _first(rows: Sequence[AnyRow]) -> Change | None:
    found = _changes(rows)
    return found[0] if found else None


def _changes(rows: Sequence[AnyRow]) -> list[Change]:
    # A change of which the kind means nothing hides: whoever follows asks for the document anew, if at all.
    return readable(rows, _change, _unreadable)


def _change(row: AnyRow) -> Change:
    sequence, kind, document_id, account_id, at = row
    return Change(sequence, _KINDS[kind], document_id or None, account_id, at)


def _unreadable(row: AnyRow) -> Change:
    sequence, _, document_id, account_id, at = row
    return Change(sequence, ChangeKind.HIDDEN, document_id or None, account_id, at)
