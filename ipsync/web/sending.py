"""Sending a file, and stopping in the middle of it when it may not be shown any more (F23).

Small files go out in one piece. Large ones go from disk to network inside the kernel, a piece at a
time, and are closed whatever happens, so that a file that was erased meanwhile does not live on
behind an open descriptor.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO, NamedTuple

from aiohttp import web

from ipsync.ports.catalog import CatalogFailure
from ipsync.telemetry import Event, get_log
from ipsync.web.opening import Opened
from ipsync.web.ranges import Span

_log = get_log(__name__)

PIECE_BYTES = 1 << 20
PIECE_SECONDS = 60
_CHUNK_BYTES = 128 << 10


class Item(NamedTuple):
    """What is being sent: a file of a document, in the version of this digest."""

    document_id: int
    rendition: str
    digest: bytes


class Shipment:
    """One answer on its way out. May be cut at any moment."""

    __slots__ = ("_scope", "item")

    def __init__(self, item: Item) -> None:
        self.item = item
        self._scope: asyncio.Timeout | None = None

    async def send(
        self, request: web.Request, status: int, headers: Mapping[str, str], opened: Opened, end: float
    ) -> web.StreamResponse:
        """Send everything, or cut the connection at `end` by the loop's clock, or when told to.

        Raises:
            ConnectionResetError: it was cut, by us or by the reader; nothing more can be said to them.
        """
        try:
            async with asyncio.timeout_at(end) as self._scope:
                return await _send(request, status, headers, opened)
        except TimeoutError:
            ended = self._scope is not None and self._scope.expired()
            why = "it may not be shown any more" if ended else "its reader is too slow"
            _log.info(Event.WEB_CUT, f"An answer was cut: {why}.", document_id=self.item.document_id)
            _abort(request)
            raise ConnectionResetError("cut") from None
        except (ConnectionError, asyncio.CancelledError):
            _abort(request)
            raise
        except OSError as failure:
            _abort(request)
            raise ConnectionResetError("unreadable") from failure
        finally:
            self._scope = None
            opened.close()

    def allow(self, seconds: float) -> None:
        """Let it go on for `seconds` from now; 0 cuts it."""
        if self._scope is not None and not self._scope.expired():
            # A scope that has just been left cannot be moved any more, and need not.
            with suppress(RuntimeError):
                self._scope.reschedule(asyncio.get_running_loop().time() + max(0.0, seconds))


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _send(request: web.Request, status: int, headers: Mapping[str, str], opened: Opened) -> web.StreamResponse:
    if opened.file is None:
        # Head and body leave in one write.
        whole = web.Response(body=opened.content, status=status, headers=headers)
        await whole.prepare(request)
        await whole.write_eof()
        return whole
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = opened.span.count
    await response.prepare(request)
    await _send_file(request, response, opened.file, opened.span)
    await response.write_eof()
    return response


async def _send_file(request: web.Request, response: web.StreamResponse, file: BinaryIO, span: Span) -> None:
    loop = asyncio.get_running_loop()
    offset, end = span.start, span.start + span.count
    try:
        while offset < end:
            transport = request.transport
            if transport is None:
                raise ConnectionResetError("the reader is gone")
            count = min(PIECE_BYTES, end - offset)
            async with asyncio.timeout(PIECE_SECONDS):
                sent = await loop.sendfile(transport, file, offset, count, fallback=False)
            offset += sent
            if sent < count:
                raise OSError("the file is shorter than it was")
    except (NotImplementedError, asyncio.SendfileNotAvailableError):
        # Other loops, and stores without real files: through our own memory then.
        await loop.run_in_executor(None, file.seek, offset)
        while offset < end:
            chunk = await loop.run_in_executor(None, file.read, min(_CHUNK_BYTES, end - offset))
            if not chunk:
                raise OSError("the file is shorter than it was") from None
            await response.write(chunk)
            offset += len(chunk)


class Shipments:
    """All answers on their way out, looked after so that none outlives what it shows.

    Every moment the catalog is asked about the documents being sent; an answer whose document was
    hidden meanwhile, or whose lease ran out on a clock that leapt, is cut.
    """

    def __init__(
        self,
        seconds_left: Callable[[Collection[Item]], Awaitable[Mapping[Item, float]]],
        tick: Callable[[], None],
        every_seconds: float = 0.5,
    ) -> None:
        """Watch.

        Args:
            seconds_left: says how long each item may still be shown.
            tick: called at every look, also when nothing is under way.
            every_seconds: how often to look.
        """
        self._seconds_left = seconds_left
        self._tick = tick
        self._every_seconds = every_seconds
        self._under_way: set[Shipment] = set()

    @contextmanager
    def shipment(self, item: Item) -> Iterator[Shipment]:
        """Give a shipment of `item` that is looked after while the block lasts."""
        shipment = Shipment(item)
        self._under_way.add(shipment)
        try:
            yield shipment
        finally:
            self._under_way.discard(shipment)

    async def watch(self) -> None:
        """Look after shipments until cancelled."""
        while True:
            await asyncio.sleep(self._every_seconds)
            self._tick()
            if not self._under_way:
                continue
            # What begins while the catalog is asked is not judged by its answer: it was permitted a moment ago.
            looked_at = list(self._under_way)
            try:
                left = await self._seconds_left({shipment.item for shipment in looked_at})
            except CatalogFailure as failure:
                # What is under way was permitted a moment ago, and ends with its lease in any case.
                _log.warning(Event.CATALOG_FAILED, "What is being sent could not be checked.", reason=str(failure))
                continue
            for shipment in looked_at:
                shipment.allow(left.get(shipment.item, 0.0))
