"""F21, F34 over real TLS: the checked address is connected to, the name is proved, nothing is downgraded."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ipsync.ipernity.media import MediaFetcher, MediaLimits
from ipsync.policy.documents import RemoteFile
from ipsync.ports.source import Fetched, MediaLater
from ipsync.ports.store import ContentKey
from tests.fakes.clock import FakeClock
from tests.fakes.media import JPEG
from tests.fakes.media import head as head_of
from tests.fakes.store import MemoryStore

PUBLIC = "185.60.112.157"


def certificate(directory: Path, name: str) -> Path:
    """A certificate for `name` that is its own authority, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Way:
    """Leads every connection to the test's own server, and notes where it was meant to go."""

    def __init__(self) -> None:
        self.port = 0
        self.meant: list[tuple[object, ...]] = []

    async def start_connection(self, *, addr_infos: list[tuple[object, ...]], **_: object) -> socket.socket:
        self.meant += [info[4] for info in addr_infos]
        connected = socket.socket()
        connected.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connected, ("127.0.0.1", self.port))
        return connected


@pytest.fixture
async def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Way]:
    leading = Way()
    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", leading.start_connection)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head_of(200, Content_Length=len(JPEG)) + JPEG)
        await writer.drain()
        writer.close()

    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate(tmp_path, "u1.ipernity.com"))
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    leading.port = server.sockets[0].getsockname()[1]
    yield leading
    server.close()
    await server.wait_closed()


def fetcher(tls: ssl.SSLContext | None) -> MediaFetcher:
    async def lookup(_: str) -> list[str]:
        return [PUBLIC]

    return MediaFetcher(
        media_hosts=["*.ipernity.com"],
        user_agent="tests",
        clock=FakeClock(),
        limits=MediaLimits(total_seconds=5),
        lookup=lookup,
        tls=tls,
    )


def trusting(path: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(path))


async def test_F34_a_listed_host_is_fetched_from_the_checked_address_on_443(way: Way, tmp_path: Path) -> None:
    assert not ipaddress.ip_address(PUBLIC).is_private
    async with fetcher(trusting(tmp_path / "u1.ipernity.com.pem")) as fetching:
        sink = MemoryStore().receive(ContentKey(1, 1, "240"))
        file = RemoteFile("240", "https://u1.ipernity.com/1.jpg")
        assert await fetching.fetch(file, sink) == Fetched("image/jpeg", len(JPEG))
    assert way.meant == [(PUBLIC, 443)]


@pytest.mark.parametrize("address", ["https://u2.ipernity.com/1.jpg", "https://u1.ipernity.com/1.jpg"])
async def test_F21_a_host_that_cannot_prove_its_name_is_no_source(way: Way, tmp_path: Path, address: str) -> None:
    # The certificate of another name; and the right name by an authority nobody trusts.
    tls = trusting(tmp_path / "u1.ipernity.com.pem") if "u2" in address else None
    async with fetcher(tls) as fetching:
        sink = MemoryStore().receive(ContentKey(1, 1, "240"))
        with pytest.raises(MediaLater, match="prove"):
            await fetching.fetch(RemoteFile("240", address), sink)
        assert sink.received_bytes == 0
    assert {port for _, port in way.meant} == {443}
