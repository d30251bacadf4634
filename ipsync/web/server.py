"""The listening socket: opened when the boot gate lets it, closed in order."""

import asyncio
import socket

from aiohttp import web

from ipsync.telemetry import Event, get_log
from ipsync.web.app import build_app
from ipsync.web.authentication import Authenticator
from ipsync.web.commit_stamps import STAMP
from ipsync.web.connections import Connection, Connections, Limits
from ipsync.web.parts import WebParts
from ipsync.web.place import PLACE
from ipsync.web.refusals import REFUSALS
from ipsync.web.status.live import LIVE
from ipsync.web.streams import STREAMS

_log = get_log(__name__)

_LINE_BYTES = 4094
_HEADERS = 64
_DRAIN_POLL_SECONDS = 0.02


class WebServer:
    """Serves what it is given, on one address."""

    def __init__(
        self, parts: WebParts, limits: Limits | None = None, authenticator: Authenticator | None = None
    ) -> None:
        """Prepare to serve; nothing listens until `start`.

        Args:
            parts: what the handlers work with.
            limits: what a connection may cost.
            authenticator: who knows tokens; the operator's own and those the catalog knows unless given.

        Raises:
            ValueError: there is no privacy policy (T16).
        """
        self._parts = parts
        self._app = build_app(parts, authenticator)
        self._limits = limits or Limits()
        self._connections = Connections(
            self._limits,
            self._app[REFUSALS].note,
            self._app[STAMP].forget,
            is_encrypted=self._app[PLACE].is_encrypted,
        )
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def start(self, host: str, port: int) -> str:
        """Listen.

        Args:
            host: an IP address to bind.
            port: 0 takes any free one.

        Returns:
            The address that is bound, as `http://127.0.0.1:8480`.

        Raises:
            OSError: they cannot be had.
        """
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=0.2, handle_signals=False)
        await runner.setup()
        try:
            listener = await asyncio.get_running_loop().create_server(
                lambda: self._connect(runner),
                host,
                port,
                family=_family(host),
                backlog=min(1024, self._limits.connections),
            )
        except BaseException:
            await runner.cleanup()
            raise
        self._runner, self._listener = runner, listener
        bound_host, bound_port = listener.sockets[0].getsockname()[:2]
        address = f"http://[{bound_host}]:{bound_port}" if ":" in bound_host else f"http://{bound_host}:{bound_port}"
        _log.info(Event.WEB_LISTENING, f"Listening at {address}.", port=bound_port)
        return address

    async def stop(self, graceful_seconds: float = 5.0) -> None:
        """Stop listening, let answers under way finish for `graceful_seconds`, then cut them."""
        listener, runner = self._listener, self._runner
        self._listener = self._runner = None
        if listener is None or runner is None:
            return
        listener.close()
        self._app[STREAMS].end()
        if live := self._app.get(LIVE):
            live.end()
        if runner.server is not None:
            # Idle connections end now, busy ones after their answer.
            runner.server.pre_shutdown()
        loop = asyncio.get_running_loop()
        until = loop.time() + graceful_seconds
        while self._connections.answering and loop.time() < until:  # noqa: ASYNC110  # reason: aiohttp tells nobody
            await asyncio.sleep(_DRAIN_POLL_SECONDS)
        self._connections.cut()
        await runner.cleanup()
        _log.info(Event.WEB_STOPPED, "The HTTP server has ended.")

    def _connect(self, runner: web.AppRunner) -> Connection:
        count = self._parts.metrics.count_http
        return Connection(
            runner.server,
            self._connections,
            lambda status: count("other", status),
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=self._limits.idle_seconds,
            lingering_time=self._limits.lingering_seconds,
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
            max_headers=_HEADERS,
        )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
