"""What must never happen, judged by somebody who knows only ipernity's truth, what was served and what is stored.

It knows nothing of states, removals, listings or plans, and no rule of the product but the promise itself.
"""

import re
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ipsync.policy.entries import subject_words
from ipsync.policy.instants import HOUR, MINUTE, SECOND, Duration, Instant
from ipsync.ports.store import ContentKey
from ipsync.simulator.containers import Post
from ipsync.simulator.documents import PUBLIC, Document
from ipsync.simulator.world import Answer, World
from tests.simulation.life import Life, files_on_disk
from tests.simulation.machine import Machine
from tests.simulation.network import Line, content_of, is_whole
from tests.simulation.records import Receipts
from tests.simulation.shelf import Shelf
from tests.simulation.verdict import (
    ASKED_AWAY_GRACE,
    ERASED_AT,
    GONE_AT,
    KNOWN_AFTER,
    LAW,
    NEVER,
    NOTICED_IN,
    REMEMBERED,
    SERVED_FOR,
    WAKING,
    Broken,
    hours,
)

PERMITTED_LICENSES = frozenset({1, 3, 5, 7, 9, 11, 255})

_VERSION = re.compile(rb"(\d+) ([0-9a-z]+) (tok-[0-9a-f]+) version (\d+)")


class _Entry(msgspec.Struct):
    doc_id: str


class _Docs(msgspec.Struct):
    doc: list[_Entry] = []


class _Named(msgspec.Struct):
    docs: _Docs | None = None
    doc: _Entry | None = None


_decode = msgspec.json.Decoder(_Named).decode


@dataclass
class Figures:
    """What a story came to.

    Attributes:
        served_age: the longest that something was served after its owner took it away, microseconds.
        stored_age: the longest that something was stored after it.
        wrong: files erased that their owner shared all along and ipernity had named in time.
    """

    checks: int = 0
    lost: int = 0
    erased: int = 0
    wrong: int = 0
    served_age: Duration = 0
    stored_age: Duration = 0
    verified_age: Duration = 0


@dataclass
class _File:
    appeared_after: Instant
    lease_at: Instant
    path: str


