"""The tripwire: when so much is missing at once that the listing is doubted before the owner (design §4, F12, F13).

All that is missing is hidden at once, whatever is decided here. The tripwire only orders the questions that come before
erasing: a sample first, the rest if the sample agrees, the listing once more if it does not. It never reaches beyond
a suspicion: owners' requests, lost grants, closed accounts and confirmed removals pass it by, and at its deadline
a suspected document is erased whatever the tripwire waits for (I2).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from ipsync.policy.instants import HOUR, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Removal, Stage

CONFIRMATION_RESERVE = 0.05
"""The share of the budget that no sweep may use, so that suspicions are always asked about (`budget.LANE_SHARES`)."""

SAMPLE_LEAST = 5
"""A smaller sample says too little, even on the smallest budget."""

SAMPLE_MOST = 50
"""A larger one says nothing more: where one document in ten is listed wrongly, 50 miss that once in 194 times."""

SAMPLE_PARTS = 96
"""The sample is as large as the reserve answers in this part of the window: 15 minutes at W = 24 h."""

REREAD_PARTS = 288
"""A doubted listing is read again after this part of the window: 5 minutes at W = 24 h (F12)."""

REREAD_PATIENCE_PARTS = 24
"""A doubted listing that was not read to its end within this part of the window is not waited for any longer."""

REREADS_MOST = 3
"""After so many doubted readings each document is asked about, one by one: the listing has lost its say."""

TRIES_MOST = 3
"""A question of the sample that stayed unanswered so often does not hold up the others."""


class Phase(StrEnum):
    """What a tripwire waits for."""

    SAMPLING = "sampling"  # a few of the missing are asked about
    REREADING = "rereading"  # the sample contradicted: the listing is read again
    CONFIRMING = "confirming"  # the sample agreed: every document is asked about, in order
    ENDED = "ended"


class Resolution(StrEnum):
    """How it ended."""

    CONFIRMED = "confirmed"  # ipernity confirmed each of them
    FALSE_ALARM = "false-alarm"  # every one of them is shared as before
    PARTLY = "partly"  # some are gone, some are shared as before
    DEADLINE = "deadline"  # at least one was erased because its time was up
    OVERTAKEN = "overtaken"  # the account went, or its owner asked: there was nothing left to ask about


@dataclass(frozen=True, slots=True)
class Limits:
    """When it trips; both must be reached.

    Attributes:
        share: of the account's documents, more than this.
        count: documents, at least this many.
    """

    share: float = 0.2
    count: int = 50


@dataclass(frozen=True, slots=True)
class Tripwire:
    """One mass disappearance of one account.

    Attributes:
        tripwire_id: 0 until the catalog gave it a number.
        certificate_id: what was read before.
        missing: documents missing when it tripped.
        held: documents of the account then, the missing among them.
        first_removal: the account's removals from this number...
        last_removal: ...to this one are concerned; what goes missing until the sample has spoken joins.
        sample: the numbers of the removals that are asked about first.
        rereads: how often the listing was doubted.
        doubted_at: when the listing was last doubted, or None.
        ended_at: when it ended, or None.
        resolution: how, or None.
    """

    account_id: int
    certificate_id: int
    tripped_at: Instant
    missing: int
    held: int
    first_removal: int
    last_removal: int
    sample: tuple[int, ...] = ()
    phase: Phase = Phase.SAMPLING
    rereads: int = 0
    doubted_at: Instant | None = None
    ended_at: Instant | None = None
    resolution: Resolution | None = None
    tripwire_id: int = 0

    @property
    def holds_questions(self) -> bool:
        """Whether suspicions outside the sample wait to be asked about."""
        return self.phase in (Phase.SAMPLING, Phase.REREADING)

    def concerns(self, removal: Removal) -> bool:
        """Whether a suspicion belongs to this disappearance."""
        return removal.account_id == self.account_id and self.first_removal <= removal.removal_id <= self.last_removal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the suspicions of a tripwire.

    Attributes:
        open: neither confirmed nor withdrawn.
        confirmed: ipernity's word.
        withdrawn: shared as before.
        by_deadline: erased though nobody answered.
        otherwise: settled by an owner's request or the end of the account.
    """

    open: int = 0
    confirmed: int = 0
    withdrawn: int = 0
    by_deadline: int = 0
    otherwise: int = 0


