"""Giving a database the schema of this version: `ipsync db upgrade` and `ipsync db current`.

All steps happen in one transaction: a database is at one revision or another, never between. Alembic
is imported only here, when it is needed, since that takes half a second.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ipsync.assets import asset_folder
from ipsync.catalog import schema
from ipsync.catalog.gate import WriterGate
from ipsync.catalog.location import create_privately, database_file
from ipsync.catalog.sqlite import fails_as, reading_engine, writing_engine

_BUSY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did: the revision before (None: no schema) and after."""

    before: str | None
    after: str


def head() -> str:
    """The revision this version of ipsync needs."""
    return schema.HEAD


def current(url: str, base: Path) -> str | None:
    """The revision the database is at; None when there is no database or no schema in it.

    Args:
        url: `database.url`.
        base: the folder of the configuration file.

    Raises:
        CatalogFailure: the address or the file cannot be used.
    """
    path = database_file(url, base)
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        with reading_engine(path, _BUSY_SECONDS).connect() as connection:
            return schema.revision(connection)
    except DBAPIError as error:
        raise fails_as(error) from error


def upgrade(url: str, base: Path) -> Upgraded:
    """Make the database if there is none, and give it this version's schema. May be repeated.

    Args:
        url: `database.url`.
        base: the folder of the configuration file.

    Raises:
        CatalogOutdated: a newer ipsync made it.
        CatalogBusy: another process writes to it and does not finish.
        CatalogFailure: the address or the file cannot be used.
    """
    path = database_file(url, base)
    create_privately(path)
    gate = WriterGate(path, _BUSY_SECONDS)
    try:
        with gate, writing_engine(path, _BUSY_SECONDS).connect() as connection, connection.begin():
            before = schema.revision(connection)
            if before is not None and before not in schema.REVISIONS:
                schema.demand_head(connection)
            if before != schema.HEAD:
                _run_migrations(connection)
            return Upgraded(before, schema.HEAD)
    except DBAPIError as error:
        raise fails_as(error) from error
    finally:
        gate.close()


def _run_migrations(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    configuration = Config(attributes={"connection": connection})
    configuration.set_main_option("script_location", str(asset_folder("migrations")).replace("%", "%%"))
    command.upgrade(configuration, "head")
