"""The table of changes, and the triggers that fill it. Numbers and words of our own, no text of any document or entry.

The triggers see to it that a change is on record with what it is about, or not at all, whoever made it. They look
only at columns that count: renewing a lease touches none of them and costs nothing. A change that concerns all of an
account at once is one row, so that hiding a member with very many documents stays one short transaction.

The newest row is never deleted: the next number is one more than it, so none is ever used twice.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, MetaData, Text, event
from sqlmodel import Field

from ipsync.catalog.tables import METADATA, CatalogTable, Number


class ChangeRow(CatalogTable, table=True):
    """One change (`policy.changes.Change`); `document_id` is 0 for a whole account, negative for an entry."""

    __tablename__ = "change"
    __table_args__ = ({"sqlite_strict": True},)

    sequence: int | None = Field(sa_type=Number, default=None, primary_key=True)
    kind: str = Field(sa_type=Text)
    document_id: int = Field(sa_type=Number)
    account_id: int = Field(sa_type=Number)
    at: int = Field(sa_type=Number)


_NEW_IS_SERVED = "(SELECT state FROM account WHERE account_id = new.account_id) IN ('active', 'paused')"
_OLD_IS_SERVED = "(SELECT state FROM account WHERE account_id = old.account_id) IN ('active', 'paused')"
_FACTS = ("media", "license", "safety", "visibility", "posted_at", "modified_at", "replaced_at")
_WORDS = ("title", "created", "md5", "latitude", "longitude", "description", "tags")
_NAMES = ("username", "realname")
_ENTRY_FACTS = ("posted_at", "modified_at", "cover_id")
_ENTRY_WORDS = ("title", "text", "members")

_TELL = (
    "INSERT INTO change (kind, document_id, account_id, at)"
    " VALUES ('{kind}', {row}.document_id, {row}.account_id, {at});"
)
_TELL_OF_ALL = (
    "INSERT INTO change (kind, document_id, account_id, at)"
    " SELECT '{kind}', document_id, account_id, new.checked_at FROM document"
    " WHERE account_id = new.account_id AND state = 'live' ORDER BY document_id;"
    " INSERT INTO change (kind, document_id, account_id, at)"
    " SELECT '{kind}', number, account_id, new.checked_at FROM entry"
    " WHERE account_id = new.account_id AND state = 'live' ORDER BY number DESC;"
)
_TELL_OF_ENTRY = (
    "INSERT INTO change (kind, document_id, account_id, at) VALUES ('{kind}', {row}.number, {row}.account_id, {at});"
)
_TELL_WHERE_ENTRY_SHOWN = (
    "INSERT INTO change (kind, document_id, account_id, at)"
    " SELECT 'changed', number, account_id, verified_at FROM entry WHERE number = new.number AND state = 'live'"
    " AND (SELECT state FROM account WHERE account_id = entry.account_id) IN ('active', 'paused');"
)
# A document's words and files are told of while it is shown: before, its appearance tells of them.
_TELL_WHERE_SHOWN = (
    "INSERT INTO change (kind, document_id, account_id, at)"
    " SELECT 'changed', document_id, account_id, {at} FROM document"
    " WHERE document_id = {row}.document_id AND state = 'live'"
    " AND (SELECT state FROM account WHERE account_id = document.account_id) IN ('active', 'paused');"
)
# An account's row knows several instants; the latest of those that can have been now is told.
_TELL_OF_ACCOUNT = (
    "INSERT INTO change (kind, document_id, account_id, at) VALUES ('hidden', 0, new.account_id, max(new.checked_at,"
    " CASE WHEN new.state = 'doubted' AND new.checked_at = old.checked_at THEN new.next_check_at ELSE 0 END,"
    " coalesce((SELECT max(ended_at) FROM consent WHERE account_id = new.account_id), 0),"
    " coalesce((SELECT at FROM change ORDER BY sequence DESC LIMIT 1), 0)));"
)
# What came back meanwhile was told as appeared; that its former copy is gone by now concerns nobody.
_IS_GONE = (
    "old.stage <> 'gone' AND new.stage = 'gone' AND new.scope = 'document'"
    " AND NOT EXISTS (SELECT 1 FROM document WHERE document_id = new.document_id)"
    " AND NOT EXISTS (SELECT 1 FROM entry WHERE number = new.document_id)"
)
_IS_OTHER_FILE = (
    "(old.state = 'stored') <> (new.state = 'stored') OR new.state = 'stored' AND old.digest IS NOT new.digest"
)


def _differs(columns: tuple[str, ...]) -> str:
    return "(" + " OR ".join(f"old.{name} IS NOT new.{name}" for name in columns) + ")"


def _of_documents() -> Iterator[tuple[str, str, str, str]]:
    """Each trigger: its name, when it looks, under which condition it acts, and what it does."""
    appeared, hidden = {"kind": "appeared", "row": "new"}, {"kind": "hidden", "row": "new"}
    yield (
        "appeared",
        "INSERT ON document",
        f"new.state = 'live' AND {_NEW_IS_SERVED}",
        _TELL.format_map(appeared | {"at": "new.mirrored_at"}),
    )
    yield (
        "reappeared",
        "UPDATE OF state ON document",
        f"old.state <> 'live' AND new.state = 'live' AND {_NEW_IS_SERVED}",
        _TELL.format_map(appeared | {"at": "new.verified_at"}),
    )
    yield (
        "hidden",
        "UPDATE OF state ON document",
        f"old.state = 'live' AND new.state <> 'live' AND {_NEW_IS_SERVED}",
        _TELL.format_map(hidden | {"at": "coalesce(new.hidden_at, new.verified_at)"}),
    )
    yield (
        "facts",
        f"UPDATE OF {', '.join(_FACTS)} ON document",
        f"old.state = 'live' AND new.state = 'live' AND {_differs(_FACTS)} AND {_NEW_IS_SERVED}",
        _TELL.format_map({"kind": "changed", "row": "new", "at": "new.verified_at"}),
    )
    yield (
        "dropped",
        "DELETE ON document",
        f"old.state = 'live' AND {_OLD_IS_SERVED}",
        _TELL.format_map({"kind": "hidden", "row": "old", "at": "old.verified_at"}),
    )


def _of_parts() -> Iterator[tuple[str, str, str, str]]:
    stored = _TELL_WHERE_SHOWN.format_map({"row": "new", "at": "coalesce(new.stored_at, verified_at)"})
    yield (
        "words",
        f"UPDATE OF {', '.join(_WORDS)} ON document_text",
        _differs(_WORDS),
        _TELL_WHERE_SHOWN.format_map({"row": "new", "at": "max(verified_at, coalesce(details_at, 0))"}),
    )
    yield "file", "INSERT ON rendition", "new.state = 'stored'", stored
    yield "file_changed", "UPDATE OF state, digest ON rendition", _IS_OTHER_FILE, stored
    yield (
        "file_dropped",
        "DELETE ON rendition",
        "old.state = 'stored'",
        _TELL_WHERE_SHOWN.format_map({"row": "old", "at": "verified_at"}),
    )


def _of_owners() -> Iterator[tuple[str, str, str, str]]:
    was, is_now = "old.state IN ('active', 'paused')", "new.state IN ('active', 'paused')"
    changed = f"UPDATE OF {', '.join(_NAMES)} ON account"
    yield "account_hidden", "UPDATE OF state ON account", f"{was} AND NOT {is_now}", _TELL_OF_ACCOUNT
    appeared, renamed = _TELL_OF_ALL.format_map({"kind": "appeared"}), _TELL_OF_ALL.format_map({"kind": "changed"})
    yield "account_shown", "UPDATE OF state ON account", f"NOT {was} AND {is_now}", appeared
    yield "account_names", changed, f"{was} AND {is_now} AND {_differs(_NAMES)}", renamed
    gone = {"kind": "gone", "row": "new", "at": "coalesce(new.gone_at, new.detected_at)"}
    yield "gone", "UPDATE OF stage ON removal", _IS_GONE, _TELL.format_map(gone)


def _of_entries() -> Iterator[tuple[str, str, str, str]]:
    """Of albums, folders, articles and profiles; what they hold is told where it changes itself."""
    appeared, hidden = {"kind": "appeared", "row": "new"}, {"kind": "hidden", "row": "new"}
    yield (
        "entry_appeared",
        "INSERT ON entry",
        f"new.state = 'live' AND {_NEW_IS_SERVED}",
        _TELL_OF_ENTRY.format_map(appeared | {"at": "new.mirrored_at"}),
    )
    yield (
        "entry_reappeared",
        "UPDATE OF state ON entry",
        f"old.state <> 'live' AND new.state = 'live' AND {_NEW_IS_SERVED}",
        _TELL_OF_ENTRY.format_map(appeared | {"at": "max(new.verified_at, new.seen_at)"}),
    )
    yield (
        "entry_hidden",
        "UPDATE OF state ON entry",
        f"old.state = 'live' AND new.state <> 'live' AND {_NEW_IS_SERVED}",
        _TELL_OF_ENTRY.format_map(hidden | {"at": "coalesce(new.hidden_at, new.verified_at)"}),
    )
    yield (
        "entry_facts",
        f"UPDATE OF {', '.join(_ENTRY_FACTS)} ON entry",
        f"old.state = 'live' AND new.state = 'live' AND {_differs(_ENTRY_FACTS)} AND {_NEW_IS_SERVED}",
        _TELL_OF_ENTRY.format_map({"kind": "changed", "row": "new", "at": "new.verified_at"}),
    )
    yield (
        "entry_dropped",
        "DELETE ON entry",
        f"old.state = 'live' AND {_OLD_IS_SERVED}",
        _TELL_OF_ENTRY.format_map({"kind": "hidden", "row": "old", "at": "old.verified_at"}),
    )
    yield (
        "entry_words",
        f"UPDATE OF {', '.join(_ENTRY_WORDS)} ON entry_text",
        _differs(_ENTRY_WORDS),
        _TELL_WHERE_ENTRY_SHOWN,
    )


def change_triggers() -> Iterator[tuple[str, str]]:
    """The triggers that record changes, as pairs of name and statement."""
    for made in (_of_documents, _of_parts, _of_owners, _of_entries):
        for what, occasion, condition, step in made():
            name = f"change_{what}"
            yield name, f"CREATE TRIGGER {name} AFTER {occasion} FOR EACH ROW WHEN {condition} BEGIN {step} END"


@event.listens_for(METADATA, "after_create")
def _create_triggers(_target: MetaData, connection: Connection, **_options: object) -> None:
    for _, statement in change_triggers():
        connection.exec_driver_sql(statement)
