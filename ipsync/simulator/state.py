"""Everything the simulated service knows, and the changes that its own pages and its staff make.

No permissions and no error codes here: those are in `dispatcher.py` and `methods/`.
"""

import hashlib
from dataclasses import dataclass

from ipsync.simulator.clock import MINUTE, SECOND, Now
from ipsync.simulator.containers import Post, seeded_shelves
from ipsync.simulator.documents import UploadedFile
from ipsync.simulator.library import Library
from ipsync.simulator.members import Frob, Member, Token, seeded_application, seeded_members
from ipsync.simulator.seeds import Seeds

FROB_LIFE = 10 * MINUTE


@dataclass(slots=True)
class Upload:
    """A file on its way to become a document (or, with `replaces`, its new version).

    Args:
        ready_at: microseconds since the epoch.
        size: of the file, in bytes.
        original: None if the file turned out to be no good, and when the work is done.
        params: what was said about it when it was sent.
        document_id: set when the work is done.
    """

    ticket: str
    owner: Member
    ready_at: int
    kind: str
    size: int
    original: UploadedFile | None
    params: dict[str, str]
    replaces: int | None = None
    document_id: int | None = None
    done: bool = False


class State:
    """The whole of a simulated ipernity.

    Args:
        seed: same seed, same world.
        members: how many members, at least 1.
        documents: how many documents each has.
        now: the present instant in microseconds.
        callback: where the web flow of authorization returns to; None: desktop flow only.
        upload_seconds: how long an upload is being worked on.
    """

    def __init__(
        self, seed: int, members: int, documents: int, now: Now, callback: str | None = None, upload_seconds: float = 0
    ) -> None:
        self.seeds = Seeds(seed, members, documents)
        self.now = now
        self.upload_time = int(upload_seconds * SECOND)
        self.application = seeded_application(self.seeds, callback)
        self.members = seeded_members(self.seeds)
        self.library = Library(self.seeds, self.members)
        self.shelves = seeded_shelves(self.seeds, self.members, self.library)
        self.tokens: dict[str, Token] = {}
        self.frobs: dict[str, Frob] = {}
        self.uploads: dict[str, Upload] = {}
        self.pending: list[Upload] = []
        self.base_url = "http://127.0.0.1"
        self._issued = 0
        self._by_id = {member.user_id: member for member in self.members}
        self._by_name = {member.username: member for member in self.members}
        self._by_cookie = {member.cookie: member for member in self.members}

    def now_seconds(self) -> int:
        """Return the present instant in seconds since the epoch."""
        return self.now() // SECOND

    def issue(self, label: str) -> str:
        """Return 24 hexadecimal digits that were never issued before; the same seed issues the same ones."""
        self._issued += 1
        return self.seeds.digest(label, self._issued)[:12].hex()

    def member(self, user_id: int) -> Member | None:
        """Return the member with this id, or None."""
        return self._by_id.get(user_id)

    def member_called(self, name: str) -> Member | None:
        """Return the member with this id or username, or None."""
        if name.isascii() and name.isdigit():
            return self.member(int(name))
        return self._by_name.get(name)

    def member_with_cookie(self, cookie: str) -> Member | None:
        """Return the member who is signed in with this cookie, or None."""
        return self._by_cookie.get(cookie)

    def page_secret(self, *parts: str) -> str:
        """Return a value for a page's hidden field that nobody can make who does not know the world."""
        text = "\0".join((self.application.secret, *parts))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def new_frob(self) -> Frob:
        """Return a new frob that a member may approve."""
        now = self.now()
        for value in [value for value, frob in self.frobs.items() if frob.expires_at <= now]:
            del self.frobs[value]
        frob = Frob(self.issue("frob"), now + FROB_LIFE)
        self.frobs[frob.value] = frob
        return frob

    def waiting_frob(self, value: str) -> Frob | None:
        """Return the frob if it is known, in time and not approved yet."""
        frob = self.frobs.get(value)
        if frob is None or frob.member is not None or frob.expires_at <= self.now():
            return None
        return frob

    def approve(self, frob: Frob, member: Member, permissions: dict[str, str]) -> None:
        """Note that a member grants these permissions (realm to level) to whoever brings the frob."""
        frob.member = member
        frob.permissions = dict(permissions)

    def redeem(self, value: str) -> Token | None:
        """Turn an approved frob into a token, once; None if it is unknown, too old, used or not approved."""
        frob = self.frobs.get(value)
        if frob is None or frob.member is None or frob.expires_at <= self.now():
            return None
        del self.frobs[value]
        return self.grant(frob.member, frob.permissions)

    def grant(self, member: Member, permissions: dict[str, str]) -> Token:
        """Return a new token, as if the member had gone through the authorization page."""
        token = Token(f"{member.user_id}-{self.issue('token')}", member, dict(permissions))
        self.tokens[token.value] = token
        return token

    def add_post(self, owner: Member, title: str, text: str, share: int) -> Post:
        """Let a member publish an article; the API has no method for that."""
        now_seconds = self.now_seconds()
        post = Post(self.shelves.next_id(), owner, title, text, share, now_seconds, now_seconds)
        self.shelves.posts[post.post_id] = post
        return post

    def revoke(self, member: Member) -> int:
        """Take back all that a member granted; return how many tokens died."""
        dead = [value for value, token in self.tokens.items() if token.member is member]
        for value in dead:
            del self.tokens[value]
        for value in [value for value, frob in self.frobs.items() if frob.member is member]:
            del self.frobs[value]
        return len(dead)
