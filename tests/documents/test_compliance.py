"""Each clause of the terms has its section, its state, and behind "kept" a test that carries its number."""

import re

import pytest

from tests.documents.reading import functions_of, named_paths, named_tests, read

CLAUSES = [f"T{number:02d}" for number in range(1, 25)]
STATES = ("kept", "in part", "not yet")

_TEXT = read("docs/compliance.md")
_ROWS = dict(re.findall(r"^\| \[(T\d\d)]\(#t\d\d-[\w-]+\) \| [^|]+ \| ([^|]+?) \|$", _TEXT, re.MULTILINE))
_SECTIONS = dict(re.findall(r"^## (T\d\d) .+?\n(.*?)(?=^## |\Z)", _TEXT, re.MULTILINE | re.DOTALL))


def test_every_clause_has_a_row_and_a_section_in_order() -> None:
    assert list(_ROWS) == CLAUSES
    assert list(_SECTIONS) == CLAUSES


@pytest.mark.parametrize("clause", CLAUSES)
def test_row_and_section_say_the_same_state(clause: str) -> None:
    found = re.search(r"^\*\*State:\*\* (kept|in part|not yet)\b", _SECTIONS[clause], re.MULTILINE)
    assert found is not None
    assert found[1] == _ROWS[clause]


@pytest.mark.parametrize("clause", CLAUSES)
def test_what_is_kept_even_in_part_names_its_modules_and_a_test_that_carries_its_number(clause: str) -> None:
    section = _SECTIONS[clause]
    if _ROWS[clause] == "not yet":
        assert "not yet" in section
        return
    assert any(not path.startswith("tests/") for path in named_paths(section))
    numbered = [(file, test) for file, test in named_tests(section) if clause in test]
    assert numbered
    assert all(test in functions_of(file) for file, test in numbered)
    if _ROWS[clause] == "in part":
        assert re.search(r"Not yet: ", section)
