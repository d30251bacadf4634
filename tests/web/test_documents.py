"""`/v1/documents`: the shape applications rely on, the limit of fifty, and nothing that may not be shown."""

import base64
import json
from dataclasses import replace

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.changes import Place
from ipsync.policy.documents import Details, DocumentState, Media, RenditionState, Safety, Visibility
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.permission import Agreement, KeyUse
from ipsync.ports.store import ContentKey
from ipsync.web.cursors import Cursors
from ipsync.web.documents import SHOWCASE
from ipsync.web.failures import WebFailure
from tests.web.conftest import JPEG, RULES, START


async def ids(client, query=""):
    answer = await client.get(f"/v1/documents{query}")
    assert answer.status == 200, answer.text
    return [int(entry["document_id"]) for entry in answer.json()["documents"]]


async def test_a_document_has_the_shape_of_the_contract(shown, client):
    answer = await client.get("/v1/documents")
    assert answer.status == 200
    assert answer.json() == {
        "documents": [
            {
                "document_id": "5",
                "account_id": "7",
                "title": "Evening",
                "owner": {"user_id": "7", "name": "anna", "link": "https://www.ipernity.com/home/7"},
                "license": {"id": 1, "name": "CC BY", "link": "https://creativecommons.org/licenses/by/3.0/"},
                "link": "https://www.ipernity.com/doc/7/5",
                "renditions": {
                    "240": {
                        "url": "/media/5/240",
                        "content_type": "image/jpeg",
                        "bytes": len(JPEG),
                        "width": 240,
                        "height": 160,
                    }
                },
                "verified_at": "2027-01-15T08:00:00.000Z",
                "serve_until": "2027-01-16T04:00:00.000Z",
            }
        ],
        "next_cursor": None,
    }


async def test_T08_a_page_names_each_license_in_its_header_once(shown, client):
    by, by_sa = (f'<https://creativecommons.org/licenses/{name}/3.0/>; rel="license"' for name in ("by", "by-sa"))
    await shown.document(6)
    assert (await client.get("/v1/documents")).headers["Link"] == by
    await shown.document(7, license=9)
    for path in ("/v1/documents", "/v1/changes"):
        assert (await client.get(path)).headers["Link"] == f"{by}, {by_sa}"
    assert "Link" not in (await client.get("/v1/documents?account=8")).headers
    await shown.entry(EntryKind.ALBUM, 70, members=[7])
    assert (await client.get("/v1/albums/70")).headers["Link"].endswith(by_sa)


async def test_T22_no_address_of_a_media_host_is_given_to_anyone(shown, client):
    for path in ("/v1/documents", "/v1/documents/5", "/media/5/240", "/privacy", "/metrics"):
        answer = await client.get(path)
        assert answer.status == 200
        told = answer.text if path != "/media/5/240" else ""
        assert "u1.ipernity.com" not in told + str(answer.headers)
        assert "secret" not in told.replace("api_secret", "") + str(answer.headers)


async def test_one_document_has_its_details_when_they_are_held(shown, client):
    bare = (await client.get("/v1/documents/5")).json()
    assert (bare["media"], bare["safety"], bare["posted_at"]) == ("photo", 1, "2027-01-14T08:00:00.000Z")
    assert "description" not in bare
    assert "tags" not in bare
    document = await shown.document(6, details=Details("By the lake", ("lake", "été")), details_at=START)
    assert document.details_at
    full = (await client.get("/v1/documents/6")).json()
    assert (full["description"], full["tags"]) == ("By the lake", ["lake", "été"])
    summary = (await client.get("/v1/documents")).json()["documents"][1]
    assert set(full) - set(summary) == {"media", "safety", "posted_at", "description", "tags"}
    assert {name: full[name] for name in summary} == summary


@pytest.mark.parametrize("state", sorted(set(RenditionState) - {RenditionState.STORED}))
async def test_only_stored_files_are_named(shown, client, state):
    rendition = await shown.file(5, "original")
    key = ContentKey(7, 5, "original")
    await shown.catalog.write(lambda tx: tx.set_rendition_state([key], state))
    assert rendition.file.rendition == "original"
    assert list((await client.get("/v1/documents/5")).json()["renditions"]) == ["240"]


# Whatever may not be shown


async def not_shown(world, client, document_id=5):
    """Neither listed, nor given, nor served; and no different from what never was."""
    assert document_id not in await ids(client)
    never = await client.get("/v1/documents/999999")
    for path in (f"/v1/documents/{document_id}", f"/media/{document_id}/240"):
        answer = await client.get(path)
        assert (answer.status, answer.body) == (404, never.body)
        assert {name for name in answer.headers if name != "Date"} == set(never.headers) - {"Date"}


