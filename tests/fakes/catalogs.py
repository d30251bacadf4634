"""Catalogs for tests: real ones on files of the test's own, and values to put into them.

Giving a database its schema takes a tenth of a second, so it is done once a process and copied.
"""

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from ipsync.catalog import SqliteCatalog, open_catalog, upgrade
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import (
    Details,
    Document,
    DocumentState,
    Facts,
    Media,
    RemoteFile,
    Rendition,
    RenditionState,
    Safety,
    Visibility,
)
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason, Removal, Scope, Stage

URL = "sqlite:///ipsync.db"
STATE_KEY = b"a state key of the tests, 32 bytes"
NOW = 1_795_000_000 * SECOND
LEASE = Lease(DAY)


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        upgrade(URL, Path(folder))
        return (Path(folder) / "ipsync.db").read_bytes()


def fresh_database(folder: Path) -> Path:
    """Put an empty database with the newest schema into `folder`; returns its path."""
    path = folder / "ipsync.db"
    path.write_bytes(_template())
    path.chmod(0o600)
    return path


def fresh_catalog(folder: Path, **options: Any) -> SqliteCatalog:
    """Open an empty catalog in `folder`, with the options of `open_catalog`."""
    fresh_database(folder)
    return open_catalog(URL, folder, STATE_KEY, **options)


def copied(folder: Path, to: Path) -> Path:
    """Copy a database that nobody has open, with its log; returns the folder `to`."""
    to.mkdir(exist_ok=True)
    for file in folder.glob("ipsync.db*"):
        shutil.copy(file, to / file.name)
    return to


def an_account(account_id: int = 1, **changes: Any) -> Account:
    """An ACTIVE account."""
    values: dict[str, Any] = {
        "account_id": account_id,
        "username": f"member{account_id}",
        "realname": f"Member {account_id}",
        "state": AccountState.ACTIVE,
        "consent_epoch": 1,
        "added_at": NOW - DAY,
        "checked_at": NOW - HOUR,
        "next_check_at": NOW + HOUR,
    }
    return Account(**values | changes)


def facts(**changes: Any) -> Facts:
    """What a listing says of a public photo."""
    values: dict[str, Any] = {
        "media": Media.PHOTO,
        "license": 9,
        "safety": Safety.EVERYONE,
        "visibility": Visibility.PUBLIC,
        "title": "A heron, early",
        "posted_at": NOW - 30 * DAY,
        "modified_at": NOW - 20 * DAY,
        "replaced_at": None,
        "created": "2026-10-01 07:30:00",
        "md5": "0123456789abcdef0123456789abcdef",
        "latitude": 48.137,
        "longitude": 11.575,
    }
    return Facts(**values | changes)


def a_document(document_id: int = 1, account_id: int = 1, **changes: Any) -> Document:
    """A LIVE document, verified at `NOW`. Changes may name fields of Document or of Facts."""
    of_facts = {name: changes.pop(name) for name in list(changes) if name in Facts.__dataclass_fields__}
    values: dict[str, Any] = {
        "document_id": document_id,
        "account_id": account_id,
        "facts": facts(**of_facts),
        "state": DocumentState.LIVE,
        "verified_at": NOW,
        "mirrored_at": NOW - DAY,
    }
    return Document(**values | changes)


def with_details(document_id: int = 1, **changes: Any) -> Document:
    """A document with its owner's words."""
    return a_document(
        document_id,
        details=Details("Seen from the hide, \N{GREEK SMALL LETTER OMEGA}", ("heron", "early morning")),
        details_at=NOW - HOUR,
        **changes,
    )


def a_rendition(document_id: int = 1, name: str = "240", account_id: int = 1, **changes: Any) -> Rendition:
    """A WANTED file."""
    file = RemoteFile(name, f"https://cdn.ipernity.test/{document_id}.5ec7e7.{name}.jpg", 240, 180)
    values: dict[str, Any] = {"document_id": document_id, "account_id": account_id, "file": file}
    return Rendition(**values | changes)


def a_stored_rendition(document_id: int = 1, name: str = "240", account_id: int = 1, **changes: Any) -> Rendition:
    """A STORED file of 1000 bytes."""
    values: dict[str, Any] = {
        "state": RenditionState.STORED,
        "size_bytes": 1000,
        "digest": bytes(range(32)),
        "content_type": "image/jpeg",
        "stored_at": NOW - HOUR,
    }
    return a_rendition(document_id, name, account_id, **values | changes)


def a_removal(document_id: int = 1, account_id: int = 1, **changes: Any) -> Removal:
    """A SUSPECTED removal of a whole document that was verified at `NOW`."""
    values: dict[str, Any] = {
        "document_id": document_id,
        "account_id": account_id,
        "reason": Reason.UNSHARED,
        "stage": Stage.SUSPECTED,
        "scope": Scope.DOCUMENT,
        "first_unsafe_at": NOW,
        "detected_at": NOW + HOUR,
        "hidden_at": NOW + HOUR,
        "erase_from": LEASE.erase_from(NOW),
        "erase_by": LEASE.erase_by(NOW),
    }
    return Removal(**values | changes)
