"""Tripwires: move each mass disappearance on, until nothing of it is open (design §4, F12, F13).

Everything is derived from rows: what a sample said is how its removals stand. So a crash or a lost tick loses nothing,
and no tripwire outlives its suspicions, which the deadline ends at the latest.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ipsync.jobs.absences import sampled
from ipsync.policy.accounts import SERVED_STATES, Account, AccountState
from ipsync.policy.instants import Instant
from ipsync.policy.removals import Removal
from ipsync.policy.rules import Rules
from ipsync.policy.tripwire import (
    Phase,
    Tripwire,
    after_rereading,
    doubted,
    read_sample,
    reread_at,
    resolution_of,
    trips,
)
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class _Move:
    before: Tripwire
    after: Tripwire


class Tripwires:
    """What happens to tripwires between two answers."""

    def __init__(self, catalog: Catalog, clock: Clock, rules: Rules, requests_per_hour: Callable[[], float]) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            rules: the thresholds and limits.
            requests_per_hour: what the budget is believed to allow now.
        """
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._requests_per_hour = requests_per_hour

    async def settle(self) -> bool:
        """Look at every active tripwire, and move those on that can move. Asks nobody.

        Returns:
            Whether suspicions that waited may be asked about now.
        """
        if not await self._catalog.read(lambda view: view.tripwires(limit=1)):
            return False
        moves = await self._catalog.write(self._settle_all)
        for move in moves:
            _tell(move)
        return any(move.after.phase is Phase.CONFIRMING for move in moves)

    def _settle_all(self, tx: Transaction) -> list[_Move]:
        now, moves = self._clock.now(), list[_Move]()
        for tripwire in tx.tripwires():
            after = self._settled(tx, tripwire, now)
            if after != tripwire:
                tx.put_tripwire(after)
                moves.append(_Move(tripwire, after))
        return moves

    def _settled(self, tx: Transaction, tripwire: Tripwire, now: Instant) -> Tripwire:
        outcome = tx.outcome_of(tripwire)
        resolution = resolution_of(outcome)
        if resolution is not None:
            return replace(tripwire, phase=Phase.ENDED, ended_at=now, resolution=resolution, sample=())
        account = tx.account(tripwire.account_id)
        if account is None or account.state not in SERVED_STATES:
            return tripwire
        if tripwire.phase is Phase.SAMPLING:
            return self._sampled(tx, tripwire, now)
        if tripwire.phase is Phase.REREADING:
            return self._reread(tx, tripwire, account, outcome.open, now)
        return tripwire

    def _reread(self, tx: Transaction, tripwire: Tripwire, account: Account, missing: int, now: Instant) -> Tripwire:
        completed = [listing.completed_at for listing in tx.listings(tripwire.account_id)]
        phase = after_rereading(tripwire, completed, now, self._rules.lease)
        if account.state is not AccountState.ACTIVE:
            # Nobody reads its listing: only asking about each is left.
            phase = Phase.CONFIRMING
        if phase is Phase.SAMPLING:
            if trips(missing, tx.held_documents(tripwire.account_id), self._rules.tripwire):
                return sampled(tx, tripwire, missing, self._rules, self._requests_per_hour())
            phase = Phase.CONFIRMING
        return replace(tripwire, phase=phase)

    def _sampled(self, tx: Transaction, tripwire: Tripwire, now: Instant) -> Tripwire:
        phase = read_sample(sample_of(tx, tripwire))
        if phase is Phase.SAMPLING:
            return tripwire
        if phase is Phase.CONFIRMING:
            return replace(tripwire, phase=phase, sample=())
        after = doubted(tripwire, now)
        if after.phase is Phase.REREADING:
            # From the first page: pages of a sweep under way are of the listing that is doubted.
            at = reread_at(now, self._rules.lease)
            for listing in tx.listings(tripwire.account_id):
                tx.put_listing(replace(listing, sweep_started_at=None, next_page=1, next_due_at=at))
        return after


def sample_of(view: View, tripwire: Tripwire) -> list[Removal]:
    """The removals of a sample, as they stand."""
    return [entry for entry in map(view.removal, tripwire.sample) if entry is not None]


def _tell(move: _Move) -> None:
    after = move.after
    if after.phase is Phase.ENDED and after.resolution is not None:
        _log.warning(
            Event.SYNC_TRIPWIRE_ENDED,
            "A mass disappearance is settled.",
            account_id=after.account_id,
            documents=after.missing,
            resolution=after.resolution.value,
        )
    elif after.phase is Phase.REREADING:
        _log.warning(
            Event.SYNC_DISTRUSTED,
            "A sample of the missing documents is shared as before: their listing is read again.",
            account_id=after.account_id,
            rereads=after.rereads,
        )
    else:
        _log.info(
            Event.SYNC_TRIPWIRE_MOVED,
            "The missing documents of an account are asked about.",
            account_id=after.account_id,
            phase=after.phase.value,
            sample=len(after.sample),
        )
