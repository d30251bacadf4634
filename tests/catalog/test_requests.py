"""Owners' requests on SQLite: every question by an index, and no word of an owner left."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ipsync.catalog import SqliteCatalog
from ipsync.policy.instants import DAY
from ipsync.policy.requests import Holding, RequestScope, Subject, Words, new_request
from ipsync.ports.catalog import Transaction, View
from tests.catalog.test_plans import plan_of, scanned
from tests.fakes.catalogs import LEASE, NOW, a_document, a_removal
from tests.fakes.processes import files_with

DOCUMENT, ACCOUNT = Subject(RequestScope.DOCUMENT, 5, 1), Subject(RequestScope.ACCOUNT, 1, 1)
SMALL = {"tally", "numbers"}

QUESTIONS: dict[str, Callable[[View], object]] = {
    "one": lambda view: view.removal_request(1),
    "page": lambda view: view.removal_requests(after=3, limit=5),
    "open": lambda view: view.removal_requests(open_only=True),
    "of a subject": lambda view: view.removal_requests_of(DOCUMENT),
    "not outside": lambda view: view.requests_not_outside(10),
    "words": lambda view: view.request_words([1, 2]),
    "a document": lambda view: view.holding(DOCUMENT),
    "an account": lambda view: view.holding(ACCOUNT),
    "tombstones": lambda view: view.tombstones_after(3, 5),
}
CHANGES: dict[str, Callable[[Transaction], object]] = {
    "settle": lambda tx: tx.settle_requests(NOW),
    "lift": lambda tx: tx.lift_tombstone(5, NOW),
    "doom an account": lambda tx: tx.doom_account_by_request(1, NOW, LEASE),
}


@pytest.fixture
def filled(catalog: SqliteCatalog) -> SqliteCatalog:
    def work(tx: Transaction) -> None:
        tx.add_documents([a_document(number, number % 2 + 1) for number in range(1, 101)])
        tx.add_removals([a_removal(number, number % 2 + 1) for number in range(1, 51)])
        for subject in (DOCUMENT, ACCOUNT):
            tx.put_removal_request(new_request(subject, Holding(), 0, NOW, LEASE), Words("a", "b"))

    catalog.write_now(work)
    return catalog


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_goes_through_a_whole_table(filled: SqliteCatalog, question: str) -> None:
    steps = plan_of(filled, lambda: filled.read_now(QUESTIONS[question]))
    assert steps
    # An index of the few that are not written down yet is gone through, whole, in its order.
    steps = [step for step in steps if not step.endswith("INDEX removal_request_not_outside")]
    assert scanned(steps) <= SMALL, steps


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_goes_through_documents_or_removals(filled: SqliteCatalog, change: str) -> None:
    steps = plan_of(filled, lambda: filled.write_now(CHANGES[change]))
    assert steps
    assert not scanned(steps) & {"document", "removal", "tombstone", "rendition"}, steps


def test_T11_forgotten_words_are_nowhere(catalog: SqliteCatalog, tmp_path: Path) -> None:
    canaries = [f"canary-{name}-{number}-end" for name in ("contact", "note") for number in range(50)]

    def work(tx: Transaction) -> None:
        for number in range(50):
            request = new_request(DOCUMENT, Holding(), 0, NOW, LEASE)
            tx.put_removal_request(request, Words(canaries[number], canaries[50 + number] * (number + 1)))

    catalog.write_now(work)
    catalog.write_now(lambda tx: tx.settle_requests(NOW))
    assert sum(files_with(tmp_path, canaries).values()) >= 100
    assert catalog.write_now(lambda tx: tx.forget_words(NOW + DAY)) == 50
    assert catalog.scrub_now()
    assert sum(files_with(tmp_path, canaries).values()) == 0
    assert len(catalog.read_now(lambda view: view.removal_requests())) == 50
