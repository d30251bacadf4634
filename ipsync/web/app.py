"""Routes, and the one gate every request passes: who asks, what went wrong, what is counted."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web
from aiohttp.typedefs import Handler

from ipsync.ports.catalog import CatalogFailure
from ipsync.telemetry import Event, get_log
from ipsync.web.answers import failure_answer, wants_html
from ipsync.web.authentication import AdminToken, Authenticator, Door, FailureLimit
from ipsync.web.connections import Connection
from ipsync.web.cursors import Cursors
from ipsync.web.documents import CURSORS, SHOWCASE, list_documents, show_document
from ipsync.web.failures import WebFailure, from_http, unavailable
from ipsync.web.figures import NUMBERS, Numbers
from ipsync.web.headers import protect
from ipsync.web.media import OPENER, SHIPMENTS, left_of, send_media
from ipsync.web.opening import Opener
from ipsync.web.pages import STYLE, TEMPLATES, load_style, load_templates, page_answer, style
from ipsync.web.parts import PARTS, WebParts
from ipsync.web.privacy import privacy, privacy_json
from ipsync.web.probes import healthz, metrics, readyz
from ipsync.web.sending import Shipments
from ipsync.web.showing import Showcase

_log = get_log(__name__)

DOOR = web.AppKey("DOOR", Door)

_FORWARDED = ("Forwarded", "X-Forwarded-For", "Via")


def build_app(parts: WebParts, authenticator: Authenticator | None = None) -> web.Application:
    """Build the application.

    Args:
        parts: what it works with.
        authenticator: who knows tokens; only the operator's own unless given.

    Raises:
        ValueError: there is no privacy policy; no page may be public without one (T16).
    """
    if not parts.operator().privacy_policy.strip():
        raise ValueError("no public pages without a privacy policy: set operator.privacy_policy")
    app = web.Application(middlewares=[_gate], client_max_size=1)
    app[PARTS] = parts
    app[SHOWCASE] = Showcase(parts.catalog, parts.stamp)
    app[NUMBERS] = Numbers(parts.catalog, parts.clock)
    app[CURSORS] = Cursors(parts.admin_token)
    app[DOOR] = Door(authenticator or AdminToken(parts.admin_token), FailureLimit(parts.clock))
    app[OPENER] = Opener(parts.store)
    app[SHIPMENTS] = Shipments(left_of(app[SHOWCASE], parts), app[SHOWCASE].forget_outdated)
    app[TEMPLATES] = load_templates()
    app[STYLE] = load_style()
    app.on_response_prepare.append(_protect)
    app.cleanup_ctx.append(_watch_shipments)
    app.add_routes(
        [
            web.get("/metrics", metrics, name="metrics"),
            web.get("/healthz", healthz, name="healthz"),
            web.get("/readyz", readyz, name="readyz"),
            web.get("/privacy", privacy, name="privacy"),
            web.get("/privacy.json", privacy_json, name="privacy-json"),
            web.get("/static/style.css", style, name="static"),
            web.get("/v1/documents", _guarded(list_documents), name="documents"),
            web.get(r"/v1/documents/{document:[1-9]\d{0,18}}", _guarded(show_document), name="document"),
            web.get(r"/media/{document:[1-9]\d{0,18}}/{rendition:[a-z0-9]+}", _guarded(send_media), name="media"),
        ]
    )
    return app


def _guarded(handler: Handler) -> Handler:
    """Answer only those with a token."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        await request.app[DOOR].admit(request.remote or "", request.headers.get("Authorization", ""))
        return await handler(request)

    return guarded


@web.middleware
async def _gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    parts = request.app[PARTS]
    if isinstance(request.protocol, Connection):
        request.protocol.head_received()
    try:
        _refuse_strangers(request, parts)
        answer = await handler(request)
    except WebFailure as failure:
        answer = _failed(request, failure)
    except web.HTTPException as raised:
        answer = _failed(request, from_http(raised))
    except CatalogFailure as failure:
        _log.error(Event.WEB_FAILED, "The catalog could not answer.", cause=failure)
        answer = _failed(request, unavailable())
    parts.metrics.count_http(_route(request), answer.status)
    return answer


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


def is_loopback(address: str) -> bool:
    """Whether a peer's address is this machine; a peer without one came through a local socket."""
    if not address:
        return True
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = peer.ipv4_mapped if isinstance(peer, ipaddress.IPv6Address) else None
    return (mapped or peer).is_loopback


def _route(request: web.Request) -> str:
    name = request.match_info.route.name or ""
    return "privacy" if name == "privacy-json" else name


async def _protect(_request: web.Request, response: web.StreamResponse) -> None:
    protect(response.headers)


async def _watch_shipments(app: web.Application) -> AsyncIterator[None]:
    watching = asyncio.create_task(app[SHIPMENTS].watch())
    yield
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
