"""The processes of a story, begun and ended."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.processes import Mirror, Site


@pytest.fixture(scope="session")
def start_site() -> Iterator[Callable[..., Site]]:
    running: list[subprocess.Popen[str]] = []

    def start(*words: str) -> Site:
        process = subprocess.Popen(
            [sys.executable, "-m", "ipsync.cli", "simulator", "--listen", "127.0.0.1:0", "--control", *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return Site(process, json.loads(process.stdout.readline()))

    yield start
    for process in running:
        process.terminate()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def start_mirror(tmp_path: Path) -> Iterator[Callable[..., Mirror]]:
    mirrors: list[Mirror] = []

    def start(site: Site, more: str = "") -> Mirror:
        folder = tmp_path / f"mirror{len(mirrors)}"
        folder.mkdir()
        mirrors.append(Mirror(folder, site, more))
        mirrors[-1].command("db", "upgrade")
        return mirrors[-1]

    yield start
    for mirror in mirrors:
        if mirror.daemon is not None:
            mirror.daemon.kill()
            mirror.daemon.wait(60)
