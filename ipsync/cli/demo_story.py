"""What happens in the demo: owners share, change, take away; an auditor looks until the mirror has followed.

Nobody here tells ipsync anything.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ipsync.assembly import Base, open_works
from ipsync.cli.demo_auditor import Auditor
from ipsync.cli.demo_owners import RESERVED_LICENSE, SHARED_LICENSE, Owner
from ipsync.cli.demo_values import Act, DemoFailedError, Withdrawal
from ipsync.cli.session import counted
from ipsync.clock import monotonic_microseconds
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import SECOND
from ipsync.policy.removals import OPEN_STAGES
from ipsync.ports.catalog import View
from ipsync.settings import Settings
from ipsync.simulator import Simulator
from ipsync.simulator.media.jpeg import picture

REVOKED = "permission revoked"

_PATIENCE_PARTS = 1.0
"""How much of a window the demo waits for anything before it says that something is wrong."""
_MIRROR_PATIENCE_PARTS = 4.0
_LOOK_SECONDS = 0.05
_PUBLIC = 4


class Teller(Protocol):
    """Who is told what happens."""

    def __call__(
        self, who: str, event: str, what: str, *, documents: int | None = None, after_seconds: float | None = None
    ) -> None:
        """Hear of it; the arguments are those of `demo_values.Happening`."""


def now_seconds() -> float:
    """The kernel's monotonic clock; only distances mean anything."""
    return monotonic_microseconds() / SECOND


