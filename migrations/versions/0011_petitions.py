"""Petitions: who asked for a removal without proof that it is theirs, and apart from them the words that came with it.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITING = sa.text("decided_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "petition",
        sa.Column("petition_id", NUMBER, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject_id", NUMBER, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("received_at", NUMBER, nullable=False),
        sa.Column("decide_by", NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("decided_at", NUMBER, nullable=True),
        sa.Column("request_id", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("petition_id"),
        sqlite_strict=True,
    )
    op.create_index("petition_by_digest", "petition", ["digest"], unique=True)
    op.create_index("petition_waiting", "petition", ["petition_id"], sqlite_where=WAITING, postgresql_where=WAITING)
    op.create_table(
        "petition_words",
        sa.Column("petition_id", NUMBER, nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["petition_id"], ["petition.petition_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("petition_id"),
        sqlite_strict=True,
    )
