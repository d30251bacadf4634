"""The promises of `ports.webhooks.Messenger`, run on every implementation, against a receiver on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from ipsync.notify import HttpMessenger
from ipsync.policy.webhooks import Trouble
from ipsync.ports.webhooks import DeliveryFailure, Messenger
from tests.fakes.messenger import FakeMessenger


@dataclass
class Receiver:
    """A receiver and the messenger that reaches it."""

    messenger: Messenger
    address: str
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200
    location: str = ""
    endless: bool = False
    silent: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.heard.append((dict(request.headers), await request.read()))
        if self.silent:
            await asyncio.sleep(60)
        response = web.StreamResponse(status=self.status, headers={"Location": self.location} if self.location else {})
        await response.prepare(request)
        try:
            while self.endless:
                await response.write(b"x" * 65_536)
        except ConnectionError:
            pass
        return response

    def refuses_with(self, trouble: Trouble, status: int) -> None:
        self.status = status
        if isinstance(self.messenger, FakeMessenger):
            self.messenger.troubles[self.address] = trouble


@asynccontextmanager
async def receiving(messenger: Messenger) -> AsyncIterator[Receiver]:
    receiver = Receiver(messenger, "")
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.address = f"http://127.0.0.1:{port}/hook?key=canary-address"
    try:
        yield receiver
    finally:
        await messenger.close()
        await runner.cleanup()


@pytest.fixture(params=["http", "fake"])
async def receiver(request: pytest.FixtureRequest) -> AsyncIterator[Receiver]:
    messenger = HttpMessenger("gallery ipsync/1", whole_seconds=0.5) if request.param == "http" else FakeMessenger()
    async with receiving(messenger) as found:
        yield found


async def test_what_is_taken_is_done(receiver: Receiver) -> None:
    await receiver.messenger.post(receiver.address, {"Webhook-Id": "msg_1"}, b'{"type":"test"}')
    if receiver.heard:
        headers, body = receiver.heard[0]
        assert (headers["Webhook-Id"], headers["User-Agent"], body) == ("msg_1", "gallery ipsync/1", b'{"type":"test"}')


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (410, Trouble.ENDED),
        (404, Trouble.REFUSED),
        (429, Trouble.BUSY),
        (503, Trouble.BUSY),
        (500, Trouble.FAILED),
        (302, Trouble.REDIRECT),
    ],
)
async def test_what_is_not_taken_is_sorted(receiver: Receiver, status: int, trouble: Trouble) -> None:
    receiver.location = receiver.address if status == 302 else ""
    receiver.refuses_with(trouble, status)
    with pytest.raises(DeliveryFailure) as failed:
        await receiver.messenger.post(receiver.address, {}, b"{}")
    assert failed.value.trouble is trouble
    assert len(receiver.heard) <= 1  # nothing was followed


@pytest.fixture
async def real() -> AsyncIterator[Receiver]:
    async with receiving(HttpMessenger("gallery", whole_seconds=0.5)) as found:
        yield found


async def test_F22_an_answer_without_end_is_not_waited_for(real: Receiver) -> None:
    real.endless = True
    await asyncio.wait_for(real.messenger.post(real.address, {}, b"{}"), 5)


async def test_F22_a_receiver_that_says_nothing_is_slow(real: Receiver) -> None:
    real.silent = True
    with pytest.raises(DeliveryFailure, match="too long"):
        await real.messenger.post(real.address, {}, b"{}")


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "::1", "127.0.0.1"])
async def test_F34_a_name_that_came_to_lead_home_is_not_connected_to(host: str) -> None:
    async def lookup(_name: str) -> list[str]:
        return ["93.184.216.34", host]

    messenger = HttpMessenger("gallery", whole_seconds=2, lookup=lookup)
    with pytest.raises(DeliveryFailure) as failed:
        await messenger.post("https://a.example.org/secret-path", {}, b"{}")
    await messenger.close()
    assert failed.value.trouble is Trouble.ADDRESS
    assert (failed.value.__cause__, failed.value.__context__) == (None, None)


async def test_F21_nobody_and_nothing_is_unreachable(unused_tcp_port: int) -> None:
    async def nowhere(_name: str) -> list[str]:
        raise OSError("no such name")

    messenger = HttpMessenger("gallery", whole_seconds=2, lookup=nowhere)
    for address in ("https://a.example.org/", f"http://127.0.0.1:{unused_tcp_port}/"):
        with pytest.raises(DeliveryFailure, match="could not be reached"):
            await messenger.post(address, {}, b"{}")
    await messenger.close()
