"""What a power cut leaves: only what was synced before it, and not a byte more.

The strictest disk that keeps its promises: a file's bytes survive from its last sync on, a name from the last
sync of its directory on. A real disk may have kept more, at most what a killed process leaves.
"""

import os
import shutil
import stat
from pathlib import Path

from tests.crashes.tracing import Call

_SYNCS = {"fsync", "fdatasync", "syncfs"}
_MAKES = {"openat", "mkdir", "mkdirat"}


class DurableDisk:
    """A picture of one folder as its disk holds it, kept up while a traced process works there."""

    def __init__(self, folder: Path) -> None:
        """Begin with everything that is there: all of it is durable."""
        self._folder = folder
        self._names: dict[Path, dict[str, int]] = {}
        self._bytes: dict[int, bytes] = {}
        self._new: set[Path] = set()
        self.sync_all()

    def sync_all(self) -> None:
        """Everything that is there becomes durable, as by syncfs."""
        self._names.clear()
        self._bytes.clear()
        self._new.clear()
        for path in (self._folder, *self._folder.rglob("*")):
            if path.is_dir():
                self._sync_directory(path)
            else:
                self._bytes[path.stat().st_ino] = path.read_bytes()

    def before(self, call: Call) -> None:
        """Take note of a call that is about to be made."""
        path = Path(call.path.removesuffix(" (deleted)"))
        self._settle_new()
        if call.name in _MAKES:
            self._new.add(path)
        elif call.name == "syncfs":
            self.sync_all()
        elif call.name in _SYNCS:
            try:
                status = path.lstat()
            except FileNotFoundError:
                return  # synced through a descriptor after its name went: nothing of it survives anyway
            if stat.S_ISDIR(status.st_mode):
                self._sync_directory(path)
            elif stat.S_ISREG(status.st_mode):
                self._bytes[status.st_ino] = path.read_bytes()

    def leave(self, to: Path) -> None:
        """Write what survives into the folder `to`."""
        self._settle_new()
        self._write(self._folder, to)

    def _settle_new(self) -> None:
        """A file made anew may carry the number of one that is gone: nothing of that one is its own."""
        for path in self._new:
            try:
                self._bytes.pop(path.lstat().st_ino, None)
            except OSError:
                continue
        self._new.clear()

    def _sync_directory(self, path: Path) -> None:
        self._names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}

    def _write(self, folder: Path, to: Path) -> None:
        to.mkdir(mode=0o700, exist_ok=True)
        for name, number in self._names.get(folder, {}).items():
            was = folder / name
            if was in self._names:
                self._write(was, to / name)
            elif number in self._bytes or not was.is_dir():
                (to / name).write_bytes(self._bytes.get(number, b""))
                (to / name).chmod(0o600)
            else:
                (to / name).mkdir(mode=0o700)


def copy_folder(folder: Path, to: Path) -> Path:
    """Copy a folder with all below it; returns `to`."""
    return Path(shutil.copytree(folder, to, symlinks=True))
