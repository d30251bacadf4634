"""A stamp that requests share: read once a turn of the event loop, and never older than a question."""

import asyncio
import random
from collections import deque

import pytest
import uvloop

from ipsync.policy.documents import DocumentState
from ipsync.web.commit_stamps import STAMP, SharedStamp
from tests.web.conftest import ADMIN, START, eventually, serving
from tests.web.test_connections import line, received

FIRST_BYTES = b"GET /healthz HTTP/1.1\r\n"


LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)


class Commits:
    """What a stamp is read from, and how often it was."""

    def __init__(self):
        self.done = 0
        self.readings = 0

    def __call__(self):
        self.readings += 1
        return self.done


async def test_all_who_ask_in_one_turn_share_one_reading():
    commits = Commits()
    stamp = SharedStamp(commits)
    assert [stamp() for _ in range(32)] == [0] * 32
    assert commits.readings == 1


@pytest.mark.parametrize("new_loop", LOOPS)
def test_who_asks_later_without_new_bytes_gets_a_new_reading(new_loop):
    """An answer that goes on for long asks again, and nothing has arrived meanwhile."""

    async def look():
        commits = Commits()
        stamp = SharedStamp(commits)
        for done in range(5):
            commits.done = done
            assert stamp() == done
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(look())


async def test_a_stamp_that_cannot_be_told_is_shared_too():
    stamp = SharedStamp(lambda: None)
    assert stamp() is None
    assert stamp() is None


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("seed", range(50))
def test_nobody_gets_a_stamp_older_than_their_question(seed, new_loop):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_questions(seed))


async def _questions(seed):
    """Commits, arrivals and answers in any order within and between turns, as sockets and tasks bring them."""
    chance, commits, loop = random.Random(seed), Commits(), asyncio.get_running_loop()
    stamp, behind, told = SharedStamp(commits), deque(), []

    def answer(asked_at):
        told.append(asked_at)
        assert stamp() >= asked_at
        while behind:  # what came for this connection meanwhile, with nobody to be woken for it
            assert stamp() >= behind.popleft()

    def arrive():
        stamp.forget()
        if chance.random() < 0.4:
            behind.append(commits.done)
        else:
            loop.call_soon(later, chance.randint(0, 2), commits.done)

    def later(turns, asked_at):
        # A task takes a turn to begin, and may wait for others before it looks.
        loop.call_soon(*((later, turns - 1, asked_at) if turns else (guarded, answer, asked_at)))

    def commit():
        commits.done += 1

    failures = []

    def guarded(act, *values):
        try:
            act(*values)
        except AssertionError as failure:
            failures.append(failure)

    for _ in range(40):
        for _ in range(chance.randint(0, 6)):
            loop.call_soon(guarded, chance.choice((arrive, arrive, commit)))
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert told
    assert not failures


async def test_what_is_asked_on_a_busy_connection_is_asked_anew(shown):
    """Bytes that wake nobody, since the connection's last question is still being answered, count as well."""
    commits = Commits()
    async with serving(shown, stamp=commits) as client, line(client, FIRST_BYTES):
        (connection,) = await opened(client)
        stamp = client.server._app[STAMP]
        # All in one turn of the loop.
        before = stamp()
        commits.done += 1
        connection.data_received(b"Host: x\r\n")
        assert stamp() == before + 1


async def opened(client):
    await eventually(lambda: client.server.connections == 1)
    return client.server._connections._open


async def test_a_second_question_on_one_connection_sees_what_was_committed_before_it(shown, client):
    ask = f"GET /v1/documents/5 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n"
    document = (await shown.catalog.read(lambda view: view.documents([5])))[5]
    async with line(client, f"{ask}\r\n".encode()) as plain:
        first = await asyncio.get_running_loop().sock_recv(plain, 1 << 16)
        await shown.change(document, hidden_at=START, state=DocumentState.SUSPECT)
        await asyncio.get_running_loop().sock_sendall(plain, f"{ask}Connection: close\r\n\r\n".encode())
        second = await received(plain)
    assert (first[:12], second[:12]) == (b"HTTP/1.1 200", b"HTTP/1.1 404")
