"""Hygiene: no secret in any version of any file; licenses that fit; no known flaw in what is shipped."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.hygiene.allowed import exceptions
from tests.hygiene.dependencies import pins
from tests.hygiene.licenses import PERMISSIVE, license_of, may_be
from tests.hygiene.scanner import scan
from tests.ops.promises import Promise, Unavailable

_ROOT = Path(__file__).resolve().parents[2]
_ASVS = _ROOT / "docs" / "asvs.md"
_SERVICES = ("pypi", "osv")


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    yield _history()
    yield _licenses()
    yield _known_flaws()
    yield _requirements()


def _licenses() -> Promise:
    shipped = {name: license_of(name) for name in pins("run")}
    wrong = [name for name, license_ in shipped.items() if not may_be(license_, PERMISSIVE)]
    kinds = len(set(shipped.values()))
    return Promise(
        "nothing that is shipped binds operators by its license",
        not wrong,
        ", ".join(wrong) or f"{len(shipped)} libraries, {kinds} licenses, no copyleft",
    )


def _requirements() -> Promise:
    """The tests of the table say whether it is whole and what it names is there; here is what it comes to."""
    rows = re.findall(r"^\| \d+\.\d+\.\d+ \| [12] \| [^|]+ \| ([^|]+) \|", _ASVS.read_text("utf-8"), re.MULTILINE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/documents/test_asvs.py"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    counted = ", ".join(f"{count} {state}" for state, count in Counter(rows).most_common())
    figure = counted if done.returncode == 0 else done.stdout.strip()[-300:]
    words = f"each of the {len(rows)} requirements of OWASP ASVS 5.0, level 2, has its tests or its reason"
    return Promise(words, bool(rows) and done.returncode == 0, figure)


def _known_flaws() -> Promise:
    """Ask one service after the other; one that knows none of the libraries has not answered."""
    words = "no flaw is known of what is shipped"
    for service in _SERVICES:
        asked = _audit(service)
        answered = [entry for entry in asked if "vulns" in entry]
        flawed = [f"{entry['name']} {flaw['id']}" for entry in answered for flaw in entry["vulns"]]
        if flawed:
            return Promise(words, False, ", ".join(flawed))
        if answered:
            return Promise(words, len(answered) == len(asked), f"{service} knows {len(answered)} of {len(asked)}")
    return Promise(words, None, f"could not be shown: neither {' nor '.join(_SERVICES)} answers here")


def _audit(service: str) -> list[dict[str, Any]]:
    """What pip-audit was told of each library; nothing where the service cannot be reached."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json"]
    command += ["--requirement", "requirements/run.txt", "--require-hashes", "--disable-pip"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off", "--timeout", "10"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if "No module named pip_audit" in done.stderr:
        raise Unavailable("pip-audit is not installed: make ops does that")
    try:
        told: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return []
    return told


def _history() -> Promise:
    """Scan every version; where it once stood does not matter, only what it is."""
    allowed = exceptions().places
    count, found = 0, []
    for name, data in _versions():
        count += 1
        try:
            found += [finding for finding in scan(data.decode(), name) if finding.digest not in allowed]
        except UnicodeDecodeError:
            continue
    figure = f"{count:,} versions, {len(allowed)} exceptions"
    if found:
        figure = f"{len(found)} found, the first is {found[0]}"
    return Promise("no secret stands in the history", count > 0 and not found, figure)


def _versions() -> Iterator[tuple[str, bytes]]:
    """Name and content of every file that HEAD or what was before it has, or had."""
    listed = subprocess.run(
        ["git", "rev-list", "--objects", "HEAD"], cwd=_ROOT, check=True, capture_output=True, text=True
    ).stdout
    names = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
    with subprocess.Popen(
        ["git", "cat-file", "--batch"], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for object_id, name in names.items():
            process.stdin.write(f"{object_id}\n".encode())
            process.stdin.flush()
            _, kind, size = process.stdout.readline().split()
            data = process.stdout.read(int(size) + 1)[:-1]
            if kind == b"blob":
                yield name, data
        process.stdin.close()
