"""No question that is asked often goes through a whole table, and none sorts what an index has in order."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ipsync.catalog import SqliteCatalog
from ipsync.catalog.handle import Handle
from ipsync.policy.documents import DocumentState, ListedDocument, RenditionState, Tombstone, Visibility
from ipsync.policy.removals import Reason, Scope, Stage
from ipsync.policy.tripwire import Tripwire
from ipsync.ports.catalog import Alike, Transaction, View
from ipsync.ports.store import ContentKey
from tests.fakes.catalogs import (
    LEASE,
    NOW,
    a_document,
    a_removal,
    a_rendition,
    a_stored_rendition,
    an_account,
    facts,
    fresh_catalog,
    with_details,
)

LIVE = DocumentState.LIVE
SMALL = {"account", "listing", "tally", "numbers", "job_run", "budget", "budget_spent", "budget_rate"}
"""Tables with a few rows per member at most, and the list of numbers that came with the question."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteCatalog]:
    catalog = fresh_catalog(Path(tmp_path_factory.mktemp("plans")), inline=True)

    def work(tx: Transaction) -> None:
        for account_id in (1, 2):
            tx.put_account(an_account(account_id))
        tx.add_documents([with_details(number, account_id=number % 2 + 1) for number in range(1, 101)])
        tx.add_documents([a_document(number, number % 2 + 1) for number in range(101, 201)])
        tx.put_renditions([a_rendition(number, account_id=number % 2 + 1) for number in range(1, 51)])
        tx.put_renditions([a_stored_rendition(number, account_id=number % 2 + 1) for number in range(51, 101)])
        for stage in Stage:
            tx.add_removals([a_removal(number, stage=stage) for number in range(1, 11)])

    catalog.write_now(work)
    yield catalog
    catalog.close_now()


class _Explaining:
    """A connection of the driver that says first what SQLite will do."""

    def __init__(self, driver: sqlite3.Connection, plans: list[list[str]]) -> None:
        self._driver = driver
        self._plans = plans

    def execute(self, statement: str, parameters: tuple[object, ...] = ()) -> sqlite3.Cursor:
        self._explain(statement, parameters)
        return self._driver.execute(statement, parameters)

    def executemany(self, statement: str, rows: list[tuple[object, ...]]) -> sqlite3.Cursor:
        self._explain(statement, rows[0])
        return self._driver.executemany(statement, rows)

    def _explain(self, statement: str, parameters: tuple[object, ...]) -> None:
        plan = self._driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        self._plans.append([row[3] for row in plan])


def plan_of(_catalog: SqliteCatalog, run: Callable[[], object]) -> list[str]:
    """What SQLite says it will do for every statement that `run` makes the catalog execute."""
    plans: list[list[str]] = []
    whole = Handle.__init__

    def begin(self: Any, *given: Any, **options: Any) -> None:
        whole(self, *given, **options)
        self._driver = _Explaining(self._driver, plans)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handle, "__init__", begin)
        run()
    assert plans
    return [step for plan in plans for step in plan]


def scanned(steps: list[str]) -> set[str]:
    """The tables that are gone through whole."""
    found = {step.split()[1] for step in steps if step.startswith("SCAN ")}
    return {"numbers" if name.startswith("anon_") else name for name in found}


WIRE = Tripwire(1, certificate_id=1, tripped_at=NOW, missing=1, held=1, first_removal=1, last_removal=5)

ALIKE = Alike(1, LIVE, facts(), (1, b"photo", 1, 1, 4, 1))

