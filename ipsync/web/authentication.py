"""Who may read documents and files (F36): a token in the header, compared so that time tells nothing.

Failures are counted for a minute under a key that is thrown away with them: no visitor's address
is kept, not even in memory (T22).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from ipsync.policy.instants import MINUTE, SECOND, Instant
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log
from ipsync.web.failures import WebFailure

_log = get_log(__name__)

_SCHEME = "bearer "
_WINDOW = MINUTE


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token opened the door; a word of ours, fit for a log."""

    name: str


class Authenticator(Protocol):
    """Knows tokens. The one of the operator now; read tokens are another implementation."""

    async def identify(self, token: str) -> Caller | None:
        """Say whose `token` this is, taking the same time for any wrong one."""
        ...


class AdminToken:
    """The operator's own token."""

    def __init__(self, token: str) -> None:
        """Keep the digest of `token`; an empty one opens nothing."""
        self._digest = _digest(token or secrets.token_hex())

    def matches(self, token: str) -> bool:
        """Compare digests, so that neither length nor content shows in the time it takes."""
        return hmac.compare_digest(_digest(token), self._digest)

    async def identify(self, token: str) -> Caller | None:
        """Give the operator, or None."""
        return Caller("admin") if self.matches(token) else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class FailureLimit:
    """Counts wrong tokens, per address and in all, within fixed minutes.

    An address is remembered only as a keyed digest; key and digests are forgotten when their minute
    ends. An address that showed a right token in this minute is not held up by the failures of others.
    """

    def __init__(self, clock: Clock, per_address: int = 10, in_all: int = 200) -> None:
        """Allow `per_address` and `in_all` failures a minute."""
        self._clock = clock
        self._per_address = per_address
        self._most = in_all
        self._until: Instant = 0
        self._key = b""
        self._failures: dict[bytes, int] = {}
        self._known: set[bytes] = set()
        self._total = 0

    def wait_seconds(self, address: str) -> int:
        """How many seconds this address must wait before its tokens are looked at; 0 for none."""
        self._turn()
        if not self._total:
            return 0
        mark = self._mark(address)
        crowded = self._total >= self._most and mark not in self._known
        if not crowded and self._failures.get(mark, 0) < self._per_address:
            return 0
        return max(1, -((self._clock.now() - self._until) // SECOND))

    def failed(self, address: str) -> None:
        """Count a wrong token."""
        mark = self._mark(address)
        count = self._failures[mark] = self._failures.get(mark, 0) + 1
        self._total += 1
        if count == self._per_address or self._total == self._most:
            _log.warning(
                Event.WEB_UNAUTHORIZED, "Too many wrong tokens; more are not looked at for a while.", failures=count
            )

    def succeeded(self, address: str) -> None:
        """Remember a right token, for this minute."""
        if self._total:
            self._known.add(self._mark(address))

    @property
    def remembered(self) -> int:
        """How many addresses are held in mind now."""
        self._turn()
        return len(self._failures) + len(self._known)

    def _mark(self, address: str) -> bytes:
        self._turn()
        return hashlib.blake2b(address.encode(), key=self._key, digest_size=16).digest()

    def _turn(self) -> None:
        now = self._clock.now()
        if now >= self._until:
            self._until = now + _WINDOW
            self._key = secrets.token_bytes(32)
            self._failures.clear()
            self._known.clear()
            self._total = 0


class Door:
    """Lets requests with a right token through, and slows down guessing."""

    def __init__(self, authenticator: Authenticator, limit: FailureLimit) -> None:
        self._authenticator = authenticator
        self._limit = limit

    async def admit(self, address: str, authorization: str) -> Caller:
        """Give the caller.

        Args:
            address: where the request came from; not kept.
            authorization: the header of that name, "" when there is none.

        Raises:
            WebFailure: 401 for no token or a wrong one, 429 when there were too many of those.
        """
        if wait := self._limit.wait_seconds(address):
            raise WebFailure(
                429, "too-many-failures", "Too many wrong tokens; wait a minute.", {"Retry-After": str(wait)}
            )
        token = authorization[len(_SCHEME) :] if authorization[: len(_SCHEME)].lower() == _SCHEME else ""
        # A missing token takes the same way as a wrong one.
        caller = await self._authenticator.identify(token.strip())
        if caller is None:
            self._limit.failed(address)
            raise WebFailure(
                401,
                "unauthorized",
                "A valid token is needed: Authorization: Bearer <token>.",
                {"WWW-Authenticate": 'Bearer realm="ipsync"'},
            )
        self._limit.succeeded(address)
        return caller


DOOR = web.AppKey("DOOR", Door)


def guarded(handler: Handler) -> Handler:
    """Answer only those with a token."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.app[DOOR].admit(request.remote or "", request.headers.get("Authorization", ""))
        return await handler(request)

    return answer
