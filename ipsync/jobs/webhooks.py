"""Webhooks: tell those who asked for it of every change, in order, until they took it or it is forgotten.

What is owed is the feed behind each webhook's place, a row; this job carries it, and a lost tick loses nothing. One
receiver that is slow or dead holds up nobody but itself: it is tried ever more rarely, and its debt can be seen.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ipsync.policy.addresses import read_hook_address
from ipsync.policy.changes import Place, place_of
from ipsync.policy.instants import Duration, Instant, rfc3339
from ipsync.policy.webhooks import (
    MOST,
    SECRET_BYTES,
    Debt,
    Trouble,
    Webhook,
    WebhookState,
    headers_of,
    message_id,
    new_secret,
)
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.changes import ChangesForgotten, Teller
from ipsync.ports.clock import Clock
from ipsync.ports.webhooks import DeliveryFailure, Messenger
from ipsync.telemetry import Event, Metrics, get_log

_log = get_log(__name__)

_CHANGES = 50
_TURN_PARTS = 17_280
"""What one webhook may take of a run before the others have theirs, as a part of the window: 5 seconds."""


class WebhookRefusedError(Exception):
    """A webhook cannot be added or found; the message says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.remedy = remedy
        super().__init__(message)


class WebhookUnknownError(WebhookRefusedError):
    """No webhook has this number."""


@dataclass(frozen=True, slots=True)
class Told:
    """A webhook, and what it is owed."""

    webhook: Webhook
    debt: Debt


@dataclass(slots=True)
class WebhooksReport:
    """What one run did.

    Attributes:
        messages: that were taken.
        failed: webhooks of which one was not.
    """

    messages: int = 0
    failed: int = 0


