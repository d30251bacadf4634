"""The ledger beside the purge: what is called gone has its entry, and nothing else has one (I8)."""

import pytest

from ipsync.catalog.heads import read_heads
from ipsync.catalog.ledger_keys import is_signed
from ipsync.jobs.ledger import check_ledger
from ipsync.policy.removals import Reason, Stage
from tests.jobs.household import Household


async def test_I8_each_removal_that_is_gone_has_one_entry_and_the_chain_holds(house: Household) -> None:
    mine = await house.member(7, 6)
    await house.mirror()
    for number in mine[:4]:
        house.source.delete(number)
    await house.sync()
    assert house.catalog.read_now(lambda view: view.ledger_entries_of(document_id=mine[0])) == []
    await house.confirm()
    await house.purge()
    await house.purge()

    gone = house.catalog.read_now(lambda view: view.removals(stages={Stage.GONE}))
    entries = [entry for entry in house.catalog.read_now(lambda view: view.ledger_entries(0, 100)) if entry.removal]
    assert {entry.removal for entry in entries} == {removal.removal_id for removal in gone}
    assert len(entries) == 4
    for entry in entries:
        assert (entry.kind, entry.reason, entry.files) == ("gone", Reason.DELETED.value, 2)
        assert entry.first_unsafe_at <= entry.detected_at <= entry.hidden_at <= entry.confirmed_at <= entry.gone_at
        assert entry.gone_at <= entry.erase_by
        assert "?" not in entry.certificate, "a word of our own evidence is not known to policy.ledger"

    check = await check_ledger(house.catalog, read_heads(house.folder / "ipsync.db-heads"), is_signed)
    assert check.findings == []
    assert check.heads


async def test_I8_a_purge_that_fails_to_say_gone_says_it_once_later(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    for number in mine:
        house.source.delete(number)
    await house.sync()
    await house.confirm()

    def fails(*_: object) -> None:
        raise LookupError("in the middle of saying gone")

    with monkeypatch.context() as patch:
        patch.setattr("ipsync.catalog.work.SqlTransaction.settle_requests", fails)
        with pytest.raises(LookupError):
            await house.purge()
    entries = house.catalog.read_now(lambda view: view.ledger_entries(0, 100))
    assert [entry for entry in entries if entry.kind == "gone"] == []
    await house.purge()
    entries = house.catalog.read_now(lambda view: view.ledger_entries(0, 100))
    assert len([entry for entry in entries if entry.kind == "gone"]) == 2
    check = await check_ledger(house.catalog, read_heads(house.folder / "ipsync.db-heads"), is_signed)
    assert check.findings == []
