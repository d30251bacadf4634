"""`/healthz`, `/readyz`, `/metrics`: whether it lives, whether it keeps its promise, and the figures."""

from aiohttp import web

from ipsync.ports.catalog import CatalogFailure
from ipsync.web.answers import json_answer
from ipsync.web.figures import NUMBERS
from ipsync.web.parts import PARTS


async def healthz(_request: web.Request) -> web.StreamResponse:
    """`GET /healthz`: the process answers. Nothing else is looked at: a restart mends no fault of others."""
    return json_answer({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """`GET /readyz`: 200 when all is as it must be, else 503 with the reasons, in our own words."""
    reasons = list(await request.app[PARTS].readiness())
    try:
        await request.app[NUMBERS].standings()
    except CatalogFailure:
        reasons.append("the catalog cannot be read")
    if reasons:
        return json_answer({"status": "not ready", "reasons": reasons}, 503)
    return json_answer({"status": "ready"})


async def metrics(request: web.Request) -> web.StreamResponse:
    """`GET /metrics`: everything, as Prometheus reads it."""
    text, content_type = request.app[PARTS].metrics.render()
    return web.Response(body=text, headers={"Content-Type": content_type})


def routes() -> list[web.RouteDef]:
    """What machines look at."""
    return [
        web.get("/metrics", metrics, name="metrics"),
        web.get("/healthz", healthz, name="healthz"),
        web.get("/readyz", readyz, name="readyz"),
    ]
