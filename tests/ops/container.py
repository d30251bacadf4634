"""The container: its image is built, and runs as the compose example says, but on a loopback of its own.

The base is Debian's own Python, put together here, since the base that the Containerfile names comes from a registry.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import yaml

import ipsync
from tests.documents.reading import code_blocks
from tests.fakes.site import approve
from tests.ops.installed import MORE, WINDOW_SECONDS, words_in
from tests.ops.loopback import Loopback, get, post
from tests.ops.machine import timed, until
from tests.ops.podman import FILE, LEAST, ROOT, Podman
from tests.ops.promises import Promise, Unavailable, ran

IMAGE = f"localhost/ipsync:{ipsync.__version__}"
_COMPOSE = ROOT / "config" / "container" / "compose.example.yml"
_HOW_TO = ROOT / "docs" / "how-to" / "run-in-a-container.md"
_USER = 10001
_NAME = "ipsync_ipsync_1"
_LENT = "lent-to-the-build-of-the-test"
_API = "http://127.0.0.1:8700"
_DAEMON = "http://127.0.0.1:8480"


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    yield ran(_beside("hadolint"), str(FILE), words="hadolint finds nothing to say of the Containerfile")
    yield ran(
        *(_beside("compose-lint"), "check", "--fail-on", "high", str(_COMPOSE)),
        words="compose-lint finds nothing that is dangerous in the compose example",
    )
    with tempfile.TemporaryDirectory() as place, Podman() as podman:
        yield from _image(podman, Path(place))
        with _Deployed(podman, Path(place)) as deployed:
            yield from _start(deployed)
            yield from _privileges(deployed)
            yield from _work(deployed)
            yield _health(deployed)
            yield from _stop(deployed)
            yield from _reaper(deployed)
    yield Promise(
        "the same on the base that the Containerfile names", None, "could not be shown: no registry of images is asked"
    )


def _beside(program: str) -> str:
    """A program of this environment."""
    found = Path(sys.executable).with_name(program)
    if not found.exists():
        raise Unavailable(f"{program} is not installed: make ops does that")
    return str(found)


def _image(podman: Podman, place: Path) -> Iterator[Promise]:
    python = podman.take_base()
    began = time.monotonic()
    podman.build(place, IMAGE, python, _LENT)
    took = time.monotonic() - began
    size = int(podman.said("image", "inspect", "--format", "{{.Size}}", IMAGE))
    yield Promise("the image builds", True, f"{took:.0f} s, {size / 1e6:.0f} MB, Debian's Python {python}")
    kept = podman.holds(IMAGE, _LENT.encode())
    seen = podman.holds(IMAGE, b"org.opencontainers.image.title")
    yield Promise(
        "what the build was lent is in no layer", seen and not kept, "not found" if not kept else "it is there"
    )


class _Deployed:
    """The compose example in its own folder, beside an ipernity of our own; a context manager that takes it down."""

    def __init__(self, podman: Podman, place: Path) -> None:
        self.podman = podman
        self.folder = place / "srv"
        self.folder.mkdir()
        os.chown(self.folder, _USER, _USER)
        listen = ("--listen", _API.removeprefix("http://"), "--members", "2", "--documents", "12", "--seed", "1")
        podman.run(
            *("run", "--detach", "--name", "ipernity", "--network", "none", "--no-healthcheck", *LEAST),
            *(IMAGE, "simulator", *listen, "--control"),
        )
        self.site = json.loads(until(lambda: podman.said("logs", "ipernity"), "the simulator is ready"))
        self.loopback = Loopback(lambda: self.pid("ipernity"))
        self._configure()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.loopback.close()
        self.compose("down", "--volumes", check=False)

    def _configure(self) -> None:
        """As the how-to says; then a budget and a window that fit a short look."""
        self.podman.run(
            *("run", "--rm", "--interactive", "--network", "none", "--no-healthcheck", *LEAST),
            *("--volume", f"{self.folder}:/etc/ipsync", IMAGE, "init", "--directory", "/etc/ipsync", "--yes"),
            *("--accept-terms", "--secrets-from-stdin", "--api-url", self.site["api_url"]),
            *("--application", "Our wall", "--purpose", "Shows the photos of our members"),
            *("--contact", "webmaster@wall.museum"),
            given=f"{self.site['api_key']}\n{self.site['secret']}\n",
        )
        (added,) = code_blocks(_HOW_TO.read_text(encoding="utf-8"), "toml")
        with (self.folder / "ipsync.toml").open("a") as file:
            file.write(f"\n{added}{MORE}")
        example: dict[str, Any] = yaml.safe_load(_COMPOSE.read_text())
        for service in example["services"].values():
            service["ulimits"]["nproc"] = 4096
        # A loopback instead of a bridge and a published port: there need be no firewall to write rules into.
        example["x-podman"] = {"in_pod": False}
        del example["services"]["ipsync"]["ports"]
        example["services"]["ipsync"]["network_mode"] = "container:ipernity"
        (self.folder / "compose.yml").write_text(yaml.safe_dump(example, sort_keys=False))

    def compose(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """What the how-to has the reader type.

        Raises:
            RuntimeError: it ended badly, and `check` holds.
        """
        done = subprocess.run(
            self._typed(*words),
            cwd=self.folder,
            env=self.podman.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if check and done.returncode:
            raise RuntimeError(f"podman-compose {' '.join(words)}: {(done.stdout + done.stderr)[-600:]}")
        return done

    def _typed(self, *words: str) -> list[str]:
        return [_beside("podman-compose"), "--podman-path", str(self.podman.program), *words]

    def pid(self, name: str) -> int:
        """The process of a container, as this machine sees it; 0 where it does not run."""
        return int(self.podman.said("inspect", "--format", "{{.State.Pid}}", name) or 0)

    def inside(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the daemon's container."""
        return self.compose("exec", "-T", "ipsync", *words, check=False)

    def is_healthy(self) -> bool:
        """What the health check of the example says."""
        return self.podman.run("healthcheck", "run", _NAME, check=False).returncode == 0

    def take_in(self) -> None:
        """A member authorizes the application."""
        command = self._typed("exec", "-T", "ipsync", "ipsync", "account", "add", "--json", "--timeout", "120")
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.podman.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as adding:
            assert adding.stdout is not None
            link = json.loads(adding.stdout.readline())["authorize_url"]
            self.loopback.call(approve, link, self.site["members"][0]["cookie"])
            adding.stdout.read()

    def served(self) -> set[str]:
        """Ids of the documents that the daemon serves."""
        token = (self.folder / "secrets" / "admin_token").read_text().strip()
        with suppress(OSError):
            page = self.loopback.call(get, f"{_DAEMON}/v1/documents?limit=50", token)
            return {entry["document_id"] for entry in json.loads(page)["documents"]}
        return set()

    @property
    def volume(self) -> Path:
        """Where the volume lies on this machine."""
        return Path(self.podman.said("volume", "inspect", "--format", "{{.Mountpoint}}", "ipsync_data"))

    def files(self) -> list[Path]:
        """Stored files of members."""
        return [path for path in (self.volume / "content").glob("*/*/*") if path.is_file()]

    def control(self, body: object, method: str = "POST") -> None:
        """Set a fault in the simulator, or take them back."""
        self.loopback.call(post, f"{_API}/_control/faults", json.dumps(body).encode(), method)

    def words(self) -> set[str]:
        """A word of each work there is at ipernity."""
        truth = json.loads(self.loopback.call(get, f"{_API}/_control/truth"))
        return {entry["token"] for entry in truth["documents"]}


