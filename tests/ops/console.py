"""The console page, served by a real Prometheus that scraped a busy daemon, looked at in Chromium."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faces.__main__ import chromium, node_modules
from tests.fakes.command_line import COMMAND, ROOT
from tests.fakes.site import LiveSite, SiteMirror, stocked_mirror
from tests.ops.prometheus import DAY_SECONDS, be_busy, prometheus_of, until, value
from tests.ops.promises import Promise, need
from tests.system.daemons import DaemonProcess

_PICTURES = os.environ.get("PICTURES_TO")
_BUSY_SECONDS = 240 if _PICTURES else 40


def promises() -> Iterator[Promise]:
    """Look at all of it. With PICTURES_TO=FOLDER in the environment, screenshots go there."""
    need({"prometheus": "prometheus", "node": "nodejs", "npm": "npm"})
    tools = ROOT / ".faces"
    node_modules(tools)
    with tempfile.TemporaryDirectory() as folder, LiveSite(members=3, documents=40) as site:
        mirror = stocked_mirror(Path(folder) / "mirror", site)
        mirror.configure()
        with DaemonProcess(mirror) as daemon, prometheus_of(Path(folder), daemon.address, DAY_SECONDS) as address:
            _command(mirror, "reap")
            until(lambda: value(address, "ipsync_min_slack_seconds") is not None, "it is scraped")
            end = time.monotonic() + _BUSY_SECONDS
            while time.monotonic() < end:
                asked_for = max(site.permitted(1))
                site.delete(int(asked_for))
                _command(mirror, "removal", "add", asked_for, "--yes")
                be_busy(mirror, site, daemon.address, address, lambda: _read_anew(mirror, site))
            yield from _looked_at(_open(address, tools, "console?range=15m"))
            daemon.stop()
            until(lambda: value(address, 'up{job="ipsync"} == 0') is not None, "it is missed")
            line = _open(address, tools, "")["text"].splitlines()[0]
            yield Promise("a dead daemon is no peace: the console says so", line.startswith("Nobody knows"), line)


def _looked_at(found: dict[str, Any]) -> Iterator[Promise]:
    verdict = found["text"].splitlines()[0]
    yield Promise("the console answers in its first line", verdict.startswith("Yes: nothing is held"), verdict)
    empty = [f"{name}: {text}" for name, drawn, text in found["figures"] if drawn in ("0", "failed")]
    yield Promise(
        "each figure of the console is drawn",
        bool(found["figures"]) and not empty,
        "; ".join(empty) or f"{len(found['figures'])}",
    )
    problems = found["problems"]
    yield Promise(
        "nothing is loaded from elsewhere, axe has nothing to say, a phone is wide enough",
        not problems,
        "; ".join(problems) or "light, dark, phone",
    )


def _open(address: str, tools: Path, pictures: str) -> dict[str, Any]:
    """Open the page in Chromium; pictures are NAME?QUERY, or nothing."""
    name, _, query = pictures.partition("?")
    told = {
        "page": f"{address}/consoles/ipsync.html?{query}",
        "modules": str(tools / "node_modules"),
        "chromium": chromium(),
        "name": name,
        "pictures": _PICTURES if name else None,
    }
    done = subprocess.run(
        ["node", str(Path(__file__).with_suffix(".mjs"))],
        env=dict(os.environ) | {"CONSOLE": json.dumps(told)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        return {"text": "\n", "figures": [], "problems": [done.stderr[-600:]]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _read_anew(mirror: SiteMirror, site: LiveSite) -> None:
    """Have the daemon read both listings at once: who resumes is read anew."""
    for member in (0, 1):
        for word in ("pause", "resume"):
            _command(mirror, "account", word, str(site.members[member].user_id))


def _command(mirror: SiteMirror, *words: str) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | mirror.env
    subprocess.run([*COMMAND, *words], env=environ, check=True, capture_output=True)
