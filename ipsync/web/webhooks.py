"""`/v1/webhooks`: what each webhook is owed, by its number; neither address nor secret."""

from typing import Any

from aiohttp import web

from ipsync.jobs.webhooks import Told, read_told
from ipsync.policy.instants import Instant, rfc3339
from ipsync.policy.read_tokens import TokenScope
from ipsync.policy.webhooks import Trouble, WebhookState
from ipsync.web.answers import json_answer
from ipsync.web.api import Endpoint, Reply
from ipsync.web.api_schemas import ID, INSTANT, maybe, record
from ipsync.web.authentication import CALLER
from ipsync.web.parts import PARTS
from ipsync.web.reading import query_of


async def webhooks(request: web.Request) -> web.StreamResponse:
    """`GET /v1/webhooks`: all there are; none for a token of one member."""
    query_of(request)
    found = [] if request[CALLER].account_id is not None else await request.app[PARTS].catalog.read(read_told)
    return json_answer({"webhooks": [_entry(told) for told in found]})


def _entry(told: Told) -> dict[str, Any]:
    webhook, debt = told.webhook, told.debt
    return {
        "webhook_id": str(webhook.webhook_id),
        "state": webhook.state.value,
        "owed_changes": debt.changes,
        "owed_since": _text(debt.oldest_at),
        "delivered_at": _text(webhook.delivered_at),
        "attempts": webhook.attempts,
        "failed_at": _text(webhook.failed_at),
        "trouble": None if webhook.trouble is None else webhook.trouble.value,
    }


def _text(instant: Instant | None) -> str | None:
    return None if instant is None else rfc3339(instant)


_COUNT = {"type": "integer", "minimum": 0}
_WEBHOOK = record(
    {
        "webhook_id": ID,
        "state": {"type": "string", "enum": [state.value for state in WebhookState]},
        "owed_changes": {**_COUNT, "description": "changes on record that it has not taken"},
        "owed_since": {**maybe(INSTANT), "description": "when the oldest of them happened"},
        "delivered_at": maybe(INSTANT),
        "attempts": {**_COUNT, "description": "failed ones in a row"},
        "failed_at": maybe(INSTANT),
        "trouble": {**maybe({"type": "string", "enum": [trouble.value for trouble in Trouble]})},
    }
)

WEBHOOKS = Endpoint(
    path="/v1/webhooks",
    name="webhooks",
    handler=webhooks,
    scope=TokenScope.CHANGES,
    summary="What webhooks are owed",
    description="By number; addresses and secrets are the operator's.",
    replies={200: Reply("All there are.", "Webhooks")},
    schemas={"Webhooks": record({"webhooks": {"type": "array", "items": _WEBHOOK}})},
)
