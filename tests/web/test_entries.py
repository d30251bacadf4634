"""`/v1/albums`, `/v1/folders`, `/v1/articles`, profiles: their shapes, and nothing of what may not be shown."""

from dataclasses import replace

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Tombstone, Visibility
from ipsync.policy.entries import EntryKind, subject_number
from ipsync.policy.instants import HOUR
from ipsync.policy.profiles import ProfileWords
from tests.web.conftest import START

ALBUM, FOLDER, ARTICLE = EntryKind.ALBUM, EntryKind.FOLDER, EntryKind.ARTICLE
SUMMARY = {
    "account_id": "7",
    "owner": {"user_id": "7", "name": "anna", "link": "https://www.ipernity.com/home/7"},
    "verified_at": "2027-01-15T08:00:00.000Z",
    "serve_until": "2027-01-16T04:00:00.000Z",
}


async def test_each_kind_has_the_shape_of_the_contract(shown, client):
    await shown.entry(ALBUM, 70, members=[5], cover_id=5)
    await shown.entry(FOLDER, 71, members=[70])
    await shown.entry(ARTICLE, 72, members=[5], text="Words & <b>", posted_at=START)
    document = (await client.get("/v1/documents")).json()["documents"]
    album = SUMMARY | {"album_id": "70", "title": "album 70", "link": "https://www.ipernity.com/album/7/70"}
    album["cover"] = "5"
    folder = SUMMARY | {"folder_id": "71", "title": "folder 71", "link": "https://www.ipernity.com/folder/7/71"}
    article = SUMMARY | {"article_id": "72", "title": "article 72", "link": "https://www.ipernity.com/blog/7/72"}
    article["posted_at"] = "2027-01-15T08:00:00.000Z"
    more = {"next_cursor": None}
    assert (await client.get("/v1/albums")).json() == {"albums": [album]} | more
    assert (await client.get("/v1/albums/70")).json() == album | {"documents": document} | more
    assert (await client.get("/v1/folders")).json() == {"folders": [folder]} | more
    assert (await client.get("/v1/folders/71")).json() == folder | {"albums": [album]} | more
    assert (await client.get("/v1/articles")).json() == {"articles": [article]} | more
    one = await client.get("/v1/articles/72")
    assert one.json() == article | {"text": "Words & <b>", "documents": document} | more
    assert one.headers["Link"] == (
        '<https://www.ipernity.com/blog/7/72>; rel="canonical", '
        "<https://www.ipernity.com/home/7>; rel=\"author\"; title*=UTF-8''anna, "
        '<https://creativecommons.org/licenses/by/3.0/>; rel="license"'
    )


async def test_T06_an_album_tells_nothing_of_what_it_hides(shown, client):
    await shown.document(6, visibility=Visibility.PRIVATE, title="secret title")
    await shown.document(8, state=DocumentState.SUSPECT, hidden_at=START, title="secret title")
    await shown.account(8)
    await shown.document(9, account_id=8, title="secret title")
    await shown.entry(ALBUM, 70, members=[6, 8, 9, 4711, 5], cover_id=6)
    one = await client.get("/v1/albums/70")
    assert [entry["document_id"] for entry in one.json()["documents"]] == ["5"]
    assert one.json()["cover"] == "5"
    for answer in (one, await client.get("/v1/albums")):
        assert "secret" not in answer.text
        assert not {'"6"', '"8"', '"9"', '"4711"'} & set(answer.text.replace(",", " ").replace(":", " ").split())
    await shown.entry(ALBUM, 71, members=[6, 8])
    empty = (await client.get("/v1/albums/71")).json()
    assert (empty["documents"], empty["cover"]) == ([], None)


async def test_a_folder_holds_only_albums_that_are_shown_themselves(shown, client):
    await shown.entry(ALBUM, 70, state=DocumentState.SUSPECT)
    await shown.entry(ALBUM, 71)
    await shown.entry(FOLDER, 72, members=[70, 71, 73])
    albums = (await client.get("/v1/folders/72")).json()["albums"]
    assert [album["album_id"] for album in albums] == ["71"]


