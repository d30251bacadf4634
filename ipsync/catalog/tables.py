"""The schema, declared once: every table, column and index of the catalog but those in `*_tables.py`.

These classes are never instantiated for bulk work and validate nothing; values live in `policy/`, and
`rows.py` translates. Instants are BIGINT microseconds, so no zone can be lost on the way. Personal
text of a document lies in `document_text` alone: erasing it is deleting one row, and renewing a lease
rewrites none of it. What must outlive a document (`removal`, `tombstone`, `consent`) holds no text.
"""

from typing import Any, ClassVar

from sqlalchemy import REAL, BigInteger, Double, Index, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

WANTING_DETAILS = text("state = 'live' AND (details_at IS NULL OR details_at < modified_at)")
WITH_DETAILS = text("details_at IS NOT NULL")
WANTED_RENDITIONS = text("state IN ('wanted', 'failed')")
STORED_RENDITIONS = text("state = 'stored'")
SUSPECTED_REMOVALS = text("stage = 'suspected'")
OWED_DOCUMENTS = text("scope = 'document' AND stage IN ('suspected', 'confirmed', 'intended')")
OPEN_REQUESTS = text("gone_at IS NULL")
REQUESTS_NOT_OUTSIDE = text("is_kept_outside = 0")
"""The conditions of partial indexes. A query that means to use one repeats it word for word."""


class Number(TypeDecorator[int]):
    """A 64-bit integer; on SQLite INTEGER, the only word STRICT tables and row numbers know."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of `dialect`."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())


class Fraction(TypeDecorator[float]):
    """A 64-bit float; on SQLite REAL."""

    impl = Double
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of `dialect`."""
        return dialect.type_descriptor(REAL() if dialect.name == "sqlite" else Double())


class CatalogTable(SQLModel):
    """The base of all tables, with metadata of its own."""

    metadata: ClassVar[MetaData] = MetaData()


_STRICT = {"sqlite_strict": True}
_STRICT_CLUSTERED = {"sqlite_strict": True, "sqlite_with_rowid": False}


class AccountRow(CatalogTable, table=True):
    """A member."""

    __tablename__ = "account"
    __table_args__ = (_STRICT,)

    account_id: int = Field(sa_type=Number, primary_key=True)
    username: str = Field(sa_type=Text)
    realname: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    consent_epoch: int = Field(sa_type=Number)
    added_at: int = Field(sa_type=Number)
    checked_at: int = Field(sa_type=Number)
    next_check_at: int = Field(sa_type=Number)
    failure: str = Field(sa_type=Text)
    failures: int = Field(sa_type=Number)
    retry_at: int = Field(sa_type=Number)


class AccountGrantRow(CatalogTable, table=True):
    """The token that holds now, sealed. The row is deleted when the grant ends."""

    __tablename__ = "account_grant"
    __table_args__ = (_STRICT,)

    account_id: int = Field(sa_type=Number, primary_key=True, foreign_key="account.account_id")
    sealed_token: bytes = Field(sa_type=LargeBinary)
    permissions: str = Field(sa_type=Text)


class ConsentRow(CatalogTable, table=True):
    """That a member said yes, to what, and until when. Never deleted."""

    __tablename__ = "consent"
    __table_args__ = (_STRICT,)

    account_id: int = Field(sa_type=Number, primary_key=True, foreign_key="account.account_id")
    consent_epoch: int = Field(sa_type=Number, primary_key=True)
    fingerprint: str = Field(sa_type=Text)
    permissions: str = Field(sa_type=Text)
    granted_at: int = Field(sa_type=Number)
    ended_at: int | None = Field(sa_type=Number)
    ended_reason: str = Field(sa_type=Text)


class ListingRow(CatalogTable, table=True):
    """One account's listing at one privacy level."""

    __tablename__ = "listing"
    __table_args__ = (_STRICT,)

    account_id: int = Field(sa_type=Number, primary_key=True, foreign_key="account.account_id")
    visibility: int = Field(sa_type=Number, primary_key=True)
    total: int = Field(sa_type=Number)
    pages: int = Field(sa_type=Number)
    next_due_at: int = Field(sa_type=Number)
    sweep_started_at: int | None = Field(sa_type=Number)
    next_page: int = Field(sa_type=Number)
    completed_at: int | None = Field(sa_type=Number)


class PageRecordRow(CatalogTable, table=True):
    """What one page of a listing told last."""

    __tablename__ = "page_record"
    __table_args__ = (_STRICT_CLUSTERED,)

    account_id: int = Field(sa_type=Number, primary_key=True, foreign_key="account.account_id")
    visibility: int = Field(sa_type=Number, primary_key=True)
    page: int = Field(sa_type=Number, primary_key=True)
    sent_at: int = Field(sa_type=Number)
    total: int = Field(sa_type=Number)
    named: int = Field(sa_type=Number)


