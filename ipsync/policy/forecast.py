"""What looking after accounts will cost and how soon a removal will be noticed: the numbers of `ipsync plan`.

A forecast by the same rules as the plan itself (`allocation`, `orders`), from pages and learned removal rates. It asks
nothing and promises less than the lease does: whatever happens, a copy is hidden at 20/24 of the window.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ipsync.policy.admission import Capacity
from ipsync.policy.instants import HOUR, Duration
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, pages_of
from ipsync.policy.planner.allocation import Load, share
from ipsync.policy.planner.locating import reads_per_loss
from ipsync.policy.planner.orders import READING_SHARE, Cadence


@dataclass(frozen=True, slots=True)
class ListedLoad:
    """One listing as it is known.

    Attributes:
        account_id: whose.
        documents: how many it claims.
        pages: p.
        removals_per_hour: Λ, as learned or usual.
        counted: whether its totals are counted on.
        learned: whether Λ rests on what was seen of this listing, more than on what is usual.
    """

    account_id: int
    documents: int
    pages: int
    removals_per_hour: float
    counted: bool = True
    learned: bool = False

    @property
    def load(self) -> Load:
        """For the square-root rule."""
        return Load(max(1, self.pages), self.removals_per_hour, self.counted)


@dataclass(frozen=True, slots=True)
class AccountForecast:
    """One account.

    Attributes:
        requests_per_day: page reads of all kinds, and what its losses are expected to cost.
        period: within which each page is read again, in microseconds; the longest of its listings.
        worst_detection: of a removal that no total shows, while ipernity answers.
        mean_detection: of any removal, weighed by how many each listing is expected to lose.
        removals_per_day: to be expected.
        learned: whether that rests on what was seen of its listings, more than on what is usual.
        documents_that_fit: more until another page is needed.
    """

    account_id: int
    documents: int
    pages: int
    requests_per_day: float
    period: Duration
    worst_detection: Duration
    mean_detection: Duration
    removals_per_day: float
    learned: bool
    documents_that_fit: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """All accounts together.

    Attributes:
        requests_per_day: of all accounts.
        least_requests_per_day: (24/W_s)·P: no mirror that renews each page within W_s needs fewer.
        utilization: U.
        most_utilization: up to which accounts are admitted.
        documents_that_fit: more, before an account would not be admitted.
        mean_detection: of any removal.
        removals_per_day: to be expected of all.
        worst_wait: how long a page may wait for its next reading when everything goes well; more than W_s
            means that leases run out.
    """

    accounts: tuple[AccountForecast, ...]
    documents: int
    pages: int
    requests_per_day: float
    least_requests_per_day: float
    utilization: float
    most_utilization: float
    documents_that_fit: int
    mean_detection: Duration
    removals_per_day: float
    worst_wait: Duration


def forecast(listings: Iterable[ListedLoad], capacity: Capacity, cadence: Cadence) -> Forecast:
    """Tell what a plan will do.

    Args:
        listings: of the accounts that are read.
        capacity: of the budget.
        cadence: the times the plan keeps.
    """
    known = list(listings)
    loads = [listing.load for listing in known]
    reading = max(capacity.verifications_per_hour, capacity.requests_per_hour * READING_SHARE)
    leases = sum(load.pages for load in loads) / (cadence.period / HOUR)
    late = max(1.0, leases / reading)
    locating = sum(_locating(load) for load in loads)
    spare = max(0.0, reading * cadence.optional_share - leases - locating)
    rates = share(loads, leases + spare, cadence.period / HOUR, cadence.shortest / HOUR)
    rates = [rate / late for rate in rates]
    period = round(cadence.period * late)
    accounts = tuple(
        _account(account_id, [(known[index], rates[index]) for index in indexes], period)
        for account_id, indexes in _by_account(known).items()
    )
    pages = sum(load.pages for load in loads)
    return Forecast(
        accounts=accounts,
        documents=sum(listing.documents for listing in known),
        pages=pages,
        requests_per_day=sum(account.requests_per_day for account in accounts),
        least_requests_per_day=pages * 24 / capacity.window_hours,
        utilization=capacity.utilization(pages),
        most_utilization=capacity.most_utilization,
        documents_that_fit=max(0, capacity.most_pages - pages) * DOCUMENTS_PER_PAGE,
        mean_detection=_mean(list(zip(loads, rates, strict=True))),
        removals_per_day=sum(account.removals_per_day for account in accounts),
        worst_wait=round(cadence.window * late),
    )


def alike(accounts: int, documents: int, removals_per_document_hour: float) -> list[ListedLoad]:
    """Accounts that are not there, to see what they would cost.

    Args:
        accounts: how many.
        documents: each has.
        removals_per_document_hour: how often one goes.
    """
    pages, removals = pages_of(documents), documents * removals_per_document_hour
    return [ListedLoad(-number, documents, pages, removals) for number in range(1, accounts + 1)]


def _by_account(known: Sequence[ListedLoad]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for index, listing in enumerate(known):
        found.setdefault(listing.account_id, []).append(index)
    return found


def _account(account_id: int, listings: Sequence[tuple[ListedLoad, float]], period: Duration) -> AccountForecast:
    loads = [(listing.load, rate) for listing, rate in listings]
    return AccountForecast(
        account_id=account_id,
        documents=sum(listing.documents for listing, _ in listings),
        pages=sum(load.pages for load, _ in loads),
        requests_per_day=24 * sum(rate + _locating(load) for load, rate in loads),
        period=max(_period(load, rate, period) for load, rate in loads),
        worst_detection=max(_period(load, rate, period) for load, rate in loads),
        mean_detection=_mean(loads),
        removals_per_day=24 * sum(load.removals_per_hour for load, _ in loads),
        learned=any(listing.learned for listing, _ in listings),
        documents_that_fit=sum(
            max(0, load.pages * DOCUMENTS_PER_PAGE - one.documents)
            for one, (load, _) in zip((listing for listing, _ in listings), loads, strict=True)
        ),
    )


def _period(load: Load, rate: float, longest: Duration) -> Duration:
    """Within which every page of a listing is read: where any answer tells all, only one page is read more often."""
    if load.counted and load.pages > 1:
        return longest
    return min(longest, round(load.pages / rate * HOUR)) if rate else longest


def _locating(load: Load) -> float:
    """Requests an hour that finding and confirming losses is expected to take."""
    return load.removals_per_hour * (1 + (reads_per_loss(load.pages) if load.counted else 0))


def _mean(loads: Sequence[tuple[Load, float]]) -> Duration:
    removals = sum(load.removals_per_hour for load, _ in loads)
    if not removals:
        return 0
    waits = sum(load.weight / (2 * rate) for load, rate in loads if load.weight and rate)
    return round(waits / removals * HOUR)
