"""Readers of addresses: URLs, hosts, paths. They decide what is loopback, and what must be https.

Paths are made absolute here, from the folder of the configuration file, so that nobody else has to
know where that was.
"""

import ipaddress
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import ValidationInfo

from ipsync.settings.problems import Unfit, shown
from ipsync.settings.units import read_line

_HOST = re.compile(r"(\*\.)?(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_TOO_WIDE = re.compile(r"\*\.[^.]+")
_PREFIX = re.compile(r"/(?:[A-Za-z0-9._~-]+/)*")
_LISTEN = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>\d{1,5})")
_SQLITE = "sqlite:///"
_FILE = "file:"


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an IP address) is this machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """The host of a URL that was read, or ""."""
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that was read."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine itself."""
    return is_loopback(host_of(url))


def read_url(value: object) -> str:
    """Read an http(s) URL without user, query and fragment; plain http only on loopback (F21)."""
    text = read_line(value)
    try:
        parts: SplitResult = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not host or port == 0 or " " in text:
        raise Unfit(f"is {shown(text)}, which is not a web address", "write it as https://HOST/PATH")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise Unfit("holds a user, a query or a fragment", "write scheme, host and path only")
    if parts.scheme != "https" and not is_loopback(host):
        raise Unfit(f"is {shown(text)}, which is not encrypted", "write https:// (http:// is for this machine itself)")
    return text


def read_folder_url(value: object) -> str:
    """Read a URL like `read_url` and end it with a slash."""
    return read_url(value).rstrip("/") + "/"


def read_page_url(value: object) -> str:
    """Read a URL like `read_url` and end it without a slash."""
    return read_url(value).rstrip("/")


def read_networks(value: object) -> tuple[str, ...]:
    """Read IP addresses and networks, each as its network; none that holds half the world."""
    remedy = 'write addresses or networks such as "172.18.0.1" or "172.18.0.0/16"'
    if not isinstance(value, list):
        raise Unfit(f"is {shown(value)}, which is not a list of addresses", remedy)
    networks: list[str] = []
    for entry in value:
        try:
            network = ipaddress.ip_network(entry if isinstance(entry, str) else "")
        except ValueError:
            raise Unfit(f"holds {shown(entry)}, which is no address and no network", remedy) from None
        if network.prefixlen < 8:
            raise Unfit(f"holds {shown(entry)}, which would believe half the world", remedy)
        networks.append(str(network))
    return tuple(dict.fromkeys(networks))


def read_accel_prefix(value: object) -> str:
    """Read a path that begins and ends with a slash and needs no quoting; "" for the default."""
    if not isinstance(value, str) or (value and not _PREFIX.fullmatch(value)):
        raise Unfit(f"is {shown(value)}, which is no path of a front server", 'write it like "/_content/"')
    return value


def read_media_hosts(value: object) -> tuple[str, ...]:
    """Read the hosts files may be fetched from: exact names, or `*.name` for all names below (F34)."""
    remedy = 'write names such as "*.ipernity.com" or "cdn.ipernity.com"'
    if not isinstance(value, list) or not value:
        raise Unfit(f"is {shown(value)}, which is not a list of hosts", remedy)
    hosts: list[str] = []
    for entry in value:
        host = entry.lower() if isinstance(entry, str) else ""
        if _TOO_WIDE.fullmatch(host):
            raise Unfit(f"holds {shown(entry)}, which would allow half the world", remedy)
        if not _HOST.fullmatch(host) and not is_loopback(host):
            raise Unfit(f"holds {shown(entry)}, which is not the name of a host", remedy)
        hosts.append(host)
    return tuple(dict.fromkeys(hosts))


def read_listen(value: object) -> str:
    """Read `ADDRESS:PORT`; the address is an IP address or localhost, port 0 takes any free one."""
    match = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if match is not None and int(match["port"]) <= 65535:
        host = match["six"] or match["host"]
        try:
            if host != "localhost":
                ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            return match[0]
    raise Unfit(f"is {shown(value)}, which is not an address and a port", 'write e.g. "127.0.0.1:8480" or "[::1]:8480"')


def split_listen(listen: str) -> tuple[str, int]:
    """Take what `read_listen` gave apart: the address without brackets, and the port."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def read_contact(value: object) -> str:
    """Read an e-mail address or a web address by which the operator can be reached (T02)."""
    text = read_line(value)
    mail = re.fullmatch(r"(mailto:)?[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+", text)
    if not mail and not re.fullmatch(r"https?://[^\s<>/]+\.[^\s<>]+", text):
        raise Unfit(f"is {shown(text)}", "write an e-mail address, or the address of a page that says how to reach you")
    return text


def read_application(value: object) -> str:
    """Read the application's name; it must not pose as ipernity (T17)."""
    text = read_line(value)
    if re.sub(r"[^a-z]", "", text.lower()) in ("ipernity", "ipernitycom", "wwwipernitycom"):
        raise Unfit(f"is {shown(text)}, which poses as ipernity", "give your application a name of its own")
    return text


def base_folder(info: ValidationInfo) -> Path:
    """The folder of the configuration file, from which relative paths start."""
    context = info.context
    return Path(context["base"]) if isinstance(context, dict) else Path.cwd()


def read_path(value: object, info: ValidationInfo) -> Path:
    """Read a path and make it absolute."""
    if isinstance(value, Path):
        value = str(value)
    return base_folder(info) / read_line(value)


def read_database_url(value: object, info: ValidationInfo) -> str:
    """Read `sqlite:///PATH` and make the path absolute."""
    text = read_line(value)
    path = text.removeprefix(_SQLITE)
    if path == text or not path or path.startswith(":") or "?" in path or "#" in path:
        raise Unfit(f"is {shown(text)}", 'write "sqlite:///" and the path of a file, e.g. "sqlite:///ipsync.db"')
    return f"{_SQLITE}{base_folder(info) / path}"


def database_path(url: str) -> Path:
    """The file of what `read_database_url` gave."""
    return Path(url.removeprefix(_SQLITE))


def read_store_url(value: object, info: ValidationInfo) -> str:
    """Read `file:PATH` and make the path absolute."""
    text = read_line(value)
    path = text.removeprefix(_FILE)
    if path == text or not path.strip("/"):
        raise Unfit(f"is {shown(text)}", 'write "file:" and the path of a folder, e.g. "file:content"')
    return f"{_FILE}{base_folder(info) / re.sub('^//+', '/', path)}"


def store_path(url: str) -> Path:
    """The folder of what `read_store_url` gave."""
    return Path(url.removeprefix(_FILE))
