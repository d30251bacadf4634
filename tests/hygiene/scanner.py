"""Finds what looks like a secret in any text: keys of known make, values given to secret names, and randomness.

May not print what it found: a report of secrets is a place where they leak. A finding says where it
stands, which rule saw it, and a digest by which an exception can name it.
"""

import base64
import hashlib
import math
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

_SHORTEST_VALUE = 12
_LEAST_BITS_OF_A_VALUE = 3.0
_LEAST_BITS_OF_HEX = 3.0
_LEAST_BITS_OF_BASE64 = 4.3

# Keys whose maker gave them a shape of their own. One expression, since each costs a walk through every text.
_SHAPES = re.compile(
    r"""(?x)
    -----BEGIN\ (?P<private_key>(?:[A-Z]+\ )*PRIVATE\ KEY)-----
    | :// [^\s/:@"'<>{}]+ : (?P<password_in_an_address> [^\s/@"'<>{}$]{3,} ) @
    | \b (?:
        (?P<cloud_key> (?:AKIA|ASIA)[0-9A-Z]{16}\b | AIza[\w-]{35}\b )
      | (?P<forge_token> gh[pousr]_\w{36,} | github_pat_\w{40,} | glpat-[\w-]{20,} )
      | (?P<registry_token> pypi-[\w-]{40,} | npm_\w{36}\b | dckr_pat_[\w-]{20,} )
      | (?P<chat_token> xox[abeoprs]-[\w-]{20,} )
      | (?P<payment_key> [rs]k_(?:live|test)_\w{20,} )
      | (?P<webhook_secret> whsec_[A-Za-z0-9+/]{24,}={0,2} )
      | (?P<signed_token> eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,} )
    )"""
)
_ASSIGNED = re.compile(
    r"""(?ix) (?:secret|token|passw(?:or)?d|api_?key|state_?key|private_?key|credential|cookie|frob|auth)[\w.-]*
    (?: ["']?\ * (?:[:=]|=>) \s* [a-z]{0,2} (["']) ([^"'\n]*) \1
      | \ *[:=]\ * ([^\s"'(){}\[\],;]+) \ *$ )""",
    re.MULTILINE,
)
_HEADER = re.compile(r"(?i)\b(?:bearer|basic)\s+([\w.~+/=-]{16,})")
# What is said to be a checksum is one.
_HEX = re.compile(r"(?<!sha256:)(?<![\w/+=-])[0-9a-fA-F]{32,}(?![\w/+=-])")
_BASE64 = re.compile(r"(?<![\w/+=.-])[A-Za-z0-9+/_-]{40,}={0,2}(?![\w/+=-])")
# Words with dashes, names with dots, and what stands for a value without being one. Tests call the secrets
# that they plant themselves canaries.
_WORDS = re.compile(r"[a-z]+(?:[-_. /:][a-z]+)*|[A-Z][A-Z_]+", re.ASCII)
_STANDS_FOR_IT = re.compile(r"[{}<>$%\s…]|^[/.]|^canary-")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What looks like a secret.

    Attributes:
        place: file, or whatever the text came from.
        line: counted from 1.
        rule: which rule saw it.
        digest: names the value without telling it.
    """

    place: str
    line: int
    rule: str
    digest: str


def scan(text: str, place: str) -> list[Finding]:
    """Look through a text; what several rules see is found once."""
    starts = [found.start() for found in re.finditer("\n", text)]
    rules: dict[tuple[int, str], str] = {}
    for rule, start, value in _suspects(text):
        rules.setdefault((bisect(starts, start) + 1, digest_of(value)), rule)
    return sorted(Finding(place, line, rule, digest) for (line, digest), rule in rules.items())


def digest_of(value: str) -> str:
    """What an exception names instead of the value."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def spellings(secret: str) -> set[bytes]:
    """The ways in which a known secret may stand somewhere: plain, in an address, in hex, in base64."""
    plain = secret.encode()
    found = {plain, quote(secret, safe="").encode(), plain.hex().encode(), plain[::-1]}
    # Inside a longer text base64 begins at any of three places; what does not touch the ends is the same.
    for ahead in range(3):
        encoded = base64.b64encode(b"\0" * ahead + plain)
        found |= {encoded[4:-4], base64.urlsafe_b64encode(b"\0" * ahead + plain)[4:-4]}
    return found


def leaked(secrets: Iterable[str], data: bytes) -> bool:
    """Whether one of these secrets stands in `data`, however it is spelled."""
    return any(spelling in data for secret in secrets for spelling in spellings(secret))


def _suspects(text: str) -> Iterator[tuple[str, int, str]]:
    """Rule, place and value of whatever a rule sees."""
    for found in _SHAPES.finditer(text):
        if found.lastgroup is not None:
            yield found.lastgroup.replace("_", " "), found.start(), found[found.lastgroup]
    for found in _ASSIGNED.finditer(text):
        if _is_a_value(value := found[2] or found[3] or ""):
            yield "value of a secret name", found.start(), value
    for found in _HEADER.finditer(text):
        if _is_a_value(found[1]):
            yield "authorization", found.start(), found[1]
    for found in _HEX.finditer(text):
        if _bits(found[0].lower()) >= _LEAST_BITS_OF_HEX:
            yield "random hex", found.start(), found[0]
    for found in _BASE64.finditer(text):
        kinds = (str.isdigit, str.isupper, str.islower)
        if all(any(map(kind, found[0])) for kind in kinds) and _bits(found[0]) >= _LEAST_BITS_OF_BASE64:
            yield "random base64", found.start(), found[0]


def _is_a_value(text: str) -> bool:
    """Whether it is a secret rather than a word about one."""
    if len(text) < _SHORTEST_VALUE or _STANDS_FOR_IT.search(text) or _WORDS.fullmatch(text):
        return False
    return any(map(str.isdigit, text)) and _bits(text) >= _LEAST_BITS_OF_A_VALUE


def _bits(text: str) -> float:
    """Shannon's entropy, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
