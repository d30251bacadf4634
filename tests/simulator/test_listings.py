"""Who is listed what, page by page."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ipsync.simulator import World
from ipsync.simulator.members import Member
from tests.simulator.hands import Clock, Hand

Acting = Callable[..., Hand]
EVERYTHING = "dates,count,geo,medias,original,md5,owner,license,link"


def _ids(world: World, owner: Member, *shares: int) -> list[str]:
    """Return the owner's documents of these levels, newest first."""
    own = [one for one in world.state.library.documents_of(owner) if one.share in shares]
    return [str(one.document_id) for one in reversed(own)]


def test_the_owner_sees_all_newest_first(world: World, mine: Hand, owner: Member) -> None:
    assert mine.listed(per_page=100) == _ids(world, owner, 0, 1, 2, 3, 4)
    assert mine.listed(per_page=100, user_id=owner.user_id) == mine.listed(per_page=100)


def test_levels_seen_by_friend_family_stranger_and_anonymous(
    world: World, owner: Member, acting: Acting, anyone: Hand
) -> None:
    seen = {
        1: (4, 3, 2),  # the friend
        2: (4, 3, 1),  # the family
        3: (4,),  # a stranger with an account
    }
    for place, shares in seen.items():
        hand = acting(world.members[place], doc="read")
        assert hand.listed(user_id=owner.user_id, per_page=100) == _ids(world, owner, *shares)
    assert anyone.listed(user_id=owner.user_id, per_page=100) == _ids(world, owner, 4)


def test_a_token_without_permission_to_read_sees_what_a_stranger_sees(
    world: World, owner: Member, acting: Acting
) -> None:
    hand = acting(owner, network="read")
    assert hand.listed(per_page=100) == _ids(world, owner, 4)
    assert hand.listed(per_page=100, share=0) == []


@pytest.mark.parametrize("share", range(5))
def test_share_picks_one_level_of_the_own_documents(world: World, mine: Hand, owner: Member, share: int) -> None:
    assert mine.listed(share=share, per_page=100) == _ids(world, owner, share)


@pytest.mark.parametrize("share", range(5))
def test_share_shows_others_public_documents_or_none(
    world: World, owner: Member, acting: Acting, anyone: Hand, share: int
) -> None:
    expected = _ids(world, owner, 4) if share == 4 else []
    for hand in (anyone, acting(world.members[1]), acting(world.members[3])):
        assert hand.listed(user_id=owner.user_id, share=share, per_page=100) == expected


@pytest.mark.parametrize("share", ["5", "-1", "x", "1.5"])
def test_share_that_makes_no_sense(mine: Hand, share: str) -> None:
    assert mine.error("doc.getList", share=share) == 2


