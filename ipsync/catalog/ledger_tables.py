"""The tables of the ledger. They hold no id and no text of a member, and refer to no other table: they outlive all."""

from sqlalchemy import Index, LargeBinary, Text, text
from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Number

TOLD_REMOVALS = text("removal IS NOT NULL")
"""The condition of a partial index. A query that means to use it repeats it word for word."""

_STRICT = {"sqlite_strict": True}


class LedgerEntryRow(CatalogTable, table=True):
    """One entry, its columns in the order in which they are written. Triggers refuse to change or delete one."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        Index("ledger_by_document", "document"),
        Index(
            "ledger_by_removal",
            "removal",
            unique=True,
            sqlite_where=TOLD_REMOVALS,
            postgresql_where=TOLD_REMOVALS,
        ),
        _STRICT,
    )

    sequence: int = Field(sa_type=Number, primary_key=True)
    kind: str = Field(sa_type=Text)
    at: int = Field(sa_type=Number)
    document: bytes | None = Field(sa_type=LargeBinary)
    account: bytes | None = Field(sa_type=LargeBinary)
    epoch: int = Field(sa_type=Number)
    consent: int | None = Field(sa_type=Number)
    removal: int | None = Field(sa_type=Number)
    reason: str | None = Field(sa_type=Text)
    scope: str | None = Field(sa_type=Text)
    first_unsafe_at: int | None = Field(sa_type=Number)
    detected_at: int | None = Field(sa_type=Number)
    hidden_at: int | None = Field(sa_type=Number)
    confirmed_at: int | None = Field(sa_type=Number)
    gone_at: int | None = Field(sa_type=Number)
    erase_by: int | None = Field(sa_type=Number)
    files: int | None = Field(sa_type=Number)
    size_bytes: int | None = Field(sa_type=Number)
    certificate: str | None = Field(sa_type=Text)
    hash: bytes = Field(sa_type=LargeBinary)


class LedgerHeadRow(CatalogTable, table=True):
    """The newest signed head. One row, number 1."""

    __tablename__ = "ledger_head"
    __table_args__ = (_STRICT,)

    head_id: int = Field(sa_type=Number, primary_key=True)
    sequence: int = Field(sa_type=Number)
    at: int = Field(sa_type=Number)
    hash: bytes = Field(sa_type=LargeBinary)
    key: bytes = Field(sa_type=LargeBinary)
    signature: bytes = Field(sa_type=LargeBinary)
