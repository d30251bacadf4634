"""`make faces`: a simulator, a daemon, and each journey of `journeys/` in Chromium, with axe and with screenshots.

What is needed is installed where it is missing: Chromium by apt, playwright-core and axe-core by npm into a folder
that can be thrown away. Not part of `make test`: a browser is slow, and large.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PATIENCE_SECONDS = 60.0
ADMIN_TOKEN = "operator-token-of-the-faces-0123456789"

CONFIGURATION = """\
[operator]
application = "Evening Light Archive"
purpose = "Keeps a reading copy of members' photos for an exhibition about the last hour of the day."
contact = "archive@evening-light.test"
terms_accepted = "2017-11-28"

[key]
use = "non-commercial"

[api]
url = "{api_url}"
timeout = "5s"

[budget]
per_second = 20
per_minute = 600
per_hour = 3000
per_day = 20000

[mirror]
licenses = ["cc-by", "cc-by-nc", "cc-by-nd", "cc-by-nc-nd", "cc-by-sa", "cc-by-nc-sa", "copyleft"]

[web]
listen = "127.0.0.1:{port}"
"""


def free_port() -> int:
    """Give a port that is free now; ipernity must know ours before we listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chromium() -> str:
    """Give the path of Chromium, installing Debian's where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        print("Installing Chromium.", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=True, stdout=subprocess.DEVNULL)
        found = shutil.which("chromium")
    if found is None:
        raise SystemExit("There is no Chromium, and apt did not give one.")
    return found


def node_modules(folder: Path, wanted_file: Path = HERE / "package.json") -> None:
    """Put the libraries that a package.json names beside a copy of it, where they are missing."""
    if shutil.which("npm") is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "nodejs", "npm"], check=True, stdout=subprocess.DEVNULL)
    wanted = wanted_file.read_text()
    installed = folder / "package.json"
    if not (folder / "node_modules").is_dir() or not installed.is_file() or installed.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        installed.write_text(wanted)
        quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
        subprocess.run(["npm", "install", *quiet], cwd=folder, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def running(words: list[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, ended whatever happens."""
    with log.open("w") as errors:
        process = subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_for(address: str, log: Path) -> None:
    """Wait until the daemon answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"{address}/healthz", timeout=2)
            return
        time.sleep(0.1)
    raise SystemExit(f"The daemon does not answer:\n{log.read_text()[-3000:]}")


def ipsync(*words: str) -> list[str]:
    """Give a command line of ours."""
    return [sys.executable, "-m", "ipsync.cli", *words]


def go(folder: Path, tools: Path, pictures: Path | None, only: str) -> int:
    """Start both sides and let the browser go through the journeys. Returns the exit code."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environ = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    site = ipsync("simulator", "--listen", "127.0.0.1:0", "--control", "--members", "4", "--documents", "14")
    with running(
        [*site, "--seed", "8", "--callback", f"{address}/connect/callback"], environ, folder / "site"
    ) as there:
        assert there.stdout is not None
        ready: dict[str, Any] = json.loads(there.stdout.readline())
        config = folder / "ipsync.toml"
        config.write_text(CONFIGURATION.format(api_url=ready["api_url"], port=port))
        shutil.copy(ROOT / "config" / "privacy-policy.md", folder)
        environ |= {
            "IPSYNC_CONFIG": str(config),
            "IPSYNC_API_KEY": ready["api_key"],
            "IPSYNC_API_SECRET": ready["secret"],
            "IPSYNC_ADMIN_TOKEN": ADMIN_TOKEN,
            "IPSYNC_STATE_KEY": "00112233445566778899aabbccddeeff" * 2,
        }
        subprocess.run(ipsync("db", "upgrade"), env=environ, check=True, stdout=subprocess.DEVNULL)
        log = folder / "daemon"
        with running(ipsync("run"), environ, log):
            wait_for(address, log)
            world = {
                "address": address,
                "site": ready["api_url"].removesuffix("/api/"),
                "members": ready["members"],
                "adminToken": ADMIN_TOKEN,
                "command": ipsync(),
                "environ": {
                    name: value for name, value in environ.items() if name.startswith(("IPSYNC_", "PYTHONPATH"))
                },
                "chromium": chromium(),
                "modules": str(tools / "node_modules"),
                "pictures": None if pictures is None else str(pictures),
                "journeys": str(HERE / "journeys"),
                "only": only,
            }
            told = environ | {"FACES": json.dumps(world)}
            return subprocess.run(["node", str(HERE / "run.mjs")], env=told, check=False).returncode


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make faces", description=__doc__)
    parser.add_argument("--no-pictures", action="store_true", help="leave docs/images/faces as it is")
    parser.add_argument("--only", default="", help="only journeys whose file has this in its name")
    given = parser.parse_args()
    tools = ROOT / ".faces"
    node_modules(tools)
    pictures = None if given.no_pictures else ROOT / "docs" / "images" / "faces"
    with tempfile.TemporaryDirectory(prefix="ipsync-faces-") as folder:
        return go(Path(folder), tools, pictures, given.only)


if __name__ == "__main__":
    sys.exit(main())
