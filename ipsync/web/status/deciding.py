"""Petitions that wait for the operator: who asks, until when, and the decision, each shown before it is done.

The same as `ipsync removal queue|grant|decline`, by the same job. What nobody decides in time is complied with.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from ipsync.jobs.requests import RequestRefusedError
from ipsync.jobs.verdict import ago
from ipsync.policy.instants import Instant
from ipsync.policy.notices import clock_text, span
from ipsync.policy.petitions import Petition
from ipsync.policy.requests import Words
from ipsync.ports.catalog import View
from ipsync.telemetry import Event, get_log
from ipsync.web.credit import page_of
from ipsync.web.failures import WebFailure, not_found
from ipsync.web.forms import read_form
from ipsync.web.pages import form_page, page_answer, see_other
from ipsync.web.parts import PARTS
from ipsync.web.sessions import Session
from ipsync.web.status.page import VERSION, title
from ipsync.web.status.signing_in import for_operator
from ipsync.web.status.tower import tower_of

_log = get_log(__name__)

_SHOWN = 10
_VERDICTS: Mapping[str, str] = {"grant": "Comply", "decline": "Decline"}
_Found = tuple[list[Petition], Mapping[int, Words], set[int]]


async def show(request: web.Request, _session: Session) -> web.StreamResponse:
    """`GET /status/petitions?after=`: those that wait, by number."""
    text = request.query.get("after", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise not_found()
    parts = request.app[PARTS]
    found, words, held = await parts.catalog.read(partial(_waiting, after=int(text), limit=_SHOWN + 1))
    shown, now = found[:_SHOWN], parts.clock.now()
    values = {
        "title": title(request, "Petitions"),
        "version": request.app[VERSION],
        "petitions": [_told(entry, words, held, now, parts.site_url) for entry in shown],
        "next": shown[-1].petition_id if len(found) > _SHOWN else 0,
    }
    return page_answer(request, "status_petitions.html", values)


def _waiting(view: View, after: int, limit: int) -> _Found:
    found = view.petitions(waiting_only=True, after=after, limit=limit)
    words = view.petition_words([entry.petition_id for entry in found])
    return found, words, {entry.petition_id for entry in found if view.holding(entry.subject).documents}


def _told(
    petition: Petition, words: Mapping[int, Words], held: set[int], now: Instant, site_url: str
) -> dict[str, Any]:
    said = words.get(petition.petition_id, Words())
    subject = petition.subject
    return {
        "number": petition.petition_id,
        "what": subject.name,
        "link": page_of(subject, site_url) if subject.account_id else "",
        "facts": [
            ("Held here", "yes" if petition.petition_id in held else "no"),
            ("Asked", ago(petition.received_at, now)),
            ("Complied with if nobody decides", f"{clock_text(petition.decide_by)}, {_distance(petition, now)}"),
            ("Contact", said.contact or "none kept"),
            ("Note", said.note or "none kept"),
        ],
    }


def _distance(petition: Petition, now: Instant) -> str:
    left = petition.decide_by - now
    return f"in {span(left)}" if left > 0 else "now"


async def _found(request: web.Request) -> tuple[Petition, dict[str, Any]]:
    """The petition that the address names, which waits still.

    Raises:
        WebFailure: 404, there is none; 409, it is decided.
    """
    number, parts = int(request.match_info["petition"]), request.app[PARTS]
    petition = await parts.catalog.read(lambda view: view.petition(number))
    if petition is None:
        raise not_found()
    if not petition.waits:
        raise WebFailure(409, "not-now", "That petition is decided already. Nothing was changed.")
    _, words, held = await parts.catalog.read(partial(_waiting, after=number - 1, limit=1))
    return petition, _told(petition, words, held, parts.clock.now(), parts.site_url)


async def confirm(request: web.Request, session: Session) -> web.StreamResponse:
    """`GET /status/petitions/{petition}/{verdict}`: what would happen, and a button."""
    petition, told = await _found(request)
    verdict = request.match_info["verdict"]
    values = {
        "title": title(request, f"Petition {petition.petition_id}: {_VERDICTS[verdict].lower()}?"),
        "version": request.app[VERSION],
        "petition": told,
        "verdict": verdict,
        "word": _VERDICTS[verdict],
    }
    return form_page(request, "status_petition.html", values, session)


async def decide(request: web.Request, _session: Session) -> web.StreamResponse:
    """`POST /status/petitions/{petition}/{verdict}`."""
    await read_form(request, "operator")
    petition, _ = await _found(request)
    verdict, desk = request.match_info["verdict"], tower_of(request).desk
    answer = see_other(request, "/status/petitions")
    try:
        if verdict == "grant":
            standing = await desk.petitions.grant(petition.petition_id)
            desk.nudge("purge")
            answer = see_other(request, f"/status/removals/{standing.petition.request_id}")
        else:
            await desk.petitions.decline(petition.petition_id)
    except RequestRefusedError as refused:
        raise WebFailure(409, "not-now", f"That could not be done: {refused}.") from None
    tower_of(request).forget()
    _log.info(
        Event.OPERATOR_ACTED,
        "The operator had something done from the status page.",
        act=verdict,
        petition_id=petition.petition_id,
    )
    return answer


def routes() -> list[web.RouteDef]:
    """Petitions."""
    acts = rf"/status/petitions/{{petition:[1-9]\d{{0,17}}}}/{{verdict:{'|'.join(_VERDICTS)}}}"
    return [
        web.get("/status/petitions", for_operator(show), name="status-petitions"),
        web.get(acts, for_operator(confirm), name="status-petition"),
        web.post(acts, for_operator(decide)),
    ]
