"""`/v1/changes`: what appeared, changed, was hidden, is gone; as pages, and as server-sent events.

Whoever follows knows what to take away without asking for each document again.
"""

from collections.abc import Mapping

from aiohttp import web

from ipsync.policy.changes import ChangeKind, Place
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import rfc3339
from ipsync.policy.read_tokens import TokenScope
from ipsync.ports.changes import ChangesForgotten
from ipsync.web import entry_schemas
from ipsync.web.answers import json_answer
from ipsync.web.api import Endpoint, Parameter, Reply, Schema, Where
from ipsync.web.api_schemas import DOCUMENTS, ID, INSTANT, maybe, record
from ipsync.web.authentication import CALLER, admit
from ipsync.web.credit import LICENSES_TOLD, licenses_header, linked
from ipsync.web.documents import CURSORS
from ipsync.web.failures import WebFailure
from ipsync.web.reading import LIMIT, PAGE_LIMIT, query_of, read_limit
from ipsync.web.streams import STREAMS
from ipsync.web.telling import ChangeTeller

TELLER = web.AppKey("TELLER", ChangeTeller)

NOW = "now"
_STREAM = "text/event-stream"


async def changes(request: web.Request) -> web.StreamResponse:
    """`GET /v1/changes?since=&limit=`: changes in their order, or a stream of them where one is asked for."""
    asked = query_of(request, "since", "limit")
    limit = read_limit(asked.get("limit"))
    is_stream = request.method == "GET" and _STREAM in request.headers.get("Accept", "")
    since = request.headers.get("Last-Event-ID", asked.get("since"))
    try:
        after = await _place(request, since)
        if is_stream:
            return await request.app[STREAMS].serve(
                request, after, request[CALLER], lambda: admit(request, TokenScope.CHANGES)
            )
        return await _page(request, after, limit, is_empty=since == NOW)
    except ChangesForgotten:
        raise _too_old() from None


async def _place(request: web.Request, since: str | None) -> Place | None:
    if since is None:
        return None
    if since == NOW:
        return await request.app[TELLER].newest()
    return request.app[CURSORS].read_place(since)


async def _page(request: web.Request, after: Place | None, limit: int, *, is_empty: bool) -> web.Response:
    teller, caller = request.app[TELLER], request[CALLER]
    if is_empty and after is not None:
        # What happened meanwhile is told by the next question.
        return json_answer(
            {"changes": [], "next_cursor": teller.cursor(after), "more": False, "told_until": None},
        )
    told = await teller.tell(after, limit)
    values = [change.value for change in told.changes if caller.may_see(change.account_id)]
    return json_answer(
        {
            "changes": values,
            "next_cursor": teller.cursor(told.following),
            "more": told.more,
            "told_until": None if told.told_until is None else rfc3339(told.told_until),
        },
        headers=linked(licenses_header(value["document"] for value in values if "document" in value)),
    )


def _too_old() -> WebFailure:
    return WebFailure(
        410,
        "cursor-too-old",
        "Changes after this cursor are not kept any more. Take a new one (since=now), read /v1/documents from the "
        "beginning, take away what is not there, and go on from the new cursor.",
    )


SINCE = Parameter(
    "since",
    'Where to go on: next_cursor of the last answer; "now" gives only a cursor; without it, from the oldest change '
    "that is kept.",
    {"type": "string", "format": "cursor-among-changes"},
)
LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    "The id of the last event that was heard: where a stream goes on. It goes before since.",
    {"type": "string", "format": "cursor-among-changes"},
    Where.HEADER,
)

CHANGE: Schema = record(
    {
        "change": {"type": "string", "enum": [kind.value for kind in ChangeKind]},
        "kind": {"type": "string", "enum": ["document", "account", *EntryKind]},
        "id": {**ID, "description": "of that document, album, folder, article or member"},
        "account_id": ID,
        "at": {**INSTANT, "description": "when it happened, as far as is known"},
    },
    {
        "document_id": {**maybe(ID), "description": "of documents; null: everything of the account is hidden"},
        "document": DOCUMENTS["Documents"]["properties"]["documents"]["items"],
        **entry_schemas.SUMMARIES,
    },
)
_CHANGES: Mapping[str, Schema] = {
    "Changes": record(
        {
            "changes": {"type": "array", "maxItems": PAGE_LIMIT, "items": CHANGE},
            "next_cursor": {"type": "string", "description": "goes into since"},
            "more": {"type": "boolean", "description": "whether something follows now"},
            "told_until": {
                **maybe(INSTANT),
                "description": "everything that ceased to be shown before then has been told",
            },
        }
    )
}

ENDPOINTS = (
    Endpoint(
        path="/v1/changes",
        name="changes",
        handler=changes,
        scope=TokenScope.CHANGES,
        summary="What appeared, changed, was hidden, is gone",
        description="In their order; of several changes to one document or entry in a page the last. kind and id say "
        "what it is about; its content is there, under the word of kind, only while it may be shown. Of kind account, "
        "where document_id is null, everything of the account is hidden. told_until: "
        "everything that ceased to be shown before then has been told; null while more follows. Asked for "
        "text/event-stream, the same as server-sent events without an end: the event is the change, its id the "
        "cursor; the event current tells told_until.",
        parameters=(SINCE, LIMIT, LAST_EVENT_ID),
        replies={
            200: Reply("Changes.", "Changes", headers={"Link": LICENSES_TOLD}),
            410: Reply("Changes after this cursor are not kept any more: read everything anew.", "Error"),
        },
        schemas=_CHANGES,
    ),
)
