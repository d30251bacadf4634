"""Petitions: what the catalog keeps of those who ask without proof (T11). Part of `View` and `Transaction`."""

from collections.abc import Collection
from typing import Protocol

from ipsync.policy.instants import Instant
from ipsync.policy.petitions import Petition
from ipsync.policy.requests import Words


class PetitionView(Protocol):
    """The questions about petitions."""

    def petition(self, petition_id: int) -> Petition | None:
        """One petition."""
        ...

    def petition_of(self, digest: bytes) -> Petition | None:
        """The petition whose token has this digest."""
        ...

    def petitions(self, *, waiting_only: bool = False, after: int = 0, limit: int = 1000) -> list[Petition]:
        """Petitions with numbers above `after`, by number."""
        ...

    def waiting_petitions(self) -> int:
        """How many wait to be decided."""
        ...

    def petition_words(self, petition_ids: Collection[int]) -> dict[int, Words]:
        """What is still kept of contacts and notes, by petition."""
        ...


class PetitionChanges(PetitionView, Protocol):
    """The changes to petitions."""

    def put_petition(self, petition: Petition, words: Words | None = None) -> int:
        """Insert (number 0: the catalog numbers it) or replace by number. Returns its number.

        Args:
            petition: as it shall be.
            words: what was told beside it; None leaves what is there.
        """
        ...

    def forget_petition_words(self, decided_before: Instant) -> int:
        """Erase contact and note of petitions decided before this. Returns of how many."""
        ...
