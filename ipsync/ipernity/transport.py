"""One POST to ipernity: bytes there, bytes back, or a failure in our words.

It keeps every limit: total time (F22), size after decoding (F32), no redirect, no proxy, no cookie, certificates
checked (F21). It may not look into an answer. Parameters travel in the body, so that no token stands in an address.
"""

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp

from ipsync.ports.source import Later, Malformed, QuotaReached

LONGEST_TIMEOUT_SECONDS = 60.0
"""No request takes longer, whatever is configured (F22); the budget's probes rely on it."""

LARGEST_ANSWER_BYTES = 8 * 1024 * 1024
"""Decoded. A page of 100 documents has about 60 kB."""

CONNECTIONS = 16


class Transport:
    """A pool of connections to the API, opened with the first request.

    Args:
        api_url: the base address of the API.
        user_agent: printable ASCII; who asks (T02).
        timeout_seconds: from the first look-up to the last byte; at most LONGEST_TIMEOUT_SECONDS.
        tls: what to trust; None: what the system trusts. Certificates are always checked.
    """

    def __init__(
        self, api_url: str, user_agent: str, timeout_seconds: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._timeout = aiohttp.ClientTimeout(total=min(timeout_seconds, LONGEST_TIMEOUT_SECONDS))
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._session: aiohttp.ClientSession | None = None

    async def post(self, method: str, params: Mapping[str, str]) -> bytes:
        """Call a method and return the whole body of the answer.

        Args:
            method: the API method.
            params: signed.

        Raises:
            Later: no connection, no trusted certificate, no whole answer in time, or no HTTP 200.
            QuotaReached: HTTP 429.
            Malformed: the answer is too large.
        """
        address, body = f"{self._api_url}/{method}/json", urlencode(params).encode()
        try:
            async with self._opened().post(address, data=body, allow_redirects=False) as response:
                if response.status == 429:
                    raise QuotaReached(method, "a server before ipernity's own asks for fewer requests")
                if response.status != 200:
                    raise Later(method, f"the server answered HTTP {response.status}")
                return await _whole_body(method, response)
        except TimeoutError:
            raise Later(method, f"no whole answer within {self._timeout.total:g} s") from None
        except aiohttp.ClientConnectorCertificateError:
            raise Later(method, "the server's certificate is not valid for its name") from None
        except aiohttp.ClientConnectorDNSError:
            raise Later(method, "the server's name is not found") from None
        except (aiohttp.ClientSSLError, aiohttp.ClientConnectorError):
            raise Later(method, "no connection to the server") from None
        except (aiohttp.ClientError, OSError):
            raise Later(method, "the connection was cut before the answer was whole") from None

    async def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)  # the transports close in the next turn of the loop

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ttl_dns_cache=300, ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=self._timeout,
                trust_env=False,
            )
        return self._session


async def _whole_body(method: str, response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    received = 0
    async for chunk in response.content.iter_any():
        received += len(chunk)
        if received > LARGEST_ANSWER_BYTES:
            response.close()
            raise Malformed(method, "the answer is too large")
        chunks.append(chunk)
    return b"".join(chunks)
