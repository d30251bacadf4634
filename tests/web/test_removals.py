"""What owners, strangers and worse find at `/removals` (T11), and where flaws are reported (T23)."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest

from ipsync.jobs.petitions import Petitions
from ipsync.jobs.requests import Requests
from ipsync.jobs.tombstones import Tombstones
from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import HOUR, MINUTE
from ipsync.policy.petitions import Outcome, Petition
from ipsync.store.tombstones import TombstoneFile
from ipsync.web import WebServer
from ipsync.web.parts import WebJobs
from ipsync.web.place import Place
from ipsync.web.sessions import Sessions
from tests.fakes.processes import files_with
from tests.web.conftest import RULES, World
from tests.web.test_pages import ATTACKS, Page

KEY = b"cookie key of the tests"
LINK = "https://www.ipernity.com/doc/7/5/in/album/9"


@dataclass
class Visitor:
    """A browser in front of the page."""

    world: World
    address: str
    browser: aiohttp.ClientSession
    petitions: Petitions
    nudged: list[str] = field(default_factory=list)

    def sign_in(self, account_id: int) -> None:
        """As `/me` does it, once ipernity said who it is."""
        answer = aiohttp.web.Response()
        sessions = Sessions(KEY, self.world.clock, Place())
        sessions.give(answer, sessions.new("member", str(account_id)))
        self.browser.cookie_jar.update_cookies(answer.cookies, aiohttp.client.URL(self.address))

    async def get(self, path: str) -> tuple[int, Page]:
        async with self.browser.get(f"{self.address}{path}") as answer:
            return answer.status, Page(await answer.text())

    async def ask(self, document: str, **fields: str) -> tuple[int, Page, str]:
        """Fill in the form and send it; gives what came in the end and the path of the page."""
        async with self.browser.get(f"{self.address}/removals") as answer:
            found = re.search(r'name="crumb" value="([^"]+)"', await answer.text())
            assert found is not None
        sent = {"crumb": found[1], "document": document, **fields}
        async with self.browser.post(f"{self.address}/removals", data=sent) as answer:
            return answer.status, Page(await answer.text()), answer.url.path

    async def petition(self) -> Petition:
        found: list[Petition] = await self.world.catalog.read(lambda view: view.petitions())
        return found[-1]

    async def is_shown(self) -> bool:
        async with self.browser.get(
            f"{self.address}/v1/documents/5", headers={"Authorization": f"Bearer {self.world.parts().admin_token}"}
        ) as answer:
            return answer.status == 200


@asynccontextmanager
async def visiting(world: World, folder: Path) -> AsyncIterator[Visitor]:
    tombstones = Tombstones(world.catalog, TombstoneFile(folder / "outside"), world.clock, RULES)
    requests = Requests(world.catalog, tombstones, world.clock, RULES)
    petitions = Petitions(world.catalog, requests, world.clock, RULES)
    nudged: list[str] = []
    jobs = WebJobs(accounts=None, admission=None, requests=requests, petitions=petitions, nudge=nudged.append)  # type: ignore[arg-type]  # reason: this page has nothing to do with accounts
    server = WebServer(replace(world.parts(), cookie_key=KEY, jobs=lambda: jobs))
    address = await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        yield Visitor(world, address, browser, petitions, nudged)
    await server.stop(1)


@pytest.fixture
async def visitor(shown: World, tmp_path: Path) -> AsyncIterator[Visitor]:
    async with visiting(shown, tmp_path) as found:
        yield found


async def test_T11_a_stranger_asks_and_gets_a_page_of_their_own(visitor: Visitor) -> None:
    await visitor.world.change(visitor.world.made(5), facts=visitor.world.made(5, title="Zebra").facts)
    status, page, path = await visitor.ask(LINK, contact="olga@example.org", note="mine")
    assert status == 200
    assert re.fullmatch(r"/removals/[A-Za-z0-9_-]{32}", path)
    assert "Waiting for the operator" in page.text
    assert "Zebra" not in page.text  # nothing of the document itself
    assert await visitor.is_shown()
    petition = await visitor.petition()
    assert petition.waits
    words = await visitor.world.catalog.read(lambda view: view.petition_words([1]))
    assert (words[1].contact, words[1].note) == ("olga@example.org", "mine")

    await visitor.petitions.grant(petition.petition_id)
    assert not await visitor.is_shown()
    assert "Hidden, and being erased" in (await visitor.get(path))[1].text


async def test_T11_who_owns_it_has_it_hidden_by_the_answer(visitor: Visitor) -> None:
    visitor.sign_in(7)
    assert "You are signed in." in (await visitor.get("/removals"))[1].text
    _, page, path = await visitor.ask("5")
    assert not await visitor.is_shown()
    assert "Hidden, and being erased" in page.text
    assert visitor.nudged == ["purge"]
    assert (await visitor.petition()).outcome is Outcome.GRANTED
    assert path.startswith("/removals/")


async def test_T11_a_member_who_does_not_own_it_is_a_stranger(visitor: Visitor) -> None:
    visitor.sign_in(8)
    _, page, _ = await visitor.ask("https://www.ipernity.com/doc/8/5")  # a link may claim anything
    assert "Waiting for the operator" in page.text
    assert await visitor.is_shown()
    assert visitor.nudged == []
    assert (await visitor.petition()).subject.account_id == 7


async def test_nobody_learns_from_the_answer_what_is_held(visitor: Visitor) -> None:
    _, held, _ = await visitor.ask("5")
    _, other, _ = await visitor.ask("6")
    assert held.text.replace("Work 5", "Work 6") == other.text


async def test_T11_what_nobody_decides_is_told_as_complied_with(visitor: Visitor) -> None:
    path = (await visitor.ask("5"))[2]
    visitor.world.clock.jump(20 * HOUR + MINUTE)
    await visitor.petitions.run()
    page = (await visitor.get(path))[1]
    assert "Hidden, and being erased" in page.text
    declined = (await visitor.ask("6"))[2]
    await visitor.petitions.decline((await visitor.petition()).petition_id)
    assert "Declined by the operator" in (await visitor.get(declined))[1].text
    assert "signing in through ipernity" in (await visitor.get(declined))[1].text


async def test_T11_albums_and_articles_are_asked_for_by_their_links(visitor: Visitor) -> None:
    world = visitor.world
    for kind, number in ((EntryKind.ALBUM, 70), (EntryKind.ARTICLE, 71)):
        await world.entry(kind, number, title="Zebra")

    async def hidden() -> set[int]:
        held = await world.catalog.read(lambda view: [one for kind in EntryKind for one in view.entries_of(kind, 9)])
        return {entry.entry_id for entry in held if entry.state is DocumentState.DOOMED}

    _, page, path = await visitor.ask("https://www.ipernity.com/album/7/70")
    assert "Waiting for the operator" in page.text
    assert "Album 70" in page.text
    assert "Zebra" not in page.text
    assert await hidden() == set()
    world.clock.jump(20 * HOUR + MINUTE)
    await visitor.petitions.run()
    assert "Hidden, and being erased" in (await visitor.get(path))[1].text
    assert await hidden() == {70}
    visitor.sign_in(7)
    _, page, _ = await visitor.ask("https://www.ipernity.com/blog/7/71")
    assert "Hidden, and being erased" in page.text
    assert await hidden() == {70, 71}


@pytest.mark.parametrize(
    "document", ["", "https://example.org/doc/7/5", "javascript:alert(1)", "5" * 30, "../../etc/passwd", *ATTACKS]
)
async def test_F37_what_names_no_document_is_told_in_words_and_kept_in_the_form(
    visitor: Visitor, document: str
) -> None:
    status, page, path = await visitor.ask(document, contact='"><script>alert(2)</script>')
    assert (status, path) == (400, "/removals")
    assert "script" not in page.tags
    assert "This names no document" in page.text or "page of another site" in page.text
    assert not await visitor.world.catalog.read(lambda view: view.petitions())


async def test_F37_words_that_are_too_long_are_refused_and_not_cut(visitor: Visitor) -> None:
    status, page, _ = await visitor.ask("5", note="x" * 501)
    assert status == 400
    assert "longer than 500 characters" in page.text


async def test_F37_without_the_form_nothing_is_taken_in(visitor: Visitor) -> None:
    for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        async with visitor.browser.post(
            f"{visitor.address}/removals", data={"document": "5", "crumb": "x"}, headers=headers
        ) as answer:
            assert answer.status == 403
    assert not await visitor.world.catalog.read(lambda view: view.petitions())


async def test_F37_one_address_asks_no_more_than_a_few_times_a_minute(visitor: Visitor) -> None:
    statuses = [(await visitor.ask(str(number)))[0] for number in range(1, 8)]
    assert statuses == [200] * 5 + [429] * 2
    visitor.world.clock.jump(MINUTE)
    assert (await visitor.ask("9"))[0] == 200


async def test_a_flood_is_told_where_to_write(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipsync.jobs.petitions.WAITING_MOST", 0)
    status, page, _ = await visitor.ask("5")
    assert status == 503
    assert "archive@example.org" in page.text


async def test_addresses_that_nobody_was_given_show_nothing(visitor: Visitor) -> None:
    assert (await visitor.get("/removals/" + "A" * 32))[0] == 404
    assert (await visitor.get("/removals/short"))[0] == 404


async def test_T22_the_token_of_a_page_is_kept_nowhere(visitor: Visitor, tmp_path: Path) -> None:
    path = (await visitor.ask("5"))[2]
    token = path.rpartition("/")[2]
    await visitor.get(path)
    assert sum(files_with(tmp_path, [token]).values()) == 0
    metrics = visitor.world.metrics.render()[0].decode()
    assert token not in metrics
    assert 'route="removals"' in metrics


async def test_T23_where_to_report_a_flaw_is_where_the_rfc_says(visitor: Visitor) -> None:
    async with visitor.browser.get(f"{visitor.address}/.well-known/security.txt") as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["Contact"] == "mailto:archive@example.org"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", lines["Expires"])
