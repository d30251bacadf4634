"""What a run of the sync job did, and how one under way stands."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ipsync.jobs.sweep_application import Turn
from ipsync.policy.documents import DocumentState
from ipsync.policy.listings import Listing
from ipsync.policy.sweeping import PagePlan


@dataclass(slots=True)
class SyncReport:
    """What one run did.

    Attributes:
        changed: documents written anew: other facts, or seen again after they had been hidden.
        hidden: documents a page named with facts outside the permitted view.
        missing: documents hidden because a complete sweep did not name them.
        failures: our words for what went wrong, by account.
        stopped: why the run ended before everything due was read, or "".
    """

    pages: int = 0
    named: int = 0
    added: int = 0
    changed: int = 0
    hidden: int = 0
    renewed: int = 0
    missing: int = 0
    sweeps: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    stopped: str = ""

    def count(self, plan: PagePlan, named: int) -> None:
        """Add what one page brought."""
        self.pages += 1
        self.named += named
        self.added += len(plan.added)
        hidden = sum(document.state is not DocumentState.LIVE for document in plan.updated)
        self.changed += len(plan.updated) - hidden
        self.hidden += hidden
        self.renewed += len(plan.renewed)


OnPage: TypeAlias = Callable[[Listing, SyncReport], None]


@dataclass(slots=True)
class SyncRun:
    """One run under way.

    Attributes:
        without_discovery: whether the budget leaves nothing to new listings now.
        is_over: whether nothing more may be asked in this run.
    """

    report: SyncReport
    on_page: OnPage | None
    without_discovery: bool = False
    is_over: bool = False

    def reads(self, turn: Turn) -> bool:
        """Whether this listing may still be asked for."""
        if self.is_over or turn.account.account_id in self.report.failures:
            return False
        return not (turn.is_first and self.without_discovery)
