"""What `ports.source.Source` promises about albums, folders and articles: the fake, and the client on the simulator."""

from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from ipsync.ipernity.client import IpernitySource
from ipsync.ipernity.gate import BudgetGate
from ipsync.ipernity.signing import signed
from ipsync.policy.budget import Caps
from ipsync.policy.documents import Visibility
from ipsync.policy.entries import EntryKind
from ipsync.policy.profiles import profile_words
from ipsync.ports.source import AccountClosed, Gone, GrantLost, Lane, Source
from ipsync.simulator import Simulator
from tests.fakes.budget import FakeBudgetBook
from tests.fakes.clock import FakeClock
from tests.fakes.source import FakeSource

GRANT = {"doc": "read", "blog": "read", "profile": "read"}
KINDS = list(EntryKind)
DELETABLE = [EntryKind.ALBUM, EntryKind.FOLDER, EntryKind.ARTICLE]
PUBLIC = Visibility.PUBLIC


class Shelf(Protocol):
    """A member with one album of public and private documents, one folder of it, one article, and a private one."""

    source: Source
    account_id: int
    token: str
    entries: dict[EntryKind, int]
    public: list[int]

    def delete(self, kind: EntryKind) -> None: ...

    def hide(self, document_id: int) -> None: ...

    def revoke(self) -> None: ...

    def close_account(self) -> None: ...


class FakeShelf:
    def __init__(self) -> None:
        self.source = fake = FakeSource(FakeClock(auto=True))
        self.fake = fake
        self.account_id = 7
        self.token = fake.add_account(7, GRANT)
        self.public = fake.add_documents(7, 3)
        private = fake.add_documents(7, 2, visibility=Visibility.PRIVATE)
        album = fake.add_album(7, [private[0], *self.public, private[1]], "Title of the album")
        folder = fake.add_folder(7, [album], "Title of the folder")
        source = f'<p>Words<script>x()</script> <a href="/doc/7/{self.public[0]}">'
        article = fake.add_article(7, source, "Title of the article")
        fake.add_article(7, "secret", "Title", Visibility.PRIVATE)
        profile = fake.add_profile(7, "Title of the profile", "Gent")
        self.entries = dict(zip(KINDS, (album, folder, article, profile), strict=True))

    def delete(self, kind: EntryKind) -> None:
        del self.fake.entries.all[kind, self.entries[kind]]

    def hide(self, document_id: int) -> None:
        self.fake.share(document_id, Visibility.PRIVATE)

    def revoke(self) -> None:
        self.fake.revoke(7)

    def close_account(self) -> None:
        self.fake.close_account(7)


class SimulatedShelf:
    def __init__(self, simulator: Simulator, source: IpernitySource) -> None:
        self.simulator, self.source = simulator, source
        self._state = state = simulator.world.state
        self._member = member = simulator.members[0]
        self.account_id = member.user_id
        self._owner_token = state.grant(member, {"doc": "delete", "blog": "read"}).value
        self.token = state.grant(member, GRANT).value
        shelves = state.shelves
        for held in (shelves.albums, shelves.folders, shelves.posts):
            for number in [number for number, one in held.items() if one.owner is member]:  # type: ignore[attr-defined]  # reason: all have an owner
                del held[number]  # type: ignore[attr-defined]  # reason: dicts by number
        own = [document for document in state.library if document.owner is member]
        self.public = [document.document_id for document in own if document.share == PUBLIC][:3]
        private = [document.document_id for document in own if document.share == Visibility.PRIVATE][:2]
        album = self._act("album.create", title="Title of the album")["album"]["album_id"]
        for number in (private[0], *self.public, private[1]):
            self._act("album.docs.add", album_id=album, doc_id=str(number))
        folder = self._act("folder.create", title="Title of the folder")["folder"]["folder_id"]
        self._act("folder.albums.add", folder_id=folder, album_id=album)
        source_text = f'<p>Words<script>x()</script> <a href="/doc/{self.account_id}/{self.public[0]}">'
        article = state.add_post(member, "Title of the article", source_text, PUBLIC).post_id
        state.add_post(member, "Title", "secret", Visibility.PRIVATE)
        member.username, member.location["town"] = "Title of the profile", "Gent"
        self.entries = dict(zip(KINDS, (int(album), int(folder), article, member.user_id), strict=True))

    def _act(self, method: str, **params: str) -> dict[str, dict[str, str]]:
        params |= {"api_key": self.simulator.api_key, "auth_token": self._owner_token}
        answer = self.simulator.world.call(method, signed(params, self.simulator.secret, method))
        assert answer["api"]["status"] == "ok", answer
        return answer

    def delete(self, kind: EntryKind) -> None:
        if kind is EntryKind.ARTICLE:
            self._state.shelves.posts.pop(self.entries[kind])
        else:
            self._act(f"{kind.value}.delete", **{f"{kind.value}_id": str(self.entries[kind])})

    def hide(self, document_id: int) -> None:
        self._act("doc.setPerms", doc_id=str(document_id), share="0")

    def revoke(self) -> None:
        self._state.revoke(self._member)

    def close_account(self) -> None:
        self._member.closed = True


