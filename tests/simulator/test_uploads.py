"""Files come in, documents come out."""

import hashlib
from typing import Any

import pytest

from ipsync.simulator import World
from ipsync.simulator.media import jpeg, movie, sound
from ipsync.simulator.methods.uploads import SentFile
from tests.simulator.hands import Clock, Hand

PHOTO = jpeg.picture(640, 480, 3).content("tok-aaaaaaaaaaaaaaaa")
OTHER_PHOTO = jpeg.picture(320, 200, 4).content("tok-bbbbbbbbbbbbbbbb")


def _upload(mine: Hand, data: bytes = PHOTO, name: str = "Holiday.jpg", **params: object) -> str:
    ticket = mine.ok("upload.file", file=SentFile(name, data), **params)["ticket"]
    assert isinstance(ticket, str)
    (status,) = mine.ok("upload.checkTickets", tickets=ticket)["tickets"]["ticket"]
    assert (status["id"], status["done"], status["invalid"], status["eta"]) == (ticket, "1", "0", "0")
    return str(status["doc_id"])


def _get(mine: Hand, doc_id: str) -> dict[str, Any]:
    doc: dict[str, Any] = mine.ok("doc.get", doc_id=doc_id, extra="tags,geo,md5")["doc"]
    return doc


def test_an_upload_becomes_the_newest_document(mine: Hand, world: World, clock: Clock) -> None:
    doc_id = _upload(mine)
    assert mine.listed()[0] == doc_id
    doc = _get(mine, doc_id)
    assert (doc["title"], doc["media"], doc["visibility"]["ispublic"]) == ("Holiday", "photo", "1")
    assert doc["dates"]["posted_at"] == str(clock() // 1_000_000)
    assert doc["md5"] == hashlib.md5(PHOTO).hexdigest()
    original = doc["original"]
    assert (original["w"], original["h"], original["bytes"], original["filename"]) == (
        "640",
        "480",
        str(len(PHOTO)),
        "Holiday.jpg",
    )
    assert mine.ok("doc.checkMD5", md5=doc["md5"])["docs"]["doc"][0]["doc_id"] == doc_id


def test_everything_can_be_said_at_once(mine: Hand) -> None:
    album = mine.ok("album.create", title="Uploads")["album"]["album_id"]
    doc_id = _upload(
        mine,
        title="T",
        description="D",
        license=9,
        is_public=0,
        is_family=1,
        safety=2,
        keywords="a,b",
        lat=1,
        lng=2,
        album_id=album,
        created_at="2020-01-02 03:04:05",
        public=0,
    )
    doc = _get(mine, doc_id)
    assert (doc["title"], doc["description"], doc["license"], doc["safety"]) == ("T", "D", "9", "2")
    assert doc["visibility"]["share"] == "1"
    assert doc["dates"]["created"] == "2020-01-02 03:04:05"
    assert [tag["title"] for tag in doc["tags"]["tag"]] == ["a", "b"]
    assert doc["geo"]["lat"] == "1.000000"
    assert mine.ok("doc.getContainers", doc_id=doc_id)["albums"]["album"][0]["album_id"] == album


@pytest.mark.parametrize(
    ("data", "kind", "extension"),
    [
        (PHOTO, "photo", "jpg"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x20", "photo", "png"),
        (b"GIF89a\x10\0\x20\0", "photo", "gif"),
        (movie.film(1).content("tok-aaaaaaaaaaaaaaaa"), "video", "mp4"),
        (b"RIFF\0\0\0\0AVI LIST", "video", "avi"),
        (sound.tone(1).content("tok-aaaaaaaaaaaaaaaa"), "audio", "wav"),
        (b"ID3\x03", "audio", "mp3"),
        (b"OggS\0", "audio", "ogg"),
        (b"fLaC\0", "audio", "flac"),
        (b"%PDF-1.4", "other", "pdf"),
        (b"<html>", "other", "bin"),
    ],
)
def test_kinds_are_told_by_the_first_bytes(mine: Hand, data: bytes, kind: str, extension: str) -> None:
    doc = _get(mine, _upload(mine, data, "name.xyz"))
    assert (doc["media"], doc["original"]["ext"]) == (kind, extension)
    assert doc["thumbs"]["thumb"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff",
        PHOTO[:30],
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\x20",
        b"GIF89a",
        b"GIF89a\x10\0\0\0",
    ],
)
def test_a_broken_picture_makes_the_ticket_invalid(mine: Hand, data: bytes) -> None:
    ticket = mine.ok("upload.file", file=SentFile("x.jpg", data))["ticket"]
    (status,) = mine.ok("upload.checkTickets", tickets=ticket)["tickets"]["ticket"]
    assert (status["done"], status["invalid"]) == ("1", "1")
    assert "doc_id" not in status


def test_a_file_must_be_there(mine: Hand) -> None:
    assert mine.error("upload.file") == 1
    assert mine.error("upload.file", title="x") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("license", "4"), ("safety", "0"), ("created_at", "yesterday"), ("album_id", "1"), ("lat", "x"), ("share", "7")],
)
def test_what_makes_no_sense_is_refused_before_the_file_is_taken(mine: Hand, name: str, value: str) -> None:
    answer = mine.call("upload.file", file=SentFile("x.jpg", PHOTO), **{name: value})
    assert answer["api"]["code"] in ("1", "2")
    assert mine.ok("doc.getList")["docs"]["total"] == "40"


