"""The promises of `ports.source.Source`, run on the fake and on the real client against the simulator."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import pytest

from ipsync.catalog import SqliteCatalog
from ipsync.ipernity.client import IpernitySource
from ipsync.ipernity.failures import failure_of
from ipsync.ipernity.gate import BudgetGate
from ipsync.ipernity.signing import signed
from ipsync.jobs.drill_source import DrillSource
from ipsync.policy.budget import Caps
from ipsync.policy.documents import MEDIA, ORIGINAL, Facts, Media, Visibility
from ipsync.policy.drills import NOTE, Drill
from ipsync.policy.instants import DAY, SECOND
from ipsync.ports.source import (
    AccountClosed,
    FrobUnused,
    Gone,
    GrantLost,
    KeyRefused,
    Lane,
    Later,
    Malformed,
    QuotaReached,
    Refused,
    Source,
    SourceFailure,
)
from ipsync.simulator import Simulator
from tests.fakes.budget import FakeBudgetBook
from tests.fakes.catalogs import fresh_catalog
from tests.fakes.clock import FakeClock
from tests.fakes.source import FakeSource

UNKNOWN = 999_999_999_999
RENDITIONS = ("240", ORIGINAL)


class World(Protocol):
    """A source with what lies behind it, so that a test can act as its owner."""

    source: Source
    account_id: int
    token: str
    other_token: str

    def ids(self, visibility: Visibility) -> list[int]: ...

    def approve(self, frob: str) -> None: ...

    def share(self, document_id: int, visibility: Visibility) -> None: ...

    def relicense(self, document_id: int, license_id: int) -> None: ...

    def delete(self, document_id: int) -> None: ...

    def revoke(self) -> None: ...

    def close_account(self) -> None: ...

    def fail(self, method: str, code: int) -> None: ...


class FakeWorld:
    """The fake: 120 public documents, 3 private ones, a video among them."""

    def __init__(self, clock: FakeClock) -> None:
        self.source = fake = FakeSource(clock)
        self.fake = fake
        self.account_id = 7
        self.token = fake.add_account(7)
        self.other_token = fake.add_account(8)
        fake.add_documents(7, 119)
        fake.add_document(7, media=Media.VIDEO)
        fake.add_documents(7, 3, visibility=Visibility.PRIVATE)
        fake.add_documents(8, 2)

    def ids(self, visibility: Visibility) -> list[int]:
        return [
            one.document_id
            for one in self.fake.documents.values()
            if one.account_id == 7 and one.visibility == visibility
        ]

    def approve(self, frob: str) -> None:
        self.fake.approve(frob, 7, {"doc": "read"})

    def share(self, document_id: int, visibility: Visibility) -> None:
        self.fake.share(document_id, visibility)

    def relicense(self, document_id: int, license_id: int) -> None:
        self.fake.relicense(document_id, license_id)

    def delete(self, document_id: int) -> None:
        self.fake.delete(document_id)

    def revoke(self) -> None:
        self.fake.revoke(7)

    def close_account(self) -> None:
        self.fake.close_account(7)

    def fail(self, method: str, code: int) -> None:
        self.fake.fail(method, lambda asked: failure_of(asked, code))


class SimulatedWorld:
    """The real client on a loopback socket, and the owner at the other end of it."""

    def __init__(self, simulator: Simulator, source: IpernitySource) -> None:
        self.simulator = simulator
        self.source = source
        self._member, other = simulator.members[0], simulator.members[1]
        state = simulator.world.state
        self.account_id = self._member.user_id
        self._owner_token = state.grant(self._member, {"doc": "delete"}).value
        self.token = state.grant(self._member, {"doc": "read"}).value
        self.other_token = state.grant(other, {"doc": "read"}).value

    def ids(self, visibility: Visibility) -> list[int]:
        return [
            int(row["document_id"])
            for row in self.simulator.world.truth()
            if row["owner_id"] == str(self.account_id) and row["share"] == visibility
        ]

    def _act(self, method: str, **params: str) -> None:
        params |= {"api_key": self.simulator.api_key, "auth_token": self._owner_token}
        answer = self.simulator.world.call(method, signed(params, self.simulator.secret, method))
        assert answer["api"]["status"] == "ok", answer

    def approve(self, frob: str) -> None:
        waiting = self.simulator.world.state.waiting_frob(frob)
        assert waiting is not None
        self.simulator.world.state.approve(waiting, self._member, {"doc": "read"})

    def share(self, document_id: int, visibility: Visibility) -> None:
        self._act("doc.setPerms", doc_id=str(document_id), share=str(int(visibility)))

    def relicense(self, document_id: int, license_id: int) -> None:
        self._act("doc.setLicense", doc_id=str(document_id), license=str(license_id))

    def delete(self, document_id: int) -> None:
        self._act("doc.delete", doc_id=str(document_id))

    def revoke(self) -> None:
        self.simulator.world.state.revoke(self._member)

    def close_account(self) -> None:
        self._member.closed = True

    def fail(self, method: str, code: int) -> None:
        order = {"kind": "api_error", "methods": [method], "count": 1, "value": code}
        self.simulator.world.faults.order(order, self.simulator.world.state.now())


class DrilledWorld(FakeWorld):
    """The fake behind the source of drills, while a drill with another member's document is on."""

    def __init__(self, clock: FakeClock, catalog: SqliteCatalog) -> None:
        super().__init__(clock)
        other = next(number for number, one in self.fake.documents.items() if one.account_id == 8)
        drill = Drill(other, 8, Visibility.PUBLIC, clock.now(), clock.now() + DAY)
        catalog.write_now(lambda tx: tx.set_note(NOTE, drill.encode()))
        self.source = DrillSource(self.fake, catalog, clock)  # type: ignore[assignment]  # reason: it stands before it


