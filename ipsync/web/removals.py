"""`/removals`: ask to have a document removed, without an account here, and see how that goes (T11, design §3).

Who showed at ipernity that the document is theirs has it hidden by the answer itself. Everybody else is put into the
operator's queue, and told nothing of what is held here before that is decided: neither that it is, nor that it is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ipsync.jobs.petitions import Standing, TooManyPetitionsError
from ipsync.policy.instants import Instant, rfc3339
from ipsync.policy.petitions import Outcome
from ipsync.policy.requests import LONGEST_WORDS, Subject, Words, parse_document, parse_words
from ipsync.web.credit import name_of_subject
from ipsync.web.failures import WebFailure, unavailable
from ipsync.web.forms import read_form
from ipsync.web.headers import Needs
from ipsync.web.pages import form_page, page_answer, see_other
from ipsync.web.parts import PARTS, WebJobs
from ipsync.web.sessions import SESSIONS
from ipsync.web.throttle import THROTTLES

_FIELDS = ("document", "contact", "note")
_RANDOM = r"[A-Za-z0-9_-]{32}"
_ASKED_PER_ADDRESS, _ASKED_IN_ALL = 5, 60
_LOOKED_PER_ADDRESS, _LOOKED_IN_ALL = 60, 2000


async def ask(request: web.Request) -> web.StreamResponse:
    """`GET /removals`: the form."""
    return _form(request, {})


async def take_in(request: web.Request) -> web.StreamResponse:
    """`POST /removals`: hide what the member owns, or let the operator decide; then show how it goes."""
    parts = request.app[PARTS]
    jobs = _jobs(request)
    member = request.app[SESSIONS].read(request, "member")
    form = await read_form(request, "visitor" if member is None else "member", _FIELDS)
    request.app[THROTTLES].admit(request, "removals", _ASKED_PER_ADDRESS, _ASKED_IN_ALL)
    try:
        subject = parse_document(form.get("document"), parts.site_url)
        words = parse_words(form.get("contact"), form.get("note"))
    except ValueError as wrong:
        return _form(request, form.fields, str(wrong), 400)
    try:
        token = await _file(request, jobs, subject, words, 0 if member is None else member.account_id)
    except TooManyPetitionsError as full:
        return _form(request, form.fields, f"{full}: {parts.operator().contact}", 503)
    return see_other(request, f"/removals/{token}")


async def follow(request: web.Request) -> web.StreamResponse:
    """`GET /removals/{token}`: how it goes, for whoever has the address."""
    request.app[THROTTLES].admit(request, "removals-followed", _LOOKED_PER_ADDRESS, _LOOKED_IN_ALL)
    standing = await _jobs(request).petitions.standing(request.match_info["token"])
    if standing is None:
        raise WebFailure(404, "not-found", "There is no such request. Is the address complete?")
    values = {"title": "Your request", **_told(standing, request.app[PARTS].clock.now())}
    return page_answer(request, "removal_status.html", values)


async def _file(request: web.Request, jobs: WebJobs, subject: Subject, words: Words, account_id: int) -> str:
    """Take it in, and give the token of its page."""
    if account_id:
        known = (await jobs.requests.look(subject)).subject
        if known.account_id == account_id:
            token = await jobs.petitions.comply(known, words)
            jobs.nudge("purge")
            return token
    return await jobs.petitions.take_in(subject, words)


def _form(request: web.Request, fields: Mapping[str, str], wrong: str = "", status: int = 200) -> web.Response:
    given = {name: fields.get(name, "") for name in _FIELDS}
    member = request.app[SESSIONS].read(request, "member")
    values = {
        "title": "Ask for a removal",
        "given": given,
        "wrong": wrong[:1].upper() + wrong[1:],
        "longest": LONGEST_WORDS,
        "is_member": member is not None,
        "can_sign_in": "me" in request.app.router.named_resources(),
        **_times(request),
    }
    # Signing in begins here as well, and ends at ipernity.
    needs = Needs(forms=True, leads_to=(request.app[PARTS].site_url,))
    return form_page(request, "removals.html", values, member, needs, status)


def _times(request: web.Request) -> dict[str, str]:
    lease = request.app[PARTS].rules().lease
    return {"decided_within": _span(lease.serve_age), "erased_within": _span(lease.window)}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of what happened: when, and whether it has happened."""

    words: str
    at: str
    is_done: bool


def _told(standing: Standing, now: Instant) -> dict[str, Any]:
    """What the page says; nothing of the document but the number that was asked for."""
    petition, request = standing.petition, standing.request
    steps = [Step("Received", _text(petition.received_at), is_done=True)]
    if petition.waits:
        verdict, state = "Waiting for the operator", "waits"
        steps.append(
            Step("Decided by the operator, or complied with", f"by {_text(petition.decide_by)}", is_done=False)
        )
    elif petition.outcome is Outcome.DECLINED:
        verdict, state = "Declined by the operator", "declined"
        steps.append(Step("Declined", _text(petition.decided_at), is_done=True))
    elif petition.outcome is Outcome.ABSENT or request is None:
        verdict, state = "Nothing of it is held here", "gone"
        steps.append(Step("Looked for; nothing is held", _text(petition.decided_at), is_done=True))
    else:
        is_gone = request.gone_at is not None
        verdict, state = ("Erased", "gone") if is_gone else ("Hidden, and being erased", "hidden")
        steps.append(Step("Hidden", _text(request.hidden_at), is_done=True))
        steps.append(Step("Erased", _text(request.gone_at) if is_gone else f"by {_text(request.erase_by)}", is_gone))
    return {
        "what": name_of_subject(petition.subject),
        "verdict": verdict,
        "state": state,
        "steps": steps,
        "stands": request is not None and request.stands,
        "now": _text(now),
    }


def _text(at: Instant | None) -> str:
    return "" if at is None else f"{rfc3339(at)[:16].replace('T', ' ')} UTC"


def _span(duration: int) -> str:
    hours = duration / 3_600_000_000
    return f"{hours:g} hours" if hours >= 1 else f"{duration // 1_000_000} seconds"


def _jobs(request: web.Request) -> WebJobs:
    jobs = request.app[PARTS].jobs
    if jobs is None:
        raise unavailable()
    return jobs()


def routes() -> list[web.RouteDef]:
    """What this face answers."""
    return [
        web.get("/removals", ask, name="removals"),
        web.post("/removals", take_in),
        web.get(f"/removals/{{token:{_RANDOM}}}", follow, name="removals-followed"),
    ]
