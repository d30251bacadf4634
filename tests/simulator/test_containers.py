"""Albums, folders, groups and articles."""

from collections.abc import Callable

import pytest

from ipsync.simulator import World
from ipsync.simulator.members import Member
from tests.simulator.hands import Hand

Acting = Callable[..., Hand]


@pytest.fixture
def album_id(mine: Hand) -> str:
    created: str = mine.ok("album.create", title="Mine", description="All mine")["album"]["album_id"]
    return created


def _shown(hand: Hand, album_id: str) -> list[str]:
    docs = hand.ok("album.docs.getList", album_id=album_id, per_page=100)["album"]["docs"]
    return [one["doc_id"] for one in docs.get("doc", [])]


class TestAlbums:
    def test_create_and_edit_answer_the_whole_album(self, mine: Hand, album_id: str) -> None:
        cover = mine.listed()[2]
        edited = mine.ok("album.edit", album_id=album_id, title="New", description="Newer", cover_id=cover)["album"]
        got = mine.ok("album.get", album_id=album_id)["album"]
        for album in (edited, got):
            assert (album["title"], album["description"]) == ("New", "Newer")
            assert album["cover"]["doc_id"] == cover

    def test_a_cover_becomes_the_first_document(self, mine: Hand) -> None:
        cover = mine.listed()[0]
        album = mine.ok("album.create", title="With cover", cover_id=cover)["album"]
        assert _shown(mine, album["album_id"]) == [cover]

    def test_documents_keep_the_order_in_which_they_were_added(self, mine: Hand, album_id: str) -> None:
        wanted = list(reversed(mine.listed(per_page=5)))
        added = mine.ok("album.docs.add", album_id=album_id, doc_id=",".join(wanted))["album"]
        assert [one["doc_id"] for one in added["doc"]] == wanted
        assert (added["added"], added["skipped"], added["total"]) == ("5", "0", "5")
        assert _shown(mine, album_id) == wanted
        again = mine.ok("album.docs.add", album_id=album_id, doc_id=wanted[0])["album"]
        assert (again["added"], again["skipped"]) == ("0", "1")
        removed = mine.ok("album.docs.remove", album_id=album_id, doc_id=f"{wanted[0]},{wanted[2]}")["album"]
        assert removed["removed"] == "2"
        assert _shown(mine, album_id) == [wanted[1], wanted[3], wanted[4]]
        assert mine.ok("album.get", album_id=album_id)["album"]["cover"]["doc_id"] == wanted[1]

    def test_others_documents_are_not_taken(self, mine: Hand, world: World, album_id: str) -> None:
        other = next(world.state.library.documents_of(world.members[1]))
        (entry,) = mine.ok("album.docs.add", album_id=album_id, doc_id=other.document_id)["album"]["doc"]
        assert (entry["added"], entry["error"]) == ("0", "1")

    def test_at_most_twenty_at_once(self, mine: Hand, album_id: str) -> None:
        assert mine.error("album.docs.add", album_id=album_id, doc_id=",".join(mine.listed(per_page=21))) == 2

    def test_set_list(self, mine: Hand, album_id: str) -> None:
        wanted = mine.listed(per_page=4)
        mine.ok("album.docs.setList", album_id=album_id, doc_ids=",".join(wanted), cover_id=wanted[3])
        assert _shown(mine, album_id) == wanted
        assert mine.ok("album.get", album_id=album_id)["album"]["cover"]["doc_id"] == wanted[3]
        assert mine.error("album.docs.setList", album_id=album_id, doc_ids=wanted[0], cover_id=wanted[1]) == 2

    def test_visitors_see_what_they_may(self, mine: Hand, anyone: Hand, album_id: str) -> None:
        public, private = mine.listed(share=4)[0], mine.listed(share=0)[0]
        mine.ok("album.docs.add", album_id=album_id, doc_id=f"{private},{public}")
        assert _shown(mine, album_id) == [private, public]
        assert _shown(anyone, album_id) == [public]
        assert "cover" not in anyone.ok("album.get", album_id=album_id)["album"], "the cover is private"
        assert anyone.ok("album.get", album_id=album_id)["album"]["count"]["docs"] == "1"

    def test_a_deleted_document_leaves_its_albums(self, mine: Hand, album_id: str) -> None:
        one, two = mine.listed(per_page=2)
        mine.ok("album.docs.add", album_id=album_id, doc_id=f"{one},{two}")
        containers = mine.ok("doc.getContainers", doc_id=one)
        assert [album["album_id"] for album in containers["albums"]["album"]] == [album_id]
        assert containers["groups"]["group"] == []
        mine.ok("doc.delete", doc_id=one)
        assert _shown(mine, album_id) == [two]
        assert mine.ok("album.get", album_id=album_id)["album"]["cover"]["doc_id"] == two

    def test_list_order_and_delete(self, mine: Hand, anyone: Hand, owner: Member, album_id: str) -> None:
        albums = mine.ok("album.getList")["albums"]
        ids = [one["album_id"] for one in albums["album"]]
        assert albums["total"] == "4"
        assert all(one["owner"]["user_id"] == str(owner.user_id) for one in albums["album"])
        assert anyone.ok("album.getList", user_id=owner.user_id)["albums"]["total"] == "3", "the empty one is left out"
        assert anyone.ok("album.getList", user_id=owner.user_id, empty=1)["albums"]["total"] == "4"
        mine.ok("album.orderList", album_ids=f"{ids[3]},{ids[1]}")
        assert [one["album_id"] for one in mine.ok("album.getList")["albums"]["album"]] == [
            ids[3],
            ids[1],
            ids[0],
            ids[2],
        ]
        mine.ok("album.delete", album_id=album_id)
        assert mine.error("album.get", album_id=album_id) == 1

    def test_set_perms_and_pages(self, mine: Hand, album_id: str) -> None:
        mine.ok("album.setPerms", album_id=album_id, perm_comment=0)
        assert mine.ok("album.get", album_id=album_id)["album"]["permissions"]["comment"] == "0"
        page = mine.ok("album.getList", per_page=3, page=2)["albums"]
        assert [one["album_id"] for one in page["album"]] == [album_id]

    def test_nobody_changes_what_is_not_theirs(self, world: World, acting: Acting, album_id: str) -> None:
        stranger = acting(world.members[1])
        assert stranger.error("album.edit", album_id=album_id, title="x") == 1
        assert stranger.error("album.delete", album_id=album_id) == 1
        assert stranger.error("album.docs.add", album_id=album_id, doc_id=stranger.listed()[0]) == 1


