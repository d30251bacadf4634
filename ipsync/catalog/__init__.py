"""What ipsync knows, on SQLite: `ports.catalog` by SQLModel's tables and SQLAlchemy Core.

Only this package knows of SQL. Importing it takes most of a second, so commands do it when they need it.
"""

from ipsync.catalog.budget_book import CatalogBudgetBook
from ipsync.catalog.failures import CatalogConflict, CatalogFull
from ipsync.catalog.migrating import Upgraded, current, head, upgrade
from ipsync.catalog.opening import open_catalog
from ipsync.catalog.unit_of_work import SqliteCatalog

__all__ = [
    "CatalogBudgetBook",
    "CatalogConflict",
    "CatalogFull",
    "SqliteCatalog",
    "Upgraded",
    "current",
    "head",
    "open_catalog",
    "upgrade",
]
