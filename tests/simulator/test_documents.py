"""Reading and changing single documents."""

from collections.abc import Callable
from typing import Any

import pytest

from ipsync.simulator import World
from ipsync.simulator.documents import Document
from ipsync.simulator.members import Member
from tests.simulator.hands import Clock, Hand

Acting = Callable[..., Hand]


@pytest.fixture
def public(world: World, owner: Member) -> Document:
    return next(one for one in world.state.library.documents_of(owner) if one.share == 4 and one.kind == "photo")


@pytest.fixture
def private(world: World, owner: Member) -> Document:
    return next(one for one in world.state.library.documents_of(owner) if one.share == 0)


def test_get(mine: Hand, public: Document, owner: Member) -> None:
    doc = mine.ok("doc.get", doc_id=public.document_id)["doc"]
    assert doc["doc_id"] == str(public.document_id)
    assert doc["title"] == public.title
    assert doc["description"] == public.description
    assert doc["owner"]["username"] == owner.username
    assert doc["original"]["bytes"] == str(public.original.size)
    assert {"label", "w", "h", "url"} <= doc["thumbs"]["thumb"][0].keys()
    assert not {"md5", "tags", "notes", "geo"} & doc.keys()


def test_public_is_written_5_here_and_4_elsewhere(mine: Hand, public: Document, private: Document) -> None:
    doc = mine.ok("doc.get", doc_id=public.document_id)["doc"]
    assert doc["visibility"] == {"ispublic": "1", "isfriend": "0", "isfamily": "0", "share": "5"}
    assert mine.ok("doc.set", doc_id=public.document_id)["doc"]["share"] == "4"
    doc = mine.ok("doc.get", doc_id=private.document_id)["doc"]
    assert doc["visibility"] == {"ispublic": "0", "isfriend": "0", "isfamily": "0", "share": "0"}


def test_hidden_looks_like_absent(anyone: Hand, mine: Hand, private: Document) -> None:
    hidden = anyone.call("doc.get", doc_id=private.document_id)["api"]
    absent = anyone.call("doc.get", doc_id=private.document_id + 1)["api"]
    assert hidden == absent
    assert hidden["code"] == "1"
    assert mine.ok("doc.get", doc_id=private.document_id)


def test_levels(world: World, mine: Hand, acting: Acting, anyone: Hand, public: Document) -> None:
    seen_by = {0: (), 1: (2,), 2: (1,), 3: (1, 2), 4: (1, 2, 3)}
    for share, places in seen_by.items():
        mine.ok("doc.setPerms", doc_id=public.document_id, share=share)
        for place in (1, 2, 3):
            answer = acting(world.members[place]).call("doc.get", doc_id=public.document_id)
            assert (answer["api"]["status"] == "ok") == (place in places), (share, place)
        assert (anyone.call("doc.get", doc_id=public.document_id)["api"]["status"] == "ok") == (share == 4)
        assert mine.ok("doc.get", doc_id=public.document_id)


@pytest.mark.parametrize(
    ("params", "share"),
    [
        ({"is_public": 1}, 4),
        ({"is_public": 1, "is_family": 1}, 4),
        ({"is_public": 0}, 0),
        ({"is_family": 1}, 1),
        ({"is_friend": 1}, 2),
        ({"is_family": 1, "is_friend": 1, "is_public": 0}, 3),
        ({"share": 2}, 2),
        ({"perm_comment": 0}, 4),
    ],
)
def test_set_perms(world: World, mine: Hand, public: Document, params: dict[str, Any], share: int) -> None:
    assert set(mine.ok("doc.setPerms", doc_id=public.document_id, **params)) == {"api"}
    kept = world.state.library.get(public.document_id)
    assert kept
    assert kept.share == share
    visibility = mine.ok("doc.getPerms", doc_id=public.document_id)["visibility"]
    assert (visibility["ispublic"] == "1") == (share == 4)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("doc.setPerms", {"share": 5}),
        ("doc.setPerms", {"share": "x"}),
        ("doc.setPerms", {"perm_comment": 9}),
        ("doc.setLicense", {"license": 4}),
        ("doc.setLicense", {}),
        ("doc.setSafety", {"safety": 4}),
        ("doc.setGeo", {"lat": 91, "lng": 0}),
        ("doc.setGeo", {"lat": 1}),
        ("doc.setGeo", {"lat": "nan", "lng": 0}),
        ("doc.tags.add", {}),
        ("doc.notes.add", {"content": "x", "x": 1}),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    mine: Hand, public: Document, method: str, params: dict[str, object]
) -> None:
    before = mine.ok("doc.get", doc_id=public.document_id, extra="tags,notes,geo")
    assert mine.error(method, doc_id=public.document_id, **params) == 2
    assert mine.ok("doc.get", doc_id=public.document_id, extra="tags,notes,geo") == before


