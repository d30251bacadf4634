"""Under which address we are reached, and by whom: the Host a browser may name, the Origin its forms come from (F37).

Nothing in an answer is made from a header that was not checked here against the configuration and the socket.
A visitor's address is used for the moment, and never kept (T22).
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from ipsync.web.failures import WebFailure

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SAME_SITE = ("same-origin", "none")
_IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where the application is to be found.

    Attributes:
        public_url: as members know it, without a slash at the end; "" while only this machine knows it.
        front_servers: addresses and networks of servers in front that are believed whom they stand for, beside this
            machine's own.
    """

    public_url: str = ""
    front_servers: tuple[str, ...] = ()

    @property
    def is_encrypted(self) -> bool:
        """Whether members reach it by https."""
        return self.public_url.startswith("https://")

    @property
    def root(self) -> str:
        """The path under which a front server shows us, without a slash at the end; mostly ""."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def cookie_path(self) -> str:
        """Where cookies are sent to."""
        return self.root or "/"

    def check_host(self, request: web.Request) -> str:
        """Give the Host of a request, when it is one of ours.

        Raises:
            WebFailure: 421, it names somebody else: a page of ours under a stranger's name could be used by them.
        """
        given = request.headers.getall("Host", [])
        if len(given) != 1 or given[0].lower() not in self._hosts(request):
            raise WebFailure(421, "another-host", "This application is not known under that address.")
        return given[0].lower()

    def check_origin(self, request: web.Request) -> None:
        """Refuse what a page of another site sends, as far as the browser tells.

        Our own pages send no referrer, so their forms come with `Origin: null`; then `Sec-Fetch-Site` tells. What
        tells nothing is left to the token in the form, which no other site can know.

        Raises:
            WebFailure: 403, another site sent it; 421, as `check_host`.
        """
        self.check_host(request)
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        origin = request.headers.get("Origin", "null").lower()
        own = {f"{scheme}://{name}" for scheme, name in self._names(request)}
        if site not in _SAME_SITE or (origin != "null" and origin not in own):
            raise WebFailure(403, "another-site", "This came from a page of another site; nothing was done.")

    def visitor(self, request: web.Request) -> str:
        """Give the address to count a visitor by; of IPv6 the network, since each has many addresses.

        A front server on this machine, or one that is configured, tells whom it stands for; nobody else is believed.
        """
        peer = request.remote or ""
        told = request.headers.getall("X-Forwarded-For", [])
        if self.public_url and told and (is_loopback(peer) or self._is_in_front(peer)):
            peer = told[-1].rpartition(",")[2].strip()
        known = _address(peer)
        if isinstance(known, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((known, _IPV6_PREFIX), strict=False))
        return "" if known is None else str(known)

    def _is_in_front(self, peer: str) -> bool:
        address = _address(peer) if self.front_servers else None
        return address is not None and any(address in ipaddress.ip_network(known) for known in self.front_servers)

    def _hosts(self, request: web.Request) -> set[str]:
        names = list(self._names(request))
        # Some say the port although it is the scheme's own.
        return {name for _, name in names} | {f"{name}:{_DEFAULT_PORTS[scheme]}" for scheme, name in names}

    def _names(self, request: web.Request) -> Iterable[tuple[str, str]]:
        """Give scheme and authority, as browsers write them, under which this request may have come."""
        if self.public_url:
            public = urlsplit(self.public_url.lower())
            yield public.scheme, public.netloc.removesuffix(f":{_DEFAULT_PORTS[public.scheme]}")
        sockname = None if request.transport is None else request.transport.get_extra_info("sockname")
        if isinstance(sockname, tuple):
            host, port = sockname[:2]
            shown = "" if str(port) == _DEFAULT_PORTS["http"] else f":{port}"
            yield "http", f"[{host}]{shown}" if ":" in host else f"{host}{shown}"
            if is_loopback(host):
                yield "http", f"localhost{shown}"


PLACE = web.AppKey("PLACE", Place)


def is_loopback(address: str) -> bool:
    """Whether a peer's address is this machine; a peer without one came through a local socket."""
    if not address:
        return True
    peer = _address(address)
    return peer is not None and peer.is_loopback


def _address(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read a peer's address; one of IPv4 in the clothes of IPv6 is of IPv4, and what is none is None."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
