"""The wheel carries its migrations: an installed ipsync needs no checkout to make a database."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from ipsync.catalog import head

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
import ipsync
from ipsync.assets import asset_folder
from ipsync.catalog import open_catalog, upgrade

site, data = Path(sys.argv[1]), Path(sys.argv[2])
assert Path(ipsync.__file__).is_relative_to(site), ipsync.__file__
for name in ("migrations", "config", "systemd"):
    assert asset_folder(name).is_relative_to(site), name
    assert any(asset_folder(name).iterdir()), name
print(upgrade("sqlite:///ipsync.db", data).after)
open_catalog("sqlite:///ipsync.db", data, b"key", inline=True).close_now()
"""


def test_migrations_run_from_the_installed_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=100)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site, data = tmp_path / "site", tmp_path / "data"
    zipfile.ZipFile(wheel).extractall(site)
    data.mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, str(site), str(data)],
        cwd=data,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == head()
    assert not (site / "migrations").exists()
