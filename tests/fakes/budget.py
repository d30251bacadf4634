"""A budget book in memory, for tests: atomic, and as durable as the test that holds it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ipsync.policy.budget import BudgetState

T = TypeVar("T")


class FakeBudgetBook:
    """Implements `ports.budget.BudgetBook`.

    Attributes:
        state: what is on record; a test may set it.
        writes: how many steps changed something, i.e. what a database would have committed.
        reads: how many changed nothing.
    """

    def __init__(self, state: BudgetState | None = None) -> None:
        self.state = state if state is not None else BudgetState()
        self.writes = 0
        self.reads = 0

    async def change(self, step: Callable[[BudgetState], tuple[BudgetState, T]]) -> T:
        await asyncio.sleep(0)  # a real book waits; what runs meanwhile must not break the gate
        after, found = step(self.state)
        if after is self.state:
            self.reads += 1
        else:
            self.writes += 1
            self.state = after
        await asyncio.sleep(0)
        return found
