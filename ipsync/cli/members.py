"""What commands say about a member's account: its figures, its consents, its state, in words and as JSON."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ipsync.cli import absences, session
from ipsync.policy.accounts import MEANINGS

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.accounts import TakenIn
    from ipsync.policy.accounts import Account, Consent
    from ipsync.policy.tripwire import Tripwire
    from ipsync.ports.catalog import AccountFigures, View

_TRIPWIRES_SHOWN = 3
_AREAS = {
    "doc": "documents",
    "blog": "articles",
    "post": "posts",
    "network": "contacts and groups",
    "profile": "profile",
}


class Shown:
    """One account as all commands show it."""

    def __init__(
        self,
        account: "Account",
        figures: "AccountFigures",
        consents: "Sequence[Consent]",
        needed: Mapping[str, str],
        tripwires: "Sequence[Tripwire]" = (),
        *,
        held_up: bool = False,
    ) -> None:
        """Keep what was read.

        Args:
            account: the account.
            figures: its numbers.
            consents: all of them, oldest first.
            needed: the permissions that are used.
            tripwires: its mass disappearances, the newest first.
            held_up: whether files of it wait because a quota is reached.
        """
        from ipsync.policy.accounts import excess_permissions

        self.account = account
        self.figures = figures
        self.consents = consents
        self.tripwires = tripwires
        self.held_up = held_up
        self.permissions = dict(consents[-1].permissions) if consents and consents[-1].ended_at is None else {}
        self.excess = excess_permissions(self.permissions, needed)

    @property
    def who(self) -> str:
        """The member for people."""
        return session.who(self.account.account_id, self.account.username)

    @property
    def meaning(self) -> str:
        """What its state means."""
        return MEANINGS[self.account.state]

    @property
    def files(self) -> str:
        """Its files for people."""
        size = session.size_text(self.figures.stored_bytes)
        waits = "; new ones wait, since a quota is reached (ipsync status)" if self.held_up else ""
        return f"{self.figures.stored_files} ({size}){waits}"

    @property
    def documents(self) -> int:
        """How many are held."""
        return sum(self.figures.documents.values())

    @property
    def served(self) -> int:
        """How many are served."""
        from ipsync.policy.accounts import SERVED_STATES
        from ipsync.policy.documents import DocumentState

        live = self.figures.documents.get(DocumentState.LIVE, 0)
        return live if self.account.state in SERVED_STATES else 0

    def as_json(self, *, consents: bool = False) -> dict[str, Any]:
        """The same for scripts."""
        account, figures = self.account, self.figures
        row: dict[str, Any] = {
            "account_id": str(account.account_id),
            "username": account.username,
            "realname": account.realname,
            "state": account.state.value,
            "consent_epoch": account.consent_epoch,
            "permissions": self.permissions,
            "excess_permissions": self.excess,
            "added_at": session.instant_text(account.added_at),
            "checked_at": session.instant_text(account.checked_at),
            "documents": {state.value: number for state, number in figures.documents.items()},
            "stored_files": figures.stored_files,
            "stored_bytes": figures.stored_bytes,
            "held_up_by_quota": self.held_up,
            "oldest_verified_at": session.instant_text(figures.oldest_verified_at),
            "open_removals": figures.open_removals,
            "failure": account.failure,
        }
        if consents:
            row["tripwires"] = [absences.tripwire_json(tripwire) for tripwire in self.tripwires]
            row["consents"] = [
                {
                    "consent_epoch": entry.consent_epoch,
                    "granted_at": session.instant_text(entry.granted_at),
                    "ended_at": session.instant_text(entry.ended_at),
                    "ended_reason": entry.ended_reason,
                    "permissions": dict(entry.permissions),
                    "fingerprint": entry.fingerprint,
                }
                for entry in self.consents
            ]
        return row


async def look(works: "Works", account: "Account") -> Shown:
    """Read what is shown of an account."""
    return (await look_at_all(works, [account]))[0]


async def look_at_all(works: "Works", accounts: "Sequence[Account] | None" = None) -> list[Shown]:
    """Read what is shown of accounts; without any, of all there are."""
    from ipsync.ports.catalog import AccountFigures

    needed = works.rules.permissions

    def read(view: "View") -> list[Shown]:
        figures, held_up = view.account_figures(), works.rules.quota.held_up(view.holdings())
        return [
            Shown(
                account,
                figures.get(account.account_id) or AccountFigures(account.account_id),
                view.consents(account.account_id),
                needed,
                view.tripwires(account_id=account.account_id, active_only=False, limit=_TRIPWIRES_SHOWN),
                held_up=account.account_id in held_up,
            )
            for account in (view.accounts() if accounts is None else accounts)
        ]

    return await works.base.catalog.read(read)


def taken_json(taken: "TakenIn") -> dict[str, Any]:
    """An account just taken in, for scripts."""
    account = taken.account
    return {
        "account_id": str(account.account_id),
        "username": account.username,
        "realname": account.realname,
        "state": account.state.value,
        "consent_epoch": account.consent_epoch,
        "permissions": dict(taken.permissions),
        "excess_permissions": dict(taken.excess),
        "failure": account.failure,
    }


def granted(permissions: Mapping[str, str]) -> str:
    """Permissions in words: `read documents, delete articles`."""
    return ", ".join(f"{level} {_AREAS.get(area, area)}" for area, level in sorted(permissions.items()))
