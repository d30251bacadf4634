"""The floors of the house hold: `.importlinter`, and what import-linter cannot say."""

import configparser
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONTRACTS = ROOT / ".importlinter"


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("ipsync", include_external_packages=True, cache_dir=None)


def _foreign(graph: grimp.ImportGraph, importers: set[str]) -> set[str]:
    """The libraries, neither ours nor Python's own, that these modules import."""
    imported = {name for importer in importers for name in graph.find_modules_directly_imported_by(importer)}
    tops = {name.partition(".")[0] for name in imported}
    return tops - {"ipsync"} - sys.stdlib_module_names


def _contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(CONTRACTS, encoding="utf-8")
    return parser


def test_every_contract_holds() -> None:
    # A process of its own: import-linter configures logging, and by that disables every logger there is.
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--config", str(CONTRACTS), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " kept, 0 broken" in done.stdout


@pytest.mark.parametrize("module", ["ipsync.policy", "ipsync.ports", "ipsync.assets"])
def test_the_rules_and_the_ports_need_only_python(graph: grimp.ImportGraph, module: str) -> None:
    assert not _foreign(graph, {module} | graph.find_descendants(module))


def test_policy_reads_no_clock_file_or_socket(graph: grimp.ImportGraph) -> None:
    modules = {"ipsync.policy"} | graph.find_descendants("ipsync.policy")
    imported = {name for module in modules for name in graph.find_modules_directly_imported_by(module)}
    assert not imported & {"asyncio", "io", "os", "pathlib", "random", "socket", "subprocess", "threading", "time"}


def test_only_the_clocks_read_the_time(graph: grimp.ImportGraph) -> None:
    readers = {
        importer for importer in graph.find_modules_that_directly_import("time") if importer.startswith("ipsync.")
    }
    assert {name for name in readers if not name.startswith("ipsync.simulator")} == {"ipsync.clock"}


def test_no_text_becomes_code(graph: grimp.ImportGraph) -> None:
    """Nothing is evaluated, unpickled or given to a shell, whoever wrote it."""
    assert not graph.modules & {"pickle", "marshal", "shelve", "code", "codeop", "pty", "runpy"}
    forbidden = re.compile(
        r"(?<![\w.])(?:eval|exec|compile|__import__)\(|shell=True|subprocess_shell|os\.(?:system|popen)\("
    )
    sources = list((ROOT / "ipsync").rglob("*.py"))
    assert len(sources) > 200
    assert [path.name for path in sources if forbidden.search(path.read_text(encoding="utf-8"))] == []
    assert forbidden.search("made = eval(words)")
    assert forbidden.search("run(line, shell=True)")


def test_every_library_has_its_room(graph: grimp.ImportGraph) -> None:
    rooms = {library for section in _contracts().values() for library in section.get("protected_modules", "").split()}
    assert _foreign(graph, graph.find_descendants("ipsync")) == rooms


def test_what_is_declared_is_what_is_imported(graph: grimp.ImportGraph) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {
        canonicalize_name(Requirement(entry).name)
        for entry in (*project["dependencies"], *extras["demo"], *extras["speed"])
    }
    homes = packages_distributions()
    imported = {
        canonicalize_name(home)
        for library in _foreign(graph, graph.find_descendants("ipsync"))
        for home in homes[library]
    }
    assert imported == declared


def test_every_contract_gives_its_reason() -> None:
    text = CONTRACTS.read_text(encoding="utf-8")
    headers = re.findall(r"^\[importlinter:contract:.+\]\n(.?)", text, flags=re.MULTILINE)
    assert len(headers) > 10
    assert set(headers) == {"#"}
