"""Which file `database.url` means, and making it so that nobody else can read it."""

import os
from pathlib import Path

from ipsync.ports.catalog import CatalogFailure

_PREFIX = "sqlite:///"


def database_file(url: str, base: Path) -> Path:
    """Turn `database.url` into a path.

    Args:
        url: `sqlite:///ipsync.db` (relative to `base`) or `sqlite:////var/lib/ipsync/ipsync.db`.
        base: the folder of the configuration file.

    Raises:
        CatalogFailure: it names no SQLite file.
    """
    name = url.removeprefix(_PREFIX)
    if not url.startswith(_PREFIX) or not name or name.startswith(":") or set(name) & set("?#\0"):
        scheme = url.split(":", 1)[0]
        raise CatalogFailure(
            f"database.url: cannot use this {scheme!r} address: write sqlite:///ipsync.db for a file beside "
            "the configuration, or sqlite:////var/lib/ipsync/ipsync.db for one elsewhere"
        )
    return base.absolute() / name


def create_privately(path: Path) -> None:
    """Make an empty database file with mode 0600 if there is none; SQLite gives its log the same mode.

    An existing file is not opened: closing it would drop the locks of this process's connections.

    Raises:
        CatalogFailure: its folder is missing or may not be written.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise CatalogFailure(f"database.url: cannot create {path}: {error.strerror}") from error
    os.close(descriptor)


def open_beside(database: Path, path: Path) -> int:
    """Open a small file that belongs to the file `database`, making it for the same owner if need be.

    Raises:
        CatalogFailure: the folder may not be written, or a link lies there.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CatalogFailure(f"database.url: cannot write {path}: {error.strerror}") from error
    if os.geteuid() == 0:
        # A command run by root must not lock the daemon's own user out.
        owner = database.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def writer_lock_file(path: Path) -> Path:
    """Where the gate of writers lies (see `gate.py`)."""
    return path.with_name(f"{path.name}-writer")


def reserve_file(path: Path) -> Path:
    """Where room is kept for a full disk (see `reserve.py`)."""
    return path.with_name(f"{path.name}-reserve")


def heads_file(path: Path) -> Path:
    """Where copies of the ledger's signed heads lie (see `heads.py`)."""
    return path.with_name(f"{path.name}-heads")


def log_file(path: Path) -> Path:
    """Where SQLite keeps its write-ahead log."""
    return path.with_name(f"{path.name}-wal")
