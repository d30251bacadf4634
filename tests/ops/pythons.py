"""Every Python that pyproject.toml names: the wheel is installed into an environment of its own, and works.

An interpreter that this machine does not have is said to be missing; none is fetched from anywhere.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.ops.promises import Promise

_ROOT = Path(__file__).resolve().parents[2]
_TESTS = ("tests/settings", "tests/telemetry", "tests/ipernity/test_answers.py", "tests/catalog/test_sealing.py")


def promises() -> Iterator[Promise]:
    """Look at each Python in turn."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = folder / "source"
        subprocess.run(["git", "clone", "-q", str(_ROOT), str(source)], check=True)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=source, check=True, capture_output=True)
        # From here on only the wheel has the code.
        for name in ("ipsync", "migrations"):
            shutil.rmtree(source / name)
        for version in named():
            python = found(version)
            if python is None:
                yield Promise(f"the wheel works on Python {version}", None, "could not be shown: it is not here")
            else:
                yield from _works(version, python, folder, next(folder.glob("*.whl")))


def named() -> list[str]:
    """The versions that we say it runs on."""
    classifiers = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)


def found(version: str) -> str | None:
    """An interpreter of this version that starts: on the path, or one that pyenv keeps."""
    candidates = [Path(folder) / f"python{version}" for folder in os.get_exec_path()]
    if shutil.which("pyenv"):
        kept = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False).stdout
        for exact in (line for line in kept.split() if line.startswith(f"{version}.")):
            prefix = subprocess.run(["pyenv", "prefix", exact], capture_output=True, text=True, check=False).stdout
            candidates.append(Path(prefix.strip()) / "bin" / f"python{version}")
    for candidate in candidates:
        if candidate.is_file() and _said(str(candidate), "-c", "import ssl, sqlite3, venv; print('well')") == "well":
            return str(candidate)
    return None


def _works(version: str, python: str, folder: Path, wheel: Path) -> Iterator[Promise]:
    home = folder / version
    subprocess.run([python, "-m", "venv", "--without-pip", str(home)], check=True)
    inside = str(home / "bin" / "python")
    exact = _said(inside, "-c", "import platform; print(platform.python_version())")
    for wanted in (["--require-hashes", "-r", str(_ROOT / "requirements" / "demo.txt")], ["--no-deps", str(wheel)]):
        install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "--python", inside, "install"]
        done = subprocess.run([*install, *wanted], capture_output=True, text=True, check=False)
        if done.returncode:
            yield Promise(f"the wheel installs on Python {exact}", False, done.stderr.strip()[-200:])
            return
    demo = subprocess.run(
        [str(home / "bin" / "ipsync"), "demo", "--once", "--json"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    last = (demo.stdout.strip() or demo.stderr.strip() or "silent").splitlines()[-1]
    kept = demo.returncode == 0 and json.loads(last)["breaches"] == 0
    yield Promise(f"its demo keeps the promise on Python {exact}", kept, last)
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "--python", inside, "install"]
    subprocess.run(
        [*install, "--require-hashes", "-r", str(_ROOT / "requirements" / "dev.txt")], check=True, capture_output=True
    )
    tests = subprocess.run(
        [inside, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *_TESTS],
        cwd=folder / "source",
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    said = (tests.stdout.strip() or tests.stderr.strip()).splitlines()
    yield Promise(f"the quick tests pass on Python {exact}, with the wheel", tests.returncode == 0, said[-1])


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
