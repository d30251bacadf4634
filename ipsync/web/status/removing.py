"""File an owner's request for them: named, looked at, confirmed, hidden at once; its page is the receipt.

The same as `ipsync removal add`, by the same job. Nothing at ipernity is asked or changed.
"""

from typing import Any

from aiohttp import web

from ipsync.policy.notices import clock_text
from ipsync.policy.requests import (
    LONGEST_WORDS,
    RequestScope,
    Subject,
    Words,
    parse_account,
    parse_document,
    parse_words,
)
from ipsync.policy.wording import counted
from ipsync.telemetry import Event, get_log
from ipsync.web.failures import not_found
from ipsync.web.forms import read_form
from ipsync.web.pages import form_page, page_answer, see_other
from ipsync.web.parts import PARTS
from ipsync.web.privacy import size_words
from ipsync.web.sessions import Session
from ipsync.web.status.page import VERSION, title
from ipsync.web.status.signing_in import for_operator
from ipsync.web.status.tower import tower_of

_log = get_log(__name__)

_FIELDS = ("document", "account", "contact", "note")
_STEPS = (*_FIELDS, "confirmed")


async def show(request: web.Request, session: Session) -> web.StreamResponse:
    """`GET /status/removals`: the form."""
    return _form(request, session, dict.fromkeys(_FIELDS, ""))


def _form(
    request: web.Request, session: Session, fields: dict[str, str], told: str = "", status: int = 200
) -> web.Response:
    values = {
        "title": title(request, "File a removal request"),
        "version": request.app[VERSION],
        "fields": fields,
        "told": told,
        "longest": LONGEST_WORDS,
    }
    return form_page(request, "status_removal.html", values, session, status=status)


async def file(request: web.Request, session: Session) -> web.StreamResponse:
    """`POST /status/removals`: first what it would concern, then, confirmed, hidden at once."""
    form = await read_form(request, "operator", _STEPS)
    fields = {name: form.get(name) for name in _FIELDS}
    try:
        subject, words = _read(request, fields)
    except ValueError as wrong:
        return _form(request, session, fields, f"{wrong}.", 400)
    tower = tower_of(request)
    if form.get("confirmed") != "yes":
        expected = await tower.desk.requests.look(subject)
        values = {
            "title": title(request, "Remove this?"),
            "version": request.app[VERSION],
            "fields": fields,
            "what": _what(subject),
            "held": {
                "documents": expected.held.documents,
                "files": expected.held.files,
                "size": size_words(expected.held.size_bytes),
            },
            "standing": expected.standing.request_id if expected.standing is not None else 0,
        }
        return form_page(request, "status_removal_confirm.html", values, session)
    taken = await tower.desk.requests.file(subject, words)
    tower.desk.nudge("purge")
    tower.forget()
    _log.info(
        Event.OPERATOR_ACTED,
        "The operator had something done from the status page.",
        act="removal",
        request_id=taken.request.request_id,
    )
    return see_other(request, f"/status/removals/{taken.request.request_id}")


def _read(request: web.Request, fields: dict[str, str]) -> tuple[Subject, Words]:
    """Read what is to go.

    Raises:
        ValueError: it names nothing, or too much; in words for people.
    """
    words = parse_words(fields["contact"], fields["note"])
    document, account = fields["document"], fields["account"]
    if bool(document) == bool(account):
        raise ValueError("Say what to remove: a document, or everything of an account, not both")
    if document:
        return parse_document(document, request.app[PARTS].site_url), words
    number = parse_account(account)
    if not number:
        raise ValueError("This is not the number of an account: the pages of accounts here show it")
    return Subject(RequestScope.ACCOUNT, number, number), words


def _what(subject: Subject) -> str:
    if subject.scope is RequestScope.DOCUMENT:
        return subject.name
    return f"everything of account {subject.subject_id}"


async def receipt(request: web.Request, _session: Session) -> web.StreamResponse:
    """`GET /status/removals/{request}`: how it went."""
    number = int(request.match_info["request"])
    found, words = await request.app[PARTS].catalog.read(
        lambda view: (view.removal_request(number), view.request_words([number]).get(number))
    )
    if found is None:
        raise not_found()
    if found.gone_at is not None:
        stage = "Gone: everything of it was erased, and nothing is left."
    else:
        stage = "Hidden, and being erased now. Load this page again in a moment."
    values: dict[str, Any] = {
        "title": title(request, f"Request {number}"),
        "version": request.app[VERSION],
        "number": number,
        "what": _what(found.subject),
        "stage": stage,
        "is_gone": found.gone_at is not None,
        "facts": [
            ("Received", clock_text(found.received_at)),
            ("Hidden", clock_text(found.hidden_at)),
            ("Law wants it gone by", clock_text(found.erase_by)),
            ("Gone", clock_text(found.gone_at) if found.gone_at is not None else "not yet"),
            ("Held then", f"{counted(found.held.documents, 'document')}, {counted(found.held.files, 'file')}"),
            ("Stands", "yes: it is not mirrored again" if found.stands else "no, it was ended"),
            ("Contact", words.contact if words is not None and words.contact else "none kept"),
            ("Note", words.note if words is not None and words.note else "none kept"),
        ],
    }
    return page_answer(request, "status_receipt.html", values)


def routes() -> list[web.RouteDef]:
    """Requests of owners."""
    return [
        web.get("/status/removals", for_operator(show), name="status-removals"),
        web.post("/status/removals", for_operator(file)),
        web.get(r"/status/removals/{request:[1-9]\d{0,17}}", for_operator(receipt), name="status-receipt"),
    ]