class DocumentRow(CatalogTable, table=True):
    """A mirrored document, without its text. A sweep that finds nothing new touches this table alone."""

    __tablename__ = "document"
    __table_args__ = (
        # The only index that a renewal touches: a second one would halve how many a second can do.
        Index("document_by_age", "account_id", "state", "verified_at"),
        Index("document_by_account", "account_id", "document_id"),
        Index("document_by_posting", "account_id", "visibility", "posted_at"),
        Index(
            "document_wanting_details",
            "account_id",
            "document_id",
            sqlite_where=WANTING_DETAILS,
            postgresql_where=WANTING_DETAILS,
        ),
        Index(
            "document_detailed",
            "details_at",
            sqlite_where=WITH_DETAILS,
            postgresql_where=WITH_DETAILS,
        ),
        _STRICT,
    )

    document_id: int = Field(sa_type=Number, primary_key=True)
    account_id: int = Field(sa_type=Number, foreign_key="account.account_id")
    state: str = Field(sa_type=Text)
    verified_at: int = Field(sa_type=Number)
    mirrored_at: int = Field(sa_type=Number)
    absent_at: int | None = Field(sa_type=Number)
    hidden_at: int | None = Field(sa_type=Number)
    details_at: int | None = Field(sa_type=Number)
    media: str = Field(sa_type=Text)
    license: int = Field(sa_type=Number)
    safety: int = Field(sa_type=Number)
    visibility: int = Field(sa_type=Number)
    posted_at: int | None = Field(sa_type=Number)
    modified_at: int | None = Field(sa_type=Number)
    replaced_at: int | None = Field(sa_type=Number)


class DocumentTextRow(CatalogTable, table=True):
    """Everything personal of a document: its words, its place, the digest of its bytes."""

    __tablename__ = "document_text"
    __table_args__ = (_STRICT,)

    document_id: int = Field(sa_type=Number, primary_key=True, foreign_key="document.document_id", ondelete="CASCADE")
    title: str = Field(sa_type=Text)
    created: str | None = Field(sa_type=Text)
    md5: str | None = Field(sa_type=Text)
    latitude: float | None = Field(sa_type=Fraction)
    longitude: float | None = Field(sa_type=Fraction)
    description: str = Field(sa_type=Text)
    tags: str = Field(sa_type=Text)


class RenditionRow(CatalogTable, table=True):
    """One file of a document, wanted or stored."""

    __tablename__ = "rendition"
    __table_args__ = (
        Index(
            "rendition_wanted",
            "account_id",
            "next_try_at",
            sqlite_where=WANTED_RENDITIONS,
            postgresql_where=WANTED_RENDITIONS,
        ),
        Index(
            "rendition_stored",
            "rendition",
            "stored_at",
            sqlite_where=STORED_RENDITIONS,
            postgresql_where=STORED_RENDITIONS,
        ),
        _STRICT_CLUSTERED,
    )

    document_id: int = Field(sa_type=Number, primary_key=True, foreign_key="document.document_id", ondelete="CASCADE")
    rendition: str = Field(sa_type=Text, primary_key=True)
    account_id: int = Field(sa_type=Number)
    state: str = Field(sa_type=Text)
    url: str = Field(sa_type=Text)
    width: int = Field(sa_type=Number)
    height: int = Field(sa_type=Number)
    announced_bytes: int | None = Field(sa_type=Number)
    size_bytes: int = Field(sa_type=Number)
    digest: bytes | None = Field(sa_type=LargeBinary)
    content_type: str = Field(sa_type=Text)
    stored_at: int | None = Field(sa_type=Number)
    attempts: int = Field(sa_type=Number)
    next_try_at: int = Field(sa_type=Number)


class TombstoneRow(CatalogTable, table=True):
    """What keeps an erased document from coming back. Outlives the document."""

    __tablename__ = "tombstone"
    __table_args__ = (_STRICT,)

    document_id: int = Field(sa_type=Number, primary_key=True)
    account_id: int = Field(sa_type=Number)
    reason: str = Field(sa_type=Text)
    since: int = Field(sa_type=Number)
    stands: int = Field(sa_type=Number)


