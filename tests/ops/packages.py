"""Packages: built twice they are the same; installed from the wheel alone, ipsync has all it needs."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.ops import sbom
from tests.ops.promises import Promise, need

_ROOT = Path(__file__).resolve().parents[2]


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        first, second = _build(folder / "first"), _build(folder / "second")
        for suffix in (".whl", ".tar.gz"):
            one, other = (next(path for path in built if path.name.endswith(suffix)) for built in (first, second))
            same = one.read_bytes() == other.read_bytes()
            digest = hashlib.sha256(one.read_bytes()).hexdigest()[:16]
            yield Promise(
                f"built twice, the {suffix} is the same", same, f"sha256 {digest}, {one.stat().st_size:,} bytes"
            )
        wheel = next(path for path in first if path.suffix == ".whl")
        yield _again_from_source(folder, next(path for path in first if path.suffix == ".gz"), wheel)
        yield from _installed(folder, wheel)
    yield from sbom.promises()


def _build(folder: Path) -> list[Path]:
    """Build wheel and sdist from a copy of what is committed."""
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(_ROOT), str(source)], check=True)
    made = _make(source, folder / "dist")
    shutil.rmtree(source)
    return made


def _make(source: Path, target: Path, *options: str) -> list[Path]:
    environ = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), *options]
    subprocess.run(command, cwd=source, env=environ, check=True, capture_output=True)
    return list(target.iterdir())


def _again_from_source(folder: Path, archive: Path, wheel: Path) -> Promise:
    """Whoever has the archive and nothing else, no history either, makes the same wheel."""
    source = folder / "unpacked"
    with tarfile.open(archive) as packed:
        packed.extractall(source, filter="data")
    [tree] = source.iterdir()
    made = _make(tree, folder / "third", "-t", "wheel")
    same = [path.read_bytes() for path in made] == [wheel.read_bytes()]
    count = sum(path.is_file() for path in tree.rglob("*"))
    return Promise("the source archive makes the same wheel", same, f"from {count} files")


def _installed(folder: Path, wheel: Path) -> Iterator[Promise]:
    """Install it beside the libraries that are here already, far from any source."""
    site = folder / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    mirror = folder / "mirror"
    mirror.mkdir()
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": str(folder), "LANG": "C.UTF-8"}

    def ipsync(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "ipsync.cli", *words]
        return subprocess.run(
            command, cwd=mirror, env=environ, capture_output=True, text=True, check=False, timeout=120
        )

    version = ipsync("--version")
    yield Promise("the installed wheel runs without its source", version.returncode == 0, version.stdout.strip())
    demo = ipsync("demo", "--once", "--json")
    last = demo.stdout.strip().splitlines()[-1] if demo.stdout.strip() else demo.stderr.strip()[-200:]
    yield Promise("its demo keeps the promise", demo.returncode == 0 and '"breaches": 0' in last, last)
    assets = ipsync("assets", "install", "--prefix", str(folder / "usr"))
    said = (assets.stdout or assets.stderr).strip().splitlines()
    yield Promise("it installs units, man pages and completion", assets.returncode == 0, said[0] if said else "silent")
    pages = sorted((folder / "usr/share/man/man1").glob("*.1"))
    need({"man": "man-db"})
    command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]
    wrong = [
        page.name for page in pages if subprocess.run([*command, str(page)], capture_output=True, check=False).stderr
    ]
    yield Promise("man finds nothing to say of the pages", not wrong, ", ".join(wrong[:3]) or f"{len(pages)} pages")
