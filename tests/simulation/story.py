"""One story: what owners, operators, ipernity, the machine and chance do to a mirror, from one seed.

First everything may fail; then nothing does any more, and everything visible must be verified again.
"""

import asyncio
import hashlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ipsync.assembly import Works
from ipsync.catalog.heads import read_heads
from ipsync.catalog.ledger_keys import is_signed
from ipsync.catalog.location import heads_file
from ipsync.jobs.accounts import AccountRefusedError
from ipsync.jobs.ledger import check_ledger
from ipsync.policy.accounts import AccountState
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from ipsync.ports.catalog import CatalogFailure
from ipsync.ports.source import SourceFailure
from ipsync.settings import Settings, load
from ipsync.simulator.containers import Album, Post
from ipsync.simulator.documents import PUBLIC, Document, UploadedFile
from ipsync.simulator.members import Member
from ipsync.simulator.world import World
from tests.fakes.catalogs import fresh_database
from tests.fakes.configuration import SECRETS, write_configuration
from tests.simulation.life import Life, pages_of, without_probes, without_sockets
from tests.simulation.logbook import Logbook
from tests.simulation.machine import Crash, Machine, VirtualLoop
from tests.simulation.network import Line
from tests.simulation.oracle import Oracle
from tests.simulation.records import Left, left_by_recovery
from tests.simulation.shelf import new_album, new_article
from tests.simulation.verdict import Broken

T = TypeVar("T")

YEAR: Duration = 365 * DAY
PROBING = 1 / 8
"""In how many stories listings are probed with what is left of the budget."""
PAGE_SIZES = (100, 100, 4)
"""How many documents a page of a listing holds: as at ipernity, or so few that a member has several pages."""
ENTRIES_EVERY = 5
"""In one of so many stories albums and articles are mirrored as well."""
LOGGING_EVERY = 8
"""Of so many stories one is logged, and its log looked at."""
RECOVERED_TWICE = 1 / 10
"""After how many starts the process dies before it does anything else."""
_LAST_EVENTS = 40

CONFIGURATION = """
[api]
url = "https://api.ipernity.test/api/"
authorize_url = "https://www.ipernity.test/apps/authorize"
media_hosts = ["*.ipernity.test"]

[budget]
per_second = 2
per_minute = {per_minute}
per_hour = {per_hour}
per_day = {per_day}

[mirror]
content = [{content}]
licenses = ["cc-by", "cc-by-nc", "cc-by-nd", "cc-by-nc-nd", "cc-by-sa", "cc-by-nc-sa", "copyleft"]
details = {details}

[web]
listen = "127.0.0.1:0"
"""


@dataclass(frozen=True)
class Plan:
    """How a story goes, apart from its seed.

    Attributes:
        days: how long things may fail, in days.
        every_run: leave out no run of a job, see `Runner`.
        faults: whether anything fails at all.
        only: names of the things that may happen; empty for all.
        busy: how many things happen in an hour.
        page_size: documents on a page of a listing; 0 lets the seed choose.
        per_hour: requests that the budget allows in an hour; 0 lets the seed choose.
        logs: whether a log is kept and looked at for certain, or only in some stories.
        entries: whether albums and articles are mirrored for certain, or only in some stories.
        probes: whether what is left of the budget is used for certain, or only in some stories.
        ends_well: whether a time without faults follows, after which everything must be there (I7).
    """

    days: float = 30.0
    every_run: bool = False
    faults: bool = True
    only: tuple[str, ...] = ()
    busy: float = 1 / 3
    page_size: int = 0
    per_hour: int = 0
    logs: bool = False
    probes: bool = False
    entries: bool = False
    ends_well: bool = True


@dataclass
class Outcome:
    """What came of a story.

    Attributes:
        trace: digest of everything that happened, in order.
        broken: the invariant that did not hold, or "".
        events: the last things that happened.
    """

    seed: int
    days: float = 0
    cpu_seconds: float = 0
    removals: int = 0
    lost: int = 0
    served_age: Duration = 0
    stored_age: Duration = 0
    verified_age: Duration = 0
    wrong: int = 0
    requests: int = 0
    downloads: int = 0
    checks: int = 0
    lives: int = 0
    trace: str = ""
    broken: str = ""
    failed_at_days: float = 0
    events: list[str] = field(default_factory=list)


