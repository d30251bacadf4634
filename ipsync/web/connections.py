"""Each connection to our port, held to limits: how many, how slow, how long silent (F23).

aiohttp times idle connections only. Here a request's head must arrive in time, what was answered
must be taken in time, and beyond a number of connections nobody else is let in.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from ipsync.telemetry import Event, get_log
from ipsync.web.answers import failure_answer
from ipsync.web.failures import WebFailure
from ipsync.web.headers import head_of, protect

_log = get_log(__name__)


def _busy(*, is_encrypted: bool) -> bytes:
    """Write what is said to whom there is no room for: before any request of theirs is read."""
    headers = {"Content-Length": "0", "Retry-After": "5", "Connection": "close"}
    protect(headers, is_encrypted=is_encrypted)
    return head_of("503 Service Unavailable", headers) + b"\r\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may cost.

    Attributes:
        connections: how many may be open at once.
        head_seconds: until the head of the first request must be whole.
        idle_seconds: how long a connection may wait for its next request, part of a head included.
        write_seconds: until what was answered must have left our memory.
        lingering_seconds: how long a body nobody asked for is read away.
    """

    connections: int = 2048
    head_seconds: float = 10.0
    idle_seconds: float = 15.0
    write_seconds: float = 30.0
    lingering_seconds: float = 2.0


class Connections:
    """All open connections, looked over every moment."""

    def __init__(
        self,
        limits: Limits,
        note: Callable[[WebFailure], None],
        on_arrival: Callable[[], None],
        *,
        is_encrypted: bool = False,
    ) -> None:
        """Have none open yet.

        Args:
            limits: what each may cost.
            note: told of what could not even be read.
            on_arrival: called whenever bytes of a request have come.
            is_encrypted: whether members reach us by https; what is answered here says so too.
        """
        self.limits = limits
        self.note = note
        self.on_arrival = on_arrival
        self.is_encrypted = is_encrypted
        self.busy = _busy(is_encrypted=is_encrypted)
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    @property
    def answering(self) -> int:
        """How many requests are being answered now."""
        return sum(connection.answering for connection in self._open)

    def admit(self, connection: "Connection") -> bool:
        """Take in one more, if there is room."""
        if len(self._open) >= self.limits.connections:
            return False
        self._open.add(connection)
        if self._timer is None:
            self._look_over()
        return True

    def release(self, connection: "Connection") -> None:
        """Forget a connection that has ended."""
        self._open.discard(connection)

    def cut(self) -> None:
        """End all connections at once."""
        for connection in list(self._open):
            connection.cut()

    def _look_over(self) -> None:
        loop = asyncio.get_running_loop()
        overdue = [connection for connection in self._open if connection.overdue(loop.time(), self.limits)]
        for connection in overdue:
            connection.cut()
        if overdue:
            _log.info(Event.WEB_CUT, "Connections were cut: they were too slow.", connections=len(overdue))
        every = min(1.0, self.limits.head_seconds / 4, self.limits.write_seconds / 4)
        self._timer = loop.call_later(every, self._look_over) if self._open else None


class Connection(RequestHandler):
    """One connection: aiohttp's own, with limits, and without an answer that repeats a bad request."""

    def __init__(self, manager: Any, connections: Connections, count: Callable[[int], None], **options: Any) -> None:
        """Make a connection that is not open yet.

        Args:
            manager: aiohttp's server.
            connections: those that are open.
            count: told of the status of an answer that no route gave.
            options: of aiohttp's connection.
        """
        super().__init__(manager, **options)
        self._connections = connections
        self._count = count
        self._line: asyncio.Transport | None = None
        self._waiting_since: float | None = None
        self._unsent_since: float | None = None

    @property
    def answering(self) -> bool:
        """Whether a request is being answered."""
        return self._request_in_progress

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take part in the limits, or say that there is no room."""
        line = cast("asyncio.Transport", transport)
        if not self._connections.admit(self):
            line.write(self._connections.busy)
            line.close()
            return
        self._line = line
        self._waiting_since = asyncio.get_running_loop().time()
        # An answer counts as sent only when the kernel has it: so a slow reader is seen, and can be cut.
        line.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another."""
        self._connections.release(self)
        self._line = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note that somebody may have asked something new."""
        self._connections.on_arrival()
        super().data_received(data)

    def head_received(self) -> None:
        """Note that a request has arrived whole."""
        self._waiting_since = None

    def overdue(self, now: float, limits: Limits) -> bool:
        """Whether this connection has been too slow, at `now` by the loop's clock in seconds."""
        if self._waiting_since is not None and now - self._waiting_since > limits.head_seconds:
            return True
        if self._line is None or self._line.get_write_buffer_size() == 0:
            self._unsent_since = None
            return False
        self._unsent_since = now if self._unsent_since is None else self._unsent_since
        return now - self._unsent_since > limits.write_seconds

    def cut(self) -> None:
        """End it now; what was not sent is dropped."""
        if self._line is not None:
            self._line.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not even be read, or failed beyond the gate, without repeating any of it.

        Raises:
            ConnectionError: an answer is under way already.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        if status >= 500:
            _log.error(Event.WEB_FAILED, "A request failed because of an error of ours.", cause=exc)
            failure = WebFailure(500, "internal", "Something of ours failed.")
        else:
            failure = WebFailure(status, "bad-request", "The request is not well formed.")
            self._connections.note(failure)
        answer = failure_answer(failure)
        protect(answer.headers, is_encrypted=self._connections.is_encrypted)
        answer.force_close()
        self._count(failure.status)
        return answer
