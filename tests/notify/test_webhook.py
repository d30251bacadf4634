"""A web address that is told: what it gets, how it is signed, what is said where it takes nothing."""

import base64
import hashlib
import hmac
import json

import pytest

from ipsync.notify import WebhookChannel
from ipsync.policy.incidents import Condition, Incident
from ipsync.policy.instants import HOUR, SECOND
from ipsync.policy.notices import Notice, notice_of, trial
from ipsync.policy.webhooks import Trouble
from ipsync.ports.notify import NotifyFailure
from tests.fakes.messenger import FakeMessenger

ADDRESS = "https://hooks.wall.test/canary-path"
SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-hook").decode()
NOW = 1_795_000_000 * SECOND
LOST = Incident(Condition.GRANT_LOST, "7", 3, NOW - HOUR, incident_id=12)


def channel(messenger: FakeMessenger) -> WebhookChannel:
    return WebhookChannel(messenger, ADDRESS, SECRET, lambda: NOW)


def notice(incident: Incident = LOST) -> Notice:
    return notice_of(incident, "Our wall", "https://mirror.test/status")


async def test_a_receiver_can_tell_who_sent_it_and_what_it_is() -> None:
    messenger = FakeMessenger()
    await channel(messenger).send(notice())

    (message,) = messenger.taken
    assert message.address == ADDRESS
    assert json.loads(message.body) == {
        "type": "incident.opened",
        "data": {**notice().facts, "headline": "[Our wall] Account 7 took its grant back", "text": notice().text},
    }
    headers = message.headers
    assert headers["Webhook-Timestamp"] == str(NOW // SECOND)
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + message.body
    right = base64.b64encode(hmac.new(b"canary-secret-of-the-hook", signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{right}"


async def test_beginning_end_and_test_are_three_messages_and_each_is_itself_when_tried_again() -> None:
    messenger = FakeMessenger()
    over = Incident(Condition.GRANT_LOST, "7", 3, NOW - HOUR, resolved_at=NOW, incident_id=12)
    for each in (notice(), notice(), notice(over), trial("Our wall", "", NOW)):
        await channel(messenger).send(each)
    assert [json.loads(message.body)["type"] for message in messenger.sent] == [
        "incident.opened",
        "incident.opened",
        "incident.resolved",
        "test",
    ]
    ids = [message.headers["Webhook-Id"] for message in messenger.sent]
    assert (ids[0] == ids[1], len(set(ids))) == (True, 3)


@pytest.mark.parametrize("trouble", Trouble)
async def test_F35_a_failure_says_why_and_neither_address_nor_secret(trouble: Trouble) -> None:
    with pytest.raises(NotifyFailure) as failure:
        await channel(FakeMessenger(troubles={ADDRESS: trouble})).send(notice())
    assert str(failure.value) == f"the webhook was not taken: {trouble.value}"
    assert "canary" not in str(failure.value)