def trips(missing: int, held: int, limits: Limits) -> bool:
    """Whether so much is missing that the listing is doubted.

    Args:
        missing: documents of the account about which ipernity must still be asked.
        held: documents of the account that are held and not doomed, the missing among them.
        limits: both must be reached.
    """
    return missing >= limits.count and missing > limits.share * held


def sample_size(missing: int, requests_per_hour: float, lease: Lease) -> int:
    """How many of the missing are asked about first: what the reserve for confirmations answers in W/96.

    Args:
        missing: how many there are.
        requests_per_hour: what the budget is believed to allow.
        lease: the thresholds.
    """
    affordable = int(requests_per_hour * CONFIRMATION_RESERVE * (lease.window / SAMPLE_PARTS / HOUR))
    return min(missing, max(SAMPLE_LEAST, min(SAMPLE_MOST, affordable)))


def sample_places(first: int, last: int, size: int) -> list[int]:
    """Where in a range of removals the sample is taken: `size` numbers, evenly spread from `first` to `last`.

    A batch is numbered in the order of its pages, more or less: so the sample comes from all of them.
    """
    if size <= 1:
        return [first] * size
    return sorted({first + (last - first) * place // (size - 1) for place in range(size)})


def read_sample(sample: Collection[Removal]) -> Phase:
    """What the sample says so far: SAMPLING while it says nothing, REREADING if it doubts, CONFIRMING if it trusts.

    One document that is shared as before is enough to doubt the listing: it did not name all that is there. What became
    certain otherwise, e.g. because its owner asked, speaks for nobody; neither does what could not be answered several
    times, as long as anything was.

    Args:
        sample: its removals as they stand.
    """
    if any(entry.stage is Stage.WITHDRAWN for entry in sample):
        return Phase.REREADING
    waiting = [entry for entry in sample if entry.stage is Stage.SUSPECTED]
    if not waiting:
        return Phase.CONFIRMING
    tries = TRIES_MOST if len(waiting) < len(sample) else 2 * TRIES_MOST
    return Phase.CONFIRMING if all(entry.attempts >= tries for entry in waiting) else Phase.SAMPLING


def doubted(tripwire: Tripwire, now: Instant) -> Tripwire:
    """The tripwire after its sample contradicted the listing: read it again, or ask about each if that is no use."""
    if tripwire.rereads >= REREADS_MOST:
        return replace(tripwire, phase=Phase.CONFIRMING, sample=())
    return replace(tripwire, phase=Phase.REREADING, rereads=tripwire.rereads + 1, sample=(), doubted_at=now)


def reread_at(now: Instant, lease: Lease) -> Instant:
    """When a doubted listing is read again: not at once, since what was wrong lasts a while (F12)."""
    return now + lease.window // REREAD_PARTS


def after_rereading(tripwire: Tripwire, completed: Collection[Instant | None], now: Instant, lease: Lease) -> Phase:
    """What follows while or after a doubted listing is read again.

    A listing that cannot be read to its end within W/24 loses its say: each document is asked about.

    Args:
        tripwire: REREADING.
        completed: for each listing of the account, the send time of the first page of its newest complete sweep.
        now: the lease clock.
        lease: the thresholds.

    Returns:
        REREADING while it is being read, SAMPLING if it was read: what it still leaves out is sampled anew.
    """
    since = tripwire.doubted_at or 0
    if all(at is not None and at > since for at in completed):
        return Phase.SAMPLING
    return Phase.CONFIRMING if now - since >= lease.window // REREAD_PATIENCE_PARTS else Phase.REREADING


def resolution_of(outcome: Outcome) -> Resolution | None:
    """How a tripwire ended, or None while something is open."""
    if outcome.open:
        return None
    if outcome.by_deadline:
        return Resolution.DEADLINE
    if outcome.withdrawn:
        return Resolution.PARTLY if outcome.confirmed else Resolution.FALSE_ALARM
    return Resolution.CONFIRMED if outcome.confirmed else Resolution.OVERTAKEN
