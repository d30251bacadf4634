"""What a sweep did not name is hidden in bulk, and to the letter as the rule for one document says."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipsync.catalog import SqliteCatalog
from ipsync.policy.documents import Document, DocumentState, Visibility
from ipsync.policy.instants import DAY
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.sweeping import suspect
from ipsync.ports.catalog import Transaction
from tests.fakes.catalogs import NOW, a_document, a_removal, an_account, fresh_catalog

SEAL = Lease(DAY, 7 * DAY)
BEFORE, SENT, LATER = NOW, NOW + 5, NOW + 7
INSTANTS = st.integers(NOW - 3, NOW + 9)

documents = st.builds(
    a_document,
    st.integers(1, 10**6),
    st.integers(1, 2),
    state=st.sampled_from(DocumentState),
    verified_at=INSTANTS,
    absent_at=st.none() | INSTANTS,
    hidden_at=st.none() | INSTANTS,
    visibility=st.sampled_from((Visibility.PUBLIC, Visibility.FRIENDS)),
)


class Undo(Exception):
    """Ends an example: the transaction leaves nothing to the next one."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteCatalog]:
    catalog = fresh_catalog(Path(tmp_path_factory.mktemp("bulk")), inline=True)
    catalog.write_now(lambda tx: [tx.put_account(an_account(number)) for number in (1, 2)])
    yield catalog
    catalog.close_now()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.lists(documents, max_size=20, unique_by=lambda entry: entry.document_id),
    owed=st.sets(st.integers(0, 19), max_size=3),
)
def test_F13_the_statement_agrees_with_the_rule(shared: SqliteCatalog, held: list[Document], owed: set[int]) -> None:
    removals = [a_removal(held[index].document_id, held[index].account_id) for index in owed if index < len(held)]
    owed_ids = {removal.document_id for removal in removals}

    def is_unnamed(document: Document) -> bool:
        return (
            document.account_id == 1
            and document.facts.visibility is Visibility.PUBLIC
            and document.state in (DocumentState.LIVE, DocumentState.STALE, DocumentState.SEALED)
            and document.verified_at < BEFORE
        )

    def expected(document: Document) -> Document:
        if not is_unnamed(document):
            return document
        return suspect(document, Reason.UNSHARED, SENT, LATER, SEAL, "pages=1")[0]

    def work(tx: Transaction) -> None:
        tx.add_documents(held)
        tx.add_removals(
            [a_removal(number, next(d.account_id for d in held if d.document_id == number)) for number in owed_ids]
        )
        hidden = tx.suspect_unnamed(1, Visibility.PUBLIC, BEFORE, SENT, LATER, SEAL, "pages=1")
        after = {document.document_id: expected(document) for document in held}
        assert tx.documents(after) == after
        unnamed = [document for document in held if is_unnamed(document)]
        assert hidden == len(unnamed)
        new = {
            removal.document_id: replace(removal, removal_id=0)
            for removal in tx.removals(stages=set(Stage))
            if removal.document_id not in owed_ids
        }
        assert new == {
            document.document_id: suspect(document, Reason.UNSHARED, SENT, LATER, SEAL, "pages=1")[1]
            for document in unnamed
            if document.document_id not in owed_ids
        }
        raise Undo

    with pytest.raises(Undo):
        shared.write_now(work)