class Story:
    """A world, a machine, a daemon and what becomes of them."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.seed = seed
        self.plan = plan
        self.chance = random.Random(seed)
        self.machine = Machine()
        self.began_at = self.machine.now
        self.trace = hashlib.blake2b(digest_size=16)
        self.events: deque[str] = deque(maxlen=_LAST_EVENTS)
        self.has_probes = self.chance.random() < PROBING or plan.probes
        self.page_size = self.chance.choice(PAGE_SIZES) if plan.page_size == 0 else plan.page_size
        self.world = World(self.chance.randrange(2, 4), 0, seed, now=lambda: self.machine.now)
        self.line = Line(self.machine, self.world, random.Random(seed + 1))
        self.has_entries = plan.entries or seed % ENTRIES_EVERY == 0
        self.settings = self._configured()
        is_kept = plan.logs or seed % LOGGING_EVERY == LOGGING_EVERY // 2
        self.logbook = Logbook(self.world, self.settings, is_kept=is_kept)
        budget = self.settings.budget
        caps = {MINUTE: budget.per_minute, HOUR: budget.per_hour, DAY: budget.per_day}
        self.oracle = Oracle(self.machine, self.world, self.line, self.tell, caps)
        self.oracle.shelf.is_mirrored = self.has_entries
        self.oracle.singly_named_counts = not self.settings.mirror.details
        self.life = Life(self.machine, self.settings, every_run=plan.every_run)
        self.lives = 0
        self.is_off = False
        self.copied_at: Instant | None = None
        self.faults_until: Instant = 0
        self._jobs_failed: list[tuple[str, BaseException]] = []
        self._uploads = 0
        self._recovered: tuple[Instant, Left] | None = None
        self._later: list[tuple[Instant, int, Callable[[], Awaitable[None]]]] = []
        self._order = 0
        self.machine.before_work = self.line.before_request = lambda: self.life.danger()

    def _configured(self) -> Settings:
        per_hour = self.chance.choice((3, 4, 6, 12)) if self.plan.per_hour == 0 else self.plan.per_hour
        if self.has_entries:
            per_hour *= 3  # every album is read in every sweep
        more = CONFIGURATION.format(
            content='"documents", "albums", "articles"' if self.has_entries else '"documents"',
            per_minute=min(20, per_hour),
            per_hour=per_hour,
            per_day=per_hour * 24,
            details="true" if self.chance.random() < 0.1 else "false",
        )
        file = write_configuration(self.machine.folder, more)
        fresh_database(self.machine.folder)
        key = {"IPSYNC_API_KEY": self.world.api_key, "IPSYNC_API_SECRET": self.world.secret}
        return load(file, {**SECRETS, **key})

    def tell(self, what: str, *about: object) -> None:
        """Put something on record."""
        at = self.machine.now - self.began_at
        line = f"{at} {what} {' '.join(map(str, about))}"
        self.trace.update(line.encode())
        self.events.append(f"day {at / DAY:9.4f}  {what} {' '.join(map(str, about))}")

    # running

    async def run(self) -> None:
        """The whole story."""
        self._stock()
        await self._live()
        for member in self.world.members:
            await self.authorize(member)
        until = self.began_at + int(self.plan.days * DAY)
        while self.machine.now < until:
            await self._pass(self._pause())
            await self._something_happens()
        if self.plan.ends_well:
            await self._all_is_well()

    def _pause(self) -> Duration:
        return int(self.chance.expovariate(self.plan.busy / HOUR)) + SECOND

    async def _pass(self, duration: Duration) -> None:
        """Let time pass: critical moments are looked at, what was planned happens, who died starts again."""
        until = self.machine.now + duration
        while True:
            at = self._next_moment(until)
            await self._sleep_until(at)
            if self.life.died.is_set() and not self.is_off:
                await self._rise()
            while self._later and self._later[0][0] <= self.machine.now:
                _, _, act = self._later.pop(0)
                await act()
            if self.machine.now >= at and at in self.oracle.critical:
                self.oracle.critical = [moment for moment in self.oracle.critical if moment > self.machine.now]
                self._check()
            if self.machine.now >= until:
                self._check()
                return

    def _next_moment(self, until: Instant) -> Instant:
        moments = [until, *(moment for moment in self.oracle.critical if moment > self.machine.now)]
        moments += [at for at, _, _ in self._later]
        return max(self.machine.now, min(moments))

    async def _sleep_until(self, at: Instant) -> None:
        left = at - self.machine.now
        if left <= 0 or (self.life.died.is_set() and not self.is_off):
            return
        if self.is_off:
            await asyncio.sleep(left / SECOND)
            return
        waiting = asyncio.ensure_future(self.life.died.wait())
        await asyncio.wait([waiting], timeout=left / SECOND)
        waiting.cancel()

    def later(self, duration: Duration, act: Callable[[], Awaitable[None]]) -> None:
        """Plan something."""
        self._order += 1
        self._later.append((self.machine.now + duration, self._order, act))
        self._later.sort(key=lambda entry: entry[:2])

    def _check(self) -> None:
        self.oracle.look()
        self.logbook.look()
        self.oracle.check(self.life)
        if self.life.runner is not None:
            for job, failure in self.life.runner.failures:
                is_dying = isinstance(failure, CatalogFailure) and not self.life.is_alive
                if not isinstance(failure, SourceFailure) and not is_dying:
                    raise Broken("jobs", f"{job} failed: {failure!r}") from failure
            self.life.runner.failures.clear()

    async def _live(self) -> None:
        """Start the daemon, as often as it takes."""
        while True:
            self.life = Life(self.machine, self.settings, every_run=self.plan.every_run)
            self.lives += 1
            if self.plan.faults and self.chance.random() < 0.15:
                self.life.crash_in = self.chance.randrange(1, 30)
            try:
                await self.life.start(self._look_at_recovery)
            except Crash:
                await self.life.bury()
                self.oracle.died()
                self.tell("crashed at start")
                continue
            break
        self.oracle.lease_now = self.life.now
        self.tell("started")
        self._check()

    def _look_at_recovery(self) -> None:
        """I5, I11: right after the boot gate; at times the process dies just there, and recovers once more."""
        self.oracle.look()
        self.oracle.check_agreement(self.life)
        left, before = left_by_recovery(self.life), self._recovered
        self._recovered = None
        if before is not None:
            if before[0] == self.machine.now and before[1] != left:
                kinds = ", ".join(name for name, found in left.items() if found != before[1][name])
                raise Broken("I11", f"whoever recovers twice finds something else: {kinds}")
        elif self.plan.faults and self.chance.random() < RECOVERED_TWICE:
            self._recovered = self.machine.now, left
            self.tell("dies as soon as it has recovered")
            self.life.kill()
            raise Crash

    async def _rise(self) -> None:
        """Systemd starts the daemon again."""
        self.tell("died")
        self.oracle.died()
        if self.life.fatal is not None:
            self.tell("fatal", type(self.life.fatal).__name__)
        await self.life.bury()
        await asyncio.sleep(5)
        await self._live()

    # the beginning

    def _stock(self) -> None:
        for member in self.world.members:
            for _ in range(self.chance.randrange(3, 9)):
                self.upload(member)
            for _ in range(self.chance.randrange(1, 4) if self.has_entries else 0):
                self.write_article(member)
                self.make_album(member)

    def write_article(self, member: Member) -> Post:
        """A new article."""
        self._uploads += 1
        share = PUBLIC if self.chance.random() < 0.8 else 0
        post = new_article(self.world, member, self._uploads, self.machine.now, share)
        self.oracle.look()
        return post

    def make_album(self, member: Member) -> Album:
        """A new album with a few documents."""
        documents = [document.document_id for document in self.world.state.library.documents_of(member)]
        few = self.chance.sample(documents, min(len(documents), self.chance.randrange(4)))
        album = new_album(self.world, member, self.machine.now, few)
        self.oracle.look()
        return album

    def upload(self, member: Member) -> Document:
        """A new picture."""
        self._uploads += 1
        original = UploadedFile("jpg", 640, 480, 0, f"file {self._uploads}".encode())
        share = PUBLIC if self.chance.random() < 0.85 else self.chance.choice((0, 1, 2, 3))
        document = self.world.state.library.post(member, "photo", original, share, self.machine.now // SECOND)
        document.license = self.chance.choice((1, 3, 9, 11, 255)) if self.chance.random() < 0.85 else 0
        document.title = f"A heron {document.token}"
        document.description = f"Seen from the hide {document.token}"
        self.oracle.look()
        return document

    async def authorize(self, member: Member) -> None:
        """A member says yes on ipernity's page; where the line is dead it is tried again in an hour."""
        if member.closed:
            return
        if not self.life.is_alive:
            self.later(HOUR, lambda: self.authorize(member))
            return
        accounts, state = self.life.works.accounts, self.world.state
        try:
            _, frob = await self._as_long_as_it_lives(accounts.begin())
            state.approve(state.frobs[frob], member, dict(self.life.works.rules.permissions))
            self.oracle.consented.add(member.user_id)
            self.oracle.members_away.pop(member.user_id, None)
            await self._as_long_as_it_lives(accounts.finish(frob))
        except (SourceFailure, AccountRefusedError, CatalogFailure, Crash, asyncio.CancelledError) as failure:
            self.tell("not authorized", member.user_id, type(failure).__name__)
            self.later(HOUR, lambda: self.authorize(member))
        else:
            self.tell("authorized", member.user_id)
        if self.life.runner is not None:
            self.life.runner.wake()
        self.oracle.look()

    # what happens

    async def command(self, work: Callable[[Works], Awaitable[T]]) -> T:
        """Let an operator do something; the process does not die meanwhile, so that we know it was done."""
        crash_in, self.life.crash_in = self.life.crash_in, None
        try:
            done = await self._as_long_as_it_lives(work(self.life.works))
        finally:
            self.life.crash_in = crash_in
        if self.life.runner is not None:
            self.life.runner.wake()
        return done

    async def _as_long_as_it_lives(self, work: Awaitable[T]) -> T:
        """Wait for something the process does; where it dies, nobody waits any more."""
        task, died = asyncio.ensure_future(work), asyncio.ensure_future(self.life.died.wait())
        await asyncio.wait([task, died], return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if not task.done():
            task.cancel()
            raise Crash
        return task.result()

    async def _something_happens(self) -> None:
        from tests.simulation.happenings import FAULTS, OWNERS, WRITERS

        owners = {**OWNERS, **WRITERS} if self.has_entries else OWNERS
        table = {**owners, **FAULTS} if self.plan.faults else owners
        if self.plan.only:
            table = {happening: weight for happening, weight in table.items() if happening.__name__ in self.plan.only}
        happening = self.chance.choices(list(table), weights=list(table.values()))[0]
        if happening in FAULTS:
            self.oracle.calm_since = self.machine.now + 4 * DAY  # the longest of them, and what follows it
        await happening(self)
        self.oracle.look()
        if self.chance.random() < 0.1:
            self.oracle.check_agreement(self.life)
            self.oracle.check_words(self.life)
            self.check_log()
            await self.check_ledger()

    async def _all_is_well(self) -> None:
        """I7: faults stop, and everything visible is verified again."""
        self.tell("nothing fails any more")
        self._later.clear()
        self.world.faults.clear()
        self.world.set_rate_limit("")
        self.line.down_until, self.line.late, self.line.files_are_large = 0, 0.0, False
        self.machine.is_disk_full, self.machine.lag = False, lambda: 0
        self.life.crash_in = None
        if self.is_off:
            self.is_off = False
        for member in self.world.members:
            member.closed = False
        await self._pass(HOUR)
        self.life.crash_in = None
        for member in self.world.members:
            account = self.life.base.catalog.read_now(lambda view, member=member: view.account(member.user_id))
            if account is not None and account.state is AccountState.PAUSED:
                await self.life.works.accounts.resume(member.user_id)
            elif account is None or account.state is not AccountState.ACTIVE:
                await self.authorize(member)
        await self._pass(26 * HOUR)
        await self._pass(26 * HOUR)
        self.oracle.look()
        self.oracle.check_everything_is_there(self.life)
        self.oracle.check_agreement(self.life)
        self.oracle.check_words(self.life)
        self.check_log()
        await self.check_ledger()
        await self.life.end()

    def check_log(self) -> None:
        """I9: no secret and no word of a member is in the log or among the metrics."""
        metrics = self.life.base.metrics.render()[0].decode() if self.life.is_serving else ""
        if told := self.logbook.told_of(self.oracle.tokens.values(), metrics):
            raise Broken("I9", f"the log or the metrics hold {told}")

    async def check_ledger(self) -> None:
        """I8: the chain holds, fits its copies, and tells of each removal once."""
        if not self.life.is_serving or self.copied_at is not None:
            return  # an older database that was put back shows, as it must
        await self.command(self._check_ledger)

    async def _check_ledger(self, _works: Works) -> None:
        if untold := self.oracle.receipts.untold(self.life, self.machine.now):
            raise Broken("I8", f"{len(untold)} documents went, and the ledger does not tell, e.g. {min(untold)}")
        gone, told = self.life.base.catalog._look(_gone_and_told)
        if gone != told:
            raise Broken("I8", f"{gone} removals are gone, and the ledger tells of {told}")
        copies = (
            list(read_heads(heads_file(self.settings.database.path)))
            if heads_file(self.settings.database.path).exists()
            else []
        )
        check = await check_ledger(self.life.base.catalog, copies, is_signed)
        if check.findings:
            raise Broken("I8", "; ".join(finding.what for finding in check.findings[:3]))

    def outcome(self) -> Outcome:
        """What came of it."""
        figures = self.oracle.figures
        return Outcome(
            self.seed,
            days=(self.machine.now - self.began_at) / DAY,
            removals=figures.erased,
            lost=figures.lost,
            served_age=figures.served_age,
            stored_age=figures.stored_age,
            verified_age=figures.verified_age,
            wrong=figures.wrong,
            requests=self.line.requests,
            downloads=self.line.media,
            checks=figures.checks,
            lives=self.lives,
            trace=self.trace.hexdigest(),
            events=list(self.events),
        )


def _gone_and_told(connection: Any) -> tuple[int, int]:
    execute = connection.connection.cursor().execute
    gone = execute("SELECT count(*) FROM removal WHERE stage = 'gone'").fetchone()[0]
    return gone, execute("SELECT count(*) FROM ledger_entry WHERE kind = 'gone'").fetchone()[0]


def play(seed: int, plan: Plan | None = None) -> Outcome:
    """Play one story on a machine, a loop and a world of its own."""
    began = time.process_time()
    story = Story(seed, plan or Plan())
    loop = VirtualLoop(story.machine)
    broken = ""
    try:
        with (
            story.logbook.is_written(),
            story.machine.is_this_machine(),
            without_sockets(story.line),
            without_probes(switched_off=not story.has_probes),
            pages_of(story.page_size),
        ):
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(story.run())
            except Broken as failure:
                broken = str(failure)
            finally:
                story.life.kill()
                loop.run_until_complete(story.life.bury())
                loop.close()
                asyncio.set_event_loop(None)
    finally:
        story.machine.scrap()
    outcome = story.outcome()
    outcome.broken, outcome.failed_at_days = broken, outcome.days if broken else 0
    outcome.cpu_seconds = time.process_time() - began
    return outcome