class Webhooks:
    """The carrier of changes."""

    def __init__(
        self,
        catalog: Catalog,
        teller: Teller,
        messenger: Messenger,
        clock: Clock,
        window: Duration,
        metrics: Metrics,
        stamp: Callable[[], int | None],
    ) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            teller: tells changes as they may be told now.
            messenger: carries messages.
            clock: the lease clock.
            window: W; pauses between tries are parts of it.
            metrics: shows debts.
            stamp: changes with every commit to the catalog; None when it cannot tell.
        """
        self._catalog = catalog
        self._teller = teller
        self._messenger = messenger
        self._clock = clock
        self._window = window
        self._metrics = metrics
        self._stamp = stamp
        self._idle_at: int | None = None
        self._wait_until: Instant = 0

    async def add(self, address: str) -> Webhook:
        """Take in an address; it is told of what happens from now on.

        Returns:
            The webhook, with its secret: nobody shows it again.

        Raises:
            WebhookRefusedError: nothing may be sent there, or there are too many.
        """
        try:
            address = read_hook_address(address)
        except ValueError as wrong:
            raise WebhookRefusedError(f"this is no address for a webhook: {wrong}") from None
        now, secret = self._clock.now(), new_secret(secrets.token_bytes(SECRET_BYTES))

        def keep(tx: Transaction) -> Webhook:
            held = tx.webhooks()
            if len(held) >= MOST:
                raise WebhookRefusedError(f"there are {MOST} webhooks already", "remove one first")
            if any(webhook.address == address for webhook in held):
                raise WebhookRefusedError("this address has a webhook already", "`ipsync webhook list` shows all")
            place = place_of(tx.newest_change())
            added = Webhook(0, address, secret, WebhookState.ACTIVE, now, place)
            return replace(added, webhook_id=tx.add_webhook(added))

        return await self._catalog.write(keep)

    async def all(self) -> list[Told]:
        """All of them, with what they are owed."""
        return await self._catalog.read(read_told)

    async def remove(self, webhook_id: int) -> Webhook:
        """Forget a webhook, its address and its secret.

        Raises:
            WebhookUnknownError: there is none of this number.
        """

        def drop(tx: Transaction) -> Webhook:
            found = _find(tx, webhook_id)
            tx.drop_webhook(webhook_id)
            return found

        return await self._catalog.write(drop)

    async def test(self, webhook_id: int) -> Trouble | None:
        """Send a message that tells of nothing, now. Returns why it was not taken, or None.

        Raises:
            WebhookUnknownError: there is none of this number.
        """
        webhook = await self._catalog.read(partial(_find, webhook_id=webhook_id))
        now = self._clock.now()
        try:
            await self._post(webhook, f"msg_test_{secrets.token_hex(8)}", "test", {}, now)
        except DeliveryFailure as failure:
            return failure.trouble
        return None

    async def run(self) -> WebhooksReport:
        """Tell every webhook that is due what it is owed, side by side."""
        report, now, stamp = WebhooksReport(), self._clock.now(), self._stamp()
        if stamp is not None and stamp == self._idle_at and now < self._wait_until:
            return report
        found = await self._catalog.read(read_told)
        due = [told.webhook for told in found if told.webhook.is_due(now) and told.debt.changes]
        await asyncio.gather(*(self._serve(webhook, report) for webhook in due))
        after = await self._catalog.read(read_told) if due else found
        now = self._clock.now()
        self._metrics.telling.set_webhooks(
            {
                told.webhook.webhook_id: (
                    told.debt.changes,
                    0 if told.debt.oldest_at is None else now - told.debt.oldest_at,
                )
                for told in after
                if told.webhook.state is WebhookState.ACTIVE
            }
        )
        owed = [told.webhook for told in after if told.debt.changes and told.webhook.state is WebhookState.ACTIVE]
        # Nothing is to do before the next commit, or the next try.
        self._idle_at = stamp
        self._wait_until = min((max(now, webhook.next_try_at) for webhook in owed), default=now + self._window)
        return report

    async def _serve(self, webhook: Webhook, report: WebhooksReport) -> None:
        """Send message after message, until nothing is owed, one is not taken, or others should have their turn."""
        until = self._clock.now() + self._window // _TURN_PARTS
        more = True
        while more and self._clock.now() <= until:
            following, more = await self._send_next(webhook, report)
            if following is None:
                return
            webhook = following

    async def _send_next(self, webhook: Webhook, report: WebhooksReport) -> tuple[Webhook | None, bool]:
        """Send the next message. Returns the webhook as it is then (None: no further), and whether more follows."""
        now = self._clock.now()
        try:
            page = await self._teller.tell(webhook.place, _CHANGES)
        except ChangesForgotten:
            newest = place_of(await self._catalog.read(lambda view: view.newest_change()))
            kind, following, more = "changes.missed", newest, False
            data: dict[str, Any] = {"next_cursor": self._teller.cursor(newest)}
        else:
            kind, following, more = "changes", page.following, page.more
            data = {
                "changes": [change.value for change in page.changes],
                "next_cursor": self._teller.cursor(page.following),
                "more": page.more,
                "told_until": None if page.told_until is None else rfc3339(page.told_until),
            }
            if following == webhook.place:
                return None, False
        try:
            await self._post(webhook, message_id(webhook, following), kind, data, now)
        except DeliveryFailure as failure:
            report.failed += 1
            await self._catalog.write(partial(self._note_failure, sent=webhook, trouble=failure.trouble))
            return None, False
        report.messages += 1
        self._metrics.telling.count_delivery("delivered")
        return await self._catalog.write(partial(self._move, sent=webhook, place=following)), more

    async def _post(self, webhook: Webhook, identifier: str, kind: str, data: dict[str, Any], now: Instant) -> None:
        value = {"type": kind, "timestamp": rfc3339(now), "data": data}
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        await self._messenger.post(webhook.address, headers_of(webhook, identifier, body, now), body)

    def _move(self, tx: Transaction, sent: Webhook, place: Place) -> Webhook | None:
        known = _known(tx, sent)
        if known is None:
            return None
        if known.attempts:
            _log.info(
                Event.WEBHOOK_DELIVERED,
                "A webhook takes messages again.",
                webhook=known.webhook_id,
                attempts=known.attempts,
            )
        moved = known.delivered(place, self._clock.now())
        tx.put_webhook(moved)
        return moved

    def _note_failure(self, tx: Transaction, sent: Webhook, trouble: Trouble) -> None:
        outcome = {Trouble.ENDED: "ended", Trouble.REFUSED: "refused"}.get(trouble, "later")
        self._metrics.telling.count_delivery(outcome)
        known = _known(tx, sent)
        if known is None:
            return
        failed = known.failed(trouble, self._clock.now(), self._window)
        tx.put_webhook(failed)
        if failed.state is WebhookState.ENDED or known.trouble is not trouble:
            _log.warning(
                Event.WEBHOOK_FAILED,
                "A webhook did not take what it is owed.",
                webhook=known.webhook_id,
                reason=trouble.value,
                attempts=failed.attempts,
            )


def _known(view: View, sent: Webhook) -> Webhook | None:
    """The webhook as it is now, unless it was removed or moved meanwhile."""
    for webhook in view.webhooks():
        if (webhook.webhook_id, webhook.added_at, webhook.place) == (sent.webhook_id, sent.added_at, sent.place):
            return webhook
    return None


def _find(view: View, webhook_id: int) -> Webhook:
    for webhook in view.webhooks():
        if webhook.webhook_id == webhook_id:
            return webhook
    raise WebhookUnknownError(f"there is no webhook {webhook_id}", "`ipsync webhook list` shows all")


def read_told(view: View) -> list[Told]:
    """All webhooks, by number, with what they are owed."""
    return [Told(webhook, debt_of(view, webhook)) for webhook in view.webhooks()]


def debt_of(view: View, webhook: Webhook) -> Debt:
    """What a webhook is owed: numbers follow each other without a gap, so that nothing is counted."""
    newest = view.newest_change()
    owed = 0 if newest is None else max(0, newest.sequence - webhook.place.sequence)
    if not owed:
        # A place beyond the newest change is of another history: its receiver must be told.
        ahead = newest is not None and place_of(newest) != webhook.place
        return Debt(int(ahead), newest.at if ahead and newest is not None else None)
    oldest = view.changes_after(webhook.place.sequence, 1)
    return Debt(owed, oldest[0].at if oldest else None)
