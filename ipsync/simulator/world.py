"""A whole simulated ipernity in memory: no sockets, no threads, time from outside.

`World.call` answers like the service does, as a dictionary; `World.answer` also applies the faults that were
ordered and gives the bytes and the manner in which a server should send them. The HTTP server only carries them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ipsync.simulator.caller import Caller
from ipsync.simulator.clock import SECOND, Now, machine_clock
from ipsync.simulator.dispatcher import Call, Dispatcher
from ipsync.simulator.errors import ApiError
from ipsync.simulator.faults import MEDIA, Fault, Faults
from ipsync.simulator.files import find
from ipsync.simulator.mangling import mangle
from ipsync.simulator.members import Member
from ipsync.simulator.meter import Meter
from ipsync.simulator.methods.shapes import Element
from ipsync.simulator.methods.uploads import SentFile
from ipsync.simulator.quota import RateLimits
from ipsync.simulator.state import State
from ipsync.simulator.table import methods

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"

_MAINTENANCE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back in a few minutes.</body></html>"
_UNKNOWN = "unknown"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sends, and how it misbehaves while doing so.

    Args:
        body: all bytes of the answer.
        status: of HTTP.
        content_type: of HTTP.
        spread_seconds: how long sending takes; 0: at once.
        hang_seconds: how long nothing is sent before the connection ends; 0: it is sent.
        reset_after: how many bytes are sent before the connection is reset; None: it is not.
        cut_at: how many bytes are sent, though the whole length was declared; -1: half of them; None: all.
        name: of the file that is sent; None: it is none.
    """

    body: bytes
    status: int = 200
    content_type: str = JSON
    spread_seconds: float = 0
    hang_seconds: float = 0
    reset_after: int | None = None
    cut_at: int | None = None
    name: str | None = None


