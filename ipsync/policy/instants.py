"""Time as plain integers, so that no zone, no leap second and no daylight saving can touch a deadline (F9).

An `Instant` is microseconds since the Unix epoch, UTC. A `Duration` is microseconds. Texts with a
zone exist only at the edges: the API's unix seconds, RFC 3339 for readers.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Instant: TypeAlias = int
Duration: TypeAlias = int

MICROSECOND: Duration = 1
MILLISECOND: Duration = 1_000
SECOND: Duration = 1_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE
DAY: Duration = 24 * HOUR

NEVER: Instant = 0
"""Where an instant says when something was done: it was not, which is longer ago than anything."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: dict[str, Duration] = {"ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(ms|s|m|h|d)")


def from_unix_seconds(seconds: int) -> Instant:
    """Turn the API's whole unix `seconds` into an instant."""
    return seconds * SECOND


def seconds(duration: Duration) -> float:
    """Give a duration (or the distance of two instants) in seconds, for metrics and people."""
    return duration / SECOND


def rfc3339(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T20:18:00.000Z`.

    Raises:
        OverflowError: the instant lies outside the years 1 to 9999.
    """
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_duration(text: str) -> Duration:
    """Read a duration as configurations write it: `90s`, `24h`, `30d`, `1.5h`, `250ms`.

    Args:
        text: one number and one unit of ms, s, m, h, d.

    Raises:
        ValueError: anything else; the message names the accepted forms.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'{text!r} is not a duration: write a number and a unit, e.g. "90s", "24h" or "30d"')
    return round(float(match[1]) * _UNITS[match[2]])


def duration_text(duration: Duration) -> str:
    """Write a duration of whole milliseconds with the largest unit that divides it; a day is written as 24h.

    The inverse of `parse_duration`, up to the first millisecond.
    """
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)):
        if duration and duration % size == 0 and not (unit == "d" and duration == DAY):
            return f"{duration // size}{unit}"
    return f"{duration // MILLISECOND}ms" if duration else "0s"
