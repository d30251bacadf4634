"""F34: where a file may be fetched from. Whatever an address looks like, nothing of ours and nobody else is asked."""

import asyncio
import socket

import pytest

from ipsync.ipernity.media import MediaFetcher
from ipsync.ipernity.media_addresses import (
    AddressRefusedError,
    AllowList,
    CheckedResolver,
    is_public,
    look_up,
    loopback_of,
)
from ipsync.policy.documents import RemoteFile
from ipsync.ports.source import MediaLater, MediaRejected
from ipsync.ports.store import ContentKey
from tests.fakes.clock import FakeClock
from tests.fakes.media import JPEG, MediaHost, raw, status, whole
from tests.fakes.media import head as head_of
from tests.fakes.store import MemoryStore

HOSTS = AllowList(["*.ipernity.com", "cdn.example.net"])

ADMITTED = {
    "https://u1.ipernity.com/p/1.jpg": "https://u1.ipernity.com/p/1.jpg",
    "https://a.b.ipernity.com/x": "https://a.b.ipernity.com/x",
    "https://u1.ipernity.com:443/x": "https://u1.ipernity.com:443/x",
    "HTTPS://U1.Ipernity.COM/Case/Stays": "https://u1.ipernity.com/Case/Stays",
    "https://cdn.example.net/x?y=%2F&z=@w": "https://cdn.example.net/x?y=%2F&z=@w",
    "https://xn--bcher-kva.ipernity.com/x": "https://xn--bcher-kva.ipernity.com/x",
}
REFUSED = [
    "",
    "u1.ipernity.com/x",
    "//u1.ipernity.com/x",
    "https://u1.ipernity.com",
    "https://u1.ipernity.com?x=/",
    "http://u1.ipernity.com/x",
    "ftp://u1.ipernity.com/x",
    "file:///etc/passwd",
    "data:image/jpeg;base64,AAAA",
    "https://u1.ipernity.com:80/x",
    "https://u1.ipernity.com:8443/x",
    "https://u1.ipernity.com:0443x/",
    "https://u1.ipernity.com:/x",
    "https://ipernity.com/x",
    "https://ipernity.com./x",
    "https://u1.ipernity.com./x",
    "https://u1.ipernity.com../x",
    "https://.ipernity.com/x",
    "https://u1..ipernity.com/x",
    "https://-u1.ipernity.com/x",
    "https://evilipernity.com/x",
    "https://u1.ipernity.com.evil.net/x",
    "https://u1.ipernity.com%2eevil.net/x",
    "https://sub.cdn.example.net/x",
    "https://evil.net/u1.ipernity.com/x",
    "https://u1.ipernity.com@evil.net/x",
    "https://user:word@u1.ipernity.com/x",
    "https://@u1.ipernity.com/x",
    "https://evil.net#@u1.ipernity.com/x",
    "https://evil.net\\@u1.ipernity.com/x",
    "https://u1.ipernity.com\\@evil.net/x",
    "https:\\\\u1.ipernity.com\\x",
    "https:///u1.ipernity.com/x",
    "https://u1.ipernity.com\t.evil.net/x",
    "https://u1.ipernity.com/x y",
    "https://u1.ipernity.com/x\r\nHost: evil.net",
    " https://u1.ipernity.com/x",
    "https://u1.ipernity.com/x\n",
    "https://u1.ipernity.com/ü",
    "https://u1.ｉpernity.com/x",
    "https://u1.ipernity。com/x",
    "https://u1.ıpernity.com/x",
    "https://127.0.0.1/x",
    "https://127.1/x",
    "https://2130706433/x",
    "https://0x7f000001/x",
    "https://0177.0.0.1/x",
    "https://0/x",
    "https://10.0.0.1/x",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://[::ffff:7f00:1]/x",
    "https://[fe80::1%25eth0]/x",
    "https://[2606:4700::1111]/x",
    "https://8.8.8.8/x",
    "https://localhost/x",
    "http://localhost/x",
    "https://localhost.ipernity.com.localhost/x",
    "https://u1.ipernity.com/" + "x" * 3000,
]


@pytest.mark.parametrize("address", ADMITTED, ids=repr)
def test_F34_listed_hosts_are_admitted(address: str) -> None:
    admitted = HOSTS.admit(address)
    assert admitted.url == ADMITTED[address]
    assert admitted.url not in repr(admitted)


