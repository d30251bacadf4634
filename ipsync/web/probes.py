"""`/healthz`, `/readyz`, `/metrics`: whether it lives, whether it keeps its promise, and the figures."""

from aiohttp import web

from ipsync.ports.catalog import CatalogFailure
from ipsync.web.answers import json_answer
from ipsync.web.failures import unavailable
from ipsync.web.figures import NUMBERS, Standings, fill
from ipsync.web.parts import PARTS


async def healthz(_request: web.Request) -> web.StreamResponse:
    """`GET /healthz`: the process answers. Nothing else is looked at: a restart mends no fault of others."""
    return json_answer({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """`GET /readyz`: 200 when all is as it must be, else 503 with the reasons, in our own words."""
    parts = request.app[PARTS]
    reasons = list(await parts.readiness())
    try:
        standings = await request.app[NUMBERS].standings(parts.rules().lease)
    except CatalogFailure:
        reasons.append("the catalog cannot be read")
    else:
        reasons += _behind(standings, parts.clock.now())
    if reasons:
        return json_answer({"status": "not ready", "reasons": reasons}, 503)
    return json_answer({"status": "ready"})


async def metrics(request: web.Request) -> web.StreamResponse:
    """`GET /metrics`: everything, as Prometheus reads it. Old figures are worse than none: without the catalog, 503."""
    parts = request.app[PARTS]
    lease = parts.rules().lease
    try:
        standings = await request.app[NUMBERS].standings(lease)
    except CatalogFailure:
        raise unavailable() from None
    fill(parts.metrics, standings, lease, parts.clock.now())
    text, content_type = parts.metrics.render()
    return web.Response(body=text, headers={"Content-Type": content_type})


def _behind(standings: Standings, now: int) -> list[str]:
    reasons = []
    nearest = standings.figures.nearest_erase_by
    if nearest is not None and nearest < now:
        reasons.append("a removal is past its legal deadline")
    if standings.overdue:
        reasons.append("documents are held that should have been erased by now")
    return reasons
