"""Pages for people: templates with automatic escaping, one style sheet, nothing from elsewhere (T17, T18, F33)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ipsync.web.headers import Needs, page_policy
from ipsync.web.parts import PARTS
from ipsync.web.place import PLACE
from ipsync.web.sessions import SESSIONS, Session

PLAIN = Needs()

_HERE = Path(__file__).parent
_STYLE_SECONDS = 3600
_WAYS = (
    ("connect", "/connect", "Connect"),
    ("me", "/me", "My copies"),
    ("removals", "/removals", "Ask for removal"),
    ("privacy", "/privacy", "Privacy"),
)
"""The name of a route, its path and its words; those that are served are shown on each page."""

TEMPLATES = web.AppKey("TEMPLATES", Environment)


def load_templates() -> Environment:
    """Read the templates. Every value they show is escaped; a misspelled one is an error and not a gap."""
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@dataclass(frozen=True, slots=True)
class Style:
    """The style sheet, and a short digest of it for its address: a new version is never taken for the old one."""

    text: bytes
    version: str


STYLE = web.AppKey("STYLE", Style)


def load_style() -> Style:
    """Read the style sheet."""
    text = (_HERE / "static" / "style.css").read_bytes()
    return Style(text, hashlib.sha256(text).hexdigest()[:12])


def page_answer(
    request: web.Request,
    template: str,
    values: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    needs: Needs = PLAIN,
) -> web.Response:
    """Answer with a page: the application's own name on top, and a way back to ipernity.

    Args:
        request: what is answered.
        template: a file of `templates/`; it extends `base.html` and fills its block `main`.
        values: what it shows, all escaped; `title` is needed. `operator`, `site_url`, `here` (the path asked for) and
            `root` (put before our own paths) are there already.
        status: of HTTP.
        headers: more of them.
        needs: what the page loads or does beyond showing words.
    """
    parts = request.app[PARTS]
    text = (
        request.app[TEMPLATES]
        .get_template(template)
        .render(
            {
                "operator": parts.operator(),
                "site_url": parts.site_url,
                "style_version": request.app[STYLE].version,
                "root": request.app[PLACE].root,
                "here": request.path,
                "navigation": _navigation(request),
                **values,
            }
        )
    )
    own = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": page_policy(needs)}
    return web.Response(body=text.encode("utf-8", "replace"), status=status, headers={**(headers or {}), **own})


def form_page(
    request: web.Request,
    template: str,
    values: Mapping[str, Any],
    session: Session | None = None,
    needs: Needs = PLAIN,
    status: int = 200,
) -> web.Response:
    """Answer with a page that holds a form; each `<form>` needs `{{ crumb(csrf) }}` of `parts.html` in it.

    Args:
        request: what is answered.
        template: as for `page_answer`; gets `csrf` beside `values`.
        values: as for `page_answer`.
        session: to which the form is bound; None: to a visitor's, which is begun where there is none.
        needs: what the page needs beyond forms.
        status: of HTTP.
    """
    sessions = request.app[SESSIONS]
    bound = session or sessions.read(request, "visitor") or sessions.new("visitor")
    answer = page_answer(
        request, template, {"csrf": sessions.crumb(bound), **values}, status, needs=replace(needs, forms=True)
    )
    if session is None:
        sessions.give(answer, bound)
    return answer


def see_other(request: web.Request, path: str) -> web.Response:
    """Send the browser to a page of ours, after a form was done (303).

    Args:
        request: what is answered.
        path: our own, beginning with a slash; never anything a visitor said.
    """
    return web.Response(status=303, headers={"Location": request.app[PLACE].root + path})


def _navigation(request: web.Request) -> list[tuple[str, str, bool]]:
    """Give the ways there are: path, words, and whether it is where we are."""
    names = request.app.router.named_resources()
    return [
        (path, words, request.path == path or request.path.startswith(f"{path}/"))
        for name, path, words in _WAYS
        if name in names
    ]


async def style(request: web.Request) -> web.StreamResponse:
    """`GET /static/style.css`."""
    headers = {"Content-Type": "text/css; charset=utf-8", "Cache-Control": f"public, max-age={_STYLE_SECONDS}"}
    return web.Response(body=request.app[STYLE].text, headers=headers)


async def home(request: web.Request) -> web.StreamResponse:
    """`GET /`: on to the first page there is."""
    return see_other(request, _navigation(request)[0][0])


def routes() -> list[web.RouteDef]:
    """What every page needs."""
    return [web.get("/", home, name="home"), web.get("/static/style.css", style, name="static")]
