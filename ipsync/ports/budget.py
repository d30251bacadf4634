"""Where the budget is remembered: one record, shared by every process that sends requests (T21).

It may not decide anything: the arithmetic is `policy.budget`, the waiting is the gate's.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from ipsync.policy.budget import BudgetState

T = TypeVar("T")


class BudgetBook(Protocol):
    """The one durable record of what was spent."""

    async def change(self, step: Callable[[BudgetState], tuple[BudgetState, T]]) -> T:
        """Replace the state by what `step` makes of it, and return what `step` found out.

        Atomic between tasks, threads and processes: no two steps see the same state and both
        change it. Durable on return: a crash right after must not forget a reservation.

        Args:
            step: a pure function of the state, which may be run in a thread, and more than once; a
                step that returns the very state it was given only reads, and nothing need be
                written. What it raises is raised here, and changes nothing.

        Raises:
            ports.catalog.CatalogFailure: where the catalog keeps the book and could not.
        """
        ...
