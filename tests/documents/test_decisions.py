"""Every decision is in the index, under its own title, and admits what it costs."""

import re

import pytest

from tests.documents.reading import ROOT

FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))


def test_they_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name[:4])
def test_it_has_its_shape_and_its_place_in_the_index(path) -> None:
    text = path.read_text(encoding="utf-8")
    title = re.match(r"# (\d{4}): (.+)\n", text)
    assert title is not None
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Costs admitted"]
    row = f"| [{title[1]}]({path.name}) | {title[2]} |"
    assert row in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
