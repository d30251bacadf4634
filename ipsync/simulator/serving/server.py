"""A running simulator: a world behind a loopback socket."""

import asyncio
import ipaddress
import json
import signal
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from ipsync.simulator.authorization import AUTHORIZE
from ipsync.simulator.clock import Now, machine_clock
from ipsync.simulator.members import Member
from ipsync.simulator.serving.api import api_handler
from ipsync.simulator.serving.control import Control
from ipsync.simulator.serving.files import media_handler
from ipsync.simulator.serving.site import Site
from ipsync.simulator.world import World

LARGEST_UPLOAD_BYTES = 512 * 1024 * 1024
_SHUTDOWN_SECONDS = 0.2


def check_loopback(host: str) -> str:
    """Return the address if it is a loopback one.

    Raises:
        ValueError: for every other; a simulator knows no secrets worth keeping and guards none.
    """
    try:
        fine = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        fine = False
    if not fine:
        raise ValueError(f"the simulator listens on loopback addresses only, not on {host!r}: use 127.0.0.1 or ::1")
    return host


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8700`, `[::1]:8700` or `localhost:0`.

    Raises:
        ValueError: saying what is wrong.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ValueError(f"{text!r} is not an address to listen on: write host:port, as in 127.0.0.1:8700")
    return check_loopback(host.removeprefix("[").removesuffix("]")), int(port)


def application(world: World, control: bool = False) -> web.Application:
    """Return the web application of a world; `control` adds the control addresses."""
    app = web.Application(client_max_size=LARGEST_UPLOAD_BYTES)
    app.router.add_route("*", "/api/{tail:.*}", api_handler(world))
    app.router.add_get("/media/{tail:.*}", media_handler(world))
    app.add_routes(Site(world).routes())
    if control:
        app.add_routes(Control(world).routes())
    return app


class Simulator:
    """A simulated ipernity on a loopback socket, for `async with`.

    Args:
        members: how many members.
        documents: how many documents each.
        seed: same seed, same world.
        control: whether `/_control/…` is served.
        rate_limit: as `10/s,600/m`; empty: no limits.
        host: a loopback address.
        port: 0 for any free one.
        callback: where the web flow of authorization returns to.
        now: the present instant in microseconds since the epoch.
        upload_seconds: how long an upload is being worked on.
        world: an existing world to serve; the arguments above that describe one are then ignored.

    Raises:
        ValueError: for a host that is not loopback or a rate limit that can't be read.
    """

    def __init__(
        self,
        members: int = 3,
        documents: int = 40,
        seed: int = 1,
        *,
        control: bool = True,
        rate_limit: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        callback: str | None = None,
        now: Now = machine_clock,
        upload_seconds: float = 0,
        world: World | None = None,
    ) -> None:
        self._host = check_loopback(host)
        self._port = port
        self._runner: web.AppRunner | None = None
        self._control = control
        self.world = world or World(
            members,
            documents,
            seed,
            now=now,
            rate_limit=rate_limit,
            callback=callback,
            upload_seconds=upload_seconds,
        )

    @property
    def base_url(self) -> str:
        """The address of the site, without a slash at the end."""
        return self.world.state.base_url

    @property
    def api_url(self) -> str:
        """The base address of the API, with a slash at the end."""
        return f"{self.base_url}/api/"

    @property
    def authorize_url(self) -> str:
        """The address of the authorization page."""
        return f"{self.base_url}{AUTHORIZE}"

    @property
    def api_key(self) -> str:
        """The application's key."""
        return self.world.api_key

    @property
    def secret(self) -> str:
        """The application's secret."""
        return self.world.secret

    @property
    def members(self) -> list[Member]:
        """All members."""
        return self.world.members

    def describe(self) -> dict[str, Any]:
        """Return what the ready line says."""
        return {
            "ready": True,
            "api_url": self.api_url,
            "authorize_url": self.authorize_url,
            "api_key": self.api_key,
            "secret": self.secret,
            "members": [member.describe() for member in self.members],
        }

    async def start(self) -> None:
        """Begin to listen; the addresses are known afterwards."""
        runner = web.AppRunner(
            application(self.world, self._control), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        port = runner.addresses[0][1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.world.state.base_url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close the socket and all connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


@dataclass(frozen=True, slots=True)
class Options:
    """What the command takes. `listen` is `host:port`; the rest as for `Simulator`."""

    listen: str = "127.0.0.1:8700"
    members: int = 3
    documents: int = 40
    seed: int = 1
    control: bool = False
    callback: str | None = None
    rate_limit: str = ""


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; prints one line of JSON when ready, and nothing else.

    Raises:
        ValueError: for options that can't be used.
        OSError: if the address is taken.
    """
    host, port = parse_listen(options.listen)
    simulator = Simulator(
        options.members,
        options.documents,
        options.seed,
        control=options.control,
        rate_limit=options.rate_limit,
        host=host,
        port=port,
        callback=options.callback,
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with simulator:
        sys.stdout.write(json.dumps(simulator.describe()) + "\n")
        sys.stdout.flush()
        await stopping.wait()


def run(options: Options) -> int:
    """Serve until told to stop; return the exit code: 0 stopped, 1 failed, 2 wrong options."""
    try:
        asyncio.run(serve(options))
    except ValueError as problem:
        sys.stderr.write(f"ipsync simulator: {problem}\n")
        return 2
    except OSError as problem:
        sys.stderr.write(f"ipsync simulator: can't listen on {options.listen}: {problem.strerror or problem}\n")
        return 1
    return 0
