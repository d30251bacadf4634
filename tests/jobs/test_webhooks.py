"""Whoever asked is told of everything in order, however long it takes, and of nothing that may not be shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from ipsync.jobs.feed import FeedKeeper
from ipsync.jobs.webhooks import WebhookRefusedError, Webhooks
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.webhooks import MOST, Trouble, WebhookState, signature
from ipsync.web import ChangeTeller, Cursors
from tests.fakes.messenger import FakeMessenger, Message
from tests.fakes.processes import files_with
from tests.jobs.household import Household

ADDRESS = "https://gallery.example.org/canary-address"


class Desk:
    """The webhooks of a household, and what their receivers heard."""

    def __init__(self, house: Household) -> None:
        self.house = house
        self.messenger = FakeMessenger()
        site = "https://www.ipernity.test"
        teller = ChangeTeller(house.catalog, house.clock, lambda: house.rules, site, Cursors("admin"))
        catalog, clock, metrics = house.catalog, house.clock, house.metrics
        self.webhooks = Webhooks(catalog, teller, self.messenger, clock, DAY, metrics, lambda: None)

    async def told(self) -> list[tuple[str, str | None]]:
        """Let the job run, and give what was taken meanwhile: the word and the document of each change."""
        before = len(self.messenger.taken)
        self.house.passes(SECOND)
        await self.webhooks.run()
        return [
            (change["change"], change["document_id"])
            for message in self.messenger.taken[before:]
            for change in data(message).get("changes", [])
        ]

    async def debt(self) -> tuple[int, int]:
        (told,) = await self.webhooks.all()
        age = 0 if told.debt.oldest_at is None else self.house.clock.now() - told.debt.oldest_at
        assert self.value("ipsync_webhook_debt") == told.debt.changes
        return told.debt.changes, age // HOUR

    def value(self, name: str, **labels: str) -> float | None:
        return self.house.metrics.registry.get_sample_value(name, labels or {"webhook": "1"})


def data(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.body)["data"]
    return found


@pytest.fixture
def desk(house: Household) -> Desk:
    return Desk(house)


async def test_what_happens_is_told_in_order_and_signed(house: Household, desk: Desk) -> None:
    one, two = await house.member(7, 2)
    await house.sync()
    webhook = await desk.webhooks.add(ADDRESS)
    assert await desk.told() == []  # from now on, not before
    house.source.delete(one)
    house.source.add_document(7)
    await house.sync()
    assert await desk.told() == [("appeared", str(two + 1)), ("hidden", str(one))]
    (message,) = desk.messenger.taken
    headers = message.headers
    signed = signature(webhook.secret, headers["Webhook-Id"], int(headers["Webhook-Timestamp"]), message.body)
    assert headers["Webhook-Signature"] == signed
    assert "document" not in data(message)["changes"][1]
    assert data(message)["changes"][0]["document"]["owner"]["name"] == "member7"
    await house.confirm()
    await house.purge()
    assert await desk.told() == [("gone", str(one))]
    assert await desk.debt() == (0, 0)


async def test_F33_hostile_titles_travel_as_they_are_in_signed_json(house: Household, desk: Desk) -> None:
    webhook = await desk.webhooks.add(ADDRESS)
    titles = ["</script><script>alert(1)</script>", "\u202egpj.exe\u200b", 'a\r\n\r\n{"type": "test"}\x00', "🌅" * 1000]
    await house.member(7, 0)
    for title in reversed(titles):  # the newest is listed first
        house.source.add_document(7, title=title)
    await house.sync()
    await desk.told()
    (message,) = desk.messenger.taken
    assert [change["document"]["title"] for change in data(message)["changes"]] == titles
    headers = message.headers
    signed = signature(webhook.secret, headers["Webhook-Id"], int(headers["Webhook-Timestamp"]), message.body)
    assert headers["Webhook-Signature"] == signed
    assert not any(title in value for title in titles for value in headers.values())


async def test_many_changes_are_many_messages_in_one_run(house: Household, desk: Desk) -> None:
    await desk.webhooks.add(ADDRESS)
    numbers = await house.member(7, 120)
    await house.sync()
    told = await desk.told()
    assert sorted(told) == [("appeared", str(number)) for number in numbers]
    assert [data(message)["more"] for message in desk.messenger.taken] == [True, True, False]
    assert len({message.headers["Webhook-Id"] for message in desk.messenger.taken}) == 3


async def test_what_is_not_taken_is_owed_and_tried_again(house: Household, desk: Desk) -> None:
    await desk.webhooks.add(ADDRESS)
    (one,) = await house.member(7, 1)
    await house.sync()
    desk.messenger.troubles[ADDRESS] = Trouble.UNREACHABLE
    for _ in range(20):
        assert await desk.told() == []
    assert len(desk.messenger.sent) < 4  # it waits longer each time
    house.passes(3 * HOUR)
    assert await desk.told() == []
    assert await desk.debt() == (1, 3)
    names = {message.headers["Webhook-Id"] for message in desk.messenger.sent}
    assert len(names) == 1
    (told,) = await desk.webhooks.all()
    assert (told.webhook.trouble, told.webhook.failed_at) == (Trouble.UNREACHABLE, house.clock.now())
    assert desk.value("ipsync_webhook_deliveries_total", outcome="later") == told.webhook.attempts

    desk.messenger.troubles.clear()
    house.passes(HOUR)
    assert await desk.told() == [("appeared", str(one))]
    assert desk.messenger.taken[0].headers["Webhook-Id"] in names
    (told,) = await desk.webhooks.all()
    assert (told.webhook.trouble, told.webhook.attempts, told.debt.changes) == (None, 0, 0)


async def test_a_dead_receiver_holds_up_nobody(house: Household, desk: Desk) -> None:
    for number in range(3):
        await desk.webhooks.add(f"{ADDRESS}{number}")
    desk.messenger.troubles[f"{ADDRESS}1"] = Trouble.SLOW
    await house.member(7, 1)
    await house.sync()
    await desk.told()
    assert sorted(message.address for message in desk.messenger.taken) == [f"{ADDRESS}0", f"{ADDRESS}2"]


async def test_a_receiver_that_wants_nothing_more_is_left_alone(house: Household, desk: Desk) -> None:
    await desk.webhooks.add(ADDRESS)
    desk.messenger.troubles[ADDRESS] = Trouble.ENDED
    await house.member(7, 1)
    await house.sync()
    await desk.told()
    house.passes(2 * HOUR)
    await desk.told()
    assert len(desk.messenger.sent) == 1
    (told,) = await desk.webhooks.all()
    assert (told.webhook.state, told.debt.changes) == (WebhookState.ENDED, 1)
    assert desk.value("ipsync_webhook_debt") is None  # nobody is owed what nobody wants


async def test_what_was_shown_then_and_is_not_now_is_told_as_hidden(house: Household, desk: Desk) -> None:
    """A message is made anew for each try: a lease that ended meanwhile, or an owner's second thought, count."""
    (one,) = await house.member(7, 1)
    await desk.webhooks.add(ADDRESS)
    await house.sync()
    desk.messenger.troubles[ADDRESS] = Trouble.BUSY
    await desk.told()
    assert b"Document" in desk.messenger.sent[0].body
    house.passes(20 * HOUR + MINUTE)
    desk.messenger.troubles.clear()
    assert await desk.told() == [("hidden", str(one))]
    assert b"Document" not in desk.messenger.taken[0].body


