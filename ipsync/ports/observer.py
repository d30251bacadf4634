"""What the jobs tell: to metrics, logs and, in tests, to whoever listens. It decides nothing."""

from typing import Protocol

from ipsync.policy.removals import Removal


class Observer(Protocol):
    """The jobs' only way to be seen."""

    def event(self, event: str, message: str, **facts: float | str | None) -> None:
        """Report something that happened.

        Args:
            event: a fixed dotted name for machines, e.g. `sweep.completed`.
            message: a sentence for people.
            facts: ids, counts and our own words; never a title, an address or a token.
        """
        ...

    def warning(self, event: str, message: str, **facts: float | str | None) -> None:
        """Report something an operator should look at."""
        ...

    def page_read(self) -> None:
        """One listing page was read and applied."""
        ...

    def removal_done(self, removal: Removal) -> None:
        """A removal reached GONE; `removal.gone_at` is set."""
        ...