def test_pages(mine: Hand) -> None:
    first = mine.ok("doc.getList", per_page=15)["docs"]
    assert {name: first[name] for name in ("total", "page", "pages", "per_page")} == {
        "total": "40",
        "page": "1",
        "pages": "3",
        "per_page": "15",
    }
    pages = [mine.listed(per_page=15, page=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [15, 15, 10]
    assert [one for page in pages for one in page] == mine.listed(per_page=100)


def test_a_page_holds_twenty_by_default_and_a_hundred_at_most(mine: Hand) -> None:
    assert mine.ok("doc.getList")["docs"]["per_page"] == "20"
    assert mine.ok("doc.getList", per_page=101)["docs"]["per_page"] == "100"
    assert mine.ok("doc.getList", per_page=0)["docs"]["per_page"] == "1"


def test_an_empty_list_leaves_the_member_out(mine: Hand, clock: Clock) -> None:
    beyond = mine.ok("doc.getList", page=9)["docs"]
    assert "doc" not in beyond
    assert beyond["total"] == "40"
    empty = Hand(World(1, 0, now=clock))
    docs = empty.ok("doc.getList", user_id=empty.world.members[0].user_id)["docs"]
    assert docs == {"total": "0", "per_page": "20", "page": "1", "pages": "0"}


def test_pages_shift_while_they_are_read(mine: Hand) -> None:
    everything = mine.listed(per_page=100)
    first = mine.listed(per_page=10, page=1)
    mine.ok("doc.delete", doc_id=first[0])
    second = mine.listed(per_page=10, page=2)
    assert first + second == everything[:10] + everything[11:21], "one document fell between the pages"


def test_hidden_documents_leave_the_view_and_come_back_to_their_place(mine: Hand) -> None:
    before = mine.listed(share=4, per_page=100)
    for share in (0, 1, 2, 3):
        mine.ok("doc.setPerms", doc_id=before[5], share=share)
        assert mine.listed(share=4, per_page=100) == before[:5] + before[6:]
        assert before[5] in mine.listed(share=share, per_page=100)
    mine.ok("doc.setPerms", doc_id=before[5], is_public=1)
    assert mine.listed(share=4, per_page=100) == before


def test_kinds(mine: Hand, world: World, owner: Member) -> None:
    kinds = {str(one.document_id): one.kind for one in world.state.library.documents_of(owner)}
    everything = mine.listed(per_page=100)
    for kind in ("photo", "video", "audio", "other"):
        assert mine.listed(media=kind, per_page=100) == [one for one in everything if kinds[one] == kind]
    assert mine.listed(media="video,audio", per_page=100) == [one for one in everything if kinds[one] != "photo"]
    assert mine.error("doc.getList", media="film") == 2


def test_safesurf_leaves_out_what_is_above(mine: Hand) -> None:
    first = mine.listed()[0]
    mine.ok("doc.setSafety", doc_id=first, safety=3)
    assert first in mine.listed()
    assert first not in mine.listed(safesurf=2)
    assert first in mine.listed(safesurf=3)


def test_extras(mine: Hand, world: World) -> None:
    plain = mine.ok("doc.getList", per_page=100)["docs"]["doc"]
    assert {name for one in plain for name in one} == {"doc_id", "media", "license", "title", "safety", "thumb"}
    full = mine.ok("doc.getList", per_page=100, extra=EVERYTHING)["docs"]["doc"]
    for one in full:
        document = world.state.library.get(int(one["doc_id"]))
        assert document
        assert one["dates"]["posted_at"] == str(document.posted_at)
        assert one["count"]["visits"] == str(document.visits)
        assert ("geo" in one) == (document.latitude is not None)
        assert ("medias" in one) == (document.kind != "photo")
        assert one["original"]["bytes"] == str(len(document.original.content()))
        assert one["md5"] == document.original.md5()
        assert one["owner"]["user_id"] == str(document.owner.user_id)
    played = next(one for one in full if "medias" in one)["medias"]["media"]
    assert isinstance(played, list)
    assert "lenght" in played[0]
    assert any("geo" in one for one in full)


def test_unknown_extras_are_ignored(mine: Hand) -> None:
    assert mine.listed(extra="nonsense,dates , ,")


@pytest.mark.parametrize("label", ["75x", "100", "240", "250x", "500", "560", "640", "800", "1024", "1600", "2048"])
def test_thumbsize(mine: Hand, label: str) -> None:
    for one in mine.ok("doc.getList", per_page=100, thumbsize=label, extra="original")["docs"]["doc"]:
        thumb, original = one["thumb"], one["original"]
        assert thumb["ext"] == "jpg"
        if one["media"] == "photo" and max(int(original["w"]), int(original["h"])) >= int(label.rstrip("x")):
            assert thumb["label"] == label
        longest = 75 if thumb["label"] == "75x" else int(thumb["label"].rstrip("x"))
        assert max(int(thumb["w"]), int(thumb["h"])) == longest <= int(label.rstrip("x"))


def test_thumbsize_that_does_not_exist(mine: Hand) -> None:
    assert mine.error("doc.getList", thumbsize="9999") == 2


def test_the_original_is_for_those_who_may_download(world: World, anyone: Hand) -> None:
    for member in world.members:
        docs = anyone.ok("doc.getList", user_id=member.user_id, extra="original")["docs"]["doc"]
        assert all(("original" in one) == member.download for one in docs)


def _strings(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    else:
        yield value


def test_every_value_is_a_string(mine: Hand, world: World, owner: Member) -> None:
    document = mine.listed(share=4)[0]
    album = mine.ok("album.getList")["albums"]["album"][0]["album_id"]
    folder = mine.ok("folder.getList")["folders"]["folder"][0]["folder_id"]
    group = mine.ok("group.getList")["groups"]["group"][0]["group_id"]
    post = mine.ok("post.getList")["posts"]["post"][0]["post_id"]
    answers = [
        mine.ok("doc.getList", extra=EVERYTHING),
        mine.ok("doc.get", doc_id=document, extra="tags,notes,geo,md5"),
        mine.ok("doc.getMedias", doc_id=document),
        mine.ok("doc.getPerms", doc_id=document),
        mine.ok("doc.getContainers", doc_id=document),
        mine.ok("doc.tags.add", doc_id=document, keywords="a,b"),
        mine.ok("doc.tags.getList", doc_id=document),
        mine.ok("doc.notes.add", doc_id=document, content="x", x=1, y=2, w=3, h=4),
        mine.ok("doc.comments.getList", doc_id=document),
        mine.ok("album.get", album_id=album),
        mine.ok("album.docs.getList", album_id=album),
        mine.ok("folder.get", folder_id=folder),
        mine.ok("folder.albums.getList", folder_id=folder),
        mine.ok("group.get", group_id=group),
        mine.ok("group.docs.getList", group_id=group),
        mine.ok("post.get", post_id=post),
        mine.ok("user.get"),
        mine.ok("account.getQuota"),
        mine.ok("auth.checkToken"),
        mine.ok("api.methods.getList"),
        mine.ok("doc.search", user_id=owner.user_id),
        mine.ok("upload.checkTickets", tickets="x"),
        mine.call("doc.get", doc_id=1),
    ]
    for answer in answers:
        assert all(isinstance(value, str) for value in _strings(answer)), answer


class TestSearch:
    def test_one_member(self, mine: Hand, world: World, owner: Member) -> None:
        found = mine.ok("doc.search", user_id=owner.user_id, per_page=100)["docs"]
        assert [one["doc_id"] for one in found["doc"]] == mine.listed(per_page=100)

    def test_everybody_newest_first(self, anyone: Hand, world: World) -> None:
        found = anyone.ok("doc.search", per_page=100, extra="owner,dates")["docs"]
        assert found["total"] == str(5 * 32)
        ids = [int(one["doc_id"]) for one in found["doc"]]
        assert ids == sorted(ids, reverse=True)
        assert len({one["owner"]["user_id"] for one in found["doc"]}) == 5

    def test_closed_accounts_are_not_found(self, anyone: Hand, owner: Member) -> None:
        owner.closed = True
        assert anyone.ok("doc.search")["docs"]["total"] == str(4 * 32)

    def test_text_license_time_and_order(self, mine: Hand, world: World, owner: Member) -> None:
        public = [one for one in world.state.library.documents_of(owner) if one.share == 4]
        one = public[3]
        assert mine.ok("doc.search", text=one.token)["docs"]["total"] == "1"
        assert mine.ok("doc.search", text=one.token.upper(), license=one.license)["docs"]["total"] == "1"
        between = mine.ok(
            "doc.search",
            user_id=owner.user_id,
            share=4,
            posted_min=public[2].posted_at,
            posted_max=public[4].posted_at,
            sort="posted-asc",
        )["docs"]["doc"]
        assert [hit["doc_id"] for hit in between] == [str(hit.document_id) for hit in public[2:5]]

    def test_album_group_and_tags(self, mine: Hand, world: World, owner: Member) -> None:
        album = next(iter(world.state.shelves.albums.values()))
        assert mine.ok("doc.search", album_id=album.album_id)["docs"]["total"] == str(len(album.document_ids))
        document = mine.listed()[0]
        mine.ok("doc.tags.add", doc_id=document, keywords="very special")
        assert mine.ok("doc.search", tags="Very Special")["docs"]["doc"][0]["doc_id"] == document

    @pytest.mark.parametrize(
        ("name", "value"), [("license", "4"), ("license", "x"), ("sort", "best"), ("posted_min", "yesterday")]
    )
    def test_what_makes_no_sense(self, mine: Hand, name: str, value: str) -> None:
        assert mine.error("doc.search", **{name: value}) == 2
