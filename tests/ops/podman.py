"""podman with a storage of its own, that goes with it: nothing that the machine itself keeps is looked at or touched.

It needs no systemd, no rules of a firewall and no unified hierarchy of control groups, so that it works in a small
virtual machine too: containers have a loopback and no other network, and images are built without a cage of their own.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from tests.ops.machine import base
from tests.ops.promises import need

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "config" / "container" / "Containerfile"
BASE = "localhost/base:of-the-test"
LEAST = ("--ulimit", "nproc=4096:4096", "--ulimit", "nofile=8192:8192")
"""podman, as root, raises these limits beyond any that were set; where root may not do that nothing starts."""
_ENGINE = """\
[containers]
default_ulimits = ["nproc=4096:4096", "nofile=8192:8192"]

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"

[network]
network_config_dir = "{folder}/networks"
"""
_PROGRAM = """\
#!/bin/sh
exec podman --root '{folder}/storage' --runroot '{folder}/run' --tmpdir '{folder}/tmp' "$@"
"""


class Podman:
    """A storage and what runs on it; a context manager that ends and removes all of it."""

    def __init__(self) -> None:
        """Make the folder; it is short, since podman puts sockets there."""
        need({"podman": "podman", "runc": "runc"})
        self._folder = tempfile.TemporaryDirectory(prefix="ipsync-")
        folder = Path(self._folder.name)
        self.program = folder / "podman"
        self.program.write_text(_PROGRAM.format(folder=folder))
        self.program.chmod(0o755)
        (folder / "containers.conf").write_text(_ENGINE.format(folder=folder))
        (folder / "networks").mkdir()
        self.environ = dict(os.environ) | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "DISABLE_HC_SYSTEMD": "true",  # health is asked for by hand
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run("rm", "--all", "--force", "--volumes", "--time", "0", check=False)
        # What podman mounts for itself stays otherwise, and the folder with it.
        places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((place for place in places if place.startswith(self._folder.name)), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
        self._folder.cleanup()

    def run(
        self, *words: str, given: str = "", check: bool = True, seconds: float = 900
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of podman.

        Raises:
            RuntimeError: it ended badly, and `check` holds; the message has what it said.
        """
        done = subprocess.run(
            [str(self.program), *words],
            env=self.environ,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if check and done.returncode:
            raise RuntimeError(f"podman {words[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
        return done

    def said(self, *words: str) -> str:
        """What a command of podman prints on standard output, however it ends."""
        return self.run(*words, check=False).stdout.strip()

    def take_base(self) -> str:
        """Make an image of Debian with its own Python. Gives that Python's version.

        Raises:
            Unavailable: it cannot be made here.
        """
        tree = base("debian-python", "python3,python3-venv")
        pack = ["tar", "--directory", str(tree), "--create", "."]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
            take = [str(self.program), "import", "-", BASE]
            subprocess.run(take, env=self.environ, stdin=packing.stdout, check=True, capture_output=True)
        asked = ("--rm", "--network", "none", *LEAST, BASE, "python3", "-c")
        return self.run("run", *asked, "import platform; print(platform.python_version())").stdout.strip()

    def build(self, place: Path, name: str, python: str, lent: str) -> None:
        """Build the image of what is committed, without a network: the libraries are fetched before, by their hashes.

        Args:
            place: a folder for what is needed.
            name: what the image is called.
            python: the version of the base's Python.
            lent: a text that only the build may see; it goes in as a secret.
        """
        source, wheels, secret = place / "source", place / "wheels", place / "pip.conf"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
        fetch = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "download", "--require-hashes"]
        options = ["--only-binary", ":all:", "--python-version", python, "--dest", str(wheels)]
        lists = ["-r", str(ROOT / "requirements/run.txt"), "-r", str(ROOT / "requirements/build.txt")]
        subprocess.run([*fetch, *options, *lists], check=True, capture_output=True)
        secret.write_text(f"# {lent}\n[global]\nno-index = true\nfind-links = /wheels\n")
        self.run(
            *("build", "--format", "docker", "--isolation", "chroot", "--network", "host", "--tag", name),
            *("--build-arg", f"BASE={BASE}", "--secret", f"id=pip.conf,src={secret}"),
            *("--volume", f"{wheels}:/wheels:ro", "--file", str(source / FILE.relative_to(ROOT)), str(source)),
            seconds=1800,
        )

    def holds(self, name: str, words: bytes) -> bool:
        """Whether an image has these words in any of its layers or in what it tells of itself."""
        tail = b""
        save = [str(self.program), "save", "--format", "docker-archive", name]
        with subprocess.Popen(save, env=self.environ, stdout=subprocess.PIPE) as saving:
            assert saving.stdout is not None
            while block := saving.stdout.read(1 << 20):
                if words in tail + block:
                    saving.kill()
                    return True
                tail = block[-len(words) :]
        return False
