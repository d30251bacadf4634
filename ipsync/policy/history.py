"""What a mirror remembers of itself day by day, for reports: requests used, and things that went wrong.

Counts only, of our own event names: nothing of a member, and nothing that grows beyond a year or so.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ipsync.policy.budget import Spent
from ipsync.policy.instants import DAY, HOUR, Instant

NOTE = "history"
"""Under which name the catalog remembers it."""

KEPT_DAYS = 400


@dataclass(slots=True)
class History:
    """Counts by day; a day is named by the instant at which it begins, UTC.

    Attributes:
        incidents: by day, how often each event happened.
        requests: by day, how many requests were counted in whole hours.
        counted_until: up to where requests are in `requests`; later ones are still in the budget's own books.
    """

    incidents: dict[Instant, dict[str, int]] = field(default_factory=dict)
    requests: dict[Instant, int] = field(default_factory=dict)
    counted_until: Instant = 0

    def add_incidents(self, at: Instant, counts: Mapping[str, int]) -> None:
        """Count events at an instant."""
        if counts:
            of_day = self.incidents.setdefault(day_of(at), {})
            for event, number in counts.items():
                of_day[event] = of_day.get(event, 0) + number

    def add_requests(self, spent: Iterable[Spent], now: Instant) -> None:
        """Count the hours that are over, each once."""
        closed = sorted(
            (entry.bucket_at, entry.requests)
            for entry in spent
            if entry.window == "day" and entry.bucket_at >= self.counted_until and entry.bucket_at + HOUR <= now
        )
        for bucket_at, requests in closed:
            self.requests[day_of(bucket_at)] = self.requests.get(day_of(bucket_at), 0) + requests
            self.counted_until = bucket_at + HOUR

    def requests_by_day(self, spent: Iterable[Spent]) -> dict[Instant, int]:
        """Requests by day, with those of hours that are not over."""
        days = dict(self.requests)
        for entry in spent:
            if entry.window == "day" and entry.bucket_at >= self.counted_until:
                days[day_of(entry.bucket_at)] = days.get(day_of(entry.bucket_at), 0) + entry.requests
        return days

    def encode(self, now: Instant) -> str:
        """Write it down for the catalog, without what is too old."""
        oldest = day_of(now) - KEPT_DAYS * DAY
        return json.dumps(
            {
                "incidents": {str(day): counts for day, counts in self.incidents.items() if day >= oldest},
                "requests": {str(day): number for day, number in self.requests.items() if day >= oldest},
                "counted_until": self.counted_until,
            },
            separators=(",", ":"),
        )


def day_of(at: Instant) -> Instant:
    """The beginning of the day, UTC."""
    return at - at % DAY


def read_history(noted: str | None) -> History:
    """Read what `History.encode` wrote; an empty one where there is nothing that can be read."""
    try:
        told = json.loads(noted or "{}")
        return History(
            {
                int(day): {str(event): int(number) for event, number in counts.items()}
                for day, counts in told.get("incidents", {}).items()
            },
            {int(day): int(number) for day, number in told.get("requests", {}).items()},
            int(told.get("counted_until", 0)),
        )
    except (AttributeError, TypeError, ValueError):
        return History()