class RemovalRow(CatalogTable, table=True):
    """An obligation to erase, and later its record. Outlives the document and holds no text of it."""

    __tablename__ = "removal"
    __table_args__ = (
        Index("removal_by_deadline", "stage", "erase_by"),
        Index("removal_by_document", "document_id"),
        Index("removal_by_account", "account_id", "stage", "erase_by"),
        Index(
            "removal_suspected",
            "stage",
            "erase_from",
            "next_try_at",
            sqlite_where=SUSPECTED_REMOVALS,
            postgresql_where=SUSPECTED_REMOVALS,
        ),
        Index(
            "removal_owed",
            "document_id",
            unique=True,
            sqlite_where=OWED_DOCUMENTS,
            postgresql_where=OWED_DOCUMENTS,
        ),
        _STRICT,
    )

    removal_id: int | None = Field(sa_type=Number, default=None, primary_key=True)
    document_id: int = Field(sa_type=Number)
    account_id: int = Field(sa_type=Number)
    reason: str = Field(sa_type=Text)
    stage: str = Field(sa_type=Text)
    scope: str = Field(sa_type=Text)
    renditions: str = Field(sa_type=Text)
    first_unsafe_at: int = Field(sa_type=Number)
    detected_at: int = Field(sa_type=Number)
    hidden_at: int = Field(sa_type=Number)
    erase_from: int = Field(sa_type=Number)
    erase_by: int = Field(sa_type=Number)
    confirmed_at: int | None = Field(sa_type=Number)
    gone_at: int | None = Field(sa_type=Number)
    files_erased: int = Field(sa_type=Number)
    bytes_erased: int = Field(sa_type=Number)
    attempts: int = Field(sa_type=Number)
    next_try_at: int = Field(sa_type=Number)
    certificate: str = Field(sa_type=Text)


class RemovalRequestRow(CatalogTable, table=True):
    """What an owner asked to have removed, and how that went. No word of theirs; never deleted."""

    __tablename__ = "removal_request"
    __table_args__ = (
        Index("removal_request_by_subject", "scope", "subject_id"),
        Index("removal_request_open", "request_id", sqlite_where=OPEN_REQUESTS, postgresql_where=OPEN_REQUESTS),
        Index(
            "removal_request_not_outside",
            "request_id",
            sqlite_where=REQUESTS_NOT_OUTSIDE,
            postgresql_where=REQUESTS_NOT_OUTSIDE,
        ),
        _STRICT,
    )

    request_id: int | None = Field(sa_type=Number, default=None, primary_key=True)
    scope: str = Field(sa_type=Text)
    subject_id: int = Field(sa_type=Number)
    account_id: int = Field(sa_type=Number)
    received_at: int = Field(sa_type=Number)
    hidden_at: int = Field(sa_type=Number)
    erase_by: int = Field(sa_type=Number)
    held_documents: int = Field(sa_type=Number)
    held_files: int = Field(sa_type=Number)
    held_bytes: int = Field(sa_type=Number)
    consent_epoch: int = Field(sa_type=Number)
    gone_at: int | None = Field(sa_type=Number)
    ended_at: int | None = Field(sa_type=Number)
    ended_by: str = Field(sa_type=Text)
    is_kept_outside: int = Field(sa_type=Number)


class RemovalRequestWordsRow(CatalogTable, table=True):
    """Contact and note of a request: personal, and deleted when they are not needed any more."""

    __tablename__ = "removal_request_words"
    __table_args__ = (_STRICT,)

    request_id: int = Field(
        sa_type=Number, primary_key=True, foreign_key="removal_request.request_id", ondelete="CASCADE"
    )
    contact: str = Field(sa_type=Text)
    note: str = Field(sa_type=Text)


class TallyRow(CatalogTable, table=True):
    """How many rows of a table are in each state, per account; kept by triggers, so that counting is cheap."""

    __tablename__ = "tally"
    __table_args__ = (_STRICT_CLUSTERED,)

    kind: str = Field(sa_type=Text, primary_key=True)
    account_id: int = Field(sa_type=Number, primary_key=True)
    state: str = Field(sa_type=Text, primary_key=True)
    number: int = Field(sa_type=Number)
    size_bytes: int = Field(sa_type=Number)


class JobRunRow(CatalogTable, table=True):
    """The newest run of a job."""

    __tablename__ = "job_run"
    __table_args__ = (_STRICT_CLUSTERED,)

    job: str = Field(sa_type=Text, primary_key=True)
    started_at: int = Field(sa_type=Number)
    finished_at: int = Field(sa_type=Number)
    failure: str = Field(sa_type=Text)
    succeeded_at: int | None = Field(sa_type=Number)


class NoteRow(CatalogTable, table=True):
    """A single remembered word."""

    __tablename__ = "note"
    __table_args__ = (_STRICT_CLUSTERED,)

    name: str = Field(sa_type=Text, primary_key=True)
    value: str = Field(sa_type=Text)


METADATA = CatalogTable.metadata


def table(name: str) -> Table:
    """A table for SQLAlchemy Core, by its name.

    Raises:
        KeyError: there is none of that name.
    """
    return METADATA.tables[name]
