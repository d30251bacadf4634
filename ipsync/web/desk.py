"""What an operator can see and have done through the status page, as the jobs that do it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ipsync.ipernity.gate import GateSnapshot
from ipsync.jobs.accounts import Accounts
from ipsync.jobs.drill import DrillRun
from ipsync.jobs.drill_watch import DrillWatch
from ipsync.jobs.grants import Grants
from ipsync.jobs.petitions import Petitions
from ipsync.jobs.requests import Requests


@dataclass(frozen=True, slots=True)
class Desk:
    """The operator's desk.

    Attributes:
        accounts: pauses and resumes.
        grants: asks whether a grant still holds.
        requests: takes in what owners ask.
        petitions: complies with what is asked without proof, or declines it.
        drill: chooses a document for a drill.
        drills: sees one through.
        budget: how the request budget stands.
        nudge: has a job of this name run soon.
    """

    accounts: Accounts
    grants: Grants
    requests: Requests
    petitions: Petitions
    drill: DrillRun
    drills: DrillWatch
    budget: Callable[[], Awaitable[GateSnapshot]]
    nudge: Callable[[str], None]
