"""Where the bytes of mirrored files lie: written atomically, read without following links, erased with a look.

Knows keys, never documents, leases or rows: what is to be kept or erased is decided elsewhere.
"""

from ipsync.store.files import FREE_SPACE_FLOOR_BYTES, FileStore

__all__ = ["FREE_SPACE_FLOOR_BYTES", "FileStore"]
