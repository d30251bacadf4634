"""Incidents: what needed a person, and who was told."""

from collections.abc import Collection, Sequence
from dataclasses import asdict

from sqlalchemy import bindparam, delete, or_, select

from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import AnyRow
from ipsync.catalog.incident_tables import OPEN_INCIDENTS, OPEN_NOTIFICATIONS, IncidentRow, NotificationRow
from ipsync.catalog.removals import OPEN, REMOVAL
from ipsync.catalog.requests import RequestReading, RequestWriting, requests_of
from ipsync.catalog.sqlite import by_index, in_numbers, insert, numbers, upsert
from ipsync.catalog.tables import METADATA, table
from ipsync.policy.incidents import Condition, Incident
from ipsync.policy.instants import Instant
from ipsync.policy.notices import Delivery
from ipsync.policy.requests import RemovalRequest

_INCIDENT = METADATA.tables[IncidentRow.__tablename__]
_NOTIFICATION = METADATA.tables[NotificationRow.__tablename__]
_REQUEST = table("removal_request")

_ONE = select(_INCIDENT).where(_INCIDENT.c.incident_id == bindparam("number"))
_NEWEST_FIRST = (
    select(_INCIDENT)
    .where(_INCIDENT.c.incident_id < bindparam("before"))
    .order_by(_INCIDENT.c.incident_id.desc())
    .limit(bindparam("most"))
)
_OPEN_NEWEST_FIRST = by_index(_NEWEST_FIRST, _INCIDENT, "incident_open").where(OPEN_INCIDENTS)
_TOLD = (
    select(_NOTIFICATION)
    .where(in_numbers(_NOTIFICATION.c.incident_id))
    .order_by(_NOTIFICATION.c.incident_id, _NOTIFICATION.c.channel)
)
_OWED = (
    by_index(select(_NOTIFICATION), _NOTIFICATION, "notification_open")
    .join(_INCIDENT, _INCIDENT.c.incident_id == _NOTIFICATION.c.incident_id)
    .where(OPEN_NOTIFICATIONS, or_(_NOTIFICATION.c.opened_sent_at.is_(None), _INCIDENT.c.resolved_at.is_not(None)))
    .order_by(_NOTIFICATION.c.next_try_at, _NOTIFICATION.c.incident_id)
    .limit(bindparam("most"))
)
_OF_NUMBERS = select(_INCIDENT).where(in_numbers(_INCIDENT.c.incident_id))
_NEWEST_REQUESTS = select(_REQUEST).order_by(_REQUEST.c.request_id.desc()).limit(bindparam("most"))
_MOST_URGENT = [
    by_index(select(REMOVAL.c.attempts), REMOVAL, "removal_by_deadline")
    .where(REMOVAL.c.stage == stage)
    .order_by(REMOVAL.c.erase_by)
    .limit(bindparam("most"))
    for stage in OPEN
]
_VALUES = [column.name for column in _INCIDENT.c if not column.primary_key]
_ADD = insert(_INCIDENT).values({name: bindparam(name) for name in _VALUES})
_PUT, _PUT_TOLD = upsert(_INCIDENT), upsert(_NOTIFICATION)
_ALL = 2**63 - 1
"""Above every number of an incident."""
_FORGET = delete(_INCIDENT).where(_INCIDENT.c.resolved_at < bindparam("resolved_before"))


class IncidentReading(RequestReading):
    """The questions about incidents."""

    def incident(self, incident_id: int) -> Incident | None:
        """One incident."""
        row = self._row(_ONE, number=incident_id)
        return None if row is None else _incidents([row])[0]

    def incidents(self, *, open_only: bool = False, before: int | None = None, limit: int = 1000) -> list[Incident]:
        """Incidents with numbers below `before`, the newest first; all of them, or the open ones."""
        statement = _OPEN_NEWEST_FIRST if open_only else _NEWEST_FIRST
        return _incidents(self._rows(statement, before=_ALL if before is None else before, most=limit))

    def deliveries(self, incident_ids: Collection[int]) -> list[Delivery]:
        """Who was told of these incidents, by incident and channel."""
        return [_delivery(row) for row in self._rows(_TOLD, numbers=numbers(incident_ids))]

    def open_deliveries(self, limit: int) -> list[tuple[Delivery, Incident]]:
        """Deliveries of which something is owed, now or later, with their incidents; the first to be tried first."""
        owed = [_delivery(row) for row in self._rows(_OWED, most=limit)]
        ids = numbers({entry.incident_id for entry in owed})
        known = {entry.incident_id: entry for entry in _incidents(self._rows(_OF_NUMBERS, numbers=ids))}
        return [(entry, known[entry.incident_id]) for entry in owed if entry.incident_id in known]

    def newest_removal_requests(self, since: Instant, limit: int) -> list[RemovalRequest]:
        """Owners' requests received at `since` or later, of the `limit` newest."""
        found = requests_of(self._rows(_NEWEST_REQUESTS, most=limit))
        return [request for request in found if request.received_at >= since]

    def failing_removals(self, attempts: int, limit: int) -> int:
        """How many open removals failed so often, counted up to `limit`, the most urgent first."""
        rows = [row for statement in _MOST_URGENT for row in self._rows(statement, most=limit)]
        return min(limit, sum(int(row.attempts) >= attempts for row in rows))


class IncidentWriting(IncidentReading, RequestWriting):
    """The changes to incidents."""

    def put_incident(self, incident: Incident) -> int:
        """Insert (number 0: the catalog numbers it) or replace by number. Returns its number."""
        values = {
            "condition": incident.condition.value,
            "subject": incident.subject,
            "number": incident.number,
            "opened_at": incident.opened_at,
            "absent_at": incident.absent_at,
            "resolved_at": incident.resolved_at,
        }
        if incident.incident_id:
            self._do(_PUT, incident_id=incident.incident_id, **values)
            return incident.incident_id
        return int(self._connection.execute(_ADD, values).lastrowid)

    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Insert or replace by incident and channel."""
        for delivery in deliveries:
            self._do(_PUT_TOLD, **asdict(delivery))

    def forget_incidents(self, resolved_before: Instant) -> int:
        """Forget incidents that ended before, with who was told. Returns how many."""
        return self._do(_FORGET, resolved_before=resolved_before)


def _incidents(rows: Sequence[AnyRow]) -> list[Incident]:
    with decoding("incident"):
        return [
            Incident(
                condition=Condition(row.condition),
                subject=row.subject,
                number=row.number,
                opened_at=row.opened_at,
                absent_at=row.absent_at,
                resolved_at=row.resolved_at,
                incident_id=row.incident_id,
            )
            for row in rows
        ]


def _delivery(row: AnyRow) -> Delivery:
    return Delivery(
        incident_id=row.incident_id,
        channel=row.channel,
        opened_sent_at=row.opened_sent_at,
        resolved_sent_at=row.resolved_sent_at,
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        failure=row.failure,
        done_at=row.done_at,
    )
