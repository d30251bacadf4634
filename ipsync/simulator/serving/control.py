"""`/_control/…`: what a test may know and do that no client can. Only served when it was asked for."""

import json
from typing import Any

import msgspec
from aiohttp import web

from ipsync.simulator.documents import PUBLIC
from ipsync.simulator.faults import FaultError
from ipsync.simulator.members import Member
from ipsync.simulator.world import JSON, World


def _answer(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, headers={"Content-Type": JSON})


def _bad(field: str, reason: str) -> web.Response:
    return _answer({"error": {"field": field, "message": f"{field} {reason}"}}, 400)


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError:
        raise FaultError("body", "is not JSON") from None


class Control:
    """The handlers of the control addresses of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def truth(self, request: web.Request) -> web.Response:
        """`GET /_control/truth`: every document, album, folder, article and profile as it is now."""
        rows = b",".join(map(msgspec.json.encode, self._world.truth()))
        shelves = self._world.state.shelves
        more: dict[str, list[Any]] = {f"{kind}s": list(shelves.truth(kind)) for kind in ("album", "folder", "article")}
        more["profiles"] = [member.profile() for member in self._world.state.members if not member.closed]
        body = b'{"documents":[' + rows + b"]," + msgspec.json.encode(more)[1:]
        return web.Response(body=body, headers={"Content-Type": JSON})

    async def stats(self, request: web.Request) -> web.Response:
        """`GET /_control/stats`: what was called how often."""
        return _answer(self._world.meter.report())

    async def list_faults(self, request: web.Request) -> web.Response:
        """`GET /_control/faults`: the orders in force."""
        return _answer({"faults": [fault.describe() for fault in self._world.faults.orders()]})

    async def order_fault(self, request: web.Request) -> web.Response:
        """`POST /_control/faults`: one more."""
        try:
            fault = self._world.faults.order(await _json(request), self._world.state.now())
        except FaultError as problem:
            return _bad(problem.name, problem.reason)
        return _answer(fault.describe())

    async def clear_faults(self, request: web.Request) -> web.Response:
        """`DELETE /_control/faults`: none any more."""
        return _answer({"dropped": self._world.faults.clear()})

    def _member(self, request: web.Request) -> Member | None:
        return self._world.state.member_called(request.match_info["user_id"])

    async def revoke(self, request: web.Request) -> web.Response:
        """`POST /_control/members/ID/revoke`: the member takes back what they granted."""
        member = self._member(request)
        if member is None:
            return _answer({"error": {"field": "user_id", "message": "there is no such member"}}, 404)
        return _answer({"user_id": str(member.user_id), "revoked": self._world.state.revoke(member)})

    async def close(self, request: web.Request) -> web.Response:
        """`POST /_control/members/ID/close`: the account is closed."""
        member = self._member(request)
        if member is None:
            return _answer({"error": {"field": "user_id", "message": "there is no such member"}}, 404)
        member.closed = True
        return _answer({"user_id": str(member.user_id), "closed": True})

    async def reopen(self, request: web.Request) -> web.Response:
        """`POST /_control/members/ID/reopen`: a suspended account comes back."""
        member = self._member(request)
        if member is None:
            return _answer({"error": {"field": "user_id", "message": "there is no such member"}}, 404)
        member.closed = False
        return _answer({"user_id": str(member.user_id), "closed": False})

    async def change_profile(self, request: web.Request) -> web.Response:
        """`POST /_control/members/ID/profile`: other words in it, of `realname`, `town`, `country`."""
        member = self._member(request)
        if member is None:
            return _answer({"error": {"field": "user_id", "message": "there is no such member"}}, 404)
        words = await self._words(request, ("realname", "town", "country"))
        if isinstance(words, web.Response):
            return words
        member.realname = words.pop("realname", member.realname)
        member.location |= words
        return _answer(member.profile())

    async def write_article(self, request: web.Request) -> web.Response:
        """`POST /_control/members/ID/articles`: a new public one, of `title` and `text`; the API writes none."""
        member = self._member(request)
        if member is None:
            return _answer({"error": {"field": "user_id", "message": "there is no such member"}}, 404)
        words = await self._words(request, ("title", "text"))
        if isinstance(words, web.Response):
            return words
        post = self._world.state.add_post(member, words.get("title", ""), words.get("text", ""), PUBLIC)
        return _answer({"article_id": str(post.post_id)})

    async def delete_article(self, request: web.Request) -> web.Response:
        """`DELETE /_control/articles/ID`: its member deletes an article."""
        post = self._world.state.shelves.posts.pop(int(request.match_info["article_id"]), None)
        if post is None:
            return _answer({"error": {"field": "article_id", "message": "there is no such article"}}, 404)
        return _answer({"article_id": str(post.post_id), "deleted": True})

    async def _words(self, request: web.Request, known: tuple[str, ...]) -> dict[str, str] | web.Response:
        """The texts of these names that were sent, or what is wrong with them."""
        try:
            given = await _json(request)
        except FaultError as problem:
            return _bad(problem.name, problem.reason)
        if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
            return _bad("body", f"must hold texts: {', '.join(known)}")
        unknown = given.keys() - set(known)
        return _bad(min(unknown), f"is none of {', '.join(known)}") if unknown else dict(given)

    async def set_rate_limit(self, request: web.Request) -> web.Response:
        """`POST /_control/rate-limit`: `{"spec": "10/s,600/m"}`; an empty text lifts all limits."""
        try:
            wanted = await _json(request)
        except FaultError as problem:
            return _bad(problem.name, problem.reason)
        if not isinstance(wanted, dict) or not isinstance(wanted.get("spec"), str):
            return _bad("spec", "must be a text such as 10/s,600/m")
        try:
            self._world.set_rate_limit(wanted["spec"])
        except ValueError as problem:
            return _bad("spec", f"can't be used: {problem}")
        return _answer({"spec": wanted["spec"]})

    def routes(self) -> list[web.RouteDef]:
        """Return the control addresses."""
        member = r"/_control/members/{user_id:[0-9A-Za-z._-]{1,40}}"
        return [
            web.get("/_control/truth", self.truth),
            web.get("/_control/stats", self.stats),
            web.get("/_control/faults", self.list_faults),
            web.post("/_control/faults", self.order_fault),
            web.delete("/_control/faults", self.clear_faults),
            web.post("/_control/rate-limit", self.set_rate_limit),
            web.post(f"{member}/revoke", self.revoke),
            web.post(f"{member}/close", self.close),
            web.post(f"{member}/reopen", self.reopen),
            web.post(f"{member}/profile", self.change_profile),
            web.post(f"{member}/articles", self.write_article),
            web.delete(r"/_control/articles/{article_id:[0-9]{1,18}}", self.delete_article),
        ]
