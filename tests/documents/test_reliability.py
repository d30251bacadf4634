"""Each fault has its row, in order; behind each stands a test that carries its number."""

import re

import pytest

from tests.documents.reading import ROOT, named_tests, read

_TEXT = read("docs/reliability.md")
_ROWS = dict(re.findall(r"^\| (F\d+) \|(.+)\|$", _TEXT, re.MULTILINE))
NOT_THERE = ("F25", "F26")


def test_every_fault_and_every_invariant_has_a_row_in_order() -> None:
    assert list(_ROWS) == [f"F{number}" for number in range(1, 41)]
    assert re.findall(r"^\| (I\d+) \|", _TEXT, re.MULTILINE) == [f"I{number}" for number in range(1, 13)]


@pytest.mark.parametrize("fault", _ROWS)
def test_behind_each_fault_stands_a_test_with_its_number(fault: str) -> None:
    row = _ROWS[fault]
    if fault in NOT_THERE:
        # The table says so only while it is true: there are no such stores.
        assert "**not there**" in row
        assert not list((ROOT / "ipsync").rglob("*postgres*")) + list((ROOT / "ipsync" / "store").glob("*s3*"))
        return
    tests = named_tests(row)
    assert tests
    for path, name in tests:
        assert re.search(rf"{fault}(?!\d)", name), f"{name} does not carry {fault}"
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
