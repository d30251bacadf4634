"""Routes, and the one gate every request passes: who asks, what went wrong, what is counted."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

from ipsync.ports.catalog import CatalogFailure
from ipsync.telemetry import Event, get_log
from ipsync.web import (
    accounts,
    authorization,
    changes,
    connect,
    documents,
    entries,
    media,
    member_removals,
    members,
    openapi,
    pages,
    privacy,
    probes,
    removals,
    security,
    status,
    webhooks,
)
from ipsync.web.answers import failure_answer, wants_html
from ipsync.web.authentication import DOOR, AdminToken, Authenticator, Door, FailureLimit, TokenBook
from ipsync.web.commit_stamps import STAMP, SharedStamp
from ipsync.web.connections import Connection
from ipsync.web.cursors import Cursors
from ipsync.web.documents import CURSORS, SHOWCASE
from ipsync.web.failures import WebFailure, from_http, unavailable
from ipsync.web.figures import NUMBERS, Numbers
from ipsync.web.headers import protect
from ipsync.web.media import OPENER, SHIPMENTS, left_of
from ipsync.web.opening import Opener
from ipsync.web.pages import STYLE, TEMPLATES, load_style, load_templates, page_answer
from ipsync.web.parts import PARTS, WebParts
from ipsync.web.place import PLACE, Place, is_loopback
from ipsync.web.refusals import REFUSALS, Refusals
from ipsync.web.sending import Shipments
from ipsync.web.sessions import SESSIONS, Sessions
from ipsync.web.showing import Showcase
from ipsync.web.streams import STREAMS, Streams
from ipsync.web.telling import ChangeTeller
from ipsync.web.throttle import THROTTLES, Throttles

_log = get_log(__name__)

_FOR_ALL = ("/v1/", "/media/", "/static/", "/.well-known/", "/metrics", "/healthz", "/readyz", "/privacy")

API = (
    openapi.OPENAPI,
    *documents.ENDPOINTS,
    *accounts.ENDPOINTS,
    *entries.ENDPOINTS,
    *media.ENDPOINTS,
    *changes.ENDPOINTS,
    webhooks.WEBHOOKS,
)
"""Every address of the API: its routes, and what `/v1/openapi.json` describes."""

_FORWARDED = ("Forwarded", "X-Forwarded-For", "Via")


def build_app(parts: WebParts, authenticator: Authenticator | None = None) -> web.Application:
    """Build the application.

    Args:
        parts: what it works with.
        authenticator: who knows tokens; the operator's own and those the catalog knows unless given.

    Raises:
        ValueError: there is no privacy policy; no page may be public without one (T16).
    """
    if not parts.operator().privacy_policy.strip():
        raise ValueError("no public pages without a privacy policy: set operator.privacy_policy")
    app = web.Application(middlewares=[_gate], client_max_size=1)
    app[PARTS] = parts
    app[PLACE] = Place(parts.public_url, parts.front_servers)
    app[SESSIONS] = Sessions(parts.cookie_key, parts.clock, app[PLACE])
    app[REFUSALS] = Refusals(parts.clock)
    app[THROTTLES] = Throttles(parts.clock)
    app[STAMP] = SharedStamp(parts.stamp)
    app[SHOWCASE] = Showcase(parts.catalog, app[STAMP])
    app[NUMBERS] = Numbers(parts.catalog, parts.clock)
    app[CURSORS] = Cursors(parts.admin_token)
    app[DOOR] = Door(
        authenticator or TokenBook(AdminToken(parts.admin_token), parts.catalog, parts.clock, app[STAMP]),
        FailureLimit(parts.clock),
    )
    app[openapi.DESCRIPTION] = openapi.describe(API)
    app[OPENER] = Opener(parts.store)
    app[SHIPMENTS] = Shipments(left_of(app[SHOWCASE], parts), app[SHOWCASE].forget_outdated)
    app[changes.TELLER] = ChangeTeller(parts.catalog, parts.clock, parts.rules, parts.site_url, app[CURSORS])
    app[STREAMS] = Streams(app[changes.TELLER], parts.stamp, parts.rules, parts.clock, parts.metrics)
    app[TEMPLATES] = load_templates()
    app[STYLE] = load_style()
    app.on_response_prepare.append(_protect)
    app.cleanup_ctx.append(_watch)
    for face in (probes, privacy, security, pages, removals):
        app.add_routes(face.routes())
    if parts.jobs is not None:
        for face in (connect, authorization, members, member_removals):
            app.add_routes(face.routes())
    if parts.desk is not None:
        status.set_up(app)
        app.add_routes(status.routes())
    app.add_routes(endpoint.route() for endpoint in API)
    return app


@web.middleware
async def _gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    parts = request.app[PARTS]
    if isinstance(request.protocol, Connection):
        request.protocol.head_received()
    try:
        _refuse_strangers(request, parts)
        if _is_for_people(request):
            request.app[PLACE].check_host(request)
        answer = await handler(request)
    except WebFailure as failure:
        request.app[REFUSALS].note(failure)
        answer = _failed(request, failure)
    except web.HTTPException as raised:
        answer = _failed(request, from_http(raised))
    except CatalogFailure as failure:
        _log.error(Event.WEB_FAILED, "The catalog could not answer.", cause=failure)
        answer = _failed(request, unavailable())
    parts.metrics.count_http(_route(request), answer.status)
    return answer


def _is_for_people(request: web.Request) -> bool:
    """Whether the answer is for a browser that may have a session with us, and not the same for everybody."""
    return request.match_info.http_exception is None and not request.path.startswith(_FOR_ALL)


def _failed(request: web.Request, failure: WebFailure) -> web.Response:
    if wants_html(request) and not request.path.startswith(("/v1/", "/media/")):
        values = {"title": request.app[PARTS].operator().application, "status": failure.status}
        return page_answer(
            request, "failure.html", {**values, "message": failure.message}, failure.status, failure.headers
        )
    return failure_answer(failure)


def _refuse_strangers(request: web.Request, parts: WebParts) -> None:
    """While the key awaits validation, answer this machine only (T04); what a proxy hands on comes from elsewhere."""
    if not parts.operator().awaiting_validation:
        return
    if not is_loopback(request.remote or "") or any(name in request.headers for name in _FORWARDED):
        raise WebFailure(403, "testing-only", "This application is being tested and answers only its own machine.")


def _route(request: web.Request) -> str:
    """Give the word a request is counted under: routes of one face share the first word of their names."""
    return (request.match_info.route.name or "").partition("-")[0]


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    protect(response.headers, is_encrypted=request.app[PLACE].is_encrypted)


async def _watch(app: web.Application) -> AsyncIterator[None]:
    watching = [asyncio.create_task(app[SHIPMENTS].watch()), asyncio.create_task(app[STREAMS].watch())]
    yield
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
