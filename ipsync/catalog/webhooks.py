"""Webhooks on record. Addresses may hold secrets too: both are sealed, and bound to the moment they were added."""

from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.tables import METADATA
from ipsync.catalog.webhook_tables import WebhookRow
from ipsync.policy.changes import Place
from ipsync.policy.webhooks import Trouble, Webhook, WebhookState

_WEBHOOK = METADATA.tables[WebhookRow.__tablename__]
_CHANGING = (
    "state",
    "sequence",
    "document_id",
    "at",
    "delivered_at",
    "attempts",
    "next_try_at",
    "failed_at",
    "trouble",
)

_ALL = select(_WEBHOOK).order_by(_WEBHOOK.c.webhook_id)
_ADD = insert(_WEBHOOK)
_PUT = (
    update(_WEBHOOK)
    .where(_WEBHOOK.c.webhook_id == bindparam("number"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)
_DROP = delete(_WEBHOOK).where(_WEBHOOK.c.webhook_id == bindparam("number"))


class WebhookReading(Handle):
    """The questions about webhooks."""

    def webhooks(self) -> list[Webhook]:
        """All of them, by number, with addresses and secrets in clear."""
        return [self._webhook(row) for row in self._rows(_ALL)]

    def _webhook(self, row: AnyRow) -> Webhook:
        secret, _, address = self._sealing.open_text(_purpose(row.added_at), row.sealed).partition("\n")
        with decoding("webhook"):
            return Webhook(
                webhook_id=row.webhook_id,
                address=address,
                secret=secret,
                state=WebhookState(row.state),
                added_at=row.added_at,
                place=Place(row.sequence, row.document_id, row.at),
                delivered_at=row.delivered_at,
                attempts=row.attempts,
                next_try_at=row.next_try_at,
                failed_at=row.failed_at,
                trouble=Trouble(row.trouble) if row.trouble else None,
            )


class WebhookWriting(WebhookReading):
    """The changes to webhooks."""

    def add_webhook(self, webhook: Webhook) -> int:
        """Keep a new one, address and secret sealed. Returns its number."""
        sealed = self._sealing.seal_text(_purpose(webhook.added_at), f"{webhook.secret}\n{webhook.address}")
        return self._add(_ADD, sealed=sealed, added_at=webhook.added_at, **_changing(webhook))

    def put_webhook(self, webhook: Webhook) -> None:
        """Replace what changes of one, by its number: all but address, secret and `added_at`. None is made anew."""
        values = {f"new_{name}": value for name, value in _changing(webhook).items()}
        self._do(_PUT, number=webhook.webhook_id, **values)

    def drop_webhook(self, webhook_id: int) -> None:
        """Forget one, address and secret too."""
        self._do(_DROP, number=webhook_id)


def _changing(webhook: Webhook) -> dict[str, Any]:
    return {
        "state": webhook.state.value,
        "sequence": webhook.place.sequence,
        "document_id": webhook.place.document_id,
        "at": webhook.place.at,
        "delivered_at": webhook.delivered_at,
        "attempts": webhook.attempts,
        "next_try_at": webhook.next_try_at,
        "failed_at": webhook.failed_at,
        "trouble": "" if webhook.trouble is None else webhook.trouble.value,
    }


def _purpose(added_at: int) -> bytes:
    return b"ipsync webhook %d" % added_at
