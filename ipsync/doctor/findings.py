"""What the doctor says of one thing. Nothing here looks at anything."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What was seen."""

    OK = "ok"
    NOTE = "note"  # works, and may be better
    WRONG = "wrong"  # the promise, or the mirror, does not stand on this
    SKIPPED = "skipped"  # could not be looked at here


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: a word of ours.
        words: what was seen.
        remedy: what to do, or "".
    """

    subject: str
    verdict: Verdict
    words: str
    remedy: str = ""