@pytest.mark.parametrize("doc_id", ["", "x", "-1", "1.0", "9" * 30, "٣"])
def test_ids_that_are_none(mine: Hand, doc_id: str) -> None:
    assert mine.error("doc.get", doc_id=doc_id) == 2


@pytest.mark.parametrize(
    "method", ["doc.set", "doc.setPerms", "doc.setLicense", "doc.setSafety", "doc.setGeo", "doc.delete", "doc.tags.add"]
)
def test_nobody_changes_what_is_not_theirs(world: World, acting: Acting, public: Document, method: str) -> None:
    stranger = acting(world.members[1])
    assert stranger.error(method, doc_id=public.document_id, share=0, license=0, safety=1, keywords="x") == 1


def test_texts_license_place(mine: Hand, public: Document, clock: Clock) -> None:
    one = public.document_id
    answer = mine.ok("doc.set", doc_id=one, title="<b>Été</b>", description="")["doc"]
    assert (answer["title"], answer["description"]) == ("<b>Été</b>", "")
    clock.move(60)
    mine.ok("doc.setLicense", doc_id=one, license=255)
    mine.ok("doc.setGeo", doc_id=one, lat="48.5", lng="-4.25")
    doc = mine.ok("doc.get", doc_id=one, extra="geo")["doc"]
    assert doc["title"] == "<b>Été</b>"
    assert doc["license"] == "255"
    assert doc["geo"] == {"lat": "48.500000", "lng": "-4.250000"}
    assert doc["dates"]["modified_at"] == str(clock() // 1_000_000)
    mine.ok("doc.setGeo", doc_id=one)
    assert "geo" not in mine.ok("doc.get", doc_id=one, extra="geo")["doc"]


def test_a_title_that_is_not_sent_stays(mine: Hand, public: Document) -> None:
    mine.ok("doc.set", doc_id=public.document_id, description="new")
    assert mine.ok("doc.get", doc_id=public.document_id)["doc"]["title"] == public.title


def test_delete(mine: Hand, anyone: Hand, public: Document) -> None:
    one = str(public.document_id)
    assert set(mine.ok("doc.delete", doc_id=one)) == {"api"}
    assert mine.error("doc.get", doc_id=one) == 1
    assert mine.error("doc.delete", doc_id=one) == 1
    assert one not in mine.listed(per_page=100)
    assert anyone.error("doc.get", doc_id=one) == 1


def test_get_medias(mine: Hand, anyone: Hand, world: World, public: Document) -> None:
    medias = mine.ok("doc.getMedias", doc_id=public.document_id)
    assert medias["thumbs"]["thumb"][0]["secret"] in medias["thumbs"]["thumb"][0]["url"]
    video = next(one for one in world.state.library.documents_of(world.members[0]) if one.kind == "video")
    assert "lenght" in mine.ok("doc.getMedias", doc_id=video.document_id)["medias"]["media"][0]


def test_above_800_the_member_decides(world: World, anyone: Hand, acting: Acting) -> None:
    for member in world.members:
        large = [
            one for one in world.state.library.documents_of(member) if one.share == 4 and one.original.width > 1500
        ]
        for one in large:
            shown = anyone.ok("doc.get", doc_id=one.document_id)["doc"]["thumbs"]["thumb"]
            longest = max(int(thumb["w"]) for thumb in shown)
            assert longest <= max(800, member.largest_thumb)
            own = acting(member).ok("doc.get", doc_id=one.document_id)["doc"]["thumbs"]["thumb"]
            assert {"1024", "1600"} <= {thumb["label"] for thumb in own}


def test_check_md5(mine: Hand, world: World, public: Document) -> None:
    md5 = mine.ok("doc.get", doc_id=public.document_id, extra="md5")["doc"]["md5"]
    docs = mine.ok("doc.checkMD5", md5=f"{md5}, {'0' * 32}")["docs"]
    assert docs["doc"] == [{"md5": md5, "doc_id": str(public.document_id), "found": "1"}]
    assert (docs["count"], docs["found"]) == ("2", "1")
    assert mine.ok("doc.checkMD5", md5="0" * 32)["docs"]["doc"] == [], "here an empty list stays"
    assert mine.error("doc.checkMD5", md5=",".join(["0" * 32] * 21)) == 2
    mine.ok("doc.delete", doc_id=public.document_id)
    assert mine.ok("doc.checkMD5", md5=md5)["docs"]["doc"] == []


def test_tags(mine: Hand, world: World, public: Document) -> None:
    one, friend = public.document_id, world.members[1]
    mine.ok("doc.tags.edit", doc_id=one)
    tags = mine.ok("doc.tags.add", doc_id=one, keywords="Black & White,sea,, sea", members=friend.username)["tags"]
    assert [tag["id"] for tag in tags["tag"]] == ["blackwhite", "sea", str(friend.user_id)]
    assert mine.ok("doc.tags.add", doc_id=one, keywords="SEA")["tags"] == {"added": "0", "dropped": "1"}
    mine.ok("doc.tags.remove", doc_id=one, type="keyword", id="sea")
    shown = mine.ok("doc.get", doc_id=one, extra="tags")["doc"]["tags"]
    assert [tag["title"] for tag in shown["tag"]] == ["Black & White", friend.username]
    assert mine.error("doc.tags.remove", doc_id=one, type="keyword", id="sea") == 1
    assert mine.ok("doc.tags.edit", doc_id=one, keywords="only")["tags"]["dropped"] == "2"
    assert mine.ok("doc.tags.getList", doc_id=one)["tags"]["total"] == "1"
    assert mine.error("doc.tags.add", doc_id=one, members="nobody") == 1


def test_notes(mine: Hand, acting: Acting, world: World, public: Document) -> None:
    one = public.document_id
    note = mine.ok("doc.notes.add", doc_id=one, content="Here!", x=1, y=2, w=3, h=4)["note"]
    assert (note["content"], note["x"], note["h"]) == ("Here!", "1", "4")
    assert acting(world.members[1]).error("doc.notes.delete", note_id=note["note_id"]) == 1
    mine.ok("doc.notes.edit", note_id=note["note_id"], content="There", x=5, y=6, w=7, h=8)
    shown = mine.ok("doc.get", doc_id=one, extra="notes")["doc"]
    assert shown["notes"]["note"][0]["content"] == "There"
    assert shown["count"]["notes"] == "1"
    mine.ok("doc.notes.delete", note_id=note["note_id"])
    assert mine.ok("doc.get", doc_id=one, extra="notes")["doc"]["notes"] == {"total": "0"}


def test_comments(mine: Hand, world: World, owner: Member) -> None:
    said = next(one for one in world.state.library.documents_of(owner) if one.comments == 3)
    answer = mine.ok("doc.comments.getList", doc_id=said.document_id, per_page=2)["comments"]
    assert (answer["total"], answer["pages"], len(answer["comment"])) == ("3", "2", 2)
    (last,) = mine.ok("doc.comments.getList", doc_id=said.document_id, per_page=2, page=2)["comments"]["comment"]
    assert last["content"]
    assert last["posted_at"] == str(said.comment_at)
