"""What SQL answers agrees with the rules and with plain counting, on random catalogs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipsync.catalog import SqliteCatalog
from ipsync.catalog.merging import stronger
from ipsync.catalog.removals import OWED_STAGES
from ipsync.policy.documents import DocumentState, RenditionState, Tombstone
from ipsync.policy.removals import Reason, Removal, Scope, Stage, is_due
from ipsync.ports.catalog import Transaction
from ipsync.ports.store import ContentKey
from tests.fakes.catalogs import LEASE, NOW, a_document, a_removal, a_stored_rendition, an_account, fresh_catalog

INSTANTS = st.integers(NOW - 3, NOW + 3)


class Undo(Exception):
    """Ends an example: the transaction leaves nothing to the next one."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteCatalog]:
    catalog = fresh_catalog(Path(tmp_path_factory.mktemp("agreement")), inline=True)
    catalog.write_now(lambda tx: [tx.put_account(an_account(number)) for number in (1, 2)])
    yield catalog
    catalog.close_now()


def undone(catalog: SqliteCatalog, work: Callable[[Transaction], None]) -> None:
    def all_of_it(tx: Transaction) -> None:
        work(tx)
        raise Undo

    with pytest.raises(Undo):
        catalog.write_now(all_of_it)


removals = st.builds(
    a_removal,
    st.integers(1, 10**6),
    st.integers(1, 2),
    stage=st.sampled_from(Stage),
    scope=st.sampled_from(Scope),
    reason=st.sampled_from(Reason),
    erase_from=INSTANTS,
    erase_by=INSTANTS,
    next_try_at=INSTANTS,
    first_unsafe_at=INSTANTS,
    detected_at=INSTANTS,
    hidden_at=INSTANTS,
    confirmed_at=st.none() | INSTANTS,
)
unique = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@unique
@given(entries=st.lists(removals, max_size=25, unique_by=lambda entry: entry.document_id), limit=st.integers(1, 30))
def test_due_removals_are_those_of_the_rule(shared: SqliteCatalog, entries: list[Removal], limit: int) -> None:
    def work(tx: Transaction) -> None:
        tx.add_removals(entries)
        everything = tx.removals()
        assert len(everything) == len(entries)
        due = [entry for entry in everything if is_due(entry, NOW)]
        assert tx.due_removals(NOW, limit) == due[:limit]
        waiting = [entry for entry in everything if entry.stage is Stage.SUSPECTED and entry.next_try_at <= NOW]
        waiting.sort(key=lambda entry: (entry.erase_from, entry.removal_id))
        assert tx.suspicions(NOW, limit) == waiting[:limit]

    undone(shared, work)


owed_removals = removals.filter(lambda entry: entry.stage in OWED_STAGES)


@given(held=owed_removals, added=owed_removals)
def test_nothing_gets_weaker_or_later_by_a_second_removal(held: Removal, added: Removal) -> None:
    united = stronger(held, added)
    assert OWED_STAGES.index(united.stage) == max(OWED_STAGES.index(entry.stage) for entry in (held, added))
    for name in ("erase_by", "erase_from", "first_unsafe_at", "detected_at", "hidden_at"):
        assert getattr(united, name) == min(getattr(held, name), getattr(added, name))
    for now in (NOW - 3, NOW, NOW + 3):
        if is_due(added, now) and added.stage is not Stage.SUSPECTED and held.stage is Stage.SUSPECTED:
            assert is_due(united, now)
    confirmed = [entry.reason for entry in (held, added) if entry.stage is not Stage.SUSPECTED]
    assert united.reason in (confirmed or [held.reason])
    if Reason.OWNER_REQUEST in confirmed:
        assert united.reason is Reason.OWNER_REQUEST
    assert stronger(united, added) == united
    assert (united.removal_id, united.document_id) == (held.removal_id, held.document_id)


IDS = st.integers(1, 12)
NAMES = st.sampled_from(("240", "original"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), IDS, st.sampled_from(DocumentState), st.integers(1, 2)),
        st.tuples(st.just("update"), IDS, st.sampled_from(DocumentState), st.integers(1, 2)),
        st.tuples(st.just("forget"), IDS),
        st.tuples(st.just("file"), IDS, NAMES, st.sampled_from(RenditionState), st.integers(0, 9)),
        st.tuples(st.just("state"), IDS, NAMES, st.sampled_from(RenditionState)),
        st.tuples(st.just("drop"), IDS, NAMES),
        st.tuples(st.just("tombstone"), IDS, st.integers(1, 2)),
        st.tuples(st.just("return"), IDS),
        st.tuples(st.just("owe"), IDS, st.sampled_from(Stage)),
        st.tuples(st.just("doom"), st.integers(1, 2)),
    ),
    max_size=40,
)


def step(tx: Transaction, verb: str, *words: Any) -> None:  # noqa: C901  # reason: a plain list of verbs
    match verb, words:
        case "add", (number, state, owner):
            if number not in tx.documents([number]):
                tx.add_documents([a_document(number, owner, state=state)])
        case "update", (number, state, owner):
            tx.update_documents([a_document(number, owner, state=state)])
        case "forget", (number,):
            tx.forget_documents([number])
        case "file", (number, name, state, size):
            for document in tx.documents([number]).values():
                owner = document.account_id
                tx.put_renditions([a_stored_rendition(number, name, owner, state=state, size_bytes=size)])
        case "state", (number, name, state):
            tx.set_rendition_state([ContentKey(1, number, name)], state)
        case "drop", (number, name):
            tx.drop_renditions([ContentKey(2, number, name)])
        case "tombstone", (number, owner):
            tx.put_tombstones([Tombstone(number, owner, "deleted", NOW)])
        case "return", (number,):
            tx.drop_tombstones([number])
        case "owe", (number, stage):
            tx.add_removals([a_removal(number, stage=stage)])
        case "doom", (owner,):
            tx.doom_account(owner, Reason.GRANT_LOST, NOW, LEASE)


@unique
@given(steps=STEPS)
def test_the_tally_is_what_counting_finds(shared: SqliteCatalog, steps: list[tuple[Any, ...]]) -> None:
    def count(tx: Transaction, statement: str) -> dict[Any, Any]:
        return {tuple(row[:-2]): tuple(row[-2:]) for row in tx._connection.exec_driver_sql(statement)}

    def work(tx: Transaction) -> None:
        for entry in steps:
            step(tx, *entry)
        counted = {
            ("document", *key): found
            for key, found in count(
                tx, "SELECT account_id, state, count(*), 0 FROM document GROUP BY account_id, state"
            ).items()
        }
        counted |= {
            ("rendition", *key): found
            for key, found in count(
                tx, "SELECT account_id, state, count(*), sum(size_bytes) FROM rendition GROUP BY account_id, state"
            ).items()
        }
        counted |= {
            ("tombstone", *key): found
            for key, found in count(tx, "SELECT account_id, '', count(*), 0 FROM tombstone GROUP BY account_id").items()
        }
        counted |= {
            ("removal", *key): found
            for key, found in count(
                tx, "SELECT account_id, stage, count(*), 0 FROM removal GROUP BY account_id, stage"
            ).items()
        }
        tally = count(tx, "SELECT kind, account_id, state, number, size_bytes FROM tally WHERE number <> 0")
        assert tally == counted
        empty = count(tx, "SELECT kind, account_id, state, number, size_bytes FROM tally WHERE number = 0")
        assert set(empty.values()) <= {(0, 0)}

    undone(shared, work)
