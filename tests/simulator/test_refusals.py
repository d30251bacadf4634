"""Every common error, in the order in which a call is looked at."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ipsync.simulator import World, sign
from ipsync.simulator.dispatcher import Call
from ipsync.simulator.errors import ApiError
from ipsync.simulator.members import Member
from tests.simulator.hands import Clock, Hand

Acting = Callable[..., Hand]


def _code(world: World, method: str, params: dict[str, str], post: bool = True) -> int:
    answer = world.call(method, params, post=post)
    return int(answer["api"].get("code", 0))


def test_100_key_missing_and_101_key_wrong(world: World) -> None:
    assert _code(world, "test.hello", {}) == 100
    assert _code(world, "test.hello", {"api_key": "0" * 32}) == 101
    assert _code(world, "test.hello", {"api_key": world.api_key}) == 0
    world.state.application.disabled = True
    assert _code(world, "test.hello", {"api_key": world.api_key}) == 101


@pytest.mark.parametrize("response_format", ["xml", "php", "soap", "json/x"])
def test_102_format(world: World, response_format: str) -> None:
    call = Call("test.hello", {"api_key": world.api_key}, response_format=response_format)
    with pytest.raises(ApiError) as refused:
        world.dispatcher.answer(call)
    assert refused.value.code == 102
    assert world.dispatcher.answer(replace(call, response_format="json"))


@pytest.mark.parametrize("method", ["", "doc", "doc.getlist", "doc.getList.x", "__init__"])
def test_103_unknown_method(anyone: Hand, method: str) -> None:
    assert anyone.error(method) == 103


def test_103_for_the_method_that_is_listed_and_does_not_exist(mine: Hand) -> None:
    assert mine.error("doc.albums.add", doc_id=1, album_id=2) == 103


def test_104_signature_missing(world: World, mine: Hand) -> None:
    key = {"api_key": world.api_key}
    assert _code(world, "auth.getFrob", key) == 104
    assert _code(world, "account.getQuota", key) == 104
    assert _code(world, "doc.getList", {**key, "user_id": "1"}) == 1, "needs none without a token"
    assert _code(world, "doc.getList", {**key, "auth_token": mine.token}) == 104, "a token is always signed"


def test_105_signature_wrong_even_where_none_is_needed(world: World) -> None:
    assert _code(world, "test.hello", {"api_key": world.api_key, "api_sig": "0" * 32}) == 105
    assert _code(world, "auth.getFrob", {"api_key": world.api_key, "api_sig": "0" * 32}) == 105


def test_every_parameter_is_part_of_the_signature_also_unknown_ones(world: World) -> None:
    params = {"api_key": world.api_key, "lg": "en", "whatever": "é"}
    signed = {**params, "api_sig": sign(params, world.secret, "auth.getFrob")}
    assert _code(world, "auth.getFrob", signed) == 0
    assert _code(world, "auth.getFrob", {**signed, "one": "more"}) == 105


def test_106_token_missing(anyone: Hand) -> None:
    assert anyone.error("auth.checkToken") == 106
    assert anyone.error("doc.checkMD5", md5="x") == 106


@pytest.mark.parametrize("method", ["test.hello", "doc.getList", "auth.checkToken", "doc.delete", "auth.getFrob"])
def test_107_token_invalid_on_every_method(world: World, method: str) -> None:
    assert Hand(world, "nonsense").error(method) == 107


def test_107_after_the_member_revoked(world: World, mine: Hand, owner: Member, acting: Acting) -> None:
    other = acting(world.members[1])
    assert mine.listed()
    assert world.state.revoke(owner) == 1
    assert mine.error("doc.getList") == 107
    assert other.listed()


def test_108_account_closed(mine: Hand, owner: Member, anyone: Hand) -> None:
    document = mine.listed(share=4)[0]
    owner.closed = True
    assert mine.error("doc.getList") == 108
    assert mine.error("auth.checkToken") == 108
    assert anyone.error("doc.getList", user_id=owner.user_id) == 1
    assert anyone.error("doc.get", doc_id=document) == 1
    user = anyone.ok("user.get", user_id=owner.user_id)["user"]
    assert (user["is_closed"], user["count"]["docs"]) == ("1", "0")


def test_109_blocked_by_a_member_or_a_group(world: World, owner: Member, acting: Acting) -> None:
    blocked, member = acting(world.members[1]), world.members[1]
    document = blocked.listed(user_id=owner.user_id, share=4)[0]
    owner.blocked.add(member.user_id)
    assert blocked.error("doc.getList", user_id=owner.user_id) == 109
    assert blocked.error("doc.get", doc_id=document) == 109
    (group,) = world.state.shelves.groups.values()
    group.blocked.add(member.user_id)
    assert blocked.error("group.get", group_id=group.group_id) == 109


@pytest.mark.parametrize(
    ("granted", "method", "code"),
    [
        ({}, "doc.get", 110),
        ({"doc": "none"}, "doc.get", 110),
        ({"doc": "read"}, "doc.get", 1),
        ({"doc": "read"}, "doc.set", 110),
        ({"doc": "write"}, "doc.set", 1),
        ({"doc": "write"}, "doc.delete", 110),
        ({"doc": "delete"}, "doc.delete", 1),
        ({"blog": "delete"}, "doc.get", 110),
        ({"blog": "read"}, "post.get", 2),
        ({"doc": "read"}, "post.get", 110),
        ({"doc": "read"}, "doc.getList", 0),
    ],
)
def test_110_permissions_include_those_before(
    world: World, owner: Member, granted: dict[str, str], method: str, code: int
) -> None:
    token = world.state.grant(owner, granted)
    answer = Hand(world, token.value).call(method, doc_id=99)
    assert int(answer["api"].get("code", 0)) == code


def test_111_address_not_allowed(world: World) -> None:
    params = {"api_key": world.api_key}
    world.state.application.addresses = frozenset({"10.0.0.1"})
    assert world.call("test.hello", params, "10.0.0.2")["api"]["code"] == "111"
    assert world.call("test.hello", params, "10.0.0.1")["api"]["status"] == "ok"


def test_113_per_address_and_112_per_key(clock: Clock) -> None:
    world = World(1, 1, now=clock, rate_limit="2/s,3/m,4/h,5/d")
    params = {"api_key": world.api_key}

    def code(address: str = "a") -> str:
        return str(world.call("test.hello", params, address)["api"].get("code", "ok"))

    assert [code(), code(), code()] == ["ok", "ok", "113"]
    clock.move(1)
    assert [code(), code()] == ["ok", "113"], "three in the minute"
    assert [code("b"), code("b")] == ["ok", "112"], "another address has its own minute, the key its hour"
    clock.move(3_600)
    assert [code("b"), code("b")] == ["ok", "112"], "five in the day"
    clock.move(86_400)
    assert code("b") == "ok"
    assert world.meter.report()["rejected"] == {"112": 2, "113": 2}


def test_refused_calls_use_up_no_quota(clock: Clock) -> None:
    world = World(1, 1, now=clock, rate_limit="1/s")
    for _ in range(10):
        world.call("test.hello", {"api_key": world.api_key})
    clock.move(1)
    assert world.call("test.hello", {"api_key": world.api_key})["api"]["status"] == "ok"


@pytest.mark.parametrize("spec", ["10", "10/x", "0/s", "-1/s", "1.5/s", "a/s", "1/s,2/s", "٣/s"])
def test_a_rate_limit_that_can_not_be_read(spec: str) -> None:
    with pytest.raises(ValueError, match="rate limit"):
        World(1, 1, rate_limit=spec)


def test_120_changes_must_be_posted(world: World, mine: Hand) -> None:
    document = mine.listed()[0]
    params = mine.signed("doc.delete", doc_id=document)
    assert _code(world, "doc.delete", params, post=False) == 120
    assert mine.ok("doc.get", doc_id=document)
    assert _code(world, "doc.delete", params, post=True) == 0


@pytest.mark.parametrize("method", ["explore.docs.getPopular", "faves.docs.getList", "doc.getExif", "post.search"])
def test_503_for_what_is_listed_and_not_simulated(anyone: Hand, method: str) -> None:
    assert anyone.error(method) == 503


def test_errors_are_answers_with_code_and_message_as_strings(anyone: Hand) -> None:
    answer = anyone.call("doc.get", doc_id=1)
    assert set(answer) == {"api"}
    assert answer["api"]["status"] == "error"
    assert answer["api"]["code"] == "1"
    assert isinstance(answer["api"]["message"], str)
