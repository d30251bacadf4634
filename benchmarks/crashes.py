"""Kill -9 at random moments, start again, and see that it goes on where it was.

First `ipsync run` is killed during its first sync and while it fetches files, then `ipsync account remove`
and `ipsync run` while they erase everything. Some kills hit the start, before anything is read. In the end
every shared document must be mirrored exactly once, with every file and no other, and after the removal
nothing may be left but one tombstone and one record each. A page whose answer was recorded is not asked for again:
each kill may cost one request that was under way, and the files of one unfinished batch.
"""

import random
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure, Goal
from benchmarks.processes import Child
from benchmarks.world import Mirror, Site, folder, site
from ipsync.catalog import SqliteCatalog
from ipsync.policy.documents import DocumentState, RenditionState
from ipsync.policy.listings import pages_of
from ipsync.policy.removals import Scope, Stage
from ipsync.ports.catalog import Figures, View
from ipsync.ports.store import ContentKey
from ipsync.store import FileStore

RENDITIONS = ("240",)
BATCH_FILES = 64
"""Files that are recorded together; what a kill may make fetch again."""
PATIENCE_SECONDS = 300.0

_LONGEST_START_SECONDS = 2.5
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is mirrored, and how often it is killed.

    Attributes:
        documents: public ones of the one account.
        sync_kills: kills before everything is mirrored.
        purge_kills: kills before everything is erased.
        per_second: API requests; few, so that many kills fall between two pages.
        seed: of the moments.
    """

    documents: int = 20_000
    sync_kills: int = 9
    purge_kills: int = 4
    per_second: float = 40
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """What was found.

    Attributes:
        kills: of which at least one fell before all pages were read, `early`.
        requests: of pages of the listing, all starts together.
        files_sent: asked of the media hosts, all starts together.
        wrong: our words for whatever is not as it must be.
    """

    pages: int = 0
    kills: int = 0
    early: int = 0
    purge_kills: int = 0
    requests: int = 0
    files_sent: int = 0
    wrong: list[str] = field(default_factory=list)


def run(plan: Plan | None = None) -> list[Figure]:
    """Play one story of crashes, and say what it cost and what was wrong in the end.

    Args:
        plan: how much, and how often; default the whole.
    """
    plan = plan or Plan()
    outcome = play(plan)
    if outcome.wrong:
        print(*outcome.wrong, sep="\n")
    return figures(plan, outcome)


def figures(plan: Plan, outcome: Outcome) -> list[Figure]:
    """The lines of the table."""
    kills = f"{outcome.kills} kills, {outcome.early} before all pages were read"
    most = Goal(most=1)
    return [
        Figure(
            f"requests of a first sync with {kills}", outcome.requests, "", outcome.pages, "pages", most, outcome.kills
        ),
        Figure(
            f"files fetched with {kills}",
            outcome.files_sent,
            "",
            plan.documents,
            "files",
            most,
            outcome.kills * BATCH_FILES,
        ),
        Figure(
            f"wrong after {outcome.kills} kills in sync and {outcome.purge_kills} in purge",
            len(outcome.wrong),
            "",
            0,
            "nothing may be",
            Goal(most=0, absolute=True),
        ),
    ]


def play(plan: Plan) -> Outcome:
    """The story itself, on a mirror made for it."""
    with site(1, plan.documents) as simulated, folder() as place:
        mirror = Mirror(place, simulated, RENDITIONS, plan.per_second)
        mirror.authorize_now(simulated.members)
        with closing(mirror), mirror.watched() as catalog:
            story = _Story(plan, simulated, mirror, catalog)
            story.mirror_everything()
            story.erase_everything()
        return story.outcome


class _Story:
    def __init__(self, plan: Plan, simulated: Site, mirror: Mirror, catalog: SqliteCatalog) -> None:
        (self._public,) = simulated.public().values()
        self.outcome = Outcome(pages=pages_of(len(self._public)))
        self._plan = plan
        self._site = simulated
        self._mirror = mirror
        self._catalog = catalog
        self._random = random.Random(plan.seed)

    def mirror_everything(self) -> None:
        kills = self._plan.sync_kills
        for left in range(kills, 0, -1):
            # Two thirds of the kills fall among the pages, the others among the files.
            if left > kills // 3:
                step, moved, done = 2 * self.outcome.pages // kills, self._pages_read, self._is_read
            else:
                step, moved, done = 2 * len(self._public) // kills, self._files_sent, self._is_mirrored
            child = self._mirror.start("run")
            self._kill_somewhere(child, step, moved, done)
            self.outcome.kills += 1
            self.outcome.early += not self._is_read()
        child = self._mirror.start("run")
        child.wait_event("daemon.ready", PATIENCE_SECONDS)
        child.wait_until(self._is_mirrored, PATIENCE_SECONDS, "everything is mirrored")
        if (code := child.stop()) != 0:
            self.outcome.wrong.append(f"the daemon ended with exit code {code}: {child.log.read_text()[-2000:]}")
        self.outcome.requests, self.outcome.files_sent = self._pages_read(), self._files_sent()
        self.outcome.wrong += self._catalog.read_now(self._faults_of_mirror)

    def erase_everything(self) -> None:
        name = self._site.members[0]["username"]
        step = 2 * len(self._public) // (self._plan.purge_kills + 1)
        for turn in range(self._plan.purge_kills):
            words = ("run",) if self._is_removed() and turn % 2 else ("account", "remove", name, "--yes")
            self._kill_somewhere(self._mirror.start(*words), step, self._files_erased, self._is_removed_whole)
            self.outcome.purge_kills += 1
        if not self._is_removed():
            self._mirror.command("account", "remove", name, "--yes")
        child = self._mirror.start("run")
        child.wait_event("daemon.ready", PATIENCE_SECONDS)
        child.wait_until(self._is_erased, PATIENCE_SECONDS, "everything is erased")
        child.stop()
        self.outcome.wrong += self._catalog.read_now(self._faults_of_removal)

    def _kill_somewhere(self, child: Child, step: int, moved: Callable[[], int], done: Callable[[], bool]) -> None:
        """Kill it during its start, or after it has moved on by up to `step` or is done, and a moment more."""
        if self._random.random() < 0.25:
            until = time.perf_counter() + self._random.uniform(0, _LONGEST_START_SECONDS)
            while child.is_running and time.perf_counter() < until:
                time.sleep(0.002)
        else:
            goal = moved() + self._random.randint(0, step)
            deadline = time.perf_counter() + PATIENCE_SECONDS
            while child.is_running and moved() < goal and not done():
                if time.perf_counter() > deadline:
                    raise RuntimeError(f"it does not move on: {child.log.read_text()[-2000:]}")
                time.sleep(0.005)
            time.sleep(self._random.uniform(0, 0.05))
        child.kill()

    def _pages_read(self) -> int:
        return self._site.calls()["doc.getList"]

    def _files_sent(self) -> int:
        return self._site.files_sent()

    def _files_erased(self) -> int:
        left = 0
        for account in self._mirror.content.glob("[0-9]*"):
            with suppress(FileNotFoundError):
                left += sum(1 for _ in account.iterdir())
        return len(self._public) - left

    def _figures(self) -> Figures:
        return self._catalog.read_now(lambda view: view.figures())

    def _is_read(self) -> bool:
        return self._figures().documents.get(DocumentState.LIVE, 0) >= len(self._public)

    def _is_mirrored(self) -> bool:
        return self._figures().stored_files >= len(self._public)

    def _is_removed(self) -> bool:
        listed = self._catalog.read_now(lambda view: view.accounts())
        return all(account.state.value == "removed" for account in listed)

    def _is_removed_whole(self) -> bool:
        return self._is_removed() and self._is_erased()

    def _is_erased(self) -> bool:
        figures = self._figures()
        return not any(figures.open_removals.values()) and not any(figures.documents.values())

    def _faults_of_mirror(self, view: View) -> list[str]:
        """Every shared document once, with its file and no other; every file with its row."""
        wrong, found, expected, cursor = [], set[int](), set[ContentKey](), 0
        store = FileStore(self._mirror.content)
        while batch := view.documents_after(cursor, _BATCH):
            cursor = batch[-1].document_id
            found |= {document.document_id for document in batch if document.state is DocumentState.LIVE}
            files = view.renditions([document.document_id for document in batch])
            for document in batch:
                rows = files.get(document.document_id, [])
                key = ContentKey(document.account_id, document.document_id, RENDITIONS[0])
                whole = [
                    row.state is RenditionState.STORED and store.stored_bytes(key) == row.size_bytes for row in rows
                ]
                if [row.file.rendition for row in rows] != list(RENDITIONS) or not all(whole):
                    wrong.append(f"document {document.document_id} has not its file")
                expected.add(key)
        if found != self._public:
            wrong.append(f"{len(found ^ self._public)} documents are missing or too many")
        if view.figures().tombstones or view.removals(limit=1):
            wrong.append("something was removed that nobody took away")
        return wrong + _files_beside(store, expected)

    def _faults_of_removal(self, view: View) -> list[str]:
        wrong = []
        if set(view.tombstones(self._public)) != self._public:
            wrong.append("not every document left a tombstone")
        records = view.removals(limit=2 * len(self._public) + 1)
        whole = [record for record in records if record.scope is Scope.DOCUMENT and record.stage is Stage.GONE]
        if len(records) != len(self._public) or {record.document_id for record in whole} != self._public:
            wrong.append(f"{len(records)} records of {len(self._public)} removals, {len(whole)} of them done")
        if view.renditions(self._public):
            wrong.append("rows of files are left")
        return wrong + _files_beside(FileStore(self._mirror.content), set())


def _files_beside(store: FileStore, expected: set[ContentKey]) -> list[str]:
    """What lies in the store beyond these, partial downloads included."""
    beside = [entry for entry in store.walk() if isinstance(entry, Path) or entry not in expected]
    partials = store.discard_incoming()
    store.close()
    wrong = [f"{len(beside)} files that no row knows"] if beside else []
    return wrong + ([f"{partials} partial downloads are left"] if partials else [])