class World:
    """A simulated ipernity.

    Args:
        members: how many members, at least 1.
        documents: how many documents each has at the start.
        seed: same seed, same world.
        now: the present instant in microseconds since the epoch; default: the machine's clock.
        rate_limit: as `10/s,600/m`; empty: no limits.
        callback: where the web flow of authorization returns to; None: desktop flow only.
        upload_seconds: how long an upload is being worked on before its document appears.

    Raises:
        ValueError: for a rate limit that can't be read or a number of members below 1.
    """

    def __init__(
        self,
        members: int = 3,
        documents: int = 40,
        seed: int = 1,
        *,
        now: Now = machine_clock,
        rate_limit: str = "",
        callback: str | None = None,
        upload_seconds: float = 0,
    ) -> None:
        if members < 1 or documents < 0:
            raise ValueError("a world needs at least one member, and documents can't be fewer than none")
        self.state = State(seed, members, documents, now, callback, upload_seconds)
        self.dispatcher = Dispatcher(self.state, RateLimits(rate_limit))
        self.faults = Faults(seed, frozenset(methods()))
        self.meter = Meter()

    @property
    def members(self) -> list[Member]:
        """All members, in the order of the seeds."""
        return self.state.members

    @property
    def api_key(self) -> str:
        """The application's key."""
        return self.state.application.api_key

    @property
    def secret(self) -> str:
        """The application's secret."""
        return self.state.application.secret

    def call(
        self,
        method: str,
        params: Mapping[str, str] | None = None,
        remote: str = "127.0.0.1",
        *,
        post: bool = True,
        file: SentFile | None = None,
    ) -> dict[str, Any]:
        """Answer a call as the service does, without faults; `params` are complete and signed.

        Errors are answers too: `{"api": {"status": "error", "code", "message"}}`.
        """
        call = Call(method, dict(params or {}), remote, post=post, file=file)
        self._count(call)
        return self._settled(call)

    def answer(self, call: Call) -> Answer:
        """Answer a call, faults included, ready for sending."""
        fault = self.faults.strike(self._count(call), self.state.now())
        if fault is None:
            return Answer(_encode(self._settled(call)))
        if fault.kind == "api_error":
            return Answer(_encode(self._refused(ApiError(int(fault.value)))))
        manner = wire_fault(fault)
        if _is_complete(manner):
            return manner
        body = _encode(self._settled(call, fault))
        if fault.kind == "truncate":
            body = body[: len(body) // 2 if fault.value < 0 else int(fault.value)]
        return replace(manner, body=body)

    def answer_media(self, path: str) -> Answer:
        """Answer a request for a file by its path, faults included; status 404 if there is none."""
        self.meter.served()
        fault = self.faults.strike(MEDIA, self.state.now())
        if fault is not None and fault.kind == "api_error":
            return Answer(_encode(self._refused(ApiError(int(fault.value)))))
        manner = wire_fault(fault) if fault else Answer(b"")
        if _is_complete(manner):
            return manner
        file = find(self.state, path)
        if file is None:
            return Answer(b"Not found\n", status=404, content_type="text/plain; charset=utf-8")
        cut_at = int(fault.value) if fault and fault.kind == "truncate" else None
        return replace(manner, body=file.content, content_type=file.content_type, name=file.name, cut_at=cut_at)

    def set_rate_limit(self, spec: str) -> None:
        """Put other limits into force; raises ValueError for a text that can't be read."""
        self.dispatcher.limits = RateLimits(spec)

    def truth(self) -> Iterator[dict[str, Any]]:
        """Yield what every document is right now, whoever may see it; closed accounts have none."""
        for document in self.state.library:
            if not document.owner.closed:
                yield {
                    "document_id": str(document.document_id),
                    "owner_id": str(document.owner.user_id),
                    "share": document.share,
                    "license": document.license,
                    "token": document.token,
                }

    def _count(self, call: Call) -> str:
        """Count a call and return the name it is counted under."""
        name = call.method if self.dispatcher.knows(call.method) else _UNKNOWN
        self.meter.called(name, self.state.now())
        return name

    def _settled(self, call: Call, fault: Fault | None = None) -> Element:
        try:
            answer = self.dispatcher.answer(call)
        except ApiError as error:
            return self._refused(error)
        if fault is not None:
            answer = mangle(answer, fault, self.faults.dice, _listing_key(call), self._reader(call))
        return {"api": {"status": "ok", "at": str(self.state.now() // SECOND)}, **answer}

    def _refused(self, error: ApiError) -> Element:
        self.meter.rejected(error.code)
        at = str(self.state.now() // SECOND)
        return {"api": {"status": "error", "code": str(error.code), "message": error.message, "at": at}}

    def _reader(self, call: Call) -> "_Pages":
        return _Pages(self.dispatcher, call, self.state.tokens.get(call.params.get("auth_token", "")))


class _Pages:
    """Reads other pages of a listing, unseen by meters and quotas."""

    def __init__(self, dispatcher: Dispatcher, call: Call, token: Any) -> None:
        self._dispatcher = dispatcher
        self._call = call
        self._caller = Caller(token)

    def __call__(self, page: int, per_page: int) -> Element:
        params = {**self._call.params, "page": str(page), "per_page": str(per_page)}
        return self._dispatcher.perform(replace(self._call, params=params), self._caller)


def _listing_key(call: Call) -> str:
    ignored = ("page", "per_page", "api_sig", "extra", "thumbsize")
    return repr((call.method, sorted(item for item in call.params.items() if item[0] not in ignored)))


def _is_complete(manner: Answer) -> bool:
    """Tell whether a fault answers by itself, so that the request is not worked on at all."""
    return manner.status != 200 or manner.content_type != JSON or bool(manner.hang_seconds)


def wire_fault(fault: Fault) -> Answer:
    """Return the manner in which a fault is sent, with a body where the fault brings its own."""
    value = int(fault.value)
    if fault.kind == "http_status":
        return Answer(_MAINTENANCE, status=value, content_type=HTML)
    if fault.kind == "html":
        return Answer(_MAINTENANCE, content_type=HTML)
    if fault.kind == "hang":
        return Answer(b"", hang_seconds=max(fault.value, 0.001))
    if fault.kind == "slow":
        return Answer(b"", spread_seconds=fault.value)
    if fault.kind == "reset":
        return Answer(b"", reset_after=value)
    return Answer(b"")
