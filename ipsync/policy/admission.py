"""Which accounts the request budget can look after, and which it cannot: admission and shedding (design §4, F20).

Values in, a decision out. Utilization is U = P/(B·W_s): the part of the budget without which leases run out. A new
account is admitted only while U stays at most 1 - outage/W_s, so that an outage hides nothing. Those already here
stay until leases themselves can't be kept (U > 1); then whole accounts go, least used first, rather than missing leases
everywhere. An account that waits is measured like a new one when the budget recovers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, inf

from ipsync.policy.instants import HOUR, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.planner.orders import LEASE_SHARE
from ipsync.policy.wording import counted

_WHOLE_FROM = 100

_LEAST_RATE = 1e-3
"""Requests an hour: where less is believed to be allowed, a part of it is still a number."""


def rate_text(requests_per_hour: float) -> str:
    """A rate for people: whole where it is large, and never rounded to nothing where it is small."""
    return f"{requests_per_hour:,.0f}" if requests_per_hour >= _WHOLE_FROM else f"{requests_per_hour:.3g}"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a budget can look after.

    Attributes:
        requests_per_hour: what ipernity is believed to allow, for everything together.
        lease: the thresholds.
        outage: how long ipernity may be out of reach without a copy being hidden.
    """

    requests_per_hour: float
    lease: Lease
    outage: Duration

    @property
    def verifications_per_hour(self) -> float:
        """B: what leases may use."""
        return max(self.requests_per_hour, _LEAST_RATE) * LEASE_SHARE

    @property
    def most_utilization(self) -> float:
        """1 - outage/W_s: up to here accounts are admitted."""
        return max(0.0, 1 - self.outage / self.lease.serve_age)

    @property
    def window_hours(self) -> float:
        """W_s: the longest that a page may wait for its next reading."""
        return self.lease.serve_age / HOUR

    def utilization(self, pages: int) -> float:
        """U for so many pages."""
        return pages / (self.verifications_per_hour * self.window_hours)

    def pages_at(self, utilization: float) -> int:
        """The most pages whose utilization is no more than this."""
        return floor(utilization * self.verifications_per_hour * self.window_hours + 1e-9)

    @property
    def most_pages(self) -> int:
        """As many can be admitted."""
        return self.pages_at(self.most_utilization)

    @property
    def sustained_pages(self) -> int:
        """As many can be kept, with nothing left for an outage."""
        return self.pages_at(1.0)

    def requests_needed(self, pages: int, utilization: float | None = None) -> int | None:
        """The requests per hour, of all kinds, at which so many pages could be admitted (or kept, with 1.0).

        None where no budget suffices.
        """
        most = self.most_utilization if utilization is None else utilization
        return ceil(pages / (self.window_hours * most * LEASE_SHARE) - 1e-9) if most > 0 else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One account as admission sees it.

    Attributes:
        pages: of all its listings, as far as known.
        is_settled: whether one of its listings was read to its end before: it is here already.
        is_waiting: whether it was not admitted, or shed.
        use: how much there is to show for each of its pages; the least goes first.
        since: when it was taken in; of two alike the older stays.
    """

    account_id: int
    pages: int
    is_settled: bool
    is_waiting: bool
    use: float
    since: Instant


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an account is not admitted.

    Attributes:
        pages: it has.
        needed_per_hour: the requests an hour, of all kinds, at which it would be admitted beside those that are; None
            for no budget at all.
        allowed_per_hour: what is believed to be allowed now.
        others: pages of those that are admitted.
        is_shed: whether it was here before.
    """

    pages: int
    others: int
    needed_per_hour: int | None
    allowed_per_hour: float
    is_shed: bool

    def words(self) -> str:
        """For people, in one sentence."""
        pages = counted(self.pages, "page")
        reason = f"because its {pages} beside {self.others:,} of others are more than the budget verifies"
        if self.needed_per_hour is None:
            needs = "removal.outage leaves no budget for any account"
        else:
            needs = (
                f"it would need {counted(self.needed_per_hour, 'request')} an hour in the long run, and "
                f"{rate_text(self.allowed_per_hour)} are allowed"
            )
        return f"{'not kept' if self.is_shed else 'not admitted'}, {reason}: {needs}"


