"""What a drill is: a word that ends by itself, and marks only what our own source told of."""

from dataclasses import replace

import pytest

from ipsync.policy.documents import Visibility
from ipsync.policy.drills import Drill, marked, read_drill
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.ledger import without_content
from ipsync.policy.removals import Reason, Removal, Scope, Stage

NOW = 1_795_000_000 * SECOND
DRILL = Drill(5, 1, Visibility.PUBLIC, NOW, NOW + DAY)
REMOVAL = Removal(5, 1, Reason.DELETED, Stage.CONFIRMED, Scope.DOCUMENT, NOW, NOW, NOW, NOW + DAY, NOW + DAY)


def test_it_is_written_down_and_read_back() -> None:
    assert read_drill(DRILL.encode()) == DRILL


@pytest.mark.parametrize("noted", [None, "", "null", "[]", "{", '{"document_id": 5}', DRILL.encode().replace("4", "9")])
def test_what_cannot_be_read_is_no_drill(noted: str | None) -> None:
    assert read_drill(noted) is None


def test_it_ends_by_itself() -> None:
    assert [DRILL.is_on(at) for at in (NOW - 1, NOW, NOW + DAY - 1, NOW + DAY)] == [False, True, True, False]


def test_what_our_source_told_is_marked() -> None:
    told = replace(REMOVAL, certificate="pages=1 total=3; doc.get error 1")
    drill = marked(DRILL, told, NOW + HOUR)

    assert (drill.reason, drill.certificate) == (Reason.DRILL, "pages=1 total=3; doc.get error 1; drill")
    assert without_content(drill.certificate) == drill.certificate
    assert marked(DRILL, REMOVAL, NOW).certificate == "drill"


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.UNSHARED, Reason.DELETED}))
def test_what_is_no_drill_stays_what_it_is(reason: Reason) -> None:
    other = replace(REMOVAL, reason=reason)

    assert marked(DRILL, other, NOW) is other


def test_other_documents_and_other_times_are_no_drill() -> None:
    assert marked(None, REMOVAL, NOW) is REMOVAL
    assert marked(DRILL, REMOVAL, NOW + DAY) is REMOVAL
    other = replace(REMOVAL, document_id=6)
    assert marked(DRILL, other, NOW) is other
