"""Signing in with the admin token, once, by a form: what opens the page afterwards is a session, never the token.

The token comes in the body of a POST and goes nowhere: not into an address, a log, a cookie or a page. Guesses are
counted as those of the API are (F36), and apart from them: an application with an old token keeps no operator out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web
from jinja2 import Environment

from ipsync.telemetry import Event, get_log
from ipsync.web.authentication import AdminToken, FailureLimit
from ipsync.web.failures import WebFailure
from ipsync.web.forms import read_form
from ipsync.web.pages import TEMPLATES, form_page, see_other
from ipsync.web.parts import PARTS
from ipsync.web.place import PLACE
from ipsync.web.refusals import REFUSALS
from ipsync.web.sessions import SESSIONS, Session

_log = get_log(__name__)

_LONGEST_TOKEN = 4096
_PAGE = ("base.html", "parts.html", "status_frame.html", "status_live.html", "status.html")

ADMIN = web.AppKey("ADMIN", AdminToken)
GUESSES = web.AppKey("GUESSES", FailureLimit)
READY = web.AppKey("READY", list["asyncio.Future[None]"])

Page = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]


def set_up(app: web.Application) -> None:
    """Know the token, and count guesses."""
    parts = app[PARTS]
    app[ADMIN] = AdminToken(parts.admin_token)
    app[GUESSES] = FailureLimit(parts.clock)
    app[READY] = []


def for_operator(page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Show a page to the operator; anybody else is led to the form."""

    async def shown(request: web.Request) -> web.StreamResponse:
        session = request.app[SESSIONS].read(request, "operator")
        if session is None:
            if request.method != "GET":
                raise WebFailure(403, "signed-out", "You are not signed in any more; nothing was done.")
            return see_other(request, "/status/sign-in")
        return await page(request, session)

    return shown


async def show(request: web.Request) -> web.StreamResponse:
    """`GET /status/sign-in`."""
    if request.app[SESSIONS].read(request, "operator") is not None:
        return see_other(request, "/status")
    _make_ready(request.app)
    return _form(request)


def _make_ready(app: web.Application) -> None:
    """Have the page read and compiled while somebody types: that takes longer than to show it."""
    if not app[READY]:
        app[READY].append(asyncio.get_running_loop().run_in_executor(None, _compile, app[TEMPLATES]))


def _compile(templates: Environment) -> None:
    for name in _PAGE:
        templates.get_template(name)


def _form(request: web.Request, told: str = "", status: int = 200) -> web.Response:
    title = f"Sign in · {request.app[PARTS].operator().application}"
    return form_page(request, "status_sign_in.html", {"title": title, "told": told}, status=status)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """`POST /status/sign-in`."""
    address, guesses = partial(request.app[PLACE].visitor, request), request.app[GUESSES]
    if wait := guesses.wait_seconds(address):
        raise WebFailure(429, "too-many-failures", "Too many wrong tokens; wait a minute.", {"Retry-After": str(wait)})
    form = await read_form(request, "visitor", ("token",))
    token = form.get("token")
    if len(token) > _LONGEST_TOKEN or not request.app[ADMIN].matches(token):
        guesses.failed(address())
        request.app[REFUSALS].note(WebFailure(403, "wrong-admin-token", "This is not the admin token."))
        return _form(request, "This is not the admin token.", 403)
    guesses.succeeded(address)
    sessions = request.app[SESSIONS]
    answer = see_other(request, "/status")
    # A form that was shown before signing in is worth nothing after it.
    sessions.end(form.session)
    sessions.take_away(answer, "visitor")
    sessions.replace(request, answer, sessions.new("operator", "admin"))
    _log.info(Event.OPERATOR_SIGNED_IN, "Somebody signed in with the admin token.")
    return answer


async def sign_out(request: web.Request) -> web.StreamResponse:
    """`POST /status/sign-out`."""
    form = await read_form(request, "operator", {"everywhere"})
    answer = see_other(request, "/status/sign-in")
    request.app[SESSIONS].sign_out(answer, form.session, everywhere=bool(form.get("everywhere")))
    return answer


def routes() -> list[web.RouteDef]:
    """Signing in and out."""
    return [
        web.get("/status/sign-in", show, name="status-door"),
        web.post("/status/sign-in", sign_in),
        web.post("/status/sign-out", sign_out, name="status-out"),
    ]
