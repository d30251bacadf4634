"""Which addresses a file may be fetched from, and to which machine that may lead (F34).

The rule is written against the text of an address, before any library reads it: https, a name on the
allow-list, no user, no other port. A name is resolved once for each connection, every address it
resolves to must be public, and the connection goes to exactly those addresses, so that an answer that
changes between check and connect changes nothing.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from ipsync.policy.addresses import LOOPBACK_HOSTS, is_loopback, is_public
from ipsync.ports.source import MediaRejected

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a name as texts; raises OSError where it has none."""

_LONGEST_ADDRESS = 2048
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>/[!-~]*)",
    re.ASCII | re.IGNORECASE,
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter: no number, in whatever notation, is a name.
_NAME = rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_PATTERN = re.compile(rf"(?:\*\.)?{_NAME}")
_SECURE_PORT = 443


class AddressRefusedError(Exception):
    """A name leads to an address that is not to be connected to. Not an OSError: nothing may retry past it."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An address that passed.

    Attributes:
        url: where to ask; it holds a secret.
        host: lower case, without brackets.
    """

    url: str = field(repr=False)
    host: str


def loopback_of(api_url: str) -> tuple[str, int] | None:
    """The host and port of an API on this machine itself, or None for any other.

    Args:
        api_url: as configured.
    """
    parts = urlsplit(api_url)
    host = (parts.hostname or "").lower()
    if host not in LOOPBACK_HOSTS:
        return None
    return host, parts.port or (_SECURE_PORT if parts.scheme == "https" else 80)


class AllowList:
    """The hosts that files may come from."""

    def __init__(self, media_hosts: Sequence[str], loopback: tuple[str, int] | None = None) -> None:
        """Read the list.

        Args:
            media_hosts: exact names, or `*.name` for every name below `name` (and not `name` itself).
                A loopback host may stand here only beside `loopback`.
            loopback: host and port of the API where it lies on this machine; then, and only there,
                files may come from a loopback host in the list, at this port, also by plain http.

        Raises:
            ValueError: an entry is no such pattern.
        """
        self._exact: set[str] = set()
        self._below: set[str] = set()
        self._loopback_port: int | None = None
        for entry in media_hosts:
            pattern = entry.lower()
            if pattern.strip("[]") in LOOPBACK_HOSTS:
                if loopback is None:
                    raise ValueError(f"the media host {entry!r} is this machine, and the API is not")
                self._loopback_port = loopback[1]
            elif _PATTERN.fullmatch(pattern) is None:
                raise ValueError(f"the media host {entry!r} is neither a name nor *.name")
            elif pattern.startswith("*."):
                self._below.add(pattern[1:])
            else:
                self._exact.add(pattern)

    def admit(self, address: str) -> Admitted:
        """Check the text of an address.

        Raises:
            MediaRejected: it is not to be asked; the reason does not repeat it.
        """
        match = _ADDRESS.fullmatch(address) if len(address) <= _LONGEST_ADDRESS else None
        if match is None:
            raise MediaRejected("the address of the file is not one of plain host and path")
        scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]")
        port = int(match["port"]) if match["port"] else None
        if host in LOOPBACK_HOSTS:
            self._require_our_loopback(port)
        else:
            self._require_listed(scheme, host, port)
        netloc = f"[{host}]" if ":" in host else host
        return Admitted(f"{scheme}://{netloc}{'' if port is None else f':{port}'}{match['rest']}", host)

    def _require_our_loopback(self, port: int | None) -> None:
        if self._loopback_port is None or port != self._loopback_port:
            raise MediaRejected("the file lies on this machine, where the API does not")

    def _require_listed(self, scheme: str, host: str, port: int | None) -> None:
        if host not in self._exact and not any(host.endswith(suffix) for suffix in self._below):
            raise MediaRejected("the file lies on a host that is not allowed")
        if re.fullmatch(_NAME, host) is None:
            raise MediaRejected("the file lies on a host that is not allowed")
        if scheme != "https" or port not in (None, _SECURE_PORT):
            raise MediaRejected("the file is not offered by https on its own port")


async def look_up(host: str) -> Sequence[str]:
    """Ask the system for the addresses of a name.

    Raises:
        OSError: it has none, or nobody could say.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class CheckedResolver(AbstractResolver):
    """Resolves names for the connector, and gives only addresses that may be connected to."""

    def __init__(self, lookup: Lookup = look_up) -> None:
        """Resolve by `lookup`."""
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give every address of `host`.

        Raises:
            AddressRefusedError: one of them is not public (of `localhost`: not loopback). One is
                enough: an honest name has none.
            OSError: it has none.
        """
        addresses = dict.fromkeys(await self._lookup(host))
        allowed = is_loopback if host == "localhost" else is_public
        if not all(allowed(address) for address in addresses):
            raise AddressRefusedError("the host of the file has an address that is not public")
        if not addresses:
            raise OSError("the host of the file has no address")
        return [_resolved(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held."""


def _resolved(host: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
