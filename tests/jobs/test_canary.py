"""Gone means gone: every word, place, address and byte carries a mark of its own, and afterwards no mark is left."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.rules import TimeToLive
from ipsync.ports.source import Later, MediaLater
from ipsync.store import FileStore
from tests.jobs.household import Household


@pytest.fixture
def house(households: Callable[..., Household], tmp_path: Path) -> Household:
    """Files on a real disk beside the database; details are wanted."""
    made = households(store=FileStore(tmp_path / "house0" / "content", free_space_floor_bytes=0))
    made.configure(replace(made.rules, details=True))
    return made


async def marked(house: Household, account_id: int, documents: int) -> list[int]:
    """A member whose documents are marked all over, and mirrored."""
    house.source.add_account(account_id)
    house.source.accounts[account_id].username = f"name-mark-{account_id}"
    house.source.accounts[account_id].realname = f"Realname Mark {account_id}"
    mine = []
    for index in range(documents):
        number = house.source.add_document(
            account_id,
            title=f"title-mark-{account_id}-{index}",
            description=f"description-mark-{account_id}-{index}",
            tags=(f"tag-mark-{account_id}-{index}", "shared"),
        )
        document = house.source.documents[number]
        document.latitude, document.longitude = 48.0 + number / 73.1, 11.0 + number / 131.7
        mine.append(number)
    await house.authorize(account_id)
    await house.mirror()
    return mine


def marks_of(house: Household, number: int, version: int = 1) -> dict[str, bytes]:
    """What would give a document away, by what it is."""
    document = house.source.documents[number]
    digests = {
        f"digest of {name}": entry.digest for name, entry in house.files(number).items() if entry.digest is not None
    }
    return {
        "title": document.title.encode(),
        "description": document.description.encode(),
        "tag": document.tags[0].encode(),
        "latitude": struct.pack(">d", document.latitude),
        "longitude": struct.pack(">d", document.longitude),
        "md5": str(document.facts.md5).encode(),
        "address": f"u1.ipernity.com/{number}.".encode(),
        "content": f"canary of {number} version {version}".encode(),
        **digests,
    }


def found(house: Household, marks: dict[str, bytes]) -> dict[str, list[str]]:
    """Where marks are, in every byte of every file: database, log, content, partial downloads, records."""
    files = {
        str(path.relative_to(house.folder)): path.read_bytes() for path in house.folder.rglob("*") if path.is_file()
    }
    places = {name: [path for path, held in files.items() if mark in held] for name, mark in marks.items()}
    return {name: paths for name, paths in places.items() if paths}


async def end(house: Household) -> None:
    await house.confirm()
    await house.grants()
    await house.purge()


async def deleted(house: Household, mine: list[int]) -> None:
    house.source.delete(mine[0])
    await house.sync()


async def unshared(house: Household, mine: list[int]) -> None:
    house.source.share(mine[0], Visibility.PRIVATE)
    await house.sync()


async def relicensed(house: Household, mine: list[int]) -> None:
    house.configure_view(licenses=frozenset({1}))
    house.source.relicense(mine[0], 0)
    await house.sync()


async def aged(house: Household, mine: list[int]) -> None:
    house.source.unlisted = {mine[0]}
    house.source.on_call = lambda asked: _doc_get_fails(asked.method)
    for _ in range(3):
        house.passes(8 * HOUR)
        await house.sync()
        await house.expire()


def _doc_get_fails(method: str) -> None:
    if method == "doc.get":
        raise Later("doc.get", "down")


async def barred(house: Household, mine: list[int]) -> None:
    house.source.relicense(mine[0], 3)
    await house.sync()
    house.configure_view(licenses=frozenset({1}))
    await house.apply_policy()


@pytest.mark.parametrize("act", [deleted, unshared, relicensed, aged, barred])
async def test_T10_of_an_erased_document_nothing_is_left_anywhere(
    house: Household, act: Callable[[Household, list[int]], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    mine = await marked(house, 7, 3)
    marks, others = marks_of(house, mine[0]), marks_of(house, mine[1])
    assert set(found(house, marks)) == set(marks)  # the marks can be found where they are
    await act(house, mine)  # type: ignore[misc]  # reason: each is a coroutine function
    await end(house)
    assert house.document(mine[0]) is None
    assert found(house, marks) == {}
    assert set(found(house, others)) == set(others)
    told = caplog.text + house.metrics.render()[0].decode()
    assert [name for name, mark in marks.items() if mark.decode("latin-1") in told] == []


@pytest.mark.parametrize("how", ["removed", "revoked", "closed"])
async def test_T15_of_an_account_that_left_nothing_is_left_but_its_number(house: Household, how: str) -> None:
    mine = await marked(house, 7, 2)
    theirs = await marked(house, 8, 1)
    member = {
        "username": b"name-mark-7",
        "realname": b"Realname Mark 7",
        "token": next(iter(house.source.accounts[7].tokens)).encode(),
    }
    assert set(found(house, member)) == {"username", "realname"}  # the token was never there in clear
    marks = {f"{name} of {number}": mark for number in mine for name, mark in marks_of(house, number).items()}
    if how == "removed":
        await house.accounts.remove(7)
    elif how == "revoked":
        house.source.revoke(7)
    else:
        house.source.close_account(7)
    await house.sync()
    await end(house)
    assert found(house, marks | member) == {}
    assert set(found(house, marks_of(house, theirs[0]))) == set(marks_of(house, theirs[0]))
    (consent,) = house.catalog.read_now(lambda view: view.consents(7))
    assert consent.ended_reason


async def test_T10_of_an_old_version_nothing_is_left(house: Household) -> None:
    mine = await marked(house, 7, 1)
    house.source.documents[mine[0]].title = "title-mark-7-0"
    marks = {
        name: mark for name, mark in marks_of(house, mine[0]).items() if name.startswith(("content", "digest", "md5"))
    }
    house.source.replace(mine[0])
    await house.sync()
    await end(house)
    await house.mirror()
    assert found(house, marks) == {}
    assert set(found(house, marks_of(house, mine[0], version=2))) >= {"content", "title"}


async def test_T09_of_expired_content_nothing_is_left(house: Household) -> None:
    house.configure(replace(house.rules, ttl=TimeToLive(*[DAY] * 4)))
    mine = await marked(house, 7, 1)
    all_marks = marks_of(house, mine[0])
    marks = {
        name: mark for name, mark in all_marks.items() if name.startswith(("content", "digest", "description", "tag"))
    }
    for _ in range(3):
        house.passes(9 * HOUR)
        await house.sync()
        await house.expire()
    await end(house)
    assert found(house, marks) == {}
    assert house.served() == set(mine)


async def test_of_a_download_cut_in_the_middle_nothing_is_left(house: Household) -> None:
    house.source.add_account(7)
    number = house.source.add_document(7)
    await house.authorize(7)
    await house.sync()
    for rendition in house.files(number).values():
        house.media_source.cuts[rendition.file.url] = 5200
    await house.fetch()
    marks = {"content": b"\xff\xd8\xff\xe0\0\x10JFIF\0"}
    assert found(house, marks)
    house.source.delete(number)
    await house.sync()
    await end(house)
    assert found(house, marks) == {}


async def test_of_a_download_that_failed_nothing_secret_is_told(
    house: Household, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    house.source.add_account(7)
    number = house.source.add_document(7, title="title-mark")
    await house.authorize(7)
    await house.sync()
    for rendition in house.files(number).values():
        house.media_source.failing[rendition.file.url] = MediaLater("down")
    await house.fetch()
    assert "u1.ipernity.com" not in caplog.text
    assert "title-mark" not in caplog.text
