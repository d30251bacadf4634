"""`ipsync removal queue|grant|decline`: what the operator sees of those who ask without proof (T11)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ipsync.clock import SystemClock
from ipsync.policy.petitions import new_petition
from ipsync.policy.requests import RequestScope, Subject, Words
from tests.cli.test_removal import Mirror
from tests.fakes.command_line import Outcome


@pytest.fixture
def mirror(tmp_path: Path, cli: Callable[..., Outcome]) -> Mirror:
    """Somebody asks for document 5, with a contact that would move the cursor, and for 77, which is not held."""
    mirror = Mirror(tmp_path, cli)
    catalog = mirror.open()
    now, lease = SystemClock().now(), mirror.settings.rules().lease
    for document_id, words in ((5, Words("olga@\x1b[2Jexample.org", "mine")), (77, None)):
        petition = new_petition(Subject(RequestScope.DOCUMENT, document_id), f"token {document_id}", now, lease)
        catalog.write_now(lambda tx, petition=petition, words=words: tx.put_petition(petition, words))
    catalog.close_now()
    return mirror


def test_T11_the_queue_tells_who_asks_until_when_and_what_to_type(mirror: Mirror) -> None:
    shown = mirror("queue")
    assert shown.code == 0, shown.err
    assert "\x1b" not in shown.out
    assert "ipsync removal grant PETITION" in shown.out
    first, second = mirror.json("queue")["petitions"]  # type: ignore[misc]  # reason: JSON
    assert (first["document_id"], first["contact"], first["outcome"]) == ("5", "olga@\x1b[2Jexample.org", None)  # type: ignore[index]  # reason: JSON
    assert second["petition_id"] == "2"  # type: ignore[index]  # reason: JSON
    assert mirror.json("queue", "--limit", "1")["next_after"] == "1"


def test_T11_granting_erases_and_declining_does_not(mirror: Mirror) -> None:
    granted = mirror("grant", "1")
    assert granted.code == 0, granted.err
    assert "ipsync removal show 1" in granted.out
    assert mirror.json("show", "1")["gone_at"] is not None
    assert mirror.json("decline", "2")["outcome"] == "declined"
    assert mirror("queue").out.startswith("Nobody waits for a decision.")
    assert {entry["outcome"] for entry in mirror.json("queue", "--all")["petitions"]} == {"granted", "declined"}  # type: ignore[index,attr-defined]  # reason: JSON


def test_what_cannot_be_decided_says_why(mirror: Mirror) -> None:
    assert mirror("decline", "2").code == 0
    again = mirror("grant", "2")
    assert (again.code, again.err.count("decided already: declined")) == (1, 1)
    unknown = mirror("grant", "9")
    assert unknown.code == 1
    assert "there is no petition 9" in unknown.err
