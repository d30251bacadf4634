"""Other processes for tests: Python programs that see this checkout and nothing of the test's own state."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def start_python(program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start `program` with `arguments` in sys.argv[1:]; its output can be read as text."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_python(program: str, *arguments: str | Path, timeout_seconds: float = 60.0) -> str:
    """Run `program` to its end and return what it printed; fails with what it complained about."""
    process = start_python(program, *arguments)
    try:
        output, complaint = process.communicate(timeout=timeout_seconds)
    finally:
        process.kill()
    assert process.returncode == 0, complaint
    return output


def files_with(folder: Path, words: list[str]) -> dict[str, int]:
    """How many of `words` each file of `folder` holds; read by another process.

    A process that has SQLite's files open must not open them itself: closing them drops its locks.
    """
    program = (
        "import pathlib, sys\n"
        "words = [word.encode() for word in sys.argv[2].split()]\n"
        "for file in sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.is_file()):\n"
        "    held = file.read_bytes()\n"
        "    print(file.name, sum(word in held for word in words))\n"
    )
    lines = run_python(program, folder, " ".join(words)).splitlines()
    return {name: int(count) for name, count in (line.rsplit(" ", 1) for line in lines)}
