"""What the catalog keeps of plans: knowledge of listings and pages, from which the planner is built anew."""

from collections.abc import Collection, Iterable
from typing import Protocol

from ipsync.policy.instants import Instant
from ipsync.policy.planner import HeldDocument, ListingKey, ListingKnowledge, PageKnowledge
from ipsync.policy.planner.removal_rate import RemovalRate


class PlanView(Protocol):
    """The questions about plans."""

    def listing_plans(self) -> dict[ListingKey, ListingKnowledge]:
        """What planning knows of every listing."""
        ...

    def listing_plan(self, key: ListingKey) -> ListingKnowledge | None:
        """What planning knows of one listing."""
        ...

    def removal_rates(self, since: Instant) -> dict[ListingKey, RemovalRate]:
        """How often documents go, of the listings that were watched or lost something at `since` or later."""
        ...

    def page_plans(self, key: ListingKey) -> list[PageKnowledge]:
        """What planning knows of the pages of a listing, by page."""
        ...

    def pages_read(self) -> dict[ListingKey, int]:
        """How many pages of each listing were read: what is known, and not only claimed, to be there."""
        ...

    def page_plan(self, key: ListingKey, page: int) -> PageKnowledge | None:
        """What planning knows of one page."""
        ...

    def documents_posted(
        self, key: ListingKey, oldest: Instant, newest: Instant, before: Instant
    ) -> list[HeldDocument]:
        """LIVE, STALE and SEALED documents of a listing, posted from `oldest` to `newest`, verified before `before`."""
        ...


class PlanChanges(Protocol):
    """The changes to plans."""

    def put_listing_plan(self, listing: ListingKnowledge) -> None:
        """Insert or replace by its key."""
        ...

    def put_page_plans(self, key: ListingKey, pages: Iterable[PageKnowledge]) -> None:
        """Insert or replace by key and page."""
        ...

    def drop_page_plans_after(self, key: ListingKey, page: int) -> None:
        """Forget pages beyond `page`."""
        ...

    def drop_plans(self, keys: Collection[ListingKey]) -> None:
        """Forget listings with their pages."""
        ...
