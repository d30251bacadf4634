"""Give read tokens to applications, and take them back.

A token is shown once, when it is made. A revoked one opens nothing from the moment `revoke` returns, in every
process: whoever keeps what the catalog said asks anew after each commit.
"""

import secrets
from collections.abc import Collection

from ipsync.policy.instants import Instant
from ipsync.policy.read_tokens import PREFIX, ReadToken, Standing, TokenScope, new_read_token
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock

_RANDOM_BYTES = 32


class TokenRefusedError(Exception):
    """A token cannot be made or found; the message says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(message)


class TokenUnknownError(TokenRefusedError):
    """No token has this name or number."""


class ReadTokens:
    """The tokens of applications."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def create(
        self, name: str, scopes: Collection[TokenScope], account_id: int | None, expires_at: Instant | None
    ) -> tuple[ReadToken, str]:
        """Make a token; returns what is kept of it, and its text, which nobody can tell again.

        Raises:
            TokenRefusedError: something of it cannot be, a valid token has this name, or there is no such account.
        """
        now = self._clock.now()
        try:
            token = new_read_token(name, scopes, account_id, expires_at, now)
        except ValueError as wrong:
            raise TokenRefusedError(str(wrong), "") from None
        text = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)

        def add(tx: Transaction) -> ReadToken:
            if account_id is not None and tx.account(account_id) is None:
                raise TokenRefusedError(
                    f"there is no account {account_id} here", "`ipsync account list` shows all accounts"
                )
            if any(held.name == name and held.standing(now) is Standing.VALID for held in tx.read_tokens()):
                raise TokenRefusedError(
                    f'a valid token is called "{name}" already',
                    f'choose another name, or: ipsync token revoke "{name}"',
                )
            number = tx.add_read_token(token, text)
            return next(held for held in tx.read_tokens() if held.token_id == number)

        return await self._catalog.write(add), text

    async def all(self) -> list[ReadToken]:
        """All that were ever given, by number."""
        return await self._catalog.read(lambda view: view.read_tokens())

    async def revoke(self, named: str) -> tuple[ReadToken, bool]:
        """Take a token back.

        Args:
            named: its number, or the name of a valid one.

        Returns:
            The token, and whether it was valid until now.

        Raises:
            TokenUnknownError: there is none.
        """
        now = self._clock.now()

        def take_back(tx: Transaction) -> tuple[ReadToken, bool]:
            found = _find(tx, named, now)
            was_valid = found.standing(now) is Standing.VALID
            tx.revoke_read_token(found.token_id, now)
            return next(held for held in tx.read_tokens() if held.token_id == found.token_id), was_valid

        return await self._catalog.write(take_back)


def _find(view: View, named: str, now: Instant) -> ReadToken:
    tokens = view.read_tokens()
    called = [held for held in tokens if held.name == named]
    # A valid one first: a name may be given anew when its token was revoked.
    for held in sorted(called, key=lambda held: (held.standing(now) is not Standing.VALID, -held.token_id)):
        return held
    for held in tokens:
        if str(held.token_id) == named:
            return held
    raise TokenUnknownError(f'there is no token "{named}"', "`ipsync token list` shows all tokens")
