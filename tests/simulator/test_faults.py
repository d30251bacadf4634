"""The simulator misbehaves to order, the same way each time."""

import asyncio
import json
import time
from collections import Counter
from typing import Any

import aiohttp
import pytest

from ipsync.simulator import Answer, Call, Simulator, World
from ipsync.simulator.faults import Dice, FaultError
from tests.simulator.hands import Clock, Hand


def _order(world: World, kind: str, **fields: object) -> None:
    world.faults.order({"kind": kind, **fields}, world.state.now())


def _answer(hand: Hand, method: str, /, **params: object) -> Answer:
    return hand.world.answer(Call(method, hand.signed(method, **params)))


def _docs(hand: Hand, **params: object) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_answer(hand, "doc.getList", **params).body)["docs"]
    return answer


def _ids(docs: dict[str, Any]) -> list[str]:
    return [one["doc_id"] for one in docs.get("doc", [])]


class TestInMemory:
    def test_http_status(self, mine: Hand) -> None:
        _order(mine.world, "http_status", value=502)
        answer = _answer(mine, "doc.getList")
        assert (answer.status, answer.content_type.partition(";")[0]) == (502, "text/html")

    def test_html_with_status_200(self, mine: Hand) -> None:
        _order(mine.world, "html")
        answer = _answer(mine, "doc.getList")
        assert answer.status == 200
        assert answer.body.startswith(b"<!DOCTYPE html>")

    @pytest.mark.parametrize("code", [1, 107, 112, 113, 500, 501, 503])
    def test_api_error(self, mine: Hand, code: int) -> None:
        _order(mine.world, "api_error", value=code)
        answer = _answer(mine, "doc.getList")
        api = json.loads(answer.body)["api"]
        assert (answer.status, api["status"], api["code"]) == (200, "error", str(code))
        assert mine.world.meter.report()["rejected"] == {str(code): 1}

    def test_truncate(self, mine: Hand) -> None:
        whole = len(_answer(mine, "doc.getList").body)
        _order(mine.world, "truncate")
        assert len(_answer(mine, "doc.getList").body) == whole // 2
        mine.world.faults.clear()
        _order(mine.world, "truncate", value=17)
        assert len(_answer(mine, "doc.getList").body) == 17

    def test_empty_list(self, mine: Hand) -> None:
        _order(mine.world, "empty_list")
        docs = _docs(mine)
        assert "doc" not in docs
        assert (docs["total"], docs["pages"]) == ("0", "0")

    def test_short_list(self, mine: Hand) -> None:
        _order(mine.world, "short_list")
        docs = _docs(mine, per_page=10)
        assert (len(docs["doc"]), docs["total"], docs["pages"]) == (5, "40", "4")
        mine.world.faults.clear()
        _order(mine.world, "short_list", value=0)
        assert "doc" not in _docs(mine)

    def test_wrong_total(self, mine: Hand) -> None:
        _order(mine.world, "wrong_total", value=7)
        docs = _docs(mine, per_page=5)
        assert (docs["total"], docs["pages"], len(docs["doc"])) == ("7", "2", 5)

    def test_stale_total(self, mine: Hand) -> None:
        _order(mine.world, "stale_total")
        assert _docs(mine, share=4)["total"] == "32"
        for doc_id in mine.listed(share=4, per_page=3):
            mine.ok("doc.delete", doc_id=doc_id)
        assert _docs(mine, share=4, page=2)["total"] == "32"
        assert _docs(mine, share=0)["total"] == "2", "another listing"
        mine.world.faults.clear()
        assert _docs(mine, share=4)["total"] == "29"

    def test_shuffle_within_the_page(self, mine: Hand) -> None:
        before = mine.listed(per_page=20)
        _order(mine.world, "shuffle")
        after = _ids(_docs(mine, per_page=20))
        assert after != before
        assert sorted(after) == sorted(before)

    def test_shuffle_of_the_whole_listing_anew_each_time(self, mine: Hand) -> None:
        everything = set(mine.listed(per_page=100))
        _order(mine.world, "shuffle", value=1)
        first, again = _docs(mine, per_page=20), _docs(mine, per_page=20)
        assert _ids(first) != _ids(again)
        assert len(set(_ids(first))) == 20
        assert set(_ids(first)) <= everything
        assert first["total"] == "40"

    def test_duplicate(self, mine: Hand) -> None:
        before = mine.listed(per_page=5)
        _order(mine.world, "duplicate", value=2)
        assert Counter(_ids(_docs(mine, per_page=5))) == Counter([*before, *before[:2]])

    def test_nested_lists_are_hit_too(self, mine: Hand) -> None:
        album = mine.ok("album.getList")["albums"]["album"][0]["album_id"]
        _order(mine.world, "empty_list", methods=["album.docs.getList", "album.getList"])
        docs = json.loads(_answer(mine, "album.docs.getList", album_id=album).body)["album"]["docs"]
        assert docs["total"] == "0"
        assert json.loads(_answer(mine, "album.getList").body)["albums"]["total"] == "0"

    @pytest.mark.parametrize("kind", ["empty_list", "shuffle", "duplicate", "wrong_total"])
    def test_answers_without_a_list_stay_as_they_are(self, mine: Hand, kind: str) -> None:
        _order(mine.world, kind)
        assert json.loads(_answer(mine, "test.hello").body)["hello"]
        assert json.loads(_answer(mine, "user.get").body)["user"]

    def test_manners(self, mine: Hand) -> None:
        for kind, field in (("slow", "spread_seconds"), ("hang", "hang_seconds"), ("reset", "reset_after")):
            _order(mine.world, kind, value=3)
            assert getattr(_answer(mine, "test.hello"), field) == 3
            mine.world.faults.clear()

    def test_faults_do_not_reach_world_call(self, mine: Hand) -> None:
        _order(mine.world, "api_error", value=500)
        assert mine.ok("test.hello")

    def test_methods(self, mine: Hand) -> None:
        _order(mine.world, "api_error", methods=["doc.get"])
        assert json.loads(_answer(mine, "doc.getList").body)["api"]["status"] == "ok"
        assert json.loads(_answer(mine, "doc.get").body)["api"]["status"] == "error"
        assert mine.world.answer_media("/media/x").status == 404
        _order(mine.world, "http_status", methods="*")
        assert mine.world.answer_media("/media/x").status == 404, "* means the API"
        _order(mine.world, "http_status", methods="media")
        assert mine.world.answer_media("/media/x").status == 503

    def test_count(self, mine: Hand) -> None:
        _order(mine.world, "html", count=2)
        assert [_answer(mine, "test.hello").body[:1] for _ in range(3)] == [b"<", b"<", b"{"]
        assert mine.world.faults.orders() == []

    def test_seconds(self, mine: Hand, clock: Clock) -> None:
        _order(mine.world, "html", seconds=10)
        clock.move(9.9)
        assert _answer(mine, "test.hello").body.startswith(b"<")
        clock.move(0.1)
        assert _answer(mine, "test.hello").body.startswith(b"{")

    def test_share_is_a_probability_and_repeats_itself(self, clock: Clock) -> None:
        def hits(seed: int) -> list[bool]:
            hand = Hand(World(1, 1, seed, now=clock))
            _order(hand.world, "html", share=0.3)
            return [_answer(hand, "test.hello").body.startswith(b"<") for _ in range(400)]

        assert hits(1) == hits(1) != hits(2)
        assert 80 < sum(hits(1)) < 160

    def test_the_oldest_order_wins(self, mine: Hand) -> None:
        _order(mine.world, "api_error", value=501, count=1)
        _order(mine.world, "api_error", value=503)
        codes = [json.loads(_answer(mine, "test.hello").body)["api"]["code"] for _ in range(2)]
        assert codes == ["501", "503"]

    def test_calls_are_counted_though_they_were_hit(self, mine: Hand) -> None:
        _order(mine.world, "http_status")
        _answer(mine, "test.hello")
        assert mine.world.meter.report()["calls"] == {"test.hello": 1}

    def test_a_reset_comes_after_the_work_was_done(self, mine: Hand) -> None:
        doc_id = mine.listed()[0]
        _order(mine.world, "reset", methods=["doc.delete"])
        _answer(mine, "doc.delete", doc_id=doc_id)
        assert mine.error("doc.get", doc_id=doc_id) == 1

    @pytest.mark.parametrize(
        ("order", "field"),
        [
            ([], "body"),
            ({}, "kind"),
            ({"kind": "explode"}, "kind"),
            ({"kind": 3}, "kind"),
            ({"kind": "html", "methods": []}, "methods"),
            ({"kind": "html", "methods": 3}, "methods"),
            ({"kind": "html", "methods": ["no.such"]}, "methods"),
            ({"kind": "empty_list", "methods": ["media"]}, "kind"),
            ({"kind": "html", "share": 2}, "share"),
            ({"kind": "html", "share": "all"}, "share"),
            ({"kind": "html", "share": True}, "share"),
            ({"kind": "html", "count": 0}, "count"),
            ({"kind": "html", "seconds": -1}, "seconds"),
            ({"kind": "html", "count": 1, "seconds": 1}, "seconds"),
            ({"kind": "http_status", "value": 99}, "value"),
            ({"kind": "html", "lucky": 1}, "lucky"),
        ],
    )
    def test_orders_that_can_not_be_taken_name_the_field(self, world: World, order: object, field: str) -> None:
        with pytest.raises(FaultError) as refused:
            world.faults.order(order, 0)
        assert refused.value.name == field
        assert world.faults.orders() == []