@pytest.fixture(params=["fake", "drill", "ipernity"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock(auto=True)
    if request.param == "fake":
        yield FakeWorld(clock)
        return
    if request.param == "drill":
        catalog = fresh_catalog(tmp_path, inline=True)
        yield DrilledWorld(clock, catalog)
        catalog.close_now()
        return
    caps = Caps(per_second=1000, per_minute=10_000, per_hour=100_000, per_day=1_000_000)
    gate = BudgetGate(FakeBudgetBook(), caps, clock)
    async with Simulator(members=2, documents=400, seed=3, now=clock.now) as simulator:
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
        yield SimulatedWorld(simulator, source)
        await source.close()
    await gate.close()


async def listed(world: World, visibility: Visibility, renditions: tuple[str, ...] = ()) -> dict[int, Facts]:
    """Everything a listing names, page by page."""
    found: dict[int, Facts] = {}
    page = pages = 1
    while page <= pages:
        answer = await world.source.list_page(
            world.account_id, world.token, visibility, page, renditions, Lane.VERIFICATION
        )
        found.update((document.document_id, document.facts) for document in answer.documents)
        page, pages = page + 1, answer.pages
    return found


# authorizing


async def test_T14_the_authorization_page_is_told_key_permissions_and_frob(world: World) -> None:
    frob = await world.source.frob()
    query = parse_qs(urlsplit(world.source.authorize_url({"doc": "read", "blog": "read"}, frob)).query)
    assert query["frob"] == [frob]
    assert query["perm_doc"] == ["read"]
    assert query["perm_blog"] == ["read"]
    assert {"api_key", "api_sig"} <= set(query)
    assert "frob" not in parse_qs(urlsplit(world.source.authorize_url({"doc": "read"})).query)


async def test_a_frob_is_worth_a_token_once_and_only_after_the_member_said_yes(world: World) -> None:
    frob = await world.source.frob()
    with pytest.raises(FrobUnused):
        await world.source.exchange(frob)
    world.approve(frob)
    granted = await world.source.exchange(frob)
    assert granted.account_id == world.account_id
    assert granted.permissions == {"doc": "read"}
    assert granted.token
    assert granted.username
    with pytest.raises(FrobUnused):
        await world.source.exchange(frob)
    assert (await world.source.check_grant(granted.token)).account_id == world.account_id


async def test_T13_a_grant_can_be_checked(world: World) -> None:
    granted = await world.source.check_grant(world.token)
    assert (granted.account_id, granted.token) == (world.account_id, world.token)
    assert granted.permissions == {"doc": "read"}


async def test_a_profile_names_the_member(world: World) -> None:
    profile = await world.source.profile(world.account_id, world.token)
    assert profile.account_id == world.account_id
    assert profile.username
    assert not profile.closed
    assert profile.documents is not None


# listings


async def test_a_listing_names_every_document_of_one_level_once(world: World) -> None:
    for visibility in (Visibility.PUBLIC, Visibility.PRIVATE):
        found = await listed(world, visibility)
        assert sorted(found) == sorted(world.ids(visibility))
        assert {facts.visibility for facts in found.values()} == {visibility}


async def test_a_page_says_which_it_is_and_how_many_there_are(world: World) -> None:
    ids = world.ids(Visibility.PUBLIC)
    assert len(ids) > 100
    first = await world.source.list_page(
        world.account_id, world.token, Visibility.PUBLIC, 1, RENDITIONS, Lane.VERIFICATION
    )
    assert (first.account_id, first.visibility, first.page) == (world.account_id, Visibility.PUBLIC, 1)
    assert (first.total, first.pages, first.per_page) == (len(ids), -(-len(ids) // 100), 100)
    assert len(first.documents) == 100
    posted = [document.facts.posted_at or 0 for document in first.documents]
    assert posted == sorted(posted, reverse=True)
    assert first.sent_at > 0


async def test_a_page_beyond_the_end_names_nothing(world: World) -> None:
    page = await world.source.list_page(
        world.account_id, world.token, Visibility.PUBLIC, 90, RENDITIONS, Lane.VERIFICATION
    )
    assert page.documents == ()
    assert page.page == 90
    assert page.pages < 90


async def test_an_empty_listing_is_one_page_of_nothing(world: World) -> None:
    for document_id in world.ids(Visibility.FAMILY):
        world.delete(document_id)
    page = await world.source.list_page(
        world.account_id, world.token, Visibility.FAMILY, 1, RENDITIONS, Lane.VERIFICATION
    )
    assert (page.documents, page.total, page.pages) == ((), 0, 1)


async def test_a_listing_gives_the_files_that_were_asked_for_and_no_others(world: World) -> None:
    for renditions in ((), ("240",), ("75x", ORIGINAL), (MEDIA,)):
        page = await world.source.list_page(
            world.account_id, world.token, Visibility.PUBLIC, 1, renditions, Lane.VERIFICATION
        )
        for document in page.documents:
            named = tuple(file.rendition for file in document.files)
            if MEDIA in renditions:
                assert named in ((), (MEDIA,))
            else:
                assert named == renditions
            assert all(file.url.startswith("http") for file in document.files)
            assert all(file.size_bytes for file in document.files if file.rendition == ORIGINAL)


async def test_of_several_thumbnail_sizes_a_listing_gives_the_first(world: World) -> None:
    page = await world.source.list_page(
        world.account_id, world.token, Visibility.PUBLIC, 1, ("240", "100", ORIGINAL), Lane.VERIFICATION
    )
    assert {tuple(file.rendition for file in document.files) for document in page.documents} == {("240", ORIGINAL)}


# documents


async def test_a_document_shows_the_same_facts_as_its_listing(world: World) -> None:
    for visibility in (Visibility.PUBLIC, Visibility.PRIVATE):
        found = await listed(world, visibility)
        for document_id in sorted(found)[:5]:
            seen = await world.source.document(world.account_id, world.token, document_id, Lane.DETAILS)
            assert (seen.document_id, seen.owner_id) == (document_id, world.account_id)
            assert seen.facts == found[document_id]
            assert {"75x", "100", "240", ORIGINAL} <= {file.rendition for file in seen.files}


async def test_a_document_that_is_not_there_is_gone(world: World) -> None:
    with pytest.raises(Gone):
        await world.source.document(world.account_id, world.token, UNKNOWN, Lane.CONFIRMATION)
    (document_id, *_) = world.ids(Visibility.PUBLIC)
    world.delete(document_id)
    with pytest.raises(Gone) as gone:
        await world.source.document(world.account_id, world.token, document_id, Lane.CONFIRMATION)
    assert gone.value.code == 1
    assert document_id not in await listed(world, Visibility.PUBLIC)


async def test_what_may_not_be_seen_looks_gone(world: World) -> None:
    (document_id, *_) = world.ids(Visibility.PRIVATE)
    with pytest.raises(Gone):
        await world.source.document(world.account_id, world.other_token, document_id, Lane.CONFIRMATION)


async def test_F15_somebody_elses_document_is_no_answer(world: World) -> None:
    (document_id, *_) = world.ids(Visibility.PUBLIC)
    with pytest.raises(Malformed):
        await world.source.document(world.account_id + 1, world.other_token, document_id, Lane.CONFIRMATION)


async def test_T10_hiding_moves_a_document_out_of_the_view(world: World) -> None:
    (document_id, *_) = world.ids(Visibility.PUBLIC)
    world.share(document_id, Visibility.PRIVATE)
    assert document_id not in await listed(world, Visibility.PUBLIC)
    assert document_id in await listed(world, Visibility.PRIVATE)
    seen = await world.source.document(world.account_id, world.token, document_id, Lane.CONFIRMATION)
    assert seen.facts.visibility is Visibility.PRIVATE


@pytest.mark.parametrize("visibility", list(Visibility))
async def test_every_level_is_the_same_in_lists_and_in_doc_get(world: World, visibility: Visibility) -> None:
    (document_id, *_) = world.ids(Visibility.PUBLIC)
    world.share(document_id, visibility)
    assert document_id in await listed(world, visibility)
    seen = await world.source.document(world.account_id, world.token, document_id, Lane.CONFIRMATION)
    assert seen.facts.visibility is visibility


async def test_T10_another_license_shows_in_the_facts(world: World) -> None:
    (document_id, *_) = world.ids(Visibility.PUBLIC)
    before = (await listed(world, Visibility.PUBLIC))[document_id]
    world.relicense(document_id, 0 if before.license else 9)
    after = (await listed(world, Visibility.PUBLIC))[document_id]
    assert after.license != before.license
    assert after != before


# refusals


async def ask(world: World, method: str) -> object:
    """Make the call that uses a method of the API."""
    source, account_id, token = world.source, world.account_id, world.token
    match method:
        case "doc.getList":
            return await source.list_page(account_id, token, Visibility.PUBLIC, 1, RENDITIONS, Lane.VERIFICATION)
        case "doc.get":
            return await source.document(account_id, token, next(iter(world.ids(Visibility.PUBLIC)), 1), Lane.PROBE)
        case "auth.checkToken":
            return await source.check_grant(token)
        case "user.get":
            return await source.profile(account_id, token)
        case _:
            return await source.frob()


TOKEN_METHODS = ("doc.getList", "doc.get", "auth.checkToken", "user.get")


@pytest.mark.parametrize("method", TOKEN_METHODS)
async def test_F18_T15_a_revoked_token_is_a_lost_grant_everywhere(world: World, method: str) -> None:
    world.revoke()
    with pytest.raises(GrantLost) as lost:
        await ask(world, method)
    assert (lost.value.method, lost.value.code) == (method, 107)


@pytest.mark.parametrize("method", TOKEN_METHODS)
async def test_F19_T15_a_closed_account_is_closed_everywhere(world: World, method: str) -> None:
    world.close_account()
    with pytest.raises(AccountClosed) as closed:
        await ask(world, method)
    assert (closed.value.method, closed.value.code) == (method, 108)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (100, KeyRefused),
        (101, KeyRefused),
        (104, KeyRefused),
        (105, KeyRefused),
        (111, KeyRefused),
        (102, Malformed),
        (103, Malformed),
        (120, Malformed),
        (130, Malformed),
        (135, Malformed),
        (106, GrantLost),
        (107, GrantLost),
        (108, AccountClosed),
        (109, Refused),
        (110, Refused),
        (112, QuotaReached),
        (113, QuotaReached),
        (500, Later),
        (501, Later),
        (503, Later),
        (77, Later),
        (999, Later),
    ],
)
async def test_F10_F20_every_code_is_sorted_by_what_to_do_next(
    world: World, code: int, kind: type[SourceFailure]
) -> None:
    for method in ("doc.getList", "auth.checkToken"):
        world.fail(method, code)
        with pytest.raises(SourceFailure) as failure:
            await ask(world, method)
        assert type(failure.value) is kind
        if kind is QuotaReached:
            return  # the gate has stopped: nothing more is asked
        assert (failure.value.method, failure.value.code) == (method, code)
        await ask(world, method)  # and it goes on


@pytest.mark.parametrize("method", ["doc.getList", "user.get", "auth.checkToken", "auth.getFrob"])
async def test_error_1_of_other_methods_removes_nothing(world: World, method: str) -> None:
    world.fail(method, 1)
    with pytest.raises(Later):
        await ask(world, method)


async def test_the_send_time_is_no_later_than_the_answer(world: World) -> None:
    first = await world.source.check_grant(world.token)
    second = await world.source.check_grant(world.token)
    assert first.sent_at <= second.sent_at < first.sent_at + 60 * SECOND
