"""The table of webhooks: who is told of changes, and how far they are. Address and secret are sealed."""

from sqlalchemy import LargeBinary, Text
from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Number


class WebhookRow(CatalogTable, table=True):
    """One webhook (`policy.webhooks.Webhook`); sequence, document_id and at are its place."""

    __tablename__ = "webhook"
    __table_args__ = ({"sqlite_strict": True},)

    webhook_id: int | None = Field(sa_type=Number, default=None, primary_key=True)
    sealed: bytes = Field(sa_type=LargeBinary)
    state: str = Field(sa_type=Text)
    added_at: int = Field(sa_type=Number)
    sequence: int = Field(sa_type=Number)
    document_id: int = Field(sa_type=Number)
    at: int = Field(sa_type=Number)
    delivered_at: int | None = Field(sa_type=Number)
    attempts: int = Field(sa_type=Number)
    next_try_at: int = Field(sa_type=Number)
    failed_at: int | None = Field(sa_type=Number)
    trouble: str = Field(sa_type=Text)
