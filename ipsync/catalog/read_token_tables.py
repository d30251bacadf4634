"""The table of read tokens: to whom, for what, until when; of the token itself a keyed digest."""

from sqlalchemy import LargeBinary, Text
from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Number


class ReadTokenRow(CatalogTable, table=True):
    """A token that was given to an application (`policy.read_tokens.ReadToken`)."""

    __tablename__ = "read_token"
    __table_args__ = ({"sqlite_strict": True},)

    token_id: int | None = Field(default=None, sa_type=Number, primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary, unique=True)
    name: str = Field(sa_type=Text)
    scopes: str = Field(sa_type=Text)
    account_id: int | None = Field(sa_type=Number)
    created_at: int = Field(sa_type=Number)
    expires_at: int | None = Field(sa_type=Number)
    revoked_at: int | None = Field(sa_type=Number)
    used_on: int | None = Field(sa_type=Number)
