"""Which page is read next, and when (design §4): leases at risk, locating, leases due, probes, new listings.

Every listing is a stream of its own (see `listing_state`); here they meet. On time, whatever is due is read
when it is due; late, the page whose window ends first goes first. Reads are paced at the budget, so that neither
a first sweep nor an outage becomes a storm. Probes of page 1 use what the leases leave, by the square-root rule.

Pure but for its own memory, which can be built anew from the catalog's rows at any time: nothing is lost with it.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import count

from ipsync.policy.instants import HOUR, MICROSECOND, NEVER, Duration, Instant
from ipsync.policy.planner.absence import Absence
from ipsync.policy.planner.allocation import share
from ipsync.policy.planner.knowledge import ListingKey, ListingKnowledge, PageKnowledge, PageRead
from ipsync.policy.planner.listing_state import ListingState
from ipsync.policy.planner.locating import reads_per_loss
from ipsync.policy.planner.orders import Cadence, Learned, Purpose, Read, Wait
from ipsync.policy.planner.removal_rate import RemovalRate, pooled

_GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, fall evenly between one another: where streams that begin together spread to."""

_NEW_SHARE = 0.5
"""While listings are new, this part of what the leases leave is theirs before any probe."""

_SHARE_PARTS = 40
"""How often in a window the square-root rule is asked again."""

_LEAST_NEW_SHARE = 0.01
"""New listings are never starved altogether."""

_Entry = tuple[Instant, int, ListingKey]
"""When, a ticket, and whose; the ticket says whether the entry still holds."""

_Found = tuple[ListingState, int, Purpose]


