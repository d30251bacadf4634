"""schemathesis on the real server: every check it has, on what the API says of itself."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.api.serving import reachable

_ROOT = Path(__file__).resolve().parents[2]


def try_api(*options: str) -> subprocess.CompletedProcess[str]:
    """Let schemathesis try the API.

    Args:
        options: of `st run`; all checks are on in any case.

    Returns:
        What it said; its exit code is 0 where nothing failed.
    """
    with tempfile.TemporaryDirectory() as folder, reachable(Path(folder)) as api:
        cursors = {
            f"IPSYNC_CURSORS_AMONG_{entries.upper()}": str(api.get(f"/v1/{entries}?limit=1")["next_cursor"])
            for entries in ("documents", "accounts", "changes", "albums", "folders", "articles")
        }
        return subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                f"{api.address}/v1/openapi.json",
                "--checks=all",
                f"--header=Authorization: Bearer {api.token}",
                "--generation-database=none",
                "--no-color",
                *options,
            ],
            env={
                **os.environ,
                **cursors,
                "PYTHONPATH": str(_ROOT),
                "SCHEMATHESIS_HOOKS": "tests.api.hooks",
                "COLUMNS": "120",
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
