"""How each kind of value is read from a file, and written for readers.

A reader takes what TOML gave and returns the value ipsync works with, or raises `Unfit` with a remedy.
A `Unit` says what a setting is measured in, and writes a value as a configuration file would.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from typing import Any, TypeVar

from ipsync.policy.instants import Duration, Instant, duration_text, from_unix_seconds, parse_duration, rfc3339
from ipsync.settings.problems import Unfit, shown

T = TypeVar("T")

_SIZES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kKMGT]?i?B)")


@dataclass(frozen=True, slots=True)
class Unit:
    """What a setting is measured in.

    Attributes:
        name: for readers, e.g. "duration".
        write: turns a value into what TOML would hold.
    """

    name: str
    write: Callable[[Any], Any] = lambda value: value


def size_text(size_bytes: int) -> str:
    """Write a number of bytes with the largest unit that divides it, the inverse of `read_size`."""
    best = max((name for name in _SIZES if size_bytes % _SIZES[name] == 0), key=lambda name: _SIZES[name])
    return f"{size_bytes // _SIZES[best]}{best.replace('KB', 'kB')}" if size_bytes else "0B"


DURATION = Unit('duration, e.g. "90s", "24h", "30d"', duration_text)
BANDWIDTH = Unit('size a second, e.g. "5MB"', size_text)
UNLIMITED = "unlimited"
QUOTA = Unit(f'size, e.g. "500GB", or "{UNLIMITED}"', lambda value: UNLIMITED if value is None else size_text(value))
REQUESTS = Unit("requests")
RATE = Unit("requests, fractions allowed", lambda value: int(value) if value == int(value) else value)
DOCUMENTS = Unit("documents")
SHARE = Unit("share, more than 0 and at most 1")
YES_NO = Unit("true or false")
TEXT = Unit("text")
URL = Unit("URL")
PATH = Unit("path", str)
WORD = Unit("word", str)
WORDS = Unit("list of words", list)
NUMBER = Unit("number")
DATE = Unit("date, e.g. 2027-12-31", rfc3339)


def likely(word: str, known: Collection[str]) -> str:
    """Say which of the `known` words was probably meant: ` (did you mean "public"?)`, or ""."""
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def listed(words: Collection[str]) -> str:
    """Write words as a reader's list: `"a", "b"`."""
    return ", ".join(f'"{word}"' for word in words)


def duration(shortest: Duration, longest: Duration) -> Callable[[object], Duration]:
    """Make a reader of durations from `shortest` to `longest`, both in microseconds."""

    def read(value: object) -> Duration:
        if not isinstance(value, str):
            raise Unfit(f"is {shown(value)}, which has no unit", 'write a text with a unit, e.g. "90s", "24h" or "30d"')
        try:
            found = parse_duration(value)
        except ValueError:
            raise Unfit(
                f"is {shown(value)}, which is not a duration",
                'write a number and a unit of ms, s, m, h or d, e.g. "90s", "24h" or "30d"',
            ) from None
        if not shortest <= found <= longest:
            raise Unfit(
                f"is {shown(value)}",
                f"give at least {duration_text(shortest)} and at most {duration_text(longest)}",
            )
        return found

    return read


def size(smallest: int, largest: int) -> Callable[[object], int]:
    """Make a reader of sizes from `smallest` to `largest` bytes."""

    def read(value: object) -> int:
        match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None or match[2] not in _SIZES:
            raise Unfit(
                f"is {shown(value)}, which is not a size",
                'write a number and a unit of B, kB, MB, GB, KiB, MiB or GiB, e.g. "5MB"',
            )
        found = round(float(match[1]) * _SIZES[match[2]])
        if not smallest <= found <= largest:
            raise Unfit(f"is {shown(value)}", f"give at least {size_text(smallest)} and at most {size_text(largest)}")
        return found

    return read


def whole(smallest: int, largest: int) -> Callable[[object], int]:
    """Make a reader of whole numbers from `smallest` to `largest`."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(f"is {shown(value)}, which is not a whole number", "write a whole number without quotes")
        if not smallest <= value <= largest:
            raise Unfit(f"is {shown(value)}", f"give at least {smallest} and at most {largest}")
        return value

    return read


def rate(smallest: float, largest: float) -> Callable[[object], float]:
    """Make a reader of numbers, fractions allowed, from `smallest` to `largest`."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit(f"is {shown(value)}, which is not a number", "write a number without quotes")
        if not smallest <= value <= largest:
            raise Unfit(f"is {shown(value)}", f"give at least {smallest:g} and at most {largest:g}")
        return float(value)

    return read


def read_share(value: object) -> float:
    """Read a part of one, 0 < share ≤ 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise Unfit(f"is {shown(value)}", "write a number above 0 and not above 1, e.g. 0.2")
    return float(value)


def read_yes_no(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise Unfit(f"is {shown(value)}", "write true or false, without quotes")
    return value


def read_line(value: object) -> str:
    """Read one line of printable text that is not empty, 200 characters at most."""
    if not isinstance(value, str):
        raise Unfit(f"is {shown(value)}, which is not a text", 'write it in quotes: "..."')
    text = value.strip()
    if not text:
        raise Unfit("is empty", "write a text")
    if not text.isprintable() or len(text) > 200:
        raise Unfit(f"is {shown(value)}", "write one line of at most 200 printable characters")
    return text


def word(table: Mapping[str, T]) -> Callable[[object], T]:
    """Make a reader of one of the words of `table`, giving what the word stands for."""

    def read(value: object) -> T:
        if not isinstance(value, str) or value not in table:
            hint = likely(value, table) if isinstance(value, str) else ""
            raise Unfit(f"is {shown(value)}{hint}", f"write one of {listed(table)}")
        return table[value]

    return read


def words(table: Mapping[str, T], *, empty: bool = False) -> Callable[[object], tuple[T, ...]]:
    """Make a reader of a list of words of `table`, each counted once; an empty list only where `empty`."""
    read_word = word(table)

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Unfit(f"is {shown(value)}, which is not a list", f"write a list of {listed(table)}")
        if not value and not empty:
            raise Unfit("is empty", f"name at least one of {listed(table)}")
        return tuple(dict.fromkeys(read_word(entry) for entry in value))

    return read


def read_day(value: object) -> Instant:
    """Read a day, or a moment with its zone, as an instant; a day means its first moment, UTC."""
    remedy = "write a day, e.g. 2027-12-31, or a moment with its zone, e.g. 2027-12-31T12:00:00Z"
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise Unfit(f"is {shown(value)}, which is no day", remedy) from None
    if isinstance(value, datetime):
        moment = value
        if moment.tzinfo is None:
            raise Unfit("has no zone", remedy)
    elif isinstance(value, date):
        moment = datetime.combine(value, time(), UTC)
    else:
        raise Unfit(f"is {shown(value)}, which is no day", remedy)
    return from_unix_seconds(int(moment.timestamp()))
