"""`/v1/documents`: what applications may show, with all they need to give credit (T08) and to stop in time.

At most fifty documents in one answer (T20). Whatever may not be shown looks as if it had never been.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ipsync.policy.documents import Document, Rendition
from ipsync.policy.instants import rfc3339
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.web.answers import json_answer
from ipsync.web.authentication import guarded
from ipsync.web.cursors import Cursors
from ipsync.web.failures import bad_request, not_found
from ipsync.web.parts import PARTS
from ipsync.web.showing import Held, Showcase, may_show

PAGE_LIMIT = 50
"""The most documents in one answer (T20)."""

_PARAMETERS = frozenset({"account", "cursor", "limit"})
_LARGEST_ID = 2**63 - 1

SHOWCASE = web.AppKey("SHOWCASE", Showcase)
CURSORS = web.AppKey("CURSORS", Cursors)


async def list_documents(request: web.Request) -> web.StreamResponse:
    """`GET /v1/documents?account=&cursor=&limit=`: one page of what may be shown, by id."""
    parts = request.app[PARTS]
    asked = _query(request)
    account_id = None if "account" not in asked else read_id(asked["account"], "account")
    limit = _limit(asked.get("limit", str(PAGE_LIMIT)))
    cursors = request.app[CURSORS]
    after = 0 if "cursor" not in asked else cursors.read(asked["cursor"], account_id)
    rules = parts.rules()
    page = await request.app[SHOWCASE].page(rules, parts.clock.now(), after, limit, account_id)
    now = parts.clock.now()
    return json_answer(
        {
            "documents": [
                summary(held, rules.lease, parts.site_url) for held in page.held if may_show(held, rules, now)
            ],
            "next_cursor": None if page.after is None else cursors.write(page.after, account_id),
        }
    )


async def show_document(request: web.Request) -> web.StreamResponse:
    """`GET /v1/documents/{id}`: one document, with the details that are held."""
    parts = request.app[PARTS]
    _query(request, frozenset())
    document_id = int(request.match_info["document"])
    held = await request.app[SHOWCASE].document(document_id) if document_id <= _LARGEST_ID else None
    rules = parts.rules()
    if held is None or not may_show(held, rules, parts.clock.now()):
        raise not_found()
    return json_answer(summary(held, rules.lease, parts.site_url) | details(held.document))


def routes() -> list[web.RouteDef]:
    """What applications read of documents."""
    return [
        web.get("/v1/documents", guarded(list_documents), name="documents"),
        web.get(r"/v1/documents/{document:[1-9]\d{0,18}}", guarded(show_document), name="document"),
    ]


def summary(held: Held, lease: Lease, site_url: str) -> dict[str, Any]:
    """Give a document as every answer holds it (design §8)."""
    document = held.document
    return {
        # Ids are texts, as ipernity itself writes them: no client rounds them.
        "document_id": str(document.document_id),
        "account_id": str(document.account_id),
        "title": document.facts.title,
        "owner": owner(held, site_url),
        "license": license_of(document),
        "link": document_link(document, site_url),
        "renditions": {
            entry.file.rendition: _file(entry)
            for entry in held.renditions
            if held.stored(entry.file.rendition) is entry
        },
        "verified_at": rfc3339(document.verified_at),
        "serve_until": rfc3339(lease.serve_until(document.verified_at)),
    }


def details(document: Document) -> dict[str, Any]:
    """Give what is held beyond the summary; members are missing where nothing is held."""
    facts = document.facts
    found: dict[str, Any] = {"media": facts.media.value, "safety": facts.safety}
    if facts.posted_at is not None:
        found["posted_at"] = rfc3339(facts.posted_at)
    if document.details_at is not None:
        found["description"] = document.details.description
        found["tags"] = list(document.details.tags)
    return found


def owner(held: Held, site_url: str) -> dict[str, Any]:
    """Give whom to credit (T08)."""
    account_id = held.document.account_id
    name = "" if held.account is None else held.account.username or held.account.realname
    return {"user_id": str(account_id), "name": name or str(account_id), "link": f"{site_url}/home/{account_id}"}


def license_of(document: Document) -> dict[str, Any]:
    """Give the license; what has none we know of is never shown."""
    known = LICENSES[document.facts.license]
    return {"id": known.license_id, "name": known.name, "link": known.link}


def document_link(document: Document, site_url: str) -> str:
    """Give the page at ipernity that every copy leads back to (T08, T18)."""
    return f"{site_url}/doc/{document.account_id}/{document.document_id}"


def read_id(text: str, name: str) -> int:
    """Read an ipernity number.

    Raises:
        WebFailure: 400, it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= _LARGEST_ID):
        raise bad_request(f"bad-{name}", f"The parameter {name} must be a positive whole number.")
    return int(text)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= PAGE_LIMIT):
        raise bad_request(
            "bad-limit",
            f"The parameter limit must be a whole number from 1 to {PAGE_LIMIT}: no more than {PAGE_LIMIT} documents "
            "are given in one answer.",
        )
    return int(text)


def _file(rendition: Rendition) -> dict[str, Any]:
    return {
        "url": f"/media/{rendition.document_id}/{quote(rendition.file.rendition)}",
        "content_type": rendition.content_type,
        "bytes": rendition.size_bytes,
        "width": rendition.file.width,
        "height": rendition.file.height,
    }


def _query(request: web.Request, known: frozenset[str] = _PARAMETERS) -> Mapping[str, str]:
    names = set(request.query)
    if len(names) != len(request.query) or not names <= known:
        words = ", ".join(sorted(known)) or "none"
        raise bad_request("bad-parameter", f"Each parameter may be given once; known here: {words}.")
    return request.query
