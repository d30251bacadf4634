"""Entries: albums, folders and articles, their words, and the lists that name them.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back: restore a backup instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TELL_OF_GONE = (
    "CREATE TRIGGER change_gone AFTER UPDATE OF stage ON removal FOR EACH ROW WHEN old.stage <> 'gone' AND "
    "new.stage = 'gone' AND new.scope = 'document' AND new.document_id > 0 AND NOT EXISTS (SELECT 1 FROM "
    "document WHERE document_id = new.document_id) BEGIN INSERT INTO change (kind, document_id, account_id, "
    "at) VALUES ('gone', new.document_id, new.account_id, coalesce(new.gone_at, new.detected_at)); END"
)

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "entry",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entry_id", NUMBER, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("levels", NUMBER, nullable=False),
        sa.Column("verified_at", NUMBER, nullable=False),
        sa.Column("seen_at", NUMBER, nullable=False),
        sa.Column("mirrored_at", NUMBER, nullable=False),
        sa.Column("absent_at", NUMBER, nullable=True),
        sa.Column("hidden_at", NUMBER, nullable=True),
        sa.Column("posted_at", NUMBER, nullable=True),
        sa.Column("modified_at", NUMBER, nullable=True),
        sa.Column("cover_id", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.ForeignKeyConstraint(["account_id"], ["account.account_id"]),
        sqlite_strict=True,
    )
    op.create_index("entry_by_account", "entry", ["account_id", "kind", "entry_id"], unique=False)
    op.create_index("entry_by_age", "entry", ["state", "verified_at"], unique=False)
    op.create_table(
        "entry_text",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.ForeignKeyConstraint(["number"], ["entry.number"], ondelete="CASCADE"),
        sqlite_strict=True,
    )
    op.create_table(
        "entry_listing",
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("total", NUMBER, nullable=False),
        sa.Column("requests", NUMBER, nullable=False),
        sa.Column("counted", NUMBER, nullable=False),
        sa.Column("next_due_at", NUMBER, nullable=False),
        sa.Column("sweep_started_at", NUMBER, nullable=True),
        sa.Column("next_page", NUMBER, nullable=False),
        sa.Column("completed_at", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("account_id", "kind"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    # The feed of changes is about documents: what is gone of others has a negative number.
    op.execute("DROP TRIGGER change_gone")
    op.execute(_TELL_OF_GONE)
