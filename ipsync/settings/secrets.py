"""Secrets: where they come from, and a type that cannot be shown by accident (T05, F35).

For each name, in this order: a file of that name in `$CREDENTIALS_DIRECTORY` (systemd), the
environment (`IPSYNC_API_KEY`), a file named in `[secrets]` (`api_key_file`). Never the command line,
never the configuration file itself.
"""

import base64
import binascii
import hmac
import os
import re
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ipsync.settings.problems import Problem, Unfit

LONGEST_SECRET_BYTES = 4096
KEY_BYTES = 32
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")
_HOOK_SECRET = re.compile(r"whsec_(?:[A-Za-z0-9+/]{4}){6,16}")
_BEARER = re.compile(r"[A-Za-z0-9._~+/=-]+")
_FEWEST_DIFFERENT_CHARACTERS = 10


class SecretMissing(Exception):
    """A secret was wanted that nobody gave."""


class _Withheld(Unfit):
    """The file of a secret is for others than us: we may not read it, or it was not handed to us at all."""


class Secret:
    """A text that only `reveal` shows: not repr, str, format, pickle, JSON or a traceback.

    Attributes:
        name: which secret it is, e.g. `api_key`.
        source: `credentials`, `environment`, the path of its file, or "" where it is not set.
    """

    __slots__ = ("__text", "name", "source")

    def __init__(self, name: str, text: str, source: str) -> None:
        """Keep `text`; an empty one means that the secret is not set."""
        self.name = name
        self.source = source
        self.__text = text

    def reveal(self) -> str:
        """Give the text itself, to be used at once and kept nowhere.

        Raises:
            SecretMissing: it is not set.
        """
        if not self.__text:
            raise SecretMissing(f"{self.name} is not set: {ways(self.name)}")
        return self.__text

    def __bool__(self) -> bool:
        """Whether it is set."""
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __repr__(self) -> str:
        return f"<secret {self.name}>" if self else f"<secret {self.name}, not set>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be written anywhere."""
        raise TypeError("a secret cannot be pickled")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets. One that is not set is false, and refuses to be revealed.

    Attributes:
        api_key: names the application to ipernity.
        api_secret: signs every request.
        admin_token: opens /v1 and /media to the operator.
        state_key: encrypts the members' tokens at rest.
        smtp_password: signs in at the mail server.
        webhook_secret: signs what is sent to notify.webhook_url.
    """

    api_key: Secret
    api_secret: Secret
    admin_token: Secret
    state_key: Secret
    smtp_password: Secret
    webhook_secret: Secret

    def all(self) -> tuple[Secret, ...]:
        """Every secret, e.g. for redaction."""
        return (
            self.api_key,
            self.api_secret,
            self.admin_token,
            self.state_key,
            self.smtp_password,
            self.webhook_secret,
        )

    def state_key_bytes(self) -> bytes:
        """Give the key material of `state_key`: 32 bytes where it is hex or base64, else its text as UTF-8.

        Raises:
            SecretMissing: it is not set.
        """
        return key_bytes(self.state_key.reveal())


SECRET_NAMES = ("api_key", "api_secret", "admin_token", "state_key")
"""Those without which the daemon cannot run."""

EXTRA_SECRET_NAMES = ("smtp_password", "webhook_secret")
"""Those that single settings ask for."""


def ways(name: str) -> str:
    """Say all the ways to give a secret."""
    return (
        f"give it as the systemd credential {name} (a file in $CREDENTIALS_DIRECTORY), "
        f"as ${variable(name)}, or as a file named by {name}_file in [secrets]"
    )


def variable(name: str) -> str:
    """The name of the environment variable of a secret."""
    return f"IPSYNC_{name.upper()}"


def key_bytes(text: str) -> bytes:
    """Turn a key's text into key material: 64 hex digits or base64 give 32 bytes, other text its UTF-8."""
    if _HEX_KEY.fullmatch(text):
        return bytes.fromhex(text)
    try:
        decoded = base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    return decoded if len(decoded) == KEY_BYTES else text.encode()


def _fit_printable(text: str) -> None:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Unfit("holds a space or an odd character", "give the value alone, as ipernity shows it")


def _fit_token(text: str) -> None:
    if len(text) < 20 or not _BEARER.fullmatch(text) or len(set(text)) < _FEWEST_DIFFERENT_CHARACTERS:
        raise Unfit(
            "is too easy to guess, or holds characters that an Authorization header may not",
            "take 20 random letters and digits at least; `ipsync init` makes one",
        )


