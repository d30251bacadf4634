"""Who a browser says it is, in a cookie of ours: signed, short-lived, unreadable for scripts.

A cookie holds no secret and no word of a member, only numbers and words of ours, so that nothing has to be remembered
here but which ones were ended, one by one or all of somebody's; that, too, only as long as the process lives, since its
key dies with it and with the key every cookie. A kind of session is part of its signature: a visitor's cookie under a
member's name is nobody's.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from aiohttp import web

from ipsync.policy.instants import HOUR, MINUTE, SECOND, Duration, Instant
from ipsync.ports.clock import Clock
from ipsync.web.place import Place

Kind = Literal["visitor", "flow", "member", "operator"]
"""visitor: anybody who was shown a form; flow: an authorization under way; member: who showed at ipernity who they are;
operator: who showed the admin token."""

LASTS: Mapping[Kind, Duration] = {"visitor": 4 * HOUR, "flow": 15 * MINUTE, "member": 4 * HOUR, "operator": 12 * HOUR}

_SAME_SITE: Mapping[Kind, Literal["Lax", "Strict"]] = {
    "visitor": "Lax",
    "flow": "Lax",
    "member": "Lax",
    "operator": "Strict",
}
"""Members come back from ipernity's page, and must be known then; nobody is led to the operator's from elsewhere."""

_LONGEST_COOKIE = 2048
_ENDED_MOST = 20_000
_ID_BYTES = 18


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie says.

    Attributes:
        subject: whose it is: an account id, "admin", or "" for anybody.
        session_id: a random word; nothing follows from it.
        notes: words of ours that go along.
    """

    kind: Kind
    subject: str
    session_id: str
    expires_at: Instant
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def account_id(self) -> int:
        """The member whose session it is; 0 for anything but a member's."""
        return int(self.subject) if self.kind == "member" and self.subject.isdigit() else 0


class Sessions:
    """Makes, reads and ends sessions."""

    def __init__(self, key: bytes, clock: Clock, place: Place) -> None:
        """Begin with none ended.

        Args:
            key: signs cookies; whoever has it can be anybody.
            clock: by which they end.
            place: decides whether they may travel in clear.
        """
        self._key = key
        self._clock = clock
        self._place = place
        # By kind: who floods one that anybody can have makes room in no other.
        self._ended: dict[Kind, dict[str, Instant]] = {kind: {} for kind in LASTS}
        self._all_ended: dict[tuple[Kind, str], Instant] = {}

    def new(self, kind: Kind, subject: str = "", notes: Mapping[str, str] | None = None) -> Session:
        """Make a session; `give` hands it to a browser."""
        expires_at = self._clock.now() + LASTS[kind]
        return Session(kind, subject, secrets.token_urlsafe(_ID_BYTES), expires_at, notes or {})

    def give(self, response: web.StreamResponse, session: Session) -> None:
        """Have the browser keep `session`, in place of one of the same kind."""
        left = max(1, (session.expires_at - self._clock.now()) // SECOND)
        response.set_cookie(
            self._name(session.kind),
            self._write(session),
            max_age=left,
            path=self._place.cookie_path,
            secure=self._place.is_encrypted,
            httponly=True,
            samesite=_SAME_SITE[session.kind],
        )

    def replace(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        """Give `session` to a browser that signs in, and end the one of the same kind that it had until now."""
        before = self.read(request, session.kind)
        if before is not None:
            self.end(before)
        self.give(response, session)

    def read(self, request: web.Request, kind: Kind) -> Session | None:
        """Give the session of this kind that the browser showed; None when it is none, forged, over or ended."""
        text = request.cookies.get(self._name(kind), "")
        if not text or len(text) > _LONGEST_COOKIE:
            return None
        session = self._parse(text, kind)
        if session is None or session.expires_at <= self._clock.now() or session.session_id in self._ended[kind]:
            return None
        all_ended_at = self._all_ended.get((kind, session.subject))
        if all_ended_at is not None and session.expires_at - LASTS[kind] <= all_ended_at:
            return None
        return session

    def end(self, session: Session) -> bool:
        """End a session for good, whoever still holds its cookie. Returns False when it was ended before."""
        now, ended = self._clock.now(), self._ended[session.kind]
        if session.session_id in ended:
            return False
        if len(ended) >= _ENDED_MOST:
            ended = self._ended[session.kind] = {known: until for known, until in ended.items() if until > now}
        while len(ended) >= _ENDED_MOST:
            # The oldest were begun first and end first.
            del ended[next(iter(ended))]
        ended[session.session_id] = session.expires_at
        return True

    def end_all(self, kind: Kind, subject: str) -> None:
        """End every session of somebody that was begun until now, in whatever browser."""
        now = self._clock.now()
        self._all_ended = {key: at for key, at in self._all_ended.items() if at + LASTS[key[0]] > now}
        self._all_ended[kind, subject] = now

    def sign_out(self, response: web.StreamResponse, session: Session, *, everywhere: bool = False) -> None:
        """End a session, or all of whose it is, and have the browser forget its cookie and the pictures it keeps."""
        self.end(session)
        if everywhere:
            self.end_all(session.kind, session.subject)
        self.take_away(response, session.kind)
        response.headers["Clear-Site-Data"] = '"cache"'

    def take_away(self, response: web.StreamResponse, kind: Kind) -> None:
        """Have the browser forget its cookie of this kind."""
        response.del_cookie(
            self._name(kind),
            path=self._place.cookie_path,
            secure=self._place.is_encrypted,
            httponly=True,
            samesite=_SAME_SITE[kind],
        )

    def crumb(self, session: Session) -> str:
        """Give what a form must bring back to show that this session was shown the form."""
        return _text(hmac.digest(self._key, f"crumb\0{session.kind}\0{session.session_id}".encode(), "sha256"))

    def is_crumb(self, session: Session, given: str) -> bool:
        """Whether a form brought back the crumb of `session`."""
        return hmac.compare_digest(self.crumb(session).encode(), given.encode("utf-8", "surrogatepass"))

    def _name(self, kind: Kind) -> str:
        # Browsers take cookies of these names only over https, and __Host- from nobody but this very host.
        prefix = "" if not self._place.is_encrypted else "__Secure-" if self._place.root else "__Host-"
        return f"{prefix}ipsync-{kind}"

    def _write(self, session: Session) -> str:
        said = [session.subject, session.session_id, session.expires_at, dict(session.notes)]
        body = _text(json.dumps(said, separators=(",", ":")).encode())
        return f"{body}.{self._seal(session.kind, body)}"

    def _parse(self, text: str, kind: Kind) -> Session | None:
        body, _, seal = text.partition(".")
        if not hmac.compare_digest(self._seal(kind, body).encode(), seal.encode("utf-8", "surrogateescape")):
            return None
        try:
            subject, session_id, expires_at, notes = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, ValueError, TypeError):
            return None
        return Session(kind, subject, session_id, expires_at, notes)

    def _seal(self, kind: Kind, body: str) -> str:
        said = f"cookie\0{kind}\0{body}".encode("utf-8", "surrogateescape")
        return _text(hmac.digest(self._key, said, "sha256"))


SESSIONS = web.AppKey("SESSIONS", Sessions)
KINDS: tuple[Kind, ...] = get_args(Kind)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
