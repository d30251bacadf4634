"""One life of the daemon on a simulated machine: from its start through the boot gate to its end, in order or not.

Everything is what `ipsync.assembly` wires from a configuration. Only sockets, threads and clocks are replaced,
from outside: the product has no hooks for this.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipsync.assembly
import ipsync.ipernity.client
from ipsync.assembly import Base, Works, open_base, open_works
from ipsync.jobs import sweep_application
from ipsync.jobs.boot import Told
from ipsync.policy import forecast, listings
from ipsync.policy.documents import RENDITIONS
from ipsync.policy.instants import Instant
from ipsync.policy.planner import knowledge, listing_state, locating
from ipsync.policy.planner.listing_state import ListingState
from ipsync.ports.catalog import CatalogFailure
from ipsync.ports.source import QuotaReached
from ipsync.ports.store import ContentKey
from ipsync.settings import Settings
from ipsync.simulator import params
from ipsync.store.names import read_key, read_partial
from ipsync.web.showing import Held, may_show, read_held
from tests.simulation.machine import Crash, Machine
from tests.simulation.network import Line, SimulatedMedia, SimulatedTransport
from tests.simulation.picture import Ages
from tests.simulation.runner import Runner


@contextmanager
def without_sockets(line: Line) -> Iterator[None]:
    """Let the assembly build clients for a simulated line."""
    client: Any = ipsync.ipernity.client
    assembly: Any = ipsync.assembly
    before = client.Transport, assembly.MediaFetcher
    SimulatedTransport.line = SimulatedMedia.line = line
    client.Transport, assembly.MediaFetcher = SimulatedTransport, SimulatedMedia
    try:
        yield
    finally:
        client.Transport, assembly.MediaFetcher = before


@contextmanager
def without_probes(*, switched_off: bool) -> Iterator[None]:
    """Let nothing be read with what is left of the budget: what that finds early is luck, and costs most of the time.

    The promise must hold without it.
    """
    planning: Any = ListingState
    before = planning.plan_probes
    if switched_off:
        planning.plan_probes = lambda *_: None
    try:
        yield
    finally:
        planning.plan_probes = before


_WHERE_PAGES_COUNT = (sweep_application, forecast, listings, knowledge, listing_state, locating)


@contextmanager
def pages_of(documents: int) -> Iterator[None]:
    """Let a page of a listing hold so few documents that a member with a dozen has several pages."""
    modules: list[Any] = list(_WHERE_PAGES_COUNT)
    simulated: Any = params
    before = listings.DOCUMENTS_PER_PAGE, simulated.PER_PAGE_MAX
    try:
        for module in modules:
            module.DOCUMENTS_PER_PAGE = documents
        simulated.PER_PAGE_MAX = documents
        yield
    finally:
        for module in modules:
            module.DOCUMENTS_PER_PAGE = before[0]
        simulated.PER_PAGE_MAX = before[1]


class Life:
    """A process.

    Attributes:
        crash_in: how many more points of danger it survives; None while nothing is planned. A point of danger is
            a moment before or after a commit, a request, or work on files.
        died: set when it is dead.
        refused: why it would not start, or "".
        serving_since: when it began to serve, and the machine has been awake since.
    """

    def __init__(self, machine: Machine, settings: Settings, *, every_run: bool = False) -> None:
        self.machine = machine
        self.settings = settings
        self.crash_in: int | None = None
        self.died = asyncio.Event()
        self.is_serving = False
        self.refused = ""
        self.serving_since: Instant = 0
        self._every_run = every_run
        self._now_at: tuple[Instant, Instant] | None = None
        self._now: Instant = 0
        self._base: Base | None = None
        self._works: Works | None = None
        self.runner: Runner | None = None
        self.fatal: BaseException | None = None

    @property
    def base(self) -> Base:
        assert self._base is not None
        return self._base

    @property
    def works(self) -> Works:
        assert self._works is not None
        return self._works

    @property
    def is_alive(self) -> bool:
        return self._base is not None and not self.died.is_set()

    def now(self) -> Instant:
        """Its lease clock; asked again and again at one instant, it says the same."""
        at = self.machine.now, self.machine.wall_offset
        if at != self._now_at:
            self._now_at, self._now = at, self.base.clock.now()
        return self._now

    async def start(self, recovered: Callable[[], None] = lambda: None) -> None:
        """Pass the boot gate, then serve and work.

        Args:
            recovered: called in between, while nothing works yet.
        """
        self._base = await open_base(self.settings, is_daemon=True)
        self._guard()
        self._works = open_works(self.base, self.settings)
        await self.works.boot_gate().run(Told(lambda _words: None, lambda: None, lambda: False))
        await self.works.look_at_budget()
        await self.works.refuse_overload()
        self.is_serving, self.serving_since = True, self.machine.now
        lease, ttl = self.works.rules.lease, self.works.rules.ttl
        self.runner = Runner(
            self.works.nudges(),
            self.base.catalog,
            self.machine,
            self.now,
            self._measure,
            self._fail,
            ages=Ages(
                of_leases=(lease.serve_age, lease.erase_age),
                of_copies=tuple({ttl.metadata, ttl.thumbnail, ttl.media, ttl.original}),
            ),
            every_run=self._every_run,
        )
        self._watch_gate()
        recovered()
        self.runner.start()

    def _watch_gate(self) -> None:
        gate: Any = self.works.gate
        whole = gate.admit

        async def admit(*asked: Any, **options: Any) -> Instant:
            try:
                return await whole(*asked, **options)  # type: ignore[no-any-return]  # reason: it is the gate's own
            except QuotaReached:
                if self.runner is not None:
                    self.runner.refusals += 1
                raise

        gate.admit = admit

    async def _measure(self) -> None:
        await self.works.look_at_budget()
        await self.base.save_clock()

    def _fail(self, fatal: BaseException) -> None:
        self.fatal = fatal
        self.kill()

    # the end

    def danger(self) -> None:
        """A moment at which the process may die."""
        if self.crash_in is None or self.died.is_set():
            return
        self.crash_in -= 1
        if self.crash_in <= 0:
            self.kill()
            raise Crash

    def _guard(self) -> None:
        catalog: Any = self.base.catalog
        whole = catalog.write_now

        def write(work: Callable[..., Any]) -> Any:
            self.danger()
            done = whole(work)
            self.danger()
            return done

        catalog.write_now = write

    def kill(self) -> None:
        """Die at once: what is on the disk stays as it is, and nothing of this process reaches it any more."""
        if self._base is None or self.died.is_set():
            self.died.set()
            return
        self.is_serving = False
        if self.runner is not None:
            self.runner.stop()
        self.machine.copy_database("dead")
        base: Any = self._base
        for name in ("write_now", "read_now", "scrub_now", "_look"):
            setattr(base.catalog, name, _dead)
        base.catalog._broken = CatalogFailure("dead")
        base.outside.append = base.outside.read = base.outside.compact = _dead
        base.stamp.close()
        for connection in (*base.catalog._opened, base.catalog._writing):
            connection.invalidate()  # closed without a rollback of our own
        base.catalog._gate.close()
        base.store.close()
        self.machine.put_database_back("dead")
        self.died.set()

    async def bury(self) -> None:
        """Clear away what is left of the tasks of a dead process."""
        mine = asyncio.current_task()
        while tasks := [task for task in asyncio.all_tasks() if task is not mine]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=60)

    async def end(self) -> None:
        """Stop in order."""
        self.is_serving = False
        if self.runner is not None:
            self.runner.stop()
        await self.bury()
        await self.works.close_clients()
        await self.works.belonging.renew(self.base.epoch, stopped=True)
        await self.base.save_clock()
        await self.base.close()
        self.died.set()

    # what is to be seen

    def served(self) -> dict[int, Held]:
        """What the pages would show now, by the question they ask on every answer."""
        if not self.is_serving:
            return {}
        now, rules = self.now(), self.works.rules
        ids = self.base.catalog.read_now(lambda view: [entry.document_id for entry in view.documents_after(0, 100_000)])
        held = self.base.catalog.read_now(lambda view: read_held(view, ids))
        return {number: entry for number, entry in held.items() if may_show(entry, rules, now)}


def _dead(*_: object, **__: object) -> Any:
    raise Crash


def files_on_disk(machine: Machine) -> dict[ContentKey, str]:
    """Every file in the store with its path, partial downloads included."""
    root = str(machine.folder / "content")
    found: dict[ContentKey, str] = {}
    for place, _, names in os.walk(root):
        for name in names if place != root else ():
            parts = (*place[len(root) + 1 :].split("/"), name)
            key = read_key(*parts) if len(parts) == 3 else read_partial(name)
            found[key or ContentKey(0, 0, RENDITIONS[0])] = f"{place}/{name}"
    return found
