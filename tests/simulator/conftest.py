"""A world, the socket before it, and hands that sign calls."""

from collections.abc import AsyncIterator, Callable

import pytest

from ipsync.simulator import Simulator, World
from ipsync.simulator.members import Member
from tests.simulator.hands import Clock, Hand


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
