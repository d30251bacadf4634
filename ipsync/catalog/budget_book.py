"""The request budget's record, kept in the catalog so that every process counts together (T21)."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from ipsync.catalog.work import SqlTransaction
from ipsync.policy.budget import BudgetState

T = TypeVar("T")


class _Writer(Protocol):
    async def write(self, work: Callable[[SqlTransaction], T]) -> T:
        """Run `work` in one transaction."""
        ...


class CatalogBudgetBook:
    """`ports.budget.BudgetBook`: each change is one transaction, durable on return."""

    def __init__(self, catalog: _Writer) -> None:
        """Keep the book in `catalog`."""
        self._catalog = catalog

    async def change(self, step: Callable[[BudgetState], tuple[BudgetState, T]]) -> T:
        """Replace the state by what `step` makes of it, and return what `step` found out.

        A `step` that returns the very state it was given writes nothing.

        Raises:
            CatalogFailure: it could not be kept; nothing changed.
        """

        def work(transaction: SqlTransaction) -> T:
            before = transaction.budget()
            after, found = step(before)
            if after is not before:
                transaction.change_budget(before, after)
            return found

        return await self._catalog.write(work)
