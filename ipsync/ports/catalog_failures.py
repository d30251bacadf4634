"""How the catalog fails, sorted by what the caller does next: wait, make room, look at the disk, or end the process.

A message is ours: it names a file and a remedy, never a value of a row.
"""


class CatalogFailure(Exception):
    """The catalog could not do it; nothing of the work happened."""


class CatalogBusy(CatalogFailure):
    """Another process held the database too long."""


class CatalogFull(CatalogFailure):
    """The disk has no room left (F3). Reading works, and removing should be tried again."""


class CatalogOutdated(CatalogFailure):
    """The database has not the schema of this version; the message names the remedy."""


class CatalogNewer(CatalogOutdated):
    """A newer ipsync made the schema: this one can neither read it nor change it back."""


class CatalogCorrupt(CatalogFailure):
    """The database contradicts itself, or its secrets do not fit `state_key` (F5)."""


class StateKeyWrong(CatalogCorrupt):
    """The database is whole as far as is known, but was made with another `state_key`: only the operator can help."""


class CatalogMissing(CatalogOutdated):
    """There is no database."""


class CatalogLost(CatalogFailure):
    """This process may not use the catalog any more. It must end, not retry; a boot gate follows."""


class CatalogBroken(CatalogLost):
    """The disk answered an error while writing: nobody knows what is on it (design §6, F4)."""


class CatalogFenced(CatalogLost):
    """Another process began a newer epoch: what this one believes is out of date (F27)."""
