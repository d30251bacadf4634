"""Incidents are counted where they are logged, and kept for a report."""

import pytest

from ipsync.jobs.history import HistoryKeeper
from ipsync.policy.history import NOTE, day_of, read_history
from ipsync.ports.catalog import CatalogFailure
from ipsync.telemetry import Event, get_log, observe_events
from tests.jobs.household import Household


async def test_what_is_logged_is_counted_and_kept(house: Household) -> None:
    keeper = HistoryKeeper(house.catalog, house.clock)
    stop = observe_events(keeper.count)
    log = get_log("ipsync.test")
    log.warning(Event.CLOCK_STEPPED, "As when a wall clock is set back.")
    log.error(Event.STORE_FULL, "No room.")
    log.error(Event.STORE_FULL, "No room.")
    log.info(Event.SYNC_SWEEP_DONE, "Nothing to tell an auditor of.")
    stop()
    log.error(Event.STORE_FULL, "Nobody counts any more.")

    await keeper.run()
    await keeper.run()

    history = read_history(house.catalog.read_now(lambda view: view.note(NOTE)))
    assert history.incidents == {day_of(house.clock.now()): {"clock.stepped": 1, "store.full": 2}}


async def test_what_could_not_be_written_is_tried_again(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = HistoryKeeper(house.catalog, house.clock)
    keeper.count(Event.BUDGET_STOPPED)

    async def fails(_work: object) -> None:
        raise CatalogFailure("busy")

    with monkeypatch.context() as patch:
        patch.setattr(house.catalog, "write", fails)
        with pytest.raises(CatalogFailure):
            await keeper.run()
    await keeper.run()

    history = read_history(house.catalog.read_now(lambda view: view.note(NOTE)))
    assert list(history.incidents.values()) == [{"budget.stopped": 1}]
