"""The table of OWASP ASVS 5.0: every requirement of levels 1 and 2 has its row, every row its proof or its reason."""

import re
from collections import Counter

import pytest

from tests.documents.reading import ROOT, name_of, named_paths, named_tests, read

STATES = ("met", "in part", "not met", "n/a")

# Which requirements there are: by chapter, those of level 1 and those that level 2 adds.
_LEVELS = {
    1: ("2.1-5 3.1-2 5.1", "1.1-2 2.6-9 3.3-11 4.1-3 5.2"),
    2: ("1.1 2.1-2 3.1", "1.2-3 2.3 3.2-4 4.1"),
    3: ("2.1-2 3.1 4.1-2 5.1-3", "3.2-4 4.3-6 5.4-5 7.1-2"),
    4: ("1.1 4.1", "1.2-3 2.1 3.1-2 4.2-4"),
    5: ("2.1-2 3.1-2", "1.1 2.3 4.1-3"),
    6: ("1.1 2.1-8 3.1-2 4.1-2", "1.2-3 2.9-12 3.3-4 4.3-4 5.1-5 6.1-3 8.1-4"),
    7: ("2.1-4 4.1-2", "1.1-3 3.1-2 4.3-5 5.1-2 6.1-2"),
    8: ("1.1 2.1-2 3.1", "1.2 2.3 4.1"),
    9: ("1.1-3 2.1", "2.2-4"),
    10: ("4.1-5", "1.1-2 2.1-2 3.1-4 4.6-11 5.1-5 6.1-2 7.1-3"),
    11: ("3.1-2 4.1", "1.1-2 2.1-3 3.3 4.2-4 5.1 6.1"),
    12: ("1.1 2.1-2", "1.2-3 3.1-4"),
    13: ("4.1", "1.1 2.1-5 3.1-2 4.2-5"),
    14: ("2.1 3.1", "1.1-2 2.2-4 3.2-3"),
    15: ("1.1 2.1 3.1", "1.2-3 2.2-3 3.2-7"),
    16: ("", "1.1 2.1-5 3.1-4 4.1-3 5.1-3"),
    17: ("", "1.1 2.1-4 3.1-2"),
}

_TEXT = read("docs/asvs.md")
_ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", _TEXT, re.MULTILINE)


def _required() -> list[tuple[str, str]]:
    found = []
    for chapter, levels in _LEVELS.items():
        for level, spans in enumerate(levels, 1):
            for span in spans.split():
                section, _, numbers = span.partition(".")
                first, _, last = numbers.partition("-")
                found += [((chapter, int(section), n), level) for n in range(int(first), int(last or first) + 1)]
    return [(".".join(map(str, number)), str(level)) for number, level in sorted(found)]


def test_every_requirement_has_its_row_in_order_with_its_level() -> None:
    required = _required()
    assert len(required) == 253
    assert sum(level == "1" for _, level in required) == 70
    assert [(number, level) for number, level, *_ in _ROWS] == required


@pytest.mark.parametrize("chapter", _LEVELS)
def test_the_summary_counts_what_the_table_says(chapter: int) -> None:
    states = Counter(state for number, _, _, state, _ in _ROWS if number.startswith(f"{chapter}."))
    assert set(states) <= set(STATES)
    row = re.search(rf"^\| \[V{chapter} [^|]+ \| (.+) \|$", _TEXT, re.MULTILINE)
    assert row is not None
    assert row[1].split(" | ") == [*(str(states[state]) for state in STATES), str(states.total())]


def test_the_last_line_of_the_summary_adds_up() -> None:
    states = Counter(state for _, _, _, state, _ in _ROWS)
    counted = [*(str(states[state]) for state in STATES), "253"]
    assert f"| together | {' | '.join(counted)} |" in _TEXT


def test_what_is_met_names_a_test_or_what_is_written_down() -> None:
    """That the tests and documents exist is what tests/documents/test_links.py looks at, here as everywhere."""
    for number, _, words, state, proof in _ROWS:
        if state in {"met", "in part"}:
            assert named_tests(proof) or "](" in proof, number
            assert named_tests(proof) or "written down" in words or "there is a list" in words or "sort" in words, (
                number
            )
        else:
            assert not named_tests(proof), number
            assert len(proof) > 15, number
        if state == "in part":
            assert re.sub(r"`[^`]+`|\[[^]]+]\([^)]+\)|[; ]", "", proof), f"{number} does not say what is missing"


def test_the_list_of_keys_names_every_place_that_hashes_signs_or_seals() -> None:
    """11.1.2: what is new in the sources must come into the list, and what is gone must leave it."""
    used = re.compile(r"\b(?:hashlib|hmac)\.|\bblake3\(|\b(?:HKDF|AESGCM|Ed25519PrivateKey)\b")
    sources = [path for path in (ROOT / "ipsync").rglob("*.py") if "simulator" not in path.parts]
    places = {name_of(path) for path in sources if used.search(path.read_text(encoding="utf-8"))}
    assert len(places) > 15
    section = _TEXT[_TEXT.index("### Keys\n") : _TEXT.index("### Connections\n")]
    assert named_paths(section) == places
