"""What tests may know and do beyond the API."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from ipsync.simulator import Simulator
from tests.simulator.hands import Hand


class Remote:
    """The control addresses of a simulator, from outside."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base = f"{base_url}/_control/"

    async def ask(self, path: str, verb: str = "GET", body: object = None, status: int = 200) -> Any:
        async with self._session.request(verb, self._base + path, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()


@pytest.fixture
async def remote(simulator: Simulator) -> AsyncIterator[Remote]:
    async with aiohttp.ClientSession() as session:
        yield Remote(session, simulator.base_url)


async def test_truth(simulator: Simulator, remote: Remote) -> None:
    rows = (await remote.ask("truth"))["documents"]
    assert len(rows) == 160
    by_id = {row["document_id"]: row for row in rows}
    hand = Hand(simulator.world, simulator.world.state.grant(simulator.members[0], {"doc": "delete"}).value)
    doc_id, gone = hand.listed(share=4)[:2]
    row = by_id[doc_id]
    assert set(row) == {"document_id", "owner_id", "share", "license", "token"}
    assert row["owner_id"] == str(simulator.members[0].user_id)
    assert row["token"] in hand.ok("doc.get", doc_id=doc_id)["doc"]["title"]
    hand.ok("doc.setPerms", doc_id=doc_id, share=1)
    hand.ok("doc.setLicense", doc_id=doc_id, license=255)
    hand.ok("doc.delete", doc_id=gone)
    by_id = {row["document_id"]: row for row in (await remote.ask("truth"))["documents"]}
    assert (by_id[doc_id]["share"], by_id[doc_id]["license"]) == (1, 255)
    assert gone not in by_id
    simulator.members[1].closed = True
    owners = {row["owner_id"] for row in (await remote.ask("truth"))["documents"]}
    assert str(simulator.members[1].user_id) not in owners


async def test_truth_of_an_empty_world() -> None:
    async with Simulator(members=1, documents=0) as simulator, aiohttp.ClientSession() as session:
        assert (await Remote(session, simulator.base_url).ask("truth"))["documents"] == []


async def test_truth_tells_of_albums_folders_and_articles_each_with_a_token_of_its_own(remote: Remote) -> None:
    truth = await remote.ask("truth")
    titles = [row["title"] for kind in ("albums", "folders", "articles") for row in truth[kind]]
    tokens = {title.rpartition(" ")[2] for title in titles}
    assert all(token.startswith("tok-") for token in tokens)
    assert len(tokens) == len(titles)
    assert {row["share"] for row in truth["articles"]} == {0, 4}


async def test_a_profile_and_articles_can_be_changed_from_outside(simulator: Simulator, remote: Remote) -> None:
    member = simulator.members[0]
    changed = await remote.ask(f"members/{member.user_id}/profile", "POST", {"town": "Gent", "realname": "Alma"})
    assert (changed["town"], changed["realname"], member.location["town"]) == ("Gent", "Alma", "Gent")
    assert changed in (await remote.ask("truth"))["profiles"]
    hand = Hand(simulator.world, simulator.world.state.grant(member, {"blog": "read"}).value)
    assert hand.ok("user.get", user_id=member.user_id)["user"]["location"]["town"] == "Gent"
    written = await remote.ask(f"members/{member.user_id}/articles", "POST", {"title": "Harbor", "text": "<p>Words"})
    number = written["article_id"]
    assert hand.ok("post.get", post_id=number)["post"]["content"] == "<p>Words"
    assert (await remote.ask(f"articles/{number}", "DELETE"))["deleted"]
    assert number not in {row["article_id"] for row in (await remote.ask("truth"))["articles"]}
    await remote.ask(f"articles/{number}", "DELETE", status=404)
    await remote.ask("members/4711/profile", "POST", {}, status=404)
    await remote.ask("members/4711/articles", "POST", {}, status=404)
    for path in ("profile", "articles"):
        for body in ({"lat": "1"}, [], {"town": 3}):
            await remote.ask(f"members/{member.user_id}/{path}", "POST", body, status=400)


async def test_stats(simulator: Simulator, remote: Remote) -> None:
    async with aiohttp.ClientSession() as session:
        for method in ("test.hello", "test.hello", "no.such.method"):
            await session.get(f"{simulator.api_url}{method}?api_key={simulator.api_key}")
        await session.get(f"{simulator.base_url}/media/a/b")
    stats = await remote.ask("stats")
    assert stats["calls"] == {"test.hello": 2, "unknown": 1}
    assert stats["rejected"] == {"103": 1}
    assert stats["media"] == 1
    assert stats["peak_per_minute"] == 3
    assert 1 <= stats["peak_per_second"] <= 3


async def test_faults(simulator: Simulator, remote: Remote) -> None:
    order = {"kind": "api_error", "methods": ["test.hello"], "share": 1.0, "count": 5, "value": 501}
    made = await remote.ask("faults", "POST", order)
    assert made == {"id": 1, **order}
    assert (await remote.ask("faults"))["faults"] == [made]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{simulator.api_url}test.hello?api_key={simulator.api_key}") as answer:
            assert (await answer.json())["api"]["code"] == "501"
        assert await remote.ask("faults", "DELETE") == {"dropped": 1}
        async with session.get(f"{simulator.api_url}test.hello?api_key={simulator.api_key}") as answer:
            assert (await answer.json())["api"]["status"] == "ok"


async def test_bad_orders_are_answered_with_the_field(simulator: Simulator, remote: Remote) -> None:
    answer = await remote.ask("faults", "POST", {"kind": "html", "share": 3}, 400)
    assert answer["error"]["field"] == "share"
    assert "0 to 1" in answer["error"]["message"]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{simulator.base_url}/_control/faults", data=b"{") as broken,
    ):
        assert (broken.status, (await broken.json())["error"]["field"]) == (400, "body")


async def test_revoke_and_close(simulator: Simulator, remote: Remote) -> None:
    member = simulator.members[0]
    hand = Hand(simulator.world, simulator.world.state.grant(member, {"doc": "read"}).value)
    other = Hand(simulator.world, simulator.world.state.grant(simulator.members[1], {"doc": "read"}).value)
    assert await remote.ask(f"members/{member.user_id}/revoke", "POST") == {
        "user_id": str(member.user_id),
        "revoked": 1,
    }
    assert hand.error("doc.getList") == 107
    assert (await remote.ask(f"members/{simulator.members[1].username}/close", "POST"))["closed"]
    assert other.error("doc.getList") == 108
    await remote.ask(f"members/{simulator.members[1].user_id}/reopen", "POST")
    assert other.listed()
    for verb in ("revoke", "close", "reopen"):
        assert (await remote.ask(f"members/1/{verb}", "POST", status=404))["error"]["field"] == "user_id"


async def test_the_rate_limit_can_be_changed(simulator: Simulator, remote: Remote) -> None:
    hand = Hand(simulator.world)
    assert await remote.ask("rate-limit", "POST", {"spec": "1/h"}) == {"spec": "1/h"}
    assert hand.ok("test.hello")
    assert hand.error("test.hello") == 112
    await remote.ask("rate-limit", "POST", {"spec": ""})
    assert hand.ok("test.hello")
    bodies: list[object] = [{"spec": "1/x"}, {"spec": 3}, {}, []]
    for body in bodies:
        assert (await remote.ask("rate-limit", "POST", body, 400))["error"]["field"] == "spec"


async def test_without_control_there_is_nothing() -> None:
    async with Simulator(members=1, documents=1, control=False) as simulator, aiohttp.ClientSession() as session:
        for path in ("truth", "stats", "faults"):
            async with session.get(f"{simulator.base_url}/_control/{path}") as answer:
                assert answer.status == 404
