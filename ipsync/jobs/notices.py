"""Notices: tell people of incidents, each channel once of each beginning and once of each end.

What is owed is in the catalog, so a restart forgets and repeats nothing but what was under way. A channel that fails
is tried ever more rarely and holds up no other; nothing else of ipsync waits for any of them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from ipsync.policy.incidents import Incident
from ipsync.policy.notices import Delivery, after_failing, after_sending, notice_of, owed, trial
from ipsync.ports.catalog import Catalog, CatalogFailure, Transaction
from ipsync.ports.clock import Clock
from ipsync.ports.notify import Channel, NotifyFailure
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_BATCH = 200


class Notices:
    """The one who tells."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        channels: Sequence[Channel],
        application: str,
        link: Callable[[], str],
    ) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            clock: the lease clock.
            channels: whom to tell.
            application: the operator's own name for it.
            link: gives the address of the status page.
        """
        self._catalog = catalog
        self._clock = clock
        self._channels = {channel.name: channel for channel in channels}
        self._application = application
        self._link = link
        self._telling: asyncio.Task[int] | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._channels)

    async def begin(self) -> None:
        """Let `run` go on by itself, unless it does: no stop or reload of the daemon waits for a mail server."""
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._run_quietly(), name="ipsync telling")

    async def close(self) -> None:
        """Cut off what is under way; what was not sent is owed still."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    async def _run_quietly(self) -> int:
        try:
            return await self.run()
        except CatalogFailure as failure:
            _log.error(Event.NOTICE_FAILED, "The catalog could not say who is to be told.", cause=failure)
            return 0

    async def run(self) -> int:
        """Send what is owed and due. Returns how many notices were sent.

        Raises:
            CatalogFailure: it could not be read or written; it is tried again.
        """
        waiting = await self._catalog.read(lambda view: view.open_deliveries(_BATCH))
        gone = [entry for entry, _ in waiting if entry.channel not in self._channels]
        if gone:
            now = self._clock.now()
            # Who was taken out of the configuration is told nothing more.
            await self._catalog.write(lambda tx: tx.put_deliveries([replace(entry, done_at=now) for entry in gone]))
        due: dict[str, list[tuple[Delivery, Incident]]] = {}
        for delivery, incident in waiting:
            if delivery.channel in self._channels and owed(delivery, incident, self._clock.now()):
                due.setdefault(delivery.channel, []).append((delivery, incident))
        return sum(await asyncio.gather(*(self._tell(self._channels[name], rows) for name, rows in due.items())))

    async def _tell(self, channel: Channel, rows: list[tuple[Delivery, Incident]]) -> int:
        """Send one channel what it is owed, in order; the rest waits where one fails."""
        sent = 0
        for delivery, incident in rows:
            try:
                await channel.send(notice_of(incident, self._application, self._link()))
            except NotifyFailure as failure:
                failed = after_failing(delivery, incident, str(failure), self._clock.now())
                _log.warning(
                    Event.NOTICE_FAILED,
                    f"A notice could not be sent: {failure}.",
                    channel=channel.name,
                    incident=incident.incident_id,
                    attempts=failed.attempts,
                    given_up=failed.done_at is not None,
                )
                await self._catalog.write(lambda tx: _put(tx, failed))  # noqa: B023  # reason: awaited at once
                break
            told = after_sending(delivery, incident, self._clock.now())
            await self._catalog.write(lambda tx: _put(tx, told))  # noqa: B023  # reason: awaited at once
            _log.info(Event.NOTICE_SENT, "A notice was sent.", channel=channel.name, incident=incident.incident_id)
            sent += 1
        return sent

    async def try_out(self, only: str | None = None) -> dict[str, str]:
        """Send a test to all channels, or to one. Returns by channel why it failed, "" where it did not."""
        notice = trial(self._application, self._link(), self._clock.now())
        results = {}
        for name, channel in self._channels.items():
            if only in (None, name):
                try:
                    await channel.send(notice)
                    results[name] = ""
                except NotifyFailure as failure:
                    results[name] = str(failure)
        return results


def _put(tx: Transaction, delivery: Delivery) -> None:
    tx.put_deliveries([delivery])
