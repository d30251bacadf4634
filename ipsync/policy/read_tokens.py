"""Read tokens: what an application that holds one may read, and until when. Pure; `now` is an argument.

The text of a token is known to its holder alone. What is kept is a keyed digest, by which it is recognized.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from ipsync.policy.instants import DAY, Instant

PREFIX = "ips_"
"""What every read token begins with, so that one that got into a place where it must not be is found there."""

_NAME = re.compile(r"[\w][\w .:/@'+-]{0,63}")


class TokenScope(StrEnum):
    """What a read token opens."""

    DOCUMENTS = "documents"  # documents and accounts: texts and facts
    MEDIA = "media"  # the files
    CHANGES = "changes"  # what appeared, changed, was hidden or is gone


class Standing(StrEnum):
    """Whether a token opens anything now."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ReadToken:
    """A token that was given to an application.

    Attributes:
        token_id: counted by the catalog; 0 before it is known there.
        name: whom it was given to, in the operator's words; unique among those that are valid.
        scopes: what it opens.
        account_id: only what this member shares; None for all.
        expires_at: it opens nothing from this instant on; None for never.
        revoked_at: when the operator took it back, or None.
        used_on: the first moment, UTC, of the newest day on which it was used; None for never. No finer, since
            nobody needs to know more.
    """

    token_id: int
    name: str
    scopes: frozenset[TokenScope]
    account_id: int | None
    created_at: Instant
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    used_on: Instant | None = None

    def standing(self, now: Instant) -> Standing:
        """Whether it opens anything at `now`."""
        if self.revoked_at is not None:
            return Standing.REVOKED
        if self.expires_at is not None and now >= self.expires_at:
            return Standing.EXPIRED
        return Standing.VALID


def new_read_token(
    name: str, scopes: Collection[TokenScope], account_id: int | None, expires_at: Instant | None, now: Instant
) -> ReadToken:
    """Check what a token shall be.

    Args:
        name: 1 to 64 letters, digits, spaces and `_.:/@'+-`, beginning with a letter or digit.
        scopes: at least one.
        account_id: of the only member whose documents it opens, or None.
        expires_at: in the future, or None.
        now: when it is made.

    Raises:
        ValueError: something of it cannot be; the message says what would do.
    """
    if not _NAME.fullmatch(name) or name != name.strip():
        raise ValueError(
            "a token's name is 1 to 64 letters, digits, spaces and _ . : / @ ' + -, beginning with a letter or digit"
        )
    if not scopes:
        raise ValueError(f"a token without a scope opens nothing; the scopes are {', '.join(TokenScope)}")
    if expires_at is not None and expires_at <= now:
        raise ValueError("a token must end in the future")
    return ReadToken(0, name, frozenset(scopes), account_id, now, expires_at)


def day_of(instant: Instant) -> Instant:
    """The first moment of the day, UTC, in which `instant` lies."""
    return instant - instant % DAY
