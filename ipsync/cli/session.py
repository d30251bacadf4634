"""What commands that work on a mirror share: opening it beside or without a daemon, words for people."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ipsync.cli import ALL_SECRETS, FAILED, WRONG, frame_of, output, settings_from
from ipsync.policy.wording import counted as counted
from ipsync.process import OneProcessLock

if TYPE_CHECKING:
    import typer

    from ipsync.assembly import Works
    from ipsync.policy.accounts import Account
    from ipsync.policy.instants import Instant
    from ipsync.settings import Settings

T = TypeVar("T")

LOG_IS_CUT_LATER = "The running daemon cuts the database's log within moments; then it is gone there too."
"""What is said after erasing beside a daemon."""

_LOCK_TRIES = 5
_LOCK_PAUSE_SECONDS = 0.1


def work_on(
    ctx: "typer.Context",
    work: "Callable[[Works], Awaitable[T]]",
    *,
    needs: Collection[str] = ALL_SECRETS,
    erases: bool = False,
    alone: bool = False,
) -> T:
    """Read the configuration, open the mirror, do `work` on it, close it.

    A failure is told in one sentence and ends the command.

    Args:
        ctx: of the command.
        work: gets the wired parts.
        needs: the secrets without which it can do nothing.
        erases: whether it may erase. Then it holds the daemon's lock where no daemon does, since what was
            erased is gone only when the database's log was cut, which one process does. Other commands
            keep nobody from starting.
        alone: whether it must have the mirror to itself; beside a daemon, or another command that erases, it
            then refuses.
    """
    from ipsync.assembly import KeyUseChangedError
    from ipsync.jobs.accounts import AccountRefusedError
    from ipsync.jobs.drill import DrillRefusedError
    from ipsync.jobs.leave import MirrorLeftError
    from ipsync.ports.catalog import CatalogFailure, CatalogOutdated
    from ipsync.ports.source import KeyRefused, QuotaReached, SourceFailure
    from ipsync.ports.store import StoreFailure
    from ipsync.telemetry import configure_logging

    settings = settings_from(ctx, needs=needs)
    refuse_other_user(settings)
    secrets = [secret.reveal() for secret in settings.secrets.all() if secret]
    undo = configure_logging("info" if frame_of(ctx).debug else "error", "console", secrets)

    async def main() -> T:
        async with _opened(settings, ctx.command_path, erases=erases or alone, alone=alone) as works:
            return await work(works)

    try:
        return asyncio.run(main())
    except (CatalogOutdated, KeyUseChangedError, MirrorLeftError) as failure:
        _end(str(failure), "", WRONG)
    except KeyRefused as failure:
        _end(str(failure), "ipernity refuses the application itself: check api_key, api_secret and key.status")
    except QuotaReached as failure:
        _end(str(failure), "`ipsync status` shows what is left of the request budget; try again later")
    except SourceFailure as failure:
        _end(f"ipernity at {settings.api.url} gave no usable answer: {failure}", "nothing was changed; try again")
    except (AccountRefusedError, DrillRefusedError, CatalogFailure, StoreFailure) as failure:
        _end(str(failure))
    finally:
        undo()


def _end(message: str, remedy: str = "", code: int = FAILED) -> NoReturn:
    output.fail(message, remedy, code)


def refuse_other_user(settings: "Settings") -> None:
    """Root's files among the daemon's would be files that the daemon may neither read nor erase."""
    try:
        owner = settings.database.path.stat().st_uid
    except OSError:
        return  # opening the database will say it better
    if os.geteuid() == 0 and owner != 0:
        _end(
            f"{settings.database.path} belongs to another user (uid {owner}), and you are root",
            "run the command as that user; under systemd with ipsync-as-service (docs/how-to/run-under-systemd.md)",
            WRONG,
        )


@asynccontextmanager
async def _opened(settings: "Settings", command: str, *, erases: bool, alone: bool) -> "AsyncIterator[Works]":
    from ipsync.assembly import open_base, open_works

    lock = OneProcessLock(settings.database.path)
    try:
        has_lock = erases and await _take(lock, command)
        if alone and not has_lock and lock.path.parent.is_dir():
            holder = lock.holder() or "another process"
            _end(f"{holder} works on {settings.database.path}", "stop it first, then run this again")
        base = await open_base(settings, is_daemon=has_lock)
        try:
            works = open_works(base, settings)
            await works.look_at_budget()
            try:
                yield works
            finally:
                await works.close_clients()
        finally:
            await base.close()
    finally:
        lock.release()


async def _take(lock: OneProcessLock, command: str) -> bool:
    """Take the lock, unless a daemon, or another command that erases, has it and does the checkpoints."""
    with suppress(OSError):  # without its folder, or without the right to write in it, the database says why
        for _ in range(_LOCK_TRIES):
            if lock.take(command):
                return True
            if lock.holder() is not None:
                return False
            # Whoever only looked at the lock has it for a moment.
            await asyncio.sleep(_LOCK_PAUSE_SECONDS)
    return False


def other_process(works: "Works") -> str | None:
    """Who works on the mirror beside this command: a daemon, or another command that erases; None where nobody does."""
    holder = OneProcessLock(works.settings.database.path).holder()
    return None if holder is None or holder.pid == os.getpid() else str(holder)


async def find_account(works: "Works", name: str) -> "Account":
    """The account with this user id or user name, or an error that says where to look.

    A user id is tried first: a member may call themselves by the number of another.

    Args:
        works: the wired parts.
        name: what was typed.
    """
    accounts = await works.base.catalog.read(lambda view: view.accounts())
    found = [account for account in accounts if str(account.account_id) == name] or [
        account for account in accounts if account.username == name
    ]
    if not found:
        output.fail(f'there is no account "{name}" here', "`ipsync account list` shows all accounts")
    if len(found) > 1:
        ids = ", ".join(str(account.account_id) for account in found)
        output.fail(f'several accounts are called "{name}"', f"say which by its id: {ids}", WRONG)
    return found[0]


def who(account_id: object, username: object) -> str:
    """A member for people, on one line whatever they call themselves: `olga.dubois0 (20118)`."""
    return f"{output.plain(username)} ({account_id})" if username else f"account {account_id}"


def instant_text(instant: "Instant | None") -> str | None:
    """An instant for JSON, or None."""
    from ipsync.policy.instants import rfc3339

    return None if instant is None else rfc3339(instant)


def ago(instant: "Instant | None", now: "Instant") -> str:
    """How long ago, or in how long, for people: `3 min ago`, `in 19.5 h`."""
    if instant is None:
        return "never"
    distance = now - instant
    return f"{span(distance)} ago" if distance >= 0 else f"in {span(-distance)}"


def moment(instant: "Instant | None", now: "Instant") -> str:
    """An instant for people, by the clock and from now: `2026-11-21 21:29 UTC (3 min ago)`."""
    return "-" if instant is None else f"{clock_text(instant)} ({ago(instant, now)})"


def clock_text(instant: "Instant") -> str:
    """An instant for people, by the clock: `2026-11-21 21:29 UTC`."""
    from ipsync.policy.instants import rfc3339

    return f"{rfc3339(instant)[:16].replace('T', ' ')} UTC"


def span(duration: int) -> str:
    """A duration for people, in the unit that fits: `47 s`, `3 min`, `19.5 h`, `12 d`."""
    from ipsync.policy.instants import seconds

    amount = seconds(duration)
    for unit, unit_seconds, begins_at in (("d", 86_400, 172_800), ("h", 3_600, 7_200), ("min", 60, 100)):
        if amount >= begins_at:
            return f"{_short(amount / unit_seconds, decimals=unit == 'h')} {unit}"
    return f"{_short(amount)} s"


def _short(amount: float, *, decimals: bool = False) -> str:
    """A number with a decimal where it says something."""
    return f"{amount:.1f}".removesuffix(".0") if decimals or amount < 9.95 else f"{amount:.0f}"


def size_text(size_bytes: int) -> str:
    """A size for people: `3.4 MB`."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
