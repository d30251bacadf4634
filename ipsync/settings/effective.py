"""The settings in force, as one frozen value, and what they mean to policy.

No one reads the file or the environment again after this; a reload builds another value.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ipsync.policy.accounts import needed_permissions
from ipsync.policy.budget import Caps
from ipsync.policy.entries import CONTENT_KINDS
from ipsync.policy.lease import Lease
from ipsync.policy.licenses import LICENSES
from ipsync.policy.permission import Agreement, KeyUse, PermittedView
from ipsync.policy.quota import Quota
from ipsync.policy.rules import Rules, TimeToLive
from ipsync.policy.tripwire import Limits
from ipsync.settings.notify_section import Notify
from ipsync.settings.problems import Problem
from ipsync.settings.secret_files import SecretFiles
from ipsync.settings.secrets import Secrets
from ipsync.settings.sections import (
    ON_DEMAND,
    SEAL,
    TESTING,
    AgreementEntry,
    Api,
    Budget,
    Database,
    Feed,
    Key,
    Log,
    Mirror,
    Operator,
    RemovalSection,
    Store,
    Ttl,
)
from ipsync.settings.web_section import Web

TESTING_CAPS = {"per_second": 2, "per_minute": 60, "per_hour": 300, "per_day": 2_000}
"""The largest caps while the key awaits validation (T04)."""
TESTING_ACCOUNTS = 5
"""The most accounts while the key awaits validation (T04)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configured, checked.

    Attributes:
        file: the configuration file, absolute.
        given: dotted keys that stand in the file; the others have their defaults.
        warnings: what is odd but no reason to refuse.
    """

    file: Path
    operator: Operator
    key: Key
    api: Api
    budget: Budget
    mirror: Mirror
    agreements: tuple[AgreementEntry, ...]
    ttl: Ttl
    removal: RemovalSection
    database: Database
    store: Store
    web: Web
    feed: Feed
    notify: Notify
    log: Log
    secret_files: SecretFiles
    secrets: Secrets
    given: frozenset[str] = frozenset()
    warnings: tuple[Problem, ...] = field(default=())

    @property
    def is_testing(self) -> bool:
        """Whether the key awaits validation, so that everything is for tests only (T04)."""
        return self.key.status == TESTING

    @property
    def accounts_most(self) -> int | None:
        """How many accounts may be taken in, or None where the budget alone decides (T04)."""
        return TESTING_ACCOUNTS if self.is_testing else None

    @property
    def permissions(self) -> Mapping[str, str]:
        """What members are asked for, derived from what is mirrored (T13)."""
        return needed_permissions(self.mirror.content, self.mirror.visibility)

    def status_link(self) -> str:
        """Where the operator finds the status page."""
        return f"{self.web.public_url or f'http://{self.web.listen}'}/status"

    def permitted_view(self) -> PermittedView:
        """What policy allows us to hold (T06, T07)."""
        return PermittedView(
            use=self.key.use,
            visibility=frozenset(self.mirror.visibility),
            media=frozenset(self.mirror.media),
            safety=frozenset(self.mirror.safety),
            licenses=licenses_in_force(self.mirror, self.key, bool(self.agreements)),
            renditions=self.mirror.renditions,
            agreements=tuple(
                Agreement(account_id=entry.owner, reference=entry.reference, until=entry.until)
                for entry in self.agreements
            ),
        )

    def caps(self) -> Caps:
        """The request caps of the one budget gate (T21)."""
        return Caps(
            per_second=self.budget.per_second,
            per_minute=self.budget.per_minute,
            per_hour=self.budget.per_hour,
            per_day=self.budget.per_day,
        )

    def lease(self) -> Lease:
        """The thresholds that follow from the window (design §3)."""
        return Lease(
            window=self.removal.window, seal_max=self.removal.seal_max if self.removal.unverified == SEAL else None
        )

    def rules(self) -> Rules:
        """Everything policy that the jobs are given."""
        return Rules(
            lease=self.lease(),
            view=self.permitted_view(),
            ttl=TimeToLive(
                metadata=self.ttl.metadata,
                thumbnail=self.ttl.thumbnail,
                media=self.ttl.media,
                original=self.ttl.original,
            ),
            permissions=self.permissions,
            details=self.mirror.details,
            accounts_most=self.accounts_most,
            tripwire=Limits(share=self.removal.tripwire_share, count=self.removal.tripwire_count),
            outage=self.removal.outage,
            kinds=frozenset(kind for word, kind in CONTENT_KINDS.items() if word in self.mirror.content),
            on_demand=self.mirror.mode == ON_DEMAND,
            quota=Quota(self.store.size_most, self.store.account_size_most),
        )

    def user_agent(self, version: str) -> str:
        """How every request names the application and its operator (T02); printable ASCII, fit for a header.

        Args:
            version: ipsync's own.
        """
        name = _ascii(self.operator.application).replace(" ", "-") or "ipsync-application"
        about = f"{_ascii(self.operator.purpose)[:120]}; {_ascii(self.operator.contact)}"
        return f"{name} ipsync/{version} ({about})"


def licenses_in_force(mirror: Mirror, key: Key, agreements: bool) -> frozenset[int]:
    """License numbers that may be mirrored at all.

    Args:
        mirror: its `licenses`; None means any.
        key: a commercial key leaves out what forbids commerce, unless an agreement may allow it.
        agreements: whether there are any; which owner's is decided for each document (T07).
    """
    wanted = frozenset(LICENSES) if mirror.licenses is None else frozenset(mirror.licenses)
    if key.use is KeyUse.COMMERCIAL and not agreements:
        return frozenset(number for number in wanted if LICENSES[number].commercial)
    return wanted


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join("".join(mark for mark in plain if mark.isprintable() and mark not in "()\\").split())


RESTART_SETTINGS = (
    "database.url",
    "store.url",
    "web.listen",
    "web.public_url",
    "web.front_servers",
    "web.accel",
    "web.accel_prefix",
    "api.authorize_url",
)
"""What a running daemon cannot take over."""

RESTART_SECRETS = ("admin_token", "state_key")
"""Likewise, of the secrets."""


def need_restart(started_with: Settings, now: Settings) -> list[str]:
    """Settings that differ from those in force and stay so until a restart."""

    def value_of(settings: Settings, dotted: str) -> object:
        section, _, key = dotted.rpartition(".")
        return getattr(getattr(settings, section or "secrets"), key)

    names = (*RESTART_SETTINGS, *RESTART_SECRETS)
    return [name for name in names if value_of(started_with, name) != value_of(now, name)]
