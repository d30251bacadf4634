"""Stories take longest of all tests, so they begin first."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever begins a story last makes all others wait."""
    items.sort(key=lambda item: item.path.parent != HERE)
