"""What README, tutorial and how-to have the reader type is run: the quick lines here, the others by make ops."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.documents.reading import ROOT
from tests.documents.typed import HOW, Line, Run, actual_of, answered, how, lines, substituted
from tests.fakes.command_line import Outcome, ipsync_here
from tests.fakes.site import LiveSite, SiteMirror, stocked_mirror

QUICK = [line for line in lines() if (way := how(line)) is not None and way.run is Run.HERE]


def test_every_line_is_run_or_says_why_not() -> None:
    assert len(lines()) > 80
    assert [line for line in lines() if how(line) is None] == []
    used = {how(line) for line in lines()}
    for way in HOW:
        assert bool(way.reason) == (way.run is Run.ELSEWHERE), way
        for named in re.findall(r"tests/[\w/]+\.py", way.reason):
            assert (ROOT / named).is_file(), way
    assert [way.pattern for way in HOW if way not in used] == []


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteMirror]:
    with LiveSite() as site:
        yield stocked_mirror(tmp_path_factory.mktemp("typed") / "mirror", site)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    return ipsync_here(capsys, monkeypatch)


@pytest.mark.parametrize("document", sorted({line.document for line in QUICK}))
def test_the_quick_lines_of_a_document_do_what_it_says(
    document: str,
    stock: SiteMirror,
    tmp_path: Path,
    cli: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirror = stock.copy_to(tmp_path / "mirror")
    monkeypatch.chdir(tmp_path)
    actual = actual_of(mirror, tmp_path)
    for line in QUICK:
        if line.document == document:
            run_here(line, actual, mirror, cli)


def run_here(line: Line, actual: dict[str, str], mirror: SiteMirror, cli: Callable[..., Outcome]) -> None:
    words = shlex.split(answered(substituted(line.text, actual)))
    done = cli(*words[1 : words.index(">") if ">" in words else None], env=mirror.env)
    way = how(line)
    assert way is not None
    assert done.code in way.codes, (line, words, done)
    assert "Traceback" not in done.err
