"""Webhooks: who is told of changes, and how far they are.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0010"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("webhook_id", NUMBER, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("added_at", NUMBER, nullable=False),
        sa.Column("sequence", NUMBER, nullable=False),
        sa.Column("document_id", NUMBER, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("delivered_at", NUMBER, nullable=True),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("next_try_at", NUMBER, nullable=False),
        sa.Column("failed_at", NUMBER, nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id"),
        sqlite_strict=True,
    )