@pytest.mark.parametrize("state", sorted(set(DocumentState) - {DocumentState.LIVE}))
async def test_T06_what_is_not_live_is_not_shown(shown, client, state):
    document = await shown.document(6, state=state, hidden_at=START)
    await shown.file(6)
    assert document.state is state
    await not_shown(shown, client, 6)


@pytest.mark.parametrize("state", sorted(set(AccountState) - {AccountState.ACTIVE, AccountState.PAUSED}))
async def test_T15_an_account_that_ended_shows_nothing(shown, client, state):
    await shown.account(state=state)
    await not_shown(shown, client)


async def test_T15_a_paused_account_is_shown_until_its_leases_end(shown, client):
    await shown.account(state=AccountState.PAUSED)
    assert await ids(client) == [5]
    shown.clock.jump(20 * HOUR)
    await not_shown(shown, client)


async def test_T10_the_lease_ends_to_the_microsecond(shown, client):
    shown.clock.jump(20 * HOUR - SECOND)
    assert (await client.get("/media/5/240")).status == 200
    shown.clock.jump(SECOND - 1)
    assert await ids(client) == [5]
    assert (await client.get("/v1/documents/5")).status == 200
    shown.clock.jump(1)
    await not_shown(shown, client)


@pytest.mark.parametrize(
    "view",
    [
        replace(RULES.view, visibility=frozenset({Visibility.FRIENDS})),
        replace(RULES.view, licenses=frozenset({0, 3})),
        replace(RULES.view, media=frozenset({Media.AUDIO})),
        replace(RULES.view, safety=frozenset({Safety.ADULTS})),
    ],
)
async def test_T06_a_changed_configuration_is_felt_at_once(shown, client, view):
    assert await ids(client) == [5]
    shown.rules = replace(RULES, view=view)
    await not_shown(shown, client)


async def test_T07_an_agreement_that_ended_ends_showing(world, client):
    await world.account()
    await world.document(5, license=3)
    await world.file(5)
    agreement = Agreement(7, "letter of 2026", START + HOUR)
    world.rules = replace(RULES, view=replace(RULES.view, use=KeyUse.COMMERCIAL, agreements=(agreement,)))
    assert await ids(client) == [5]
    world.clock.jump(HOUR)
    await not_shown(world, client)


async def test_T06_what_was_erased_looks_like_what_never_was(shown, client):
    await shown.catalog.write(lambda tx: tx.forget_documents([5]))
    await not_shown(shown, client)


# Pages


@pytest.fixture
async def many(world):
    await world.account()
    await world.account(8, name="bob")
    documents = [world.made(number, account_id=8 if number % 3 == 0 else 7) for number in range(1, 121)]
    await world.catalog.write(lambda tx: tx.add_documents(documents))
    return world


async def test_T20_no_answer_holds_more_than_fifty_documents(many, client):
    assert len(await ids(client)) == 50
    assert len(await ids(client, "?limit=50")) == 50
    for limit in ("51", "100", "0", "-1", "1e1", "%D9%A5", "9" * 30, ""):
        answer = await client.get(f"/v1/documents?limit={limit}")
        assert answer.status == 400
        assert answer.json()["error"]["code"] == "bad-limit"
        assert "50" in answer.json()["error"]["message"]


