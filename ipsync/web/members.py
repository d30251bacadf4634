"""`/me`: what is kept of whoever showed at ipernity who they are, and of nobody else.

Every question to the catalog carries the account of the session; no number in an address is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from ipsync.policy.accounts import GRANTED_STATES, Account
from ipsync.policy.documents import THUMBNAIL_LABELS, Document, DocumentState, Rendition, RenditionState
from ipsync.policy.entries import Entry, EntryKind, entry_of
from ipsync.policy.entry_pages import read_entry_name
from ipsync.policy.instants import Instant
from ipsync.policy.licenses import LICENSES
from ipsync.policy.requests import Holding, RequestScope, Subject
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import View
from ipsync.web.authorization import lead_to_ipernity, member_of, name_of
from ipsync.web.connect import jobs_of, leading_out, standing_words
from ipsync.web.credit import document_link, entry_link
from ipsync.web.entry_showing import may_show_entry
from ipsync.web.failures import bad_request, not_found
from ipsync.web.forms import read_form
from ipsync.web.headers import Needs
from ipsync.web.media import INLINE_TYPES, send_to_owner
from ipsync.web.moments import moment
from ipsync.web.pages import form_page, see_other
from ipsync.web.parts import PARTS
from ipsync.web.privacy import size_words
from ipsync.web.reading import read_id
from ipsync.web.sessions import SESSIONS
from ipsync.web.showing import Held, may_show
from ipsync.web.strangers import short_title

_CARDS = 24
_LINES = 25
_LINES_BESIDE_CARDS = 12
"""Works, and albums and the like, on one page: fifty together at most (T20), and light enough for a phone."""

_USUAL_THUMBNAIL = "240"
_STATES: Mapping[DocumentState, str] = {
    DocumentState.SUSPECT: "hidden, being asked after at ipernity",
    DocumentState.STALE: "hidden, not confirmed for too long",
    DocumentState.SEALED: "hidden, kept while ipernity answers nobody",
    DocumentState.DOOMED: "hidden, being erased",
}


def routes() -> list[web.RouteDef]:
    """What members see of their own."""
    return [
        web.get("/me", show_mine, name="me"),
        web.post("/me/sign-in", sign_in, name="me-signin"),
        web.post("/me/sign-out", sign_out, name="me-signout"),
        web.get(r"/me/media/{document_id:[1-9]\d{0,18}}/{rendition:[a-z0-9]+}", send_thumbnail, name="me-media"),
    ]


@dataclass(frozen=True, slots=True)
class Mine:
    """What is kept of one member.

    Attributes:
        page: one page of it, by id.
        after: the id to go on after, or None at the end.
        beside: one page of their albums, folders, articles and profile, by kind and id.
        beside_after: the name of the one to go on after, or "" at the end.
        beside_held: how many of these are kept in all.
    """

    account: Account | None
    held: Holding
    page: tuple[Held, ...]
    after: int | None
    beside: tuple[Entry, ...] = ()
    beside_after: str = ""
    beside_held: int = 0


async def show_mine(request: web.Request) -> web.StreamResponse:
    """`GET /me?after=&beside=`: everything that is kept of mine; without a session, how to show who one is.

    Works come first; `beside` goes on among albums and the like, and shows no works.
    """
    parts, member = request.app[PARTS], member_of(request)
    title = f"My copies · {parts.operator().application}"
    if member is None:
        return form_page(request, "sign-in.html", {"title": title, "back": "me"}, needs=leading_out(request))
    after = read_id(request.query["after"], "after") if "after" in request.query else 0
    beside = _read_beside(request.query.get("beside", ""))
    mine = await parts.catalog.read(partial(_mine, account_id=member.account_id, after=after, beside=beside))
    rules, now = parts.rules(), parts.clock.now()
    is_connected = mine.account is not None and mine.account.state in GRANTED_STATES
    return form_page(
        request,
        "me.html",
        {
            "title": title,
            "name": name_of(mine.account),
            "number": member.account_id,
            "is_connected": is_connected,
            "since": moment(mine.account.added_at, now) if is_connected and mine.account is not None else None,
            "held": mine.held,
            "size": size_words(mine.held.size_bytes),
            "cards": [_card(held, rules, now, parts.site_url) for held in mine.page],
            "after": mine.after,
            "beside": [_line(entry, rules, now, mine.account, parts.site_url) for entry in mine.beside],
            "beside_after": mine.beside_after,
            "beside_more": mine.beside_held - len(mine.beside) if not beside else 0,
            "beside_held": mine.beside_held,
            "is_first": not after and not beside,
            **(standing_words(mine.account, rules) if mine.account is not None else {"standing": "", "waits": False}),
        },
        session=member,
        needs=Needs(forms=True, images=True),
    )


def _read_beside(named: str) -> int:
    """Read after which album, folder, article or profile to go on; 0 for none.

    Raises:
        WebFailure: 400, it names none.
    """
    number = read_entry_name(named) if named else 0
    if number is None:
        raise bad_request("bad-beside", "The parameter beside must be like album/4711.")
    return number


def _mine(view: View, account_id: int, after: int, beside: int) -> Mine:
    found = [] if beside else view.documents_after(after, _CARDS + 1, account_id=account_id)
    shown, more = found[:_CARDS], len(found) > _CARDS
    account = view.account(account_id)
    room = _LINES_BESIDE_CARDS if shown else _LINES
    lines = [] if after else _beside(view, account_id, beside, room + 1)
    return Mine(
        account,
        view.holding(Subject(RequestScope.ACCOUNT, account_id)),
        tuple(with_files(view, account, shown)),
        shown[-1].document_id if more else None,
        tuple(lines[:room]),
        _name_of(lines[room - 1]) if len(lines) > room else "",
        sum(view.entry_counts().get(account_id, {}).values()),
    )


def _beside(view: View, account_id: int, after: int, limit: int) -> list[Entry]:
    """Up to `limit` albums, folders, articles, profile, in this order and by id; those behind the subject `after`."""
    begin, after_id = entry_of(after) if after else (EntryKind.ALBUM, 0)
    kinds, found = list(EntryKind), list[Entry]()
    for kind in kinds[kinds.index(begin) :]:
        rest, behind = limit - len(found), after_id if kind is begin else 0
        found += view.entries_of(kind, rest, after=behind, account_id=account_id) if rest else []
    return found


def _name_of(entry: Entry) -> str:
    return f"{entry.kind.value}/{entry.entry_id}"


def _line(entry: Entry, rules: Rules, now: Instant, account: Account | None, site_url: str) -> dict[str, Any]:
    """Give what a member is told of one album, folder or article."""
    return {
        "kind": entry.kind.value,
        "named": _name_of(entry),
        "is_going": entry.state is DocumentState.DOOMED,
        "title": short_title(entry.title),
        "link": entry_link(entry, site_url),
        "state": "" if may_show_entry(entry, account, rules, now) else _STATES.get(entry.state, "hidden"),
        "verified": moment(entry.verified_at, now),
        "gone_by": moment(entry.verified_at + rules.lease.gone_age, now),
    }


def with_files(view: View, account: Account | None, documents: list[Document]) -> list[Held]:
    """Put documents of one account together with their files."""
    renditions = view.renditions([document.document_id for document in documents])
    return [Held(document, account, tuple(renditions.get(document.document_id, ()))) for document in documents]


def _card(held: Held, rules: Rules, now: Instant, site_url: str) -> dict[str, Any]:
    """Give what a member is told of one document."""
    document = held.document
    stored = [entry for entry in held.renditions if entry.state is RenditionState.STORED]
    is_shown = may_show(held, rules, now)
    license_known = LICENSES.get(document.facts.license)
    return {
        "document_id": document.document_id,
        "title": short_title(document.facts.title),
        "link": document_link(document, site_url),
        "license": license_known,
        "thumbnail": _thumbnail(stored) if is_shown else None,
        "files": len(stored),
        "size": size_words(sum(entry.size_bytes for entry in stored)),
        "state": "" if is_shown else _STATES.get(document.state, "hidden"),
        "is_going": document.state is DocumentState.DOOMED,
        "verified": moment(document.verified_at, now),
        "gone_by": moment(document.verified_at + rules.lease.gone_age, now),
    }


def _thumbnail(stored: list[Rendition]) -> str | None:
    """Choose the picture to show: the one of the usual size, else the smallest."""
    pictures = {entry.file.rendition for entry in stored if entry.content_type in INLINE_TYPES and entry.digest}
    if _USUAL_THUMBNAIL in pictures:
        return _USUAL_THUMBNAIL
    return next((label for label in THUMBNAIL_LABELS if label in pictures), None)


async def send_thumbnail(request: web.Request) -> web.StreamResponse:
    """`GET /me/media/{document_id}/{rendition}`: a picture of my own; anybody else's looks as if it had never been."""
    member = member_of(request)
    if member is None:
        raise not_found()
    return await send_to_owner(request, member.account_id)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """`POST /me/sign-in`: on to ipernity, to show who one is."""
    form = await read_form(request, "visitor", {"back"})
    return lead_to_ipernity(
        request, jobs_of(request), "sign-in", "removals" if form.get("back") == "removals" else "me"
    )


async def sign_out(request: web.Request) -> web.StreamResponse:
    """`POST /me/sign-out`: forget who it was, in this browser or in all of them."""
    form = await read_form(request, "member", {"everywhere"})
    answer = see_other(request, "/me")
    request.app[SESSIONS].sign_out(answer, form.session, everywhere=bool(form.get("everywhere")))
    return answer
