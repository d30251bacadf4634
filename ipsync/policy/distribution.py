"""How long things took, as a distribution: percentiles that were really there, and counts on a logarithmic scale."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Duration

MARKS: tuple[Duration, ...] = (
    SECOND,
    10 * SECOND,
    MINUTE,
    10 * MINUTE,
    HOUR,
    6 * HOUR,
    DAY,
)
"""Durations that people think in, for the axis of a plot."""

_PARTS_OF_TEN = 6


@dataclass(frozen=True, slots=True)
class Bin:
    """How many durations are in [begin, end)."""

    begin: Duration
    end: Duration
    number: int


class Distribution:
    """Durations, sorted once."""

    def __init__(self, durations: Iterable[Duration]) -> None:
        """Take durations, microseconds; what is negative (a clock that was ahead) counts as nothing."""
        self.sorted: Sequence[Duration] = sorted(max(0, duration) for duration in durations)

    def __len__(self) -> int:
        return len(self.sorted)

    @property
    def worst(self) -> Duration | None:
        """The longest, or None where there is none."""
        return self.sorted[-1] if self.sorted else None

    def percentile(self, percent: float) -> Duration | None:
        """The smallest of these durations that at least `percent` of them do not exceed (nearest rank)."""
        if not self.sorted:
            return None
        rank = max(1, math.ceil(len(self.sorted) * percent / 100))
        return self.sorted[min(rank, len(self.sorted)) - 1]

    def within(self, limit: Duration) -> int:
        """How many are not longer than `limit`."""
        return bisect_right(self.sorted, limit)

    def bins(self, anchor: Duration, shortest: Duration, longest: Duration) -> list[Bin]:
        """Count on a logarithmic scale, six bins for a factor of ten; what is beyond falls into the outer bins.

        Args:
            anchor: one bin ends with it, so that what is within a promise and what is not never share a bin.
            shortest: where the scale begins at most, above 0.
            longest: where it ends at least.
        """
        step = 10 ** (1 / _PARTS_OF_TEN)
        below = max(1, math.ceil(math.log(anchor / shortest, step))) if anchor > shortest else 1
        above = max(1, math.ceil(math.log(longest / anchor, step))) if longest > anchor else 1
        edges = sorted({max(1, round((anchor + 1) * step**power)) for power in range(-below, above + 1)})
        places = [bisect_right(self.sorted, edge - 1) for edge in edges[1:-1]]
        bounds = [0, *places, len(self.sorted)]
        return [
            Bin(edges[index], edges[index + 1], bounds[index + 1] - bounds[index]) for index in range(len(edges) - 1)
        ]
