"""What planning knows of listings and pages, and the documents that a page should have named."""

from collections.abc import Collection, Iterable
from dataclasses import asdict

from sqlalchemy import bindparam, delete, func, select

from ipsync.catalog.failures import readable
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.plan_tables import ListingPlanRow, PagePlanRow
from ipsync.catalog.sqlite import by_index, one_of, unindexed, upsert
from ipsync.catalog.tables import METADATA, table
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.planner import HeldDocument, ListingKey, ListingKnowledge, PageKnowledge
from ipsync.policy.planner.removal_rate import RemovalRate

_LISTING = METADATA.tables[ListingPlanRow.__tablename__]
_PAGE = METADATA.tables[PagePlanRow.__tablename__]
_DOCUMENT = table("document")

_THIS_LISTING = (
    _LISTING.c.account_id == bindparam("of_account"),
    _LISTING.c.visibility == bindparam("of_visibility"),
)
_OF_LISTING = (_PAGE.c.account_id == bindparam("of_account"), _PAGE.c.visibility == bindparam("of_visibility"))
_LISTINGS = select(_LISTING)
_PAGES = select(_PAGE).where(*_OF_LISTING).order_by(_PAGE.c.page)
_ONE_PAGE = select(_PAGE).where(*_OF_LISTING, _PAGE.c.page == bindparam("number"))
_ONE_LISTING, _DROP_LISTING = select(_LISTING).where(*_THIS_LISTING), delete(_LISTING).where(*_THIS_LISTING)
_RATES = select(
    _LISTING.c.account_id, _LISTING.c.visibility, _LISTING.c.removals, _LISTING.c.watched_hours, _LISTING.c.watched_at
).where(_LISTING.c.watched_at >= bindparam("since"))
_PUT_LISTING, _PUT_PAGE = upsert(_LISTING), upsert(_PAGE)
_PAGES_READ = select(_PAGE.c.account_id, _PAGE.c.visibility, func.count().label("pages")).group_by(
    _PAGE.c.account_id, _PAGE.c.visibility
)
_DROP_PAGES = delete(_PAGE).where(*_OF_LISTING, _PAGE.c.page > bindparam("last"))
_MISSABLE = (DocumentState.LIVE.value, DocumentState.STALE.value, DocumentState.SEALED.value)
_POSTED = by_index(
    select(_DOCUMENT.c.document_id, _DOCUMENT.c.posted_at, _DOCUMENT.c.verified_at),
    _DOCUMENT,
    "document_by_posting",
).where(
    _DOCUMENT.c.account_id == bindparam("of_account"),
    _DOCUMENT.c.visibility == bindparam("of_visibility"),
    _DOCUMENT.c.posted_at.between(bindparam("oldest"), bindparam("newest")),
    one_of(unindexed(_DOCUMENT.c.state), _MISSABLE),
    unindexed(_DOCUMENT.c.verified_at) < bindparam("before"),
)


class PlanReading(Handle):
    """The questions about plans."""

    def listing_plans(self) -> dict[ListingKey, ListingKnowledge]:
        """What planning knows of every listing."""
        # A row that cannot be read is passed over: what it knew is learned again.
        found = readable(self._rows(_LISTINGS), _listing, lambda _row: None)
        return {listing.key: listing for listing in found if listing is not None}

    def listing_plan(self, key: ListingKey) -> ListingKnowledge | None:
        """What planning knows of one listing."""
        rows = self._rows(_ONE_LISTING, of_account=key.account_id, of_visibility=int(key.visibility))
        return next(iter(readable(rows, _listing, lambda _row: None)), None)

    def removal_rates(self, since: Instant) -> dict[ListingKey, RemovalRate]:
        """How often documents go, of the listings that were watched or lost something at `since` or later."""
        found = readable(self._rows(_RATES, since=since), _removal_rate, lambda _row: None)
        return dict(entry for entry in found if entry is not None)

    def page_plans(self, key: ListingKey) -> list[PageKnowledge]:
        """What planning knows of the pages of a listing, by page."""
        return [_page(row) for row in self._rows(_PAGES, of_account=key.account_id, of_visibility=int(key.visibility))]

    def pages_read(self) -> dict[ListingKey, int]:
        """How many pages of each listing were read: what is known, and not only claimed, to be there."""
        found = readable(self._rows(_PAGES_READ), _pages_read, lambda _row: None)
        return dict(entry for entry in found if entry is not None)

    def page_plan(self, key: ListingKey, page: int) -> PageKnowledge | None:
        """What planning knows of one page."""
        row = self._row(_ONE_PAGE, of_account=key.account_id, of_visibility=int(key.visibility), number=page)
        return None if row is None else _page(row)

    def documents_posted(
        self, key: ListingKey, oldest: Instant, newest: Instant, before: Instant
    ) -> list[HeldDocument]:
        """LIVE, STALE and SEALED documents of a listing, posted from `oldest` to `newest`, verified before `before`."""
        rows = self._rows(
            _POSTED,
            of_account=key.account_id,
            of_visibility=int(key.visibility),
            oldest=oldest,
            newest=newest,
            before=before,
        )
        return [HeldDocument(row.document_id, row.posted_at, row.verified_at) for row in rows]


