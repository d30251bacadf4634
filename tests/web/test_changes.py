"""`/v1/changes`: whoever follows learns at once what to take away, and never gets what may not be shown."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

from ipsync.catalog import open_catalog
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import DAY, HOUR, rfc3339
from ipsync.policy.profiles import ProfileWords
from ipsync.policy.read_tokens import PREFIX, TokenScope, new_read_token
from ipsync.policy.removals import Reason, Removal, Scope, Stage
from ipsync.policy.webhooks import Trouble, Webhook, WebhookState
from ipsync.ports.catalog import CatalogBusy
from ipsync.web import Limits
from ipsync.web.streams import STREAMS, Streams
from tests.web.conftest import BEARER, START, Client, World, eventually, serving

LOOK = 30.0


def told(answer: Any) -> list[tuple[str, str | None]]:
    return [(change["change"], change["document_id"]) for change in answer["changes"]]


async def read(client: Client, since: str | None = None, limit: int = 50) -> Any:
    where = f"&since={since}" if since else ""
    answer = await client.get(f"/v1/changes?limit={limit}{where}")
    assert answer.status == 200, answer.text
    return answer.json()


async def erase(world: World, document_id: int) -> None:
    """What a purge does, in two transactions."""
    now = world.clock.now()
    instants = {"first_unsafe_at": now, "detected_at": now, "hidden_at": now, "erase_from": now, "erase_by": now + DAY}
    owed = Removal(document_id, 7, Reason.DELETED, Stage.ERASED, Scope.DOCUMENT, **instants)
    await world.catalog.write(lambda tx: tx.add_removals([owed]))
    await world.catalog.write(lambda tx: tx.forget_documents([document_id]))
    (held,) = await world.catalog.read(lambda view: view.removals(document_ids=[document_id]))
    await world.catalog.write(lambda tx: tx.advance_removals([held.removal_id], Stage.ERASED, Stage.GONE, now))


async def test_from_the_first_appearance_to_gone(world: World, client: Client) -> None:
    await world.account()
    document = await world.document(5)
    await world.document(6)
    first = await read(client)
    assert told(first) == [("appeared", "5"), ("appeared", "6")]
    shown = first["changes"][0]["document"]
    assert shown == (await client.get("/v1/documents")).json()["documents"][0]
    assert shown["serve_until"] == rfc3339(START + 20 * HOUR)
    assert first["more"] is False
    assert first["told_until"] == rfc3339(START)

    await world.file(5)
    second = await read(client, first["next_cursor"])
    assert told(second) == [("changed", "5")]
    assert "240" in second["changes"][0]["document"]["renditions"]

    await world.change(document, state=DocumentState.SUSPECT, hidden_at=START)
    third = await read(client, second["next_cursor"])
    assert told(third) == [("hidden", "5")]
    await erase(world, 5)
    assert told(await read(client, third["next_cursor"])) == [("gone", "5")]
    everything = await read(client)
    assert told(everything) == [("appeared", "6"), ("gone", "5")]
    assert "document" not in everything["changes"][1]


async def test_nothing_hidden_or_erased_is_told_with_content(world: World, client: Client) -> None:
    """What changed while it was shown is told as hidden once it is not; no word of it is in the answer."""
    await world.account()
    kept = await world.document(5, title="canary-five")
    await world.document(6, title="canary-six")
    await world.document(8, title="canary-eight", account_id=7)
    await world.change(kept, state=DocumentState.DOOMED, hidden_at=START)
    await world.change(await world.document(9, title="canary-nine"), state=DocumentState.STALE)
    await erase(world, 6)
    answer = await client.get("/v1/changes")
    assert [word for word in ("five", "six", "eight", "nine") if f"canary-{word}" in answer.text] == ["eight"]
    world.clock.jump(20 * HOUR)
    answer = await client.get("/v1/changes")
    assert "canary" not in answer.text
    assert ("hidden", "8") in told(answer.json())  # its lease ended, though nobody said so yet
    assert answer.json()["told_until"] == rfc3339(START + 20 * HOUR)


async def test_an_album_is_told_by_kind_and_id_and_without_content_when_it_is_gone(
    world: World, client: Client
) -> None:
    await world.account()
    await world.document(5)
    album = await world.entry(EntryKind.ALBUM, 70, members=[5])
    await world.entry(EntryKind.PROFILE, 7, text=ProfileWords(town="Gent").as_text())
    first = await read(client)
    assert [(change["kind"], change["id"]) for change in first["changes"]] == [
        ("document", "5"),
        ("album", "70"),
        ("profile", "7"),
    ]
    _, shown, profile = first["changes"]
    assert shown["album"] == (await client.get("/v1/albums")).json()["albums"][0]
    assert profile["profile"] == (await client.get("/v1/accounts/7/profile")).json()
    assert "document_id" not in shown
    assert "-" not in shown["id"]
    gone = replace(album, state=DocumentState.DOOMED, hidden_at=START)
    await world.catalog.write(lambda tx: tx.put_entries([gone]))
    [hidden] = (await read(client, first["next_cursor"]))["changes"]
    assert hidden == {"change": "hidden", "kind": "album", "id": "70", "account_id": "7", "at": rfc3339(START)}


async def test_an_albums_lease_bounds_what_is_known(world: World, client: Client) -> None:
    await world.account()
    await world.entry(EntryKind.ALBUM, 70)
    world.clock.jump(20 * HOUR)
    answer = await read(client)
    assert [change["change"] for change in answer["changes"]] == ["hidden"]
    assert answer["told_until"] == rfc3339(START + 20 * HOUR)


async def test_rules_that_changed_hide_before_any_job_ran(world: World, client: Client) -> None:
    await world.account()
    await world.document(5, license=3)
    world.rules = replace(world.rules, view=replace(world.rules.view, licenses=frozenset({1})))
    assert told(await read(client)) == [("hidden", "5")]


async def test_a_hidden_account_is_one_change(world: World, client: Client) -> None:
    await world.account()
    await world.document(5)
    await world.document(6)
    since = (await read(client))["next_cursor"]
    await world.account(state=AccountState.DOUBTED)
    assert told(hidden := await read(client, since)) == [("hidden", None)]
    assert hidden["changes"][0]["account_id"] == "7"
    assert (await read(client))["changes"] == hidden["changes"]


async def test_pages_join_without_a_gap(world: World, client: Client) -> None:
    await world.account()
    for number in range(1, 31):
        await world.document(number)
    seen, cursor, pages = [], None, 0
    while True:
        page = await read(client, cursor, limit=7)
        seen += [change["document_id"] for change in page["changes"]]
        cursor, pages = page["next_cursor"], pages + 1
        assert (page["told_until"] is None) == page["more"]
        if not page["more"]:
            break
    assert seen == [str(number) for number in range(1, 31)]
    assert pages == 5
    assert (await read(client, cursor))["next_cursor"] == cursor


async def test_now_gives_only_a_cursor(world: World, client: Client) -> None:
    empty = await read(client, "now")
    assert empty["changes"] == []
    await world.account()
    await world.document(5)
    assert told(await read(client, empty["next_cursor"])) == [("appeared", "5")]
    now = await read(client, "now")
    assert told(await read(client, now["next_cursor"])) == []


async def test_a_cursor_that_is_too_old_says_what_to_do(world: World, client: Client) -> None:
    await world.account()
    await world.document(5)
    old = (await read(client))["next_cursor"]
    world.clock.jump(DAY)
    for number in (6, 7):
        await world.document(number)
    await world.catalog.write(lambda tx: tx.prune_changes(START + HOUR, 100))
    for accept in ("application/json", "text/event-stream"):
        answer = await client.get(f"/v1/changes?since={old}", Accept=accept)
        assert (answer.status, answer.json()["error"]["code"]) == (410, "cursor-too-old")
        assert "since=now" in answer.text
    assert told(await read(client)) == [("appeared", "6"), ("appeared", "7")]


@pytest.mark.parametrize(
    "query", ["since=x", "since=", "limit=0", "limit=51", "limit=a", "since=now&since=now", "account=7", "cursor=x"]
)
async def test_what_is_asked_wrongly_is_refused(world: World, client: Client, query: str) -> None:
    for accept in ("*/*", "text/event-stream"):
        assert (await client.get(f"/v1/changes?{query}", Accept=accept)).status == 400


async def test_cursors_of_documents_and_of_changes_are_not_mixed_up(shown: World, client: Client) -> None:
    await shown.document(6)
    cursor = (await client.get("/v1/documents?limit=1")).json()["next_cursor"]
    assert (await client.get(f"/v1/changes?since={cursor}")).status == 400
    cursor = (await read(client))["next_cursor"]
    assert (await client.get(f"/v1/documents?cursor={cursor}")).status == 400


async def a_token(world: World, *scopes: TokenScope, account_id: int | None = None) -> str:
    made = new_read_token("reader", scopes, account_id, None, world.clock.now())
    text = f"{PREFIX}{account_id}-{'x' * 30}"
    await world.catalog.write(lambda tx: tx.add_read_token(made, text))
    return text


async def test_a_token_hears_only_of_what_it_opens(world: World, client: Client) -> None:
    for account_id, document_id in ((7, 5), (8, 6)):
        await world.account(account_id)
        await world.document(document_id, account_id=account_id)
    token = await a_token(world, TokenScope.CHANGES, account_id=8)
    answer = await client.get("/v1/changes", token=False, Authorization=f"Bearer {token}")
    assert told(answer.json()) == [("appeared", "6")]
    async with stream(client, token=token) as events:
        assert (await events.next()).data["document_id"] == "6"
        await world.document(15, account_id=7)
        await world.document(16, account_id=8)
        assert (await events.next()).data["document_id"] == "16"


# server-sent events


@dataclass
class Heard:
    """One event."""

    name: str
    cursor: str
    data: Any


class Events:
    """What comes out of a stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def block(self) -> dict[str, str]:
        raw = await asyncio.wait_for(self.response.content.readuntil(b"\n\n"), LOOK)
        return dict(line.split(":", 1) for line in raw.decode().strip("\n").split("\n"))

    async def next(self, *, heartbeats: bool = False) -> Heard:
        """The next event; those that only say how far it is complete are passed over."""
        while True:
            block = await self.block()
            name = block.get("event", "").strip()
            if name and (heartbeats or name != "current"):
                return Heard(name, block["id"].strip(), json.loads(block["data"]))


