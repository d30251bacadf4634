"""The files around the code keep what they say."""

import os
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import ipsync
from ipsync.settings import SECRET_NAMES
from tests.documents.reading import ROOT, files, name_of, read

LOCKED = sorted((ROOT / "requirements").glob("*.txt"))
# Put together here, so that this file does not hold what it looks for.
FOREIGN = [
    "".join(parts)
    for parts in (
        ("/wo", "rk/"),
        ("/opt/", "pypi"),
        ("/opt/", "wheels"),
        ("/ro", "ot/"),
        (".py", "env/"),
        ("pypi", ".org"),
        ("python", "hosted"),
        ("npm", "js"),
        ("deb.", "debian"),
    )
]


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


def test_make_has_the_promised_targets() -> None:
    assert {"demo", "test", "check", "bench", "lock", "clean"} <= _targets()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/tutorial/first-mirror.md"])
def test_targets_that_documents_name_exist(name: str) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", read(name), re.MULTILINE))
    assert named
    assert named <= _targets()


def test_continuous_integration_runs_what_a_developer_runs() -> None:
    assert read(".ci/run").splitlines()[-1] == "exec make test"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_changelog_knows_the_version() -> None:
    assert re.search(rf"^## \[{re.escape(ipsync.__version__)}] - ", read("CHANGELOG.md"), re.MULTILINE)


def test_the_license_is_the_declared_one() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in read("LICENSE")
    assert "Version 2.0, January 2004" in read("LICENSE")


def test_T23_flaws_are_reported_in_private_and_by_no_invented_address() -> None:
    text = read("SECURITY.md")
    assert "private vulnerability reporting" in text
    assert "@" not in text


def test_the_readme_shows_the_demo() -> None:
    picture = ROOT / "docs" / "images" / "demo.svg"
    assert "(docs/images/demo.svg)" in read("README.md")
    assert picture.is_file()


def test_nothing_tells_of_the_machine_it_was_made_on() -> None:
    found = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}: {word}" for word in FOREIGN if word in text]
    assert found == []


def _pins(name: str) -> dict[str, Version]:
    pins = re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", read(f"requirements/{name}.txt"), re.MULTILINE)
    return {library: Version(version) for library, version in pins}


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.stem)
def test_requirements_have_hashes_and_no_addresses(path) -> None:
    text = path.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", "\n" + text)[1:]
    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|index-url|find-links", text)


@pytest.mark.parametrize("name", ["run", "demo", "build"])
def test_the_smaller_requirements_agree_with_those_for_development(name: str) -> None:
    assert _pins(name).items() <= _pins("dev").items()


def test_what_is_declared_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    for name, declared in {
        "run": [*project["dependencies"], *extras["speed"]],
        "demo": [*project["dependencies"], *extras["speed"], *extras["demo"]],
        "dev": [*project["dependencies"], *extras["speed"], *extras["demo"], *extras["test"]],
    }.items():
        pins = _pins(name)
        for requirement in map(Requirement, declared):
            if requirement.name != "ipsync":
                assert requirement.specifier.contains(pins[requirement.name.lower()]), (name, requirement.name)


UNIT = "systemd/ipsync.service"


def _values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", read(UNIT), re.MULTILINE)


def test_the_unit_hands_over_every_secret_and_no_other() -> None:
    assert [value.partition(":")[0] for value in _values("LoadCredential")] == list(SECRET_NAMES)
    assert all(
        value.startswith(f"{value.partition(':')[0]}:/etc/ipsync/secrets/") for value in _values("LoadCredential")
    )


def test_the_unit_waits_for_ready_and_is_watched() -> None:
    assert _values("Type") == ["notify"]
    assert _values("WatchdogSec")
    assert _values("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert _values("DynamicUser") == ["yes"]
    assert _values("StateDirectory") == ["ipsync"]


def test_the_unit_leaves_proc_readable() -> None:
    assert not _values("ProcSubset")


def test_commands_beside_the_service_run_like_it() -> None:
    script = read("systemd/ipsync-as-service")
    for key in ("DynamicUser", "User", "UMask", "StateDirectory", "StateDirectoryMode", "LimitCORE", "LoadCredential"):
        assert re.findall(rf"--property={key}=(\S+)", script) == _values(key), key


def test_the_changelog_dates_every_version_and_tells_each_kind_of_change_once() -> None:
    versions = re.split(r"^## ", read("CHANGELOG.md"), flags=re.MULTILINE)[1:]
    assert versions[0].startswith("[Unreleased]\n")
    for version in versions[1:]:
        assert re.match(r"\[\d+\.\d+\.\d+] - \d{4}-\d\d-\d\d\n", version), version.partition("\n")[0]
    for version in versions:
        kinds = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert len(kinds) == len(set(kinds)), version.partition("\n")[0]