@pytest.mark.parametrize("address", REFUSED, ids=repr)
def test_F34_everything_else_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(MediaRejected) as caught:
        HOSTS.admit(address)
    assert not address.strip() or address not in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    ["", "*", "*.", "*.*", "*.com", "com", "u*.ipernity.com", "ipernity.*", "*ipernity.com", "a.*.ipernity.com",
     "**.ipernity.com", "8.8.8.8", "2130706433", "[::1]", "127.0.0.1", "localhost", "ipernity.com.", "ipernity.com:443",
     "https://ipernity.com", "ipernity.com/x", "ipérnity.com", " ipernity.com", "10.0.0.0/8"],
)  # fmt: skip
def test_F34_a_pattern_is_a_name_with_at_most_one_star_at_its_left(pattern: str) -> None:
    with pytest.raises(ValueError, match="media host"):
        AllowList([pattern])


def test_F34_this_machine_is_asked_only_where_the_api_is() -> None:
    beside = AllowList(["127.0.0.1"], ("127.0.0.1", 8700))
    for host in ("127.0.0.1", "localhost", "[::1]", "LOCALHOST"):
        assert beside.admit(f"http://{host}:8700/m/1.jpg").url == f"http://{host.lower()}:8700/m/1.jpg"
    for address in (
        "http://127.0.0.1:8701/x",
        "http://127.0.0.1/x",
        "http://127.0.0.2:8700/x",
        "http://127.1:8700/x",
        "http://2130706433:8700/x",
        "http://0.0.0.0:8700/x",
        "http://user@127.0.0.1:8700/x",
        "http://127.0.0.1.:8700/x",
        "http://127.0.0.1.evil.net:8700/x",
        "http://[::ffff:127.0.0.1]:8700/x",
        "http://192.168.0.1:8700/x",
        "https://u1.ipernity.com/x",
    ):
        with pytest.raises(MediaRejected):
            beside.admit(address)
    without = AllowList(["*.ipernity.com"], ("127.0.0.1", 8700))
    with pytest.raises(MediaRejected):
        without.admit("http://127.0.0.1:8700/x")


def test_F34_the_loopback_exception_follows_the_address_of_the_api() -> None:
    assert loopback_of("http://127.0.0.1:8700/api/") == ("127.0.0.1", 8700)
    assert loopback_of("http://localhost/api/") == ("localhost", 80)
    assert loopback_of("https://[::1]/api/") == ("::1", 443)
    assert loopback_of("https://api.ipernity.com/api/") is None
    assert loopback_of("http://127.0.0.1.evil.net/") is None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("185.60.112.157", True),
        ("2606:4700:4700::1111", True),
        ("2a00:1450:4001:82a::200e", True),
        ("64:ff9b::808:808", True),
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.0.0.8", False),
        ("192.0.0.170", False),
        ("192.0.2.1", False),
        ("192.168.1.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("239.255.255.250", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::1", False),
        ("100::1", False),
        ("2001::1", False),
        ("2001:db8::1", False),
        ("2002:7f00:1::1", False),
        ("2002:808:808::1", False),
        ("fc00::1", False),
        ("fd12:3456::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("2606:4700::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("", False),
        ("localhost", False),
        ("2130706433", False),
        ("127.1", False),
    ],
)
def test_F34_only_addresses_of_the_public_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_F34_one_private_address_among_public_ones_refuses_the_name() -> None:
    async def lookup(_: str) -> list[str]:
        return ["8.8.8.8", "127.0.0.1"]

    with pytest.raises(AddressRefusedError):
        await CheckedResolver(lookup).resolve("u1.ipernity.com", 443)


async def test_F34_a_resolved_name_gives_the_checked_addresses_as_numbers() -> None:
    async def lookup(_: str) -> list[str]:
        return ["8.8.8.8", "2606:4700:4700::1111", "8.8.8.8"]

    found = await CheckedResolver(lookup).resolve("u1.ipernity.com", 443)
    assert [(entry["host"], entry["port"], entry["family"]) for entry in found] == [
        ("8.8.8.8", 443, socket.AF_INET),
        ("2606:4700:4700::1111", 443, socket.AF_INET6),
    ]
    assert {entry["hostname"] for entry in found} == {"u1.ipernity.com"}


