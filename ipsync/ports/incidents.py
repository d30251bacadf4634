"""What the catalog keeps of incidents, and of who was told: part of `ports.catalog.View` and `Transaction`."""

from collections.abc import Collection, Sequence
from typing import Protocol

from ipsync.policy.incidents import Incident
from ipsync.policy.instants import Instant
from ipsync.policy.notices import Delivery
from ipsync.policy.requests import RemovalRequest


class IncidentView(Protocol):
    """The questions about incidents."""

    def incident(self, incident_id: int) -> Incident | None:
        """One incident."""
        ...

    def incidents(self, *, open_only: bool = False, before: int | None = None, limit: int = 1000) -> list[Incident]:
        """Incidents with numbers below `before`, the newest first; all of them, or the open ones."""
        ...

    def deliveries(self, incident_ids: Collection[int]) -> list[Delivery]:
        """Who was told of these incidents, by incident and channel."""
        ...

    def open_deliveries(self, limit: int) -> list[tuple[Delivery, Incident]]:
        """Deliveries of which something is owed, now or later, with their incidents; the first to be tried first."""
        ...

    def newest_removal_requests(self, since: Instant, limit: int) -> list[RemovalRequest]:
        """Owners' requests received at `since` or later, of the `limit` newest."""
        ...

    def failing_removals(self, attempts: int, limit: int) -> int:
        """How many open removals failed so often, counted up to `limit`, the most urgent first."""
        ...


class IncidentChanges(IncidentView, Protocol):
    """The changes to incidents."""

    def put_incident(self, incident: Incident) -> int:
        """Insert (number 0: the catalog numbers it) or replace by number. Returns its number."""
        ...

    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Insert or replace by incident and channel."""
        ...

    def forget_incidents(self, resolved_before: Instant) -> int:
        """Forget incidents that ended before, with who was told. Returns how many."""
        ...
