"""Webhooks: what is owed to an address that wants to be told of changes, how a message is signed, when it is tried.

The scheme of signatures is that of Standard Webhooks (version 1 of its specification), so that receivers find
libraries for it. Pure; `now` is an argument.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ipsync.policy.changes import Place
from ipsync.policy.instants import SECOND, Duration, Instant
from ipsync.policy.planning import next_try

SECRET_PREFIX = "whsec_"  # noqa: S105  # reason: what every secret begins with is none
SECRET_BYTES = 32
MOST = 20
"""How many webhooks there may be."""

FIRST_PAUSE_PARTS = 17_280
LONGEST_PAUSE_PARTS = 24
"""Pauses between tries, as parts of the window: from 5 seconds to an hour."""


class WebhookState(StrEnum):
    """Whether anything is sent."""

    ACTIVE = "active"
    ENDED = "ended"  # its receiver answered 410: it wants nothing more


class Trouble(StrEnum):
    """Why a delivery failed, in our own words."""

    UNREACHABLE = "it could not be reached"
    SLOW = "it took too long"
    CERTIFICATE = "it could not prove who it is"
    ADDRESS = "its name leads to an address that is not public"
    REDIRECT = "it answered with a redirection, which is not followed"
    BUSY = "it asked to be left alone for a while"
    REFUSED = "it refused the message"
    FAILED = "it answered with an error of its own"
    ENDED = "it answered 410: it wants nothing more"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One address that is told of changes, in their order.

    Attributes:
        webhook_id: counted by the catalog; 0 before it is known there.
        address: where to; it may hold a secret.
        secret: by which messages are signed; known to us and to the receiver.
        place: behind the last change that was delivered.
        delivered_at: when the last message was taken, or None.
        attempts: failed ones in a row.
        next_try_at: nothing is sent before.
        failed_at: when the newest failure was, or None; `trouble` says why.
    """

    webhook_id: int
    address: str = field(repr=False)
    secret: str = field(repr=False)
    state: WebhookState
    added_at: Instant
    place: Place = field(default_factory=Place)
    delivered_at: Instant | None = None
    attempts: int = 0
    next_try_at: Instant = 0
    failed_at: Instant | None = None
    trouble: Trouble | None = None

    def is_due(self, now: Instant) -> bool:
        """Whether something may be sent now."""
        return self.state is WebhookState.ACTIVE and now >= self.next_try_at

    def delivered(self, place: Place, now: Instant) -> "Webhook":
        """As it is when everything up to `place` was taken."""
        return replace(self, place=place, delivered_at=now, attempts=0, next_try_at=0, trouble=None)

    def failed(self, trouble: Trouble, now: Instant, window: Duration) -> "Webhook":
        """As it is after a delivery that failed: tried again later, or never."""
        attempts = self.attempts + 1
        later = next_try(now, attempts, window // FIRST_PAUSE_PARTS, window // LONGEST_PAUSE_PARTS)
        state = WebhookState.ENDED if trouble is Trouble.ENDED else self.state
        return replace(self, state=state, attempts=attempts, next_try_at=later, failed_at=now, trouble=trouble)


@dataclass(frozen=True, slots=True)
class Debt:
    """What a webhook is owed.

    Attributes:
        changes: how many on record it has not taken, before any is left out for a later one.
        oldest_at: when the oldest of them happened, or None.
    """

    changes: int
    oldest_at: Instant | None


def new_secret(random: bytes) -> str:
    """Write a secret as receivers' libraries read it.

    Args:
        random: `SECRET_BYTES` of them.
    """
    return SECRET_PREFIX + base64.b64encode(random).decode()


def message_id(webhook: Webhook, until: Place) -> str:
    """The name of a message: the same whenever the same changes are tried again, and of no other message.

    Args:
        webhook: whom it goes to.
        until: behind its last change.
    """
    parts = (webhook.webhook_id, webhook.added_at, *_parts(webhook.place), *_parts(until))
    return "msg_" + hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:32]


def _parts(place: Place) -> tuple[int, int, int]:
    return place.sequence, place.document_id, place.at


def signature(secret: str, identifier: str, timestamp_seconds: int, body: bytes) -> str:
    """Sign a message: HMAC-SHA256 over id, time and body, as `v1,<base64>`.

    Args:
        secret: `whsec_` and base64.
        identifier: of the message.
        timestamp_seconds: since the Unix epoch; receivers refuse what is old.
        body: as it is sent.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{identifier}.{timestamp_seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def headers_of(webhook: Webhook, identifier: str, body: bytes, now: Instant) -> dict[str, str]:
    """The headers of a message."""
    timestamp_seconds = now // SECOND
    return {
        "Content-Type": "application/json",
        "Webhook-Id": identifier,
        "Webhook-Timestamp": str(timestamp_seconds),
        "Webhook-Signature": signature(webhook.secret, identifier, timestamp_seconds, body),
    }
