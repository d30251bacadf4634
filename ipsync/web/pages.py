"""Pages for people: templates with automatic escaping, one style sheet, nothing from elsewhere (T17, T18, F33)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ipsync.web.headers import PAGE_POLICY
from ipsync.web.parts import PARTS

_HERE = Path(__file__).parent
_STYLE_SECONDS = 3600

TEMPLATES = web.AppKey("TEMPLATES", Environment)
STYLE = web.AppKey("STYLE", bytes)


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


def load_style() -> bytes:
    """Read the style sheet."""
    return (_HERE / "static" / "style.css").read_bytes()


def page_answer(
    request: web.Request,
    template: str,
    values: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Answer with a page: the application's own name on top, and a way back to ipernity."""
    parts = request.app[PARTS]
    text = (
        request.app[TEMPLATES]
        .get_template(template)
        .render(operator=parts.operator(), site_url=parts.site_url, **values)
    )
    own = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": PAGE_POLICY}
    return web.Response(body=text.encode("utf-8", "replace"), status=status, headers={**(headers or {}), **own})


async def style(request: web.Request) -> web.StreamResponse:
    """`GET /static/style.css`."""
    headers = {"Content-Type": "text/css; charset=utf-8", "Cache-Control": f"public, max-age={_STYLE_SECONDS}"}
    return web.Response(body=request.app[STYLE], headers=headers)
