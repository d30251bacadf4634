"""The container, for real: looked at by hadolint, built, searched for secrets, made to mirror on a read-only root."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.site import LiveSite, SiteMirror, stocked_mirror
from tests.hygiene.scanner import leaked
from tests.ops import machine
from tests.ops.promises import Promise, Unavailable, need, ran
from tests.system.daemons import served, wait_for

_ROOT = Path(__file__).resolve().parents[2]
_FILE = "config/container/Containerfile"
_TAG = "localhost/ipsync:looked-at"
_STAND_IN = "localhost/ipsync-stand-in:1"
_BUILD_SECRET = "canary-build-secret-of-the-index"
_PORT = 8480
_OWNER = 10001
_LOOK = """\
import os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
writable = [top for top in sorted(os.listdir("/")) if os.access("/" + top, os.W_OK)]
print(os.getuid(), int(status["CapEff"], 16), status["NoNewPrivs"], *writable)
"""


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        raise Unavailable("hadolint is not installed: make ops does that")
    yield ran(str(hadolint), str(_ROOT / _FILE), words="hadolint finds nothing to say of the Containerfile")
    try:
        need({"podman": "podman", "crun": "crun", "conmon": "conmon"})
        with tempfile.TemporaryDirectory(prefix="ipsync-container-") as place:
            engine = _Engine(Path(place))
            try:
                yield from _built(engine, Path(place))
            finally:
                engine.clear()
    except Unavailable as why:
        yield Promise("the image builds, and mirrors on a read-only root", None, f"could not be shown: {why}")


class _Engine:
    """podman with storage of its own, so that nothing of it stays."""

    def __init__(self, folder: Path) -> None:
        folders = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]
        self._command = ["podman", *folders, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]

    def __call__(self, *words: str, check: bool = True, timeout: int = 1800) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._command, *words], cwd=_ROOT, capture_output=True, text=True, check=False, timeout=timeout
        )
        if check and done.returncode:
            raise RuntimeError(f"podman {words[0]}: {done.stderr.strip()[-400:]}")
        return done

    def clear(self) -> None:
        """End what runs and give the space back."""
        self("rm", "--all", "--force", check=False)
        self("rmi", "--all", "--force", check=False)


def _built(engine: _Engine, folder: Path) -> Iterator[Promise]:
    base = _base(engine, folder)
    index = folder / "pip.conf"
    index.write_text(f"# {_BUILD_SECRET}\n[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
    began = time.monotonic()
    options = ["--network", "host", "--isolation", "chroot", "--format", "docker", "--build-arg", f"BASE={base}"]
    inside = ["--volume", "/etc/ssl/certs:/etc/ssl/certs:ro", "--secret", f"id=pip.conf,src={index}"]
    engine("build", *options, *inside, "-f", _FILE, "-t", _TAG, ".")
    seconds = time.monotonic() - began
    known = json.loads(engine("image", "inspect", _TAG).stdout)[0]
    yield Promise("the image builds", True, f"on {base}, {known['Size'] / 1e6:,.0f} MB, {seconds:.0f} s")
    config = known["Config"]
    whole = config.get("User") == f"{_OWNER}:{_OWNER}" and "Healthcheck" in known
    yield Promise(
        "it runs as nobody in particular and can be asked for its health", whole, f"user {config.get('User')}"
    )
    saved = folder / "image.tar"
    engine("save", "--quiet", "-o", str(saved), _TAG)
    size = saved.stat().st_size
    found = leaked([_BUILD_SECRET], saved.read_bytes())
    yield Promise("no secret of its building is in a layer", not found, f"{size / 1e6:,.0f} MB searched")
    saved.unlink()
    yield from _lived(engine, folder)


def _base(engine: _Engine, folder: Path) -> str:
    """The base that is named, or where no registry is reached a Debian in its place."""
    line = next(line for line in (_ROOT / _FILE).read_text().splitlines() if line.startswith("ARG BASE="))
    named = line.removeprefix("ARG BASE=")
    if engine("pull", "--quiet", named, check=False, timeout=300).returncode == 0:
        return named
    root = folder / "stand-in"
    subprocess.run(["cp", "-a", "--reflink=auto", str(machine.base()), str(root)], check=True)
    packages = ["python3.11-venv", "python3-pip-whl", "python3-setuptools-whl", "ca-certificates"]
    subprocess.run(["apt-get", "download", "-q", *packages], cwd=folder, check=True, capture_output=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
    packed = folder / "stand-in.tar"
    subprocess.run(["tar", "-C", str(root), "-c", "-f", str(packed), "."], check=True)
    engine("import", "-q", str(packed), _STAND_IN)
    shutil.rmtree(root)
    packed.unlink()
    return _STAND_IN


def _lived(engine: _Engine, folder: Path) -> Iterator[Promise]:
    """Let it mirror what a simulator shows, and forget what is taken back."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", _PORT)) == 0:
            raise Unavailable(f"something else listens at port {_PORT}")
    with LiveSite(members=2, documents=8) as site:
        mirror = _prepared(folder, site)
        shut = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        room = ["--volume", f"{mirror.folder}:/var/lib/ipsync", "--volume", f"{folder / 'secrets'}:/run/secrets:ro"]
        at = ["--network", "host", "--cgroups", "disabled", "--env", "IPSYNC_CONFIG=/var/lib/ipsync/ipsync.toml"]
        engine("run", "--detach", "--name", "mirror", *shut, *room, *at, _TAG)
        address = f"http://127.0.0.1:{_PORT}"
        try:
            wait_for(lambda: _served(address) == set(site.permitted()), "the container serves what is permitted")
        except AssertionError as failure:
            raise RuntimeError(f"{failure}: {engine('logs', 'mirror', check=False).stderr[-400:]}") from None
        yield Promise("it mirrors what may be mirrored", True, f"{len(site.permitted())} documents")
        said = engine("exec", "mirror", "python", "-c", _LOOK).stdout.split()
        lean = said[:3] == [str(_OWNER), "0", "1"] and set(said[3:]) <= {"dev", "proc", "tmp"}
        yield Promise(
            "it has no privilege, and writes to its own folder alone",
            lean,
            f"user {said[0]}, capabilities {said[1]}, no new privileges {said[2]}; of / writable: {' '.join(said[3:])}",
        )
        health = engine("healthcheck", "run", "mirror", check=False)
        yield Promise("its health can be asked for", health.returncode == 0, health.stdout.strip() or "healthy")
        one = next(iter(site.permitted()))
        site.delete(int(one))
        began = time.monotonic()
        wait_for(lambda: one not in _served(address), "what was deleted is not served")
        yield Promise("it forgets what its owner deleted", True, f"hidden after {time.monotonic() - began:.1f} s")
        engine("stop", "--time", "45", "mirror")
        code = json.loads(engine("inspect", "mirror").stdout)[0]["State"]["ExitCode"]
        yield Promise("it stops in order", code == 0, f"exit code {code}")


def _prepared(folder: Path, site: LiveSite) -> SiteMirror:
    """A mirror with members, which belongs to the user of the container, and its secrets as files."""
    mirror = stocked_mirror(folder / "mirror", site)
    mirror.configure(window="60s")
    mirror.edit('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{_PORT}"')
    secrets = folder / "secrets"
    secrets.mkdir()
    for name, value in mirror.env.items():
        if name != "IPSYNC_CONFIG":
            (secrets / name.removeprefix("IPSYNC_").lower()).write_text(value)
    for top in (mirror.folder, secrets):
        for path in [top, *top.rglob("*")]:
            os.chown(path, _OWNER, _OWNER)
    return mirror


def _served(address: str) -> set[str]:
    try:
        return served(address)
    except (urllib.error.URLError, OSError, KeyError, ValueError):
        return set()
