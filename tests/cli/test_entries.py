"""`ipsync albums`, `folders`, `articles`: from a real answer of the API to a line in a terminal, and after the end."""

import json
import re
from collections.abc import Callable

from ipsync.assembly import Works
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror

On = Callable[..., Outcome]


def test_T13_albums_of_who_granted_no_articles_are_mirrored_shown_and_let_go(on: On, own_mirror: SiteMirror) -> None:
    mirror, member = own_mirror, own_mirror.site.members[0]
    mirror.edit("[mirror]\n", '[mirror]\ncontent = ["documents", "albums", "folders", "articles"]\n')
    assert on(mirror, "sync").code == 0

    albums = json.loads(on(mirror, "albums", "list", "--account", member.username, "--json").out)["albums"]
    truth = mirror.site.change(lambda world: {str(one.album_id): one for one in world.state.shelves.albums_of(member)})
    assert {album["album_id"]: album["title"] for album in albums} == {key: one.title for key, one in truth.items()}
    assert all(album["served"] for album in albums)
    one = json.loads(on(mirror, "albums", "show", albums[0]["album_id"], "--json").out)
    public = mirror.site.change(
        lambda world: [
            str(number)
            for number in truth[albums[0]["album_id"]].document_ids
            if (shown := world.state.library.get(number)) is not None and shown.share == 4
        ]
    )
    assert one["members"] == public
    folder = json.loads(on(mirror, "folders", "list", "--json").out)["folders"][0]
    assert "Travels" in on(mirror, "folders", "show", folder["folder_id"]).out
    assert "There is no such article here." in on(mirror, "articles", "list").out
    assert mirror.site.count("post.getList") == 0, "nobody granted it"
    assert on(mirror, "albums", "show", "4711").code == 1

    mirror.edit('content = ["documents", "albums", "folders", "articles"]', 'content = ["documents", "albums"]')
    due = json.loads(on(mirror, "purge", "--dry-run", "--json").out)["due"]
    assert {(removal["kind"], removal["document_id"]) for removal in due} == {("folder", None)}
    assert folder["folder_id"] in {removal["id"] for removal in due}
    assert re.search(r"policy-change +folders +1", on(mirror, "purge", "--dry-run").out)
    mirror.edit('content = ["documents", "albums"]', 'content = ["documents", "albums", "folders", "articles"]')

    def delete(world: object) -> None:
        album = truth[albums[0]["album_id"]]
        world.state.shelves.forget_album(album)  # type: ignore[attr-defined]  # reason: the simulated world

    mirror.site.change(delete)
    assert on(mirror, "sync").code == 0

    async def end(works: Works) -> None:
        await works.confirm.run()

    mirror.work(end)
    assert on(mirror, "purge").code == 0
    gone = json.loads(on(mirror, "albums", "show", albums[0]["album_id"], "--json").out)
    assert gone["state"] == "gone"
    assert [removal["stage"] for removal in gone["removals"]] == ["gone"]
    assert "Removal (deleted): hidden" in on(mirror, "albums", "show", albums[0]["album_id"]).out
