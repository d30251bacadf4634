"""A messenger that remembers, and receivers that answer as they are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ipsync.policy.webhooks import Trouble
from ipsync.ports.webhooks import DeliveryFailure


@dataclass(frozen=True)
class Message:
    """What was sent, taken or not."""

    address: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FakeMessenger:
    """Implements `ports.webhooks.Messenger`.

    Attributes:
        sent: every message, in order, those that were not taken too.
        taken: those that were.
        troubles: why an address takes nothing, by address.
    """

    sent: list[Message] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)
    troubles: dict[str, Trouble] = field(default_factory=dict)

    async def post(self, address: str, headers: Mapping[str, str], body: bytes) -> None:
        message = Message(address, dict(headers), body)
        self.sent.append(message)
        if (trouble := self.troubles.get(address)) is not None:
            raise DeliveryFailure(trouble)
        self.taken.append(message)

    async def close(self) -> None:
        """Nothing is open."""
