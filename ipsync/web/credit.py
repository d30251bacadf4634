"""Whom to credit and where each copy leads back to (T08, T18): as JSON, and as the `Link` header of an answer."""

from typing import Any
from urllib.parse import quote

from ipsync.policy.documents import Document
from ipsync.policy.entries import Entry, EntryKind
from ipsync.policy.licenses import LICENSES
from ipsync.web.showing import Held

_PAGES = {EntryKind.ALBUM: "album", EntryKind.FOLDER: "folder", EntryKind.ARTICLE: "blog"}
"""The word in the address of each kind's page at ipernity."""


def owner(held: Held, site_url: str) -> dict[str, Any]:
    """Give whom to credit."""
    account_id = held.document.account_id
    name = "" if held.account is None else held.account.username or held.account.realname
    return {"user_id": str(account_id), "name": name or str(account_id), "link": member_link(account_id, site_url)}


def license_of(document: Document) -> dict[str, Any]:
    """Give the license; what has none we know of is never shown."""
    known = LICENSES[document.facts.license]
    return {"id": known.license_id, "name": known.name, "link": known.link}


def document_link(document: Document, site_url: str) -> str:
    """Give the page at ipernity that every copy leads back to."""
    return f"{site_url}/doc/{document.account_id}/{document.document_id}"


def entry_link(entry: Entry, site_url: str) -> str:
    """Give the page of an album, a folder, an article or a member at ipernity."""
    if entry.kind is EntryKind.PROFILE:
        return member_link(entry.account_id, site_url)
    return f"{site_url}/{_PAGES[entry.kind]}/{entry.account_id}/{entry.entry_id}"


def member_link(account_id: int, site_url: str) -> str:
    """Give the member's page at ipernity."""
    return f"{site_url}/home/{account_id}"


def link_header(held: Held, site_url: str) -> str:
    """Give the value of `Link` for a document or a file of it: license, page, author."""
    credit = owner(held, site_url)
    return (
        f'<{license_of(held.document)["link"]}>; rel="license", '
        f'<{document_link(held.document, site_url)}>; rel="canonical", '
        f"<{credit['link']}>; rel=\"author\"; title*=UTF-8''{quote(credit['name'], safe='', errors='replace')}"
    )