@pytest.fixture(params=["fake", "ipernity"])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    if request.param == "fake":
        yield FakeShelf()
        return
    clock = FakeClock(auto=True)
    gate = BudgetGate(FakeBudgetBook(), Caps(1000, 10_000, 100_000, 1_000_000), clock)
    async with Simulator(members=2, documents=60, seed=3, now=clock.now) as simulator:
        source = IpernitySource(
            api_url=simulator.api_url,
            authorize_url=simulator.authorize_url,
            api_key=simulator.api_key,
            api_secret=simulator.secret,
            user_agent="contract-tests ipsync/0 (tests@example.org)",
            timeout_seconds=10,
            gate=gate,
            clock=clock,
        )
        yield SimulatedShelf(simulator, source)
        await source.close()
    await gate.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_names_what_there_is_with_its_levels_and_the_send_time(shelf: Shelf, kind: EntryKind) -> None:
    page = await shelf.source.list_entries(kind, shelf.account_id, shelf.token, 1, Lane.VERIFICATION)
    [listed] = [entry for entry in page.entries if entry.entry_id == shelf.entries[kind]]
    assert (listed.content is None) is (kind is not EntryKind.PROFILE)
    assert listed.title == f"Title of the {kind.value}"
    assert PUBLIC in listed.levels
    assert (page.page, page.pages, page.total) == (1, 1, len(page.entries))
    assert page.account_id == shelf.account_id
    levels = [PUBLIC in entry.levels for entry in page.entries]
    assert sorted(levels) == ([False, True] if kind is EntryKind.ARTICLE else [True])
    beyond = await shelf.source.list_entries(kind, shelf.account_id, shelf.token, 7, Lane.VERIFICATION)
    assert beyond.entries in ([], ())


@pytest.mark.parametrize("kind", KINDS)
async def test_asked_by_itself_an_entry_says_the_same(shelf: Shelf, kind: EntryKind) -> None:
    asked = (kind, shelf.account_id, shelf.token)
    page = await shelf.source.list_entries(*asked, 1, Lane.VERIFICATION)
    seen = await shelf.source.entry(*asked, shelf.entries[kind], Lane.CONFIRMATION)
    assert seen.listed in page.entries
    assert seen.sent_at >= page.sent_at
    if kind is EntryKind.ARTICLE:
        assert (seen.content.text, seen.content.members) == ("Words", (shelf.public[0],))
    if kind is EntryKind.PROFILE:
        assert seen.content == seen.listed.content
        assert profile_words(seen.content.text).town == "Gent"


async def test_T06_of_an_album_only_the_documents_of_one_level_are_named(shelf: Shelf) -> None:
    asked = (EntryKind.ALBUM, shelf.account_id, shelf.token, shelf.entries[EntryKind.ALBUM])
    found = await shelf.source.entry_members(*asked, PUBLIC, 1, Lane.VERIFICATION)
    assert found.members == tuple(shelf.public)
    shelf.hide(shelf.public[1])
    found = await shelf.source.entry_members(*asked, PUBLIC, 1, Lane.VERIFICATION)
    assert found.members == (shelf.public[0], shelf.public[2])
    friends = await shelf.source.entry_members(*asked, Visibility.FRIENDS, 1, Lane.VERIFICATION)
    assert friends.members == ()


async def test_a_folder_names_its_albums(shelf: Shelf) -> None:
    asked = (EntryKind.FOLDER, shelf.account_id, shelf.token, shelf.entries[EntryKind.FOLDER])
    found = await shelf.source.entry_members(*asked, PUBLIC, 1, Lane.VERIFICATION)
    assert found.members == (shelf.entries[EntryKind.ALBUM],)


async def test_an_album_leaves_the_view_with_its_last_public_document(shelf: Shelf) -> None:
    for number in shelf.public:
        shelf.hide(number)
    asked = (EntryKind.ALBUM, shelf.account_id, shelf.token)
    seen = await shelf.source.entry(*asked, shelf.entries[EntryKind.ALBUM], Lane.CONFIRMATION)
    assert PUBLIC not in seen.listed.levels


@pytest.mark.parametrize("kind", DELETABLE)
async def test_what_was_deleted_is_gone(shelf: Shelf, kind: EntryKind) -> None:
    shelf.delete(kind)
    asked = (kind, shelf.account_id, shelf.token)
    with pytest.raises(Gone):
        await shelf.source.entry(*asked, shelf.entries[kind], Lane.CONFIRMATION)
    if kind is not EntryKind.ARTICLE:
        with pytest.raises(Gone):
            await shelf.source.entry_members(*asked, shelf.entries[kind], PUBLIC, 1, Lane.VERIFICATION)
    page = await shelf.source.list_entries(*asked, 1, Lane.VERIFICATION)
    assert shelf.entries[kind] not in [entry.entry_id for entry in page.entries]


@pytest.mark.parametrize("kind", KINDS)
async def test_F18_F19_T15_who_left_is_told_so_everywhere(shelf: Shelf, kind: EntryKind) -> None:
    asked = (kind, shelf.account_id, shelf.token)
    for end, failure in ((shelf.close_account, AccountClosed), (shelf.revoke, GrantLost)):
        end()
        with pytest.raises((AccountClosed, GrantLost)) as raised:
            await shelf.source.list_entries(*asked, 1, Lane.VERIFICATION)
        assert isinstance(raised.value, failure)
        with pytest.raises(failure):
            await shelf.source.entry(*asked, shelf.entries[kind], Lane.CONFIRMATION)
