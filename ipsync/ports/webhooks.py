"""What the webhooks ask of the world: a place in the catalog, and somebody who carries a message."""

from collections.abc import Mapping
from typing import Protocol

from ipsync.policy.webhooks import Trouble, Webhook


class DeliveryFailure(Exception):
    """A message was not taken, as far as is known; `trouble` says why, without a word of the other side."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        super().__init__(trouble.value)


class Messenger(Protocol):
    """Carries one message to one address."""

    async def post(self, address: str, headers: Mapping[str, str], body: bytes) -> None:
        """Hand a message over; what is answered beside the status is not looked at.

        It may arrive twice, where it is not known that it arrived once. No redirection is followed.

        Args:
            address: that `policy.addresses.read_hook_address` let pass.
            headers: of the message.
            body: at most some hundred kilobytes.

        Raises:
            DeliveryFailure: it was not taken.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class WebhookView(Protocol):
    """The questions about webhooks."""

    def webhooks(self) -> list[Webhook]:
        """All of them, by number, with addresses and secrets in clear."""
        ...


class WebhookChanges(Protocol):
    """The changes to webhooks."""

    def add_webhook(self, webhook: Webhook) -> int:
        """Keep a new one, address and secret sealed. Returns its number."""
        ...

    def put_webhook(self, webhook: Webhook) -> None:
        """Replace what changes of one, by its number: all but address, secret and `added_at`. None is made anew."""
        ...

    def drop_webhook(self, webhook_id: int) -> None:
        """Forget one, address and secret too."""
        ...
