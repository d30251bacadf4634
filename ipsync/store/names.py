"""Names of stored files, made of our own integers and words only (F30).

The one place where a key becomes a path and a path becomes a key. No text from upstream can pass
here: what is not a plain decimal number or one of `RENDITIONS` is refused.
"""

import re

from ipsync.policy.documents import RENDITIONS
from ipsync.ports.store import ContentKey

INCOMING = ".incoming"
"""The directory of partial downloads, beside the accounts."""

MARK = ".ipsync"
"""The store's mark, beside the accounts."""

NEW_MARK = ".ipsync-new"
"""A mark that is being written; one that a crash left is replaced by the next."""

FOREIGN_TO_ALL = "lost+found"
"""A file system puts this at its top for itself; it is neither ours nor an orphan."""

_HIGHEST_ID = 2**63 - 1
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def id_name(number: int) -> str:
    """Write an id as a directory name.

    Raises:
        ValueError: it is no integer from 1 to 2**63 - 1.
    """
    if type(number) is not int or not 1 <= number <= _HIGHEST_ID:
        raise ValueError("an id in a content key must be an integer from 1 to 2**63 - 1")
    return str(number)


def read_id(name: str) -> int | None:
    """The id a directory name stands for, or None if it is no name of ours."""
    if _NUMBER.fullmatch(name) is None:
        return None
    number = int(name)
    return number if number <= _HIGHEST_ID else None


def rendition_name(rendition: str) -> str:
    """Give the rendition back as a file name.

    Raises:
        ValueError: it is none of `RENDITIONS`.
    """
    if type(rendition) is not str or rendition not in RENDITIONS:
        raise ValueError("a content key needs one of the known renditions")
    return rendition


def key_names(key: ContentKey) -> tuple[str, str, str]:
    """The path of a key below the root, as account, document and file name.

    Raises:
        ValueError: the key holds anything but our own integers and words.
    """
    return id_name(key.account_id), id_name(key.document_id), rendition_name(key.rendition)


def partial_name(key: ContentKey) -> str:
    """The name of a partial download of `key` inside `INCOMING`.

    Raises:
        ValueError: as `key_names`.
    """
    return ".".join(key_names(key))


def read_key(account: str, document: str, rendition: str) -> ContentKey | None:
    """The key that names of a path stand for, or None if they are not ours."""
    account_id, document_id = read_id(account), read_id(document)
    if account_id is None or document_id is None or rendition not in RENDITIONS:
        return None
    return ContentKey(account_id, document_id, rendition)


def read_partial(name: str) -> ContentKey | None:
    """The key a partial download belongs to, or None if the name is not ours."""
    parts = name.split(".")
    return read_key(*parts) if len(parts) == 3 else None
