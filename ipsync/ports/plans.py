"""What the catalog keeps of plans: knowledge of listings and pages, from which the planner is built anew."""

from collections.abc import Collection, Iterable
from typing import Protocol

from ipsync.policy.instants import Instant
from ipsync.policy.planner import HeldDocument, ListingKey, ListingKnowledge, PageKnowledge


class PlanView(Protocol):
    """The questions about plans."""

    def listing_plans(self) -> dict[ListingKey, ListingKnowledge]:
        """What planning knows of every listing."""
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
