"""The tables of incidents and of who was told. Numbers, instants and words of our own; nothing of a member."""

from sqlalchemy import Index, Text, text
from sqlmodel import Field

from ipsync.catalog.tables import CatalogTable, Number

OPEN_INCIDENTS = text("resolved_at IS NULL")
OPEN_NOTIFICATIONS = text("done_at IS NULL")
"""The conditions of partial indexes. A query that means to use one repeats it word for word."""


class IncidentRow(CatalogTable, table=True):
    """A condition that needed a person (`policy.incidents.Incident`)."""

    __tablename__ = "incident"
    __table_args__ = (
        Index("incident_open", "incident_id", sqlite_where=OPEN_INCIDENTS, postgresql_where=OPEN_INCIDENTS),
        {"sqlite_strict": True},
    )

    incident_id: int | None = Field(sa_type=Number, default=None, primary_key=True)
    condition: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    number: int = Field(sa_type=Number)
    opened_at: int = Field(sa_type=Number)
    absent_at: int | None = Field(sa_type=Number)
    resolved_at: int | None = Field(sa_type=Number)


class NotificationRow(CatalogTable, table=True):
    """How far one channel was told of one incident (`policy.notices.Delivery`)."""

    __tablename__ = "notification"
    __table_args__ = (
        Index(
            "notification_open",
            "incident_id",
            sqlite_where=OPEN_NOTIFICATIONS,
            postgresql_where=OPEN_NOTIFICATIONS,
        ),
        {"sqlite_strict": True, "sqlite_with_rowid": False},
    )

    incident_id: int = Field(sa_type=Number, primary_key=True, foreign_key="incident.incident_id", ondelete="CASCADE")
    channel: str = Field(sa_type=Text, primary_key=True)
    opened_sent_at: int | None = Field(sa_type=Number)
    resolved_sent_at: int | None = Field(sa_type=Number)
    attempts: int = Field(sa_type=Number)
    next_try_at: int = Field(sa_type=Number)
    failure: str = Field(sa_type=Text)
    done_at: int | None = Field(sa_type=Number)
