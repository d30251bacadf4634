"""Files by the table of RFC 9110, and files that a server in front sends (`web.accel`)."""

import pytest

from ipsync.policy.instants import HOUR, MINUTE
from ipsync.ports.store import ContentKey
from ipsync.web import Accel
from tests.web.conftest import serving
from tests.web.media_cases import CASES, SIZE, Case

CONTENT = b"\xff\xd8\xff\xe0" + bytes(number % 251 for number in range(SIZE - 4))
ACCEL = Accel("X-Accel-Redirect", "/_content/")


@pytest.fixture
async def filed(world):
    await world.account()
    await world.document(5)
    await world.file(5, content=CONTENT)
    return world


async def test_every_case_of_the_table(filed, client):
    tag = (await client.get("/media/5/240")).headers["ETag"]
    for case in CASES:
        answer = await ask(client, case, tag)
        assert answer.status == case.status, case
        if case.part is not None:
            first, last = case.part
            assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}", case
            assert answer.body == CONTENT[first : last + 1], case
        elif case.status == 200:
            assert answer.headers["Content-Length"] == str(SIZE), case
            assert answer.body == (b"" if case.method == "HEAD" else CONTENT), case
        elif case.status == 304:
            assert answer.body == b"", case
        elif case.status == 416:
            assert answer.headers["Content-Range"] == f"bytes */{SIZE}", case
        if case.status in (200, 206, 304):
            assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (tag, "private, max-age=300"), case
        else:
            assert answer.headers["Cache-Control"] == "private, no-store", case


async def ask(client, case: Case, tag: str):
    headers = {name: value.replace("TAG", tag) for name, value in case.headers.items()}
    return await client.get("/media/5/240", method=case.method, **headers)


# Handing over to the server in front


async def test_a_server_in_front_is_told_where_the_file_lies(filed, client):
    own = await client.get("/media/5/240")
    async with serving(filed, accel=ACCEL) as front:
        for method in ("GET", "HEAD"):
            told = await front.get("/media/5/240", method=method, Range="bytes=0-5")
            assert (told.status, told.body) == (200, b"")
            assert told.headers["X-Accel-Redirect"] == "/_content/7/5/240"
            for name in ("Content-Type", "ETag", "Cache-Control", "Link", "Vary"):
                assert told.headers[name] == own.headers[name]
    async with serving(filed, accel=Accel("X-Sendfile", f"{filed.store._path}/")) as front:
        path = (await front.get("/media/5/240")).headers["X-Sendfile"]
    assert await read(path) == CONTENT


async def read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: ASYNC230, PTH123  # reason: as a front server would: by the text it was told
        return file.read()


async def test_T10_the_lease_is_looked_at_each_time_it_is_handed_over(filed):
    async with serving(filed, accel=ACCEL) as front:
        assert (await front.get("/media/5/240", token=False)).status == 401
        filed.clock.jump(20 * HOUR - 5 * MINUTE)
        assert "X-Accel-Redirect" in (await front.get("/media/5/240")).headers
        # From here on only we can cut the answer where the lease ends.
        filed.clock.jump(1)
        last = await front.get("/media/5/240")
        assert (last.status, last.body) == (200, CONTENT)
        assert "X-Accel-Redirect" not in last.headers
        filed.clock.jump(5 * MINUTE)
        over = await front.get("/media/5/240")
        assert over.status == 404
        assert "X-Accel-Redirect" not in over.headers


async def test_what_only_we_can_answer_is_not_handed_over(filed):
    async with serving(filed, accel=ACCEL) as front:
        tag = (await front.get("/media/5/240")).headers["ETag"]
        for headers, status in (
            ({"If-None-Match": tag}, 304),
            ({"If-Match": '"x"'}, 412),
            ({"If-Match": tag}, 200),
            ({"If-Unmodified-Since": "Sat, 21 Nov 2026 20:00:00 GMT"}, 200),
            ({"Range": "bytes=0-9", "If-Range": tag}, 206),
        ):
            answer = await front.get("/media/5/240", **headers)
            assert answer.status == status
            assert "X-Accel-Redirect" not in answer.headers


async def test_F5_a_damaged_file_is_not_handed_over(filed):
    filed.store.erase_files([key := filed_key()])
    async with serving(filed, accel=ACCEL) as front:
        answer = await front.get("/media/5/240")
    assert answer.status == 404
    assert filed.damaged == [key]


def filed_key() -> ContentKey:
    return ContentKey(7, 5, "240")
