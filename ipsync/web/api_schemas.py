"""The shapes of `/v1` in the words of JSON Schema. Tests hold every answer against them."""

from collections.abc import Mapping

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import RENDITIONS, Media, Safety
from ipsync.policy.licenses import LICENSES
from ipsync.web.api import Reply, Schema
from ipsync.web.reading import PAGE_LIMIT

NOT_SHOWN: Mapping[int, Reply] = {
    404: Reply("Nothing that may be shown: hidden, or never here; they look the same.", "Error"),
    410: Reply("Erased here; only its number is left.", "Error"),
}
"""What may not be shown."""

ID: Schema = {"type": "string", "pattern": "^[1-9][0-9]{0,18}$"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
LINK: Schema = {"type": "string", "format": "uri"}
NEXT_CURSOR: Schema = {"type": ["string", "null"], "description": "goes into cursor; null is the end"}
_COUNT: Schema = {"type": "integer", "minimum": 0}


def record(properties: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Describe an object: all of `properties` are there, those of `optional` may be, and nothing else is."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": {**properties, **(optional or {})},
    }


def maybe(schema: Schema) -> Schema:
    """Describe what may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


_RENDITION = record(
    {
        "url": {"type": "string", "pattern": "^/media/[1-9][0-9]*/[0-9a-z]+$", "description": "a path on this server"},
        "content_type": {"type": ["string", "null"], "description": "null before it is first fetched"},
        "bytes": {"type": ["integer", "null"], "minimum": 0, "description": "null before it is first fetched"},
        "width": _COUNT,
        "height": _COUNT,
    }
)
_SUMMARY: Mapping[str, Schema] = {
    "document_id": ID,
    "account_id": ID,
    "title": {"type": "string"},
    "owner": record({"user_id": ID, "name": {"type": "string"}, "link": LINK}),
    "license": record({"id": {"type": "integer", "enum": sorted(LICENSES)}, "name": {"type": "string"}, "link": LINK}),
    "link": {**LINK, "description": "its page at ipernity"},
    "renditions": {
        "type": "object",
        "propertyNames": {"enum": list(RENDITIONS)},
        "additionalProperties": _RENDITION,
    },
    "verified_at": INSTANT,
    "serve_until": {**INSTANT, "description": "stop showing it then, unless you ask again before"},
}

DOCUMENTS: Mapping[str, Schema] = {
    "Documents": record(
        {
            "documents": {"type": "array", "maxItems": PAGE_LIMIT, "items": record(_SUMMARY)},
            "next_cursor": NEXT_CURSOR,
        }
    )
}
DOCUMENT: Mapping[str, Schema] = {
    "Document": record(
        {
            **_SUMMARY,
            "media": {"type": "string", "enum": [media.value for media in Media]},
            "safety": {"type": "integer", "enum": [int(level) for level in Safety]},
        },
        {
            "posted_at": INSTANT,
            "description": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    )
}
_ACCOUNT = record(
    {
        "account_id": ID,
        "name": {"type": "string", "description": "what the member is called; their number where nothing is served"},
        "link": {**LINK, "description": "their page at ipernity"},
        "state": {"type": "string", "enum": [state.value for state in AccountState]},
        "meaning": {"type": "string", "description": "what the state means, in words"},
        "served": {"type": "boolean", "description": "whether anything of it may be shown"},
        "documents": {**_COUNT, "description": "how many are mirrored and not hidden"},
        "files": _COUNT,
        "bytes": _COUNT,
        "added_at": INSTANT,
        "oldest_verified_at": maybe(INSTANT),
        "swept_at": {**maybe(INSTANT), "description": "since when everything it shares was read at least once"},
    }
)
ACCOUNTS: Mapping[str, Schema] = {
    "Account": _ACCOUNT,
    "Accounts": record(
        {
            "accounts": {
                "type": "array",
                "maxItems": PAGE_LIMIT,
                "items": {"$ref": "#/components/schemas/Account"},
            },
            "next_cursor": NEXT_CURSOR,
        }
    ),
}
ACCOUNT: Mapping[str, Schema] = {"Account": _ACCOUNT}