class Story:
    """The acts, one after the other."""

    def __init__(
        self,
        simulator: Simulator,
        base: Base,
        settings: Settings,
        auditor: Auditor,
        pictures: Path,
        tell: Teller,
        require_daemon: Callable[[], None],
        pause_seconds: float,
    ) -> None:
        """Prepare the scene.

        Args:
            simulator: the site.
            base: the mirror's database, opened beside the daemon.
            settings: of the mirror.
            auditor: who looks.
            pictures: a folder for what owners upload.
            tell: told what happens.
            require_daemon: raises `DemoFailedError` when the daemon has ended.
            pause_seconds: between the acts, for whoever watches.
        """
        self._simulator = simulator
        self._base = base
        self._settings = settings
        self._auditor = auditor
        self._pictures = pictures
        self._tell = tell
        self._require_daemon = require_daemon
        self._pause_seconds = pause_seconds
        self._painted = 0
        self.owners = [Owner(simulator, index) for index in range(len(simulator.members))]
        self.acts: list[Act] = []
        self.mirrored = 0
        self.authorizations = 0

    async def begin(self) -> None:
        """Every member lets the application in; everything permitted is mirrored."""
        for owner in self.owners:
            await self._authorize(owner)
            await asyncio.to_thread(owner.open_client)
        await self._until(self._is_whole, "everything that members share is mirrored", _MIRROR_PATIENCE_PARTS)
        self.mirrored = sum(len(self.permitted_of(owner)) for owner in self.owners)
        words = f"mirrored {counted(self.mirrored, 'photo')} of {len(self.owners)} members, with their files"
        self._tell("ipsync", "mirrored", words, documents=self.mirrored)

    async def round(self) -> None:
        """Owners take something away, give something, and one takes everything away."""
        first, second, last = self.owners[0], self.owners[1], self.owners[-1]
        await self._pause()
        private = await self._take(first, "made private", 2, partial(Owner.share, public=False))
        await self._take(first, "deleted", 2, Owner.delete)
        await self._take(second, "relicensed", 2, partial(Owner.license, number=RESERVED_LICENSE))
        await self._take(second, "shown to friends only", 1, partial(Owner.share, public=False, friends=True))
        await self._wait_gone()
        await self._pause()
        await self._give(first, private, second)
        await self._pause()
        await self._replace(second)
        await self._pause()
        await self._revoke(last)
        await self._wait_gone()
        await self._pause()

    async def _pause(self) -> None:
        await asyncio.sleep(self._pause_seconds)

    async def bring_back(self) -> None:
        """Make a next round possible: what can be shared again is, and who left comes back."""
        for act in self.acts:
            if act.is_returned or act.way in ("deleted", REVOKED):
                continue
            for entry in act.withdrawals:
                if act.way == "relicensed":
                    await asyncio.to_thread(act.owner.license, entry.document_id, SHARED_LICENSE)
                else:
                    await asyncio.to_thread(partial(act.owner.share, entry.document_id, public=True))
        for act in self.acts:
            act.is_returned = True
        self._tell("the owners", "act", "share again what they had hidden")
        await self._authorize(self.owners[-1])
        await self._until(self._is_whole, "everything is mirrored again", _MIRROR_PATIENCE_PARTS)
        self._tell("ipsync", "mirrored", "mirrored again what is shared again")

    def permitted_of(self, owner: Owner) -> list[Mapping[str, Any]]:
        """What an owner shares with everybody under a license that lets it be mirrored, oldest first."""
        return [
            entry
            for entry in self._simulator.world.truth()
            if entry["owner_id"] == owner.user_id
            and entry["share"] == _PUBLIC
            and int(entry["license"]) != RESERVED_LICENSE
        ]

    async def _authorize(self, owner: Owner) -> None:
        """A member lets the application in, on the site's own page."""
        works = open_works(self._base, self._settings)
        try:
            url, frob = await works.accounts.begin()
            await asyncio.to_thread(owner.authorize, url)
            await works.accounts.finish(frob)
        finally:
            await works.close_clients()
        self.authorizations += 1
        self._tell(owner.username, "authorized", "authorized the application to read")

    async def _is_whole(self) -> bool:
        """Whether exactly what is permitted is served, with its files."""
        expected = {entry["document_id"] for owner in self.owners for entry in self.permitted_of(owner)}
        figures = await self._base.catalog.read(lambda view: view.figures())
        if figures.documents.get(DocumentState.LIVE, 0) != len(expected) or figures.wanted_files:
            return False
        served = await asyncio.to_thread(self._auditor.served)
        return {document_id for document_id, is_whole in served.items() if is_whole} == expected

    async def _take(self, owner: Owner, way: str, count: int, act: Callable[[Owner, str], object]) -> Act:
        """An owner takes up to `count` photos away."""
        taken = Act(owner, way)
        for entry in self.permitted_of(owner)[:count]:
            await asyncio.to_thread(act, owner, entry["document_id"])
            taken.withdrawals.append(Withdrawal(entry["document_id"], entry["token"], now_seconds()))
        self.acts.append(taken)
        number = len(taken.withdrawals)
        self._tell(owner.username, "act", f"{way}: {counted(number, 'photo')}", documents=number)
        return taken

    async def _give(self, first: Owner, private: Act, second: Owner) -> None:
        """One owner shares photos again, another uploads one."""
        private.is_returned = True
        again = [entry.document_id for entry in private.withdrawals]
        for document_id in again:
            await asyncio.to_thread(partial(first.share, document_id, public=True))
        self._tell(first.username, "act", f"shared again: {counted(len(again), 'photo')}", documents=len(again))
        new = await asyncio.to_thread(second.upload, await asyncio.to_thread(self._paint), "Something new")
        self._tell(second.username, "act", "uploaded: 1 photo", documents=1)
        expected = {*again, new}

        async def appeared() -> bool:
            served = await asyncio.to_thread(self._auditor.served)
            return expected <= {document_id for document_id, is_whole in served.items() if is_whole}

        after = await self._until(appeared, "what was uploaded and shared again is mirrored")
        words = f"mirrored all {len(expected)} after {after:.1f} s"
        self._tell("ipsync", "appeared", words, documents=len(expected), after_seconds=round(after, 3))

    async def _replace(self, owner: Owner) -> None:
        """An owner puts another file in a photo's place: the old version must go."""
        place = (owner.user_id, str(self.permitted_of(owner)[0]["document_id"]))
        path = await asyncio.to_thread(self._paint)
        new = await asyncio.to_thread(path.read_bytes)
        await asyncio.to_thread(owner.replace, path, place[1])
        self._tell(owner.username, "act", "replaced the file of 1 photo", documents=1)

        async def replaced() -> bool:
            return await asyncio.to_thread(self._auditor.stored_file, *place, "original") == new

        after = await self._until(replaced, "the new version is stored in the old one's place")
        words = f"erased the old file, mirrored the new after {after:.1f} s"
        self._tell("ipsync", "replaced", words, documents=1, after_seconds=round(after, 3))

    async def _revoke(self, owner: Owner) -> None:
        """An owner takes the permission back: everything of theirs must go."""
        documents, now = self.permitted_of(owner), now_seconds()
        member = next(entry for entry in self._simulator.members if str(entry.user_id) == owner.user_id)
        self._simulator.world.state.revoke(member)
        gone = [Withdrawal(entry["document_id"], entry["token"], now) for entry in documents]
        self.acts.append(Act(owner, REVOKED, gone))
        words = f"took the permission back: all {counted(len(gone), 'photo')} must go"
        self._tell(owner.username, "act", words, documents=len(gone))

    def _paint(self) -> Path:
        """Make a picture that nobody has."""
        self._painted += 1
        path = self._pictures / f"{self._painted}.jpg"
        path.write_bytes(picture(640, 427, self._painted % 16).content(f"new-{secrets.token_hex(6)}"))
        return path

    async def _wait_gone(self) -> None:
        """Until all that was taken away is hidden, then erased; then look for copies."""
        waiting = [act for act in self.acts if act.erased_after is None]

        async def gone() -> bool:
            for act in waiting:
                await self._observe(act)
            return all(act.erased_after is not None for act in waiting)

        await self._until(gone, "everything taken away is hidden and erased")
        entries = [entry for act in waiting for entry in act.withdrawals]
        copies = await asyncio.to_thread(self._auditor.copies, [entry.token for entry in entries])
        for entry in entries:
            entry.copies = copies[entry.token]

    async def _observe(self, act: Act) -> None:
        """Note what is hidden and what is gone of one act, and tell it once it is true of all."""
        shown = [entry for entry in act.withdrawals if entry.hidden_after is None]
        if shown:
            served = await asyncio.to_thread(self._auditor.served, act.owner.user_id)
            for entry in shown:
                if entry.document_id not in served:
                    entry.hidden_after = now_seconds() - entry.acted_at
        if act.hidden_after is not None and not act.told:
            act.told = "hidden"
            self._tell_of(act, "hid", "hidden", act.hidden_after)
        held = [entry for entry in act.withdrawals if entry.hidden_after is not None and entry.erased_after is None]
        if held:
            numbers = [int(entry.document_id) for entry in held]
            closed = await self._base.catalog.read(partial(_closed, document_ids=numbers))
            for entry in held:
                is_there = await asyncio.to_thread(self._auditor.is_stored, act.owner.user_id, entry.document_id)
                if int(entry.document_id) in closed and not is_there:
                    entry.erased_after = now_seconds() - entry.acted_at
        if act.erased_after is not None and act.told == "hidden":
            act.told = "erased"
            self._tell_of(act, "erased", "erased", act.erased_after)

    def _tell_of(self, act: Act, verb: str, event: str, after: float) -> None:
        number = len(act.withdrawals)
        words = f"{verb} {counted(number, 'photo')} ({act.way}) after {after:.1f} s"
        self._tell("ipsync", event, words, documents=number, after_seconds=round(after, 3))

    async def _until(self, done: Callable[[], Awaitable[bool]], what: str, parts: float = _PATIENCE_PARTS) -> float:
        """Look again and again; return how long it took, in seconds."""
        began_at = now_seconds()
        patience_seconds = self._settings.removal.window / SECOND * parts
        while not await done():
            self._require_daemon()
            if now_seconds() > began_at + patience_seconds:
                raise DemoFailedError(f"waited {patience_seconds:.0f} s in vain until {what}")
            await asyncio.sleep(_LOOK_SECONDS)
        return now_seconds() - began_at


def _closed(view: View, document_ids: list[int]) -> set[int]:
    """Those of these documents whose removal is over: a tombstone stands, and the log was cut."""
    going = {removal.document_id for removal in view.removals(stages=OPEN_STAGES, document_ids=document_ids)}
    return view.tombstones(document_ids).keys() - going
