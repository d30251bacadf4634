"""The image and the compose example keep what they promise: no privileges, no secrets, nothing writable."""

import re
import tomllib
from typing import Any

import pytest
import yaml

import ipsync
from ipsync.settings import SECRET_NAMES
from tests.documents.reading import code_blocks, read

_FILE = "config/container/Containerfile"
_COMPOSE = "config/container/compose.example.yml"
_HOW_TO = "docs/how-to/run-in-a-container.md"


def _instructions() -> list[tuple[str, str]]:
    lines = [line for line in read(_FILE).splitlines() if not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in whole.splitlines() if line)]


def _services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(read(_COMPOSE))["services"]
    return services


def test_the_base_is_pinned_to_a_whole_version() -> None:
    assert [rest for word, rest in _instructions() if word == "FROM"] == ["${BASE} AS build", "${BASE}"]
    (base,) = (rest for word, rest in _instructions() if word == "ARG")
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+", base)


def test_it_runs_as_nobody_in_particular() -> None:
    last = [rest for word, rest in _instructions() if word == "USER"]
    assert last == ["10001:10001"]
    assert {service["user"] for service in _services().values()} == set(last)


def test_no_secret_is_baked_in() -> None:
    assert not [rest for word, rest in _instructions() if word == "ADD"]
    copied = " ".join(rest for word, rest in _instructions() if word == "COPY" and "--from" not in rest)
    assert set(copied.split()) <= {
        "requirements/build.txt",
        "requirements/run.txt",
        "requirements/",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "./",
        *("config", "migrations", "systemd", "ipsync"),
    }
    named = [rest for word, rest in _instructions() if word in {"ENV", "ARG"}]
    assert not [rest for rest in named if re.search(r"IPSYNC_(?!CONFIG)|TOKEN|SECRET|PASSWORD", rest)]


def test_libraries_are_pinned_by_their_hashes() -> None:
    installs = [
        part for word, rest in _instructions() if word == "RUN" for part in rest.split("&&") if "install" in part
    ]
    installs = [part for part in installs if " pip install" in part]
    assert len(installs) == 3
    assert all("--require-hashes" in part or "--no-index" in part for part in installs)


@pytest.mark.parametrize("name", ["ipsync", "reaper"])
def test_a_service_may_write_to_its_volume_alone_and_needs_no_privilege(name: str) -> None:
    service = _services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ulimits"]["core"] == 0
    writable = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
    assert writable == ["data:/var/lib/ipsync"]


def test_each_service_has_the_secrets_it_needs_and_they_are_files() -> None:
    compose = yaml.safe_load(read(_COMPOSE))
    assert compose["services"]["ipsync"]["secrets"] == list(SECRET_NAMES)
    assert compose["services"]["reaper"]["secrets"] == ["state_key"]
    assert compose["secrets"] == {name: {"file": f"./secrets/{name}"} for name in SECRET_NAMES}
    assert "environment" not in compose["services"]["ipsync"]


def test_the_reaper_has_no_network_and_the_daemon_only_this_machine() -> None:
    services = _services()
    assert services["reaper"]["network_mode"] == "none"
    assert services["reaper"]["ports"] == []
    assert services["ipsync"]["ports"] == ["127.0.0.1:8480:8480"]


def test_image_and_service_are_asked_for_their_health_alike() -> None:
    (check,) = (rest for word, rest in _instructions() if word == "HEALTHCHECK")
    assert "/healthz" in check
    assert _services()["ipsync"]["healthcheck"]["test"][1:] == yaml.safe_load(check.partition("CMD ")[2])
    assert _services()["ipsync"]["stop_grace_period"] == "45s"


def test_everything_names_the_one_version() -> None:
    tag = f"ipsync:{ipsync.__version__}"
    assert f'image.version="{ipsync.__version__}"' in read(_FILE)
    assert f"-t {tag} ." in read(_FILE)
    assert f"-t {tag} ." in read(_HOW_TO)
    assert {service["image"] for service in _services().values()} == {tag}


def test_the_lines_for_the_configuration_are_right() -> None:
    (lines,) = code_blocks(read(_HOW_TO), "toml")
    told = tomllib.loads(lines)
    assert set(told) == {"web"}  # the other lines are written by `ipsync init` itself
    assert told["web"]["listen"].endswith(":8480")
    assert "init --directory /etc/ipsync" in read(_HOW_TO)