class Planner:
    """The order of work over all listings."""

    def __init__(self, cadence: Cadence, requests_per_hour: float, burst: Duration = 0) -> None:
        """Begin with no listing.

        Args:
            cadence: the times to keep.
            requests_per_hour: B, what reads may use: the believed rate times verification's share of it.
            burst: what was not sent within this time may be sent at once, for whoever asks only now and then and
                passes a gate that keeps the budget; 0 paces every read.
        """
        self._burst = burst
        self.cadence = cadence
        self._per_hour = requests_per_hour
        self._listings: dict[ListingKey, ListingState] = {}
        self._waiting: list[_Entry] = []
        self._ready: list[_Entry] = []
        self._probing: list[_Entry] = []
        self._locating: dict[ListingKey, None] = {}
        self._new: dict[ListingKey, None] = {}
        self._free_at: Instant = NEVER
        self._new_free_at: Instant = NEVER
        self._new_per_hour = requests_per_hour
        self._shared_at: Instant | None = None
        self._tickets = count()
        self._phase = _GOLDEN

    def __contains__(self, key: ListingKey) -> bool:
        """Whether a listing is planned here."""
        return key in self._listings

    @property
    def pages(self) -> int:
        """P, over all listings."""
        return sum(state.pages for state in self._listings.values())

    @property
    def requests_per_hour(self) -> float:
        """B, what reads may use."""
        return self._per_hour

    def state(self, key: ListingKey) -> ListingState:
        """What is known of a listing, to be looked at only.

        Raises:
            KeyError: it is not planned here.
        """
        return self._listings[key]

    def put(self, listing: ListingKnowledge, pages: Iterable[PageKnowledge] = ()) -> None:
        """Take in a listing, new or as the catalog keeps it, in the place of what was known of it here.

        Args:
            listing: its row.
            pages: the rows of its pages.
        """
        self.drop(listing.key)
        state = ListingState(self.cadence, listing, pages)
        self._listings[listing.key] = state
        self._follow(state)
        if not state.swept and len(self._new) == 1:
            self._shared_at = None

    def drop(self, key: ListingKey) -> None:
        """Forget a listing: shed, paused, or its account gone."""
        self._listings.pop(key, None)
        self._locating.pop(key, None)
        self._new.pop(key, None)

    def set_budget(self, requests_per_hour: float) -> None:
        """B has changed: what reads may use an hour."""
        self._per_hour = requests_per_hour
        self._free_at = NEVER
        self._shared_at = None

    def hold(self, key: ListingKey, until: Instant) -> None:
        """Read nothing of a listing before `until`: it fails, and must hold up nobody else."""
        if (state := self._listings.get(key)) is not None and state.held_until != until:
            state.held_until = until
            state.queued_for = state.probe_queued_for = None
            self._follow(state)

    def lost(self, key: ListingKey, removals: RemovalRate) -> None:
        """A listing's removals were confirmed: from now on it is probed as its rate asks for.

        Args:
            key: whose; nothing happens where it is not planned.
            removals: what is known of them now (`RemovalRate.confirmed`), as the catalog keeps it.
        """
        if (state := self._listings.get(key)) is not None:
            state.removals = removals

    def failed(self, read: Read, until: Instant) -> None:
        """A read brought no answer: nothing is learned, and the listing rests until `until`."""
        if (state := self._listings.get(read.key)) is None:
            return
        state.reading.discard(read.purpose)
        state.held_until = max(state.held_until, until)
        if read.purpose is Purpose.PROBE:
            state.probe_at = state.held_until
        self._follow(state)

    def answered(self, read: Read, answer: PageRead, absence: Absence, now: Instant) -> Learned | None:
        """Learn from an answer, after what it renews and hides has become durable.

        Args:
            read: what was asked for.
            answer: what came.
            absence: the held documents it should have named (`absence.missing`).
            now: the lease clock.

        Returns:
            What is to be stored, or None where the listing is no longer planned.
        """
        state = self._listings.get(read.key)
        if state is None:
            return None
        state.reading.discard(read.purpose)
        self._phase = (self._phase + _GOLDEN) % 1
        learned = state.take(answer, read.purpose, absence, now, 1 - self._phase)
        state.plan_probes(read.purpose, answer.sent_at)
        self._follow(state)
        return learned

    def next_read(self, now: Instant) -> Read | Wait:
        """What to read now. A Read counts as under way until `answered` or `failed` is called for it."""
        if self._shared_at is None or now - self._shared_at >= self.cadence.window // _SHARE_PARTS:
            self._share(now)
        is_free = now >= self._free_at
        self._ripen(now)
        # Who has a gate of its own lets that pace what must not wait: a belief may be wrong.
        found = self._lease(now, at_risk=True) if is_free or self._burst else None
        if found is None and self._free_at - now <= self.cadence.tolerance:
            found = self._locate(now)  # what is hidden too late weighs more than an even pace
        if found is None and is_free:
            found = self._lease(now, at_risk=False) or self._probe(now) or self._sweep_new(now)
        if found is None:
            return Wait(self._next_at(now) if is_free else self._free_at)
        state, page, purpose = found
        state.reading.add(purpose)
        interval = self._interval(self._per_hour)
        self._free_at = max(self._free_at, now - max(interval, self._burst)) + interval
        return Read(state.key, page, purpose, state.lease_ends_at(page))

    def _ripen(self, now: Instant) -> None:
        """Move what is due to those that are read in the order in which their windows end."""
        while self._waiting and self._waiting[0][0] <= now:
            _, ticket, key = heappop(self._waiting)
            state = self._listings.get(key)
            if state is not None and state.lease_ticket == ticket and not self._rests(state, ticket, now):
                heappush(self._ready, (state.window_ends_at, ticket, key))

    def _rests(self, state: ListingState, ticket: int, now: Instant) -> bool:
        """Whether a listing is held; then its turn waits as well."""
        if state.held_until <= now:
            return False
        heappush(self._waiting, (state.held_until, ticket, state.key))
        return True

    def _lease(self, now: Instant, *, at_risk: bool) -> _Found | None:
        while self._ready:
            window_ends_at, ticket, key = self._ready[0]
            state = self._listings.get(key)
            if state is not None and state.lease_ticket == ticket:
                if at_risk and window_ends_at - now > self._reserve:
                    return None
                heappop(self._ready)
                if not self._rests(state, ticket, now):
                    state.lease_ticket = state.queued_for = None
                    return state, state.due_page, Purpose.LEASE
            else:
                heappop(self._ready)
        return None

    @property
    def _reserve(self) -> Duration:
        """With less time than this to the end of a window, its read goes before everything else."""
        return self.cadence.tolerance + len(self._ready) * self._interval(self._per_hour)

    def _locate(self, now: Instant) -> _Found | None:
        for key in self._locating:
            state = self._listings[key]
            if state.search is not None and Purpose.LOCATE not in state.reading and state.held_until <= now:
                del self._locating[key]
                self._locating[key] = None  # the next search has its turn first
                return state, state.search.next_page(state.census.total, state.pages), Purpose.LOCATE
        return None

    def _probe(self, now: Instant) -> _Found | None:
        while self._probing and self._probing[0][0] <= now:
            _, ticket, key = heappop(self._probing)
            state = self._listings.get(key)
            if state is None or state.probe_ticket != ticket:
                continue
            if state.held_until > now:
                heappush(self._probing, (state.held_until, ticket, key))
            else:
                state.probe_at = state.probe_queued_for = None
                return state, 1, Purpose.PROBE
        return None

    def _sweep_new(self, now: Instant) -> _Found | None:
        if now < self._new_free_at:
            return None
        for key in self._new:
            state = self._listings[key]
            if Purpose.NEW not in state.reading and state.held_until <= now:
                self._new_free_at = now + self._interval(self._new_per_hour)
                return state, state.known + 1, Purpose.NEW
        return None

    def _next_at(self, now: Instant) -> Instant:
        """When something may be due that is not now."""
        found = [heap[0][0] for heap in (self._waiting, self._probing) if heap]
        found += [self._listings[key].held_until for key in (*self._locating, *self._new)]
        if self._new:
            found.append(self._new_free_at)
        return min((at for at in found if at > now), default=now + self.cadence.window // _SHARE_PARTS)

    def _follow(self, state: ListingState) -> None:
        """Put a listing where its state says it belongs."""
        key, due_at = state.key, state.due_at
        if due_at is not None and due_at != state.queued_for and Purpose.LEASE not in state.reading:
            state.lease_ticket, state.queued_for = next(self._tickets), due_at
            heappush(self._waiting, (due_at, state.lease_ticket, key))
        if state.probe_at != state.probe_queued_for:
            state.probe_ticket, state.probe_queued_for = next(self._tickets), state.probe_at
            if state.probe_at is not None:
                heappush(self._probing, (state.probe_at, state.probe_ticket, key))
        for wanted, queue in ((state.search is not None, self._locating), (state.known < state.pages, self._new)):
            if wanted:
                queue.setdefault(key)
            else:
                queue.pop(key, None)

    def _share(self, now: Instant) -> None:
        """Share what the leases leave among probes and new listings, by what was learned of removals."""
        self._shared_at = now
        states = [state for state in self._listings.values() if state.swept]  # others have nothing to be probed
        usual = pooled((state.removals, state.census.total) for state in states)
        loads = [state.load(usual) for state in states]
        window_hours = self.cadence.period / HOUR
        leases = sum(load.pages for load in loads) / window_hours
        others = sum(state.known for state in self._listings.values() if not state.swept) / window_hours
        locating = sum(load.removals_per_hour * reads_per_loss(load.pages) for load in loads if load.counted)
        spare = max(0.0, self._per_hour * self.cadence.optional_share - leases - others - locating)
        probes = spare * (1 - _NEW_SHARE) if self._new else spare
        rates = share(loads, leases + probes, window_hours, self.cadence.shortest / HOUR)
        self._new_per_hour = max(self._per_hour * _LEAST_NEW_SHARE, spare + leases - sum(rates))
        for state, rate in zip(states, rates, strict=True):
            if state.grant(rate):
                self._follow(state)

    @staticmethod
    def _interval(per_hour: float) -> Duration:
        return max(MICROSECOND, round(HOUR / max(per_hour, 1e-3)))
