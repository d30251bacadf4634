"""The demo's stage: a simulated ipernity and a real daemon in this process, begun, watched, measured, ended.

Nothing is staged: the daemon is told nothing, owners act on the simulator through PyIpernity
(`demo_story`), and what is measured is read over HTTP and from the disk, as an auditor would. It leaves
nothing running and nothing behind.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from ipsync.assembly import Base, open_base
from ipsync.assets import asset_folder
from ipsync.catalog import upgrade
from ipsync.cli.demo_auditor import Auditor
from ipsync.cli.demo_owners import NotAcceptedError, Owner
from ipsync.cli.demo_story import Story, now_seconds
from ipsync.cli.demo_values import Act, DemoFailedError, Happening, MemberStanding, Standing, Summary
from ipsync.daemon import Daemon
from ipsync.jobs.health import read_health
from ipsync.policy.accounts import SERVED_STATES
from ipsync.policy.budget import BudgetState, allowances
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import SECOND, seconds
from ipsync.policy.listings import pages_of
from ipsync.ports.catalog import AccountFigures, View
from ipsync.settings import Settings, load
from ipsync.simulator import Simulator

_ROUND_SECONDS = 3.0
"""How long one round over all listings takes: a real mirror would look every few minutes."""
_LEAST_PER_MINUTE = 120
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.02

Tell: TypeAlias = Callable[[Happening], None]


class Demonstration:
    """One run of the story."""

    def __init__(
        self, folder: Path, members: int, documents: int, seed: int, tell: Tell, pause_seconds: float = 0.0
    ) -> None:
        """Prepare; nothing runs before `run`.

        Args:
            folder: an empty folder for configuration, database and files.
            members: how many members the simulated site has, at least 3 for the whole story.
            documents: how many documents each of them has.
            seed: same seed, same world.
            tell: told of everything that happens.
            pause_seconds: between the acts, for whoever watches.
        """
        self._pause_seconds = pause_seconds
        self._mirror = folder / "mirror"
        self._pictures = folder / "pictures"
        self._documents = documents
        self._simulator = Simulator(members, documents, seed, control=True)
        self._told = tell
        self._admin_token = secrets.token_urlsafe(24)
        self._address = ""
        self._settings: Settings | None = None
        self._base: Base | None = None
        self._running: asyncio.Task[int] | None = None
        self._story: Story | None = None
        self._began_at = now_seconds()
        self._ended_at: float | None = None
        self.rounds = 0

    async def run(self, *, once: bool) -> None:
        """Play the story; `summary` tells what came of it, also when it was cancelled after a round.

        Args:
            once: one round; else round after round until cancelled.

        Raises:
            DemoFailedError: something that must happen did not.
        """
        async with self._simulator:
            self._tell("ipernity", "start", f"simulated, listens at {self._simulator.base_url}")
            settings = self._settings = await asyncio.to_thread(self._configure)
            daemon = Daemon(settings, lambda: settings, {}, on_ready=self._remember_address, handles_signals=False)
            self._running = asyncio.create_task(daemon.run(), name="daemon")
            patience = 0
            try:
                await self._wait_ready()
                self._base = await open_base(settings, is_daemon=False)
                self._story = self._begin_story(self._base, settings)
                await self._story.begin()
                await self._play(self._story, once=once)
                patience = 5 * SECOND
            except NotAcceptedError as failure:
                raise DemoFailedError(str(failure)) from failure
            finally:
                self._ended_at = now_seconds()
                daemon.stop(patience)
                await asyncio.gather(self._running, return_exceptions=True)
                if self._base is not None:
                    await self._base.close()
        self._tell("ipsync", "end", "stopped; nothing is left running")

    async def _play(self, story: Story, *, once: bool) -> None:
        while True:
            await story.round()
            self.rounds += 1
            if once:
                return
            await story.bring_back()

    async def look(self) -> Standing | None:
        """How the mirror stands now, or None before it runs and after it was closed."""
        base, settings, story = self._base, self._settings, self._story
        if base is None or settings is None or story is None or self._ended_at is not None:
            return None
        caps = settings.caps()
        health = await read_health(base.catalog, base.clock, settings.lease(), caps.sustainable_per_hour())
        figures, served, budget = await base.catalog.read(_read)
        members = [
            _standing_of(story, owner, figures.get(int(owner.user_id)), is_served=int(owner.user_id) in served)
            for owner in story.owners
        ]
        return Standing(health, members, allowances(budget, caps, base.clock.now())["minute"], self.requests)

    def summary(self) -> Summary:
        """What was measured so far, of what came to its end."""
        story, settings = self._story, self._settings
        if story is None or settings is None:
            raise DemoFailedError("the story has not begun")
        lease = settings.lease()
        entries = [entry for act in story.acts if act.erased_after is not None for entry in act.withdrawals]
        late = [
            entry
            for entry in entries
            if (entry.hidden_after or 0.0) > seconds(lease.serve_age)
            or (entry.erased_after or 0.0) > seconds(lease.window)
            or entry.copies
        ]
        pages = len(story.owners) * pages_of(self._documents)
        leases = math.ceil(self.elapsed_seconds / seconds(lease.serve_age))
        return Summary(
            mirrored=story.mirrored,
            removed=len(entries),
            erased=sum(not entry.copies for entry in entries),
            breaches=len(late),
            requests=self.requests,
            requests_lower_bound=2 * story.authorizations + pages * leases,
            hide_seconds_max=round(max((entry.hidden_after or 0.0 for entry in entries), default=0.0), 3),
            erase_seconds_max=round(max((entry.erased_after or 0.0 for entry in entries), default=0.0), 3),
        )

    @property
    def acts(self) -> Sequence[Act]:
        """What owners took away so far."""
        return self._story.acts if self._story is not None else ()

    @property
    def requests(self) -> int:
        """API requests the application has sent so far; those of the owners' own client are not counted."""
        calls: Mapping[str, int] = self._simulator.world.meter.report()["calls"]
        owners = self._story.owners if self._story is not None else []
        return sum(calls.values()) - sum(owner.requests for owner in owners)

    @property
    def window_seconds(self) -> float:
        """The law, shortened."""
        return seconds(self._settings.removal.window) if self._settings else 60.0

    @property
    def elapsed_seconds(self) -> float:
        """Since the beginning, until the end."""
        return (self._ended_at or now_seconds()) - self._began_at

    def _tell(
        self, who: str, event: str, what: str, *, documents: int | None = None, after_seconds: float | None = None
    ) -> None:
        self._told(Happening(now_seconds() - self._began_at, who, event, what, documents, after_seconds))

    def _remember_address(self, address: str) -> None:
        self._address = address

    def _configure(self) -> Settings:
        """The demo's own configuration and database, with caps that let this world be read every few seconds."""
        for folder in (self._mirror, self._pictures):
            folder.mkdir()
        for name in ("ipsync.demo.toml", "privacy-policy.md"):
            (self._mirror / name).write_bytes((asset_folder("config") / name).read_bytes())
        pages = len(self._simulator.members) * pages_of(self._documents)
        # Sweeps take half of the budget.
        per_minute = max(_LEAST_PER_MINUTE, math.ceil(2 * pages * 60 / _ROUND_SECONDS))
        settings = load(
            self._mirror / "ipsync.demo.toml",
            {
                "IPSYNC_API_KEY": self._simulator.api_key,
                "IPSYNC_API_SECRET": self._simulator.secret,
                "IPSYNC_ADMIN_TOKEN": self._admin_token,
                "IPSYNC_STATE_KEY": secrets.token_hex(32),
            },
            overrides={
                "api.url": self._simulator.api_url,
                "budget.per_second": max(10, math.ceil(per_minute / 30)),
                "budget.per_minute": per_minute,
                "budget.per_hour": 60 * per_minute,
                "budget.per_day": 24 * 60 * per_minute,
            },
        )
        upgrade(settings.database.url, settings.file.parent)
        return settings

    async def _wait_ready(self) -> None:
        deadline = now_seconds() + _PATIENCE_SECONDS
        while not self._address:
            self._require_daemon()
            if now_seconds() > deadline:
                raise DemoFailedError(f"the daemon did not serve within {_PATIENCE_SECONDS:.0f} s")
            await asyncio.sleep(_LOOK_SECONDS)
        self._tell("ipsync", "start", f"the daemon serves at {self._address}")

    def _begin_story(self, base: Base, settings: Settings) -> Story:
        auditor = Auditor(self._address, self._admin_token, self._mirror, settings.store.path)
        return Story(
            self._simulator,
            base,
            settings,
            auditor,
            self._pictures,
            self._tell,
            self._require_daemon,
            self._pause_seconds,
        )

    def _require_daemon(self) -> None:
        """Whoever waits for a daemon that has ended waits in vain."""
        running = self._running
        if running is not None and running.done():
            cause = None if running.cancelled() else running.exception()
            raise DemoFailedError(f"the daemon ended too early{f': {cause}' if cause else ''}")


def _read(view: View) -> tuple[dict[int, AccountFigures], set[int], BudgetState]:
    served = {account.account_id for account in view.accounts(SERVED_STATES)}
    return view.account_figures(), served, view.budget()


def _standing_of(story: Story, owner: Owner, figures: AccountFigures | None, *, is_served: bool) -> MemberStanding:
    documents = figures.documents if figures else {}
    served = documents.get(DocumentState.LIVE, 0) if is_served else 0
    return MemberStanding(
        username=owner.username,
        shares=len(story.permitted_of(owner)),
        served=served,
        hidden=sum(documents.values()) - served,
        erased=sum(
            entry.erased_after is not None for act in story.acts if act.owner is owner for entry in act.withdrawals
        ),
    )
