"""An open catalog for the tests of what only SQLite promises."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ipsync.catalog import SqliteCatalog
from tests.fakes.catalogs import an_account, fresh_catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqliteCatalog]:
    """A catalog that works in the caller's thread, with the accounts 1 and 2."""
    opened = fresh_catalog(tmp_path, inline=True)
    opened.write_now(lambda tx: [tx.put_account(an_account(number)) for number in (1, 2)])
    yield opened
    opened.close_now()


@pytest.fixture
async def threaded(tmp_path: Path) -> SqliteCatalog:
    """A catalog that works in threads, with the account 1. Tests close it."""
    opened = fresh_catalog(tmp_path)
    await opened.write(lambda tx: tx.put_account(an_account(1)))
    return opened
