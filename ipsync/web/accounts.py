"""`/v1/accounts`: whose documents are mirrored, how that stands, and since when nothing was overlooked.

No token, no permission, no failure's words: what an application needs for its own pages. Of a member whose
permission ended the name is not told any more, only the number and why nothing is shown.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from ipsync.policy.accounts import MEANINGS, SERVED_STATES, Account
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import Instant, rfc3339
from ipsync.policy.read_tokens import TokenScope
from ipsync.ports.catalog import AccountFigures, View
from ipsync.web import api_schemas
from ipsync.web.answers import tagged
from ipsync.web.api import Endpoint, Reply
from ipsync.web.authentication import CALLER, Caller
from ipsync.web.credit import credited_name, member_link
from ipsync.web.documents import CURSORS
from ipsync.web.failures import not_found
from ipsync.web.parts import PARTS
from ipsync.web.reading import IF_NONE_MATCH, LARGEST_ID, LIMIT, cursor_among, id_in_path, query_of, read_limit

_EVERY_ACCOUNT = 0
"""What cursors among accounts are bound to: no member has this number, so they fit no question about documents."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """One account as it is told.

    Attributes:
        swept_at: when the last of its listings was read completely; None while one never was.
    """

    account: Account
    figures: AccountFigures
    swept_at: Instant | None


async def list_accounts(request: web.Request) -> web.StreamResponse:
    """`GET /v1/accounts?cursor=&limit=`: one page of members, by number."""
    parts, caller = request.app[PARTS], request[CALLER]
    asked = query_of(request, "cursor", "limit")
    limit = read_limit(asked.get("limit"))
    cursors = request.app[CURSORS]
    after = 0 if "cursor" not in asked else cursors.read(asked["cursor"], _EVERY_ACCOUNT)
    found = await parts.catalog.read(partial(_after, caller=caller, after=after, limit=limit + 1))
    shown = found[:limit]
    further = cursors.write(shown[-1].account.account_id, _EVERY_ACCOUNT) if len(found) > limit else None
    answer = {"accounts": [_told(entry, parts.site_url) for entry in shown], "next_cursor": further}
    return tagged(request, answer)


async def show_account(request: web.Request) -> web.StreamResponse:
    """`GET /v1/accounts/{account_id}`: one member."""
    parts, caller = request.app[PARTS], request[CALLER]
    query_of(request)
    account_id = int(request.match_info["account_id"])
    if account_id > LARGEST_ID or not caller.may_see(account_id):
        raise not_found()
    found = await parts.catalog.read(partial(_of, account_ids=[account_id]))
    if not found:
        raise not_found()
    link = f'<{member_link(account_id, parts.site_url)}>; rel="canonical"'
    return tagged(request, _told(found[0], parts.site_url), {"Link": link})


ENDPOINTS = (
    Endpoint(
        path="/v1/accounts",
        name="accounts",
        handler=list_accounts,
        scope=TokenScope.DOCUMENTS,
        summary="Whose documents are mirrored",
        description="By number, page by page; those whose permission ended too, since nothing of them may be shown.",
        parameters=(cursor_among("accounts"), LIMIT, IF_NONE_MATCH),
        replies={
            200: Reply("One page.", "Accounts", headers={"ETag": "of these bytes"}),
            304: Reply("The page is still the same.", content_type=""),
        },
        schemas=api_schemas.ACCOUNTS,
    ),
    Endpoint(
        path="/v1/accounts/{account_id}",
        name="account",
        handler=show_account,
        scope=TokenScope.DOCUMENTS,
        summary="One member",
        parameters=(id_in_path("account_id", "a member"), IF_NONE_MATCH),
        replies={
            200: Reply("The member.", "Account", headers={"ETag": "of these bytes", "Link": "their page at ipernity"}),
            304: Reply("It is still the same.", content_type=""),
            400: Reply("There are no parameters here.", "Error"),
            404: Reply("Nobody who was ever mirrored here.", "Error"),
        },
        schemas=api_schemas.ACCOUNT,
    ),
)


def _after(view: View, caller: Caller, after: int, limit: int) -> list[_Standing]:
    ids = [
        account.account_id
        for account in view.accounts()
        if account.account_id > after and caller.may_see(account.account_id)
    ]
    return _of(view, sorted(ids)[:limit])


def _of(view: View, account_ids: Collection[int]) -> list[_Standing]:
    figures = view.account_figures() if account_ids else {}
    found: list[_Standing] = []
    for account_id in account_ids:
        account = view.account(account_id)
        if account is None:
            continue
        swept = [listing.completed_at for listing in view.listings(account_id)]
        known = [at for at in swept if at is not None]
        found.append(
            _Standing(
                account,
                figures.get(account_id) or AccountFigures(account_id),
                min(known) if known and len(known) == len(swept) else None,
            )
        )
    return found


def _told(standing: _Standing, site_url: str) -> dict[str, Any]:
    account, figures = standing.account, standing.figures
    is_served = account.state in SERVED_STATES
    number = str(account.account_id)
    return {
        "account_id": number,
        "name": credited_name(account) if is_served else number,
        "link": member_link(account.account_id, site_url),
        "state": account.state.value,
        "meaning": MEANINGS[account.state],
        "served": is_served,
        "documents": figures.documents.get(DocumentState.LIVE, 0) if is_served else 0,
        "files": figures.stored_files,
        "bytes": figures.stored_bytes,
        "added_at": rfc3339(account.added_at),
        "oldest_verified_at": None if figures.oldest_verified_at is None else rfc3339(figures.oldest_verified_at),
        "swept_at": None if standing.swept_at is None else rfc3339(standing.swept_at),
    }
