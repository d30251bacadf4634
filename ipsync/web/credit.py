"""Whom to credit and where each copy leads back to (T08, T18): as JSON, and as the `Link` header of an answer."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ipsync.policy.accounts import Account
from ipsync.policy.documents import Document
from ipsync.policy.entries import Entry, EntryKind, entry_of, is_entry
from ipsync.policy.licenses import LICENSES
from ipsync.policy.requests import RequestScope, Subject
from ipsync.web.showing import Held

_PAGES = {EntryKind.ALBUM: "album", EntryKind.FOLDER: "folder", EntryKind.ARTICLE: "blog"}
"""The word in the address of each kind's page at ipernity."""

LICENSES_TOLD = "the licenses of the documents in it"

_LONGEST_IN_HEADER = 100
"""Characters of a name: each may become twelve bytes, and servers in front take headers of 4 kB in all."""


def owner(held: Held, site_url: str) -> dict[str, Any]:
    """Give whom to credit."""
    account_id = held.document.account_id
    name = str(account_id) if held.account is None else credited_name(held.account)
    return {"user_id": str(account_id), "name": name, "link": member_link(account_id, site_url)}


def credited_name(account: Account) -> str:
    """Give a member's name as they wrote it; where none is held, their number."""
    return account.username or account.realname or str(account.account_id)


def license_of(document: Document) -> dict[str, Any]:
    """Give the license; what has none we know of is never shown."""
    known = LICENSES[document.facts.license]
    return {"id": known.license_id, "name": known.name, "link": known.link}


def document_link(document: Document, site_url: str) -> str:
    """Give the page at ipernity that every copy leads back to."""
    return f"{site_url}/doc/{document.account_id}/{document.document_id}"


def entry_link(entry: Entry, site_url: str) -> str:
    """Give the page of an album, a folder, an article or a member at ipernity."""
    return _entry_page(entry.kind, entry.entry_id, entry.account_id, site_url)


def _entry_page(kind: EntryKind, entry_id: int, account_id: int, site_url: str) -> str:
    if kind is EntryKind.PROFILE:
        return member_link(account_id, site_url)
    return f"{site_url}/{_PAGES[kind]}/{account_id}/{entry_id}"


def page_of(subject: Subject, site_url: str) -> str:
    """Give the page at ipernity of what a request names."""
    if subject.scope is RequestScope.ACCOUNT:
        return member_link(subject.subject_id, site_url)
    if is_entry(subject.subject_id):
        return _entry_page(*entry_of(subject.subject_id), subject.account_id, site_url)
    return f"{site_url}/doc/{subject.account_id}/{subject.subject_id}"


def name_of_subject(subject: Subject) -> str:
    """What a request names, as pages for members say it: `work 41234567`, `album 4711`, `everything`."""
    if subject.scope is RequestScope.ACCOUNT:
        return "everything"
    return subject.name if is_entry(subject.subject_id) else f"work {subject.subject_id}"


def member_link(account_id: int, site_url: str) -> str:
    """Give the member's page at ipernity."""
    return f"{site_url}/home/{account_id}"


def entry_link_header(entry: Entry, name: str, site_url: str) -> str:
    """Give the value of `Link` for an album, a folder, an article or a profile: page, author. They bear no license."""
    page = f'<{entry_link(entry, site_url)}>; rel="canonical"'
    return page if entry.kind is EntryKind.PROFILE else f"{page}, {_author(entry.account_id, name, site_url)}"


def _author(account_id: int, name: str, site_url: str) -> str:
    shown = quote(name[:_LONGEST_IN_HEADER], safe="", errors="replace")
    return f"<{member_link(account_id, site_url)}>; rel=\"author\"; title*=UTF-8''{shown}"


def linked(*values: str) -> dict[str, str]:
    """Give the header `Link` of these values; none where all are empty."""
    value = ", ".join(filter(None, values))
    return {"Link": value} if value else {}


def licenses_header(told: Iterable[Mapping[str, Any]]) -> str:
    """Give the value of `Link` for an answer that holds several documents: each of their licenses once; "" for none.

    Args:
        told: documents as answers hold them.
    """
    links = dict.fromkeys(document["license"]["link"] for document in told)
    return ", ".join(f'<{link}>; rel="license"' for link in links)


def link_header(held: Held, site_url: str) -> str:
    """Give the value of `Link` for a document or a file of it: license, page, author (of a long name the beginning)."""
    credit = owner(held, site_url)
    return (
        f'<{license_of(held.document)["link"]}>; rel="license", '
        f'<{document_link(held.document, site_url)}>; rel="canonical", '
        f"{_author(held.document.account_id, credit['name'], site_url)}"
    )
