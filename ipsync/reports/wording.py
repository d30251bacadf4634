"""Durations, instants and sizes as a report writes them."""

from ipsync.policy.instants import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Duration, Instant, rfc3339
from ipsync.policy.wording import counted as counted

_SPACE = "\N{NO-BREAK SPACE}"
_UNITS = ((DAY, "d", 2 * DAY), (HOUR, "h", HOUR), (MINUTE, "min", MINUTE), (SECOND, "s", SECOND))


def duration_words(duration: Duration | None) -> str:
    """A duration in the unit that fits, with three figures at most: `47 s`, `3.2 min`, `19.5 h`."""
    if duration is None:
        return "–"
    if duration < 0:
        return f"−{duration_words(-duration)}"
    for unit, name, begins_at in _UNITS:
        if duration >= begins_at:
            return f"{_short(duration / unit)}{_SPACE}{name}"
    return f"0{_SPACE}s" if duration < MILLISECOND else f"{_short(duration / MILLISECOND)}{_SPACE}ms"


def _short(amount: float) -> str:
    return f"{amount:.0f}" if amount >= 99.5 or amount == round(amount) else f"{amount:.1f}".removesuffix(".0")


def instant_words(instant: Instant | None) -> str:
    """An instant by the clock, UTC: `2026-11-21 21:29`."""
    return "–" if instant is None else rfc3339(instant)[:16].replace("T", " ")


def day_words(instant: Instant) -> str:
    """A day, UTC: `2026-11-21`."""
    return rfc3339(instant)[:10]


def size_words(size_bytes: int) -> str:
    """A size: `3.4 MB`."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f}{_SPACE}{unit}" if unit == "B" else f"{amount:.1f}{_SPACE}{unit}"
        amount /= 1000
    return f"{amount:.1f}{_SPACE}TB"


def share_words(part: int, whole: int) -> str:
    """A part of a whole: `45 %`, `0.3 %`."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.0f}{_SPACE}%" if percent >= 10 or percent == 0 else f"{percent:.1f}{_SPACE}%"
