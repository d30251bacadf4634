"""The first tables: accounts, listings, documents, files, removals, records, and the tally of them.

What this revision needs it holds itself: it must do the same for ever, whatever the code becomes.
There is no way back, since going back would forget removals: restore a backup instead.
"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FRACTION = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    _accounts()
    _listings()
    _documents()
    _renditions()
    _removals()
    _records()
    _budget()
    if op.get_bind().dialect.name == "sqlite":
        for statement in _triggers():
            op.execute(sa.text(statement))


def _accounts() -> None:
    op.create_table(
        "account",
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("realname", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("consent_epoch", NUMBER, nullable=False),
        sa.Column("added_at", NUMBER, nullable=False),
        sa.Column("checked_at", NUMBER, nullable=False),
        sa.Column("next_check_at", NUMBER, nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("failures", NUMBER, nullable=False),
        sa.Column("retry_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "account_grant",
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.account_id"],
        ),
        sa.PrimaryKeyConstraint("account_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "consent",
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("consent_epoch", NUMBER, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("granted_at", NUMBER, nullable=False),
        sa.Column("ended_at", NUMBER, nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.account_id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "consent_epoch"),
        sqlite_strict=True,
    )


def _listings() -> None:
    op.create_table(
        "listing",
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("visibility", NUMBER, nullable=False),
        sa.Column("total", NUMBER, nullable=False),
        sa.Column("pages", NUMBER, nullable=False),
        sa.Column("next_due_at", NUMBER, nullable=False),
        sa.Column("sweep_started_at", NUMBER, nullable=True),
        sa.Column("next_page", NUMBER, nullable=False),
        sa.Column("completed_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.account_id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "visibility"),
        sqlite_strict=True,
    )
    op.create_table(
        "page_record",
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("visibility", NUMBER, nullable=False),
        sa.Column("page", NUMBER, nullable=False),
        sa.Column("sent_at", NUMBER, nullable=False),
        sa.Column("total", NUMBER, nullable=False),
        sa.Column("named", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.account_id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "visibility", "page"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _documents() -> None:
    op.create_table(
        "document",
        sa.Column("document_id", NUMBER, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verified_at", NUMBER, nullable=False),
        sa.Column("mirrored_at", NUMBER, nullable=False),
        sa.Column("absent_at", NUMBER, nullable=True),
        sa.Column("hidden_at", NUMBER, nullable=True),
        sa.Column("details_at", NUMBER, nullable=True),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("license", NUMBER, nullable=False),
        sa.Column("safety", NUMBER, nullable=False),
        sa.Column("visibility", NUMBER, nullable=False),
        sa.Column("posted_at", NUMBER, nullable=True),
        sa.Column("modified_at", NUMBER, nullable=True),
        sa.Column("replaced_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.account_id"],
        ),
        sa.PrimaryKeyConstraint("document_id"),
        sqlite_strict=True,
    )
    op.create_index("document_by_account", "document", ["account_id", "document_id"], unique=False)
    op.create_index(
        "document_wanting_details",
        "document",
        ["account_id", "document_id"],
        unique=False,
        sqlite_where=sa.text("state = 'live' AND (details_at IS NULL OR details_at < modified_at)"),
        postgresql_where=sa.text("state = 'live' AND (details_at IS NULL OR details_at < modified_at)"),
    )
    op.create_index(
        "document_detailed",
        "document",
        ["details_at"],
        unique=False,
        sqlite_where=sa.text("details_at IS NOT NULL"),
        postgresql_where=sa.text("details_at IS NOT NULL"),
    )
    op.create_index("document_by_age", "document", ["account_id", "state", "verified_at"], unique=False)
    op.create_table(
        "document_text",
        sa.Column("document_id", NUMBER, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created", sa.Text(), nullable=True),
        sa.Column("md5", sa.Text(), nullable=True),
        sa.Column("latitude", FRACTION, nullable=True),
        sa.Column("longitude", FRACTION, nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["document.document_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("document_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "tombstone",
        sa.Column("document_id", NUMBER, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", NUMBER, nullable=False),
        sa.Column("stands", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("document_id"),
        sqlite_strict=True,
    )


def _renditions() -> None:
    op.create_table(
        "rendition",
        sa.Column("document_id", NUMBER, nullable=False),
        sa.Column("rendition", sa.Text(), nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("width", NUMBER, nullable=False),
        sa.Column("height", NUMBER, nullable=False),
        sa.Column("announced_bytes", NUMBER, nullable=True),
        sa.Column("size_bytes", NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("stored_at", NUMBER, nullable=True),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("next_try_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["document.document_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("document_id", "rendition"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "rendition_stored",
        "rendition",
        ["rendition", "stored_at"],
        unique=False,
        sqlite_where=sa.text("state = 'stored'"),
        postgresql_where=sa.text("state = 'stored'"),
    )
    op.create_index(
        "rendition_wanted",
        "rendition",
        ["account_id", "next_try_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('wanted', 'failed')"),
        postgresql_where=sa.text("state IN ('wanted', 'failed')"),
    )


def _removals() -> None:
    op.create_table(
        "removal",
        sa.Column("removal_id", NUMBER, nullable=False),
        sa.Column("document_id", NUMBER, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("renditions", sa.Text(), nullable=False),
        sa.Column("first_unsafe_at", NUMBER, nullable=False),
        sa.Column("detected_at", NUMBER, nullable=False),
        sa.Column("hidden_at", NUMBER, nullable=False),
        sa.Column("erase_from", NUMBER, nullable=False),
        sa.Column("erase_by", NUMBER, nullable=False),
        sa.Column("confirmed_at", NUMBER, nullable=True),
        sa.Column("gone_at", NUMBER, nullable=True),
        sa.Column("files_erased", NUMBER, nullable=False),
        sa.Column("bytes_erased", NUMBER, nullable=False),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("next_try_at", NUMBER, nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("removal_id"),
        sqlite_strict=True,
    )
    op.create_index("removal_by_account", "removal", ["account_id", "stage", "erase_by"], unique=False)
    op.create_index("removal_by_deadline", "removal", ["stage", "erase_by"], unique=False)
    op.create_index("removal_by_document", "removal", ["document_id"], unique=False)
    op.create_index(
        "removal_owed",
        "removal",
        ["document_id"],
        unique=True,
        sqlite_where=sa.text("scope = 'document' AND stage IN ('suspected', 'confirmed', 'intended')"),
        postgresql_where=sa.text("scope = 'document' AND stage IN ('suspected', 'confirmed', 'intended')"),
    )
    op.create_index(
        "removal_suspected",
        "removal",
        ["stage", "erase_from", "next_try_at"],
        unique=False,
        sqlite_where=sa.text("stage = 'suspected'"),
        postgresql_where=sa.text("stage = 'suspected'"),
    )


def _records() -> None:
    op.create_table(
        "tally",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("size_bytes", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("kind", "account_id", "state"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_run",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("started_at", NUMBER, nullable=False),
        sa.Column("finished_at", NUMBER, nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("succeeded_at", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("job"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "note",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _budget() -> None:
    op.create_table(
        "budget",
        sa.Column("budget_id", NUMBER, nullable=False),
        sa.Column("next_slot_at", NUMBER, nullable=False),
        sa.Column("blocked_until", NUMBER, nullable=False),
        sa.Column("backoff_step", NUMBER, nullable=False),
        sa.Column("rate_factor", FRACTION, nullable=False),
        sa.Column("recovered_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("budget_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "budget_spent",
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("bucket_at", NUMBER, nullable=False),
        sa.Column("requests", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("window", "bucket_at"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget_rate",
        sa.Column("day_at", NUMBER, nullable=False),
        sa.Column("requests_per_hour", FRACTION, nullable=False),
        sa.PrimaryKeyConstraint("day_at"),
        sqlite_strict=True,
    )


_ONE_MORE = (
    "INSERT INTO tally (kind, account_id, state, number, size_bytes)"
    " VALUES ('{kind}', new.account_id, {new_state}, 1, {new_size})"
    " ON CONFLICT (kind, account_id, state) DO UPDATE"
    " SET number = number + 1, size_bytes = size_bytes + excluded.size_bytes;"
)
_ONE_LESS = (
    "UPDATE tally SET number = number - 1, size_bytes = size_bytes - {old_size}"
    " WHERE kind = '{kind}' AND account_id = old.account_id AND state = {old_state};"
)


def _triggers() -> Iterator[str]:
    for kind, state, size in (
        ("document", "state", ""),
        ("rendition", "state", "size_bytes"),
        ("tombstone", "", ""),
        ("removal", "stage", ""),
    ):
        words = {
            "kind": kind,
            "old_state": f"old.{state}" if state else "''",
            "new_state": f"new.{state}" if state else "''",
            "old_size": f"old.{size}" if size else "0",
            "new_size": f"new.{size}" if size else "0",
        }
        more, less = _ONE_MORE.format_map(words), _ONE_LESS.format_map(words)
        counted = [name for name in ("account_id", state, size) if name]
        changed = " OR ".join(f"old.{name} <> new.{name}" for name in counted)
        for verb, when, steps in (
            ("insert", "INSERT", more),
            ("delete", "DELETE", less),
            ("update", f"UPDATE OF {', '.join(counted)}", f"{less} {more}"),
        ):
            guard = f" WHEN {changed}" if verb == "update" else ""
            yield f"CREATE TRIGGER tally_{kind}_{verb} AFTER {when} ON {kind} FOR EACH ROW{guard} BEGIN {steps} END"
