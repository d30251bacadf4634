"""The files are real: other people's decoders read them, and their addresses hold as long as they should."""

import hashlib
import io
import struct
import wave
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image

from ipsync.simulator import Simulator, World
from ipsync.simulator.documents import thumb_content, thumb_sizes
from ipsync.simulator.files import find
from ipsync.simulator.media import jpeg, movie, sound
from ipsync.simulator.media.recognize import jpeg_size, recognize
from tests.simulator.hands import Hand

TOKEN = "tok-0123456789abcdef"


def _decoded(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.copy()


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (8, 8), (9, 17), (75, 75), (100, 67), (640, 480), (801, 533), (2048, 1365)]
)
def test_pictures_are_jpegs_that_other_decoders_read(width: int, height: int) -> None:
    for scene in (0, 7, 15):
        data = jpeg.picture(width, height, scene).content(TOKEN)
        picture = _decoded(data)
        assert picture.size == (width, height) == jpeg_size(data)
        assert picture.mode == "RGB"
        assert picture.info["comment"] == TOKEN.encode()


def test_scenes_differ() -> None:
    pictures = {
        hashlib.md5(_decoded(jpeg.picture(160, 120, scene).content("")).tobytes()).digest() for scene in range(16)
    }
    assert len(pictures) == 16


def test_brightness_comes_out_as_it_went_in() -> None:
    picture = _decoded(jpeg.picture(320, 240, 0).content(TOKEN)).convert("L")
    assert picture.getpixel((96, 60)) > 230, "the sun"
    assert picture.getpixel((300, 4)) < picture.getpixel((300, 100)), "the sky is darker above"


def test_sound_is_a_wav() -> None:
    data = sound.tone(3).content(TOKEN)
    with wave.open(io.BytesIO(data)) as tone:
        assert (tone.getnchannels(), tone.getframerate(), tone.getnframes()) == (1, sound.RATE, sound.RATE)
        assert len(set(tone.readframes(100))) > 10
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    assert TOKEN.encode() in data


def _boxes(data: bytes) -> dict[bytes, bytes]:
    found = {}
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        assert 8 <= size <= len(data) - at
        found[data[at + 4 : at + 8]] = data[at + 8 : at + size]
        at += size
    return found


def test_film_is_an_mp4_whose_frames_are_where_its_tables_say() -> None:
    data = movie.film(5).content(TOKEN)
    top = _boxes(data)
    assert list(top) == [b"ftyp", b"moov", b"mdat", b"free"]
    assert top[b"free"] == TOKEN.encode()
    media = _boxes(_boxes(_boxes(top[b"moov"])[b"trak"])[b"mdia"])
    table = _boxes(_boxes(media[b"minf"])[b"stbl"])
    sizes = struct.unpack(">4I", table[b"stsz"][12:])
    at = int.from_bytes(table[b"stco"][8:12], "big")
    for size in sizes:
        assert _decoded(data[at : at + size]).size == (movie.WIDTH, movie.HEIGHT)
        at += size
    about = recognize(data)
    assert about
    assert (about.kind, about.extension) == ("video", "mp4")


@pytest.mark.parametrize("template", [jpeg.picture(100, 80, 1), sound.tone(1), movie.film(1)])
def test_size_and_digest_are_those_of_the_content(template: Any) -> None:
    content = template.content(TOKEN)
    assert template.size == len(content)
    assert template.md5(TOKEN) == hashlib.md5(content).digest()


def test_thumbs_are_never_larger_than_the_picture() -> None:
    assert list(thumb_sizes(640, 480)) == ["75x", "100", "240", "250x", "500", "560", "640"]
    assert thumb_sizes(2048, 1365)["1024"] == (1024, 682)
    assert thumb_sizes(300, 2048)["2048"] == (300, 2048)
    assert thumb_sizes(50, 40) == {"75x": (40, 40)}
    assert "250x" not in thumb_sizes(1000, 200)


def test_every_thumb_carries_the_token_and_its_size(world: World) -> None:
    for document in list(world.state.library.documents_of(world.members[0]))[:12]:
        for label, size in thumb_sizes(*document.shape).items():
            data = thumb_content(document, label)
            assert data
            assert jpeg_size(data) == size
            assert data.count(document.token.encode()) == 1
        assert thumb_content(document, "9999") is None


def _addresses(hand: Hand, doc_id: str) -> list[str]:
    doc = hand.ok("doc.get", doc_id=doc_id)["doc"]
    return [urlsplit(one["url"]).path for one in (*doc["thumbs"]["thumb"], doc["original"])]


def test_addresses_die_when_privacy_changes(mine: Hand, world: World) -> None:
    doc_id = mine.listed(share=4, media="photo")[0]
    generations = [_addresses(mine, doc_id)]
    for share in (0, 4, 2, 4):
        mine.ok("doc.setPerms", doc_id=doc_id, share=share)
        generations.append(_addresses(mine, doc_id))
        for old in generations[:-1]:
            assert not any(find(world.state, address) for address in old)
        assert all(find(world.state, address) for address in generations[-1])
    assert len({address for addresses in generations for address in addresses}) == sum(map(len, generations))


