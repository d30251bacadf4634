"""Where the files lie that are not Python: migrations, example configurations, systemd units.

An installed wheel carries them inside the package, a checkout keeps them beside it. Standard library
only, and nothing is read here: who asks gets a folder.
"""

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent


def asset_folder(name: Literal["migrations", "config", "systemd"]) -> Path:
    """Find a packaged folder.

    Args:
        name: which one.

    Raises:
        FileNotFoundError: this installation has none, so it is incomplete.
    """
    for folder in (_PACKAGE / "_assets" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"this installation of ipsync has no {name} folder: install it again")
