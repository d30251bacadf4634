"""What the catalog keeps of absences: what was read before documents were called missing, and tripwires."""

from collections.abc import Collection, Sequence
from typing import Protocol

from ipsync.policy.certificates import Certificate
from ipsync.policy.documents import Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Removal
from ipsync.policy.tripwire import Outcome, Tripwire


class AbsenceView(Protocol):
    """The questions about absences."""

    def certificates(
        self, *, account_id: int | None = None, before: int | None = None, limit: int
    ) -> list[Certificate]:
        """Up to `limit` certificates with numbers below `before`, the newest first."""
        ...

    def certificates_of(self, removals: Collection[Removal]) -> dict[int, Certificate]:
        """By number of the removal, what was read before it arose; removals of other origin are left out."""
        ...

    def tripwires(
        self, *, account_id: int | None = None, active_only: bool = True, limit: int = 1000
    ) -> list[Tripwire]:
        """Up to `limit` tripwires, the newest first."""
        ...

    def outcome_of(self, tripwire: Tripwire) -> Outcome:
        """What became of the suspicions of a tripwire."""
        ...

    def open_suspicions(self, account_id: int, after: int) -> int:
        """How many SUSPECTED removals of an account have numbers above `after`."""
        ...

    def suspicions_at(self, account_id: int, places: Sequence[int]) -> list[Removal]:
        """For each of these numbers, the account's next SUSPECTED removal from there on; each once."""
        ...

    def held_documents(self, account_id: int) -> int:
        """How many documents of an account are held and not DOOMED."""
        ...

    def verified_documents(self, account_id: int, visibility: Visibility, since: Instant) -> int:
        """How many LIVE documents of a listing were verified at `since` or later."""
        ...

    def newest_removal(self) -> int:
        """The number of the newest removal of all, 0 when there is none."""
        ...


class AbsenceChanges(Protocol):
    """The changes that absences make, and what is kept of them."""

    def suspect_unnamed(
        self,
        account_id: int,
        visibility: Visibility,
        before: Instant,
        sent_at: Instant,
        now: Instant,
        lease: Lease,
        certificate: str,
    ) -> int:
        """Hide and suspect what a complete sweep did not name, in a few statements, as `policy.sweeping.suspect` says.

        Args:
            account_id: whose listing it is.
            visibility: its privacy level, as the catalog knows it of each document.
            before: LIVE and STALE documents verified before this were not named.
            sent_at: the send time of the request that completed the sweep.
            now: the lease clock.
            lease: the thresholds.
            certificate: the evidence, without content.

        Returns:
            How many documents were hidden.
        """
        ...

    def add_certificate(self, certificate: Certificate) -> int:
        """Keep a certificate for good; returns its number."""
        ...

    def put_tripwire(self, tripwire: Tripwire) -> int:
        """Insert a tripwire without a number, or replace the one of that number; returns the number."""
        ...
