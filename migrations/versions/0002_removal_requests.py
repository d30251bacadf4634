"""Owners' requests for removal, and apart from them the words that came with a request.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back, since going back would forget requests: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "removal_request",
        sa.Column("request_id", NUMBER, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject_id", NUMBER, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.Column("hidden_at", NUMBER, nullable=False),
        sa.Column("erase_by", NUMBER, nullable=False),
        sa.Column("held_documents", NUMBER, nullable=False),
        sa.Column("held_files", NUMBER, nullable=False),
        sa.Column("held_bytes", NUMBER, nullable=False),
        sa.Column("consent_epoch", NUMBER, nullable=False),
        sa.Column("gone_at", NUMBER, nullable=True),
        sa.Column("ended_at", NUMBER, nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.Column("is_kept_outside", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
        sqlite_strict=True,
    )
    op.create_index("removal_request_by_subject", "removal_request", ["scope", "subject_id"], unique=False)
    op.create_index(
        "removal_request_open",
        "removal_request",
        ["request_id"],
        unique=False,
        sqlite_where=sa.text("gone_at IS NULL"),
        postgresql_where=sa.text("gone_at IS NULL"),
    )
    op.create_index(
        "removal_request_not_outside",
        "removal_request",
        ["request_id"],
        unique=False,
        sqlite_where=sa.text("is_kept_outside = 0"),
        postgresql_where=sa.text("is_kept_outside = 0"),
    )
    op.create_table(
        "removal_request_words",
        sa.Column("request_id", NUMBER, nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["removal_request.request_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("request_id"),
        sqlite_strict=True,
    )
