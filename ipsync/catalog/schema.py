"""Which schema this version of ipsync speaks, and whether a database has it.

Asked at every start, so it does without Alembic; `migrating.py` changes the schema.
"""

from sqlalchemy import Connection, inspect, text

from ipsync.ports.catalog import CatalogNewer, CatalogOutdated

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0011", "0007", "0006", "0009", "0010", "0008", "0012")
"""Every revision in `migrations/versions`, in the order in which they are made; numbers need not follow each other."""

HEAD = REVISIONS[-1]
"""The newest of them."""

_UPGRADE = "run `ipsync db upgrade`"


def revision(connection: Connection) -> str | None:
    """The revision a database is at; None when it has no schema yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def demand_head(connection: Connection) -> None:
    """Refuse a database this version cannot work with.

    Raises:
        CatalogNewer: a newer version made it.
        CatalogOutdated: its schema is older, or missing.
    """
    found = revision(connection)
    if found is None:
        raise CatalogOutdated(f"the database has no tables yet: {_UPGRADE}")
    if found not in REVISIONS:
        raise CatalogNewer(
            f"the database has schema {found}, made by a newer ipsync; this one knows {HEAD}: "
            "install the newer one, or restore the backup that was made before the upgrade"
        )
    if found != HEAD:
        raise CatalogOutdated(f"the database has schema {found}, this ipsync needs {HEAD}: {_UPGRADE}")