@asynccontextmanager
async def stream(
    client: Client, since: str | None = None, token: str | None = None, **headers: str
) -> AsyncIterator[Events]:
    own = {"Authorization": f"Bearer {token}"} if token else BEARER
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{client.address}/v1/changes" + (f"?since={since}" if since else "")
    timeout = aiohttp.ClientTimeout(total=LOOK)
    async with client.session.get(
        url, headers=own | {"Accept": "text/event-stream"} | sent, timeout=timeout
    ) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "private, no-store"
        yield Events(response)


async def test_a_stream_tells_what_was_and_what_comes(world: World, client: Client) -> None:
    await world.account()
    document = await world.document(5)
    async with stream(client) as events:
        assert (await events.block())["retry"].strip() == "3000"
        first = await events.next()
        assert (first.name, first.data["document"]["title"]) == ("appeared", "Evening")
        now = await events.next(heartbeats=True)
        assert (now.name, now.data) == ("current", {"told_until": rfc3339(START)})
        assert now.cursor == first.cursor
        await world.change(document, state=DocumentState.SUSPECT)
        hidden = await events.next()
        assert (hidden.name, hidden.data["document_id"]) == ("hidden", "5")
        assert "document" not in hidden.data
    async with stream(client, since="now", Last_Event_ID=first.cursor) as events:
        assert (await events.next()).cursor == hidden.cursor