async def test_T06_a_profile_is_told_with_its_lease_and_gone_when_it_is(shown, client):
    words = ProfileWords("Anna B.", "anna-b", "Gent", "be")
    entry = await shown.entry(EntryKind.PROFILE, 7, title="anna", text=words.as_text())
    told = await client.get("/v1/accounts/7/profile")
    assert told.json() == {
        "account_id": "7",
        "name": "anna",
        "realname": "Anna B.",
        "alias": "anna-b",
        "town": "Gent",
        "country": "be",
        "link": "https://www.ipernity.com/home/7",
        "verified_at": "2027-01-15T08:00:00.000Z",
        "serve_until": "2027-01-16T04:00:00.000Z",
    }
    assert told.headers["Link"] == '<https://www.ipernity.com/home/7>; rel="canonical"'
    assert (await client.get("/v1/accounts/8/profile")).status == 404
    shown.clock.jump(20 * HOUR)
    assert (await client.get("/v1/accounts/7/profile")).status == 404
    await shown.catalog.write(lambda tx: tx.forget_entries([entry.number]))
    await shown.catalog.write(lambda tx: tx.put_tombstones([Tombstone(entry.number, 7, "grant-lost", START)]))
    assert (await client.get("/v1/accounts/7/profile")).status == 410
    assert (await client.get("/v1/accounts/7")).status == 200


@pytest.mark.parametrize("kind", [ALBUM, FOLDER, ARTICLE])
async def test_I1_the_lease_is_checked_on_each_answer(shown, client, kind):
    await shown.entry(kind, 70)
    listed, one = f"/v1/{kind.value}s", f"/v1/{kind.value}s/70"
    shown.clock.jump(20 * HOUR - 1)
    assert (await client.get(one)).status == 200
    shown.clock.jump(1)
    assert (await client.get(one)).status == 404
    assert (await client.get(listed)).json() == {f"{kind.value}s": [], "next_cursor": None}


@pytest.mark.parametrize("state", [state for state in DocumentState if state is not DocumentState.LIVE])
async def test_what_is_hidden_looks_as_if_it_never_was(shown, client, state):
    await shown.entry(ALBUM, 70, state=state)
    unknown, hidden = await client.get("/v1/albums/69"), await client.get("/v1/albums/70")
    assert (hidden.status, hidden.body) == (404, unknown.body)
    assert (await client.get("/v1/albums")).json()["albums"] == []


@pytest.mark.parametrize("state", [AccountState.DOUBTED, AccountState.LOST, AccountState.REMOVED, AccountState.WAITING])
async def test_T15_nothing_of_an_account_that_is_not_served(shown, client, state):
    await shown.entry(ALBUM, 70)
    await shown.account(state=state)
    assert (await client.get("/v1/albums/70")).status == 404
    assert (await client.get("/v1/albums")).json()["albums"] == []


async def test_what_the_configuration_does_not_name_is_not_shown(shown, client):
    await shown.entry(ALBUM, 70)
    await shown.entry(ARTICLE, 71, levels=frozenset({Visibility.FRIENDS}))
    assert (await client.get("/v1/articles/71")).status == 404
    shown.rules = replace(shown.rules, kinds=frozenset({ARTICLE}))
    assert (await client.get("/v1/albums/70")).status == 404


async def test_of_what_was_erased_a_number_is_remembered_and_never_a_documents(shown, client):
    number = subject_number(ALBUM, 70)
    await shown.catalog.write(lambda tx: tx.put_tombstones([Tombstone(number, 7, "deleted", START)]))
    assert (await client.get("/v1/albums/70")).status == 410
    assert (await client.get("/v1/folders/70")).status == 404
    assert (await client.get("/v1/documents/70")).status == 404


async def test_T20_pages_are_of_fifty_at_most_and_go_on(shown, client):
    for number in range(100, 160):
        await shown.document(number)
    await shown.entry(ALBUM, 70, members=[*range(100, 160)])
    await shown.entry(ALBUM, 71)
    first = (await client.get("/v1/albums/70")).json()
    assert len(first["documents"]) == 50
    rest = (await client.get(f"/v1/albums/70?cursor={first['next_cursor']}")).json()
    assert [one["document_id"] for one in rest["documents"]] == [str(number) for number in range(150, 160)]
    assert rest["next_cursor"] is None
    assert (await client.get("/v1/albums/70?limit=51")).status == 400
    assert (await client.get(f"/v1/albums/71?cursor={first['next_cursor']}")).status == 400
    page = (await client.get("/v1/albums?limit=1")).json()
    assert [one["album_id"] for one in page["albums"]] == ["70"]
    further = (await client.get(f"/v1/albums?limit=1&cursor={page['next_cursor']}")).json()
    assert ([one["album_id"] for one in further["albums"]], further["next_cursor"]) == (["71"], None)
    assert (await client.get(f"/v1/folders?cursor={page['next_cursor']}")).status == 400
    assert (await client.get("/v1/albums?account=8")).json()["albums"] == []
