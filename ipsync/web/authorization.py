"""The way through ipernity's own page and back, for those who connect and those who only show who they are (T14).

ipernity leads back to one fixed address, with a frob and with nothing of ours. So who began it stands in a cookie:
signed, good for one return within minutes, and for this browser only. Whoever is sent to that address by somebody
else has no such cookie, and what they bring is not even looked at.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from aiohttp import web

from ipsync.jobs.accounts import AccountRefusedError, PermissionLackingError
from ipsync.jobs.leave import MirrorLeftError
from ipsync.policy.accounts import Account
from ipsync.ports.catalog import CatalogFailure
from ipsync.ports.source import AccountClosed, FrobUnused, Later, Malformed, QuotaReached, SourceFailure
from ipsync.telemetry import Event, get_log
from ipsync.web.failures import WebFailure
from ipsync.web.pages import page_answer, see_other
from ipsync.web.parts import PARTS, WebJobs
from ipsync.web.refusals import REFUSALS
from ipsync.web.sessions import SESSIONS, Session
from ipsync.web.strangers import short_title
from ipsync.web.throttle import THROTTLES

_log = get_log(__name__)

CALLBACK = "/connect/callback"
"""Where ipernity leads back to; the operator gives this address to ipernity."""

Intent = Literal["connect", "sign-in"]
BACK: Mapping[str, str] = {"connect": "/connect/done", "me": "/me", "removals": "/removals"}
"""Where somebody may want to go afterwards. Only these words travel in the cookie."""

_FROB = re.compile(r"[!-~]{1,200}")
_EXCHANGE_SECONDS = 20.0
_MEASURE_SECONDS = 6.0

_ENDINGS: Mapping[str, tuple[str, str]] = {
    "stale": (
        "This took too long, or was not begun here",
        "Begin again from the page you came from. Your browser must allow cookies of this site for it.",
    ),
    "declined": ("You did not give the permission", "Nothing was changed, and nothing is kept of you."),
    "spent": (
        "ipernity does not know this answer any more",
        "It can be used once, within a few minutes. Begin again; you will not have to enter anything twice.",
    ),
    "lacking": (
        "You gave less than is needed",
        "Without reading your documents nothing can be kept, and nothing was. You can begin again and give it.",
    ),
    "full": (
        "Nobody new can be taken in now",
        "This application is still being tested and has as many members as it may. Nothing is kept of you.",
    ),
    "closed": ("ipernity says that this account is closed", "Nothing was taken in, and nothing is kept of it."),
    "busy": ("ipernity does not answer just now", "Nothing was changed. Try again in a few minutes."),
    "refused": (
        "ipernity refuses this application just now",
        "That is for its operator to mend. Nothing was changed, and nothing is kept of you.",
    ),
    "left": (
        "This application has ended its use of ipernity",
        "It takes nobody in any more, and keeps no copies.",
    ),
}
ENDED = "/connect/ended"


def routes() -> list[web.RouteDef]:
    """The way back from ipernity."""
    return [
        web.get(CALLBACK, come_back, name="connect-callback", allow_head=False),
        web.get(ENDED, show_end, name="connect-ended"),
    ]


def lead_to_ipernity(request: web.Request, jobs: WebJobs, intent: Intent, back: str) -> web.Response:
    """Send a browser to ipernity's own page; the form that asked for it was checked already.

    Args:
        request: a POST.
        jobs: what can be had done.
        intent: to connect an account, or only to show who they are.
        back: a word of `BACK`: where to go afterwards.
    """
    request.app[THROTTLES].admit(request, "authorize", per_address=20, in_all=600)
    sessions = request.app[SESSIONS]
    answer = web.Response(status=303, headers={"Location": jobs.accounts.authorize_url()})
    sessions.give(answer, sessions.new("flow", notes={"intent": intent, "back": back}))
    return answer


async def come_back(request: web.Request) -> web.StreamResponse:
    """`GET /connect/callback?frob=`: take what ipernity sent, once, and lead on to an address without it."""
    parts, sessions = request.app[PARTS], request.app[SESSIONS]
    request.app[THROTTLES].admit(request, "callback", per_address=30, in_all=600)
    flow = sessions.read(request, "flow")
    if parts.jobs is None or flow is None or not sessions.end(flow):
        # Forged, over, used before, or begun in another browser: the log need not know which.
        request.app[REFUSALS].note(WebFailure(403, "stale-authorization", "No authorization is under way here."))
        return _end(request, "stale")
    frobs = request.query.getall("frob", [])
    if len(frobs) != 1 or not _FROB.fullmatch(frobs[0]):
        return _end(request, "declined" if not frobs else "spent")
    try:
        async with asyncio.timeout(_EXCHANGE_SECONDS):
            answer = await _take(request, parts.jobs(), flow, frobs[0])
    except (SourceFailure, AccountRefusedError, MirrorLeftError, TimeoutError) as failure:
        why = _why(failure)
        _log.info(Event.WEB_AUTHORIZATION_ENDED, "Somebody came back from ipernity, and was not let in.", reason=why)
        return _end(request, why)
    sessions.take_away(answer, "flow")
    return answer


async def _take(request: web.Request, jobs: WebJobs, flow: Session, frob: str) -> web.Response:
    sessions = request.app[SESSIONS]
    if flow.notes.get("intent") == "connect":
        taken = await jobs.accounts.finish(frob)
        account_id = taken.account.account_id
        await _admit(jobs, account_id)
    else:
        account_id = (await jobs.accounts.recognize(frob)).account_id
        # Not who: nobody is watched coming and going (T22).
        _log.info(Event.MEMBER_SIGNED_IN, "A member signed in through ipernity.")
        jobs.nudge("grants")
    answer = see_other(request, BACK.get(flow.notes.get("back", ""), "/me"))
    sessions.replace(request, answer, sessions.new("member", str(account_id)))
    return answer


async def _admit(jobs: WebJobs, account_id: int) -> None:
    """Learn how large an account is and whether the budget carries it; what takes too long is done by its job."""
    with suppress(TimeoutError, SourceFailure, CatalogFailure):
        async with asyncio.timeout(_MEASURE_SECONDS):
            await jobs.admission.measure(account_id)
            await jobs.admission.run()
    jobs.nudge("admission")
    jobs.nudge("sync")


def _why(failure: Exception) -> str:
    if isinstance(failure, FrobUnused):
        return "spent"
    if isinstance(failure, PermissionLackingError):
        return "lacking"
    if isinstance(failure, AccountRefusedError):
        return "full"
    if isinstance(failure, AccountClosed):
        return "closed"
    if isinstance(failure, MirrorLeftError):
        return "left"
    return "busy" if isinstance(failure, Later | Malformed | QuotaReached | TimeoutError) else "refused"


def _end(request: web.Request, why: str) -> web.Response:
    answer = see_other(request, f"{ENDED}?why={why}")
    request.app[SESSIONS].take_away(answer, "flow")
    return answer


async def show_end(request: web.Request) -> web.StreamResponse:
    """`GET /connect/ended?why=`: say why it did not work; a word of ours, anything else says the most usual."""
    headline, advice = _ENDINGS.get(request.query.get("why", ""), _ENDINGS["stale"])
    return page_answer(request, "ended.html", {"title": headline, "headline": headline, "advice": advice})


def member_of(request: web.Request) -> Session | None:
    """Give the session of whoever showed at ipernity who they are, or None."""
    return request.app[SESSIONS].read(request, "member")


def name_of(account: Account | None) -> str:
    """Give a member's name, fit for a page; "" when none is held."""
    return "" if account is None else short_title(account.username or account.realname)