async def test_F34_localhost_is_loopback_or_nothing() -> None:
    async def poisoned(_: str) -> list[str]:
        return ["8.8.8.8"]

    with pytest.raises(AddressRefusedError):
        await CheckedResolver(poisoned).resolve("localhost", 8700)
    assert {entry["host"] for entry in await CheckedResolver(look_up).resolve("localhost", 8700)} <= {
        "127.0.0.1",
        "::1",
    }

    async def nothing(_: str) -> list[str]:
        return []

    with pytest.raises(OSError, match="no address"):
        await CheckedResolver(nothing).resolve("u1.ipernity.com", 443)


class Rebinding:
    """A name server whose answers change with each question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.questions = 0

    async def __call__(self, _: str) -> list[str]:
        self.questions += 1
        return self.answers[min(self.questions, len(self.answers)) - 1]


class Connections:
    """Stands where connections are made; notes where to, and refuses."""

    def __init__(self) -> None:
        self.targets: list[str] = []

    async def __call__(self, addr_infos: list[tuple[object, ...]], **_: object) -> socket.socket:
        self.targets += [info[4][0] for info in addr_infos]
        raise ConnectionRefusedError


async def test_F34_a_name_that_is_bound_anew_after_the_check_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections()
    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", connections)
    names = Rebinding(["8.8.8.8"], ["127.0.0.1"], ["169.254.169.254"], ["::1"])
    file = RemoteFile("240", "https://u1.ipernity.com/1.jpg")
    async with MediaFetcher(
        media_hosts=["*.ipernity.com"], user_agent="tests", clock=FakeClock(), lookup=names
    ) as fetcher:
        sink = MemoryStore().receive(ContentKey(1, 1, "240"))
        with pytest.raises(MediaLater):
            await fetcher.fetch(file, sink)
        # One question, and the connection went to what was checked.
        assert (names.questions, connections.targets) == (1, ["8.8.8.8"])
        for _ in range(3):
            with pytest.raises(MediaRejected):
                await fetcher.fetch(file, sink)
        assert connections.targets == ["8.8.8.8"]


@pytest.mark.parametrize("code", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["http://127.0.0.1:{port}/secret", "/elsewhere.jpg", "//169.254.169.254/x", "file:///x"])
async def test_F34_no_redirect_is_followed(code: int, to: str) -> None:
    async with MediaHost() as host:
        host.answers["/1.jpg"] = status(code, Location=to.format(port=host.port))
        host.answers["/secret"] = host.answers["/elsewhere.jpg"] = whole(JPEG)
        async with MediaFetcher(
            media_hosts=["127.0.0.1"], user_agent="tests", clock=FakeClock(), loopback=("127.0.0.1", host.port)
        ) as fetcher:
            with pytest.raises(MediaRejected):
                await fetcher.fetch(
                    RemoteFile("240", host.url("/1.jpg")), MemoryStore().receive(ContentKey(1, 1, "240"))
                )
        assert [asked.path for asked in host.asked] == ["/1.jpg"]


async def test_F34_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MediaHost() as host, MediaHost() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        host.answers["/1.jpg"] = whole(JPEG)
        async with MediaFetcher(
            media_hosts=["127.0.0.1"], user_agent="tests", clock=FakeClock(), loopback=("127.0.0.1", host.port)
        ) as fetcher:
            await fetcher.fetch(RemoteFile("240", host.url("/1.jpg")), MemoryStore().receive(ContentKey(1, 1, "240")))
        assert proxy.asked == []


async def test_the_request_says_who_asks_and_nothing_else() -> None:
    async with MediaHost() as host:
        host.answers["/1.jpg"] = raw(head_of(200, Content_Length=len(JPEG), Set_Cookie="follow=me") + JPEG)
        async with MediaFetcher(
            media_hosts=["127.0.0.1"],
            user_agent="mirror (someone@example.org)",
            clock=FakeClock(),
            loopback=("127.0.0.1", host.port),
        ) as fetcher:
            for _ in range(2):
                await fetcher.fetch(
                    RemoteFile("240", host.url("/1.jpg")), MemoryStore().receive(ContentKey(1, 1, "240"))
                )
                await asyncio.sleep(0)
        for asked in host.asked:
            assert asked.headers == {
                "host": f"127.0.0.1:{host.port}",
                "user-agent": "mirror (someone@example.org)",
                "accept": "*/*",
                "accept-encoding": "identity",
            }
