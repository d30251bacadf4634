"""What the ledger must tell of what went (I8), and what a recovery must leave alone (I11).

Here too the product is looked at from outside: what was held and is not any more has its entry, whatever the
product's own table of removals says; and whoever recovers twice finds what there was after the first time.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ipsync.policy.instants import HOUR, Duration, Instant
from ipsync.policy.ledger import EntryKind
from ipsync.policy.removals import Scope
from tests.simulation.life import Life, files_on_disk
from tests.simulation.picture import CONTENT

TOLD_IN: Duration = HOUR
"""What went is in the ledger by then, if the daemon serves meanwhile."""

Left = dict[str, Any]
"""What a recovery left behind, by kind: files, and the rows of some tables."""


@dataclass
class Receipts:
    """Which documents went, as seen from outside, and how often.

    Attributes:
        held: documents of which anything was held when it was last looked at.
        went: how often each was held and then was not.
        went_at: when that was last seen.
    """

    held: set[int] = field(default_factory=set)
    went: Counter[int] = field(default_factory=Counter)
    went_at: dict[int, Instant] = field(default_factory=dict)

    def look(self, held: set[int], now: Instant) -> None:
        """Take note of what is held now, in files or rows."""
        for number in self.held - held:
            self.went[number] += 1
            self.went_at[number] = now
        self.held = held

    def untold(self, life: Life, now: Instant) -> list[int]:
        """Documents that went more often than the ledger tells."""
        due = [number for number in self.went if now - max(self.went_at[number], life.serving_since) >= TOLD_IN]
        return life.base.catalog.read_now(
            lambda view: [
                number
                for number in due
                if self.went[number]
                > sum(
                    entry.kind == EntryKind.GONE and entry.scope == Scope.DOCUMENT
                    for entry in view.ledger_entries_of(document_id=number)
                )
            ]
        )


def left_by_recovery(life: Life) -> Left:
    """Everything that another recovery at the same instant must find and leave as it is."""
    tables = {name: queries for name, queries in CONTENT.items() if name != "budget"}

    def look(connection: Any) -> Left:
        cursor: sqlite3.Cursor = connection.connection.cursor()
        left: Left = {
            name: sorted(map(repr, (row for query in queries for row in cursor.execute(query))))
            for name, queries in tables.items()
        }
        left["tombstones"] = sorted(cursor.execute("SELECT * FROM tombstone"))
        left["told"] = cursor.execute("SELECT count(*) FROM ledger_entry WHERE kind != 'started'").fetchone()
        return left

    return {**life.base.catalog._look(look), "on disk": sorted(files_on_disk(life.machine).values())}