def test_dice_are_fair_enough_and_repeat_themselves() -> None:
    throws = [Dice(1).below(6) for _ in range(3)]
    assert throws == [throws[0]] * 3
    dice = Dice(2)
    counted = Counter(dice.below(6) for _ in range(6_000))
    assert all(850 < counted[face] < 1_150 for face in range(6))


class TestOnTheWire:
    @pytest.fixture
    def url(self, simulator: Simulator) -> str:
        return f"{simulator.api_url}test.hello/json?api_key={simulator.api_key}"

    @pytest.fixture
    def file_url(self, simulator: Simulator) -> str:
        hand = Hand(simulator.world)
        docs = hand.ok("doc.getList", user_id=simulator.members[0].user_id, extra="original")["docs"]["doc"]
        return str(next(one for one in docs if one["media"] == "photo")["original"]["url"])

    async def test_hang(self, simulator: Simulator, url: str) -> None:
        _order(simulator.world, "hang", value=600)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as session:
            with pytest.raises(asyncio.TimeoutError):
                await session.get(url)

    async def test_a_hang_ends_without_an_answer(self, simulator: Simulator, url: str, file_url: str) -> None:
        _order(simulator.world, "hang", value=0.05, methods=["*", "media"])
        async with aiohttp.ClientSession() as session:
            for address in (url, file_url):
                with pytest.raises(aiohttp.ClientConnectionError):
                    await session.get(address)

    @pytest.mark.parametrize("after", [0, 10])
    async def test_reset(self, simulator: Simulator, url: str, file_url: str, after: int) -> None:
        _order(simulator.world, "reset", value=after, methods=["*", "media"])
        async with aiohttp.ClientSession() as session:
            for address in (url, file_url):
                with pytest.raises(aiohttp.ClientError):
                    async with session.get(address) as answer:
                        await answer.read()

    async def test_slow(self, simulator: Simulator, url: str, file_url: str) -> None:
        _order(simulator.world, "slow", value=0.3, methods=["*", "media"])
        async with aiohttp.ClientSession() as session:
            for address in (url, file_url):
                started = time.monotonic()
                async with session.get(address) as answer:
                    assert len(await answer.read()) == answer.content_length
                assert 0.25 < time.monotonic() - started < 20

    async def test_a_truncated_file_breaks_its_promise(self, simulator: Simulator, file_url: str) -> None:
        _order(simulator.world, "truncate", methods="media")
        async with aiohttp.ClientSession() as session, session.get(file_url) as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()

    async def test_a_truncated_answer_is_whole_http_and_no_json(self, simulator: Simulator, url: str) -> None:
        _order(simulator.world, "truncate", value=9)
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert (answer.status, len(await answer.read())) == (200, 9)

    async def test_a_file_can_be_a_page(self, simulator: Simulator, file_url: str) -> None:
        _order(simulator.world, "html", methods="media", count=1)
        _order(simulator.world, "http_status", value=429, methods="media", count=1)
        async with aiohttp.ClientSession() as session:
            async with session.get(file_url) as answer:
                assert (answer.status, answer.content_type) == (200, "text/html")
            async with session.get(file_url) as answer:
                assert answer.status == 429
            async with session.get(file_url) as answer:
                assert answer.content_type == "image/jpeg"

    async def test_stopping_does_not_wait_for_hanging_answers(self) -> None:
        async with aiohttp.ClientSession() as session:
            async with Simulator(members=1, documents=1) as simulator:
                _order(simulator.world, "hang")
                url = f"{simulator.api_url}test.hello?api_key={simulator.api_key}"
                hanging = asyncio.ensure_future(session.get(url))
                await asyncio.sleep(0.1)
                started = time.monotonic()
            assert time.monotonic() - started < 20
            with pytest.raises(aiohttp.ClientError):
                await hanging
