"""What is promised, in hours, and how it is told that a promise was broken: for everybody who judges a story."""

from ipsync.policy.instants import HOUR, MINUTE, SECOND, Duration, Instant

LAW: Duration = 24 * HOUR
SERVED_FOR: Duration = 20 * HOUR
ERASED_AT: Duration = 22 * HOUR
GONE_AT: Duration = 23 * HOUR
NOTICED_IN: Duration = 12 * HOUR
"""While nothing fails, what was taken away is noticed by then: the longest period of a listing is 10 hours."""
WAKING: Duration = 2 * MINUTE
"""After a sleep of the machine: ages are judged once a minute, and what is due is erased twice a minute (F8)."""

REMEMBERED = 8 * 24 * HOUR
"""How long plans remember the lowest rate that ipernity allowed: a week, by whole days."""
KNOWN_AFTER: Duration = MINUTE
"""What an answer said is durable by then, if the process lives."""

ASKED_AWAY_GRACE: Duration = SECOND
NEVER: Instant = -(1 << 60)


class Broken(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        self.invariant = invariant
        super().__init__(f"{invariant}: {what}")


def hours(duration: Duration) -> str:
    """A duration for people."""
    return f"{duration / HOUR:.2f} h"
