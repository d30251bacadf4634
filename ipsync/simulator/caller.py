"""Who makes a call, and what the token they sent lets them do."""

from dataclasses import dataclass

from ipsync.simulator.errors import ApiError
from ipsync.simulator.members import Member, Token
from ipsync.simulator.table import LEVELS


@dataclass(frozen=True, slots=True)
class Caller:
    """The member a call speaks for; without a token, an anonymous visitor."""

    token: Token | None = None

    @property
    def member(self) -> Member | None:
        """The member who granted the token, whatever it allows."""
        return self.token.member if self.token else None

    def may(self, realm: str, level: str) -> bool:
        """Tell whether the token grants at least this level in this realm."""
        if self.token is None:
            return False
        return LEVELS.index(self.token.permissions.get(realm, "none")) >= LEVELS.index(level)

    def viewer(self, realm: str = "doc") -> Member | None:
        """Return the member whose eyes the call sees through: nobody's where the token does not let it read."""
        return self.member if self.may(realm, "read") else None

    def signed_in(self) -> Member:
        """Return the member of a call that cannot do without one.

        Raises:
            ApiError: 106 without a token.
        """
        if self.token is None:
            raise ApiError(106)
        return self.token.member
