"""The gallery of `examples/` in front of a mirror: it shows what it may, with credit, and forgets as it is told."""

import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from ipsync.jobs.read_tokens import ReadTokens
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import HOUR
from ipsync.policy.read_tokens import TokenScope
from tests.web.conftest import JPEG, START, serving

_FILE = Path(__file__).resolve().parents[2] / "examples" / "gallery" / "gallery.py"


@pytest.fixture(scope="module")
def gallery():
    spec = importlib.util.spec_from_file_location("gallery_example", _FILE)
    module = sys.modules["gallery_example"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.EVERY_SECONDS = 3600.0  # tests tell it when to ask
    return module


@asynccontextmanager
async def opened(gallery, address, token) -> AsyncIterator:
    runner = web.AppRunner(gallery.gallery(address, token))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    mirror = runner.app[gallery.MIRROR]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def look(path="/"):
            async with session.get(path) as answer:
                return answer.status, await answer.read(), answer.headers

        yield mirror, look
    await runner.cleanup()


@pytest.fixture
async def token(shown):
    _, text = await ReadTokens(shown.catalog, shown.clock).create("gallery", frozenset(TokenScope), None, None)
    return text


async def test_the_gallery_shows_and_forgets(shown, token, gallery):
    await shown.document(6, title='<script>alert("6")</script>')
    await shown.file(6)
    async with serving(shown) as client, opened(gallery, client.address, token) as (mirror, look):
        await mirror.update()
        status, page, headers = await look()
        text = page.decode()
        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert "<script>" not in text
        # In a box of its own: no title turns what stands around it.
        assert "<bdi>&lt;script&gt;alert(&quot;6&quot;)&lt;/script&gt;</bdi>" in text
        for owed in ("https://www.ipernity.com/doc/7/5", "anna", "https://creativecommons.org/licenses/by/3.0/"):
            assert owed in text
        status, body, headers = await look("/picture/5")
        assert (status, body, headers["Cache-Control"]) == (200, JPEG, "private, max-age=300")
        assert (await look("/picture/99"))[0] == 404

        held = (await shown.catalog.read(lambda view: view.documents([5])))[5]
        await shown.change(held, state=DocumentState.SUSPECT, hidden_at=START)
        # Before it is told, the mirror itself refuses the picture.
        assert (await look("/picture/5"))[0] == 404
        await mirror.update()
        assert "/picture/5" not in (await look())[1].decode()
        assert "/picture/6" in (await look())[1].decode()

        await shown.document(7)
        await shown.file(7)
        await mirror.update()
        assert "/picture/7" in (await look())[1].decode()

        account = await shown.catalog.read(lambda view: view.account(7))
        await shown.catalog.write(lambda tx: tx.put_account(replace(account, state=AccountState.LOST)))
        await mirror.update()
        assert "/picture/" not in (await look())[1].decode()


async def test_what_ends_soon_is_asked_about_again_or_goes(shown, token, gallery, monkeypatch):
    async with serving(shown) as client, opened(gallery, client.address, token) as (mirror, _):
        await mirror.update()
        document = mirror.documents["5"]
        mirror.documents["5"] = document | {"serve_until": "2020-01-01T00:00:00.000Z"}
        assert mirror.showable() == []  # whatever the mirror would say: nobody asked it
        await mirror.update()
        assert [kept["document_id"] for kept in mirror.showable()] == ["5"]
        mirror.documents["5"] = document | {"serve_until": "2020-01-01T00:00:00.000Z"}
        shown.clock.jump(20 * HOUR)
        await mirror.update()
        assert mirror.documents == {}


async def test_a_mirror_that_does_not_answer_leaves_the_last_known_end(shown, token, gallery):
    async with serving(shown) as client, opened(gallery, client.address, token) as (mirror, look):
        await mirror.update()
        await client.server.stop(0.1)
        with pytest.raises(aiohttp.ClientError):
            await mirror.update()
        assert "/picture/5" in (await look())[1].decode()


def test_the_example_stays_small():
    assert len(_FILE.read_text(encoding="utf-8").splitlines()) <= 150
