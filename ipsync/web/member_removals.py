"""What members can have removed of their own: one work, all of them, everything with the permission; and receipts.

Each act is asked on a page that says what it does and that only copies go (T19), and done by a job (T11). What is
named by number is looked for among the member's own alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from ipsync.jobs.accounts import AccountRefusedError
from ipsync.policy.accounts import GRANTED_STATES, Account, Consent
from ipsync.policy.entries import is_entry
from ipsync.policy.entry_pages import read_entry_name
from ipsync.policy.instants import Instant
from ipsync.policy.requests import Ending, Holding, RemovalRequest, RequestScope, Subject, Words
from ipsync.ports.catalog import View
from ipsync.web.authorization import member_of
from ipsync.web.connect import jobs_of, permission_words
from ipsync.web.credit import name_of_subject, page_of
from ipsync.web.failures import not_found
from ipsync.web.forms import read_form
from ipsync.web.headers import Needs
from ipsync.web.moments import Moment, moment
from ipsync.web.pages import form_page, see_other
from ipsync.web.parts import PARTS
from ipsync.web.privacy import duration_words, size_words
from ipsync.web.reading import PAGE_LIMIT, read_id
from ipsync.web.sessions import Session
from ipsync.web.strangers import short_title
from ipsync.web.throttle import THROTTLES

_DONE: Mapping[str, str] = {
    "one": "It is hidden, and being erased. It will not be copied again.",
    "all": "Everything is hidden, and being erased. None of these works will be copied again.",
    "disconnected": "Everything is hidden, and being erased. Your permission is forgotten here. To take it back at "
    "ipernity as well, use the page there that lists the applications you let in.",
}
_ENDINGS = {Ending.WITHDRAWN: "withdrawn", Ending.CONSENT: "lifted when you connected again"}
_CONSENT_ENDINGS = {
    "replaced": "replaced by a newer one",
    "grant-lost": "taken back at ipernity",
    "account-closed": "the account was closed",
    "removed": "disconnected",
}


def routes() -> list[web.RouteDef]:
    """The acts, each with the page that asks before."""
    return [
        web.get("/me/remove", ask_one, name="me-remove"),
        web.post("/me/remove", remove_one, name="me-remove-do"),
        web.get("/me/remove-all", ask_all, name="me-remove-all"),
        web.post("/me/remove-all", remove_all, name="me-remove-all-do"),
        web.get("/me/disconnect", ask_disconnect, name="me-disconnect"),
        web.post("/me/disconnect", disconnect, name="me-disconnect-do"),
        web.get("/me/receipts", show_receipts, name="me-receipts"),
    ]


async def ask_one(request: web.Request) -> web.StreamResponse:
    """`GET /me/remove?document=`: shall this copy go?"""
    member = member_of(request)
    if member is None:
        return see_other(request, "/me")
    parts = request.app[PARTS]
    mine = await _mine(request, member, request.query.get("document", ""))
    return form_page(
        request,
        "remove-one.html",
        {
            "title": f"Remove a copy · {parts.operator().application}",
            "named": mine.named,
            "what": name_of_subject(mine.subject).partition(" ")[0],
            "name": mine.name,
            "link": page_of(mine.subject, parts.site_url),
            "law": duration_words(parts.rules().lease.window),
        },
        session=member,
    )


async def remove_one(request: web.Request) -> web.StreamResponse:
    """`POST /me/remove`: hide it at once, and owe its erasure."""
    form = await read_form(request, "member", {"document"})
    request.app[THROTTLES].admit(request, "remove", per_address=120, in_all=2000)
    mine = await _mine(request, form.session, form.get("document"))
    jobs = jobs_of(request)
    await jobs.requests.file(mine.subject, Words())
    jobs.nudge("purge")
    return see_other(request, "/me/receipts?done=one")


async def ask_all(request: web.Request) -> web.StreamResponse:
    """`GET /me/remove-all`: shall all copies go?"""
    return await _ask_about_all(request, "remove-all.html", "Remove all copies")


async def remove_all(request: web.Request) -> web.StreamResponse:
    """`POST /me/remove-all`: hide all copies there are, keep them away, and go on being connected."""
    form = await read_form(request, "member")
    request.app[THROTTLES].admit(request, "remove-all", per_address=10, in_all=100)
    jobs = jobs_of(request)
    await jobs.requests.file_all(form.session.account_id)
    jobs.nudge("purge")
    return see_other(request, "/me/receipts?done=all")


async def ask_disconnect(request: web.Request) -> web.StreamResponse:
    """`GET /me/disconnect`: shall everything go, the permission included?"""
    return await _ask_about_all(request, "disconnect.html", "Disconnect")


async def disconnect(request: web.Request) -> web.StreamResponse:
    """`POST /me/disconnect`: hide everything, forget the token, owe the erasure."""
    form = await read_form(request, "member")
    request.app[THROTTLES].admit(request, "remove-all", per_address=10, in_all=100)
    jobs = jobs_of(request)
    try:
        await jobs.accounts.remove(form.session.account_id)
    except AccountRefusedError:
        # Nobody was ever connected under this number.
        return see_other(request, "/me")
    jobs.nudge("intake")
    jobs.nudge("purge")
    return see_other(request, "/me/receipts?done=disconnected")


async def show_receipts(request: web.Request) -> web.StreamResponse:
    """`GET /me/receipts?before=`: every request of mine with how it stands, newest first; and every permission."""
    member = member_of(request)
    if member is None:
        return see_other(request, "/me")
    parts = request.app[PARTS]
    before = read_id(request.query["before"], "before") if "before" in request.query else None
    requests, consents = await parts.catalog.read(partial(_receipts, account_id=member.account_id, before=before))
    shown, now = requests[:PAGE_LIMIT], parts.clock.now()
    return form_page(
        request,
        "receipts.html",
        {
            "title": f"Receipts · {parts.operator().application}",
            "done": _DONE.get(request.query.get("done", ""), ""),
            "receipts": [_receipt(entry, now, parts.site_url) for entry in shown],
            "before": shown[-1].request_id if len(requests) > PAGE_LIMIT else None,
            "consents": [_consent(entry, now) for entry in reversed(consents)],
        },
        session=member,
    )


@dataclass(frozen=True, slots=True)
class _Own:
    """Something of a member's own.

    Attributes:
        named: as addresses and forms name it: `41234567`, `album/4711`.
        name: its title, or what it is.
    """

    subject: Subject
    named: str
    name: str


async def _mine(request: web.Request, member: Session, named: str) -> _Own:
    """Give a document of this member's own, or an album, folder, article or their profile.

    Raises:
        WebFailure: 400, it is no number; 404, there is none of theirs.
    """
    number = read_entry_name(named)
    if number is None:
        number = read_id(named, "document")
    account_id, title = await request.app[PARTS].catalog.read(partial(_owned, number=number))
    if account_id != member.account_id:
        raise not_found()
    subject = Subject(RequestScope.DOCUMENT, number, account_id)
    return _Own(subject, named, short_title(title) or ("" if number > 0 else subject.name))


def _owned(view: View, number: int) -> tuple[int, str]:
    """Whose it is, and its title; 0 where nothing of the kind is held."""
    if is_entry(number):
        entry = view.entries([number]).get(number)
        return (0, "") if entry is None else (entry.account_id, entry.title)
    document = view.documents([number]).get(number)
    return (0, "") if document is None else (document.account_id, document.facts.title)


async def _ask_about_all(request: web.Request, template: str, headline: str) -> web.StreamResponse:
    member = member_of(request)
    if member is None:
        return see_other(request, "/me")
    parts = request.app[PARTS]
    account, held = await parts.catalog.read(partial(_holding, account_id=member.account_id))
    is_connected = account is not None and account.state in GRANTED_STATES
    # Who is connected may have albums or articles here, though no work.
    if not held.documents and not is_connected:
        return see_other(request, "/me")
    return form_page(
        request,
        template,
        {
            "title": f"{headline} · {parts.operator().application}",
            "held": held,
            "size": size_words(held.size_bytes),
            "is_connected": is_connected,
            "law": duration_words(parts.rules().lease.window),
        },
        session=member,
        needs=Needs(forms=True),
    )


def _holding(view: View, account_id: int) -> tuple[Account | None, Holding]:
    return view.account(account_id), view.holding(Subject(RequestScope.ACCOUNT, account_id))


def _receipts(view: View, account_id: int, before: int | None) -> tuple[list[RemovalRequest], list[Consent]]:
    requests = view.removal_requests_by(account_id, before=before, limit=PAGE_LIMIT + 1)
    return requests, view.consents(account_id)


def _receipt(entry: RemovalRequest, now: Instant, site_url: str) -> dict[str, Any]:
    subject = entry.subject
    is_document = subject.scope is RequestScope.DOCUMENT
    return {
        "number": entry.request_id,
        "what": name_of_subject(subject),
        "link": page_of(subject, site_url) if is_document else "",
        "documents": entry.held.documents,
        "files": entry.held.files,
        "size": size_words(entry.held.size_bytes),
        "received": moment(entry.received_at, now),
        "hidden": moment(entry.hidden_at, now),
        "gone": None if entry.gone_at is None else moment(entry.gone_at, now),
        "due": moment(entry.erase_by, now),
        "ended": _ended(entry, now),
        "ending": "" if entry.ended_by is None else _ENDINGS[entry.ended_by],
    }


def _ended(entry: RemovalRequest, now: Instant) -> Moment | None:
    return None if entry.ended_at is None else moment(entry.ended_at, now)


def _consent(entry: Consent, now: Instant) -> dict[str, Any]:
    return {
        "granted": moment(entry.granted_at, now),
        "permissions": "; ".join(permission_words(entry.permissions)) or "nothing",
        "ended": None if entry.ended_at is None else moment(entry.ended_at, now),
        "ending": _CONSENT_ENDINGS.get(entry.ended_reason, "ended"),
    }
