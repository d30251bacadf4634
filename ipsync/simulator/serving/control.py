"""`/_control/…`: what a test may know and do that no client can. Only served when it was asked for."""

import json
from typing import Any

import msgspec
from aiohttp import web

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
        """`GET /_control/truth`: every document, album, folder and article as it is now."""
        rows = b",".join(map(msgspec.json.encode, self._world.truth()))
        shelves = self._world.state.shelves
        more = {f"{kind}s": list(shelves.truth(kind)) for kind in ("album", "folder", "article")}
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
        ]
