"""The tables of entries: albums, folders, articles. All their words lie in `entry_text`, erased by deleting one row."""

from typing import Final

from sqlalchemy import Index, Text
from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Number

_STRICT: Final = {"sqlite_strict": True}
_CLUSTERED: Final = {"sqlite_strict": True, "sqlite_with_rowid": False}


class EntryRow(CatalogTable, table=True):
    """A mirrored entry by its subject number (`policy.entries`), without its words."""

    __tablename__ = "entry"
    __table_args__ = (
        Index("entry_by_account", "account_id", "kind", "entry_id"),
        Index("entry_by_age", "state", "verified_at"),
        _STRICT,
    )

    number: int = Field(sa_type=Number, primary_key=True)
    kind: str = Field(sa_type=Text)
    entry_id: int = Field(sa_type=Number)
    account_id: int = Field(sa_type=Number, foreign_key="account.account_id")
    state: str = Field(sa_type=Text)
    levels: int = Field(sa_type=Number)
    verified_at: int = Field(sa_type=Number)
    seen_at: int = Field(sa_type=Number)
    mirrored_at: int = Field(sa_type=Number)
    absent_at: int | None = Field(sa_type=Number)
    hidden_at: int | None = Field(sa_type=Number)
    posted_at: int | None = Field(sa_type=Number)
    modified_at: int | None = Field(sa_type=Number)
    cover_id: int | None = Field(sa_type=Number)


class EntryTextRow(CatalogTable, table=True):
    """Everything personal of an entry: its words, and what it holds."""

    __tablename__ = "entry_text"
    __table_args__ = (_STRICT,)

    number: int = Field(sa_type=Number, primary_key=True, foreign_key="entry.number", ondelete="CASCADE")
    title: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)
    members: str = Field(sa_type=Text)


class EntryListingRow(CatalogTable, table=True):
    """One account's list of entries of one kind, and its sweep."""

    __tablename__ = "entry_listing"
    __table_args__ = (_CLUSTERED,)

    account_id: int = Field(sa_type=Number, primary_key=True)
    kind: str = Field(sa_type=Text, primary_key=True)
    total: int = Field(sa_type=Number)
    requests: int = Field(sa_type=Number)
    counted: int = Field(sa_type=Number)
    next_due_at: int = Field(sa_type=Number)
    sweep_started_at: int | None = Field(sa_type=Number)
    next_page: int = Field(sa_type=Number)
    completed_at: int | None = Field(sa_type=Number)
