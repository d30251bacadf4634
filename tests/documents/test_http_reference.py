"""docs/reference/http.md holds the addresses of the API as `/v1/openapi.json` describes them, limits and failures."""

import inspect
import re
from pathlib import Path

from ipsync.jobs.petitions import WAITING_MOST
from ipsync.policy.requests import LONGEST_WORDS
from ipsync.web.api import Where
from ipsync.web.app import API
from ipsync.web.authentication import FailureLimit
from ipsync.web.connections import Limits
from ipsync.web.forms import LARGEST_FORM_BYTES
from ipsync.web.reading import PAGE_LIMIT
from ipsync.web.status.live import STREAMS_MOST
from ipsync.web.streams import MOST

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = _ROOT / "docs" / "reference" / "http.md"
_SOURCES = "".join(path.read_text(encoding="utf-8") for path in (_ROOT / "ipsync" / "web").rglob("*.py"))
_THROTTLED = {
    "authorize": "`/me/sign-in`",
    "callback": "`/connect/callback`",
    "remove": "`/me/remove`",
    "remove-all": "`/me/disconnect`",
    "removals": "`/removals`",
    "removals-followed": "`/removals/…`",
}
"""What is counted for each address, and the address of ours by which the page names it."""


def table() -> str:
    """The table as it must stand there."""
    lines = ["| address | scope | what | parameters | answers |", "|---|---|---|---|---|"]
    for endpoint in API:
        asked = [f"`{parameter.name}`" for parameter in endpoint.parameters if parameter.where is not Where.PATH]
        statuses = ", ".join(str(status) for status in sorted(endpoint.replies))
        scope = "-" if endpoint.scope is None else endpoint.scope.value
        lines.append(f"| `{endpoint.path}` | {scope} | {endpoint.summary} | {', '.join(asked) or '-'} | {statuses} |")
    return "\n".join(lines)


def test_the_reference_lists_every_address_as_it_is_declared() -> None:
    assert table() in _PAGE.read_text(encoding="utf-8"), f"put this into {_PAGE.name}:\n{table()}"


def test_the_limits_for_a_minute_are_those_of_the_code() -> None:
    shares = dict(re.findall(r"^\| [^|]*(`/[^`]+`)[^|`]* \| (\d+ \| \d+) \|$", _PAGE.read_text(), re.MULTILINE))
    given = inspect.signature(FailureLimit).parameters
    expected = {"`/status/sign-in`": f"{given['per_address'].default} | {given['in_all'].default}"}
    numbers = _constants()
    for what, each, together in re.findall(
        r'\.admit\(request, "([a-z-]+)", (?:per_address=)?(\w+), (?:in_all=)?(\w+)\)', _SOURCES
    ):
        expected[_THROTTLED[what]] = f"{numbers.get(each, each)} | {numbers.get(together, together)}"
    assert len(expected) == len(_THROTTLED) + 1
    assert shares == expected


def _constants() -> dict[str, str]:
    """What `_A, _B = 1, 2` says in the sources."""
    found = re.findall(r"^(_[A-Z_]+), (_[A-Z_]+) = (\d+), (\d+)$", _SOURCES, re.MULTILINE)
    return {name: number for first, second, one, two in found for name, number in ((first, one), (second, two))}


def test_the_other_limits_are_those_of_the_code() -> None:
    limits, text = Limits(), " ".join(_PAGE.read_text().split())
    for words in (
        f"{limits.connections:,} are open at most",
        f"whole within {limits.head_seconds:.0f} s",
        f"lasts {limits.idle_seconds:.0f} s",
        f"taken in within {limits.write_seconds:.0f} s",
        f"{MOST:,} streams of `/v1/changes` are open at most, {STREAMS_MOST} of",
        f"holds {PAGE_LIMIT} entries at most",
        f"A form has {LARGEST_FORM_BYTES // 1000} kB at most",
        f"{LONGEST_WORDS} characters each",
        f"{WAITING_MOST} requests of strangers wait",
    ):
        assert words in text, words


def test_every_code_that_is_named_is_in_the_code() -> None:
    named = set(
        re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\| \d{3} \| ([^|]+) \|", _PAGE.read_text(), re.MULTILINE)))
    )
    assert len(named) > 15
    parameters = {f"bad-{parameter.name}" for endpoint in API for parameter in endpoint.parameters}
    assert {code for code in named - parameters if f'"{code}"' not in _SOURCES} == set()
