"""Which IP addresses and web addresses lead out of this house. Pure: nothing is resolved, nothing is connected to."""

import ipaddress
import re
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_LONGEST = 2048
_HOOK = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?][!-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_PROTOCOLS_V4 = ipaddress.IPv4Network("192.0.0.0/24")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    Private, loopback, link-local, multicast, documentation and reserved ranges do not; nor does an
    IPv6 address that carries such an IPv4 address, or one mapped into IPv6.

    Args:
        address: as text; one with a zone (`%eth0`) or one that cannot be read is not public.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return found.is_global and not found.is_multicast and found not in _PROTOCOLS_V4
    if found.scope_id is not None:
        return False
    if found in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)))
    return found.is_global and found in _PUBLIC_V6 and found not in _6TO4


def is_loopback(address: str) -> bool:
    """Whether an IP address, as text, is this machine itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def read_hook_address(text: str) -> str:
    """Check where a webhook leads: https, or this machine itself; no name and password, no private network.

    What a name resolves to is looked at again for each connection.

    Args:
        text: as the operator wrote it.

    Returns:
        The address, without a fragment.

    Raises:
        ValueError: it is none that changes may be sent to; the message repeats nothing of it.
    """
    match = _HOOK.fullmatch(text) if len(text) <= _LONGEST and "#" not in text else None
    if match is None or int(match["port"] or 443) > 65_535:
        raise ValueError("write https:// and a host, and a path if there is one; no user, no fragment, no spaces")
    host = (urlsplit(text).hostname or "").lower()
    if host in LOOPBACK_HOSTS:
        return text
    if match["scheme"].lower() != "https":
        raise ValueError("changes are sent by https only, except to this machine itself")
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        if not is_public(host):
            raise ValueError("this address is not public: nothing is sent into private networks")
    elif "." not in host:
        raise ValueError("write the whole name of the host, with its domain")
    return text
