"""Pause, resume and check an account, hold a drill: each first shown and confirmed, then done by the job that does it.

What came of it is told by the page of the account or of the drill, read from the catalog: loading it again does
nothing again.
"""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from ipsync.jobs.accounts import AccountRefusedError
from ipsync.jobs.drill import DrillRefusedError
from ipsync.jobs.standing import Member
from ipsync.policy.accounts import AccountState
from ipsync.policy.notices import span
from ipsync.ports.store import StoreFailure
from ipsync.telemetry import Event, get_log
from ipsync.web.failures import WebFailure, not_found, unavailable
from ipsync.web.forms import read_form
from ipsync.web.pages import form_page, see_other
from ipsync.web.parts import PARTS
from ipsync.web.sessions import Session
from ipsync.web.status.page import VERSION, find_member, title
from ipsync.web.status.signing_in import for_operator
from ipsync.web.status.tower import lease_of, tower_of
from ipsync.web.status.words import drill_values, member_row

_log = get_log(__name__)

_PATIENCE_SECONDS = 20.0
_ASKED = (AccountState.ACTIVE, AccountState.PAUSED, AccountState.DOUBTED, AccountState.WAITING)

TASKS = web.AppKey("STATUS_TASKS", set[asyncio.Task[None]])

_ACTS: Mapping[str, tuple[str, tuple[AccountState, ...]]] = {
    "pause": ("Pause", (AccountState.ACTIVE,)),
    "resume": ("Resume", (AccountState.PAUSED,)),
    "check": ("Check", _ASKED),
}


def _demand(member: Member, act: str) -> None:
    if member.account.state not in _ACTS[act][1]:
        state = member.account.state.value
        raise WebFailure(409, "not-now", f"That cannot be done now: the account is {state}. Nothing was changed.")


async def confirm(request: web.Request, session: Session) -> web.StreamResponse:
    """`GET /status/accounts/{account}/{act}`: what would happen, and a button."""
    member, act, lease = await find_member(request), request.match_info["act"], lease_of(request)
    _demand(member, act)
    now, oldest = request.app[PARTS].clock.now(), member.figures.oldest_verified_at
    values = {
        "title": title(request, f"{_ACTS[act][0]} account {member.account.account_id}?"),
        "version": request.app[VERSION],
        "member": member_row(member, now),
        "act": act,
        "word": _ACTS[act][0],
        "hidden_in": span(max(0, lease.serve_until(oldest) - now)) if oldest is not None and member.served else "",
        "erased_in": span(max(0, lease.erase_from(oldest) - now)) if oldest is not None and member.served else "",
    }
    return form_page(request, "status_confirm.html", values, session)


async def act(request: web.Request, _session: Session) -> web.StreamResponse:
    """`POST /status/accounts/{account}/{act}`."""
    await read_form(request, "operator")
    member, what = await find_member(request), request.match_info["act"]
    _demand(member, what)
    desk, number = tower_of(request).desk, member.account.account_id
    try:
        if what == "pause":
            await desk.accounts.pause(number)
        elif what == "resume":
            await desk.accounts.resume(number)
            desk.nudge("sync")
        else:
            await _check(request, number)
    except AccountRefusedError as refused:
        raise WebFailure(409, "not-now", f"That could not be done: {refused}.") from None
    _log.info(
        Event.OPERATOR_ACTED, "The operator had something done from the status page.", act=what, account_id=number
    )
    tower_of(request).forget()
    return see_other(request, f"/status/accounts/{number}")


async def _check(request: web.Request, account_id: int) -> None:
    """Ask ipernity, and wait a while for what it says; what it says later is kept all the same."""
    desk = tower_of(request).desk

    async def ask() -> None:
        report = await desk.grants.run(account_id)
        if report.doubted:
            # One odd answer erases nothing (I10), so it is asked once more.
            await desk.grants.run(account_id)
        desk.nudge("purge")

    asking = asyncio.create_task(ask(), name="ipsync check")
    request.app[TASKS].add(asking)
    asking.add_done_callback(request.app[TASKS].discard)
    await asyncio.wait({asking}, timeout=_PATIENCE_SECONDS)
    if asking.done():
        await asking


async def drill(request: web.Request, session: Session) -> web.StreamResponse:
    """`GET /status/drill`: how the newest drill goes, or which document one would take."""
    tower = tower_of(request)
    news = tower.desk.drills.news
    values = {
        "title": title(request, "Drill"),
        "version": request.app[VERSION],
        "drill": drill_values(news, lease_of(request)),
        "candidate": None,
        "refused": "",
    }
    if news is None or news.is_over:
        try:
            candidate = await tower.desk.drill.choose()
            values["candidate"] = {
                "document": candidate.document.document_id,
                "account": candidate.document.account_id,
                "files": len(candidate.files),
            }
        except DrillRefusedError as refused:
            values["refused"] = str(refused)
    return form_page(request, "status_drill.html", values, session)


async def begin_drill(request: web.Request, _session: Session) -> web.StreamResponse:
    """`POST /status/drill`."""
    form = await read_form(request, "operator", ("document",))
    named = form.get("document")
    if not named.isascii() or not named.isdigit() or len(named) > 18:
        raise not_found()
    desk = tower_of(request).desk
    try:
        await desk.drills.begin(await desk.drill.choose(int(named)))
    except DrillRefusedError as refused:
        raise WebFailure(409, "no-drill", f"No drill was begun: {refused}.") from None
    except StoreFailure:
        raise unavailable() from None
    _log.info(Event.OPERATOR_ACTED, "The operator had something done from the status page.", act="drill")
    return see_other(request, "/status/drill")


def set_up(app: web.Application) -> None:
    """Keep hold of what goes on after an answer."""
    app[TASKS] = set()


def routes() -> list[web.RouteDef]:
    """What changes something."""
    acts = rf"/status/accounts/{{account:[1-9]\d{{0,17}}}}/{{act:{'|'.join(_ACTS)}}}"
    return [
        web.get(acts, for_operator(confirm), name="status-act"),
        web.post(acts, for_operator(act)),
        web.get("/status/drill", for_operator(drill), name="status-drill"),
        web.post("/status/drill", for_operator(begin_drill)),
    ]
