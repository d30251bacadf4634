"""Keeping secrets and members' words out of whatever is written (T05, F35).

Three nets, one behind the other: fields by their name, texts by the exact secrets we hold, texts by
the shapes secrets come in. The last resort of a design that does not hand secrets to the log at all.
"""

import json
import re
import threading
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
WITHHELD = "[withheld]"

_SHORTEST_SECRET = 4
_DEEPEST = 6

_SECRET_NAME = re.compile(
    r"(?:^|[_.\- ])(?:secret|token|password|passwd|authorization|cookie|frob|sig|signature"
    r"|api_?key|state_?key|credential)s?(?:$|[_.\- ])",
    re.IGNORECASE,
)
_CONTENT_NAME = re.compile(
    r"(?:^|_)(?:title|description|tags|caption|comment|username|realname|owner_name)$", re.IGNORECASE
)
_SECRET_SHAPES = (
    # A parameter or a JSON member that is named like a secret.
    (
        re.compile(
            r"""(?ix)\b(api_key|api_sig|auth_token|admin_token|token|secret|frob|password|state_key)
            (\s*=\s*["']?|["']\s*:\s*["'])([^\s"'&,;)}\]]+)"""
        ),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {REDACTED}"),
    # Addresses of files hold a secret in their name, others a signed query: the host says enough.
    (re.compile(r"(?i)\b(https?://)(?:[^\s/@\"'<>]*@)?([^\s/?#\"'<>]+)[/?#][^\s\"'<>]*"), r"\1\2/…"),
    # SQLAlchemy repeats the values of a failed statement, titles included.
    (re.compile(r"\[parameters: .*", re.DOTALL), f"[parameters: {WITHHELD}]"),
)


class Redactor:
    """Knows secrets by value and takes them out of texts. Secrets may be added from any thread."""

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._needles: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        """Never let `secret` through again, nor its URL-encoded or JSON-escaped form.

        Secrets of fewer than 4 characters are not looked for: they occur in ordinary words.
        """
        if len(secret) < _SHORTEST_SECRET:
            return
        forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        with self._adding:
            # Longest first, so that a secret that contains another leaves nothing of itself.
            self._needles = tuple(sorted(forms.union(self._needles), key=lambda form: (-len(form), form)))

    def text(self, text: str) -> str:
        """Give `text` without known secrets, and without what looks like one."""
        for needle in self._needles:
            if needle in text:
                text = text.replace(needle, REDACTED)
        for shape, substitute in _SECRET_SHAPES:
            text = shape.sub(substitute, text)
        return text

    def fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Give named values fit for a log: secrets and members' words out, everything plain data."""
        return {str(name): self._field(str(name), value, 0) for name, value in fields.items()}

    def _field(self, name: str, value: object, depth: int) -> object:
        if _SECRET_NAME.search(name):
            return REDACTED
        if _CONTENT_NAME.search(name):
            return WITHHELD
        return self._plain(value, depth)

    def _plain(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            # A secret made of digits may arrive as a number.
            return REDACTED if any(needle in str(value) for needle in self._needles) else value
        if depth >= _DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._field(str(name), inner, depth + 1) for name, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._plain(inner, depth + 1) for inner in value]
        return self.text(value if isinstance(value, str) else repr(value))


process_redactor = Redactor()
"""What this process knows to be secret. One per process, since the log is one per process."""


def register_secret(secret: str) -> None:
    """Keep `secret`, e.g. a member's token just received, out of every log record from now on."""
    process_redactor.add(secret)


def redact(text: str) -> str:
    """Give `text` as it may be shown: without secrets. For error texts that go to a terminal."""
    return process_redactor.text(text)