def _start(deployed: _Deployed) -> Iterator[Promise]:
    began = time.monotonic()
    deployed.compose("up", "--detach")
    until(deployed.is_healthy, "its health check says yes")
    took = time.monotonic() - began
    running = deployed.podman.said("ps", "--format", "{{.Names}}").split()
    good = set(running) == {"ipernity", _NAME}
    yield Promise("compose starts the daemon alone, and its health check says yes", good, f"after {took:.1f} s")


def _privileges(deployed: _Deployed) -> Iterator[Promise]:
    status = Path(f"/proc/{deployed.pid(_NAME)}/status").read_text()
    found = dict(re.findall(r"^(Uid|Gid|CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):\s+(\S+)", status, re.MULTILINE))
    caps = {int(found[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")}
    good = (found["Uid"], found["Gid"], found["NoNewPrivs"], caps) == (str(_USER), str(_USER), "1", {0})
    yield Promise("it runs as a user without any privilege", good, f"uid {found['Uid']}, no capability, none to be had")
    places = ("/", "/opt/ipsync", "/etc/ipsync", "/run/secrets", "/usr/bin")
    refused = [place for place in places if deployed.inside("touch", f"{place}/x").returncode]
    allowed = [place for place in ("/var/lib/ipsync", "/tmp") if not deployed.inside("touch", f"{place}/x").returncode]
    (deployed.volume / "x").unlink(missing_ok=True)
    yield Promise(
        "it can write to its volume and /tmp, and nowhere else",
        len(refused) == len(places) and len(allowed) == 2,
        f"refused: {' '.join(refused)}",
    )
    told = deployed.podman.said("inspect", _NAME) + Path(f"/proc/{deployed.pid(_NAME)}/environ").read_text()
    secrets = [path.read_text().strip() for path in (deployed.folder / "secrets").iterdir()]
    shown = [text for text in secrets if text in told]
    yield Promise("no secret is in its environment or settings", len(secrets) == 4 and not shown, f"{len(shown)} of 4")


def _work(deployed: _Deployed) -> Iterator[Promise]:
    took = timed(lambda: deployed.take_in() or True, "a member is taken in")
    until(lambda: deployed.served() and deployed.files(), "what the member shares is served")
    figure = f"{len(deployed.served())} documents, {len(deployed.files())} files after {took:.1f} s"
    yield Promise("a member is taken in beside it and served", True, figure)
    done = deployed.inside("ipsync", "doctor", "--json")
    found = json.loads(done.stdout)["findings"]
    wrong = [finding["words"] for finding in found if finding["verdict"] == "wrong"]
    yield Promise("the doctor finds nothing wrong in it", not wrong, "; ".join(wrong) or f"{len(found)} findings")


def _health(deployed: _Deployed) -> Promise:
    deployed.podman.run("kill", "--signal", "STOP", _NAME)
    frozen = deployed.is_healthy()
    deployed.podman.run("kill", "--signal", "CONT", _NAME)
    again = timed(deployed.is_healthy, "its health check says yes again")
    return Promise("the health check says no while it hangs", not frozen, f"and yes {again:.1f} s after it goes on")


def _stop(deployed: _Deployed) -> Iterator[Promise]:
    """While ipernity answers nothing."""
    deployed.control({"kind": "hang", "methods": ["*"], "share": 1})
    time.sleep(8)  # requests are under way
    began = time.monotonic()
    deployed.compose("stop")
    took = time.monotonic() - began
    deployed.control(None, "DELETE")
    code = deployed.podman.said("inspect", "--format", "{{.State.ExitCode}}", _NAME)
    logged = deployed.podman.run("logs", _NAME)
    said = "daemon.stopped" in logged.stdout + logged.stderr
    good = code == "0" and said and took < 45
    yield Promise("stop drains within its time, though ipernity hangs", good, f"{took:.1f} s of 45 s, exit code {code}")


def _reaper(deployed: _Deployed) -> Iterator[Promise]:
    words = deployed.words()
    files, there, began = len(deployed.files()), len(words_in(deployed.volume, words)), time.monotonic()
    codes: list[int] = []

    def reap() -> bool:
        codes.append(deployed.compose("--profile", "reaper", "run", "--rm", "-T", "reaper", check=False).returncode)
        return not deployed.files() and not words_in(deployed.volume, words)

    until(reap, "the reaper has erased everything")
    took = time.monotonic() - began
    good = files > 0 and there > 0 and took < WINDOW_SECONDS and set(codes) <= {0, 3} and 3 in codes
    figure = f"{files} files and {there} works' words gone after {took:.0f} s of {WINDOW_SECONDS} s, {len(codes)} runs"
    yield Promise("while it is stopped the reaper erases, without a network", good, figure)
    deployed.compose("up", "--detach")
    took = timed(deployed.served, "it serves again")
    yield Promise("started again, it mirrors anew what is still shared", True, f"after {took:.1f} s")
