"""How often documents of a listing go: an estimate that forgets (design §4, Λ).

Counts and hours of watching both fade with one half-life, so that the estimate follows an owner's habits.
Before anything was seen it is what documents of all listings do on average.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ipsync.policy.instants import DAY, HOUR, Duration, Instant

HALF_LIFE: Duration = 30 * DAY
"""What was seen this long ago counts half."""

USUAL_PER_DOCUMENT_HOUR = 3e-6
"""What a document's hourly chance to go is taken for before anything was seen: one in forty a year."""

PRIOR_REMOVALS = 0.5
"""How much the average of all listings counts against a listing's own history, in removals."""

POOL_PRIOR_REMOVALS = 2.0
"""How much USUAL_PER_DOCUMENT_HOUR counts against the history of all listings, in removals."""

MOST_AT_ONCE = 10
"""An owner who takes away an album has decided once: more removals than this at one time say no more."""


@dataclass(frozen=True, slots=True)
class RemovalRate:
    """What was seen of one listing.

    Attributes:
        removals: seen, faded to `at`.
        hours: watched, faded to `at`.
        at: the instant up to which it was watched, or None before the first answer.
    """

    removals: float = 0.0
    hours: float = 0.0
    at: Instant | None = None

    def observed(self, removals: int, now: Instant) -> "RemovalRate":
        """Add what an answer at `now` told: so many documents had gone since the one before.

        Args:
            removals: documents found missing.
            now: the lease clock; an earlier instant than the last adds no hours.
        """
        if self.at is None:
            return RemovalRate(0.0, 0.0, now)
        passed = max(0, now - self.at)
        kept = 0.5 ** (passed / HALF_LIFE)
        watched = (1 - kept) * (HALF_LIFE / HOUR) / math.log(2)
        return RemovalRate(
            self.removals * kept + min(removals, MOST_AT_ONCE), self.hours * kept + watched, max(now, self.at)
        )

    def per_hour(self, documents: int, per_document_hour: float = USUAL_PER_DOCUMENT_HOUR) -> float:
        """Λ, removals an hour to be expected.

        Args:
            documents: how many the listing has.
            per_document_hour: what documents of all listings do (see `pooled`).
        """
        usual = max(1, documents) * per_document_hour
        return (self.removals + PRIOR_REMOVALS) / (self.hours + PRIOR_REMOVALS / usual)


def pooled(listings: Iterable[tuple[RemovalRate, int]]) -> float:
    """A document's hourly chance to go, by the history of all listings (each with its documents)."""
    removals, document_hours = POOL_PRIOR_REMOVALS, POOL_PRIOR_REMOVALS / USUAL_PER_DOCUMENT_HOUR
    for rate, documents in listings:
        removals += rate.removals
        document_hours += rate.hours * max(1, documents)
    return removals / document_hours
