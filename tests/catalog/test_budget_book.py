"""The promises of `ports.budget.BudgetBook`, run on the book that is kept in the catalog."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ipsync.ports.budget import BudgetBook
from tests.contracts.test_budget_book import *  # noqa: F403  # reason: the whole suite, on another book
from tests.fakes.catalogs import fresh_catalog


@pytest.fixture(params=["threads", "inline"])
async def book(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BudgetBook]:
    catalog = fresh_catalog(tmp_path, inline=request.param == "inline")
    yield catalog.budget_book
    await catalog.close()