@dataclass(frozen=True, slots=True)
class Decision:
    """Who is read and who is not.

    Attributes:
        refused: by account, why it is not read; those of them that are read now are to be shed.
        admitted: accounts that wait and may be read.
        pages: of all accounts that are read from now on.
    """

    refused: dict[int, Refusal] = field(default_factory=dict)
    admitted: tuple[int, ...] = ()
    pages: int = 0


def decide(candidates: Iterable[Candidate], capacity: Capacity) -> Decision:
    """Choose who is read: first those who are here, the most used first, then the new ones, in the order they came.

    Args:
        candidates: accounts that are read or wait to be.
        capacity: of the budget.
    """
    everyone = list(candidates)
    settled = sorted((one for one in everyone if one.is_settled and not one.is_waiting), key=_worth)
    others = sorted((one for one in everyone if not one.is_settled or one.is_waiting), key=_turn)
    kept, pages = _fill(settled, 0, capacity.sustained_pages)
    added, pages = _fill(others, pages, capacity.most_pages)
    chosen = {one.account_id for one in (*kept, *added)}
    return Decision(
        refused={
            one.account_id: Refusal(
                pages=one.pages,
                others=pages,
                needed_per_hour=capacity.requests_needed(pages + one.pages),
                allowed_per_hour=capacity.requests_per_hour,
                is_shed=one.is_settled,
            )
            for one in everyone
            if one.account_id not in chosen
        },
        admitted=tuple(one.account_id for one in added if one.is_waiting),
        pages=pages,
    )


def _fill(ordered: Sequence[Candidate], pages: int, most: int) -> tuple[list[Candidate], int]:
    """Take whoever fits, in this order: one that is too large keeps no smaller one out."""
    taken = []
    for one in ordered:
        if pages + one.pages <= most:
            taken.append(one)
            pages += one.pages
    return taken, pages


def _worth(one: Candidate) -> tuple[float, Instant, int]:
    return -one.use, one.since, one.account_id


def _turn(one: Candidate) -> tuple[bool, float, Instant, int]:
    """Those that were here once and shed before those that never were; then the most used, then the oldest."""
    return not one.is_settled, -one.use, one.since, one.account_id


@dataclass(frozen=True, slots=True)
class Overload:
    """A configuration whose worst case exceeds the window: it cannot work, whatever happens.

    Attributes:
        pages: P, of the accounts that are read.
        worst_hours: how long a page would wait for its next reading, at best.
        window_hours: how long it may wait.
        needed_per_hour: the requests an hour that would do.
        allowed_per_hour: those that may be made, in the long run.
    """

    pages: int
    worst_hours: float
    window_hours: float
    needed_per_hour: int
    allowed_per_hour: float

    def words(self) -> str:
        """For people."""
        needed = self.needed_per_hour
        return (
            f"the request budget cannot keep the promise: reading {counted(self.pages, 'page')} takes "
            f"{self.worst_hours:.3g} h, and each must be read again within {self.window_hours:.3g} h. It would need "
            f"{counted(needed, 'request')} an hour in the long run ({needed * 24:,} a day), and all caps together "
            f"allow {rate_text(self.allowed_per_hour)}; or let accounts go (`ipsync plan` shows what each costs)"
        )


def overload(pages: int, capacity: Capacity) -> Overload | None:
    """Whether so many pages can't be kept on a budget, even if everything goes well.

    Args:
        pages: P.
        capacity: of what is configured, not of what is believed.
    """
    if pages <= capacity.sustained_pages:
        return None
    needed = capacity.requests_needed(pages, 1.0)
    worst = pages / capacity.verifications_per_hour if capacity.verifications_per_hour else inf
    return Overload(pages, worst, capacity.window_hours, needed or 0, capacity.requests_per_hour)
