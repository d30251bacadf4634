"""Frobs become tokens once; tokens say what was granted."""

from ipsync.simulator import World
from ipsync.simulator.members import Member
from tests.simulator.hands import Clock, Hand


def _approved(world: World, anyone: Hand, member: Member) -> str:
    frob: str = anyone.ok("auth.getFrob")["auth"]["frob"]
    waiting = world.state.waiting_frob(frob)
    assert waiting
    world.state.approve(waiting, member, {"doc": "read"})
    return frob


def test_a_frob_is_good_once(world: World, anyone: Hand, owner: Member) -> None:
    frob = _approved(world, anyone, owner)
    auth = anyone.ok("auth.getToken", frob=frob)["auth"]
    assert auth["permissions"] == {"doc": "read", "blog": "none", "post": "none", "network": "none", "profile": "none"}
    assert auth["user"] == {
        "user_id": str(owner.user_id),
        "username": owner.username,
        "realname": owner.realname,
    }
    assert anyone.error("auth.getToken", frob=frob) == 2


def test_frobs_that_are_missing_unknown_or_not_approved(anyone: Hand) -> None:
    assert anyone.error("auth.getToken") == 1
    assert anyone.error("auth.getToken", frob="") == 1
    assert anyone.error("auth.getToken", frob="nonsense") == 2
    assert anyone.error("auth.getToken", frob=anyone.ok("auth.getFrob")["auth"]["frob"]) == 2


def test_a_frob_is_good_for_a_few_minutes(world: World, anyone: Hand, owner: Member, clock: Clock) -> None:
    frob = _approved(world, anyone, owner)
    clock.move(601)
    assert anyone.error("auth.getToken", frob=frob) == 2
    anyone.ok("auth.getFrob")
    assert len(world.state.frobs) == 1, "old ones are forgotten"


def test_check_token_answers_as_get_token_does(world: World, anyone: Hand, owner: Member) -> None:
    auth = anyone.ok("auth.getToken", frob=_approved(world, anyone, owner))["auth"]
    assert Hand(world, auth["token"]).ok("auth.checkToken")["auth"] == auth


def test_a_closed_account_gets_no_token(world: World, anyone: Hand, owner: Member) -> None:
    frob = _approved(world, anyone, owner)
    owner.closed = True
    assert anyone.error("auth.getToken", frob=frob) == 108


def test_revoking_kills_frobs_that_were_approved_too(world: World, anyone: Hand, owner: Member) -> None:
    frob = _approved(world, anyone, owner)
    world.state.revoke(owner)
    assert anyone.error("auth.getToken", frob=frob) == 2


def test_tokens_stand_beside_each_other(world: World, owner: Member) -> None:
    reader = Hand(world, world.state.grant(owner, {"doc": "read"}).value)
    writer = Hand(world, world.state.grant(owner, {"doc": "delete"}).value)
    document = reader.listed()[0]
    assert reader.error("doc.delete", doc_id=document) == 110
    assert writer.ok("doc.delete", doc_id=document)
    assert reader.error("doc.get", doc_id=document) == 1


def test_hello_and_echo(anyone: Hand) -> None:
    assert anyone.ok("test.echo", echo="héllo & <b>")["echo"] == "héllo & <b>"
    assert anyone.ok("test.hello")["hello"]
    assert anyone.error("test.echo") == 2


def test_user_get(world: World, mine: Hand, anyone: Hand, owner: Member) -> None:
    own = mine.ok("user.get")["user"]
    assert own["user_id"] == str(owner.user_id)
    assert own["count"]["docs"] == "40"
    assert anyone.ok("user.get", user_id=owner.user_id)["user"]["count"]["docs"] == "32"
    assert anyone.ok("user.get", user_id=owner.username)["user"]["user_id"] == own["user_id"]
    assert anyone.error("user.get", user_id=1) == 1
    assert anyone.error("user.get") == 2
    friend = mine.ok("user.get", user_id=world.members[1].user_id)["user"]["relation"]
    assert (friend["isfriend"], friend["isfamily"], friend["iscontact"]) == ("1", "0", "1")


def test_the_list_of_methods(anyone: Hand) -> None:
    methods = {one["name"]: one for one in anyone.ok("api.methods.getList")["methods"]["method"]}
    assert len(methods) == 102
    assert methods["doc.delete"]["authentication"] == {"post": "1", "sign": "1", "token": "1"}
    assert methods["doc.delete"]["permissions"] == {"doc": "delete"}
    one = anyone.ok("api.methods.get", method="doc.getList")["method"]
    assert {"name": "user_id", "required": "1"} in one["parameters"]["param"]
    assert anyone.error("api.methods.get", method="no.such") == 1


def test_quota(mine: Hand, owner: Member) -> None:
    quota = mine.ok("account.getQuota")["quota"]
    assert quota["user_id"] == str(owner.user_id)
    assert quota["upload"]["used"]["bytes"] == "0"
