"""The planner against theory, in a virtual world of listings: requests, detection, gaps, outages, and its own cost.

Each figure stands beside its bound from the same run. Owners lose documents at Poisson rates that the planner does not
know; time is virtual, so days pass in seconds. Beside the planner: the same population on the same requests, polled as
mirrors usually do, every listing from its first page to its last in a burst, one listing after the other.
"""

import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from random import Random

from benchmarks.figures import Figure, Goal
from benchmarks.listing_world import Counts, VirtualMirror, key_of
from ipsync.policy.instants import DAY, HOUR, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, pages_of
from ipsync.policy.planner import Absence, Cadence, ListingKey, ListingKnowledge, PageRead, Planner, Read
from ipsync.policy.planner.allocation import Load, any_polling_bound, listing_only_bound
from ipsync.policy.planner.orders import LEASE_SHARE, READING_SHARE
from ipsync.policy.planner.removal_rate import RemovalRate

LEASE = Lease(DAY)
OUTAGE = 10 * HOUR
CADENCE = Cadence.of(LEASE, OUTAGE)
REQUESTS, BLIND, COUNTED = Goal(most=1.02), Goal(most=1.05), Goal(most=1.3)
WATCHED: Duration = 200 * DAY
"""How long the mirror has known its listings: the rates it begins with are what it saw in that time."""


def run(listings: int = 60, days: int = 30, accounts: int = 3_500, documents: int = 5_000_000) -> list[Figure]:
    """Measure the planner.

    Args:
        listings: of the population whose owners take documents away.
        days: of virtual time.
        accounts: of the large population that is only planned.
        documents: all its accounts have together.
    """
    return [
        *_leases(listings),
        *_detection(listings, days),
        *_outage(listings),
        *_cost_apart(accounts, documents),
    ]


