"""Answers on their way out: who is judged by which look at the catalog."""

import asyncio

from ipsync.web.sending import Item, Shipment, Shipments
from tests.web.conftest import eventually


async def test_F23_an_answer_that_begins_during_a_look_is_not_cut_by_it(monkeypatch):
    looking, go_on = asyncio.Event(), asyncio.Event()
    allowed: list[tuple[int, float]] = []

    async def seconds_left(items):
        looking.set()
        await go_on.wait()
        return dict.fromkeys(items, 100.0)

    shipments = Shipments(seconds_left, lambda: None, every_seconds=0.001)
    monkeypatch.setattr(Shipment, "allow", lambda self, seconds: allowed.append((self.item.document_id, seconds)))
    with shipments.shipment(Item(1, "240", b"a")):
        watching = asyncio.create_task(shipments.watch())
        await looking.wait()
        with shipments.shipment(Item(2, "240", b"b")):
            go_on.set()
            await eventually(lambda: (1, 100.0) in allowed and (2, 100.0) in allowed)
            watching.cancel()
    assert {seconds for _, seconds in allowed} == {100.0}