QUESTIONS: dict[str, Callable[[View], object]] = {
    "documents": lambda view: view.documents([1, 2]),
    "unchanged": lambda view: view.unchanged(1, [ListedDocument(2, facts())], NOW, NOW - 1),
    "documents_after": lambda view: view.documents_after(5, 10),
    "documents_after live": lambda view: view.documents_after(5, 10, states={LIVE}, verified_since=1),
    "documents_after account": lambda view: view.documents_after(5, 10, account_id=1, states={LIVE}),
    "alike": lambda view: view.documents_alike(ALIKE, 5, 10),
    "unverified": lambda view: view.documents_unverified_since(NOW + 1, 10, states=set(DocumentState)),
    "unverified account": lambda view: view.documents_unverified_since(
        NOW + 1, 10, states={LIVE}, account_id=1, visibility=Visibility.PUBLIC
    ),
    "wanting details": lambda view: view.documents_wanting_details(10),
    "detailed": lambda view: view.documents_detailed_before(NOW, 10),
    "tombstones": lambda view: view.tombstones([1, 2]),
    "renditions": lambda view: view.renditions([1, 2]),
    "with files": lambda view: view.documents_with_files_after(5, 10),
    "wanted": lambda view: view.wanted_renditions(NOW, 10),
    "stored": lambda view: view.renditions_stored_before(NOW, ["240", "original"], 10),
    "known": lambda view: view.known_files([ContentKey(1, 1, "240")]),
    "removal": lambda view: view.removal(1),
    "removals": lambda view: view.removals(),
    "removals account": lambda view: view.removals(account_id=1),
    "due": lambda view: view.due_removals(NOW, 10),
    "certificates of": lambda view: view.certificates_of([a_removal(1, removal_id=1)]),
    "certificates": lambda view: view.certificates(before=9, limit=10),
    "tripwires account": lambda view: view.tripwires(account_id=1, active_only=False),
    "open suspicions": lambda view: view.open_suspicions(1, 5),
    "suspicions at": lambda view: view.suspicions_at(1, [1, 5]),
    "held": lambda view: view.held_documents(1),
    "verified": lambda view: view.verified_documents(1, Visibility.PUBLIC, NOW),
    "newest removal": lambda view: view.newest_removal(),
    "figures": lambda view: view.figures(),
    "wanted without": lambda view: view.wanted_renditions(NOW, 10, {1}),
    "holdings": lambda view: view.holdings(),
    "account figures": lambda view: view.account_figures(),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_by_an_index(filled: SqliteCatalog, question: str) -> None:
    steps = plan_of(filled, lambda: filled.read_now(QUESTIONS[question]))
    assert steps
    assert scanned(steps) <= SMALL, steps
    if question not in {"wanted", "wanted without", "due", "figures"}:
        assert not [step for step in steps if "TEMP B-TREE" in step], steps


MAY_SORT: dict[str, tuple[Callable[[View], object], str]] = {
    "removals of documents": (lambda view: view.removals(document_ids=[1]), "removal_by_document"),
    "suspicions": (lambda view: view.suspicions(NOW, 10), "removal_suspected"),
    "due": (lambda view: view.due_removals(NOW, 10), "removal_suspected"),
    "outcome": (lambda view: view.outcome_of(WIRE), "INTEGER PRIMARY KEY"),
    "hidden": (lambda view: view.documents_after(5, 10, states={DocumentState.STALE}), "document_by_age"),
}


@pytest.mark.parametrize("question", MAY_SORT)
def test_what_is_sorted_is_few(filled: SqliteCatalog, question: str) -> None:
    ask, index = MAY_SORT[question]
    steps = plan_of(filled, lambda: filled.read_now(ask))
    assert scanned(steps) <= SMALL, steps
    assert any(index in step for step in steps), steps


CHANGES: dict[str, Callable[[Transaction], object]] = {
    "renew": lambda tx: tx.renew([1, 2], NOW + 5),
    "update": lambda tx: tx.update_documents([a_document(1)]),
    "forget": lambda tx: tx.forget_documents([199, 200]),
    "tombstones": lambda tx: tx.put_tombstones([Tombstone(1, 1, "deleted", NOW)]),
    "drop tombstones": lambda tx: tx.drop_tombstones([1]),
    "state": lambda tx: tx.set_rendition_state([ContentKey(1, 2, "240")], RenditionState.ERASING),
    "drop renditions": lambda tx: tx.drop_renditions([ContentKey(1, 2, "240")]),
    "owe": lambda tx: tx.add_removals([a_removal(1, stage=Stage.CONFIRMED), a_removal(500, scope=Scope.FILES)]),
    "update removals": lambda tx: tx.update_removals(tx.removals(limit=2)),
    "doom": lambda tx: tx.doom_account(1, Reason.GRANT_LOST, NOW, LEASE),
    "end grant": lambda tx: tx.end_grant(1, NOW, "removed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_finds_its_rows_by_an_index(filled: SqliteCatalog, change: str) -> None:
    steps = plan_of(filled, lambda: filled.write_now(CHANGES[change]))
    assert scanned(steps) <= SMALL, steps


def test_a_renewal_goes_by_number_and_moves_one_index(filled: SqliteCatalog) -> None:
    """Two indexes that hold verified_at would halve how many documents a second can be renewed."""
    steps = plan_of(filled, lambda: filled.write_now(CHANGES["renew"]))
    assert "SEARCH document USING INTEGER PRIMARY KEY (rowid=?)" in steps
    indexes = filled.read_now(
        lambda view: view._connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'document' AND sql LIKE '%verified_at%'"
        ).all()
    )
    assert len(indexes) == 1