def test_addresses_live_through_everything_else(mine: Hand, world: World) -> None:
    doc_id = mine.listed(share=4)[0]
    before = _addresses(mine, doc_id)
    mine.ok("doc.set", doc_id=doc_id, title="x")
    mine.ok("doc.setLicense", doc_id=doc_id, license=1)
    mine.ok("doc.setPerms", doc_id=doc_id, share=4, perm_comment=0)
    assert _addresses(mine, doc_id) == before


@pytest.mark.parametrize("end", [lambda hand, one: hand.ok("doc.delete", doc_id=one), None])
def test_files_go_with_the_document_and_the_account(
    mine: Hand, world: World, end: Callable[[Hand, str], object] | None
) -> None:
    doc_id = mine.listed(share=4)[0]
    addresses = _addresses(mine, doc_id)
    assert all(find(world.state, address) for address in addresses)
    if end:
        end(mine, doc_id)
    else:
        world.members[0].closed = True
    assert not any(find(world.state, address) for address in addresses)


def test_the_secret_of_a_thumb_does_not_open_the_original(mine: Hand, world: World) -> None:
    doc_id = mine.listed(share=4, media="photo")[0]
    thumb = _addresses(mine, doc_id)[0]
    folder, _, name = thumb.rpartition("/")
    one, secret, _, _ = name.split(".")
    assert find(world.state, f"{folder}/{one}.{secret}.100.jpg")
    for name in (
        f"{one}.{secret}.original.jpg",
        f"{one}.{secret}.jpg.jpg",
        f"{one}.{secret}.100.png",
        f"{one}.{secret}.9999.jpg",
        f"{one}.{'0' * 8}.100.jpg",
        f"{one}.{secret}.100.jpg/..",
        "..",
        "",
    ):
        assert find(world.state, f"{folder}/{name}") is None
    assert find(world.state, thumb.replace(folder, "/media/000" if folder != "/media/000" else "/media/001")) is None


class TestOnTheWire:
    @pytest.fixture
    async def files(self, simulator: Simulator) -> dict[str, dict[str, Any]]:
        hand = Hand(simulator.world, simulator.world.state.grant(simulator.members[0], {"doc": "read"}).value)
        docs = hand.ok("doc.getList", per_page=100, extra="original,md5,medias")["docs"]["doc"]
        return {kind: next(one for one in docs if one["media"] == kind) for kind in ("photo", "video", "audio")}

    @pytest.mark.parametrize(
        ("kind", "content_type"), [("photo", "image/jpeg"), ("video", "video/mp4"), ("audio", "audio/x-wav")]
    )
    async def test_originals(self, files: dict[str, dict[str, Any]], kind: str, content_type: str) -> None:
        one = files[kind]
        async with aiohttp.ClientSession() as session, session.get(one["original"]["url"]) as answer:
            data = await answer.read()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == content_type
        assert hashlib.md5(data).hexdigest() == one["md5"]
        assert len(data) == int(one["original"]["bytes"]) == int(answer.headers["Content-Length"])

    async def test_medias_play(self, files: dict[str, dict[str, Any]]) -> None:
        async with aiohttp.ClientSession() as session:
            for kind in ("video", "audio"):
                async with session.get(files[kind]["medias"]["media"][0]["url"]) as answer:
                    about = recognize(await answer.read())
                    assert about
                    assert about.kind == kind

    async def test_ranges_and_etags(self, files: dict[str, dict[str, Any]]) -> None:
        url = files["photo"]["original"]["url"]
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                whole, etag = await answer.read(), answer.headers["ETag"]
            wanted = {
                "bytes=0-9": (206, whole[:10]),
                "bytes=10-": (206, whole[10:]),
                "bytes=-5": (206, whole[-5:]),
                "bytes=5-999999": (206, whole[5:]),
                "bytes=999999-": (416, None),
                "lines=1-2": (200, whole),
            }
            for text, (status, data) in wanted.items():
                async with session.get(url, headers={"Range": text}) as answer:
                    assert answer.status == status, text
                    if data is not None:
                        assert await answer.read() == data
                    if status != 200:
                        assert answer.headers["Content-Range"].endswith(f"/{len(whole)}")
            async with session.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}) as answer:
                assert answer.status == 200
            async with session.get(url, headers={"If-None-Match": etag}) as answer:
                assert (answer.status, await answer.read()) == (304, b"")
            async with session.head(url) as answer:
                assert (answer.status, int(answer.headers["Content-Length"])) == (200, len(whole))

    async def test_old_addresses_answer_404(self, simulator: Simulator, files: dict[str, dict[str, Any]]) -> None:
        one = files["photo"]
        hand = Hand(simulator.world, simulator.world.state.grant(simulator.members[0], {"doc": "write"}).value)
        hand.ok("doc.setPerms", doc_id=one["doc_id"], share=1)
        async with aiohttp.ClientSession() as session:
            for url in (one["thumb"]["url"], one["original"]["url"], f"{simulator.base_url}/media/x/y"):
                async with session.get(url) as answer:
                    assert answer.status == 404
        assert simulator.world.meter.report()["media"] == 3

    async def test_icons(self, simulator: Simulator) -> None:
        url = f"{simulator.base_url}/media/icon/{simulator.members[0].user_id}.jpg"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert jpeg_size(await answer.read()) == (60, 60)
