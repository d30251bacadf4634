"""How those who follow the feed are told, put together: changes kept for so long, webhooks that carry them.

Decides nothing; `assembly` takes it as one part.
"""

from collections.abc import Callable

import ipsync
from ipsync.jobs.feed import FeedKeeper
from ipsync.jobs.webhooks import Webhooks
from ipsync.notify import HttpMessenger
from ipsync.policy.instants import Duration
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog
from ipsync.ports.clock import Clock
from ipsync.schedule import Nudge, period_of
from ipsync.settings import Settings
from ipsync.telemetry import Metrics
from ipsync.web import ChangeTeller, Cursors


class Telling:
    """The feed's keeper, and the webhooks."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        metrics: Metrics,
        stamp: Callable[[], int | None],
        rules: Rules,
        settings: Settings,
        site_url: str,
    ) -> None:
        """Wire it.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            metrics: shows what is owed.
            stamp: changes with every commit to the catalog.
            rules: what may be told.
            settings: how long changes are kept, and what seals cursors.
            site_url: where members' pages are.
        """
        token = settings.secrets.admin_token
        cursors = Cursors(token.reveal() if token else "")
        teller = ChangeTeller(catalog, clock, lambda: rules, site_url, cursors)
        self._messenger = HttpMessenger(settings.user_agent(ipsync.__version__))
        self._keeper = FeedKeeper(catalog, clock, settings.feed.keep)
        self.webhooks = Webhooks(catalog, teller, self._messenger, clock, rules.lease.window, metrics, stamp)

    def nudges(self, window: Duration) -> list[Nudge]:
        """The jobs of the feed."""
        return [
            Nudge("feed", period_of(window, 24), self._keeper.run),
            Nudge("webhooks", period_of(window, 43_200), self.webhooks.run),
        ]

    async def close(self) -> None:
        """Close connections to receivers."""
        await self._messenger.close()
