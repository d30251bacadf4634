"""How people name an album, a folder, an article or a profile: in words, or by the page at ipernity. Pure.

Nothing is fetched; an alias of a member stays one, since only ipernity knows whose it is. A member's own page names
no profile: who gives that means everything, and is to say so.
"""

import re

from ipsync.policy.entries import LARGEST_ENTRY_ID, EntryKind, subject_number

_OWNER = r"(?P<owner>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"
_ID = r"(?P<number>[1-9][0-9]{0,18})"
_NAMED = re.compile(rf"(?P<kind>album|folder|article|profile)[ /]{_ID}")
# The page of an album stands by itself, or below those of its owner's documents.
_PAGES = (
    re.compile(rf"/(?P<kind>album|folder|blog)/{_OWNER}/{_ID}/?"),
    re.compile(rf"/doc/{_OWNER}/(?P<kind>album|folder)/{_ID}/?"),
)
_KINDS = {
    "album": EntryKind.ALBUM,
    "folder": EntryKind.FOLDER,
    "blog": EntryKind.ARTICLE,
    "article": EntryKind.ARTICLE,
    "profile": EntryKind.PROFILE,
}


def read_entry_name(text: str) -> int | None:
    """The subject number of what is named as `album 4711` or `album/4711`; None where the text is nothing like that."""
    found = _NAMED.fullmatch(text)
    return None if found is None else _number(found)


def read_entry_page(path: str) -> tuple[int, str] | None:
    """The subject number of what a page shows, and its owner's id or alias; None where it is no page of an entry."""
    found = next((match for page in _PAGES if (match := page.fullmatch(path))), None)
    number = None if found is None else _number(found)
    return None if found is None or number is None else (number, found["owner"])


def _number(found: re.Match[str]) -> int | None:
    entry_id = int(found["number"])
    return None if entry_id > LARGEST_ENTRY_ID else subject_number(_KINDS[found["kind"]], entry_id)
