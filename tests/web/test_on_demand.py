"""`/media` where files are fetched when they are asked for: waited for, put off with a time, or not there."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from ipsync.jobs.media_keeping import key_of
from ipsync.policy.documents import RemoteFile, Rendition, RenditionState
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import HOUR, SECOND
from ipsync.ports.catalog import CatalogBusy
from tests.fakes.site import ADMIN_TOKEN
from tests.web.conftest import JPEG, RULES, serving
from tests.web.wall import wall_of


@pytest.fixture
async def wanted(world):
    """A document whose file is known and not stored, in a world that fetches on demand."""
    world.rules = replace(RULES, on_demand=True)
    await world.account()
    await world.document(5)
    file = RemoteFile("240", "https://u1.ipernity.com/1/5.secret.240.jpg", 240, 160)
    await world.catalog.write(lambda tx: tx.put_renditions([Rendition(5, 7, file, RenditionState.WANTED)]))
    return world


def fetching(world, calls, *, wait=0, act=None):
    async def fetch(key):
        calls.append(key)
        if act is not None:
            await act()
        return wait

    return fetch


async def test_the_first_reader_waits_and_gets_the_file(wanted):
    calls = []
    async with serving(wanted, on_demand=fetching(wanted, calls, act=lambda: wanted.file(5))) as client:
        told = (await client.get("/v1/documents/5")).json()["renditions"]
        assert told == {
            "240": {"url": "/media/5/240", "content_type": None, "bytes": None, "width": 240, "height": 160}
        }
        for _ in range(2):
            answer = await client.get("/media/5/240")
            assert (answer.status, answer.body) == (200, JPEG)
        assert (await client.get("/v1/documents/5")).json()["renditions"]["240"]["bytes"] == len(JPEG)
    assert len(calls) == 1


async def test_who_waited_long_enough_is_told_when_to_ask_again(wanted):
    async with serving(wanted, on_demand=fetching(wanted, [], wait=90 * SECOND)) as client:
        answer = await client.get("/media/5/240")
    assert (answer.status, answer.json()["error"]["code"]) == (503, "being-fetched")
    assert answer.headers["Retry-After"] == "90"
    assert answer.headers["Cache-Control"] == "private, no-store"


async def test_T10_what_was_hidden_meanwhile_is_not_shown(wanted):
    async def hide():
        await wanted.file(5)
        wanted.clock.jump(20 * HOUR)

    async with serving(wanted, on_demand=fetching(wanted, [], act=hide)) as client:
        assert (await client.get("/media/5/240")).status == 404


async def test_what_is_not_to_be_had_is_not_asked_for(wanted):
    calls = []
    async with serving(wanted, on_demand=fetching(wanted, calls)) as client:
        for path in ("/media/5/original", "/media/6/240", "/media/5/nothing"):
            assert (await client.get(path)).status == 404
        assert (await client.get("/media/5/240", token=False)).status == 401
        wanted.clock.jump(20 * HOUR)
        assert (await client.get("/media/5/240")).status == 404
    assert calls == []


async def test_where_everything_is_kept_nothing_is_fetched_on_demand(wanted):
    wanted.rules, calls = RULES, []
    async with serving(wanted, on_demand=fetching(wanted, calls)) as client:
        assert (await client.get("/media/5/240")).status == 404
        assert (await client.get("/v1/documents/5")).json()["renditions"] == {}
    assert calls == []


async def test_a_catalog_that_fails_meanwhile_is_told_as_such(wanted):
    async def fail():
        raise CatalogBusy("busy")

    async with serving(wanted, on_demand=fetching(wanted, [], act=fail)) as client:
        assert (await client.get("/media/5/240")).status == 503


async def test_albums_and_articles_name_what_will_be_fetched(wanted):
    await wanted.entry(EntryKind.ALBUM, 70, members=[5])
    await wanted.entry(EntryKind.ARTICLE, 72, members=[5])
    async with serving(wanted, on_demand=fetching(wanted, [])) as client:
        (document,) = (await client.get("/v1/documents")).json()["documents"]
        assert list(document["renditions"]) == ["240"]
        for path in ("/v1/albums/70", "/v1/articles/72"):
            assert (await client.get(path)).json()["documents"] == [document]


async def test_T22_twenty_readers_make_one_download_from_ipernity(wall_mirror):
    wall_mirror.edit("[mirror]\n", '[mirror]\nmode = "on-demand"\n')
    async with wall_of(wall_mirror) as wall:
        catalog = wall.works.base.catalog
        stored = await catalog.read(lambda view: view.renditions_stored_before(2**62, ("240",), 1))
        key = key_of(stored[0])
        wall.works.base.store.erase_files([key])
        await catalog.write(lambda tx: tx.set_rendition_state([key], RenditionState.WANTED))
        assert (await wall.works.media.run()).files == 0

        async def downloads():
            return int((await asyncio.to_thread(wall.site.change, lambda world: world.meter.report()))["media"])

        before, headers = await downloads(), {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with aiohttp.ClientSession(wall.address, headers=headers) as session:

            async def look():
                async with session.get(f"/media/{key.document_id}/240") as answer:
                    return answer.status, await answer.read()

            found = await asyncio.gather(*(look() for _ in range(20)))
        assert {status for status, _ in found} == {200}
        assert len({body for _, body in found}) == 1
        assert await downloads() == before + 1
