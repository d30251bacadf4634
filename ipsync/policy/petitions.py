"""Petitions: somebody asks to have a document removed, and has not shown that it is theirs (T11, design §3).

Nobody's word alone takes a member's photo away at once, and nobody's silence keeps it longer than the law lets an
owner wait. So the operator decides; where they have not when a copy without a verification would be hidden as well
(20/24 of the window), the petition is complied with as if the owner had asked. Who is wronged by that
can have the request withdrawn: a copy can be fetched again, what was shown cannot be taken back.
"""

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.requests import Subject, deadline, words_kept_for

WAITING_MOST = 500
"""Petitions that may wait for the operator at once; more are a flood, not owners."""

_TOKEN_BYTES = 24


class Outcome(StrEnum):
    """How a petition ended."""

    GRANTED = "granted"  # the operator agreed
    DECLINED = "declined"  # the operator did not
    UNANSWERED = "unanswered"  # nobody decided in time: complied with
    ABSENT = "absent"  # nothing of it was held when it was decided


@dataclass(frozen=True, slots=True)
class Petition:
    """One petition. It holds no content and no word of who asked.

    Attributes:
        subject: the document it names, with its owner as far as anybody knows.
        received_at: when it was taken in.
        decide_by: when it is complied with if nobody has decided.
        digest: of the token that shows how it went; the token itself is kept nowhere.
        petition_id: 0 until the catalog gave it a number.
        outcome: None while it waits.
        decided_at: when it ended, or None.
        request_id: of the removal request that it became, or 0.
    """

    subject: Subject
    received_at: Instant
    decide_by: Instant
    digest: bytes = field(repr=False)
    petition_id: int = 0
    outcome: Outcome | None = None
    decided_at: Instant | None = None
    request_id: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is still to be decided."""
        return self.outcome is None


def new_petition(subject: Subject, token: str, now: Instant, lease: Lease) -> Petition:
    """A petition that came now.

    Args:
        subject: what it names.
        token: as `new_token` made it.
        now: the lease clock.
        lease: the thresholds.
    """
    return Petition(subject, now, decide_by=now + lease.serve_age, digest=digest_of(token))


def erase_by(petition: Petition, lease: Lease) -> Instant:
    """The law's instant: whoever asked may have been the owner, so it counts from when they did (T11)."""
    return deadline(petition.received_at, lease)


def is_due(petition: Petition, now: Instant) -> bool:
    """Whether it is complied with now because nobody decided."""
    return petition.waits and now >= petition.decide_by


def decided(petition: Petition, outcome: Outcome, now: Instant, request_id: int = 0) -> Petition:
    """The petition as it is after it was decided. One that is decided already stays as it is."""
    return replace(petition, outcome=outcome, decided_at=now, request_id=request_id) if petition.waits else petition


def words_of_petition_kept_for(lease: Lease) -> Duration:
    """How long contact and note are kept after the decision: as long as those of a request."""
    return words_kept_for(lease)


def new_token() -> str:
    """What opens the page that tells how a petition goes: 192 random bits, fit for an address."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> bytes:
    """What is kept of a token. It is random and long, so that no key is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
