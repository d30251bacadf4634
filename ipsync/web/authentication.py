"""Who may read documents and files (F36): a token in the header, compared so that time tells nothing.

Failures are counted for a minute under a key that is thrown away with them: no visitor's address
is kept, not even in memory (T22).
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from ipsync.policy.instants import MINUTE, SECOND, Instant
from ipsync.policy.read_tokens import PREFIX, ReadToken, Standing, TokenScope, day_of
from ipsync.ports.catalog import Catalog, CatalogFailure
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log
from ipsync.web.failures import WebFailure
from ipsync.web.place import PLACE

_log = get_log(__name__)

_SCHEME = "bearer "
_WINDOW = MINUTE


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token opened the door.

    Attributes:
        name: a word of ours, fit for a log.
        scopes: what the token opens.
        account_id: only what this member shares; None for all.
    """

    name: str
    scopes: frozenset[TokenScope] = frozenset(TokenScope)
    account_id: int | None = None

    def may_see(self, account_id: int) -> bool:
        """Whether what belongs to this member is open to them."""
        return self.account_id is None or self.account_id == account_id


_OPERATOR = Caller("admin")


class Authenticator(Protocol):
    """Knows tokens: the one of the operator, and those given to applications."""

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


class TokenBook:
    """The operator's token, and the read tokens that the catalog knows.

    What the catalog said of a token is used again only while nothing at all was committed since, so a token that
    was revoked, in whatever process, opens nothing any more.
    """

    def __init__(self, admin: AdminToken, catalog: Catalog, clock: Clock, stamp: Callable[[], int | None]) -> None:
        """Know the tokens.

        Args:
            admin: the operator's own.
            catalog: knows the others by a keyed digest.
            clock: says whether one has expired.
            stamp: changes with every commit to the catalog; None when it cannot tell.
        """
        self._admin = admin
        self._catalog = catalog
        self._clock = clock
        self._stamp = stamp
        self._kept: dict[bytes, ReadToken] = {}
        self._kept_at: int | None = None

    async def identify(self, token: str) -> Caller | None:
        """Give the operator, or the application whose valid token this is, or None.

        Raises:
            CatalogFailure: the catalog could not be asked.
        """
        if self._admin.matches(token):
            return _OPERATOR
        if not token.startswith(PREFIX):
            return None
        found = await self._look_up(token)
        if found is None or found.standing(self._clock.now()) is not Standing.VALID:
            return None
        await self._note_use(found)
        return Caller(f"token {found.token_id}", found.scopes, found.account_id)

    async def _look_up(self, token: str) -> ReadToken | None:
        stamp = self._stamp()
        if stamp is None or stamp != self._kept_at:
            self._kept.clear()
            self._kept_at = stamp
        mark = _digest(token)
        if (kept := self._kept.get(mark)) is not None:
            return kept
        found = await self._catalog.read(lambda view: view.read_token_of(token))
        # Read after that stamp was taken: while it stands, this stands.
        if found is not None and stamp is not None and stamp == self._kept_at:
            self._kept[mark] = found
        return found

    async def _note_use(self, token: ReadToken) -> None:
        """Remember the day, once a day; a full disk keeps nobody out."""
        today = day_of(self._clock.now())
        if token.used_on is None or token.used_on < today:
            with suppress(CatalogFailure):
                await self._catalog.write(lambda tx: tx.note_read_token_used(token.token_id, today))


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

    def wait_seconds(self, address: Callable[[], str]) -> int:
        """How many seconds this address must wait before its tokens are looked at; 0 for none.

        Args:
            address: gives it; not asked while nobody has failed in this minute.
        """
        if not self._total:
            return 0
        self._turn()
        mark = self._mark(address())
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

    def succeeded(self, address: Callable[[], str]) -> None:
        """Remember a right token, for this minute; of nobody while nobody has failed in it."""
        if self._total:
            self._known.add(self._mark(address()))

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

    async def admit(self, address: Callable[[], str], authorization: str) -> Caller:
        """Give the caller.

        Args:
            address: says where the request came from; not kept.
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
            self._limit.failed(address())
            raise WebFailure(
                401,
                "unauthorized",
                "A valid token is needed: Authorization: Bearer <token>.",
                {"WWW-Authenticate": 'Bearer realm="ipsync"'},
            )
        self._limit.succeeded(address)
        return caller


DOOR = web.AppKey("DOOR", Door)


CALLER = web.RequestKey("CALLER", Caller)
"""Who asks, once the door is passed."""


def guarded(handler: Handler, scope: TokenScope) -> Handler:
    """Let `handler` answer only those whose token has `scope`; it finds them in `request[CALLER]`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        request[CALLER] = await admit(request, scope)
        return await handler(request)

    return answer


async def admit(request: web.Request, scope: TokenScope) -> Caller:
    """Give who asks; long answers ask again, since a token may be revoked meanwhile.

    Raises:
        WebFailure: 401, 429 (see `Door.admit`), or 403 where the token does not open `scope`.
        CatalogFailure: the catalog could not be asked.
    """
    # Counted by whom a front server stands for: else a stranger's guesses would lock out all who come through it.
    address = partial(request.app[PLACE].visitor, request)
    caller = await request.app[DOOR].admit(address, request.headers.get("Authorization", ""))
    if scope not in caller.scopes:
        raise WebFailure(
            403,
            "scope-missing",
            f'This token does not open {scope}: the operator can give one with the scope "{scope}".',
            {"WWW-Authenticate": f'Bearer realm="ipsync", error="insufficient_scope", scope="{scope}"'},
        )
    return caller
