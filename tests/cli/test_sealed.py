"""What the commands say of sealed documents."""

import json
from collections.abc import Callable

from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror, change_rows

On = Callable[..., Outcome]
HOUR = 3_600_000_000


def seal(mirror: SiteMirror, hours: int) -> str:
    """Let `hours` pass in which ipernity answered nobody. Returns one of the documents."""
    mirror.configure('unverified = "seal"\n')
    change_rows(mirror, f"UPDATE document SET verified_at = verified_at - {hours * HOUR}")
    change_rows(mirror, "INSERT OR REPLACE INTO note (name, value) SELECT 'outage', MIN(verified_at) FROM document")
    return min(mirror.site.permitted(0), key=int)


def test_sealed_documents_are_told_with_their_end(on: On, mirror: SiteMirror) -> None:
    document = seal(mirror, 30)
    due = json.loads(on(mirror, "purge", "--dry-run", "--json").out)["due"]
    assert due == []
    assert json.loads(on(mirror, "purge", "--json").out)["erased"] == 0

    number = len(mirror.site.permitted(0) | mirror.site.permitted(1))
    status = on(mirror, "status")
    assert status.code == 0
    assert f"sealed          {number} documents, hidden: ipernity answers nobody" in status.out
    told = json.loads(on(mirror, "status", "--json").out)
    assert told["documents"]["sealed"] == number
    assert told["sealed_until"] is not None
    assert told["lawful"] is True

    shown = on(mirror, "documents", "show", document)
    assert "sealed: kept, hidden, beyond the law's time" in shown.out
    assert "sealed until" in shown.out
    row = json.loads(on(mirror, "documents", "show", document, "--json").out)
    assert (row["state"], row["served"]) == ("sealed", False)
    assert row["sealed_until"] == row["erase_by"]
    listed = json.loads(on(mirror, "documents", "list", "--state", "sealed", "--json").out)["documents"]
    assert len(listed) == number


def test_what_was_sealed_to_its_end_is_told_honestly(on: On, mirror: SiteMirror) -> None:
    document = seal(mirror, 30)
    on(mirror, "purge")
    change_rows(mirror, f"UPDATE document SET verified_at = verified_at - {6 * 24 * HOUR - 7 * HOUR}")
    done = json.loads(on(mirror, "purge", "--json").out)
    assert done["erased"] > 0
    assert done["breaches"] == 0
    answer = on(mirror, "ledger", "prove", document)
    assert "NOT inside the law's time: it was sealed" in " ".join(answer.out.split())
    (entry,) = json.loads(on(mirror, "ledger", "prove", document, "--json").out)["erased"]
    assert entry["in_time"] is False
    assert entry["evidence"]["entry"]["certificate"] == "sealed; deadline"
