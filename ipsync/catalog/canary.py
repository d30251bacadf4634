"""A canary: a text is written into a database of its own and erased, and its bytes are looked for (T10, design §6).

By the same connections, triggers and steps as the mirror's own database; so it shows what erasing comes to with
this SQLite, on this file system.
"""

import secrets
from pathlib import Path

from ipsync.catalog.migrating import upgrade
from ipsync.catalog.opening import open_catalog
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import Document, DocumentState, Facts, Media, Safety, Visibility
from ipsync.ports.catalog import Transaction

_DOCUMENTS = 40
_URL = "sqlite:///canary.db"


def copies_left(folder: Path) -> int:
    """Write, erase, look.

    Args:
        folder: an empty one; whoever made it takes it away.

    Returns:
        In how many places of the folder's files the text was found after it was erased.

    Raises:
        CatalogFailure: a database cannot be used there.
        RuntimeError: the text was not even found before, so nothing was shown.
    """
    token = secrets.token_hex(16)
    upgrade(_URL, folder)
    catalog = open_catalog(_URL, folder, secrets.token_bytes(32), inline=True)
    try:
        catalog.write_now(lambda tx: _fill(tx, token))
        if not _found(folder, token):
            raise RuntimeError("the canary was never written")
        catalog.write_now(lambda tx: tx.forget_documents(range(1, _DOCUMENTS + 1)))
        scrubbed = catalog.scrub_now()
        left = _found(folder, token)
    finally:
        catalog.close_now()
    return max(left, _found(folder, token), 0 if scrubbed else 1)


def _fill(tx: Transaction, token: str) -> None:
    tx.put_account(Account(1, "canary", "", AccountState.ACTIVE, 1, 0, 0, 0))
    facts = Facts(Media.PHOTO, 1, Safety.EVERYONE, Visibility.PUBLIC, f"canary {token} " * 20)
    tx.add_documents([Document(number, 1, facts, DocumentState.LIVE, 0, 0) for number in range(1, _DOCUMENTS + 1)])


def _found(folder: Path, token: str) -> int:
    # Opening SQLite's files beside it drops its locks; nobody else knows of this database.
    return sum(path.read_bytes().count(token.encode()) for path in folder.iterdir() if path.is_file())
