"""The software bill of materials: what is shipped, as CycloneDX, made from an installation and the same each time.

`python -m tests.ops.sbom FOLDER` (`make sbom`) writes it beside the packages. It names libraries, versions, licenses
and who needs whom; no time, no path and no address of the machine that made it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ipsync
from tests.hygiene.dependencies import declared, pins
from tests.ops.promises import Promise, Unavailable

_ROOT = Path(__file__).resolve().parents[2]
_SCHEMA = "1.6"


def promises() -> Iterator[Promise]:
    """Make it twice, each time from a new installation."""
    with tempfile.TemporaryDirectory() as place:
        first, second = (write_sbom(Path(place) / name) for name in ("first", "second"))
        content = first.read_bytes()
        yield Promise("made twice, the bill of materials is the same", content == second.read_bytes(), first.name)
        wrong = _complaint(content.decode())
        yield Promise("it is valid", not wrong, wrong or f"CycloneDX {_SCHEMA}, strictly, {len(content):,} bytes")
        bill = json.loads(content)
        told = {(entry["name"].lower().replace("_", "-"), entry["version"]) for entry in bill["components"]}
        pinned = {(pin.name, pin.version) for pin in pins("run").values()}
        yield Promise(
            "it tells of everything that is pinned, and of nothing else",
            told == pinned,
            ", ".join(name for name, _ in sorted(told ^ pinned)) or f"{len(told)} libraries",
        )
        bare = [entry["name"] for entry in bill["components"] if not entry.get("licenses")]
        yield Promise("each has its license", not bare, ", ".join(bare) or f"{len(told)} of {len(told)}")
        needed = _needed_by_us(bill)
        asked = {name for group in ("run", "speed") for name in declared()[group]}
        yield Promise("it tells who needs whom", needed == asked, f"{len(needed)} needed by ipsync itself")


def write_sbom(folder: Path) -> Path:
    """Install what is pinned where nothing else is, and describe it.

    Returns:
        The file, `ipsync-VERSION.cdx.json` in `folder`.

    Raises:
        Unavailable: the tool that describes it is not installed.
    """
    if find_spec("cyclonedx_py") is None:
        raise Unavailable("cyclonedx-bom is not installed: make ops and make sbom do that")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        python = Path(place) / "env" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(python.parents[1])], check=True)
        install = ["-m", "pip", "--disable-pip-version-check", "-qq", "--python", str(python), "install"]
        requirements = ["--require-hashes", "--no-compile", "-r", str(_ROOT / "requirements" / "run.txt")]
        subprocess.run([sys.executable, *install, *requirements], check=True)
        describe = ["-m", "cyclonedx_py", "environment", "--pyproject", str(_ROOT / "pyproject.toml")]
        options = ["--mc-type", "application", "--output-reproducible", "--of", "JSON", "--sv", _SCHEMA]
        bill = subprocess.run([sys.executable, *describe, *options, str(python)], check=True, capture_output=True)
    file = folder / f"ipsync-{ipsync.__version__}.cdx.json"
    text = json.dumps(_named(json.loads(bill.stdout)), indent=2, sort_keys=True, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    return file


def _named(bill: dict[str, Any]) -> dict[str, Any]:
    """Our own version is no text of pyproject.toml, so the tool does not see it."""
    bill["metadata"]["component"] |= {
        "version": ipsync.__version__,
        "purl": f"pkg:pypi/ipsync@{ipsync.__version__}",
    }
    return bill


def _needed_by_us(bill: dict[str, Any]) -> set[str]:
    ours = bill["metadata"]["component"]["bom-ref"]
    needed = next(entry.get("dependsOn", []) for entry in bill["dependencies"] if entry["ref"] == ours)
    return {name.partition("==")[0].lower().replace("_", "-") for name in needed}


def _complaint(text: str) -> str:
    """What the schema has against it."""
    # Only here, since most of the tests run where it is not installed.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return "" if error is None else str(error)[:200]


if __name__ == "__main__":
    print(write_sbom(Path(sys.argv[1])))