def _fit_state_key(text: str) -> None:
    if len(text.encode()) < KEY_BYTES or len(set(text)) < _FEWEST_DIFFERENT_CHARACTERS:
        raise Unfit(
            "is too short to protect anything",
            "take 32 random bytes as hex or base64, or 32 random characters at least; `ipsync init` makes one",
        )


def _fit_hook_secret(text: str) -> None:
    if not _HOOK_SECRET.fullmatch(text):
        raise Unfit("is not whsec_ and base64", 'make one: echo "whsec_$(openssl rand -base64 24)"')


def _fit_password(text: str) -> None:
    if not text.isprintable():
        raise Unfit("holds an odd character", "give the password alone, on one line")


_FIT: Mapping[str, Callable[[str], None]] = {
    "api_key": _fit_printable,
    "api_secret": _fit_printable,
    "admin_token": _fit_token,
    "state_key": _fit_state_key,
    "smtp_password": _fit_password,
    "webhook_secret": _fit_hook_secret,
}


def fit_secret(name: str, text: str) -> None:
    """Check the form of a secret.

    Raises:
        Unfit: it cannot be used; the message does not show it.
    """
    _FIT[name](text)


def read_secret_file(path: Path, *, guarded: bool) -> str:
    """Read a secret from its file, without the line end.

    Args:
        path: the file.
        guarded: True where the system guards it (credentials), so that its mode does not matter.

    Raises:
        Unfit: it cannot be read, holds nothing fit, or others may read it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _Withheld("names a file that does not exist", f"write the secret to {path}, mode 0600") from None
    except OSError as error:
        kind = _Withheld if isinstance(error, PermissionError) else Unfit
        raise kind(f"names a file that cannot be read: {error.strerror}", f"see to {path}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit("names something that is not a file", f"write the secret to a file, mode 0600, not {path}")
        if status.st_mode & 0o077 and not guarded:
            raise Unfit(
                f"names a file that others may read (mode {stat.S_IMODE(status.st_mode):04o})", f"chmod 600 {path}"
            )
        content = os.read(descriptor, LONGEST_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > LONGEST_SECRET_BYTES:
        raise Unfit("names a file that does not hold one text", f"write the secret, and nothing else, to {path}")
    return text


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def find_secrets(
    files: Mapping[str, Path], environ: Mapping[str, str], config_file: str, needed: Collection[str]
) -> tuple[Secrets, list[Problem]]:
    """Collect the secrets.

    Args:
        files: `[secrets]`: the file of each secret that has one.
        environ: the environment.
        config_file: the configuration's name, for messages.
        needed: names without which the work at hand cannot be done.
    """
    found: dict[str, Secret] = {}
    problems: list[Problem] = []
    credentials = environ.get("CREDENTIALS_DIRECTORY", "")
    for name in (*SECRET_NAMES, *EXTRA_SECRET_NAMES):
        where, text, source = config_file, "", ""
        try:
            if credentials and _exists(Path(credentials) / name):
                where, source = "$CREDENTIALS_DIRECTORY", "credentials"
                text = read_secret_file(Path(credentials) / name, guarded=True)
            elif environ.get(variable(name)):
                where, source = "environment", "environment"
                text = environ[variable(name)].strip()
            elif name in files:
                path = files[name]
                source = str(path)
                guarded = bool(credentials) and path.is_relative_to(credentials)
                text = read_secret_file(path, guarded=guarded)
            if source:
                fit_secret(name, text)
        except _Withheld as withheld:
            # The reaper is given state_key alone; that the others are not for it must not keep it from erasing.
            # Under systemd it may not read them, in a container they are not there.
            if name in needed:
                problems.append(Problem(where, f"secrets.{name}_file", withheld.reason, withheld.remedy))
            else:
                source = ""
            text = ""
        except Unfit as unfit:
            key = {"credentials": name, "environment": variable(name)}.get(source, f"secrets.{name}_file")
            problems.append(Problem(where, key, unfit.reason, unfit.remedy))
            text = ""
        if not source and name in needed:
            problems.append(Problem(config_file, f"secrets.{name}_file", f"{name} is not set", ways(name)))
        found[name] = Secret(name, text, source)
    return Secrets(**found), problems