async def test_who_was_away_too_long_is_told_to_read_everything_anew(house: Household, desk: Desk) -> None:
    await desk.webhooks.add(ADDRESS)
    desk.messenger.troubles[ADDRESS] = Trouble.UNREACHABLE
    await house.member(7, 2)
    await house.sync()
    await desk.told()
    house.passes(8 * DAY)
    await house.sync()
    await FeedKeeper(house.catalog, house.clock, 7 * DAY).run()
    desk.messenger.troubles.clear()
    await desk.told()
    kinds = [json.loads(message.body)["type"] for message in desk.messenger.taken]
    assert kinds == ["changes.missed"]
    house.source.add_document(7)
    await house.sync()
    assert [word for word, _ in await desk.told()] == ["appeared"]


async def test_one_that_is_removed_while_it_is_told_stays_removed(house: Household, desk: Desk) -> None:
    await desk.webhooks.add(ADDRESS)
    await house.member(7, 1)
    await house.sync()
    post = desk.messenger.post

    async def removed(*message: Any) -> None:
        await desk.webhooks.remove(1)
        await post(*message)

    desk.messenger.post = removed  # type: ignore[method-assign]  # reason: the operator acts in the middle
    await desk.told()
    assert await desk.webhooks.all() == []
    await desk.told()
    assert desk.value("ipsync_webhook_debt") is None


async def test_what_cannot_be_added_says_why(desk: Desk) -> None:
    with pytest.raises(WebhookRefusedError, match="not public"):
        await desk.webhooks.add("https://10.0.0.1/")
    for number in range(MOST):
        await desk.webhooks.add(f"{ADDRESS}{number}")
    with pytest.raises(WebhookRefusedError, match="20 webhooks already"):
        await desk.webhooks.add(ADDRESS)
    await desk.webhooks.remove(3)
    with pytest.raises(WebhookRefusedError, match="has a webhook already"):
        await desk.webhooks.add(f"{ADDRESS}1")
    with pytest.raises(WebhookRefusedError, match="no webhook 3"):
        await desk.webhooks.test(3)


async def test_a_try_tells_of_nothing(desk: Desk) -> None:
    await desk.webhooks.add(ADDRESS)
    assert await desk.webhooks.test(1) is None
    assert json.loads(desk.messenger.taken[0].body) | {"timestamp": ""} == {"type": "test", "timestamp": "", "data": {}}
    desk.messenger.troubles[ADDRESS] = Trouble.CERTIFICATE
    assert await desk.webhooks.test(1) is Trouble.CERTIFICATE


async def test_T05_neither_address_nor_secret_lies_in_clear_nor_any_word_of_what_was_erased(
    house: Household, desk: Desk, tmp_path: Path
) -> None:
    webhook = await desk.webhooks.add(ADDRESS)
    one = (await house.member(7, 0), house.source.add_document(7, title="canary-title"))[1]
    await house.mirror()
    desk.messenger.troubles[ADDRESS] = Trouble.SLOW
    await desk.told()
    house.source.delete(one)
    await house.sync()
    await house.confirm()
    await house.purge()
    house.passes(HOUR)
    await desk.told()
    marks = [webhook.secret.removeprefix("whsec_"), "canary-address", "canary-title"]
    assert sum(files_with(tmp_path, marks).values()) == 0
    desk.messenger.troubles.clear()
    house.passes(2 * HOUR)
    await desk.told()
    assert b"canary-title" not in desk.messenger.taken[-1].body
