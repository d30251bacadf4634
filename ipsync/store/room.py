"""How much room is left on the disks of copies and database, for whoever must know before it is too little (F3)."""

from pathlib import Path

from ipsync.policy.incidents import Room
from ipsync.store.disk import free_bytes_at
from ipsync.store.files import FREE_SPACE_FLOOR_BYTES

DATABASE_FLOOR_BYTES = 64 << 20
"""With less room than this, the disk of the database counts as full."""


def rooms_of(store: Path, database: Path) -> dict[str, Room]:
    """What is left, by place; one place where both lie on the same disk.

    Args:
        store: the folder of the copies.
        database: the file.
    """
    floors = {"store": FREE_SPACE_FLOOR_BYTES, "database": DATABASE_FLOOR_BYTES}
    free = {"store": free_bytes_at(store), "database": free_bytes_at(database.parent)}
    if free["store"] == free["database"]:
        del free["database"]
    return {place: Room(left, floors[place]) for place, left in free.items() if left is not None}
