"""The verification lease: how long an answer of ipernity lets us serve and keep a document (design §3).

All thresholds are fractions of one law, `removal.window` (W = 24 h, T10/T11), so that a test may
run with W = 30 s. Nothing here reads a clock: `now` is the lease clock of `ports.clock`, which never
runs backwards.
"""

from dataclasses import dataclass
from enum import Enum

from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.instants import Duration, Instant

_PARTS = 24


@dataclass(frozen=True, slots=True)
class Lease:
    """The ages, in microseconds, at which a copy must be re-checked, hidden, erased.

    Attributes:
        window: W, the law: nothing is stored longer after its owner removed it.
        seal_max: the longest that a sealed copy is kept, hidden, beyond the law if need be (`policy.sealing`); None
            where nothing is ever sealed.
    """

    window: Duration
    seal_max: Duration | None = None

    def __post_init__(self) -> None:
        """Refuse a window in which the thresholds would fall together."""
        if self.window < _PARTS:
            raise ValueError(f"a lease window of {self.window} µs is too short")

    @property
    def recheck_age(self) -> Duration:
        """By this age the next verification is planned (10/24 W)."""
        return self.window * 10 // _PARTS

    @property
    def serve_age(self) -> Duration:
        """S: at this age a copy is no longer served (20/24 W)."""
        return self.window * 20 // _PARTS

    @property
    def erase_age(self) -> Duration:
        """At this age erasing starts and cannot be called back (22/24 W)."""
        return self.window * 22 // _PARTS

    @property
    def gone_age(self) -> Duration:
        """By this age erasing is done (23/24 W)."""
        return self.window * 23 // _PARTS

    @property
    def sealed_grace(self) -> Duration:
        """How much later than others a sealed copy is erased; 0 where nothing is ever sealed."""
        return 0 if self.seal_max is None else max(0, self.seal_max - self.window)

    def grace(self, state: DocumentState) -> Duration:
        """How much later than others a copy in this state is erased."""
        return self.sealed_grace if state is DocumentState.SEALED else 0

    def serve_until(self, verified_at: Instant) -> Instant:
        """The instant from which a copy verified at `verified_at` is hidden."""
        return verified_at + self.serve_age

    def erase_from(self, verified_at: Instant) -> Instant:
        """The instant from which a copy verified at `verified_at` is being erased."""
        return verified_at + self.erase_age

    def erase_by(self, verified_at: Instant) -> Instant:
        """The law: the last instant at which bytes verified at `verified_at` may exist."""
        return verified_at + self.window

    def holds(self, verified_at: Instant, now: Instant) -> bool:
        """Whether a copy verified at `verified_at` may be served at `now` (I1: strictly younger than S).

        A verification from the future is a clock error and holds nothing.
        """
        return 0 <= now - verified_at < self.serve_age


class Standing(Enum):
    """What the age of a copy says about it, apart from what ipernity said."""

    FRESH = "fresh"
    STALE = "stale"
    OVERDUE = "overdue"


def standing(lease: Lease, verified_at: Instant, now: Instant) -> Standing:
    """Judge a copy by its age alone.

    Args:
        lease: the thresholds.
        verified_at: the send time of the newest verification.
        now: the lease clock.
    """
    age = now - verified_at
    if age >= lease.erase_age:
        return Standing.OVERDUE
    return Standing.FRESH if lease.holds(verified_at, now) else Standing.STALE


def may_serve(lease: Lease, document: Document, now: Instant) -> bool:
    """Whether a document may be shown at `now`: LIVE, and its lease holds. Asked on every answer."""
    return document.state is DocumentState.LIVE and lease.holds(document.verified_at, now)


def observation_applies(document: Document, sent_at: Instant) -> bool:
    """Whether an answer to a request sent at `sent_at` may renew this document (F17).

    A late answer to an early question is about a world that has passed: it applies only if it was
    sent after the newest absence, and never to a doomed document.
    """
    if document.state is DocumentState.DOOMED:
        return False
    return document.absent_at is None or sent_at > document.absent_at
