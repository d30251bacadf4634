"""The tables of what planning knows: of each listing, and of each of its pages. Instants and counts, no document."""

from typing import Final

from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Fraction, Number

_CLUSTERED: Final = {"sqlite_strict": True, "sqlite_with_rowid": False}


class ListingPlanRow(CatalogTable, table=True):
    """What planning knows of a listing (`policy.planner.ListingKnowledge`)."""

    __tablename__ = "listing_plan"
    __table_args__ = (_CLUSTERED,)

    account_id: int = Field(sa_type=Number, primary_key=True)
    visibility: int = Field(sa_type=Number, primary_key=True)
    total: int = Field(sa_type=Number)
    expected: int = Field(sa_type=Number)
    pages: int = Field(sa_type=Number)
    swept: int = Field(sa_type=Number)
    removals: float = Field(sa_type=Fraction)
    watched_hours: float = Field(sa_type=Fraction)
    watched_at: int | None = Field(sa_type=Number)
    cycle_at: int | None = Field(sa_type=Number)
    cycle_page: int = Field(sa_type=Number)
    completed_at: int | None = Field(sa_type=Number)
    disordered_at: int | None = Field(sa_type=Number)
    fruitless: int = Field(sa_type=Number)
    quiet_until: int = Field(sa_type=Number)


class PagePlanRow(CatalogTable, table=True):
    """What planning knows of a page (`policy.planner.PageKnowledge`)."""

    __tablename__ = "page_plan"
    __table_args__ = (_CLUSTERED,)

    account_id: int = Field(sa_type=Number, primary_key=True)
    visibility: int = Field(sa_type=Number, primary_key=True)
    page: int = Field(sa_type=Number, primary_key=True)
    read_at: int = Field(sa_type=Number)
    total: int = Field(sa_type=Number)
    named: int = Field(sa_type=Number)
    newest_at: int | None = Field(sa_type=Number)
    oldest_at: int | None = Field(sa_type=Number)
    cut_at: int | None = Field(sa_type=Number)
    documents: int = Field(sa_type=Number)
