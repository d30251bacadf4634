"""What the running daemon goes by: written beside its database for the operator's own commands, gone when it stops.

So that a changed configuration can be compared before it is taken over. Whoever may read the database's folder may
read it; no secret is in it, only keyed digests, which tell nothing without the state_key. Nothing here decides.
"""

import hashlib
import hmac
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ipsync.process import OneProcessLock
from ipsync.settings import Secret, Settings
from ipsync.settings.effective import RESTART_SECRETS, RESTART_SETTINGS, need_restart
from ipsync.settings.reference import written_values

FIXED = ("key.use",)
"""What neither a reload nor a restart changes (T03): the database was filled under it."""

_FORMAT = 1
_SERVICE_SOURCES = ("credentials", "environment")
_MOST_BYTES = 1_000_000


class Effect(StrEnum):
    """When a changed setting takes effect."""

    RELOAD = "reload"
    RESTART = "restart"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class InForce:
    """What a running daemon goes by.

    Attributes:
        pid: of the daemon.
        settings: by full name, as TOML would give them.
        digests: keyed digests of the secrets that are set, by name.
    """

    pid: int
    settings: Mapping[str, Any]
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs.

    Attributes:
        key: its full name; `secret NAME` for a secret, whose values are None.
        before: what is in force.
        after: what the configuration says now.
    """

    key: str
    before: Any
    after: Any
    effect: Effect


def write_in_force(started_with: Settings, now: Settings) -> None:
    """Write down what is in force. Where that cannot be written, nobody is kept from working.

    Args:
        started_with: what the process began with: what needs a restart is of that.
        now: what was read last.
    """
    values, digests = written_values(now), _digests(now)
    began, began_digests = written_values(started_with), _digests(started_with)
    for name in need_restart(started_with, now):
        if name in values:
            values[name] = began[name]
    if started_with.secrets.state_key != now.secrets.state_key:
        digests = began_digests
    elif "admin_token" in began_digests:
        digests["admin_token"] = began_digests["admin_token"]
    told = {"format": _FORMAT, "pid": os.getpid(), "settings": values, "digests": digests}
    path = in_force_file(started_with.database.path)
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(told, file)
        Path(temporary).replace(path)
    except OSError:
        # What is no longer true must not be told either.
        for left in (path, *(() if temporary is None else (Path(temporary),))):
            with suppress(OSError):
                left.unlink(missing_ok=True)


def forget_in_force(database: Path) -> None:
    """Take it away: nothing runs any more."""
    with suppress(OSError):
        in_force_file(database).unlink(missing_ok=True)


def read_in_force(database: Path) -> InForce | None:
    """What the daemon of a database goes by; None where none runs, or it did not tell.

    Args:
        database: the database's file.
    """
    holder = OneProcessLock(database).holder()
    if holder is None:
        return None
    try:
        with in_force_file(database).open("rb") as file:
            told = json.loads(file.read(_MOST_BYTES))
        found = InForce(told["pid"], told["settings"], told["digests"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # One that crashed left it behind; who holds the lock now is another.
    return found if found.pid == holder.pid else None


def changes_of(before: InForce, settings: Settings) -> list[Change]:
    """What the configuration says otherwise than what is in force.

    Args:
        before: what the daemon goes by.
        settings: what was read now.
    """
    values = written_values(settings)
    found = [
        Change(key, before.settings.get(key), values.get(key), _effect(key))
        for key in (*values, *(key for key in before.settings if key not in values))
        if before.settings.get(key) != values.get(key)
    ]
    return found + _changed_secrets(before, settings)


def in_force_file(database: Path) -> Path:
    """Where it is written."""
    return database.with_name(f"{database.name}-settings")


def _effect(key: str) -> Effect:
    if key in FIXED:
        return Effect.REFUSED
    return Effect.RESTART if key in RESTART_SETTINGS else Effect.RELOAD


def _changed_secrets(before: InForce, settings: Settings) -> list[Change]:
    digests = _digests(settings)
    if before.digests.get("state_key") != digests.get("state_key"):  # under another key no digest is comparable
        return [Change("secret state_key", None, None, Effect.RESTART)]
    sources = {secret.name: secret for secret in settings.secrets.all()}
    return [
        Change(f"secret {name}", None, None, _secret_effect(sources[name]))
        for name in sources
        if before.digests.get(name) != digests.get(name)
    ]


def _secret_effect(secret: Secret) -> Effect:
    """A process keeps the environment and the credentials that it began with; files are read again."""
    fixed = secret.name in RESTART_SECRETS or secret.source in _SERVICE_SOURCES
    return Effect.RESTART if fixed else Effect.RELOAD


def _digests(settings: Settings) -> dict[str, str]:
    """A digest of each secret that is set, keyed with the state_key; none where that is not set."""
    key = settings.secrets.state_key
    if not key:
        return {}
    return {
        secret.name: hmac.new(
            key.reveal().encode(), f"ipsync settings\0{secret.name}\0{secret.reveal()}".encode(), hashlib.sha256
        ).hexdigest()
        for secret in settings.secrets.all()
        if secret
    }
