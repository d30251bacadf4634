"""`/v1/documents`: what applications may show, with all they need to give credit (T08) and to stop in time.

At most fifty documents in one answer (T20). Whatever may not be shown looks as if it had never been; of what was
erased a number is remembered, and 410 says so.
"""

from functools import partial
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ipsync.policy.documents import Document, Rendition, RenditionState
from ipsync.policy.instants import rfc3339
from ipsync.policy.lease import Lease
from ipsync.policy.read_tokens import TokenScope
from ipsync.policy.rules import Rules
from ipsync.web.answers import WrittenAnswer, tagged
from ipsync.web.api import Endpoint, Reply
from ipsync.web.api_schemas import DOCUMENT, DOCUMENTS, NOT_SHOWN
from ipsync.web.authentication import CALLER
from ipsync.web.credit import LICENSES_TOLD, document_link, license_of, licenses_header, link_header, linked, owner
from ipsync.web.cursors import Cursors
from ipsync.web.failures import not_found
from ipsync.web.parts import PARTS
from ipsync.web.place import PLACE
from ipsync.web.reading import (
    ACCOUNT,
    IF_NONE_MATCH,
    LARGEST_ID,
    LIMIT,
    cursor_among,
    id_in_path,
    query_of,
    read_id,
    read_limit,
)
from ipsync.web.showing import Held, Showcase, Told, may_show, why_missing

TO_FETCH = (RenditionState.WANTED, RenditionState.FAILED)
"""States of files that are there when somebody asks for them, where files are fetched on demand."""

SHOWCASE = web.AppKey("SHOWCASE", Showcase)
CURSORS = web.AppKey("CURSORS", Cursors)


async def list_documents(request: web.Request) -> web.StreamResponse:
    """`GET /v1/documents?account=&cursor=&limit=`: one page of what may be shown, by id."""
    parts, caller = request.app[PARTS], request[CALLER]
    asked = query_of(request, "account", "cursor", "limit")
    account_id = caller.account_id if "account" not in asked else read_id(asked["account"], "account")
    limit = read_limit(asked.get("limit"))
    cursors = request.app[CURSORS]
    after = 0 if "cursor" not in asked else cursors.read(asked["cursor"], account_id)
    if account_id is not None and not caller.may_see(account_id):
        # As empty as the list of a member who never was.
        return tagged(request, {"documents": [], "next_cursor": None})
    rules = parts.rules()
    page = await request.app[SHOWCASE].page(rules, parts.clock.now(), after, limit, account_id)
    now = parts.clock.now()
    told = [
        summary(held, rules.lease, parts.site_url, rules.on_demand) for held in page.held if may_show(held, rules, now)
    ]
    further = None if page.after is None else cursors.write(page.after, account_id)
    return tagged(request, {"documents": told, "next_cursor": further}, linked(licenses_header(told)))


async def show_document(request: web.Request) -> web.StreamResponse:
    """`GET /v1/documents/{document_id}`: one document, with the details that are held."""
    parts, caller = request.app[PARTS], request[CALLER]
    query_of(request)
    document_id = int(request.match_info["document_id"])
    if document_id > LARGEST_ID:
        raise not_found()
    showcase = request.app[SHOWCASE]
    held = await showcase.document(document_id)
    if held is None:
        raise await why_missing(showcase, document_id, caller.account_id)
    rules = parts.rules()
    if not caller.may_see(held.document.account_id) or not may_show(held, rules, parts.clock.now()):
        raise not_found()
    tell = partial(_told, site_url=parts.site_url, is_encrypted=request.app[PLACE].is_encrypted)
    return showcase.told(held, rules, tell).answer.to(request)


ENDPOINTS = (
    Endpoint(
        path="/v1/documents",
        name="documents",
        handler=list_documents,
        scope=TokenScope.DOCUMENTS,
        summary="What may be shown now",
        description="By id, page by page. Documents are left out the moment they may not be shown.",
        parameters=(ACCOUNT, cursor_among("documents"), LIMIT, IF_NONE_MATCH),
        replies={
            200: Reply("One page.", "Documents", headers={"ETag": "of these bytes", "Link": LICENSES_TOLD}),
            304: Reply("The page is still the same.", content_type=""),
        },
        schemas=DOCUMENTS,
    ),
    Endpoint(
        path="/v1/documents/{document_id}",
        name="document",
        handler=show_document,
        scope=TokenScope.DOCUMENTS,
        summary="One document",
        description="With description and tags, where they are mirrored.",
        parameters=(id_in_path("document_id", "a document"), IF_NONE_MATCH),
        replies={
            200: Reply(
                "The document.",
                "Document",
                headers={"ETag": "of these bytes", "Link": "its license, its page at ipernity, its author"},
            ),
            304: Reply("It is still the same.", content_type=""),
            400: Reply("There are no parameters here.", "Error"),
            **NOT_SHOWN,
        },
        schemas=DOCUMENT,
    ),
)


def _told(held: Held, rules: Rules, site_url: str, is_encrypted: bool) -> Told:
    value = summary(held, rules.lease, site_url, rules.on_demand) | details(held.document)
    answer = WrittenAnswer(value, {"Link": link_header(held, site_url)}, is_encrypted=is_encrypted)
    return Told(held, rules, answer)


def summary(held: Held, lease: Lease, site_url: str, on_demand: bool = False) -> dict[str, Any]:
    """Give a document as every answer holds it (design §8).

    Args:
        held: the document.
        lease: how long it may be shown.
        site_url: where members' pages are.
        on_demand: whether files that will be fetched when they are asked for are named too.
    """
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
            if held.stored(entry.file.rendition) is entry or (on_demand and entry.state in TO_FETCH)
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


def _file(rendition: Rendition) -> dict[str, Any]:
    is_stored = rendition.state is RenditionState.STORED
    return {
        "url": f"/media/{rendition.document_id}/{quote(rendition.file.rendition)}",
        "content_type": rendition.content_type if is_stored else None,
        "bytes": rendition.size_bytes if is_stored else None,
        "width": rendition.file.width,
        "height": rendition.file.height,
    }
