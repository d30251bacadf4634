"""One POST to a receiver of webhooks: nothing is followed, nothing is waited for long, nothing that comes back is kept.

The addresses are the operator's, and still doubted: a name may come to lead into a private network. Each connection
goes to addresses that were checked for it. No address reaches an exception or a log, since it may hold a secret.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ipsync.policy.addresses import LOOPBACK_HOSTS, is_loopback, is_public
from ipsync.policy.webhooks import Trouble
from ipsync.ports.webhooks import DeliveryFailure

WHOLE_SECONDS = 10.0
_GONE, _BUSY = 410, frozenset({408, 425, 429, 503})

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a name as texts; raises OSError where it has none."""


class _PrivateAddressError(Exception):
    """A name leads where nothing is sent. Not an OSError: nothing may retry past it."""


class HttpMessenger:
    """`ports.webhooks.Messenger` over HTTPS."""

    def __init__(
        self,
        user_agent: str,
        *,
        whole_seconds: float = WHOLE_SECONDS,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Make ready; nothing is connected before the first message.

        Args:
            user_agent: who sends; printable ASCII.
            whole_seconds: from the first look-up to the answer's head.
            lookup: gives the addresses of a name; the system unless given.
            tls: whom to trust, where that are not the system's authorities.
        """
        self._user_agent = user_agent
        self._whole_seconds = whole_seconds
        self._lookup = lookup or _look_up
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections; a later message opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, address: str, headers: Mapping[str, str], body: bytes) -> None:
        """Hand a message over; see `ports.webhooks.Messenger`."""
        try:
            _demand_public(address)
            async with asyncio.timeout(self._whole_seconds):
                async with self._opened().post(address, data=body, headers=headers, allow_redirects=False) as response:
                    status = response.status
                    # Whatever stands in the answer, and however much: nobody reads it.
                    response.close()
        except (_PrivateAddressError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            trouble = _sorted(error)
        else:
            if 200 <= status < 300:
                return
            trouble = _meaning(status)
        # Outside of the handler, without cause and context: what the libraries say holds the address.
        raise DeliveryFailure(trouble)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # No cache and no kept connections: each goes to addresses that were checked for it.
                connector=aiohttp.TCPConnector(
                    resolver=_CheckedResolver(self._lookup),
                    use_dns_cache=False,
                    force_close=True,
                    limit=0,
                    ssl=self._tls if self._tls is not None else True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def _demand_public(address: str) -> None:
    """Look at an address that is no name: it is not looked up."""
    host = urlsplit(address).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    if not (is_public(host) or host in LOOPBACK_HOSTS):
        raise _PrivateAddressError


def _meaning(status: int) -> Trouble:
    if status == _GONE:
        return Trouble.ENDED
    if status in _BUSY:
        return Trouble.BUSY
    if 300 <= status < 400:
        return Trouble.REDIRECT
    return Trouble.REFUSED if 400 <= status < 500 else Trouble.FAILED


def _sorted(error: Exception) -> Trouble:
    if isinstance(error, _PrivateAddressError):
        return Trouble.ADDRESS
    if isinstance(error, TimeoutError):
        return Trouble.SLOW
    if isinstance(error, aiohttp.ClientSSLError):
        return Trouble.CERTIFICATE
    return Trouble.UNREACHABLE


async def _look_up(host: str) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class _CheckedResolver(AbstractResolver):
    """Gives only addresses that may be connected to; one that may not is enough to give none."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = dict.fromkeys(await self._lookup(host))
        allowed = is_loopback if host == "localhost" else is_public
        if not all(allowed(address) for address in addresses):
            raise _PrivateAddressError
        if not addresses:
            raise OSError("no address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""
