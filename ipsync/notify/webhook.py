"""A web address that is told of incidents: JSON, signed as the feed's webhooks are, carried by the same messenger."""

import hashlib
import json
from collections.abc import Callable

from ipsync.policy.instants import SECOND, Instant
from ipsync.policy.notices import Notice
from ipsync.policy.webhooks import signature
from ipsync.ports.notify import NotifyFailure
from ipsync.ports.webhooks import DeliveryFailure, Messenger


class WebhookChannel:
    """Posts notices to an address of the operator's."""

    name = "webhook"

    def __init__(self, messenger: Messenger, address: str, secret: str, now: Callable[[], Instant]) -> None:
        """Prepare.

        Args:
            messenger: carries messages.
            address: as `policy.addresses.read_hook_address` let it pass.
            secret: by which messages are signed: `whsec_` and base64.
            now: the lease clock; receivers refuse what is old.
        """
        self._messenger = messenger
        self._address = address
        self._secret = secret
        self._now = now

    async def send(self, notice: Notice) -> None:
        """Post it. The same notice has the same `Webhook-Id`, however often it is tried.

        Raises:
            NotifyFailure: it was not taken.
        """
        end = notice.facts.get("resolved_at")
        kind = "test" if notice.facts.get("condition") == "test" else "incident.resolved" if end else "incident.opened"
        message = {"type": kind, "data": {**notice.facts, "headline": notice.subject, "text": notice.text}}
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        identifier = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        timestamp_seconds = self._now() // SECOND
        headers = {
            "Content-Type": "application/json",
            "Webhook-Id": identifier,
            "Webhook-Timestamp": str(timestamp_seconds),
            "Webhook-Signature": signature(self._secret, identifier, timestamp_seconds, body),
        }
        try:
            await self._messenger.post(self._address, headers, body)
        except DeliveryFailure as failure:
            raise NotifyFailure(f"the webhook was not taken: {failure.trouble.value}") from None
        finally:
            # Incidents are rare: nothing is kept open for the next.
            await self._messenger.close()
