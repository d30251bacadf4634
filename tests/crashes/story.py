"""What is interrupted: a mirror at work while its owners take back, replace and upload; and what must hold after it."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipsync.base import CLOCK_NOTE
from ipsync.catalog import open_catalog
from ipsync.catalog.heads import read_heads
from ipsync.catalog.ledger_keys import is_signed
from ipsync.clock import ClockMark
from ipsync.jobs.belonging import Belonging
from ipsync.jobs.boot import BootGate, Ground, Told
from ipsync.jobs.ledger import check_ledger
from ipsync.policy.documents import Visibility
from ipsync.policy.instants import HOUR, SECOND
from ipsync.policy.removals import Stage
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.ports.catalog import CatalogFailure
from ipsync.ports.store import ContentKey, StoreFailure
from ipsync.store import FileStore
from ipsync.store.tombstones import TombstoneFile, tombstones_file
from ipsync.telemetry import Metrics
from tests.fakes.catalogs import STATE_KEY, URL
from tests.fakes.clock import FakeClock
from tests.fakes.source import FakeSource
from tests.jobs.household import RULES, Household, HouseMedia, content_of

STAYS, LEAVES = 7, 8
"""One member stays, one takes the permission back."""

REFUSED = 9
"""The exit code of a process that gave up with one of the failures that are foreseen."""

GONE = (1001, 1002, 1003)
"""Deleted, made private, asked for by its owner."""

REPLACED = 1004


def marks_of(document_id: int) -> list[bytes]:
    """What would give a document away, wherever it is."""
    return [f"title-mark-{document_id}-".encode(), f"canary of {document_id} version 1 ".encode()]


class Mirror(Household):
    """A household over what lies in a folder already, with the ipernity that is there by now."""

    def __init__(self, folder: Path, source: FakeSource, clock: FakeClock) -> None:
        self.folder = folder
        self.clock = clock
        self.source = source
        self.media_source = HouseMedia(source)
        self.catalog = open_catalog(URL, folder, STATE_KEY, inline=True)
        self.store = FileStore(folder / "content", free_space_floor_bytes=0)
        self.outside = TombstoneFile(tombstones_file(folder / "ipsync.db"))
        self.store_lock = asyncio.Lock()
        self.metrics = Metrics()
        self.requests_per_hour = 1000.0
        self.configure(RULES)

    def close(self) -> None:
        self.catalog.close_now()
        self.store.close()

    async def boot(self) -> None:
        """What stands between a start and the first answer: a new epoch, then the gate itself."""
        mark = ClockMark.decode(self.catalog.read_now(lambda view: view.note(CLOCK_NOTE)))
        epoch = await self.catalog.take_epoch()
        self.belonging = Belonging(self.catalog, self.store, self.clock)
        ground = Ground(
            epoch=epoch,
            alive_at=mark.instant if mark else None,
            fence=self.store.fence,
            behind=lambda: 0,
            check=lambda: self.catalog.check_within(10.0),
            beat=self._beat,
        )
        jobs = (self.tombstones, self._expiry, self._purge, self._orphans, self.belonging)
        told = Told(lambda _status: None, lambda: None, lambda: False)
        await BootGate(ground, self.catalog, self.clock, self.rules.lease, jobs).run(told)

    async def _beat(self) -> None:
        mark = ClockMark(self.clock.now(), 0, "one boot").encode()
        await self.catalog.write(lambda tx: tx.set_note(CLOCK_NOTE, mark))

    async def stop(self) -> None:
        """The orderly end."""
        await self.belonging.renew(0, stopped=True)
        self.close()


async def prepare(folder: Path) -> tuple[FakeSource, FakeClock]:
    """A mirror of two members in `folder`, closed in order. Returns the ipernity it mirrors."""
    house = Household(folder, store=FileStore(folder / "content", free_space_floor_bytes=0))
    for member, documents in ((STAYS, 8), (LEAVES, 3)):
        house.source.add_account(member)
        for _ in range(documents):
            number = max(house.source.documents, default=1000) + 1
            house.source.add_document(member, title=f"title-mark-{number}-")
        await house.authorize(member)
    await house.mirror()
    house.close()
    house.store.close()  # type: ignore[attr-defined]  # reason: it is a FileStore
    return house.source, house.clock


def owners_act(source: FakeSource, step: int) -> None:
    """What members do before a step of the story."""
    if step == 1:
        source.add_document(STAYS, title="title-mark-new-")
    elif step == 2:
        source.delete(GONE[0])
        source.share(GONE[1], Visibility.PRIVATE)
        source.replace(REPLACED)
    elif step == 4:
        source.revoke(LEAVES)


STEPS = 5


async def tell_story(folder: Path, source: FakeSource, clock: FakeClock, pipe: int) -> None:
    """Open the mirror and live through it; after each step, tell what is promised by now.

    A failure that is foreseen ends the process, as it ends the daemon; anything else is a finding.
    """
    try:
        house = Mirror(folder, source, clock)
        await house.boot()
        for step in range(1, STEPS + 1):
            owners_act(source, step)
            await _step(house, step)
            gone = house.catalog.read_now(lambda view: view.removals(stages={Stage.GONE}, limit=1000))
            told = {"step": step, "gone": sorted({entry.removal_id for entry in gone})}
            os.write(pipe, json.dumps(told).encode() + b"\n")
        await house.stop()
    except (CatalogFailure, StoreFailure, OSError):
        os._exit(REFUSED)


async def _step(house: Mirror, step: int) -> None:
    if step == 1:
        await house.mirror()
    elif step == 2:
        await house.sync()
        await house.confirm()
        await house.purge()
    elif step == 3:
        house.passes(SECOND)
        await house.requests.file(Subject(RequestScope.DOCUMENT, GONE[2]), Words())
        await house.purge()
    elif step == 4:
        await house.tick()
        await house.tick()
    else:
        await house.mirror()
        await house.tombstones.compact()
        await house.orphans()


@dataclass(frozen=True, slots=True)
class Promise:
    """What the interrupted process had told before it ended."""

    step: int = 0
    gone: tuple[int, ...] = ()

    @classmethod
    def of(cls, told: bytes) -> "Promise":
        """The last whole line that was told."""
        lines = [line for line in told.splitlines(keepends=True) if line.endswith(b"\n")]
        if not lines:
            return cls()
        last: dict[str, Any] = json.loads(lines[-1])
        return cls(last["step"], tuple(last["gone"]))


async def recover(folder: Path, source: FakeSource, clock: FakeClock, promise: Promise) -> list[str]:
    """Start again over what was left, and say what does not hold.

    Args:
        folder: what the interrupted process left.
        source: ipernity as it was before the story.
        clock: as it was then.
        promise: what was told.
    """
    for step in range(1, STEPS + 1):
        owners_act(source, step)
    clock.jump(HOUR)
    house = Mirror(folder, source, clock)
    try:
        await house.boot()
        wrong = _after_boot(house, promise)
        before = _records(house)
        await house.boot()
        if _records(house) != before:
            wrong.append("I11: a second boot gate changed something")
        if promise.step < 3:  # whoever asked got no receipt: they ask again
            house.passes(SECOND)
            await house.requests.file(Subject(RequestScope.DOCUMENT, GONE[2]), Words())
        for _ in range(3):
            await house.tick()
            house.passes(11 * HOUR)
        await house.mirror()
        await house.tick()
        wrong += _in_the_end(house)
        ledger = await check_ledger(house.catalog, read_heads(folder / "ipsync.db-heads"), is_signed)
        wrong += [f"I8: {finding}" for finding in ledger.findings]
    finally:
        house.close()
    wrong += _left(folder)
    return wrong


def _after_boot(house: Mirror, promise: Promise) -> list[str]:
    wrong = []
    gone = {entry.removal_id for entry in house.catalog.read_now(lambda view: view.removals(stages={Stage.GONE}))}
    if missing := set(promise.gone) - gone:
        wrong.append(f"F1: removals {sorted(missing)} were called gone and are not")
    held = house.held()
    for document_id, rendition in house.served_files():
        entry = next(file for file in held[document_id].renditions if file.file.rendition == rendition)
        try:
            with house.store.open(ContentKey(held[document_id].document.account_id, document_id, rendition)) as file:
                content = file.read()
        except StoreFailure as failure:
            wrong.append(f"I5: a file of {document_id} is said to be served and is not there: {failure}")
            continue
        if content not in {content_of(document_id, version, rendition) for version in (1, 2)}:
            wrong.append(f"I5: a file of {document_id} is served and is not what was stored")
        if entry.size_bytes != len(content):
            wrong.append(f"I5: a file of {document_id} is not as long as its row says")
    rows = {(number, file.file.rendition) for number, entry in held.items() for file in entry.renditions}
    for key in house.keys_on_disk():
        if (key.document_id, key.rendition) not in rows:
            wrong.append(f"I5: a file of {key.document_id} has no row")
    return wrong


def _records(house: Mirror) -> object:
    return house.held(), house.removals(*range(1001, 1020)), house.keys_on_disk()


def _in_the_end(house: Mirror) -> list[str]:
    wrong = []
    truth = {
        document.document_id
        for document in house.source.documents.values()
        if document.account_id == STAYS and document.visibility is Visibility.PUBLIC
    } - {GONE[2]}
    if house.served() != truth:
        wrong.append(f"I7: served {sorted(house.served())}, permitted {sorted(truth)}")
    if house.on_disk() != truth:
        wrong.append(f"I3: on disk {sorted(house.on_disk())}, permitted {sorted(truth)}")
    for document_id in GONE:
        ended = [entry for entry in house.removals(document_id) if entry.stage is Stage.GONE]
        if len(ended) != 1:
            wrong.append(f"I8: {len(ended)} removals of {document_id} ended as gone")
    return wrong


def _left(folder: Path) -> list[str]:
    """Marks of what is gone, in every byte of every file, after the last process has ended."""
    marks = {mark: number for number in GONE for mark in marks_of(number)}
    marks |= {f"canary of {REPLACED} version 1 ".encode(): REPLACED}
    marks |= {f"title-mark-{number}-".encode(): number for number in (1009, 1010, 1011)}
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            held = path.read_bytes()
            found += [f"T10: a mark of {marks[mark]} is left in {path.name}" for mark in marks if mark in held]
    return found