class TestFolders:
    def test_a_folder_from_birth_to_death(self, mine: Hand, album_id: str) -> None:
        folder = mine.ok("folder.create", title="Box", description="of albums")["folder"]["folder_id"]
        assert mine.ok("folder.edit", folder_id=folder, title="Chest")["folder"]["title"] == "Chest"
        assert mine.ok("folder.albums.add", folder_id=folder, album_id=album_id)["folder"]["added"] == "1"
        assert mine.ok("folder.albums.add", folder_id=folder, album_id=album_id)["folder"]["skipped"] == "1"
        listed = mine.ok("folder.albums.getList", folder_id=folder)["folder"]["albums"]
        assert [one["album_id"] for one in listed["album"]] == [album_id]
        mine.ok("folder.albums.remove", folder_id=folder, album_id=album_id)
        assert "album" not in mine.ok("folder.albums.getList", folder_id=folder)["folder"]["albums"]
        mine.ok("folder.delete", folder_id=folder)
        assert mine.error("folder.get", folder_id=folder) == 1
        assert mine.ok("album.get", album_id=album_id), "its albums stay"

    def test_lists_and_order(self, mine: Hand, anyone: Hand, owner: Member) -> None:
        second = mine.ok("folder.create", title="Second")["folder"]["folder_id"]
        first = mine.ok("folder.getList")["folders"]["folder"][0]
        assert first["cover"]["url"]
        mine.ok("folder.orderList", folder_ids=second)
        assert [one["folder_id"] for one in mine.ok("folder.getList")["folders"]["folder"]] == [
            second,
            first["folder_id"],
        ]
        shown = anyone.ok("folder.getList", user_id=owner.user_id)["folders"]
        assert [one["folder_id"] for one in shown["folder"]] == [first["folder_id"]]

    def test_nobody_changes_what_is_not_theirs(self, mine: Hand, world: World, acting: Acting, album_id: str) -> None:
        folder = mine.ok("folder.getList")["folders"]["folder"][0]["folder_id"]
        stranger = acting(world.members[1])
        assert stranger.error("folder.delete", folder_id=folder) == 1
        own = stranger.ok("folder.getList")["folders"]["folder"][0]["folder_id"]
        assert stranger.error("folder.albums.add", folder_id=own, album_id=album_id) == 1


