"""Plans: what planning knows of listings and pages, and where documents stand in their listing.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FRACTION = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "listing_plan",
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("visibility", NUMBER, nullable=False),
        sa.Column("total", NUMBER, nullable=False),
        sa.Column("expected", NUMBER, nullable=False),
        sa.Column("pages", NUMBER, nullable=False),
        sa.Column("swept", NUMBER, nullable=False),
        sa.Column("removals", FRACTION, nullable=False),
        sa.Column("watched_hours", FRACTION, nullable=False),
        sa.Column("watched_at", NUMBER, nullable=True),
        sa.Column("cycle_at", NUMBER, nullable=True),
        sa.Column("cycle_page", NUMBER, nullable=False),
        sa.Column("completed_at", NUMBER, nullable=True),
        sa.Column("disordered_at", NUMBER, nullable=True),
        sa.Column("fruitless", NUMBER, nullable=False),
        sa.Column("quiet_until", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "visibility"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "page_plan",
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("visibility", NUMBER, nullable=False),
        sa.Column("page", NUMBER, nullable=False),
        sa.Column("read_at", NUMBER, nullable=False),
        sa.Column("total", NUMBER, nullable=False),
        sa.Column("named", NUMBER, nullable=False),
        sa.Column("newest_at", NUMBER, nullable=True),
        sa.Column("oldest_at", NUMBER, nullable=True),
        sa.Column("cut_at", NUMBER, nullable=True),
        sa.Column("documents", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "visibility", "page"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("document_by_posting", "document", ["account_id", "visibility", "posted_at"], unique=False)