@dataclass
class Oracle:
    """The judge of one story."""

    machine: Machine
    world: World
    line: Line
    tell: Callable[..., None] = lambda *_: None
    caps: Mapping[Duration, int] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    permitted: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)
    owners: dict[int, int] = field(default_factory=dict)
    lost_at: dict[int, Instant] = field(default_factory=dict)
    ever_lost_at: dict[int, Instant] = field(default_factory=dict)
    asked_away: dict[int, Instant] = field(default_factory=dict)
    members_away: dict[int, Instant] = field(default_factory=dict)
    consented: set[int] = field(default_factory=set)
    replaced: dict[int, dict[int, Instant]] = field(default_factory=dict)
    named_at: dict[int, tuple[Instant, Instant]] = field(default_factory=dict)
    critical: list[Instant] = field(default_factory=list)
    tokens: dict[int, str] = field(default_factory=dict)
    calm_since: Instant = 0
    receipts: Receipts = field(default_factory=Receipts)
    singly_named_counts: bool = True
    """Whether whoever asks about one document asks for its lease; who fetches details renews none."""

    def __post_init__(self) -> None:
        self._files: dict[ContentKey, _File] = {}
        self._open: set[int] = set()
        self.shelf = Shelf(self.world, lambda member: member in self._open)
        self._looked_at = self.machine.now
        self._excused_until: Instant = 0
        self._sent: dict[Duration, list[Instant]] = {length: [] for length in self.caps}
        self._fresh: deque[tuple[Instant, int]] = deque()
        self._known_at: dict[int, tuple[Instant, Instant]] = {}
        self._copy: dict[int, tuple[Instant, Instant]] = {}
        self._stepped_at: list[Instant] = []
        self._quiet_until: Instant = 0
        self._refused: list[tuple[Instant, Instant]] = []
        self._woke_at: Instant = NEVER
        self._refusals = 0
        self._refusals_in_copy = 0
        self.lease_now: Callable[[], Instant] = lambda: self.machine.now
        self.found: Broken | None = None
        self.line.on_sent = self.sent
        self.line.on_answer = self.answered

    # truth

    def look(self) -> None:
        """Take note of what may be mirrored now, and since when what was permitted is not any more."""
        now, state = self.machine.now, self.world.state
        granted = {token.member.user_id for token in state.tokens.values()} & self.consented
        permitted: set[int] = set()
        self._open = {
            member.user_id
            for member in state.members
            if member.user_id in granted and not member.closed and member.user_id not in self.members_away
        }
        for member in state.members:
            is_open = member.user_id in self._open
            for document in state.library.documents_of(member):
                number = document.document_id
                if number not in self.owners:
                    self.owners[number] = member.user_id
                    self.tokens[number] = document.token
                if is_open and number not in self.asked_away and may_be_mirrored(document):
                    permitted.add(number)
        for number in self.permitted - permitted:
            self.lost_at[number] = self.ever_lost_at[number] = now
            self.figures.lost += 1
            self.critical += [now + NOTICED_IN, now + SERVED_FOR + 1, now + LAW + 1]
        for number in permitted:
            self.lost_at.pop(number, None)
        self.permitted = permitted
        self.known |= permitted
        if self.shelf.look(now):
            self.critical += [now + NOTICED_IN, now + SERVED_FOR + 1, now + LAW + 1]

    def was_replaced(self, number: int, before: int) -> None:
        """A document has another file now; the one called `before` must go."""
        now = self.machine.now
        self.replaced.setdefault(number, {})[before] = now
        self.ever_lost_at[number] = now
        self.critical += [now + SERVED_FOR + 1, now + LAW + 1]

    def was_reworded(self, post: Post) -> None:
        """An article is about to have other words; those it has must go."""
        now = self.machine.now
        self.shelf.reworded(post, now)
        self.critical += [now + SERVED_FOR + 1, now + LAW + 1]

    def asked(self, number: int) -> None:
        """An owner asked for one document."""
        self.asked_away[number] = self.machine.now
        self.ever_lost_at[number] = self.machine.now

    def excuse(self, duration: Duration) -> None:
        """What is erased from now on for a while is not wrong: the operator put back an older database, or so."""
        self._excused_until = self.machine.now + duration

    def woke(self) -> None:
        """The machine slept: what came of age meanwhile is hidden at once, and erased by the next run of the jobs."""
        self._woke_at = self.machine.now

    def lost_since(self, number: int) -> Instant:
        """Since when a document that is not permitted has not been."""
        return self.lost_at.get(number, NEVER)

    # the line

    def sent(self, method: str, _params: Mapping[str, str]) -> None:
        """I6: no more requests than the caps allow, and none right after a refusal."""
        now = self.machine.now
        if now < self._quiet_until:
            self.find(
                Broken("I6", f"{method} was sent {(self._quiet_until - now) / SECOND:.1f} s before a pause ended")
            )
        for length, cap in self.caps.items():
            sent = self._sent[length]
            sent.append(now)
            while sent[0] <= now - length:
                del sent[0]
            steps = sum(at > now - 2 * length for at in self._stepped_at)
            if len(sent) > cap * (1 + steps):
                self.find(Broken("I6", f"{len(sent)} requests within {length / SECOND:g} s, {cap} are allowed"))

    def find(self, broken: Broken) -> None:
        """Remember the first of what was found inside the product's own work."""
        self.found = self.found or broken

    def counts_are_lost(self) -> None:
        """The wall clock was set forward, or the counts of requests were put back: windows end early."""
        self._stepped_at.append(self.machine.now)
        self._quiet_until = 0  # a pause of an hour is over two hours later, by that clock

    def answered(self, sent_at: Instant, method: str, _params: Mapping[str, str], answer: Answer) -> None:
        """Note which documents an answer really named, and whether it was a refusal."""
        self._settle()
        if not is_whole(answer):
            return
        try:
            msgspec.json.decode(answer.body)
        except msgspec.MsgspecError:
            return  # cut off: nobody can tell what it would have said
        if b'"code":"112"' in answer.body[:80] or b'"code":"113"' in answer.body[:80]:
            first = MINUTE if b'"code":"112"' in answer.body[:80] else SECOND
            self._refusals += 1
            self._refused.append((self.machine.now, self._quiet_until))
            pause = min(first << min(self._refusals - 1, 20), HOUR if first == MINUTE else 30 * MINUTE)
            self._quiet_until = max(self._quiet_until, self.machine.now + pause * 9 // 10)
            return
        self._refusals = 0
        if not method.startswith("doc."):
            self.shelf.answered(sent_at, method, answer.body)
            return
        try:
            named = _decode(answer.body)
        except msgspec.MsgspecError:
            return
        entries = named.docs.doc if named.docs else [named.doc] if named.doc else []
        lease_at = self.lease_now() - (self.machine.now - sent_at)
        for number in (int(entry.doc_id) for entry in entries):
            if sent_at < self.named_at.get(number, (NEVER, 0))[0]:
                continue  # a slow answer, overtaken by one to a later question
            if lease_at - self.named_at.get(number, (0, lease_at))[1] >= ERASED_AT:
                self.ever_lost_at[number] = self.machine.now  # too late: it was doomed before this was asked
            self.named_at[number] = sent_at, lease_at
            if named.docs or self.singly_named_counts:
                self._fresh.append((self.machine.now, number))

    def _settle(self) -> None:
        """What was answered a while ago is known to the product for good, unless it died meanwhile."""
        while self._fresh and self._fresh[0][0] < self.machine.now - KNOWN_AFTER:
            _, number = self._fresh.popleft()
            self._known_at[number] = self.named_at[number]

    def died(self) -> None:
        """The process died: what it was told last may never have become durable."""
        self._fresh.clear()
        if self._refusals and self._refused[-1][0] > self.machine.now - KNOWN_AFTER:
            # So may the newest refusal: then the pause of the one before it is all that was known.
            self._refusals -= 1
            self._quiet_until = min(self._quiet_until, self._refused[-1][1])

    def copied(self) -> None:
        """The operator copied the database: what it knows now may come back."""
        self._settle()
        self._copy = dict(self._known_at)
        self._refusals_in_copy = self._refusals

    def put_back(self) -> None:
        """The operator put the copy back: nobody knows what was answered since, and counts of requests are old."""
        self._known_at = self._copy
        self._refusals = min(self._refusals, self._refusals_in_copy)  # pauses grow anew from what the copy knows
        self.excuse(2 * HOUR)
        self.counts_are_lost()

    # the promise

    def check(self, life: Life) -> None:
        """Everything that must hold at any moment at which the daemon serves."""
        if self.found is not None:
            raise self.found
        if not life.is_serving:
            return
        self.figures.checks += 1
        self.lease_now = life.now
        self.check_served(life)
        self.check_stored(life)

    def check_served(self, life: Life) -> None:
        """I1, I3, I4: what would be shown now."""
        now = self.machine.now
        self.shelf.check_served(life, now, self.members_away, self.calm_since)
        for number, held in life.served().items():
            self._check_shown(number, held.document.verified_at, now)
            for rendition in held.renditions:
                if held.stored(rendition.file.rendition) is None:
                    continue
                key = ContentKey(held.document.account_id, number, rendition.file.rendition)
                self._check_version(number, life.machine.folder / "content" / _path(key), now, SERVED_FOR, "served")

    def _check_shown(self, number: int, verified_at: Instant, now: Instant) -> None:
        asked_at = self.asked_away.get(number) or self.members_away.get(self.owners[number])
        if asked_at is not None and now - asked_at > ASKED_AWAY_GRACE:
            raise Broken("I4", f"document {number} is served {hours(now - asked_at)} after its owner asked")
        if number not in self.permitted:
            if number not in self.known:
                raise Broken("I3", f"document {number} is served, and never might be")
            age = now - self.lost_since(number)
            if age >= SERVED_FOR:
                raise Broken("I3", f"document {number} is served {hours(age)} after it was taken away")
            if age >= NOTICED_IN and now - max(self.calm_since, self.lost_since(number)) >= NOTICED_IN:
                raise Broken("I7", f"document {number} is served {hours(age)} after it went, and nothing failed")
            self.figures.served_age = max(self.figures.served_age, age)
        verified_age = now - self.named_at.get(number, (NEVER, 0))[0]
        if verified_at > self.named_at.get(number, (0, NEVER))[1]:
            raise Broken("I1", f"document {number} counts as verified later than any request that named it was sent")
        if verified_age >= SERVED_FOR:
            raise Broken("I1", f"document {number} is served, and ipernity named it {hours(verified_age)} ago")
        self.figures.verified_age = max(self.figures.verified_age, verified_age)

    def check_stored(self, life: Life) -> None:
        """I2, I3, I4, I10: what lies on the disk, in files and rows."""
        now, files = self.machine.now, files_on_disk(self.machine)
        if now - self._woke_at < WAKING:
            self._check_erased(files, life)
            return
        for key, path in files.items():
            number = key.document_id
            if number not in self.permitted:
                self._check_kept(number, now, "a file")
            age = now - self.named_at.get(number, (NEVER, 0))[0]
            if age >= GONE_AT:
                raise Broken("I2", f"a file of document {number} is there, and ipernity named it {hours(age)} ago")
            self._check_version(number, Path(path), now, LAW, "stored")
        rows = _rows(life)
        for number in rows:
            if number not in self.permitted:
                self._check_kept(number, now, "text")
        shelved = self.shelf.check_stored(life, now, self.members_away)
        self.receipts.look({*rows, *shelved, *(key.document_id for key in files)}, now)
        self._check_erased(files, life)

    def _check_kept(self, number: int, now: Instant, what: str) -> None:
        age = now - self.lost_since(number)
        if age > LAW:
            raise Broken("I3", f"{what} of document {number} is there {hours(age)} after it was taken away")
        self.figures.stored_age = max(self.figures.stored_age, age)
        asked_at = self.asked_away.get(number) or self.members_away.get(self.owners.get(number, 0))
        if asked_at is not None and now - asked_at > 2 * HOUR:
            raise Broken("I4", f"{what} of document {number} is there {hours(now - asked_at)} after its owner asked")

    def _check_version(self, number: int, path: Path, now: Instant, limit: Duration, word: str) -> None:
        """I3 for files that were replaced: the old version must go, and no other document's may come."""
        versions = self.replaced.get(number)
        if not versions or ".incoming" in path.parts:
            return
        try:
            found = _VERSION.search(path.read_bytes())
        except FileNotFoundError:
            return
        if found is None or int(found[1]) != number:
            raise Broken("I5", f"a file of document {number} is not what was fetched")
        replaced_at = versions.get(int(found[4]))
        if replaced_at is not None and now - replaced_at > limit:
            raise Broken("I3", f"an old version of {number} is {word} {hours(now - replaced_at)} after it was replaced")

    def _check_erased(self, files: Mapping[ContentKey, str], life: Life) -> None:
        """I10: what went was taken away, or was not verified for 22 hours, or was past its time to live."""
        now, lease_now = self.machine.now, life.now()
        self._settle()
        ttl = life.works.rules.ttl
        for key in self._files.keys() - files.keys():
            number, before = key.document_id, self._files.pop(key)
            self.figures.erased += 1
            self.tell("erased", number, key.rendition)
            if number not in self.permitted or self.ever_lost_at.get(number, NEVER) >= before.appeared_after:
                continue
            if now < self._excused_until or ".incoming" in before.path:
                continue
            named = self._known_at.get(number, (NEVER, NEVER))
            if lease_now - named[1] >= ERASED_AT or now - named[0] >= ERASED_AT:
                continue
            if lease_now - before.lease_at >= min(ttl.thumbnail, ttl.original, ttl.media):
                continue
            if key.account_id in self._let_go(life):
                continue
            self.figures.wrong += 1
            raise Broken("I10", f"file {key.rendition} of document {number} was erased for no reason")
        for key in files.keys() & self._files.keys():
            if ".incoming" in self._files[key].path and ".incoming" not in files[key]:
                del self._files[key]  # it is whole now, which makes it another file
        for key in files.keys() - self._files.keys():
            self._files[key] = _File(self._looked_at, lease_now - (now - self._looked_at), files[key])
        self._looked_at = now

    def _let_go(self, life: Life) -> set[int]:
        """Accounts that wait for a budget: they may, where ipernity refused requests not long ago (design §5, F20)."""
        if not self._refused or self._refused[-1][0] < self.machine.now - REMEMBERED:
            return set()
        query = "SELECT account_id FROM account WHERE state = 'waiting'"
        return {row[0] for row in life.base.catalog._look(lambda connection: _all(connection, query))}

    def check_agreement(self, life: Life) -> None:
        """I5: every file has a row, every row of a live document its whole file."""
        if not life.is_serving or life.runner is None or not life.runner.is_quiet:
            return
        everything = files_on_disk(self.machine)
        files = {key: path for key, path in everything.items() if ".incoming" not in path}
        rows = life.base.catalog._look(_stored_rows)
        for number in {key.document_id for key in everything.keys() - files.keys()} - set(_rows(life)):
            raise Broken("I5", f"a part of a file of document {number} is there, and the document is not")
        for key in files.keys() - rows.keys():
            raise Broken("I5", f"file {key} has no row")
        for key, (size_bytes, state, digest) in rows.items():
            if state != "stored":
                continue
            if key not in files:
                raise Broken("I5", f"row {key} has no file")
            if Path(files[key]).stat().st_size != size_bytes or life.base.store.digest(key) != digest:
                raise Broken("I5", f"file {key} is not what was stored")

    def check_everything_is_there(self, life: Life) -> None:
        """I7: all that is permitted is served in its newest version, and nothing else is held."""
        self.check(life)
        self.shelf.check_everything_is_there(life)
        served = life.served()
        let_go = self._let_go(life)
        missing = {number for number in self.permitted - served.keys() if self.owners.get(number) not in let_go}
        if missing:
            raise Broken("I7", f"{len(missing)} documents are not served though nothing fails, e.g. {min(missing)}")
        for number, held in served.items():
            document = self.world.state.library.get(number)
            for name in life.works.rules.view.renditions:
                stored = held.stored(name)
                if document is None or stored is None:
                    raise Broken("I7", f"file {name} of document {number} is not there though nothing fails")
                with life.base.store.open(ContentKey(held.document.account_id, number, name)) as file:
                    if file.read() != content_of(document, name):
                        raise Broken("I7", f"file {name} of document {number} is not the newest")
        for number in [*_rows(life), *(key.document_id for key in files_on_disk(self.machine))]:
            if number not in self.permitted:
                raise Broken("I7", f"document {number} is still held though nothing fails")

    def check_words(self, life: Life) -> None:
        """The words of documents that are gone lie nowhere: not in the database, nor in its log."""
        if not life.is_serving or life.runner is None or not life.runner.is_quiet:
            return
        held = {*_rows(life), *(key.document_id for key in files_on_disk(self.machine)), *self.shelf.held(life)}
        tokens = {**self.tokens, **self.shelf.tokens}
        owed = {row[0] for row in life.base.catalog._look(_open_removals)}
        content = b"".join(
            path.read_bytes()
            for path in self.machine.folder.glob("ipsync*")
            if path.is_file() and "reserve" not in path.name
        )
        for number in (self.known | self.shelf.known) - held - owed:
            if tokens[number].encode() in content:
                raise Broken("canary", f"words of {subject_words(number)} are left after it was called gone")


def may_be_mirrored(document: Document) -> bool:
    """What the configuration of every story permits."""
    return document.share == PUBLIC and document.license in PERMITTED_LICENSES


def _rows(life: Life) -> list[int]:
    return [
        row[0]
        for row in life.base.catalog._look(lambda connection: _all(connection, "SELECT document_id FROM document"))
    ]


def _all(connection: Any, query: str) -> list[Any]:
    cursor: sqlite3.Cursor = connection.connection.cursor()
    return cursor.execute(query).fetchall()


def _open_removals(connection: Any) -> list[Any]:
    return _all(connection, "SELECT document_id FROM removal WHERE stage NOT IN ('gone', 'withdrawn')")


def _stored_rows(connection: Any) -> dict[ContentKey, tuple[int, str, bytes]]:
    query = (
        "SELECT r.account_id, r.document_id, r.rendition, r.size_bytes, r.state, r.digest FROM rendition r"
        " WHERE r.state IN ('stored', 'erasing')"
    )
    return {ContentKey(*row[:3]): tuple(row[3:]) for row in _all(connection, query)}


def _path(key: ContentKey) -> str:
    return f"{key.account_id}/{key.document_id}/{key.rendition}"
