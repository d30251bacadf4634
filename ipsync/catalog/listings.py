"""Listings, and what each of their pages told last."""

from collections.abc import Collection

from sqlalchemy import bindparam, delete, not_, select

from ipsync.catalog.failures import readable
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.plan_tables import ListingPlanRow, PagePlanRow
from ipsync.catalog.sqlite import in_numbers, numbers, upsert
from ipsync.catalog.tables import METADATA, table
from ipsync.policy.documents import Visibility
from ipsync.policy.listings import Listing, PageRecord

_LISTING = table("listing")
_PAGE = table("page_record")
_PLANS = [METADATA.tables[row.__tablename__] for row in (PagePlanRow, ListingPlanRow)]

_LISTINGS = select(_LISTING).order_by(_LISTING.c.account_id, _LISTING.c.visibility)
_LISTINGS_OF = _LISTINGS.where(_LISTING.c.account_id == bindparam("of_account"))
_PAGES = (
    select(_PAGE)
    .where(
        _PAGE.c.account_id == bindparam("account_id"),
        _PAGE.c.visibility == bindparam("visibility"),
    )
    .order_by(_PAGE.c.page)
)
_PUT_LISTING = upsert(_LISTING)
_PUT_PAGE = upsert(_PAGE)
_DROP_PAGES = delete(_PAGE).where(
    _PAGE.c.account_id == bindparam("account_id"),
    _PAGE.c.visibility == bindparam("visibility"),
    _PAGE.c.page > bindparam("page"),
)
_DROP = [
    delete(emptied).where(
        emptied.c.account_id == bindparam("of_account"), not_(in_numbers(emptied.c.visibility, "kept"))
    )
    for emptied in (_PAGE, _LISTING, *_PLANS)
]


class ListingReading(Handle):
    """The questions about listings."""

    def listings(self, account_id: int | None = None) -> list[Listing]:
        """The listings of one account, or of all."""
        # A row of a privacy level that there is not is passed over: nothing can be read for it.
        rows = self._rows(_LISTINGS) if account_id is None else self._rows(_LISTINGS_OF, of_account=account_id)
        found = readable(rows, _listing, lambda _row: None)
        return [listing for listing in found if listing is not None]

    def page_records(self, account_id: int, visibility: Visibility) -> list[PageRecord]:
        """The newest record of each page of a listing, by page."""
        return [
            PageRecord(account_id, visibility, row.page, row.sent_at, row.total, row.named)
            for row in self._rows(_PAGES, account_id=account_id, visibility=int(visibility))
        ]


def _listing(row: AnyRow) -> Listing | None:
    return Listing(
        account_id=row.account_id,
        visibility=Visibility(row.visibility),
        total=row.total,
        pages=row.pages,
        next_due_at=row.next_due_at,
        sweep_started_at=row.sweep_started_at,
        next_page=row.next_page,
        completed_at=row.completed_at,
    )


class ListingWriting(ListingReading):
    """The changes to listings."""

    def put_listing(self, listing: Listing) -> None:
        """Insert or replace by account_id and visibility."""
        self._do(
            _PUT_LISTING,
            account_id=listing.account_id,
            visibility=int(listing.visibility),
            total=listing.total,
            pages=listing.pages,
            next_due_at=listing.next_due_at,
            sweep_started_at=listing.sweep_started_at,
            next_page=listing.next_page,
            completed_at=listing.completed_at,
        )

    def drop_listings(self, account_id: int, keep: Collection[Visibility] = ()) -> None:
        """Forget the listings of an account but those in `keep`, with the records of their pages and their plans."""
        kept = numbers([int(visibility) for visibility in keep])
        for statement in _DROP:
            self._do(statement, of_account=account_id, kept=kept)

    def record_page(self, record: PageRecord) -> None:
        """Keep what one page told, replacing the older record of that page."""
        self._do(
            _PUT_PAGE,
            account_id=record.account_id,
            visibility=int(record.visibility),
            page=record.page,
            sent_at=record.sent_at,
            total=record.total,
            named=record.named,
        )

    def drop_pages_after(self, account_id: int, visibility: Visibility, page: int) -> None:
        """Forget records of pages beyond `page`: the listing has shrunk."""
        self._do(_DROP_PAGES, account_id=account_id, visibility=int(visibility), page=page)
