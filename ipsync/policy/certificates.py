"""Completeness certificates: on what grounds a sweep said that documents are missing (design §4, §6).

A listing is the weakest witness there is: it says nothing about what it does not name. So each batch of
removals that an absence produced keeps what was read, how much of it, and when; never what it said.
"""

from dataclasses import dataclass

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import Instant


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was read before a batch of documents was called missing.

    Attributes:
        certificate_id: 0 until the catalog gave it a number.
        first_sent_at: when the first page was asked for; who is missing was not named since then.
        last_sent_at: when the last page was asked for.
        pages: pages read and understood.
        pages_claimed: pages the listing said it has; more than `pages` where it ended with an empty one.
        total: documents the listing claimed on its last page; never a verification (F16).
        named: entries on all pages together, a document that two pages name counted twice.
        distinct: mirrored documents that these pages verified, each counted once.
        held: documents of the account that were held and not doomed, before.
        missing: those of them that were hidden for this.
        first_removal: the removals that arose are the account's from this number...
        last_removal: ...to this one.
    """

    account_id: int
    visibility: Visibility
    first_sent_at: Instant
    last_sent_at: Instant
    pages: int
    pages_claimed: int
    total: int
    named: int
    distinct: int
    held: int
    missing: int
    first_removal: int = 0
    last_removal: int = 0
    certificate_id: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether the pages named at least as many documents as the listing claimed."""
        return self.pages >= self.pages_claimed and self.named >= self.total


def evidence(pages: int, total: int, distinct: int) -> str:
    """The certificate in one line, for each removal of the batch and its entry in the ledger; no content.

    Args:
        pages: pages read.
        total: documents the listing claimed.
        distinct: documents they verified.
    """
    return f"pages={pages} total={total} distinct={distinct}"
