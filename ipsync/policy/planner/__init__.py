"""The planner: which page of which listing is read next, and what each answer proves (design §4).

Pure: values in, decisions out, `now` an argument. Begin with `schedule`, which holds the order of work; `listing_state`
is one listing under way, `census` the numbers it should show, `locating` the search for what is short, `absence`
what a page proves missing, `allocation` the square-root rule. Nothing here may ask, store, hide or renew.
"""

from ipsync.policy.planner.absence import Absence, HeldDocument, missing, proven_stretches, reach
from ipsync.policy.planner.knowledge import ListingKey, ListingKnowledge, PageKnowledge, PageRead
from ipsync.policy.planner.orders import Cadence, Learned, Purpose, Read, Wait
from ipsync.policy.planner.schedule import Planner

__all__ = [
    "Absence",
    "Cadence",
    "HeldDocument",
    "Learned",
    "ListingKey",
    "ListingKnowledge",
    "PageKnowledge",
    "PageRead",
    "Planner",
    "Purpose",
    "Read",
    "Wait",
    "missing",
    "proven_stretches",
    "reach",
]
