"""The way into the catalog: from the words of the configuration to an open `SqliteCatalog`."""

from pathlib import Path

from ipsync.catalog.location import database_file
from ipsync.catalog.sealing import Sealing
from ipsync.catalog.unit_of_work import SqliteCatalog
from ipsync.ports.catalog import CatalogMissing

_LOG_LIMIT_BYTES = 4 << 20


def open_catalog(
    url: str,
    base: Path,
    state_key: bytes,
    *,
    checkpoints: bool = True,
    busy_seconds: float = 10.0,
    inline: bool = False,
) -> SqliteCatalog:
    """Open the catalog, which `upgrade` has made.

    Args:
        url: `database.url`, e.g. `sqlite:///ipsync.db`.
        base: the folder of the configuration file.
        state_key: the secret under which tokens are sealed.
        checkpoints: whether this process moves the write-ahead log into the database. One process
            does: the daemon, or a command that holds the daemon's lock. Others say False.
        busy_seconds: how long a writer waits for another process's.
        inline: run all work in the caller's thread, which then waits. For virtual time, where a
            thread would be overtaken by the clock.

    Raises:
        CatalogMissing: there is no such database.
        CatalogOutdated: its schema is not this version's.
        CatalogCorrupt: it is damaged, or was made with another state_key.
        CatalogFailure: the address or the file cannot be used.
    """
    path = database_file(url, base)
    if not path.exists():
        raise CatalogMissing(f"there is no database at {path} yet: run `ipsync db upgrade`")
    catalog = SqliteCatalog(
        path,
        Sealing(state_key),
        checkpoints=checkpoints,
        busy_seconds=busy_seconds,
        log_limit_bytes=_LOG_LIMIT_BYTES,
        inline=inline,
    )
    try:
        catalog.prove()
    except BaseException:
        catalog.close_now()
        raise
    return catalog
