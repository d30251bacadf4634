"""Pages for people: templates with automatic escaping, one style sheet, nothing from elsewhere (T17, T18, F33)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ipsync.web.headers import PAGE_POLICY
from ipsync.web.parts import PARTS

_HERE = Path(__file__).parent
_STYLE_SECONDS = 3600

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
) -> web.Response:
    """Answer with a page: the application's own name on top, and a way back to ipernity."""
    parts = request.app[PARTS]
    text = (
        request.app[TEMPLATES]
        .get_template(template)
        .render(operator=parts.operator(), site_url=parts.site_url, style_version=request.app[STYLE].version, **values)
    )
    own = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": PAGE_POLICY}
    return web.Response(body=text.encode("utf-8", "replace"), status=status, headers={**(headers or {}), **own})


async def style(request: web.Request) -> web.StreamResponse:
    """`GET /static/style.css`."""
    headers = {"Content-Type": "text/css; charset=utf-8", "Cache-Control": f"public, max-age={_STYLE_SECONDS}"}
    return web.Response(body=request.app[STYLE].text, headers=headers)
