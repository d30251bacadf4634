"""Which methods of the API the client can call at all."""

import re
from pathlib import Path

import pytest

import ipsync.ipernity
from ipsync.policy.accounts import needed_permissions
from ipsync.policy.documents import Visibility
from ipsync.simulator.table import methods
from ipsync.telemetry.metrics import METHODS


def named() -> set[str]:
    """Every method of the API whose name stands in the client's code."""
    code = "".join(path.read_text(encoding="utf-8") for path in Path(ipsync.ipernity.__file__).parent.glob("*.py"))
    return set(re.findall(r"[\"'`]([a-z]+(?:\.[a-zA-Z]+)+)[\"'`]", code)) & methods().keys()


def test_the_names_are_found() -> None:
    assert {"auth.getToken", "user.get", "doc.getList", "doc.get"} <= named()


@pytest.mark.parametrize("name", sorted(named()))
def test_T19_no_method_the_client_names_changes_anything(name: str) -> None:
    method = methods()[name]
    assert set(method.permissions.values()) <= {"read"}
    assert not method.post


def test_T13_members_are_asked_for_what_those_methods_need() -> None:
    asked = needed_permissions(["documents", "albums", "folders", "articles"], [Visibility.PUBLIC])
    assert asked == {"doc": "read", "blog": "read"}
    needed = {area: level for name in named() for area, level in methods()[name].permissions.items()}
    assert needed.items() <= asked.items()


def test_every_method_the_client_names_is_counted_by_its_name() -> None:
    assert named() <= set(METHODS)