def test_replace_keeps_the_document_and_changes_its_addresses(mine: Hand) -> None:
    doc_id = mine.listed(media="photo")[0]
    before = _get(mine, doc_id)
    ticket = mine.ok("upload.replace", file=SentFile("new.jpg", OTHER_PHOTO), doc_id=doc_id)["ticket"]
    assert mine.ok("upload.checkTickets", tickets=ticket)["tickets"]["ticket"][0]["doc_id"] == doc_id
    after = _get(mine, doc_id)
    assert after["title"] == before["title"]
    assert after["md5"] == hashlib.md5(OTHER_PHOTO).hexdigest()
    assert (after["original"]["w"], after["original"]["h"]) == ("320", "200")
    assert after["original"]["url"] != before["original"]["url"]
    assert after["dates"]["replaced_at"]
    assert "replaced_at" not in before["dates"]


def test_replace_by_another_kind_moves_it_between_the_views(mine: Hand) -> None:
    doc_id = mine.listed(media="photo")[0]
    assert doc_id not in mine.listed(media="audio")
    mine.ok("upload.replace", file=SentFile("a.wav", sound.tone(1).content("x" * 20)), doc_id=doc_id)
    assert doc_id in mine.listed(media="audio")
    assert doc_id not in mine.listed(media="photo", per_page=100)
    assert len(mine.listed(per_page=100)) == 40


def test_replace_needs_an_own_document(mine: Hand, world: World) -> None:
    other = next(world.state.library.documents_of(world.members[1])).document_id
    answer = mine.call("upload.replace", file=SentFile("x.jpg", PHOTO), doc_id=other)
    assert answer["api"]["code"] == "1"


def test_tickets_of_others_and_unknown_ones_are_invalid(mine: Hand, world: World) -> None:
    ticket = mine.ok("upload.file", file=SentFile("x.jpg", PHOTO))["ticket"]
    other = Hand(world, world.state.grant(world.members[1], {"doc": "write"}).value)
    tickets = other.ok("upload.checkTickets", tickets=f"{ticket},nonsense")["tickets"]
    assert [one["invalid"] for one in tickets["ticket"]] == ["1", "1"]
    assert (tickets["count"], tickets["invalid"], tickets["done"]) == ("2", "2", "0")
    assert mine.error("upload.checkTickets") == 2


def test_work_takes_its_time(clock: Clock) -> None:
    world = World(1, 5, now=clock, upload_seconds=3)
    mine = Hand(world, world.state.grant(world.members[0], {"doc": "write"}).value)
    ticket = mine.ok("upload.file", file=SentFile("x.jpg", PHOTO))["ticket"]
    clock.move(1)
    tickets = mine.ok("upload.checkTickets", tickets=ticket)["tickets"]
    assert tickets["ticket"] == [{"id": ticket, "done": "0", "invalid": "0", "eta": "2"}]
    assert (tickets["left"], tickets["eta"]) == ("1", "2")
    assert mine.ok("doc.getList")["docs"]["total"] == "5"
    clock.move(2)
    assert mine.ok("doc.getList")["docs"]["total"] == "6", "without anybody asking for the ticket"
    assert mine.ok("upload.checkTickets", tickets=ticket)["tickets"]["ticket"][0]["done"] == "1"


def test_a_document_deleted_while_its_new_file_is_worked_on(clock: Clock) -> None:
    world = World(1, 5, now=clock, upload_seconds=3)
    mine = Hand(world, world.state.grant(world.members[0], {"doc": "delete"}).value)
    doc_id = mine.listed()[0]
    ticket = mine.ok("upload.replace", file=SentFile("x.jpg", PHOTO), doc_id=doc_id)["ticket"]
    mine.ok("doc.delete", doc_id=doc_id)
    clock.move(5)
    assert mine.ok("upload.checkTickets", tickets=ticket)["tickets"]["ticket"][0]["invalid"] == "1"
    assert doc_id not in mine.listed()


def test_used_quota_counts_uploads(mine: Hand) -> None:
    _upload(mine)
    assert mine.ok("account.getQuota")["quota"]["upload"]["used"]["bytes"] == str(len(PHOTO))


def test_the_file_of_a_deleted_upload_is_held_nowhere(mine: Hand, world: World) -> None:
    doc_id = _upload(mine)
    mine.ok("doc.delete", doc_id=doc_id)
    assert world.state.library.get(int(doc_id)) is None
    assert all(upload.original is None for upload in world.state.uploads.values())
