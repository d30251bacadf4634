"""Hygiene: no secret in any version of any file that is or was committed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.hygiene.allowed import exceptions
from tests.hygiene.scanner import scan
from tests.ops.promises import Promise

_ROOT = Path(__file__).resolve().parents[2]


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    yield _history()


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
