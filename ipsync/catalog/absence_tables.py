"""The tables of absences. They hold numbers and instants, nothing of a document; kept as long as removals are."""

from sqlalchemy import Index, Text, text
from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Number

ACTIVE_TRIPWIRES = text("ended_at IS NULL")
"""The condition of a partial index. A query that means to use it repeats it word for word."""

_STRICT = {"sqlite_strict": True}


class CertificateRow(CatalogTable, table=True):
    """What was read before a batch of documents was called missing."""

    __tablename__ = "certificate"
    __table_args__ = (Index("certificate_by_account", "account_id", "first_removal"), _STRICT)

    certificate_id: int | None = Field(sa_type=Number, default=None, primary_key=True)
    account_id: int = Field(sa_type=Number)
    visibility: int = Field(sa_type=Number)
    first_sent_at: int = Field(sa_type=Number)
    last_sent_at: int = Field(sa_type=Number)
    pages: int = Field(sa_type=Number)
    pages_claimed: int = Field(sa_type=Number)
    total: int = Field(sa_type=Number)
    named: int = Field(sa_type=Number)
    distinct_ids: int = Field(sa_type=Number)
    held: int = Field(sa_type=Number)
    missing: int = Field(sa_type=Number)
    first_removal: int = Field(sa_type=Number)
    last_removal: int = Field(sa_type=Number)


class TripwireRow(CatalogTable, table=True):
    """One mass disappearance, and how it was settled."""

    __tablename__ = "tripwire"
    __table_args__ = (
        Index("tripwire_by_account", "account_id", "tripwire_id"),
        Index("tripwire_active", "tripwire_id", sqlite_where=ACTIVE_TRIPWIRES, postgresql_where=ACTIVE_TRIPWIRES),
        _STRICT,
    )

    tripwire_id: int | None = Field(sa_type=Number, default=None, primary_key=True)
    account_id: int = Field(sa_type=Number)
    certificate_id: int = Field(sa_type=Number)
    tripped_at: int = Field(sa_type=Number)
    missing: int = Field(sa_type=Number)
    held: int = Field(sa_type=Number)
    first_removal: int = Field(sa_type=Number)
    last_removal: int = Field(sa_type=Number)
    sample: str = Field(sa_type=Text)
    phase: str = Field(sa_type=Text)
    rereads: int = Field(sa_type=Number)
    doubted_at: int | None = Field(sa_type=Number)
    ended_at: int | None = Field(sa_type=Number)
    resolution: str = Field(sa_type=Text)
