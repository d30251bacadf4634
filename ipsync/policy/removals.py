"""Why something must go, how far its removal is, and by when it must be done (design §2, §6).

A removal is an obligation with a deadline, a row and not a timer: a lost tick or a restart loses nothing.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from ipsync.policy.instants import Instant


class Reason(StrEnum):
    """Why a removal exists; the label of `ipsync_removals_total`."""

    UNSHARED = "unshared"
    DELETED = "deleted"
    RELICENSED = "relicensed"
    REPLACED = "replaced"
    GRANT_LOST = "grant-lost"
    ACCOUNT_CLOSED = "account-closed"
    OWNER_REQUEST = "owner-request"
    EXPIRED = "expired"
    POLICY_CHANGE = "policy-change"
    LEAVE = "leave"  # the operator ended the use of the API (T24)
    DRILL = "drill"  # a rehearsal: our own source answered as if the owner had taken it back


OWN_REASONS = frozenset({Reason.OWNER_REQUEST, Reason.EXPIRED, Reason.POLICY_CHANGE, Reason.LEAVE})
"""Reasons that arise here and now, so that no earlier instant was unsafe."""


class Stage(StrEnum):
    """How far a removal is. Each step may be repeated; the order is design §6."""

    SUSPECTED = "suspected"  # hidden, waiting for ipernity's word or the deadline
    CONFIRMED = "confirmed"  # must be erased
    INTENDED = "intended"  # the intent is on record: from here only forward
    ERASED = "erased"  # bytes unlinked, absence seen, text overwritten; the log's truncation is awaited
    GONE = "gone"  # nothing of it is left but the tombstone
    WITHDRAWN = "withdrawn"  # a false alarm: ipernity named the document again


OPEN_STAGES = (Stage.SUSPECTED, Stage.CONFIRMED, Stage.INTENDED, Stage.ERASED)


class Scope(StrEnum):
    """How much goes: the document with everything known of it, or only some of its files."""

    DOCUMENT = "document"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Removal:
    """One obligation to erase.

    Attributes:
        removal_id: 0 until the catalog gave it a number.
        renditions: for Scope.FILES, which; for Scope.DOCUMENT empty, meaning all.
        first_unsafe_at: the earliest instant at which the owner can have withdrawn it, i.e. the last verification.
        detected_at: when we learned or suspected it (send time of the telling request where there is one).
        hidden_at: since when it is not served.
        erase_from: when a suspicion stops waiting for confirmation (22/24 W).
        erase_by: the law's instant (W).
        confirmed_at: when it became certain, or None.
        gone_at: when the last step was done, or None.
        certificate: evidence without content, e.g. "pages=4 total=310 distinct=310" or "doc.get error 1".
        next_try_at: a removal that failed waits until then; the deadline does not.
    """

    document_id: int
    account_id: int
    reason: Reason
    stage: Stage
    scope: Scope
    first_unsafe_at: Instant
    detected_at: Instant
    hidden_at: Instant
    erase_from: Instant
    erase_by: Instant
    removal_id: int = 0
    renditions: tuple[str, ...] = ()
    confirmed_at: Instant | None = None
    gone_at: Instant | None = None
    files_erased: int = 0
    bytes_erased: int = 0
    attempts: int = 0
    next_try_at: Instant = 0
    certificate: str = field(default="")


def is_due(removal: Removal, now: Instant) -> bool:
    """Whether the purge worker must act on it at `now`.

    A suspicion waits for confirmation, but never past `erase_from`: at the deadline we erase
    regardless (I2). Anything confirmed is due at once unless its last try failed a moment ago, and
    the deadline outranks that pause too. What is ERASED waits for the log only.
    """
    if removal.stage in (Stage.ERASED, Stage.GONE, Stage.WITHDRAWN):
        return False
    if now >= removal.erase_from:
        return True
    return removal.stage is not Stage.SUSPECTED and now >= removal.next_try_at


DEADLINE = "deadline"
"""The evidence where nobody confirmed: time was up."""

SEALED = "sealed"
"""Joins the evidence where a copy was kept beyond the law's time by `removal.unverified = "seal"`."""


def confirmed(removal: Removal, now: Instant, evidence: str, reason: Reason | None = None) -> Removal:
    """A suspicion that has become certain, to be erased at once.

    Args:
        removal: SUSPECTED.
        now: the lease clock.
        evidence: what made it certain, without content; it joins what is there.
        reason: where the evidence tells it better than the suspicion did.
    """
    return replace(
        removal,
        reason=removal.reason if reason is None else reason,
        stage=Stage.CONFIRMED,
        confirmed_at=now,
        attempts=0,
        next_try_at=0,
        certificate=f"{removal.certificate}; {evidence}" if removal.certificate else evidence,
    )


def is_breach(removal: Removal, gone_at: Instant) -> bool:
    """Whether the promise was broken: erased later than the law allows."""
    return gone_at > removal.erase_by
