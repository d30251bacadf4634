"""Members who authorized the application, what they granted, and what that obliges us to (T12-T15)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import Instant

PERMISSION_LEVELS = ("none", "read", "write", "delete")
PERMISSION_AREAS = ("doc", "blog", "post", "network", "profile")


class AccountState(StrEnum):
    """Where an account stands. Only ACTIVE and PAUSED accounts are served, and only under their leases."""

    ACTIVE = "active"
    WAITING = "waiting"  # the budget does not carry it: not read, not served, copies are erased; the grant stays
    DOUBTED = "doubted"  # one answer said 107, 108 or closed: hidden at once, asked once more
    PAUSED = "paused"  # not read any more; leases run out and copies are erased at their deadline
    LOST = "lost"  # 107: the grant is gone; everything hidden, being erased
    CLOSED = "closed"  # 108 or is_closed: likewise
    REMOVED = "removed"  # taken out by the operator or the member; the record of consent stays


CONTENT_AREAS = {"documents": "doc", "albums": "doc", "folders": "doc", "articles": "blog", "profile": "profile"}
"""The area of permission that each word of `mirror.content` needs (T13)."""

SERVED_STATES = (AccountState.ACTIVE, AccountState.PAUSED)
MEANINGS: Mapping[AccountState, str] = {
    AccountState.ACTIVE: "it is read, and its documents are served",
    AccountState.WAITING: "the request budget does not carry it: nothing of it is read or kept until it fits",
    AccountState.DOUBTED: "ipernity refused its token once; everything is hidden until it is asked again",
    AccountState.PAUSED: "it is not read any more; its copies go when their leases run out",
    AccountState.LOST: "the member took the permission back; its copies are erased or being erased",
    AccountState.CLOSED: "the member's account is closed; its copies are erased or being erased",
    AccountState.REMOVED: "it was let go here; its copies are erased or being erased",
}
"""What each state means, in words."""
GRANTED_STATES = (AccountState.ACTIVE, AccountState.WAITING, AccountState.PAUSED, AccountState.DOUBTED)
"""States in which a token is held and asked after."""


@dataclass(frozen=True, slots=True)
class Account:
    """One member.

    Attributes:
        consent_epoch: counts authorizations; what was erased under one epoch may return under the next.
        checked_at: when the grant was last confirmed by ipernity.
        next_check_at: when it is asked for again.
        failure: the newest failure in words without content, "" when the last pass went well.
        failures: failed passes in a row.
    """

    account_id: int
    username: str
    realname: str
    state: AccountState
    consent_epoch: int
    added_at: Instant
    checked_at: Instant
    next_check_at: Instant
    failure: str = ""
    failures: int = 0
    retry_at: Instant = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """A member's token with what it permits. The token is held encrypted; here it is in clear, and hidden from repr."""

    account_id: int
    token: str = field(repr=False)
    permissions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Consent:
    """The lasting record that a member said yes, to what, and until when (kept after revocation).

    Attributes:
        fingerprint: keyed digest of the token; the token itself is forgotten when the grant ends.
        ended_reason: `replaced`, `grant-lost`, `account-closed`, `removed`, or "" while it holds.
    """

    account_id: int
    consent_epoch: int
    fingerprint: str
    permissions: Mapping[str, str]
    granted_at: Instant
    ended_at: Instant | None = None
    ended_reason: str = ""


def needed_permissions(content: Iterable[str], visibility: Iterable[Visibility]) -> dict[str, str]:
    """Derive what to ask a member for from what is mirrored: `read`, and only where it is used (T13).

    Args:
        content: the words of `mirror.content`.
        visibility: the privacy levels of `mirror.visibility`; even public documents need the
            owner's token, since `share` works for the caller's own documents only.
    """
    needed = {CONTENT_AREAS[word]: "read" for word in content}
    if tuple(visibility):
        needed.setdefault("doc", "read")
    return needed


def missing_permissions(granted: Mapping[str, str], needed: Mapping[str, str]) -> dict[str, str]:
    """What is needed and was not granted, by area."""
    return {area: level for area, level in needed.items() if _rank(granted.get(area)) < _rank(level)}


def excess_permissions(granted: Mapping[str, str], needed: Mapping[str, str]) -> dict[str, str]:
    """What was granted beyond need, by area; pointed out to operator and member (T13)."""
    return {area: level for area, level in granted.items() if _rank(level) > _rank(needed.get(area))}


def _rank(level: str | None) -> int:
    return PERMISSION_LEVELS.index(level) if level in PERMISSION_LEVELS else 0
