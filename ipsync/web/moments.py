"""Instants as people read them: a date, a time in UTC, and how long from now."""

from dataclasses import dataclass

from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Instant, rfc3339

_UNITS = ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (SECOND, "seconds"))


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant for a page; the macro `moment` of `parts.html` shows it.

    Attributes:
        machine: for the `datetime` of a `<time>`.
        text: date and time.
        distance: from now, e.g. "3 hours ago" or "in 19 hours".
    """

    machine: str
    text: str
    distance: str


def moment(instant: Instant, now: Instant) -> Moment:
    """Write an instant for a page that is read at `now`."""
    machine = rfc3339(instant)
    return Moment(machine, f"{machine[:10]} {machine[11:16]} UTC", _distance(instant - now))


def _distance(away: int) -> str:
    size = abs(away)
    for unit, words in _UNITS:
        if size >= 2 * unit:
            about = f"{(size + unit // 2) // unit} {words}"
            return f"in {about}" if away > 0 else f"{about} ago"
    return "now"