class _Population:
    """Listings of very different sizes and habits, settled in a mirror."""

    def __init__(self, listings: int, haste: float = 1.0) -> None:
        """Make it up.

        Args:
            listings: how many.
            haste: how many times as many documents go as usual; more of them make a mean that tells more.
        """
        random = Random(7)
        self.sizes = [round(10 ** random.uniform(1, 4)) for _ in range(listings)]
        self.rates = [haste * size * 10 ** random.uniform(-5.7, -4.7) for size in self.sizes]
        self.pages = sum(map(pages_of, self.sizes))

    def loads(self) -> list[Load]:
        return [Load(pages_of(size), rate) for size, rate in zip(self.sizes, self.rates, strict=True)]

    def settled(self, cadence: Cadence, requests_per_hour: float, days: int = 0) -> VirtualMirror:
        """The mirror, every page read within the last period, removals to come for so many days."""
        mirror, period, random = VirtualMirror(cadence, requests_per_hour), cadence.period, Random(11)

        def at(page: int, of: int) -> Instant:
            return mirror.now - period + (period * page + period * spread % of) // (of + 1)

        for number, (size, rate) in enumerate(zip(self.sizes, self.rates, strict=True), 1):
            spread = number * 997
            key = mirror.settled(number, size, at)
            seen = RemovalRate().watched(mirror.now - WATCHED)
            for day in range(1, WATCHED // DAY + 1):
                seen = seen.watched(mirror.now - WATCHED + day * DAY).confirmed(_poisson(rate * 24, random))
            mirror.planner.lost(key, seen)
            if days:
                mirror.removals(key, rate, mirror.now + days * DAY, random)
        return mirror


def _leases(listings: int) -> list[Figure]:
    population = _Population(listings)
    mirror = population.settled(replace(CADENCE, optional_share=0.0), population.pages / 20 / 0.25)
    windows = 12
    mirror.run(mirror.now + windows * CADENCE.window)
    gap = max(mirror.counts.worst_gap, mirror.counts.worst_age)
    hours = CADENCE.window / HOUR
    name = f"{population.pages:,} pages of {listings} listings"
    bound = f"one a page and window of {hours:g} h"
    return [
        Figure(
            f"page requests for leases, {name}", mirror.counts.requests / windows, "", population.pages, bound, REQUESTS
        ),
        Figure("worst wait of a page for its next reading", gap / HOUR, "h", hours, "the window", Goal(most=1.0)),
    ]


def _detection(listings: int, days: int) -> list[Figure]:
    population, hasty = _Population(listings), _Population(listings, haste=6.0)
    budget = population.pages / 20 / 0.25
    blind = _lived(hasty, replace(CADENCE, watches_totals=False), budget, days // 2 + 1)
    counted = _lived(population, CADENCE, budget, days)
    loads, window = population.loads(), CADENCE.window / HOUR
    used_blind, used = _used(blind, days // 2 + 1), _used(counted, days)
    burst = _in_bursts(population, used, days)
    removals = f"{len(counted.latencies):,} removals"
    wait = max(max(counted.worst_gap, counted.worst_age), max(blind.worst_gap, blind.worst_age))
    return [
        Figure(
            f"mean detection without counts, {len(blind.latencies):,} removals",
            blind.mean_latency_hours(),
            "h",
            listing_only_bound(hasty.loads(), used_blind, window),
            "listing-only optimum",
            BLIND,
        ),
        Figure(
            f"mean detection with counts, {removals}",
            counted.mean_latency_hours(),
            "h",
            any_polling_bound(loads, used, window),
            "any polling whatever",
            COUNTED,
        ),
        Figure(
            "the same",
            counted.mean_latency_hours(),
            "h",
            burst.mean_latency_hours(),
            "burst round robin, as many requests",
        ),
        Figure(
            f"mean detection by burst round robin, {len(burst.latencies):,} removals",
            burst.mean_latency_hours(),
            "h",
            population.pages / _used(burst, days) / 2,
            "half a round",
        ),
        Figure("worst wait of a page meanwhile", wait / HOUR, "h", LEASE.serve_age / HOUR, "S", Goal(most=1.0)),
        Figure("questions about single documents", counted.confirmations, "", len(counted.latencies), "removals"),
    ]


def _lived(population: _Population, cadence: Cadence, budget: float, days: int) -> Counts:
    mirror = population.settled(cadence, budget, days)
    mirror.run(mirror.now + days * DAY)
    return mirror.counts


def _used(counts: Counts, days: int) -> float:
    return counts.requests / (days * 24)


def _in_bursts(population: _Population, requests_per_hour: float, days: int) -> Counts:
    """The same population, its owners and removals, on as many requests, polled as mirrors usually do.

    A round takes P/B hours: what goes is missed when its listing has its turn, after half of that on average.
    """
    mirror = population.settled(CADENCE, requests_per_hour, days)
    mirror.run_in_bursts(mirror.now + days * DAY, requests_per_hour)
    return mirror.counts


def _outage(listings: int) -> list[Figure]:
    """Nothing is answered for ten hours, on the least budget that is admitted: U = 0.5."""
    population = _Population(listings)
    leases_per_hour = population.pages / 20 / 0.5
    mirror = population.settled(CADENCE, leases_per_hour / LEASE_SHARE * READING_SHARE)
    mirror.outage(mirror.now + 15 * HOUR, mirror.now + 15 * HOUR + OUTAGE)
    mirror.run(mirror.now + 3 * DAY)
    oldest = max(mirror.counts.worst_age, mirror.oldest_age()) / HOUR
    return [
        Figure(
            "oldest lease through an outage of 10 h at U = 0.5",
            oldest,
            "h",
            LEASE.serve_age / HOUR,
            "S",
            Goal(most=0.9999),
        )
    ]


def _cost_apart(accounts: int, documents: int) -> list[Figure]:
    """In a process of its own: the most memory that this one ever held may have been another measurement's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_cost, accounts, documents).result()


def _cost(accounts: int, documents: int) -> list[Figure]:
    """Plan a large population for one window, answers without content."""
    random = Random(3)
    weights = [random.paretovariate(1.2) for _ in range(accounts)]
    sizes = [max(1, round(documents * weight / sum(weights))) for weight in weights]
    before_mb = _memory_mb()
    planner = Planner(CADENCE, 5_000 * READING_SHARE)
    now: Instant = 2 * 10**15
    began = time.process_time()
    for number, size in enumerate(sizes, 1):
        _take_in(planner, key_of(number), size, now)
    taking_in = time.process_time() - began
    pages, end, reads = planner.pages, now + CADENCE.window, 0
    began = time.process_time()
    while now < end:
        step = planner.next_read(now)
        if not isinstance(step, Read):
            now = max(now + 1, step.until)
            continue
        reads += 1
        size = sizes[step.key.account_id - 1]
        planner.answered(step, _answer(step.page, size, now), Absence(), now)
        now += 100_000
    seconds = time.process_time() - began
    hours = CADENCE.window / HOUR
    name = f"{accounts:,} accounts, {sum(sizes):,} documents, {pages:,} pages"
    return [
        Figure(f"planning {name}", seconds / hours, "CPU s an hour", 3600, "CPU s there are"),
        Figure(
            "of it, a request", seconds / max(1, reads) * 1000, "CPU ms", 3600 / 5000 * 1000, "ms between two requests"
        ),
        Figure("taking them up at the start", taking_in, "CPU s", 5, "s of a whole start", Goal(most=1.0)),
        Figure("memory for them", _memory_mb() - before_mb, "MB", 150, "MB for the daemon"),
    ]


def _take_in(planner: Planner, key: ListingKey, size: int, now: Instant) -> None:
    pages = pages_of(size)
    listing = ListingKnowledge(key, total=size, expected=size, pages=pages, swept=True)
    period = CADENCE.period
    start = now - period + period * (key.account_id * 997 % 1000) // 1000
    records = [
        replace(
            _answer(page, size, start + period * page // (pages + 1) - period).record(), documents=DOCUMENTS_PER_PAGE
        )
        for page in range(1, pages + 1)
    ]
    planner.put(listing, records)


def _answer(page: int, size: int, now: Instant) -> PageRead:
    newest = size - (page - 1) * DOCUMENTS_PER_PAGE
    return PageRead(page, now, size, range(newest, max(0, newest - DOCUMENTS_PER_PAGE), -1))


def _poisson(mean: float, random: Random) -> int:
    limit, product, number = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        number += 1
    return number


def _memory_mb() -> float:
    """The most memory this process ever held. What `getrusage` calls that may be the parent's, before the start."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
