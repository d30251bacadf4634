"""What the catalog promises of read tokens; run on every implementation like `test_catalog.py`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.policy.instants import DAY
from ipsync.policy.read_tokens import ReadToken, TokenScope, new_read_token
from ipsync.ports.catalog import Catalog
from tests.fakes.catalogs import NOW, fresh_catalog

TEXT = "ips_canary-of-a-read-token-0123456789"


@pytest.fixture(params=["sqlite", "sqlite inline"])
async def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    opened: Catalog = fresh_catalog(tmp_path, inline=request.param == "sqlite inline")
    yield opened
    await opened.close()


def a_token(**changes: object) -> ReadToken:
    token = new_read_token("gallery", [TokenScope.DOCUMENTS, TokenScope.MEDIA], 7, NOW + DAY, NOW)
    return replace(token, **changes)  # type: ignore[arg-type]  # reason: names are checked by replace


async def test_a_token_is_recognized_by_its_text_alone(catalog: Catalog) -> None:
    number = await catalog.write(lambda tx: tx.add_read_token(a_token(), TEXT))
    other = await catalog.write(lambda tx: tx.add_read_token(a_token(name="wall", account_id=None), TEXT + "x"))
    assert (number, other) == (1, 2)
    assert await catalog.read(lambda view: view.read_token_of(TEXT)) == a_token(token_id=1)
    assert await catalog.read(lambda view: view.read_token_of(TEXT[:-1])) is None
    assert [token.name for token in await catalog.read(lambda view: view.read_tokens())] == ["gallery", "wall"]


async def test_T05_no_token_stands_in_the_database(catalog: Catalog, tmp_path: Path) -> None:
    await catalog.write(lambda tx: tx.add_read_token(a_token(), TEXT))
    held = b"".join((tmp_path / name).read_bytes() for name in ("ipsync.db", "ipsync.db-wal"))
    assert b"gallery" in held
    assert b"canary" not in held


async def test_a_token_is_revoked_once(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_read_token(a_token(), TEXT))
    for at in (NOW + 1, NOW + 2):
        await catalog.write(lambda tx, at=at: tx.revoke_read_token(1, at))  # type: ignore[misc]  # reason: a default binds it
    found = await catalog.read(lambda view: view.read_token_of(TEXT))
    assert found == a_token(token_id=1, revoked_at=NOW + 1)


async def test_only_the_newest_day_of_use_is_kept(catalog: Catalog) -> None:
    await catalog.write(lambda tx: tx.add_read_token(a_token(), TEXT))
    for day in (NOW + DAY, NOW):
        await catalog.write(lambda tx, day=day: tx.note_read_token_used(1, day))  # type: ignore[misc]  # reason: a default binds it
    found = await catalog.read(lambda view: view.read_token_of(TEXT))
    assert found == a_token(token_id=1, used_on=NOW + DAY)
