"""Incidents: conditions that needed a person, and who was told of them.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "incident",
        sa.Column("incident_id", NUMBER, nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("opened_at", NUMBER, nullable=False),
        sa.Column("absent_at", NUMBER, nullable=True),
        sa.Column("resolved_at", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("incident_id"),
        sqlite_strict=True,
    )
    op.create_index(
        "incident_open",
        "incident",
        ["incident_id"],
        unique=False,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "notification",
        sa.Column("incident_id", NUMBER, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("opened_sent_at", NUMBER, nullable=True),
        sa.Column("resolved_sent_at", NUMBER, nullable=True),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("next_try_at", NUMBER, nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("done_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.incident_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_id", "channel"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "notification_open",
        "notification",
        ["incident_id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
