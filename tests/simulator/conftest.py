"""A world, the socket before it, and hands that sign calls."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from ipsync.simulator import Simulator, World, sign
from ipsync.simulator.members import Member
from ipsync.simulator.methods.uploads import SentFile

NOON = 1_700_000_000_000_000


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)


class Hand:
    """Calls a world as its application does, signed."""

    def __init__(self, world: World, token: str = "") -> None:
        self.world = world
        self.token = token

    def signed(self, method: str, /, **params: object) -> dict[str, str]:
        full = {name: str(value) for name, value in params.items()}
        full["api_key"] = self.world.api_key
        if self.token:
            full["auth_token"] = self.token
        full["api_sig"] = sign(full, self.world.secret, method)
        return full

    def call(self, method: str, /, file: SentFile | None = None, **params: object) -> dict[str, Any]:
        """Return the whole answer, errors included."""
        return self.world.call(method, self.signed(method, **params), file=file)

    def ok(self, method: str, /, file: SentFile | None = None, **params: object) -> dict[str, Any]:
        """Return an answer that must be good."""
        answer = self.call(method, file=file, **params)
        assert answer["api"]["status"] == "ok", answer
        return answer

    def error(self, method: str, /, **params: object) -> int:
        """Return the code of an answer that must be an error."""
        answer = self.call(method, **params)
        assert answer["api"]["status"] == "error", answer
        return int(answer["api"]["code"])

    def listed(self, **params: object) -> list[str]:
        """Return the ids on one page of a listing."""
        return [one["doc_id"] for one in self.ok("doc.getList", **params)["docs"].get("doc", [])]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    return World(members=5, documents=40, seed=1, now=clock)


@pytest.fixture
def anyone(world: World) -> Hand:
    """The application without a token: an anonymous visitor."""
    return Hand(world)


@pytest.fixture
def owner(world: World) -> Member:
    return world.members[0]


@pytest.fixture
def acting(world: World) -> Callable[..., Hand]:
    """Acts for a member with a token of these permissions."""

    def act(member: Member, **permissions: str) -> Hand:
        token = world.state.grant(member, permissions or {"doc": "delete"})
        return Hand(world, token.value)

    return act


@pytest.fixture
def mine(acting: Callable[..., Hand], owner: Member) -> Hand:
    """The application with all permissions of the first member."""
    return acting(owner, doc="delete", blog="read", network="read")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(members=4, documents=40, seed=1, callback="http://127.0.0.1:9/back?x=1") as running:
        yield running


@pytest.fixture
def decoded() -> Callable[[bytes], Any]:
    return json.loads
