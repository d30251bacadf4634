"""A drill: one document is treated as if its owner had taken it back, to see that hiding and erasing work.

Nothing at ipernity is changed and no permission is needed: only our own source answers otherwise
(`jobs.drill_source`). A drill ends by itself, so that one that was cut off hides nothing for good.
"""

import json
from dataclasses import asdict, dataclass, replace

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.removals import Reason, Removal

NOTE = "drill"
"""Under which name the catalog remembers the drill that is on; "" where there is none."""

EVIDENCE = "drill"

_TOLD_BY_SOURCE = frozenset({Reason.UNSHARED, Reason.DELETED})


@dataclass(frozen=True, slots=True)
class Drill:
    """One synthetic withdrawal.

    Attributes:
        began_at: the instant at which the owner, as it were, took the document back.
        until: the drill is over from then on, whatever became of it.
    """

    document_id: int
    account_id: int
    visibility: Visibility
    began_at: Instant
    until: Instant

    def encode(self) -> str:
        """Write it down for the catalog."""
        return json.dumps(asdict(self))

    def is_on(self, now: Instant) -> bool:
        """Whether the document is hidden from our source at `now`."""
        return self.began_at <= now < self.until


def read_drill(noted: str | None) -> Drill | None:
    """Read what `Drill.encode` wrote; None where there is no drill, or nothing that can be read."""
    if not noted:
        return None
    try:
        told = json.loads(noted)
        return Drill(**told | {"visibility": Visibility(told["visibility"])})
    except (TypeError, ValueError, KeyError):
        return None


def marked(drill: Drill | None, removal: Removal, now: Instant) -> Removal:
    """The removal as what it is: a drill, where our own source told of it and a drill of its document is on.

    What an owner asks for, what is too old or what the configuration forbids stays what it is.
    """
    if drill is None or not drill.is_on(now) or removal.document_id != drill.document_id:
        return removal
    if removal.reason not in _TOLD_BY_SOURCE:
        return removal
    evidence = f"{removal.certificate}; {EVIDENCE}" if removal.certificate else EVIDENCE
    return replace(removal, reason=Reason.DRILL, certificate=evidence)
