"""Backups as files: one tar with the database's copy without content, the tombstones, the ledger's heads, a manifest.

What is in the copy, and why nothing of a work, is told in `catalog.backup`. Reading a backup writes nothing;
putting it back happens file by file, the database last, so that a cut restore leaves no database that serves.
"""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ipsync
from ipsync.catalog.backup import copy_without_content, erase_database, refuse_unfit
from ipsync.catalog.location import heads_file
from ipsync.catalog.migrating import upgrade
from ipsync.catalog.opening import open_catalog
from ipsync.clock import SystemClock
from ipsync.policy.instants import rfc3339
from ipsync.settings import Settings
from ipsync.store.tombstones import tombstones_file

FORMAT = "ipsync backup 1"
DATABASE, TOMBSTONES, HEADS, MANIFEST = "ipsync.db", "ipsync.tombstones", "ipsync.heads", "manifest.json"

_LARGEST_BYTES = 4 << 30
_MODE = 0o600


class BackupUnfitError(Exception):
    """A file is no backup of ours, or not a whole one; the message says why."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written or read.

    Attributes:
        made_at: as text, UTC.
        revision: of the database's schema.
        size_bytes: of the file.
        files: what is in it, by name.
    """

    made_at: str
    revision: str
    accounts: int
    requests: int
    ledger_entries: int
    size_bytes: int
    files: Mapping[str, bytes] = field(repr=False, default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """It in numbers, for scripts."""
        return {
            "made_at": self.made_at,
            "schema": self.revision,
            "accounts": self.accounts,
            "removal_requests": self.requests,
            "ledger_entries": self.ledger_entries,
            "bytes": self.size_bytes,
        }


def write_backup(settings: Settings, target: Path) -> Backup:
    """Write a backup. May run beside a daemon.

    Args:
        settings: what is configured.
        target: a file that does not exist.

    Raises:
        FileExistsError: it exists.
        CatalogFailure: the database cannot be read, or the backup not be written.
    """
    if target.exists():
        raise FileExistsError(target)
    database = settings.database.path
    with tempfile.TemporaryDirectory(prefix=".ipsync-backup-", dir=target.parent) as folder:
        copy = Path(folder) / DATABASE
        kept = copy_without_content(database, copy)
        files = {DATABASE: copy.read_bytes()}
        revision = refuse_unfit(copy)
    for name, path in ((TOMBSTONES, tombstones_file(database)), (HEADS, heads_file(database))):
        if path.is_file():
            files[name] = path.read_bytes()
    made = Backup(
        made_at=rfc3339(SystemClock().now()),
        revision=revision,
        accounts=kept["account"],
        requests=kept["removal_request"],
        ledger_entries=kept["ledger_entry"],
        size_bytes=0,
        files=files,
    )
    _write_tar(target, files | {MANIFEST: _manifest(made)})
    return Backup(**{**_facts(made), "size_bytes": target.stat().st_size, "files": files})


def read_backup(path: Path) -> Backup:
    """Read a backup and look whether it is whole.

    Raises:
        BackupUnfitError: it is none, or not whole.
        CatalogFailure: its database cannot be used by this version.
        OSError: the file cannot be read.
    """
    files = _read_tar(path)
    try:
        said = json.loads(files.pop(MANIFEST))
        if said["format"] != FORMAT:
            raise BackupUnfitError(f"it is of another format: {str(said['format'])[:40]!r}")
        digests = dict(said["sha256"])
    except (KeyError, TypeError, ValueError):
        raise BackupUnfitError("it is no backup of ipsync: it has no manifest that can be read") from None
    if digests != {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}:
        raise BackupUnfitError("it is damaged: what is in it is not what was written")
    if DATABASE not in files:
        raise BackupUnfitError("it has no database in it")
    with tempfile.TemporaryDirectory(prefix="ipsync-restore-") as folder:
        copy = Path(folder) / DATABASE
        copy.write_bytes(files[DATABASE])
        revision = refuse_unfit(copy)
    counts = {name: int(said.get(name, 0)) for name in ("accounts", "removal_requests", "ledger_entries")}
    return Backup(
        made_at=str(said.get("made_at", ""))[:40],
        revision=revision,
        accounts=counts["accounts"],
        requests=counts["removal_requests"],
        ledger_entries=counts["ledger_entries"],
        size_bytes=path.stat().st_size,
        files=files,
    )


def put_back(backup: Backup, settings: Settings) -> None:
    """Put a backup in the place of the database; whoever calls holds the daemon's lock.

    Args:
        backup: as `read_backup` gave it.
        settings: what is configured; its `state_key` must be the one of the backup.

    Raises:
        CatalogCorrupt: it was made with another state_key; what was there is still there.
        CatalogFailure: a file cannot be written.
        OSError: likewise.
    """
    database = settings.database.path
    with tempfile.TemporaryDirectory(prefix=".ipsync-restore-", dir=database.parent) as folder:
        place = Path(folder)
        _write(place / DATABASE, backup.files[DATABASE])
        url = f"sqlite:///{DATABASE}"
        upgrade(url, place)
        # Opening proves that the state_key is the one under which grants are sealed.
        open_catalog(url, place, settings.secrets.state_key_bytes(), inline=True).close_now()
        erase_database(database)
        if TOMBSTONES in backup.files and not tombstones_file(database).exists():
            _write(tombstones_file(database), backup.files[TOMBSTONES])
        if HEADS in backup.files and not heads_file(database).exists():
            _write(heads_file(database), backup.files[HEADS])
        (place / DATABASE).rename(database)
    descriptor = os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _facts(backup: Backup) -> dict[str, Any]:
    names = ("made_at", "revision", "accounts", "requests", "ledger_entries")
    return {name: getattr(backup, name) for name in names}


def _manifest(backup: Backup) -> bytes:
    said = {
        "format": FORMAT,
        "version": ipsync.__version__,
        **backup.as_json(),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in backup.files.items()},
    }
    return json.dumps(said, indent=1).encode()


def _write_tar(target: Path, files: Mapping[str, bytes]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), _MODE
            tar.addfile(entry, io.BytesIO(content))
    _write(target, buffer.getvalue())


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_tar(path: Path) -> dict[str, bytes]:
    """What a tar holds under our own names; anything else in it is a reason to refuse it."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, mode="r:") as tar:
            for entry in tar:
                known = entry.name in (DATABASE, TOMBSTONES, HEADS, MANIFEST) and entry.name not in found
                if not known or not entry.isfile() or entry.size > _LARGEST_BYTES:
                    raise BackupUnfitError(f"it holds what no backup of ipsync does: {entry.name[:60]!r}")
                content = tar.extractfile(entry)
                found[entry.name] = b"" if content is None else content.read()
    except (tarfile.TarError, EOFError):
        raise BackupUnfitError("it is no backup of ipsync: not a tar file, or a cut one") from None
    return found
