"""Sealing: keep hidden copies beyond the deadline while ipernity answers nobody (`removal.unverified = "seal"`).

This gives up the promise for as long as it lasts: what an owner removes during an outage is hidden in time, and stored
longer than W. So it is never the default, it reaches only what nobody could verify because nobody was answered, and it
ends by itself: by a verification, by a removal, or at `removal.seal_max`. The promise of the other documents holds.
"""

from dataclasses import dataclass, replace

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease


@dataclass(frozen=True, slots=True)
class Outage:
    """Since when ipernity answered nobody; kept across restarts.

    Attributes:
        since: when the first question stayed unanswered, or None if none ever did.
        ended_at: when the next answer came, or None while none has.
    """

    since: Instant | None = None
    ended_at: Instant | None = None

    @property
    def lasts(self) -> bool:
        """Whether nobody is answered now, as far as is known."""
        return self.since is not None and self.ended_at is None

    def encode(self) -> str:
        """Write it as one word to remember."""
        return " ".join(str(at) for at in (self.since, self.ended_at) if at is not None)

    @classmethod
    def decode(cls, text: str | None) -> "Outage":
        """Read it back; what cannot be read is no outage, so that nothing is sealed for it."""
        try:
            return cls(*(int(word) for word in (text or "").split()))
        except (ValueError, TypeError):
            return cls()


@dataclass(frozen=True, slots=True)
class Reached:
    """What one process has seen of ipernity's answers since it began.

    Attributes:
        answered_at: the newest answer, or None.
        unanswered_since: the first question after it that stayed unanswered, or None.
    """

    answered_at: Instant | None = None
    unanswered_since: Instant | None = None


def brought_up_to_date(known: Outage, reached: Reached) -> Outage:
    """The outage that is on record, and what was seen since.

    Args:
        known: on record.
        reached: seen by this process.
    """
    answered_at, since = reached.answered_at, reached.unanswered_since
    if known.lasts and answered_at is not None and answered_at > (known.since or 0):
        known = replace(known, ended_at=answered_at)
    if since is not None and not known.lasts:
        known = Outage(since)
    return known


def may_seal(document: Document, account: AccountState | None, outage: Outage, lease: Lease) -> bool:
    """Whether a copy that reached its deadline is sealed instead of erased.

    Only where nobody could verify it since nobody was answered: the account is read, nothing was ever said against the
    document, and the outage began before its lease ran out. A suspicion, a doubted grant, a paused account, a spent
    budget or a refused key seal nothing.

    Args:
        document: that must be erased otherwise.
        account: the state of its account.
        outage: whether ipernity answers anybody.
        lease: the thresholds.
    """
    if lease.seal_max is None or account is not AccountState.ACTIVE or not outage.lasts:
        return False
    if document.state not in (DocumentState.LIVE, DocumentState.STALE):
        return False
    return (outage.since or 0) <= lease.serve_until(document.verified_at)


def sealed(document: Document, now: Instant) -> Document:
    """The document as SEALED: hidden, and kept."""
    hidden_at = document.hidden_at if document.hidden_at is not None else now
    return replace(document, state=DocumentState.SEALED, hidden_at=hidden_at)


def sealed_until(document: Document, lease: Lease) -> Instant | None:
    """By when a sealed copy is erased unless it is verified before; None for one that is not sealed."""
    if document.state is not DocumentState.SEALED:
        return None
    return lease.erase_by(document.verified_at) + lease.sealed_grace


def is_seal_broken(account: AccountState | None, outage: Outage, lease: Lease, now: Instant) -> bool:
    """Whether the sealed copies of an account go now, though their time is not up.

    They are kept for the sake of answers to come. Where the account is not read any more none will; and ten hours
    after the outage ended whatever is still permitted has been verified.

    Args:
        account: its state.
        outage: whether ipernity answers anybody, or since when it does again.
        lease: the thresholds.
        now: the lease clock.
    """
    if lease.seal_max is None or account not in (AccountState.ACTIVE, AccountState.DOUBTED):
        return True
    return outage.ended_at is not None and now - outage.ended_at >= lease.recheck_age