class PlanWriting(PlanReading):
    """The changes to plans."""

    def put_listing_plan(self, listing: ListingKnowledge) -> None:
        """Insert or replace by its key."""
        rate = listing.removals
        self._do(
            _PUT_LISTING,
            account_id=listing.key.account_id,
            visibility=int(listing.key.visibility),
            total=listing.total,
            expected=listing.expected,
            pages=listing.pages,
            swept=int(listing.swept),
            removals=rate.removals,
            watched_hours=rate.hours,
            watched_at=rate.at,
            cycle_at=listing.cycle_at,
            cycle_page=listing.cycle_page,
            completed_at=listing.completed_at,
            disordered_at=listing.disordered_at,
            fruitless=listing.fruitless,
            quiet_until=listing.quiet_until,
        )

    def put_page_plans(self, key: ListingKey, pages: Iterable[PageKnowledge]) -> None:
        """Insert or replace by key and page."""
        account_id, visibility = key.account_id, int(key.visibility)
        for page in pages:
            self._do(_PUT_PAGE, account_id=account_id, visibility=visibility, **asdict(page))

    def drop_page_plans_after(self, key: ListingKey, page: int) -> None:
        """Forget pages beyond `page`."""
        self._do(_DROP_PAGES, of_account=key.account_id, of_visibility=int(key.visibility), last=page)

    def drop_plans(self, keys: Collection[ListingKey]) -> None:
        """Forget listings with their pages."""
        for key in keys:
            self.drop_page_plans_after(key, 0)
            self._do(_DROP_LISTING, of_account=key.account_id, of_visibility=int(key.visibility))


def _pages_read(row: AnyRow) -> tuple[ListingKey, int]:
    return ListingKey(row.account_id, Visibility(row.visibility)), int(row.pages)


def _removal_rate(row: AnyRow) -> tuple[ListingKey, RemovalRate] | None:
    key = ListingKey(row.account_id, Visibility(row.visibility))
    return key, RemovalRate(row.removals, row.watched_hours, row.watched_at)


def _listing(row: AnyRow) -> ListingKnowledge | None:
    return ListingKnowledge(
        key=ListingKey(row.account_id, Visibility(row.visibility)),
        total=row.total,
        expected=row.expected,
        pages=row.pages,
        swept=bool(row.swept),
        removals=RemovalRate(row.removals, row.watched_hours, row.watched_at),
        cycle_at=row.cycle_at,
        cycle_page=row.cycle_page,
        completed_at=row.completed_at,
        disordered_at=row.disordered_at,
        fruitless=row.fruitless,
        quiet_until=row.quiet_until,
    )


def _page(row: AnyRow) -> PageKnowledge:
    return PageKnowledge(
        page=row.page,
        read_at=row.read_at,
        total=row.total,
        named=row.named,
        newest_at=row.newest_at,
        oldest_at=row.oldest_at,
        cut_at=row.cut_at,
        documents=row.documents,
    )
