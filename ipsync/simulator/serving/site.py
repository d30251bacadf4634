"""The pages for people, on the wire: authorization, sign-in, a document's public page."""

from urllib.parse import parse_qsl

from aiohttp import web

from ipsync.simulator import authorization
from ipsync.simulator.authorization import AUTHORIZE, SIGN_IN, Page
from ipsync.simulator.world import HTML, World

COOKIE = "member"

_HEADERS = {
    "Content-Type": HTML,
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _send(page: Page) -> web.Response:
    response = web.Response(text=page.body, status=page.status, headers=_HEADERS)
    if page.location is not None:
        response.headers["Location"] = page.location
    if page.cookie is not None:
        response.set_cookie(COOKIE, page.cookie, httponly=True, samesite="Lax", path="/")
    return response


async def _form(request: web.Request) -> dict[str, str]:
    return dict(parse_qsl((await request.read()).decode(errors="replace"), keep_blank_values=True))


class Site:
    """The handlers of the pages of one world."""

    def __init__(self, world: World) -> None:
        self._state = world.state

    async def authorize(self, request: web.Request) -> web.Response:
        """`GET /apps/authorize`: the form, or first the question who is signed in."""
        cookie = request.cookies.get(COOKIE, "")
        return _send(authorization.show_authorize(self._state, request.query, cookie, request.path_qs))

    async def allow(self, request: web.Request) -> web.Response:
        """`POST /apps/authorize`: the form comes back."""
        cookie, form = request.cookies.get(COOKIE, ""), await _form(request)
        return _send(authorization.post_authorize(self._state, request.query, form, cookie))

    async def who(self, request: web.Request) -> web.Response:
        """`GET /apps/signin`: the members to choose from."""
        return _send(authorization.show_sign_in(self._state, request.query))

    async def sign_in(self, request: web.Request) -> web.Response:
        """`POST /apps/signin`: one was chosen."""
        return _send(authorization.post_sign_in(self._state, await _form(request)))

    async def document(self, request: web.Request) -> web.Response:
        """`GET /doc/{user_id}/{document_id}`: the public page of a document."""
        user_id, document_id = int(request.match_info["user_id"]), int(request.match_info["document_id"])
        return _send(authorization.show_document(self._state, user_id, document_id))

    async def home(self, request: web.Request) -> web.Response:
        """`GET /`: the members."""
        return _send(authorization.show_home(self._state))

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of the pages."""
        return [
            web.get("/", self.home),
            web.get(AUTHORIZE, self.authorize),
            web.post(AUTHORIZE, self.allow),
            web.get(SIGN_IN, self.who),
            web.post(SIGN_IN, self.sign_in),
            web.get("/doc/{user_id:[0-9]{1,9}}/{document_id:[0-9]{1,15}}", self.document),
        ]