@pytest.mark.parametrize(
    "words",
    [
        "a\n\nevent: gone\ndata: {}\n\n",
        "a\r\rid: 0\r",
        "\u2028\u2029\x85",
        "\u202egpj.exe\u200b",
        "<script>",
        "🌅" * 1000,
    ],
)
async def test_F33_no_title_ends_an_event_or_begins_one(world: World, client: Client, words: str) -> None:
    await world.account(name=words)
    await world.document(5, title=words)
    await world.entry(EntryKind.ALBUM, 70, members=[5], title=words)
    async with stream(client) as events:
        await events.block()
        for kind in ("document", "album"):
            block = await events.block()
            assert set(block) == {"id", "event", "data"}
            shown = json.loads(block["data"])
            assert (block["event"].strip(), shown["kind"]) == ("appeared", kind)
            assert (shown[kind]["title"], shown[kind]["owner"]["name"]) == (words, words)
    page = await client.get("/v1/changes")
    assert [change[change["kind"]]["title"] for change in json.loads(page.body)["changes"]] == [words, words]
    assert page.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_change_by_another_process_is_heard_too(world: World, client: Client, tmp_path: Any) -> None:
    await world.account()
    async with stream(client, since="now") as events:
        await events.next(heartbeats=True)
        beside = open_catalog("sqlite:///ipsync.db", tmp_path, bytes(32), checkpoints=False, inline=True)
        beside.write_now(lambda tx: tx.add_documents([world.made(5)]))
        beside.close_now()
        assert (await events.next()).data["document_id"] == "5"


def streams_of(client: Client) -> Streams:
    return client.server._app[STREAMS]


