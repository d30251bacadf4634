"""Albums and articles in a story: what owners do with them, and what must never become of the copies.

The judge of `oracle.py` for what is no document: it knows ipernity's truth, which answers named an album or article,
what the serving path would show and which words lie in the database. Whether something is erased too early (I10) is not
judged here: what was named may still have gone unread.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ipsync.policy.entries import EntryKind, subject_number, subject_words
from ipsync.policy.instants import HOUR, SECOND, Duration, Instant
from ipsync.policy.plain_text import plain_text
from ipsync.simulator.containers import Album, Post
from ipsync.simulator.documents import PUBLIC
from ipsync.simulator.members import Member
from ipsync.simulator.world import World
from ipsync.web.entry_showing import may_show_entry
from tests.simulation.life import Life
from tests.simulation.verdict import (
    ASKED_AWAY_GRACE,
    GONE_AT,
    LAW,
    NEVER,
    NOTICED_IN,
    SERVED_FOR,
    Broken,
    hours,
)

KINDS = (EntryKind.ALBUM, EntryKind.ARTICLE)


class _Posts(msgspec.Struct):
    class _One(msgspec.Struct):
        post_id: str

    post: list[_One] = []


class _Albums(msgspec.Struct):
    class _One(msgspec.Struct):
        album_id: str

    album: list[_One] = []


class _Named(msgspec.Struct):
    posts: _Posts | None = None
    albums: _Albums | None = None


_decode = msgspec.json.Decoder(_Named).decode


@dataclass
class Shelf:
    """The judge of one story's albums and articles.

    Attributes:
        is_mirrored: whether any of them may be held at all.
        owners: of every album and article there ever was, by subject number.
        tokens: that stand in its words.
        versions: of words that were replaced: when, by the words' own number.
    """

    world: World
    is_open: Callable[[int], bool]
    is_mirrored: bool = False
    owners: dict[int, int] = field(default_factory=dict)
    tokens: dict[int, str] = field(default_factory=dict)
    permitted: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)
    lost_at: dict[int, Instant] = field(default_factory=dict)
    replaced: dict[int, dict[str, Instant]] = field(default_factory=dict)
    named_at: dict[int, Instant] = field(default_factory=dict)

    def look(self, now: Instant) -> bool:
        """Take note of what may be mirrored now. Returns whether something is not permitted any more."""
        permitted: set[int] = set()
        for number, one in self._all():
            self.owners.setdefault(number, one.owner.user_id)
            self.tokens.setdefault(number, one.title.rpartition(" ")[2])
            if self.is_mirrored and self.is_open(one.owner.user_id) and self._is_shared(one):
                permitted.add(number)
        lost = self.permitted - permitted
        self.lost_at |= dict.fromkeys(lost, now)
        for number in permitted:
            self.lost_at.pop(number, None)
        self.permitted = permitted
        self.known |= permitted
        return bool(lost)

    def _all(self) -> Iterator[tuple[int, Album | Post]]:
        shelves = self.world.state.shelves
        for album in shelves.albums.values():
            yield subject_number(EntryKind.ALBUM, album.album_id), album
        for post in shelves.posts.values():
            yield subject_number(EntryKind.ARTICLE, post.post_id), post

    def _is_shared(self, one: Album | Post) -> bool:
        """Whether anybody may see the article, or something in the album."""
        if isinstance(one, Post):
            return one.share == PUBLIC and one.posted_at > 0
        held = (self.world.state.library.get(number) for number in one.document_ids)
        return any(document is not None and document.share == PUBLIC for document in held)

    def reworded(self, post: Post, now: Instant) -> None:
        """An article has other words now; those it had must go."""
        number = subject_number(EntryKind.ARTICLE, post.post_id)
        self.replaced.setdefault(number, {})[plain_text(post.text)] = now

    def answered(self, sent_at: Instant, method: str, body: bytes) -> None:
        """Note which albums and articles a list really named."""
        if method not in ("post.getList", "album.getList"):
            return
        try:
            named = _decode(body)
        except msgspec.MsgspecError:
            return
        numbers = (
            [subject_number(EntryKind.ARTICLE, int(one.post_id)) for one in named.posts.post] if named.posts else []
        )
        if named.albums:
            numbers += [subject_number(EntryKind.ALBUM, int(one.album_id)) for one in named.albums.album]
        for number in numbers:
            self.named_at[number] = max(sent_at, self.named_at.get(number, NEVER))

    # the promise

    def check_served(self, life: Life, now: Instant, away: Mapping[int, Instant], calm_since: Instant) -> None:
        """I1, I3, I4, I7: what would be shown now.

        Args:
            life: of the daemon.
            now: true time.
            away: when members asked for everything to go.
            calm_since: since when nothing has failed.
        """
        for number, entry in _shown(life).items():
            named_at = self.named_at.get(number, NEVER)
            asked_at = away.get(entry.account_id)
            name = subject_words(number)
            if asked_at is not None and now - asked_at > ASKED_AWAY_GRACE:
                raise Broken("I4", f"{name} is served {hours(now - asked_at)} after its owner asked")
            if number not in self.known:
                raise Broken("I3", f"{name} is served, and never might be")
            age = now - self.lost_at.get(number, now)
            if age >= SERVED_FOR:
                raise Broken("I3", f"{name} is served {hours(age)} after it was taken away")
            if age >= NOTICED_IN and now - max(calm_since, now - age) >= NOTICED_IN:
                raise Broken("I7", f"{name} is served {hours(age)} after it went, and nothing failed")
            if now - named_at >= SERVED_FOR:
                raise Broken("I1", f"{name} is served, and ipernity named it {hours(now - named_at)} ago")
            self._check_words(number, entry.content.text, now, SERVED_FOR, "served")

    def check_stored(self, life: Life, now: Instant, away: Mapping[int, Instant]) -> set[int]:
        """I2, I3, I4: which words are there. Returns of what."""
        rows = _rows(life)
        for number, text in rows.items():
            name = subject_words(number)
            age = now - self.lost_at.get(number, NEVER if number not in self.permitted else now)
            if age > LAW:
                raise Broken("I3", f"words of {name} are there {hours(age)} after it was taken away")
            named_age = now - self.named_at.get(number, NEVER)
            if named_age >= GONE_AT:
                raise Broken("I2", f"words of {name} are there, and ipernity named it {hours(named_age)} ago")
            asked_at = away.get(self.owners.get(number, 0))
            if asked_at is not None and now - asked_at > 2 * HOUR:
                raise Broken("I4", f"words of {name} are there {hours(now - asked_at)} after its owner asked")
            self._check_words(number, text, now, LAW, "there")
        return {*rows}

    def held(self, life: Life) -> set[int]:
        """Of what words are there."""
        return {*_rows(life)}

    def _check_words(self, number: int, text: str, now: Instant, limit: Duration, word: str) -> None:
        replaced_at = self.replaced.get(number, {}).get(text)
        if replaced_at is not None and now - replaced_at > limit:
            age = hours(now - replaced_at)
            raise Broken(
                "I3", f"words that {subject_words(number)} had before are {word} {age} after they were replaced"
            )

    def check_everything_is_there(self, life: Life) -> None:
        """I7: all that is permitted is served in its newest words, and nothing else is held."""
        shown, state = _shown(life), self.world.state
        if missing := self.permitted - shown.keys():
            raise Broken("I7", f"{subject_words(min(missing))} is not served though nothing fails")
        for number, entry in shown.items():
            if entry.kind is not EntryKind.ARTICLE:
                continue
            if entry.content.text != plain_text(state.shelves.posts[entry.entry_id].text):
                raise Broken("I7", f"the words of {subject_words(number)} are not the newest")
        if rest := _rows(life).keys() - self.permitted:
            raise Broken("I7", f"{subject_words(min(rest))} is still held though nothing fails")


def _shown(life: Life) -> dict[int, Any]:
    now, rules = life.now(), life.works.rules
    if not life.is_serving or not rules.kinds:
        return {}

    def read(view: Any) -> dict[int, Any]:
        accounts = {account.account_id: account for account in view.accounts()}
        return {
            entry.number: entry
            for kind in KINDS
            for entry in view.entries_of(kind, 100_000)
            if may_show_entry(entry, accounts.get(entry.account_id), rules, now)
        }

    return life.base.catalog.read_now(read)


def _rows(life: Life) -> dict[int, str]:
    def look(connection: Any) -> dict[int, str]:
        cursor: sqlite3.Cursor = connection.connection.cursor()
        return dict(cursor.execute("SELECT e.number, t.text FROM entry e LEFT JOIN entry_text t USING (number)"))

    return life.base.catalog._look(look)


def new_article(world: World, owner: Member, version: int, now: Instant, share: int) -> Post:
    """Somebody writes an article."""
    shelves = world.state.shelves
    post_id, at = shelves.next_id(), now // SECOND
    token = f"tok-{post_id:016x}"
    post = Post(post_id, owner, f"On herons {token}", f"Version {version} {token}", share, at, at)
    shelves.posts[post_id] = post
    return post


def new_album(world: World, owner: Member, now: Instant, documents: list[int]) -> Album:
    """Somebody puts documents into an album."""
    shelves = world.state.shelves
    album_id, at = shelves.next_id(), now // SECOND
    token = f"tok-{album_id:016x}"
    album = Album(album_id, owner, f"Herons {token}", f"All of them {token}", at, at, documents)
    shelves.albums[album_id] = album
    return album
