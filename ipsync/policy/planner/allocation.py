"""How a budget of reads is best shared among listings, and what no sharing can beat (design §4).

A document that goes is detected, on average, half an interval later: 1/(2r) hours after the fact where its
listing's total is asked r times an hour, p/(2r) where only the page that named it can tell. So the mean
latency over all removals, Σ Λᵢaᵢ/(2rᵢ)/Λ with a = 1 or p, is least at rᵢ ∝ √(aᵢΛᵢ): the square-root rule.
The hard window asks for pᵢ/W at least, whatever the rate; where it does, the others share what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Load:
    """One listing as the rule sees it.

    Attributes:
        pages: p.
        removals_per_hour: Λ.
        counted: whether any answer tells of a removal (by its total), or only the page concerned.
    """

    pages: int
    removals_per_hour: float
    counted: bool = True

    @property
    def round(self) -> int:
        """a: how many answers tell all of it once."""
        return 1 if self.counted else self.pages

    @property
    def weight(self) -> float:
        """Λ·a: by its root the listing's answers are weighed."""
        return self.removals_per_hour * self.round


def share(
    loads: Sequence[Load], requests_per_hour: float, window_hours: float = inf, shortest_hours: float = 0.0
) -> list[float]:
    """Give each listing its answers per hour: as the square-root rule says, but as many as the window asks for.

    Args:
        loads: the listings.
        requests_per_hour: B, for all of them together; where the window asks for more, it gets more.
        window_hours: W_s, within which every page is read.
        shortest_hours: no listing is gone round more often than this, unless its window needs it (T21).
    """
    claims = []
    for load in loads:
        least = load.pages / window_hours
        most = max(least, load.round / shortest_hours) if shortest_hours else inf
        claims.append(_Claim(sqrt(load.weight), least, most))
    price = _price(claims, requests_per_hour)
    return [claim.at(price) for claim in claims]


class _Claim(NamedTuple):
    """What a listing takes at a price, and between which bounds.

    Attributes:
        root: of its weight; what loses nothing takes its least.
        least: answers an hour, at any price.
        most: answers an hour, even for nothing.
    """

    root: float
    least: float
    most: float

    def at(self, price: float) -> float:
        """How many answers an hour it takes."""
        if not self.root:
            return self.least
        return min(self.most, max(self.least, self.root / price)) if price else self.most


def _price(claims: Sequence[_Claim], budget: float) -> float:
    """What a read costs where supply meets demand: a listing takes root/price, between its bounds.

    As the price falls from infinity, each listing leaves its lower bound and then reaches its upper one; between
    two such prices the demand is fixed + free/price.
    """
    changes: list[tuple[float, float, float]] = []
    for root, least, most in claims:
        if root:
            changes.append((root / least if least else inf, -least, root))
            if most < inf:
                changes.append((root / most, most, -root))
    fixed, free = sum(claim.least for claim in claims), 0.0
    if fixed >= budget:
        return inf
    for price, to_fixed, to_free in sorted(changes, reverse=True):
        if fixed + free / price > budget:
            return free / (budget - fixed)
        fixed += to_fixed
        free += to_free
    # Where all have their most, rounding leaves a little of `free`, above or below nothing.
    return max(0.0, free) / (budget - fixed) if fixed < budget else 0.0


def mean_latency(loads: Sequence[Load], rates: Sequence[float]) -> float:
    """The mean hours from a removal to its detection, at these answers per hour.

    Args:
        loads: the listings; together they lose something.
        rates: of `share`.
    """
    removals = sum(load.removals_per_hour for load in loads)
    return sum(load.weight / (2 * rate) for load, rate in zip(loads, rates, strict=True) if load.weight) / removals


def listing_only_bound(loads: Sequence[Load], requests_per_hour: float, window_hours: float = inf) -> float:
    """The least mean latency, in hours, of any plan that can only look for what is missing from its page.

    S̄²/(2BΛ) with S̄ = Σ√(pᵢΛᵢ); exact also where the window asks some listings to be read sooner.
    """
    blind = [replace(load, counted=False) for load in loads]
    return mean_latency(blind, share(blind, requests_per_hour, window_hours))


def any_polling_bound(loads: Sequence[Load], requests_per_hour: float, window_hours: float = inf) -> float:
    """The least mean latency, in hours, of any polling whatever: as if each answer told all of its listing.

    (Σ√Λᵢ)²/(2BΛ); with a window, of any polling that keeps the window too.
    """
    counted = [replace(load, counted=True) for load in loads]
    return mean_latency(counted, share(counted, requests_per_hour, window_hours))
