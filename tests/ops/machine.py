"""A Debian of its own to install into: made once, copied for each part, booted with a systemd of its own.

The container has a loopback and no other network. Everything in it is a child of this process and ends with it.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.ops.loopback import Loopback
from tests.ops.promises import Unavailable, need

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "ops"
PATIENCE_SECONDS = 180.0
"""How long to wait for anything: no promise of ours, only the end of a look that would hang."""
_BOOTED = "systemd,systemd-sysv,dbus,python3,procps"
_ENVIRONMENT = (
    "env",
    "-i",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "HOME=/root",
)


def base(name: str = "debian", packages: str = _BOOTED) -> Path:
    """A minimal Debian of this machine's release, made by debootstrap when it is first asked for.

    Args:
        name: what it is kept as.
        packages: what is in it beside the least, with commas between.

    Raises:
        Unavailable: it cannot be made here; the message says why.
    """
    if os.geteuid() != 0:
        raise Unavailable("only root can boot a container: run it as root")
    need({"debootstrap": "debootstrap"})
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    suite = release.get("VERSION_CODENAME", "").strip('"')
    place = CACHE / f"{name}-{suite}"
    if place.is_dir():
        return place
    draft = place.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={packages}", suite, str(draft), _mirror(suite)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"debootstrap could not make a Debian: {done.stdout.strip()[-300:]}")
    shutil.rmtree(draft / "var/cache/apt/archives", ignore_errors=True)
    # Nothing of the machine it was made on.
    for name in ("etc/resolv.conf", "etc/hostname", "etc/machine-id"):
        (draft / name).unlink(missing_ok=True)
    (draft / "etc/hostname").write_text("ipsync\n")
    (draft / "etc/machine-id").write_text("")
    draft.rename(place)
    return place


def _mirror(suite: str) -> str:
    """Where this machine takes its own Debian from."""
    asked = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(SITE)", "Created-By: Packages"]
    for line in subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines():
        codename, component, *site = line.split()
        if (codename, component) == (suite, "main") and site:
            return site[0]
    raise Unavailable("apt knows no archive of this release: apt-get update")


class Machine:
    """A booted Debian; a context manager that ends it whatever happens."""

    def __init__(self) -> None:
        """Copy the base; `with` boots it."""
        need({"systemd-nspawn": "systemd-container", "nsenter": "util-linux"})
        self._folder = tempfile.TemporaryDirectory(prefix="ipsync-machine-")
        self.root = Path(self._folder.name) / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", str(base()), str(self.root)], check=True)
        self._console = Path(self._folder.name) / "console"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._loopback = Loopback(lambda: self._leader)
        self.boot_seconds = 0.0

    def __enter__(self) -> Self:
        self._boot()
        return self

    def __exit__(self, *_: object) -> None:
        self._loopback.close()
        self._end()
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def _boot(self) -> None:
        began = time.monotonic()
        # Without a systemd on this machine there is no scope to be had; with one nspawn asks for it.
        kept = [] if Path("/run/systemd/system").is_dir() else ["--keep-unit"]
        command = ["systemd-nspawn", "-q", "-D", str(self.root), "--boot", "--private-network", "--register=no", *kept]
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                [*command, "--console=pipe"], stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
            )
        self._leader = until(self._find_leader, "the container has a first process", 30)
        until(lambda: self.ask("systemctl", "is-system-running") in ("running", "degraded"), "systemd is up")
        self.boot_seconds = time.monotonic() - began

    def _find_leader(self) -> int:
        """The container's first process: the child of nspawn that is number 1 in a namespace of its own."""
        if self._process is None or self._process.poll() is not None:
            raise Unavailable(f"the container did not start: {self._console.read_text(errors='replace')[-300:]}")
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if re.search(r"^NSpid:.*\s1$", Path(f"/proc/{child}/status").read_text(), re.MULTILINE):
                    return int(child)
        return 0

    def _end(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                self.run("systemctl", "poweroff", check=False)
                self._process.wait(60)
        if self._process.poll() is None:
            self._process.kill()  # with it goes everything in the container
        self._process.wait(30)

    def run(self, *command: str, given: str = "", check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command in the container, as its root.

        Raises:
            RuntimeError: it ended badly, and `check` holds; the message has what it said.
        """
        entered = ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--wd=/"]
        done = subprocess.run(
            [*entered, "--", *_ENVIRONMENT, *command],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if check and done.returncode:
            raise RuntimeError(
                f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-600:]}"
            )
        return done

    def ask(self, *command: str) -> str:
        """What a command prints, however it ends."""
        return self.run(*command, check=False).stdout.strip()

    @property
    def loopback(self) -> Loopback:
        """Its own; nobody else's."""
        return self._loopback

    def show(self, unit: str, *names: str) -> list[str]:
        """Properties of a unit."""
        lines = self.ask("systemctl", "show", "--property", ",".join(names), unit).splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return [found.get(name, "") for name in names]

    def journal(self, unit: str) -> list[dict[str, Any]]:
        """What a unit logged: our records, parsed; other lines as `message`."""
        lines = self.ask("journalctl", "--unit", unit, "--output=cat", "--no-pager").splitlines()
        return [json.loads(line) if line.startswith("{") else {"event": "", "message": line} for line in lines]

    def files(self) -> set[str]:
        """Every file and folder that is not in a file system of the kernel's."""
        found = self.ask("find", "/", "-xdev", "-printf", "%y %p\\n")
        return set(found.splitlines())


def until(look: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Look until something is there.

    Raises:
        TimeoutError: it does not come.
    """
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if found := look():
                return found
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.1)


def timed(look: Callable[[], Any], what: str) -> float:
    """How many seconds it takes until something is there."""
    began = time.monotonic()
    until(look, what)
    return time.monotonic() - began


def package(folder: Path) -> Path:
    """Build the Debian package of what is committed.

    Args:
        folder: where it is built.

    Raises:
        Unavailable: it cannot be built; the message says why.
    """
    need({"dpkg-buildpackage": "dpkg-dev", "dh": "debhelper", "gcc": "build-essential"})
    if subprocess.run(["/usr/bin/python3", "-c", "import ensurepip"], capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", "python3-venv"], check=False)
    done = subprocess.run(
        ["sh", str(ROOT / "debian" / "make-package"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"the package cannot be built: {(done.stdout + done.stderr).strip()[-600:]}")
    return next(folder.glob("ipsync_*.deb"))


def cached_package() -> Path:
    """The package of the commit that is checked out; built once for it."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    place = CACHE / f"package-{commit[:12]}"
    if not place.is_dir():
        for old in CACHE.glob("package-*"):
            shutil.rmtree(old)
        draft = CACHE / "package-draft"
        shutil.rmtree(draft, ignore_errors=True)
        package(draft)
        draft.rename(place)
    return next(place.glob("ipsync_*.deb"))
