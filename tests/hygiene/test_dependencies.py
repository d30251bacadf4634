"""Every dependency has a reason, a bound, a license that fits, and its line in docs/dependencies.md."""

from importlib.metadata import PackageNotFoundError

import pytest

from tests.documents.reading import read
from tests.hygiene.dependencies import DOCUMENT, declared, pins, reasons, renewed
from tests.hygiene.licenses import FOR_TOOLS, PERMISSIVE, license_of, may_be
from tests.ops import hygiene


def test_the_document_tells_what_is_declared_and_pinned() -> None:
    text = read(DOCUMENT)
    assert renewed(text) == text, "python -m tests.hygiene.dependencies writes it anew"
    assert "| aiohttp | >=3.14,<4 | Apache-2.0 AND MIT |" in text
    assert "| multidict | Apache-2.0 | aiohttp, yarl |" in text


def test_each_has_a_reason_and_no_reason_is_left_over() -> None:
    told, asked = reasons(), declared()
    assert {group: sorted(why) for group, why in told.items()} == {
        group: sorted(libraries) for group, libraries in asked.items()
    }
    assert [why for group in told.values() for why in group.values() if len(why) < 12] == []


def test_what_is_shipped_has_a_lower_bound_and_is_pinned() -> None:
    pinned = pins("run")
    for group in ("run", "speed"):
        for name, bound in declared()[group].items():
            assert bound.startswith(">="), name
            assert name in pinned
    assert all(pin.asked_by for name, pin in pinned.items() if name not in declared()["run"] | declared()["speed"])


@pytest.mark.parametrize(("file", "allowed"), [("run", PERMISSIVE), ("dev", FOR_TOOLS)])
def test_nothing_has_a_license_that_would_bind_operators(file: str, allowed: frozenset[str]) -> None:
    names = pins(file)
    assert len(names) > 30
    assert [name for name in names if not may_be(license_of(name), allowed)] == []


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND LGPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("MPL-2.0", False),
    ],
)
def test_what_fits(expression: str, fits: bool) -> None:
    assert may_be(expression, PERMISSIVE) is fits


def test_what_is_not_installed_or_says_no_license_is_no_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackageNotFoundError):
        license_of("no-such-library")
    for said in ("Do what you want", ""):
        monkeypatch.setattr("tests.hygiene.licenses._said", lambda _, said=said: said)
        with pytest.raises(LookupError, match=f"msgspec: its license is said to be '{said}'"):
            license_of("msgspec")


@pytest.mark.parametrize(
    ("answers", "holds", "figure"),
    [
        ({"pypi": [{"name": "a", "vulns": []}, {"name": "b", "vulns": []}]}, True, "pypi knows 2 of 2"),
        ({"pypi": [{"name": "a", "vulns": [{"id": "CVE-1"}]}, {"name": "b", "vulns": []}]}, False, "a CVE-1"),
        ({"pypi": [{"name": "a", "vulns": []}, {"name": "b", "skip_reason": "?"}]}, False, "pypi knows 1 of 2"),
        ({"pypi": [{"name": "a", "skip_reason": "?"}], "osv": [{"name": "a", "vulns": []}]}, True, "osv knows 1 of 1"),
        ({"pypi": [{"name": "a", "skip_reason": "?"}]}, None, "could not be shown: neither pypi nor osv answers here"),
    ],
)
def test_whoever_did_not_answer_has_not_said_that_all_is_well(
    answers: dict[str, list[dict[str, object]]], holds: bool | None, figure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hygiene, "_audit", lambda service: answers.get(service, []))
    promise = hygiene._known_flaws()
    assert (promise.holds, promise.figure) == (holds, figure)
