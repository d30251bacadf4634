"""The algorithm of removal, as it is published, names a module and a test for each step."""

import re

from tests.documents.reading import named_paths, named_tests, read


def test_every_step_names_its_module_and_its_test() -> None:
    rows = re.findall(r"^\| (\d+) \|(.+)\|$", read("docs/removal.md"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 8
    for number, row in rows:
        assert any(path.startswith("ipsync/") for path in named_paths(row)), number
        assert named_tests(row), number
