"""What ipsync depends on: why, in which versions, under which licenses. Writes the tables of docs/dependencies.md.

`python -m tests.hygiene.dependencies` writes them anew; the tests compare.
"""

import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import Requirement

from tests.documents.reading import ROOT, read
from tests.hygiene.licenses import license_of

DOCUMENT = "docs/dependencies.md"
_MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
# The oldest Python and the one system that ipsync is for, whichever it is that runs the tests.
_HERE = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned library.

    Attributes:
        asked_by: the libraries that need it.
    """

    name: str
    version: str
    asked_by: tuple[str, ...]


@functools.cache
def pins(file: str) -> dict[str, Pin]:
    """What a file of requirements pins, for Linux and CPython."""
    found = {}
    for entry in re.split(r"\n(?=[a-z0-9])", read(f"requirements/{file}.txt"))[1:]:
        head = re.match(r"([\w.-]+)==(\S+)(?: ; ([^\\\n]+))?", entry)
        assert head is not None, entry
        if head[3] is None or Marker(head[3]).evaluate(_HERE):
            asked = re.findall(r"^    # +(?:via +)?(?!via$)([a-z][\w.-]*)$", entry, re.MULTILINE)
            found[head[1]] = Pin(head[1], head[2], tuple(asked))
    return found


def declared() -> dict[str, dict[str, str]]:
    """What we ask for ourselves, by why.toml's sections: name and bound."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    groups = {"run": project["dependencies"], **{name: extras[name] for name in ("speed", "demo", "test")}}
    for file in ("build", "tools", "docs", "ops"):
        lines = read(f"requirements/{file}.in").splitlines()
        groups[file] = [line.partition("#")[0] for line in lines if line.partition("#")[0].strip()]
    return {
        group: {
            requirement.name.lower(): ",".join(sorted(map(str, requirement.specifier), reverse=True))
            for requirement in map(Requirement, asked)
            if requirement.name != "ipsync"
        }
        for group, asked in groups.items()
    }


def reasons() -> dict[str, dict[str, str]]:
    """Why each is here."""
    return tomllib.loads(read("requirements/why.toml"))


def tables() -> dict[str, str]:
    """The tables of the document, by name."""
    asked, why = declared(), reasons()
    shipped = {name for group in ("run", "speed") for name in asked[group]}
    brought = {name: pin for name, pin in pins("run").items() if name not in shipped}
    tools = {name for group in ("demo", "test", "build", "tools") for name in asked[group]}
    others = pins("dev").keys() - pins("run").keys() - tools
    return {
        "shipped": _table(
            ("library", "versions", "license", "why"),
            (
                (name, bound, license_of(name), why[g][name])
                for g in ("run", "speed")
                for name, bound in asked[g].items()
            ),
        ),
        "brought": _table(
            ("library", "license", "needed by"),
            ((name, license_of(name), ", ".join(pin.asked_by)) for name, pin in brought.items()),
        ),
        "tools": _table(
            ("library", "license", "why"),
            (
                (name, license_of(name), why[group][name])
                for group in ("demo", "test", "build", "tools")
                for name in asked[group]
            ),
        ),
        "others": _table(("library", "license"), ((name, license_of(name)) for name in sorted(others))),
        "apart": _table(
            ("library", "needed by", "why"),
            ((name, f"make {group}", why[group][name]) for group in ("docs", "ops") for name in asked[group]),
        ),
    }


def renewed(text: str) -> str:
    """The document with its tables made anew."""
    made = tables()
    return _MADE.sub(lambda found: found[1] + made[found[2]], text)


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"|{'|'.join(cells)}|\n" if cells[0] == "---" else f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    path = ROOT / DOCUMENT
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
