"""A world without a socket: what a simulation on virtual time drives."""

import json
from urllib.parse import urlsplit

from ipsync.simulator import Call, World
from ipsync.simulator.authorization import post_authorize, show_authorize
from ipsync.simulator.media.recognize import jpeg_size
from ipsync.simulator.signature import sign
from tests.simulator.hands import Clock, FormReader, Hand


def test_a_whole_story_in_memory(clock: Clock) -> None:
    world = World(2, 30, now=clock)
    member = world.members[0]
    hand = Hand(world)
    frob = hand.ok("auth.getFrob")["auth"]["frob"]
    link = {"api_key": world.api_key, "perm_doc": "delete", "frob": frob}
    link["api_sig"] = sign(link, world.secret)
    form = FormReader(show_authorize(world.state, link, member.cookie, "/apps/authorize?x").body).forms["fa"]
    assert 'class="ok"' in post_authorize(world.state, link, form, member.cookie).body
    hand.token = hand.ok("auth.getToken", frob=frob)["auth"]["token"]

    answer = world.answer(Call("doc.getList", hand.signed("doc.getList", share=4, extra="original")))
    doc = next(one for one in json.loads(answer.body)["docs"]["doc"] if one["media"] == "photo")
    path = urlsplit(doc["original"]["url"]).path
    file = world.answer_media(path)
    assert (file.status, file.content_type, file.name) == (200, "image/jpeg", path.rpartition("/")[2])
    assert jpeg_size(file.body) == (int(doc["original"]["w"]), int(doc["original"]["h"]))

    hand.ok("doc.setPerms", doc_id=doc["doc_id"], share=0)
    assert world.answer_media(path).status == 404
    assert next(row for row in world.truth() if row["document_id"] == doc["doc_id"])["share"] == 0
    assert world.state.revoke(member) == 1
    assert hand.error("doc.getList") == 107


def test_the_same_calls_give_the_same_answers() -> None:
    def trace() -> list[bytes]:
        clock = Clock()
        world = World(3, 50, 4, now=clock, rate_limit="5/s")
        world.faults.order({"kind": "api_error", "share": 0.2, "value": 500}, clock())
        world.faults.order({"kind": "shuffle", "share": 0.3}, clock())
        hand = Hand(world, world.state.grant(world.members[0], {"doc": "delete"}).value)
        answers = []
        for step in range(60):
            clock.move(0.15)
            answers.append(world.answer(Call("doc.getList", hand.signed("doc.getList", page=step % 3 + 1))).body)
        return answers

    first = trace()
    assert first == trace()
    assert len(set(first)) > 20


def test_time_comes_from_outside(clock: Clock) -> None:
    hand = Hand(World(1, 1, now=clock))
    assert hand.ok("test.hello")["api"]["at"] == str(clock() // 1_000_000)
    clock.move(86_400)
    assert hand.ok("test.hello")["api"]["at"] == str(clock() // 1_000_000)


def test_faults_for_files_do_not_hit_a_call_of_that_name(clock: Clock) -> None:
    world = World(1, 1, now=clock)
    world.faults.order({"kind": "http_status", "methods": "media"}, clock())
    assert world.answer(Call("media", {"api_key": world.api_key})).status == 200
    assert world.answer_media("/media/x").status == 503
