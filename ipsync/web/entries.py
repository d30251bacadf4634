"""`/v1/albums`, `/v1/folders`, `/v1/articles`, profiles: the same promises as for documents, lease included (T06, T20).

Whatever may not be shown looks as if it had never been; of what was erased a number is remembered, and 410 says so.
An article's text is plain: no markup of a member ever gets here (`policy.plain_text`).
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from aiohttp import web

from ipsync.policy.entries import LARGEST_ENTRY_ID, EntryKind, subject_number
from ipsync.policy.instants import rfc3339
from ipsync.policy.lease import Lease
from ipsync.policy.profiles import profile_words
from ipsync.policy.read_tokens import TokenScope
from ipsync.ports.catalog import View
from ipsync.web import entry_schemas
from ipsync.web.answers import tagged
from ipsync.web.api import Endpoint, Reply
from ipsync.web.api_schemas import NOT_SHOWN
from ipsync.web.authentication import CALLER
from ipsync.web.credit import (
    LICENSES_TOLD,
    credited_name,
    entry_link,
    entry_link_header,
    licenses_header,
    linked,
    member_link,
)
from ipsync.web.documents import CURSORS, SHOWCASE, summary
from ipsync.web.entry_showing import Contents, ShownEntry, read_contents, read_entries, read_entry
from ipsync.web.failures import not_found
from ipsync.web.parts import PARTS
from ipsync.web.reading import (
    ACCOUNT,
    IF_NONE_MATCH,
    LIMIT,
    cursor_among,
    id_in_path,
    query_of,
    read_id,
    read_limit,
)
from ipsync.web.showing import why_missing

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LISTED = (EntryKind.ALBUM, EntryKind.FOLDER, EntryKind.ARTICLE)
_ARTICLES = {EntryKind.ALBUM: "an album", EntryKind.FOLDER: "a folder", EntryKind.ARTICLE: "an article"}
_LINKS_TOLD = f"its page at ipernity, its author, {LICENSES_TOLD}"
_HOLDS = {
    EntryKind.ALBUM: "With the documents in it that may be shown, in their owner's order.",
    EntryKind.FOLDER: "With the albums in it that may be shown, in their owner's order.",
    EntryKind.ARTICLE: "With its words, plain, and the documents it shows, as far as they may be shown.",
}


async def _list(request: web.Request, kind: EntryKind) -> web.StreamResponse:
    """One page of what may be shown, by id."""
    parts, caller = request.app[PARTS], request[CALLER]
    asked = query_of(request, "account", "cursor", "limit")
    account_id = caller.account_id if "account" not in asked else read_id(asked["account"], "account")
    limit, cursors = read_limit(asked.get("limit")), request.app[CURSORS]
    if account_id is not None and (account_id >= LARGEST_ENTRY_ID or not caller.may_see(account_id)):
        return tagged(request, {f"{kind.value}s": [], "next_cursor": None})
    question = question_of(kind, account_id)
    after = 0 if "cursor" not in asked else cursors.read(asked["cursor"], question)
    rules, now = parts.rules(), parts.clock.now()
    shown, further = await parts.catalog.read(
        lambda view: read_entries(view, kind, rules, now, after, limit, account_id)
    )
    lease, now = rules.lease, parts.clock.now()
    answer = {
        f"{kind.value}s": [
            told_entry(one, lease, parts.site_url) for one in shown if lease.holds(one.entry.verified_at, now)
        ],
        "next_cursor": None if further is None else cursors.write(further, question),
    }
    return tagged(request, answer)


async def _show(request: web.Request, kind: EntryKind) -> web.StreamResponse:
    """One entry, with a page of what it holds."""
    parts, caller = request.app[PARTS], request[CALLER]
    asked = query_of(request, "cursor", "limit")
    entry_id = int(request.match_info[f"{kind.value}_id"])
    limit, cursors = read_limit(asked.get("limit")), request.app[CURSORS]
    if entry_id > LARGEST_ENTRY_ID:
        raise not_found()
    number = subject_number(kind, entry_id)
    rules, now = parts.rules(), parts.clock.now()
    if not await parts.catalog.read(lambda view: view.entries([number])):
        raise await why_missing(request.app[SHOWCASE], number, caller.account_id)
    # What may not be shown is not there, whatever else is asked: a cursor is judged after that.
    given = asked.get("cursor")

    def read(view: View) -> tuple[ShownEntry | None, Contents]:
        shown = read_entry(view, kind, entry_id, rules, now)
        if shown is None or not caller.may_see(shown.entry.account_id):
            return None, Contents()
        after = 0 if given is None else cursors.read(given, number)
        return shown, read_contents(view, shown.entry, rules, now, after, limit)

    shown, contents = await parts.catalog.read(read)
    lease, now = rules.lease, parts.clock.now()
    if shown is None or not lease.holds(shown.entry.verified_at, now):
        raise not_found()
    further = None if contents.after is None else cursors.write(contents.after, number)
    answer = told_entry(shown, lease, parts.site_url) | {"next_cursor": further}
    if kind is EntryKind.FOLDER:
        answer["albums"] = [
            told_entry(one, lease, parts.site_url) for one in contents.albums if lease.holds(one.entry.verified_at, now)
        ]
    else:
        answer["documents"] = [
            summary(held, lease, parts.site_url, rules.on_demand)
            for held in contents.documents
            if lease.holds(held.document.verified_at, now)
        ]
    if kind is EntryKind.ARTICLE:
        answer["text"] = shown.entry.content.text
    link = entry_link_header(shown.entry, credited_name(shown.account), parts.site_url)
    return tagged(request, answer, linked(link, licenses_header(answer.get("documents", ()))))


async def show_profile(request: web.Request) -> web.StreamResponse:
    """`GET /v1/accounts/{account_id}/profile`: what a member tells of themselves."""
    parts, caller = request.app[PARTS], request[CALLER]
    query_of(request)
    account_id = int(request.match_info["account_id"])
    if account_id > LARGEST_ENTRY_ID:
        raise not_found()
    number = subject_number(EntryKind.PROFILE, account_id)
    rules, now = parts.rules(), parts.clock.now()
    if not await parts.catalog.read(lambda view: view.entries([number])):
        raise await why_missing(request.app[SHOWCASE], number, caller.account_id)
    shown = await parts.catalog.read(lambda view: read_entry(view, EntryKind.PROFILE, account_id, rules, now))
    if (
        shown is None
        or not caller.may_see(shown.entry.account_id)
        or not rules.lease.holds(shown.entry.verified_at, now)
    ):
        raise not_found()
    link = entry_link_header(shown.entry, credited_name(shown.account), parts.site_url)
    return tagged(request, told_entry(shown, rules.lease, parts.site_url), {"Link": link})


def _profile(shown: ShownEntry, lease: Lease, site_url: str) -> dict[str, Any]:
    entry, words = shown.entry, profile_words(shown.entry.content.text)
    return {
        "account_id": str(entry.account_id),
        "name": entry.title or words.realname or str(entry.account_id),
        "realname": words.realname,
        "alias": words.alias,
        "town": words.town,
        "country": words.country,
        "link": entry_link(entry, site_url),
        "verified_at": rfc3339(entry.verified_at),
        "serve_until": rfc3339(lease.serve_until(entry.verified_at)),
    }


def question_of(kind: EntryKind, account_id: int | None) -> int:
    """What a cursor among entries is bound to: a number that no account and no other list has."""
    return subject_number(kind, 1 + (account_id or 0)) - 2**62


def told_entry(shown: ShownEntry, lease: Lease, site_url: str) -> dict[str, Any]:
    """What is told of an entry wherever it is named."""
    if shown.entry.kind is EntryKind.PROFILE:
        return _profile(shown, lease, site_url)
    entry, account = shown.entry, shown.account
    account_id = entry.account_id
    told: dict[str, Any] = {
        f"{entry.kind.value}_id": str(entry.entry_id),
        "account_id": str(account_id),
        "title": entry.title,
        "owner": {
            "user_id": str(account_id),
            "name": credited_name(account),
            "link": member_link(account_id, site_url),
        },
        "link": entry_link(entry, site_url),
        "verified_at": rfc3339(entry.verified_at),
        "serve_until": rfc3339(lease.serve_until(entry.verified_at)),
    }
    if entry.kind is EntryKind.ALBUM:
        told["cover"] = None if shown.cover_id is None else str(shown.cover_id)
    times = {"posted_at": entry.posted_at, "modified_at": entry.modified_at}
    return told | {name: rfc3339(at) for name, at in times.items() if at is not None}


def _endpoints() -> Iterator[Endpoint]:
    for kind in _LISTED:
        name = kind.value
        lists: _Handler = partial(_list, kind=kind)
        shows: _Handler = partial(_show, kind=kind)
        yield Endpoint(
            path=f"/v1/{name}s",
            name=f"{name}s",
            handler=lists,
            scope=TokenScope.DOCUMENTS,
            summary=f"{name.capitalize()}s that may be shown now",
            description="By id, page by page. Empty where mirror.content does not name them.",
            parameters=(ACCOUNT, cursor_among(f"{name}s"), LIMIT, IF_NONE_MATCH),
            replies={
                200: Reply("One page.", f"{name.capitalize()}s", headers={"ETag": "of these bytes"}),
                304: Reply("The page is still the same.", content_type=""),
            },
            schemas=entry_schemas.LISTS[name],
        )
        yield Endpoint(
            path=f"/v1/{name}s/{{{name}_id}}",
            name=name,
            handler=shows,
            scope=TokenScope.DOCUMENTS,
            summary=f"One {name}",
            description=_HOLDS[kind],
            parameters=(
                id_in_path(f"{name}_id", _ARTICLES[kind]),
                cursor_among(f"contents-of-{name}s"),
                LIMIT,
                IF_NONE_MATCH,
            ),
            replies={
                200: Reply(
                    f"The {name}.",
                    name.capitalize(),
                    headers={
                        "ETag": "of these bytes",
                        "Link": _LINKS_TOLD,
                    },
                ),
                304: Reply("It is still the same.", content_type=""),
                400: Reply("A parameter is unknown or wrong.", "Error"),
                **NOT_SHOWN,
            },
            schemas=entry_schemas.ONES[name],
        )
    yield Endpoint(
        path="/v1/accounts/{account_id}/profile",
        name="profile",
        handler=show_profile,
        scope=TokenScope.DOCUMENTS,
        summary="What a member tells of themselves",
        description="Names, town and country. Not there where mirror.content does not name it, or the member did not "
        "permit it.",
        parameters=(id_in_path("account_id", "a member"), IF_NONE_MATCH),
        replies={
            200: Reply("The profile.", "Profile", headers={"ETag": "of these bytes", "Link": "their page at ipernity"}),
            304: Reply("It is still the same.", content_type=""),
            400: Reply("There are no parameters here.", "Error"),
            **NOT_SHOWN,
        },
        schemas=entry_schemas.PROFILE,
    )


ENDPOINTS = tuple(_endpoints())
