"""The planner in the house: built from the catalog's rows, kept in step with them, asked which page is next.

It owns no obligation: it can be thrown away at any time and built anew. Only listings that were read whole before are
read by the plan; a first reading, and one that was asked for, goes through all pages at once (`sync`).
"""

from dataclasses import dataclass

from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.instants import Instant
from ipsync.policy.listings import Listing
from ipsync.policy.planner import Cadence, ListingKey, ListingKnowledge, Planner, Read, Wait
from ipsync.policy.planner.orders import READING_SHARE
from ipsync.policy.planner.removal_rate import RemovalRate
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import View

TICKS_PER_WINDOW = 1440
"""How often the sync job is nudged: what was not sent since the last time may be sent at once."""

_LEAST_RATE = 1.0
"""Requests an hour."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """By what a listing was put into the planner; if it differs, the listing was read by other means."""

    completed_at: Instant | None
    consent_epoch: int


class PlannedReading:
    """Which page is read next, over all listings that are read by the plan."""

    def __init__(self, rules: Rules) -> None:
        """Begin with nothing known.

        Args:
            rules: the window and the outage to be prepared for, and which listings are mirrored.
        """
        self._rules = rules
        self._cadence = Cadence.of(rules.lease, rules.outage)
        self._standing: dict[ListingKey, _Standing] = {}
        self._accounts: dict[int, Account] = {}
        self._requests_per_hour = 0.0
        self._rates_at: Instant = 0
        self.planner = self._empty()

    def _empty(self) -> Planner:
        return Planner(self._cadence, self._requests_per_hour, self._rules.lease.window // TICKS_PER_WINDOW)

    def forget(self) -> None:
        """Begin anew from the rows: what was learned did not become durable."""
        self._standing.clear()
        self.planner = self._empty()

    def refresh(self, view: View, requests_per_hour: float, now: Instant) -> None:
        """Take over what the catalog says: accounts that came, went, are held; listings read by other means.

        Args:
            view: the catalog.
            requests_per_hour: what the budget is believed to allow.
            now: the lease clock.
        """
        if requests_per_hour != self._requests_per_hour:
            self._requests_per_hour = requests_per_hour
            # A belief may be wrong: what is due is asked for at least now and then, and the gate has the last word.
            self.planner.set_budget(max(_LEAST_RATE, requests_per_hour * READING_SHARE))
        self._accounts = {account.account_id: account for account in view.accounts({AccountState.ACTIVE})}
        present: set[ListingKey] = set()
        plans: dict[ListingKey, ListingKnowledge] | None = None
        for listing in view.listings():
            account, key = self._accounts.get(listing.account_id), key_of(listing)
            if account is None or not is_planned(listing, now) or listing.visibility not in self._rules.view.visibility:
                continue
            present.add(key)
            standing = _Standing(listing.completed_at, account.consent_epoch)
            if self._standing.get(key) != standing:
                plans = view.listing_plans() if plans is None else plans
                self.planner.put(_known(view, listing, plans.get(key)), view.page_plans(key))
                self._standing[key] = standing
            self.planner.hold(key, account.retry_at if account.retry_at > now else 0)
        for key in self._standing.keys() - present:
            self.planner.drop(key)
            del self._standing[key]
        for key, removals in view.removal_rates(self._rates_at).items():
            self.planner.lost(key, removals)
        # Who confirms may have looked at the clock a moment before it was written.
        self._rates_at = now - self._rules.lease.window // TICKS_PER_WINDOW

    def next_read(self, now: Instant) -> tuple[Read, Account] | Wait:
        """What to read now, and whose it is."""
        step = self.planner.next_read(now)
        return step if isinstance(step, Wait) else (step, self._accounts[step.key.account_id])

    def failed(self, read: Read, now: Instant) -> None:
        """A page brought no answer: its listing waits for the next nudge at least."""
        self.planner.failed(read, now + self._rules.lease.window // TICKS_PER_WINDOW)

    def applied(self, listing: Listing) -> None:
        """A page was applied: its listing stands as it was written."""
        standing = self._standing.get(key_of(listing))
        if standing is not None:
            self._standing[key_of(listing)] = _Standing(listing.completed_at, standing.consent_epoch)


def key_of(listing: Listing) -> ListingKey:
    """The listing's key."""
    return ListingKey(listing.account_id, listing.visibility)


def is_planned(listing: Listing, now: Instant) -> bool:
    """Whether a listing is read page by page, by the plan, and not as a whole."""
    return listing.completed_at is not None and listing.sweep_started_at is None and listing.next_due_at > now


def _known(view: View, listing: Listing, known: ListingKnowledge | None) -> ListingKnowledge:
    """What planning begins with: what was kept, or what a listing read whole by an earlier version tells."""
    if known is not None and known.completed_at == listing.completed_at:
        return known
    return ListingKnowledge(
        key_of(listing),
        total=listing.total,
        expected=listing.total,
        pages=listing.pages,
        swept=True,
        completed_at=listing.completed_at,
        removals=RemovalRate() if known is None else known.removals,
    )
