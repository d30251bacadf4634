"""The shapes of albums, folders, articles and profiles in `/v1`, in the words of JSON Schema."""

from collections.abc import Mapping

from ipsync.web.api import Schema
from ipsync.web.api_schemas import DOCUMENTS, ID, INSTANT, LINK, NEXT_CURSOR, maybe, record
from ipsync.web.reading import PAGE_LIMIT

_OWNER = record({"user_id": ID, "name": {"type": "string"}, "link": LINK})
_DOCUMENTS: Schema = DOCUMENTS["Documents"]["properties"]["documents"]


def _summary(name: str, more: Mapping[str, Schema]) -> Mapping[str, Schema]:
    return {
        f"{name}_id": ID,
        "account_id": ID,
        "title": {"type": "string"},
        "owner": _OWNER,
        "link": {**LINK, "description": "its page at ipernity"},
        **more,
        "verified_at": INSTANT,
        "serve_until": {**INSTANT, "description": "stop showing it then, unless you ask again before"},
    }


_COVER = {"cover": {**maybe(ID), "description": "one of its documents that may be shown, or null"}}
_TIMES = {"posted_at": INSTANT, "modified_at": INSTANT}
_ALBUM = record(_summary("album", _COVER), _TIMES)
_TEXT: Schema = {"type": "string", "description": "plain words; escape them like any text of a member"}


def _page(name: str, item: Schema) -> Schema:
    return record({name: {"type": "array", "maxItems": PAGE_LIMIT, "items": item}, "next_cursor": NEXT_CURSOR})


PROFILE: Mapping[str, Schema] = {
    "Profile": record(
        {
            "account_id": ID,
            **{name: {"type": "string"} for name in ("name", "realname", "alias", "town", "country")},
            "link": {**LINK, "description": "their page at ipernity"},
            "verified_at": INSTANT,
            "serve_until": {**INSTANT, "description": "stop showing it then, unless you ask again before"},
        }
    )
}
SUMMARIES: Mapping[str, Schema] = {
    "album": _ALBUM,
    "folder": record(_summary("folder", {}), _TIMES),
    "article": record(_summary("article", {}), _TIMES),
    "profile": PROFILE["Profile"],
}
"""What is told of an entry where changes are told, by kind."""
LISTS: Mapping[str, Mapping[str, Schema]] = {
    "album": {"Albums": _page("albums", _ALBUM)},
    "folder": {"Folders": _page("folders", SUMMARIES["folder"])},
    "article": {"Articles": _page("articles", SUMMARIES["article"])},
}
ONES: Mapping[str, Mapping[str, Schema]] = {
    "album": {
        "Album": record(
            {**_summary("album", _COVER), "documents": _DOCUMENTS, "next_cursor": NEXT_CURSOR},
            _TIMES,
        )
    },
    "folder": {
        "Folder": record(
            {
                **_summary("folder", {}),
                "albums": {"type": "array", "maxItems": PAGE_LIMIT, "items": _ALBUM},
                "next_cursor": NEXT_CURSOR,
            },
            _TIMES,
        )
    },
    "article": {
        "Article": record(
            {**_summary("article", {}), "text": _TEXT, "documents": _DOCUMENTS, "next_cursor": NEXT_CURSOR},
            _TIMES,
        )
    },
}
