"""Fetching the files of documents from the hosts that keep them: no API request, limits of their own.

Everything a host says is doubted: where it is (F34), how much it sends (F31), in what encoding (F32),
what it sends (F33), how long it takes (F22). No address reaches an exception or a log, since addresses
hold secrets (F35). Nothing here knows why a file is wanted or where it will lie.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

import aiohttp

from ipsync.ipernity.media_addresses import (
    AddressRefusedError,
    Admitted,
    AllowList,
    CheckedResolver,
    Lookup,
    look_up,
    loopback_of,
)
from ipsync.ipernity.media_pacing import Bandwidth, Pauses
from ipsync.ipernity.media_receiving import Reception
from ipsync.ipernity.media_resuming import Halves, rest_of, validator_of
from ipsync.policy.documents import MEDIA, ORIGINAL, Media, RemoteFile
from ipsync.policy.instants import SECOND, Duration, seconds
from ipsync.policy.quota import LARGEST_FILE_BYTES, LARGEST_THUMBNAIL_BYTES
from ipsync.ports.clock import Clock
from ipsync.ports.source import Fetched, MediaFailure, MediaGone, MediaLater, MediaRejected, MediaSink
from ipsync.ports.store import StoreFull

__all__ = ["MAX_BYTES", "MediaFetcher", "MediaLimits", "loopback_of"]

MAX_BYTES = LARGEST_FILE_BYTES
"""100 MiB and 5 % (F31)."""

_WHOLE, _PARTIAL, _NO_SUCH_RANGE = 200, 206, 416
_GONE = frozenset({403, 404, 410, 451})
_REFUSED = 429
_PLAIN_ENCODINGS = frozenset({"", "identity", "chunked"})
_BUSY = frozenset({408, 425})


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """How long and how much one download may be.

    Attributes:
        connections_per_host: downloads from one host at once.
        connect_seconds: to reach the host.
        idle_seconds: between two pieces of an answer.
        total_seconds: for one request, apart from waiting that our own bandwidth limit asks for. What
            is not done then is taken up again by the next request.
        thumbnail_bytes: the most an image of reduced size may have.
        media_bytes: the most a playable rendition may have.
        original_bytes: the most an original may have.
    """

    connections_per_host: int = 4
    connect_seconds: float = 10.0
    idle_seconds: float = 15.0
    total_seconds: float = 60.0
    thumbnail_bytes: int = LARGEST_THUMBNAIL_BYTES
    media_bytes: int = MAX_BYTES
    original_bytes: int = MAX_BYTES

    def cap_bytes(self, rendition: str) -> int:
        """The most a file of this rendition may have."""
        return {ORIGINAL: self.original_bytes, MEDIA: self.media_bytes}.get(rendition, self.thumbnail_bytes)


class MediaFetcher:
    """`ports.source.MediaSource` over HTTPS."""

    def __init__(
        self,
        *,
        media_hosts: Sequence[str],
        user_agent: str,
        clock: Clock,
        bandwidth_bytes_per_second: int | None = None,
        loopback: tuple[str, int] | None = None,
        limits: MediaLimits | None = None,
        observe: Callable[[str, int], None] | None = None,
        lookup: Lookup = look_up,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Make ready; nothing is connected before the first download.

        Args:
            media_hosts: see `media_addresses.AllowList`.
            user_agent: who asks (T02).
            clock: paces downloads and ends pauses.
            bandwidth_bytes_per_second: for all downloads together; None for no limit.
            loopback: host and port of the API where it lies on this machine (`loopback_of`), else None.
            limits: of one download.
            observe: told of each attempt: its outcome (`stored`, `gone`, `later`, `rejected`, `full`)
                and the bytes that came.
            lookup: gives the addresses of a name.
            tls: whom to trust, where that are not the system's authorities.

        Raises:
            ValueError: a media host is no host pattern.
        """
        self._allowed = AllowList(media_hosts, loopback)
        self._user_agent = user_agent
        self._clock = clock
        self._bandwidth = Bandwidth(bandwidth_bytes_per_second, clock)
        self._pauses = Pauses(clock)
        self._limits = limits or MediaLimits()
        self._observe = observe or _unobserved
        self._lookup = lookup
        self._tls = tls
        self._halves = Halves()
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def fetch(self, file: RemoteFile, sink: MediaSink, kind: Media | None = None) -> Fetched:
        """Download one file into `sink`, resuming after `sink.received_bytes`; see `ports.source.MediaSource`.

        What was received stays in the sink only where the next attempt can go on from it.
        """
        half = self._halves.take(file.url, sink.received_bytes)
        reception = Reception(file.rendition, kind, sink, self._limits.cap_bytes(file.rendition), half)
        try:
            fetched = await self._fetch(file, reception)
        except StoreFull:
            self._leave_off(file, reception)
            self._observe("full", reception.arrived_bytes)
            raise
        except (MediaFailure, AddressRefusedError, aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = _sorted(error)
        else:
            self._observe("stored", reception.arrived_bytes)
            return fetched
        if isinstance(failure, MediaLater):
            self._leave_off(file, reception)
        else:
            reception.forget()
        self._observe(_OUTCOMES[type(failure)], reception.arrived_bytes)
        # Without cause, context and inner frames: what the libraries say holds the address (F35).
        failure.__cause__ = failure.__context__ = None
        raise failure.with_traceback(None)

    def _leave_off(self, file: RemoteFile, reception: Reception) -> None:
        half = reception.pause()
        if half is not None:
            self._halves.keep(file.url, half)

    async def _fetch(self, file: RemoteFile, reception: Reception) -> Fetched:
        admitted = self._allowed.admit(file.url)
        slot = self._slots.setdefault(admitted.host, asyncio.Semaphore(self._limits.connections_per_host))
        async with slot:
            pause = self._pauses.left(admitted.host)
            if pause:
                raise MediaLater("the host asked us to wait", pause)
            async with asyncio.timeout(self._limits.total_seconds) as deadline:
                return await self._ask(admitted, file.size_bytes, reception, deadline)

    async def _ask(
        self, admitted: Admitted, announced_bytes: int | None, reception: Reception, deadline: asyncio.Timeout
    ) -> Fetched:
        half = reception.half
        headers = {} if half is None else {"Range": f"bytes={half.received_bytes}-", "If-Range": half.validator}
        async with self._opened().get(admitted.url, headers=headers, allow_redirects=False) as response:
            try:
                self._judge_status(response, admitted.host, reception)
                size_bytes = _begin(response, reception)
                await self._receive(response, reception, deadline)
            except BaseException:
                # Not given back for reuse: the rest of a body nobody wants may be endless.
                response.close()
                raise
        fetched = reception.finish()
        if size_bytes is None and not _is_chunked(response):
            # Such a body ends when the connection does, so only the listing can say whether it is whole.
            size_bytes = announced_bytes or -1
        if size_bytes is not None and fetched.size_bytes != size_bytes:
            reception.forget()
            raise MediaLater("the length of what came is not the one told, or cannot be known")
        return fetched

    async def _receive(self, response: aiohttp.ClientResponse, reception: Reception, deadline: asyncio.Timeout) -> None:
        async for chunk in response.content.iter_any():
            reception.take(chunk)
            wait = self._bandwidth.spend(len(chunk))
            if wait:
                until = deadline.when()
                if until is not None:  # waiting for our own limit is not the host's fault
                    deadline.reschedule(until + seconds(wait))
                await self._clock.sleep(wait)

    def _judge_status(self, response: aiohttp.ClientResponse, host: str, reception: Reception) -> None:
        status = response.status
        if status in (_WHOLE, _PARTIAL):
            self._pauses.answered(host)
            return
        if status in _GONE:
            raise MediaGone(f"the host answered {status}")
        if status == _NO_SUCH_RANGE and reception.half is not None:
            reception.forget()
            raise MediaLater("the host would not go on where we stopped")
        if status == _REFUSED or status in _BUSY or status >= 500:
            asked = self._asked_pause(response)
            pause = self._pauses.refused(host, asked) if status == _REFUSED or asked is not None else None
            raise MediaLater(f"the host answered {status}", pause)
        if 300 <= status < 400:
            raise MediaRejected("the host sends us elsewhere")
        raise MediaRejected(f"the host answered {status}")

    def _asked_pause(self, response: aiohttp.ClientResponse) -> Duration | None:
        """Read Retry-After: seconds, or a date."""
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdecimal():
            return int(text[:9]) * SECOND
        try:
            until = parsedate_to_datetime(text)
            return max(0, int(until.timestamp()) * SECOND - self._clock.now())
        except (ValueError, TypeError, OverflowError):
            return None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            limits = self._limits
            connector = aiohttp.TCPConnector(
                # No cache: each connection is made to addresses checked for it.
                resolver=CheckedResolver(self._lookup),
                use_dns_cache=False,
                limit=0,
                limit_per_host=limits.connections_per_host,
                ssl=self._tls if self._tls is not None else True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=limits.connect_seconds, sock_read=limits.idle_seconds
                ),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


_OUTCOMES: dict[type[MediaFailure], str] = {MediaGone: "gone", MediaLater: "later", MediaRejected: "rejected"}


def _unobserved(outcome: str, size_bytes: int) -> None:
    """Nobody counts."""


def _begin(response: aiohttp.ClientResponse, reception: Reception) -> int | None:
    """Judge the head of an answer, and make ready for its body. Returns the size of the whole file, if told.

    Raises:
        MediaLater: a rest that does not fit what we have; that is thrown away.
        MediaRejected: encoded, or larger than its cap.
    """
    headers = response.headers
    encodings = headers.getall("Content-Encoding", []) + headers.getall("Transfer-Encoding", [])
    if not {encoding.strip().lower() for encoding in encodings} <= _PLAIN_ENCODINGS:
        raise MediaRejected("the file came encoded, though it was asked for as it is")
    half = reception.half
    if response.status == _PARTIAL:
        size_bytes = None if half is None else rest_of(half, headers)
        if half is None or size_bytes is None:
            reception.forget()
            raise MediaLater("the host sent another part than was asked for")
        reception.resume(half)
    else:
        size_bytes = response.content_length
        reception.begin(validator_of(headers))
    if size_bytes is not None and size_bytes > reception.cap_bytes:
        raise MediaRejected("the file is larger than its cap")
    return size_bytes


def _is_chunked(response: aiohttp.ClientResponse) -> bool:
    """Whether the body has an end of its own, so that a cut one is noticed."""
    return bool(response.headers.get("Transfer-Encoding"))


def _sorted(error: Exception) -> MediaFailure:
    """Say what to do next, in our own words only."""
    if isinstance(error, MediaFailure):
        return error
    if isinstance(error, AddressRefusedError):
        return MediaRejected(str(error))
    if isinstance(error, aiohttp.InvalidURL):
        return MediaRejected("the address of the file cannot be asked")
    return MediaLater(_reason(error))


def _reason(error: Exception) -> str:
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (TimeoutError, "the host took too long"),
        (aiohttp.ClientSSLError, "the host could not prove who it is"),
        (aiohttp.ClientPayloadError, "the file was cut short"),
        (aiohttp.ClientResponseError, "the host sent no proper answer"),
        (aiohttp.ServerDisconnectedError, "the host hung up"),
    )
    return next((reason for kind, reason in kinds if isinstance(error, kind)), "the host could not be reached")
