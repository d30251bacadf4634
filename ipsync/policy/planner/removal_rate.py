"""How often documents of a listing go: an estimate that forgets (design §4, Λ).

Only what is confirmed counts: a page that shifted while it was read teaches nothing. Counts and hours of watching
both fade with one half-life, so that the estimate follows an owner's habits. Before anything was seen it is what
documents of all listings do on average.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

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
"""An owner who takes away an album has decided once: together they count like so many, however many they are."""


@dataclass(frozen=True, slots=True)
class RemovalRate:
    """What was seen of one listing.

    Attributes:
        removals: confirmed, faded to `at`.
        hours: watched, faded to `at`.
        at: the instant up to which it was watched, or None before the first answer.
    """

    removals: float = 0.0
    hours: float = 0.0
    at: Instant | None = None

    def watched(self, now: Instant) -> "RemovalRate":
        """An answer came at `now`: what goes from now on will be seen.

        Args:
            now: the lease clock; an earlier instant than the last adds no hours.
        """
        if self.at is None:
            return replace(self, at=now)
        passed = max(0, now - self.at)
        kept = 0.5 ** (passed / HALF_LIFE)
        hours = (1 - kept) * (HALF_LIFE / HOUR) / math.log(2)
        return RemovalRate(self.removals * kept, self.hours * kept + hours, self.at + passed)

    def confirmed(self, removals: int = 1, together: int = 1) -> "RemovalRate":
        """Documents are confirmed to have gone.

        Args:
            removals: how many.
            together: how many were found missing by the same answer, these among them.
        """
        counted = removals * min(1.0, MOST_AT_ONCE / together)
        return replace(self, removals=self.removals + counted)

    def per_hour(self, documents: int, per_document_hour: float = USUAL_PER_DOCUMENT_HOUR) -> float:
        """Λ, removals an hour to be expected.

        Args:
            documents: how many the listing has.
            per_document_hour: what documents of all listings do (see `pooled`).
        """
        return (self.removals + PRIOR_REMOVALS) / (self.hours + _prior_hours(documents, per_document_hour))

    def is_learned(self, documents: int, per_document_hour: float = USUAL_PER_DOCUMENT_HOUR) -> bool:
        """Whether the listing's own history counts more than that of all listings.

        Args:
            documents: how many the listing has.
            per_document_hour: what documents of all listings do (see `pooled`).
        """
        return self.removals > PRIOR_REMOVALS or self.hours > _prior_hours(documents, per_document_hour)


def _prior_hours(documents: int, per_document_hour: float) -> float:
    """In how many hours a usual listing loses PRIOR_REMOVALS."""
    return PRIOR_REMOVALS / (max(1, documents) * per_document_hour)


def pooled(listings: Iterable[tuple[RemovalRate, int]]) -> float:
    """A document's hourly chance to go, by the history of all listings (each with its documents)."""
    removals, document_hours = POOL_PRIOR_REMOVALS, POOL_PRIOR_REMOVALS / USUAL_PER_DOCUMENT_HOUR
    for rate, documents in listings:
        removals += rate.removals
        document_hours += rate.hours * max(1, documents)
    return removals / document_hours