class TestGroups:
    def test_add_show_and_remove(self, mine: Hand, world: World, acting: Acting) -> None:
        (group,) = mine.ok("group.getList")["groups"]["group"]
        group_id = group["group_id"]
        assert group["content"] == group["title"]
        held = {
            one["doc_id"] for one in mine.ok("group.docs.getList", group_id=group_id)["group"]["docs"].get("doc", [])
        }
        document = next(one for one in mine.listed(share=4) if one not in held)
        added = mine.ok("group.docs.add", group_id=group_id, doc_id=document)["group"]
        assert added["doc"][0] == {"doc_id": document, "added": "1", "pending": "0"}
        shown = mine.ok("group.docs.getList", group_id=group_id, per_page=1)["group"]["docs"]["doc"]
        assert shown[0]["doc_id"] == document, "what was added last comes first"
        assert mine.ok("doc.getContainers", doc_id=document)["groups"]["group"][0]["group_id"] == group_id
        stranger = acting(world.members[1]).ok("group.docs.remove", group_id=group_id, doc_id=document)["group"]
        assert stranger["docs"][0]["removed"] == "0"
        removed = mine.ok("group.docs.remove", group_id=group_id, doc_id=document)["group"]
        assert removed["docs"] == [{"doc_id": document, "removed": "1"}]

    def test_only_own_public_documents_of_members(self, mine: Hand, world: World, acting: Acting) -> None:
        (group,) = world.state.shelves.groups.values()
        private = mine.listed(share=0)[0]
        other = next(world.state.library.documents_of(world.members[1])).document_id
        entries = mine.ok("group.docs.add", group_id=group.group_id, doc_id=f"{private},{other}")["group"]["doc"]
        assert [one["error"] for one in entries] == ["2", "1"]
        group.member_ids.discard(world.members[2].user_id)
        outsider = acting(world.members[2])
        assert outsider.error("group.docs.add", group_id=group.group_id, doc_id=outsider.listed(share=4)[0]) == 109

    def test_hidden_documents_disappear_from_groups(self, mine: Hand, anyone: Hand, world: World) -> None:
        (group,) = world.state.shelves.groups.values()
        document = next(one for one in group.document_ids if one in map(int, mine.listed(per_page=100)))
        assert anyone.ok("doc.search", group_id=group.group_id)["docs"]["total"] == str(len(group.document_ids))
        mine.ok("doc.setPerms", doc_id=document, share=0)
        shown = anyone.ok("group.docs.getList", group_id=group.group_id, per_page=100)["group"]["docs"]["doc"]
        assert str(document) not in [one["doc_id"] for one in shown]
        assert anyone.ok("group.get", group_id=group.group_id)["group"]["id"] == str(group.group_id)
        assert anyone.error("group.get", group_id=1) == 1


class TestPosts:
    def test_who_sees_which(self, mine: Hand, anyone: Hand, owner: Member) -> None:
        own = mine.ok("post.getList")["posts"]["post"]
        assert len(own) == 4
        assert own[-1]["dates"]["posted_at"] == "0", "a draft"
        public = anyone.ok("post.getList", user_id=owner.user_id)["posts"]["post"]
        assert len(public) == 2
        for post in own:
            code = anyone.call("post.get", post_id=post["post_id"])["api"].get("code", "ok")
            assert code == ("ok" if post in public else "1")
        assert mine.ok("post.get", post_id=own[0]["post_id"])["post"]["content"]
