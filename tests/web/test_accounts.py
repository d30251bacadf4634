"""`/v1/accounts`, and what all JSON answers have: tags, credit, and an end that is told apart from never."""

from dataclasses import replace

import pytest

from ipsync.jobs.read_tokens import ReadTokens
from ipsync.policy.accounts import SERVED_STATES, AccountState
from ipsync.policy.documents import Tombstone, Visibility
from ipsync.policy.instants import HOUR, MINUTE
from ipsync.policy.listings import Listing
from ipsync.policy.read_tokens import TokenScope
from tests.web.conftest import JPEG, START


async def sweep(world, visibility, completed_at):
    listing = Listing(7, visibility, 1, 1, START, None, 1, completed_at)
    await world.catalog.write(lambda tx: tx.put_listing(listing))


async def test_a_member_is_told_in_words_and_numbers(shown, client):
    await sweep(shown, Visibility.PUBLIC, START - HOUR)
    expected = {
        "account_id": "7",
        "name": "anna",
        "link": "https://www.ipernity.com/home/7",
        "state": "active",
        "meaning": "it is read, and its documents are served",
        "served": True,
        "documents": 1,
        "files": 1,
        "bytes": len(JPEG),
        "added_at": "2027-01-15T08:00:00.000Z",
        "oldest_verified_at": "2027-01-15T08:00:00.000Z",
        "swept_at": "2027-01-15T07:00:00.000Z",
    }
    one = await client.get("/v1/accounts/7")
    assert one.json() == expected
    assert one.headers["Link"] == '<https://www.ipernity.com/home/7>; rel="canonical"'
    assert (await client.get("/v1/accounts")).json() == {"accounts": [expected], "next_cursor": None}


async def test_swept_is_said_only_when_every_listing_was_read_completely(shown, client):
    assert (await client.get("/v1/accounts/7")).json()["swept_at"] is None
    await sweep(shown, Visibility.PUBLIC, START - HOUR)
    await sweep(shown, Visibility.FRIENDS, None)
    assert (await client.get("/v1/accounts/7")).json()["swept_at"] is None
    await sweep(shown, Visibility.FRIENDS, START - MINUTE)
    assert (await client.get("/v1/accounts/7")).json()["swept_at"] == "2027-01-15T07:00:00.000Z"


@pytest.mark.parametrize("state", sorted(set(AccountState) - set(SERVED_STATES)))
async def test_T15_of_whose_permission_ended_only_the_number_is_told(shown, client, state):
    await shown.account(state=state)
    found = (await client.get("/v1/accounts/7")).json()
    assert (found["state"], found["served"], found["name"], found["documents"]) == (state.value, False, "7", 0)
    assert "anna" not in (await client.get("/v1/accounts")).text


async def test_T20_members_come_page_by_page(world, client):
    for number in range(1, 8):
        await world.account(number)
    found, path = [], "/v1/accounts?limit=3"
    while True:
        page = (await client.get(path)).json()
        found += [entry["account_id"] for entry in page["accounts"]]
        if page["next_cursor"] is None:
            break
        path = f"/v1/accounts?limit=3&cursor={page['next_cursor']}"
    assert found == [str(number) for number in range(1, 8)]
    for query in ("limit=51", "limit=0", "cursor=x", "account=7", "limit=1&limit=2"):
        assert (await client.get(f"/v1/accounts?{query}")).status == 400
    other = (await client.get(path)).status  # a cursor among members is none among documents
    assert (other, (await client.get(path.replace("accounts", "documents"))).status) == (200, 400)


async def test_who_was_never_here_is_not_found(shown, client):
    for number in ("8", "9" * 19, "0", "x"):
        assert (await client.get(f"/v1/accounts/{number}")).status == 404


# Conditions and credit


@pytest.mark.parametrize("path", ["/v1/documents", "/v1/documents/5", "/v1/accounts", "/v1/accounts/7"])
async def test_what_is_still_the_same_is_not_sent_again(shown, client, path):
    first = await client.get(path)
    tag = first.headers["ETag"]
    again = await client.get(path, If_None_Match=tag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers["Cache-Control"] == "private, no-store"
    head = await client.get(path, method="HEAD")
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", tag)
    assert head.headers["Content-Length"] == str(len(first.body))
    await shown.account(name="ann")
    changed = await client.get(path, If_None_Match=tag)
    assert changed.status == 200
    assert changed.headers["ETag"] != tag


async def test_T10_a_lease_that_was_renewed_or_ended_shows_in_spite_of_the_tag(shown, client):
    tag = (await client.get("/v1/documents/5")).headers["ETag"]
    shown.clock.jump(HOUR)
    now = shown.clock.now()
    await shown.catalog.write(lambda tx: tx.renew([5], now))
    assert (await client.get("/v1/documents/5", If_None_Match=tag)).status == 200
    shown.clock.jump(20 * HOUR)
    assert (await client.get("/v1/documents/5", If_None_Match="*")).status == 404


async def test_T08_credit_stands_in_the_header_of_a_document_too(shown, client):
    document, file = await client.get("/v1/documents/5"), await client.get("/media/5/240")
    assert document.headers["Link"] == file.headers["Link"]
    assert 'rel="license"' in document.headers["Link"]


# What is gone


async def test_what_was_erased_is_gone_and_nothing_of_it_is_told(shown, client):
    entry = Tombstone(6, 7, "deleted", START)
    await shown.catalog.write(lambda tx: tx.put_tombstones([entry, replace(entry, document_id=8, stands=True)]))
    for path in ("/v1/documents/6", "/media/6/240", "/v1/documents/8"):
        answer = await client.get(path)
        assert (answer.status, answer.json()["error"]["code"]) == (410, "gone")
        assert "deleted" not in answer.text
    assert (await client.get("/v1/documents/9")).status == 404
    # What came back is shown again, tombstone or not.
    await shown.document(6)
    assert (await client.get("/v1/documents/6")).status == 200


async def test_a_token_of_another_member_does_not_learn_what_is_gone(shown, client):
    await shown.account(8)
    _, text = await ReadTokens(shown.catalog, shown.clock).create("x", frozenset(TokenScope), 8, None)
    await shown.catalog.write(lambda tx: tx.put_tombstones([Tombstone(6, 7, "deleted", START)]))
    assert (await client.get("/v1/documents/6", token=False, Authorization=f"Bearer {text}")).status == 404
