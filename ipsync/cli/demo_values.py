"""What the demo measures and tells, as values."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from ipsync.cli.demo_owners import Owner
from ipsync.jobs.health import Health
from ipsync.policy.budget import Allowance


class DemoFailedError(Exception):
    """Something did not happen that must; the message says what."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo measured, in the words of the contract (design §8).

    Attributes:
        mirrored: documents with all their files that were served before the owners acted.
        removed: documents that owners took away, by any of the ways shown.
        erased: those of them of which nothing was left.
        breaches: those that were served later than 20/24 of the window, or stored later than the window.
        requests: API requests the application sent, authorization included.
        requests_lower_bound: what no mirror can do without: two for each authorization, and each page
            read once per longest lease.
        hide_seconds_max: from the owner's act until it was served no more, the slowest.
        erase_seconds_max: from the owner's act until nothing was left, the slowest.
    """

    mirrored: int
    removed: int
    erased: int
    breaches: int
    requests: int
    requests_lower_bound: int
    hide_seconds_max: float
    erase_seconds_max: float

    def line(self) -> str:
        """The summary as one line of JSON."""
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Withdrawal:
    """One document an owner took away, and when what was seen of it.

    Attributes:
        token: the unique word in its title, description and files.
        acted_at: when the owner's client had its answer; seconds.
        copies: in how many files of the mirror that word still stood when all was said to be gone.
    """

    document_id: str
    token: str
    acted_at: float
    hidden_after: float | None = None
    erased_after: float | None = None
    copies: int = 0


@dataclass(slots=True)
class Act:
    """What one owner took away in one way at one time.

    Attributes:
        way: how, e.g. `made private`.
        is_returned: whether it was given again since.
        told: how much of it was told: nothing, `hidden`, or `erased`.
    """

    owner: Owner
    way: str
    withdrawals: list[Withdrawal] = field(default_factory=list)
    is_returned: bool = False
    told: str = ""

    @property
    def hidden_after(self) -> float | None:
        """When the last of it was hidden, seconds after the act; None before."""
        return _slowest([entry.hidden_after for entry in self.withdrawals])

    @property
    def erased_after(self) -> float | None:
        """When the last of it was erased, seconds after the act; None before."""
        return _slowest([entry.erased_after for entry in self.withdrawals])


def _slowest(times: Sequence[float | None]) -> float | None:
    known = [time for time in times if time is not None]
    return max(known, default=0.0) if len(known) == len(times) else None


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the story.

    Attributes:
        at_seconds: since the beginning.
        who: a member's name, `ipsync` or `ipernity`.
        event: what kind of thing happened, for scripts.
        what: a sentence.
        documents: how many it concerns, or None.
        after_seconds: how long after the owner's act, or None.
    """

    at_seconds: float
    who: str
    event: str
    what: str
    documents: int | None = None
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class MemberStanding:
    """What one member shares, and what the mirror has of it."""

    username: str
    shares: int
    served: int
    hidden: int
    erased: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand at one moment of the story.

    Attributes:
        minute: what the budget of the present minute is and what is left of it.
        requests: of the application, since the beginning.
    """

    health: Health
    members: Sequence[MemberStanding]
    minute: Allowance
    requests: int