@pytest.mark.parametrize("limit", [1, 7, 50])
@pytest.mark.parametrize("account", ["", "&account=8"])
async def test_cursors_lead_through_everything_once(many, client, limit, account):
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        answer = (await client.get(f"/v1/documents?limit={limit}{account}{cursor and '&cursor=' + cursor}")).json()
        seen += [int(entry["document_id"]) for entry in answer["documents"]]
        cursor, pages = answer["next_cursor"], pages + 1
    wanted = [number for number in range(1, 121) if not account or number % 3 == 0]
    assert seen == wanted
    assert pages == -(-len(wanted) // limit)


async def test_a_long_stretch_of_what_is_held_back_is_passed_over(many, client):
    many.rules = replace(RULES, view=replace(RULES.view, licenses=frozenset({9})))
    await many.document(500, license=9)
    assert await ids(client) == [500]


async def test_an_account_nobody_knows_has_nothing(many, client):
    assert await ids(client, "?account=12345") == []


@pytest.mark.parametrize("account", ["", "x", "-7", "0", "7.0", "9" * 30, "%D9%A7", "7%00"])
async def test_an_account_is_a_number(many, client, account):
    answer = await client.get(f"/v1/documents?account={account}")
    assert (answer.status, answer.json()["error"]["code"]) == (400, "bad-account")


async def test_forged_cursors_are_refused(many, client):
    cursor = (await client.get("/v1/documents?limit=3")).json()["next_cursor"]
    last = "A" if cursor[20] != "A" else "B"
    forged = [
        cursor[:20] + last + cursor[21:],
        cursor[:-4],
        cursor + "AAAA",
        "",
        "AAAA",
        "5",
        "%C3%A9",
        "%FF%00",
        "A" * 900,
    ]
    for text in forged:
        answer = await client.get(f"/v1/documents?cursor={text}")
        assert (answer.status, answer.json()["error"]["code"]) == (400, "bad-cursor"), text


@pytest.mark.parametrize("kind", ["document", "change"])
def test_no_byte_of_a_cursor_can_be_altered_and_none_of_another_installation_is_taken(kind):
    ours, theirs = Cursors("a token"), Cursors("another token")
    is_document = kind == "document"
    text = ours.write(5, None) if is_document else ours.write_place(Place(3, 5, START))

    def read(cursors, given):
        return cursors.read(given, None) if is_document else cursors.read_place(given)

    assert read(ours, text) == (5 if is_document else Place(3, 5, START))
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for place in range(len(raw)):
        altered = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(WebFailure):
            read(ours, base64.urlsafe_b64encode(altered).decode().rstrip("="))
    with pytest.raises(WebFailure):
        read(theirs, text)


async def test_a_cursor_belongs_to_its_question(many, client):
    cursor = (await client.get("/v1/documents?limit=3&account=7")).json()["next_cursor"]
    assert (await client.get(f"/v1/documents?cursor={cursor}&account=7")).status == 200
    assert (await client.get(f"/v1/documents?cursor={cursor}&account=8")).status == 400
    assert (await client.get(f"/v1/documents?cursor={cursor}")).status == 400


@pytest.mark.parametrize("query", ["?limit=5&limit=6", "?page=2", "?account=7&acount=8", "?callback=x"])
async def test_unknown_and_repeated_parameters_are_refused(many, client, query):
    answer = await client.get(f"/v1/documents{query}")
    assert (answer.status, answer.json()["error"]["code"]) == (400, "bad-parameter")
    assert (await client.get("/v1/documents/5?x=1")).status == 400


@pytest.mark.parametrize(
    "path", ["0", "-1", "05", "5.0", "x", "%D9%A5", "9" * 19, "9" * 40, "%2e%2e", "5/", "5/x.css", "5%00"]
)
async def test_F37_no_other_path_stands_for_a_document(shown, client, path):
    assert (await client.get(f"/v1/documents/{path}")).status == 404


async def test_a_document_verified_in_the_future_is_a_clock_error_and_not_shown(world, client):
    await world.account()
    await world.document(5, verified_at=START + SECOND)
    assert await ids(client) == []
    assert (await client.get("/v1/documents/5")).status == 404


async def test_a_lasting_renewal_moves_the_end(shown, client):
    shown.clock.jump(10 * HOUR)
    await shown.catalog.write(lambda tx: tx.renew([5], shown.clock.now()))
    shown.clock.jump(19 * HOUR)
    (document,) = (await client.get("/v1/documents")).json()["documents"]
    assert document["serve_until"] == "2027-01-16T14:00:00.000Z"


async def test_text_of_any_language_survives(world, client):
    title = 'Ünï " \\ \n\t 日本語 🌅 </script>\u2028'
    await world.account(name="Żółć 🐟")
    await world.document(5, title=title)
    answer = await client.get("/v1/documents/5")
    assert json.loads(answer.body)["title"] == title
    assert json.loads(answer.body)["owner"]["name"] == "Żółć 🐟"


@pytest.mark.parametrize("words", ["'); DROP TABLE document; --", '" OR ""="', "%' --", ":document_id ? $1 @x"])
async def test_words_are_no_statements(world, client, words):
    await world.account(name=words)
    await world.document(5, title=words)
    found = (await client.get("/v1/documents")).json()["documents"]
    assert [(entry["title"], entry["owner"]["name"]) for entry in found] == [(words, words)]
    assert (await client.get("/v1/documents?account=8")).json()["documents"] == []


async def test_what_is_long_is_told_and_not_kept_in_memory(world, client):
    await world.account()
    kept = client.server._app[SHOWCASE]._kept
    for number, words in ((5, "x" * 3000), (6, "x" * 3001)):
        await world.document(number, details=Details(words, ("y" * 1000,)), details_at=START)
        for _ in range(2):
            assert (await client.get(f"/v1/documents/{number}")).json()["description"] == words
        assert (number in kept) is (number == 5)


async def test_posted_long_ago(world, client):
    await world.account()
    await world.document(5, posted_at=None)
    assert "posted_at" not in (await client.get("/v1/documents/5")).json()
    await world.document(6, posted_at=START - 9000 * DAY)
    assert (await client.get("/v1/documents/6")).json()["posted_at"].startswith("2002-")
