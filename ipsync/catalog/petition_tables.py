"""The tables of petitions: numbers and instants in one, the words of those who asked in the other, to be erased."""

from sqlalchemy import Index, LargeBinary, Text, text
from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Number

WAITING_PETITIONS = text("decided_at IS NULL")
"""The condition of a partial index. A query that means to use it repeats it word for word."""

_STRICT = {"sqlite_strict": True}


class PetitionRow(CatalogTable, table=True):
    """Somebody asked without proof, and how that went."""

    __tablename__ = "petition"
    __table_args__ = (
        Index("petition_by_digest", "digest", unique=True),
        Index("petition_waiting", "petition_id", sqlite_where=WAITING_PETITIONS, postgresql_where=WAITING_PETITIONS),
        _STRICT,
    )

    petition_id: int | None = Field(sa_type=Number, default=None, primary_key=True)
    scope: str = Field(sa_type=Text)
    subject_id: int = Field(sa_type=Number)
    account_id: int = Field(sa_type=Number)
    received_at: int = Field(sa_type=Number)
    decide_by: int = Field(sa_type=Number)
    digest: bytes = Field(sa_type=LargeBinary)
    outcome: str = Field(sa_type=Text)
    decided_at: int | None = Field(sa_type=Number)
    request_id: int = Field(sa_type=Number)


class PetitionWordsRow(CatalogTable, table=True):
    """Contact and note of a petition: personal, and deleted when they are not needed any more."""

    __tablename__ = "petition_words"
    __table_args__ = (_STRICT,)

    petition_id: int = Field(sa_type=Number, primary_key=True, foreign_key="petition.petition_id", ondelete="CASCADE")
    contact: str = Field(sa_type=Text)
    note: str = Field(sa_type=Text)
