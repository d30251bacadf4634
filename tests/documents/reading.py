"""Reads the project's own documents: which there are, what they name, which tests exist."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

_SKIPPED = {"__pycache__", "build", "dist", "node_modules"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_TOP = ("ipsync", "tests", "config", "docs", "systemd", "migrations", "requirements", "benchmarks")
_PATH = re.compile(rf"`((?:{'|'.join(_TOP)})(?:/[\w.-]+)+/?)`")
_FLOOR = ("policy", "ports", "settings", "telemetry", "jobs", "ipernity", "catalog", "store", "web", "cli", "simulator")
_MODULE = re.compile(rf"`((?:{'|'.join(_FLOOR)})(?:/\w+)*/\w+\.py)`")


def files() -> Iterator[Path]:
    """Every file of the checkout that is not made by a tool."""
    folders = [ROOT]
    while folders:
        for entry in sorted(folders.pop().iterdir()):
            made = entry.name in _SKIPPED or entry.name.endswith((".egg-info", "_cache"))
            hidden = entry.name.startswith(".") and entry.name not in {".ci", ".importlinter", ".gitignore"}
            if made or hidden or entry.is_symlink():
                continue
            if entry.is_dir():
                folders.append(entry)
            else:
                yield entry


def documents() -> list[Path]:
    """Every Markdown document but the template that operators rewrite."""
    return [path for path in files() if path.suffix == ".md"]


def name_of(path: Path) -> str:
    """The path as a reader names it."""
    return path.relative_to(ROOT).as_posix()


def read(name: str) -> str:
    """The text of one file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """A document without its fenced blocks."""
    return _FENCE.sub("", text)


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in one language."""
    return [body for found, body in _FENCE.findall(text) if found == language]


def named_tests(text: str) -> list[tuple[str, str]]:
    """File and function of every test that a text names."""
    return _TEST.findall(text)


def named_paths(text: str) -> set[str]:
    """Every path of the checkout that a text names in backticks, in full or from the package on."""
    short = {f"ipsync/{path}" for path in _MODULE.findall(text)}
    return short | set(_PATH.findall(text)) | {path for path, _ in named_tests(text)}


@functools.cache
def functions_of(path: str) -> frozenset[str]:
    """The names of the test functions in a file; none where there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    plain = re.sub(r"[`*_]|\[([^]]*)]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
