"""What a document points to is there."""

import re
from pathlib import Path

import pytest

from tests.documents.reading import ROOT, documents, functions_of, name_of, named_paths, named_tests, slug, without_code

_LINK = re.compile(r"!?\[[^]]*]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

DOCUMENTS = documents()


def _anchors(path: Path) -> set[str]:
    return {slug(heading) for heading in _HEADING.findall(without_code(path.read_text(encoding="utf-8")))}


def _dead(path: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return False
    name, _, anchor = target.partition("#")
    file = (path.parent / name).resolve() if name else path
    if not file.is_relative_to(ROOT) or not file.exists():
        return True
    return bool(anchor) and anchor not in _anchors(file)


def test_there_are_documents() -> None:
    assert {"README.md", "ARCHITECTURE.md", "docs/README.md", "docs/adr/README.md"} <= set(map(name_of, DOCUMENTS))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_resolve(path: Path) -> None:
    targets = _LINK.findall(without_code(path.read_text(encoding="utf-8")))
    assert [target for target in targets if _dead(path, target)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_named_files_exist(path: Path) -> None:
    named = named_paths(path.read_text(encoding="utf-8"))
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_named_tests_exist(path: Path) -> None:
    named = named_tests(path.read_text(encoding="utf-8"))
    assert [f"{file}::{test}" for file, test in named if test not in functions_of(file)] == []


def test_every_document_is_reachable_from_the_readme() -> None:
    waiting, reached = [ROOT / "README.md"], set()
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md" or not path.is_file():
            continue
        reached.add(path)
        for target in _LINK.findall(path.read_text(encoding="utf-8")):
            waiting.append((path.parent / target.partition("#")[0]).resolve())
    beside = {ROOT / "config" / "privacy-policy.md"}  # a text for operators to make their own
    assert set(DOCUMENTS) - beside - reached == set()
