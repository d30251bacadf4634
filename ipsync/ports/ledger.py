"""The tamper-evident record of removals, as part of the catalog: what may be asked of it, and the one way to add to it.

Nothing changes or takes away an entry: there is no method for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ipsync.policy.ledger import LedgerEntry, LedgerEvent, LedgerHead


@dataclass(frozen=True, slots=True)
class LedgerDifference:
    """Where removals and ledger disagree (I8).

    Attributes:
        removal_id: of the removal.
        sequence: of the entry that tells of it; None where a removal that is gone has no entry.
    """

    removal_id: int
    sequence: int | None


class LedgerView(Protocol):
    """The questions about the ledger."""

    def ledger_key(self) -> str:
        """The Ed25519 public key by which heads are signed, 64 hex digits."""
        ...

    def ledger_opening(self, kind: str, number: int) -> bytes:
        """What shows that a digest is that of this `document` or `account`: 32 bytes (`policy.ledger.digest_of`)."""
        ...

    def ledger_head(self) -> LedgerHead | None:
        """The newest signed head; None while the ledger has not begun."""
        ...

    def ledger_entries(self, after: int, limit: int) -> list[LedgerEntry]:
        """Up to `limit` entries behind sequence `after`, in their order."""
        ...

    def ledger_entries_of(
        self, *, document_id: int | None = None, account_id: int | None = None, limit: int = 1000
    ) -> list[LedgerEntry]:
        """Entries that tell of a document, or else of an account, in their order. The latter reads the whole ledger."""
        ...

    def ledger_since(self, at: int) -> int | None:
        """The sequence of the first entry at or after the instant `at`; reads the whole ledger."""
        ...

    def ledger_differences(self, limit: int) -> list[LedgerDifference]:
        """Where the removals that are gone since the ledger began and its entries disagree; reads all of both."""
        ...


class LedgerWriting(Protocol):
    """The one change to the ledger."""

    def append_ledger(self, events: Sequence[LedgerEvent]) -> None:
        """Append an entry for each event, and sign the new head. Begins the ledger if need be.

        A removal that has its entry gets no second one, so that a step may be repeated (I8, I11).
        """
        ...
