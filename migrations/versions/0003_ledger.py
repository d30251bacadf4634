"""The ledger: its entries and its signed head. Removals that are gone already get no entry: nobody could sign for them.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back, since going back would forget the ledger: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("sequence", NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("account", sa.LargeBinary(), nullable=True),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("consent", NUMBER, nullable=True),
        sa.Column("removal", NUMBER, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=True),
        sa.Column("first_unsafe_at", NUMBER, nullable=True),
        sa.Column("detected_at", NUMBER, nullable=True),
        sa.Column("hidden_at", NUMBER, nullable=True),
        sa.Column("confirmed_at", NUMBER, nullable=True),
        sa.Column("gone_at", NUMBER, nullable=True),
        sa.Column("erase_by", NUMBER, nullable=True),
        sa.Column("files", NUMBER, nullable=True),
        sa.Column("size_bytes", NUMBER, nullable=True),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
        sqlite_strict=True,
    )
    op.create_index("ledger_by_document", "ledger_entry", ["document"], unique=False)
    op.create_index(
        "ledger_by_removal",
        "ledger_entry",
        ["removal"],
        unique=True,
        sqlite_where=sa.text("removal IS NOT NULL"),
        postgresql_where=sa.text("removal IS NOT NULL"),
    )
    op.create_table(
        "ledger_head",
        sa.Column("head_id", NUMBER, nullable=False),
        sa.Column("sequence", NUMBER, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("head_id"),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                sa.text(
                    f"CREATE TRIGGER ledger_entry_{verb.lower()} BEFORE {verb} ON ledger_entry"
                    " BEGIN SELECT RAISE(ABORT, 'the ledger is only ever appended to'); END"
                )
            )
