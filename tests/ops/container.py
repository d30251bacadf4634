"""The container: its Containerfile, looked at by hadolint. It builds no image; what that would show stays unseen."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.ops.promises import Promise, Unavailable, ran

_FILE = Path(__file__).resolve().parents[2] / "config" / "container" / "Containerfile"


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        raise Unavailable("hadolint is not installed: make ops does that")
    yield ran(str(hadolint), str(_FILE), words="hadolint finds nothing to say of the Containerfile")
    yield Promise(
        "the image builds, and mirrors on a read-only root", None, "could not be shown: no image is built here"
    )
