"""What a sweep asks of the catalog for every page: which of the documents named are held just so.

It is part of `ports.catalog.View`. Nearly every document of nearly every page is as it was, and for those no
value needs to be made of what is held.
"""

from collections.abc import Sequence
from typing import Protocol

from ipsync.policy.documents import ListedDocument
from ipsync.policy.instants import Instant


class ComparisonView(Protocol):
    """The question of a sweep."""

    def unchanged(
        self, account_id: int, listed: Sequence[ListedDocument], sent_at: Instant, verified_after: Instant
    ) -> set[int]:
        """The ids of those listed documents that need a renewal and nothing else.

        They are this account's and LIVE with exactly these facts, no file of theirs is WANTED or FAILED, they were
        verified after `verified_after` but not after `sent_at`, and an absence is older than `sent_at`.

        Args:
            account_id: whose listing it is.
            listed: what the page names, each document once.
            sent_at: when the page was asked for.
            verified_after: an older verification cannot be renewed any more.
        """
        ...
