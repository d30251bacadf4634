"""Absences: on what grounds documents were called missing, and tripwires for mass disappearance.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back, since going back would forget evidence: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "certificate",
        sa.Column("certificate_id", NUMBER, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("visibility", NUMBER, nullable=False),
        sa.Column("first_sent_at", NUMBER, nullable=False),
        sa.Column("last_sent_at", NUMBER, nullable=False),
        sa.Column("pages", NUMBER, nullable=False),
        sa.Column("pages_claimed", NUMBER, nullable=False),
        sa.Column("total", NUMBER, nullable=False),
        sa.Column("named", NUMBER, nullable=False),
        sa.Column("distinct_ids", NUMBER, nullable=False),
        sa.Column("held", NUMBER, nullable=False),
        sa.Column("missing", NUMBER, nullable=False),
        sa.Column("first_removal", NUMBER, nullable=False),
        sa.Column("last_removal", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("certificate_id"),
        sqlite_strict=True,
    )
    op.create_index("certificate_by_account", "certificate", ["account_id", "first_removal"], unique=False)
    op.create_table(
        "tripwire",
        sa.Column("tripwire_id", NUMBER, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("certificate_id", NUMBER, nullable=False),
        sa.Column("tripped_at", NUMBER, nullable=False),
        sa.Column("missing", NUMBER, nullable=False),
        sa.Column("held", NUMBER, nullable=False),
        sa.Column("first_removal", NUMBER, nullable=False),
        sa.Column("last_removal", NUMBER, nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("rereads", NUMBER, nullable=False),
        sa.Column("doubted_at", NUMBER, nullable=True),
        sa.Column("ended_at", NUMBER, nullable=True),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tripwire_id"),
        sqlite_strict=True,
    )
    op.create_index("tripwire_by_account", "tripwire", ["account_id", "tripwire_id"], unique=False)
    op.create_index(
        "tripwire_active",
        "tripwire",
        ["tripwire_id"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
