"""What the catalog keeps of read tokens: everything but the tokens themselves."""

from typing import Protocol

from ipsync.policy.instants import Instant
from ipsync.policy.read_tokens import ReadToken


class ReadTokenView(Protocol):
    """The questions about read tokens."""

    def read_tokens(self) -> list[ReadToken]:
        """All that were ever given, by number; revoked and expired ones too."""
        ...

    def read_token_of(self, text: str) -> ReadToken | None:
        """The one that is recognized by its text, valid or not; None when it is none of ours."""
        ...


class ReadTokenChanges(Protocol):
    """The changes to read tokens."""

    def add_read_token(self, token: ReadToken, text: str) -> int:
        """Keep a new one with the keyed digest of its text; returns its number."""
        ...

    def revoke_read_token(self, token_id: int, now: Instant) -> None:
        """Take it back; one that is revoked already keeps its instant."""
        ...

    def note_read_token_used(self, token_id: int, day: Instant) -> None:
        """Remember the newest day on which it was used."""
        ...