async def test_a_stream_without_changes_shows_that_it_lives(world: World, client: Client) -> None:
    streams_of(client)._beat_seconds = 0.3
    await world.account()
    async with stream(client) as events:
        for _ in range(3):
            assert (await events.next(heartbeats=True)).name == "current"


async def test_a_revoked_token_ends_its_stream(world: World, client: Client) -> None:
    streams_of(client)._beat_seconds = 0.3
    await world.account()
    token = await a_token(world, TokenScope.CHANGES)
    (known,) = await world.catalog.read(lambda view: view.read_tokens())
    async with stream(client, token=token) as events:
        await events.next(heartbeats=True)
        now = world.clock.now()
        await world.catalog.write(lambda tx: tx.revoke_read_token(known.token_id, now))
        await asyncio.wait_for(events.response.read(), LOOK)  # it ends


async def test_many_readers_share_one_reading_and_a_stop_ends_them(world: World, client: Client) -> None:
    await world.account()
    reads = 0
    teller = streams_of(client)._teller
    tell = teller.tell

    async def counted(after: Any, limit: int) -> Any:
        nonlocal reads
        reads += 1
        return await tell(after, limit)

    teller.tell = counted
    opened = [stream(client, since="now") for _ in range(40)]
    events = [await entry.__aenter__() for entry in opened]
    for entry in events:
        await entry.next(heartbeats=True)
    reads = 0
    await world.document(5)
    assert {(await entry.next()).cursor for entry in events}
    # One after the old place, one after the new; a page may be read again where a commit came between.
    assert reads <= 4
    await asyncio.wait_for(client.server.stop(20), 5)
    for entry in opened:
        await entry.__aexit__(None, None, None)


async def test_a_reading_that_failed_is_not_kept(world: World, client: Client) -> None:
    await world.account()
    await world.document(5)
    teller = streams_of(client)._teller
    tell = teller.tell

    async def fails(_after: Any, _limit: int) -> Any:
        teller.tell = tell
        raise CatalogBusy("for a moment")

    teller.tell = fails
    assert (await client.get("/v1/changes", Accept="text/event-stream")).status == 503
    async with stream(client) as events:
        assert (await events.next()).data["document_id"] == "5"


async def test_F23_a_reader_that_takes_nothing_is_cut_and_holds_nobody_up(world: World) -> None:
    await world.account()
    async with serving(world, Limits(write_seconds=0.3)) as client:
        lazy = socket.socket()
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", client.port))
        head = f"GET /v1/changes HTTP/1.1\r\nHost: x\r\nAuthorization: {BEARER['Authorization']}\r\n"
        lazy.sendall(f"{head}Accept: text/event-stream\r\n\r\n".encode())
        await eventually(lambda: len(streams_of(client)._readers) == 1)
        async with stream(client, since="now") as events:
            await events.next(heartbeats=True)
            documents = [world.made(number, title="wide " * 60_000) for number in range(1, 31)]
            await world.catalog.write(lambda tx: tx.add_documents(documents))
            assert [(await events.next()).data["document_id"] for _ in documents] == [str(n) for n in range(1, 31)]
            await eventually(lambda: len(streams_of(client)._readers) == 1)
        lazy.close()


async def test_there_are_not_too_many_streams(world: World, client: Client) -> None:
    streams_of(client)._most = 1
    async with stream(client) as events:
        await events.block()
        answer = await client.get("/v1/changes", Accept="text/event-stream")
        assert (answer.status, answer.json()["error"]["code"]) == (503, "too-many-streams")
        assert (await client.get("/v1/changes")).status == 200


async def test_what_webhooks_are_owed_is_told_without_their_address(world: World, client: Client) -> None:
    assert (await client.get("/v1/webhooks")).json() == {"webhooks": []}
    hook = Webhook(0, "https://a.example/canary", "whsec_canary", WebhookState.ACTIVE, START)
    await world.catalog.write(lambda tx: tx.add_webhook(hook.failed(Trouble.SLOW, START, DAY)))
    await world.account()
    await world.document(5)
    answer = await client.get("/v1/webhooks")
    [entry] = answer.json()["webhooks"]
    assert (entry["webhook_id"], entry["owed_changes"], entry["owed_since"]) == ("1", 1, rfc3339(START))
    assert entry["trouble"] == "it took too long"
    assert "canary" not in answer.text
    token = await a_token(world, TokenScope.CHANGES, account_id=7)
    answer = await client.get("/v1/webhooks", token=False, Authorization=f"Bearer {token}")
    assert answer.json() == {"webhooks": []}
