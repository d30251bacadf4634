"""`/status`: one page that answers in ten seconds, and a list of all accounts for those who have many."""

import hashlib
from pathlib import Path

from aiohttp import web

from ipsync.jobs.standing import Member
from ipsync.ports.catalog import AccountFigures
from ipsync.web.failures import not_found
from ipsync.web.headers import Needs
from ipsync.web.pages import form_page, page_answer
from ipsync.web.parts import PARTS
from ipsync.web.sessions import Session
from ipsync.web.status.signing_in import for_operator
from ipsync.web.status.tower import TOWER, Tower, tower_of
from ipsync.web.status.words import member_row, status_values

_MEMBERS_A_PAGE = 40
_FILES = {"status.css": "text/css; charset=utf-8", "status.js": "text/javascript; charset=utf-8"}
_STATIC = Path(__file__).parent.parent / "static"
_STATIC_SECONDS = 3600

FILES = web.AppKey("STATUS_FILES", dict[str, bytes])
VERSION = web.AppKey("STATUS_VERSION", str)


def set_up(app: web.Application) -> None:
    """Read what the page loads, and take a place to look from."""
    app[FILES] = {name: (_STATIC / name).read_bytes() for name in _FILES}
    app[VERSION] = hashlib.sha256(b"".join(app[FILES].values())).hexdigest()[:12]
    tower = app[TOWER] = Tower(app[PARTS])

    async def close(_app: web.Application) -> None:
        await tower.close()

    app.on_cleanup.append(close)


async def static(request: web.Request) -> web.StreamResponse:
    """`GET /static/status.css` and `/static/status.js`."""
    name = request.path.rpartition("/")[2]
    headers = {"Content-Type": _FILES[name], "Cache-Control": f"public, max-age={_STATIC_SECONDS}"}
    return web.Response(body=request.app[FILES][name], headers=headers)


def title(request: web.Request, words: str) -> str:
    """The title of an operator's page."""
    return f"{words} · {request.app[PARTS].operator().application}"


async def show(request: web.Request, session: Session) -> web.StreamResponse:
    """`GET /status`."""
    sight = await tower_of(request).look()
    values = {**status_values(sight), "title": title(request, "Status"), "version": request.app[VERSION]}
    return form_page(request, "status.html", values, session, Needs(scripts=True))


async def members(request: web.Request, _session: Session) -> web.StreamResponse:
    """`GET /status/accounts?after=`: every account, by number."""
    text = request.query.get("after", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise not_found()
    sight = await tower_of(request).look()
    found = sorted(sight.standing.members, key=lambda member: member.account.account_id)
    following = [member for member in found if member.account.account_id > int(text)]
    shown = following[:_MEMBERS_A_PAGE]
    values = {
        "title": title(request, "Accounts"),
        "version": request.app[VERSION],
        "members": [member_row(member, sight.at) for member in shown],
        "number_of_members": len(found),
        "next": shown[-1].account.account_id if len(following) > len(shown) else 0,
    }
    return page_answer(request, "status_accounts.html", values)


async def member(request: web.Request, session: Session) -> web.StreamResponse:
    """`GET /status/accounts/{account}`: one account, and what can be done with it."""
    found = await find_member(request)
    values = {
        "title": title(request, f"Account {found.account.account_id}"),
        "version": request.app[VERSION],
        "member": member_row(found, request.app[PARTS].clock.now()),
    }
    return form_page(request, "status_account.html", values, session)


async def find_member(request: web.Request) -> Member:
    """The account that the address names, as it is now.

    Raises:
        WebFailure: 404, there is none.
    """
    number = int(request.match_info["account"])
    account, figures = await request.app[PARTS].catalog.read(
        lambda view: (view.account(number), view.account_figures().get(number))
    )
    if account is None:
        raise not_found()
    return Member(account, figures or AccountFigures(number))


def routes() -> list[web.RouteDef]:
    """What is only looked at."""
    return [
        web.get("/status", for_operator(show), name="status"),
        web.get("/status/accounts", for_operator(members), name="status-accounts"),
        web.get(r"/status/accounts/{account:[1-9]\d{0,17}}", for_operator(member), name="status-account"),
        *(web.get(f"/static/{name}", static, name=f"static-{name.replace('.', '-')}") for name in _FILES),
    ]
