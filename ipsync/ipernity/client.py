"""ipernity, as the jobs see it: one typed method per call that ipsync makes.

No method that changes anything at ipernity is called here, ever (T19). Every request passes the budget gate (T21);
every answer is used whole or not at all (F10, F11), and the send time it carries is the instant of the gate's
permission, which is never later than the sending.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ipsync.ipernity import answers, answers_entries, wire, wire_entries
from ipsync.ipernity.answers import UnfitError
from ipsync.ipernity.failures import ANSWERS, OUTCOMES, QUOTA_CODES, failure_of
from ipsync.ipernity.gate import BudgetGate
from ipsync.ipernity.repeats import repeats_a_name
from ipsync.ipernity.signing import signed, signed_link
from ipsync.ipernity.transport import Transport
from ipsync.policy.documents import Visibility
from ipsync.policy.entries import ENTRIES_PER_PAGE, EntryKind
from ipsync.policy.instants import Instant, seconds
from ipsync.policy.listings import DOCUMENTS_PER_PAGE
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    EntryPage,
    Granted,
    Lane,
    ListingPage,
    Malformed,
    MemberPage,
    Profile,
    QuotaReached,
    Seen,
    SeenEntry,
    SourceFailure,
)

Observe = Callable[[str, str, float], None]
A = TypeVar("A", bound=wire.Envelope)
V = TypeVar("V")


class IpernitySource:
    """Implements `ports.source.Source` on the real API, or on whatever speaks its wire format.

    Args:
        api_url: the base address of the API.
        authorize_url: ipernity's authorization page.
        api_key: the application's key.
        api_secret: the application's secret; it signs and is never sent.
        user_agent: names the application and its operator in printable ASCII (T02).
        timeout_seconds: for one whole request; 60 at most.
        gate: what every request passes.
        clock: whose instants count.
        observe: told after each request that was sent: the API method, the outcome (`ok` or a word
            of `failures.OUTCOMES`), and how long it took in seconds.
    """

    def __init__(
        self,
        *,
        api_url: str,
        authorize_url: str,
        api_key: str,
        api_secret: str,
        user_agent: str,
        timeout_seconds: float,
        gate: BudgetGate,
        clock: Clock,
        observe: Observe | None = None,
    ) -> None:
        self._authorize_url = authorize_url
        self._api_key = api_key
        self._api_secret = api_secret
        self._gate = gate
        self._clock = clock
        self._observe = observe
        self._transport = Transport(api_url, user_agent, timeout_seconds)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def frob(self) -> str:
        """Begin a desktop authorization (auth.getFrob)."""
        return await self._ask(
            "auth.getFrob", {}, None, Lane.INTERACTIVE, wire.AUTH, lambda found, _: answers.frob(found)
        )

    def authorize_url(self, permissions: Mapping[str, str], frob: str | None = None) -> str:
        """The signed address of ipernity's own authorization page (T14); without a frob, the web flow.

        Args:
            permissions: what to ask the member for, level by area, e.g. `{"doc": "read"}`.
            frob: of `frob`, for the desktop flow.
        """
        params = {"api_key": self._api_key}
        params.update((f"perm_{area}", level) for area, level in permissions.items())
        if frob is not None:
            params["frob"] = frob
        return signed_link(self._authorize_url, params, self._api_secret)

    async def exchange(self, frob: str) -> Granted:
        """Turn a frob the member approved into a token (auth.getToken)."""

        def read(answer: wire.AuthAnswer, sent_at: Instant) -> Granted:
            return answers.granted(answer, token=None, sent_at=sent_at)

        return await self._ask("auth.getToken", {"frob": frob}, None, Lane.INTERACTIVE, wire.AUTH, read)

    async def check_grant(self, token: str, lane: Lane = Lane.VERIFICATION) -> Granted:
        """Ask what a token permits now (auth.checkToken)."""

        def read(answer: wire.AuthAnswer, sent_at: Instant) -> Granted:
            return answers.granted(answer, token=token, sent_at=sent_at)

        return await self._ask("auth.checkToken", {}, token, lane, wire.AUTH, read)

    async def profile(self, account_id: int, token: str, lane: Lane = Lane.VERIFICATION) -> Profile:
        """Ask for the member's name and whether the account is closed (user.get)."""

        def read(answer: wire.UserAnswer, sent_at: Instant) -> Profile:
            return answers.profile(answer, account_id=account_id, sent_at=sent_at)

        return await self._ask("user.get", {"user_id": str(account_id)}, token, lane, wire.USER, read)

    async def _seen_profile(self, account_id: int, token: str, lane: Lane) -> SeenEntry:
        """Ask for a member's profile as the entry that it is (user.get)."""

        def read(answer: wire.UserAnswer, sent_at: Instant) -> SeenEntry:
            return answers_entries.seen_profile(answers.profile(answer, account_id=account_id, sent_at=sent_at))

        return await self._ask("user.get", {"user_id": str(account_id)}, token, lane, wire.USER, read)

    async def list_page(
        self,
        account_id: int,
        token: str,
        visibility: Visibility,
        page: int,
        renditions: Sequence[str],
        lane: Lane,
    ) -> ListingPage:
        """Read one page of at most 100 documents of the permitted view (doc.getList with `share`)."""
        extra, thumbnail = answers.extras(renditions)
        params = {
            "user_id": str(account_id),
            "share": str(int(visibility)),
            "per_page": str(DOCUMENTS_PER_PAGE),
            "page": str(page),
            "extra": extra,
        }
        if thumbnail is not None:
            params["thumbsize"] = thumbnail

        def read(answer: wire.ListAnswer, sent_at: Instant) -> ListingPage:
            return answers.listing_page(
                answer,
                account_id=account_id,
                visibility=visibility,
                page=page,
                thumbnail=thumbnail,
                sent_at=sent_at,
            )

        return await self._ask("doc.getList", params, token, lane, wire.LIST, read)

    async def document(self, account_id: int, token: str, document_id: int, lane: Lane) -> Seen:
        """Ask for one document by its owner's token (doc.get)."""
        params = {"doc_id": str(document_id), "extra": "tags,geo,md5"}

        def read(answer: wire.DocAnswer, sent_at: Instant) -> Seen:
            return answers.seen(answer, account_id=account_id, document_id=document_id, sent_at=sent_at)

        return await self._ask("doc.get", params, token, lane, wire.DOC, read)

    async def list_entries(self, kind: EntryKind, account_id: int, token: str, page: int, lane: Lane) -> EntryPage:
        """Read one page of at most 100 of the owner's entries (album, folder, post.getList; user.get)."""
        if kind is EntryKind.PROFILE:
            seen = await self._seen_profile(account_id, token, lane)
            return EntryPage(kind, account_id, seen.sent_at, page, 1, 1, (seen.listed,) if page == 1 else ())
        params = {"user_id": str(account_id), "per_page": str(ENTRIES_PER_PAGE), "page": str(page)}

        def read(found: wire_entries.Containers | wire_entries.Posts | None, sent_at: Instant) -> EntryPage:
            return answers_entries.entry_page(found, kind, account_id=account_id, page=page, sent_at=sent_at)

        if kind is EntryKind.ARTICLE:
            return await self._ask(
                "post.getList", params, token, lane, wire_entries.POSTS, lambda answer, at: read(answer.posts, at)
            )
        if kind is EntryKind.FOLDER:
            return await self._ask(
                "folder.getList", params, token, lane, wire_entries.FOLDERS, lambda answer, at: read(answer.folders, at)
            )
        return await self._ask(
            "album.getList", params, token, lane, wire_entries.ALBUMS, lambda answer, at: read(answer.albums, at)
        )

    async def entry(self, kind: EntryKind, account_id: int, token: str, entry_id: int, lane: Lane) -> SeenEntry:
        """Ask for one entry by its owner's token (album.get, folder.get, post.get, user.get)."""
        if kind is EntryKind.PROFILE:
            return await self._seen_profile(account_id, token, lane)
        if kind is EntryKind.ARTICLE:

            def article(answer: wire_entries.PostAnswer, sent_at: Instant) -> SeenEntry:
                return answers_entries.seen_article(answer, account_id=account_id, entry_id=entry_id, sent_at=sent_at)

            return await self._ask("post.get", {"post_id": str(entry_id)}, token, lane, wire_entries.POST, article)

        def container(answer: wire_entries.ContainerAnswer, sent_at: Instant) -> SeenEntry:
            return answers_entries.seen_container(
                answer, kind, account_id=account_id, entry_id=entry_id, sent_at=sent_at
            )

        params = {f"{kind.value}_id": str(entry_id)}
        return await self._ask(f"{kind.value}.get", params, token, lane, wire_entries.CONTAINER, container)

    async def entry_members(
        self,
        kind: EntryKind,
        account_id: int,
        token: str,
        entry_id: int,
        visibility: Visibility,
        page: int,
        lane: Lane,
    ) -> MemberPage:
        """Read one page of what an album or folder holds (album.docs.getList, folder.albums.getList)."""
        params = {f"{kind.value}_id": str(entry_id), "per_page": str(ENTRIES_PER_PAGE), "page": str(page)}
        method = "folder.albums.getList"
        if kind is EntryKind.ALBUM:
            method = "album.docs.getList"
            params["share"] = str(int(visibility))

        def read(answer: wire_entries.HolderAnswer, sent_at: Instant) -> MemberPage:
            return answers_entries.member_page(answer, kind, entry_id=entry_id, page=page, sent_at=sent_at)

        return await self._ask(method, params, token, lane, wire_entries.HOLDER, read)

    async def _ask(
        self,
        method: str,
        params: dict[str, str],
        token: str | None,
        lane: Lane,
        shape: wire.Shape[A],
        read: Callable[[A, Instant], V],
    ) -> V:
        """Send one request through the gate, and tell gate and observer how it went."""
        params["api_key"] = self._api_key
        if token is not None:
            params["auth_token"] = token
        sent_at = await self._gate.admit(method, lane)
        try:
            body = await self._transport.post(method, signed(params, self._api_secret, method))
            value = understood(method, body, sent_at, shape, read)
        except SourceFailure as failure:
            self._tell(method, OUTCOMES[type(failure)], sent_at)
            if isinstance(failure, QuotaReached):
                await self._gate.refused(failure.code or QUOTA_CODES[1], sent_at)
            elif isinstance(failure, ANSWERS):
                await self._gate.succeeded(sent_at)
            raise
        self._tell(method, "ok", sent_at)
        await self._gate.succeeded(sent_at)
        return value

    def _tell(self, method: str, outcome: str, sent_at: Instant) -> None:
        if self._observe is not None:
            self._observe(method, outcome, seconds(self._clock.now() - sent_at))


def understood(
    method: str,
    body: bytes,
    sent_at: Instant,
    shape: wire.Shape[A],
    read: Callable[[A, Instant], V],
) -> V:
    """Turn a body into a value, or raise the failure it stands for.

    Args:
        method: what was asked.
        body: what came, whole.
        sent_at: when it was asked.
        shape: what the answer must look like.
        read: makes the value of an answer of that shape.

    Raises:
        Malformed: it is no answer to what was asked.
        SourceFailure: the failure that ipernity reports.
    """
    try:
        if repeats_a_name(body):
            raise Malformed(method, "the answer says one thing twice")
    except (ValueError, RecursionError):
        raise Malformed(method, "the answer is not JSON") from None
    answer = shape.read(body)
    envelope = wire.envelope(body) if answer is None else answer  # an error may have odd company
    if envelope is not None and envelope.api.status == "error":
        raise failure_of(method, envelope.api.code or 0)
    if answer is None:
        raise Malformed(method, "the answer has not the shape it should have")
    try:
        return read(answer, sent_at)
    except UnfitError as unfit:
        raise Malformed(method, str(unfit)) from None
