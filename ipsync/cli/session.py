"""What commands that work on a mirror share: opening it beside or without a daemon, words for people."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ipsync.cli import FAILED, WRONG, output

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.policy.accounts import Account
    from ipsync.policy.instants import Instant
    from ipsync.settings import Settings

T = TypeVar("T")


def work_on(settings: "Settings", work: "Callable[[Works], Awaitable[T]]") -> T:
    """Open the mirror, do `work` on it, close it; a failure is told in one sentence and ends the command.

    Args:
        settings: what is configured.
        work: gets the wired parts.
    """
    from ipsync.jobs.accounts import AccountRefusedError
    from ipsync.ports.catalog import CatalogFailure, CatalogOutdated
    from ipsync.ports.source import KeyRefused, QuotaReached, SourceFailure
    from ipsync.ports.store import StoreFailure
    from ipsync.telemetry import configure_logging

    secrets = [secret.reveal() for secret in settings.secrets.all() if secret]
    undo = configure_logging("warning", "console", secrets)

    async def main() -> T:
        async with _opened(settings) as works:
            return await work(works)

    try:
        return asyncio.run(main())
    except CatalogOutdated as failure:
        _end(str(failure), "", WRONG)
    except KeyRefused as failure:
        _end(str(failure), "ipernity refuses the application itself: check api_key, api_secret and key.status")
    except QuotaReached as failure:
        _end(str(failure), "the request budget is used up for now: try again later, or see `ipsync status`")
    except SourceFailure as failure:
        _end(str(failure), "try again; `ipsync config show` says which address is asked")
    except (AccountRefusedError, CatalogFailure, StoreFailure) as failure:
        _end(str(failure))
    finally:
        undo()


def _end(message: str, remedy: str = "", code: int = FAILED) -> NoReturn:
    output.fail(message, remedy, code)


@asynccontextmanager
async def _opened(settings: "Settings") -> "AsyncIterator[Works]":
    from ipsync.assembly import open_base, open_works
    from ipsync.daemon import OneDaemonLock

    # Only one process checkpoints a database: the daemon where there is one, else this command.
    lock = OneDaemonLock(settings.database.path)
    is_alone = lock.take()
    try:
        base = await open_base(settings, is_daemon=is_alone)
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


async def find_account(works: "Works", name: str) -> "Account":
    """The account with this user id or user name, or an error that says where to look.

    Args:
        works: the open mirror.
        name: digits are an id; anything else is a user name.
    """
    accounts = await works.base.catalog.read(lambda view: view.accounts())
    found = next((entry for entry in accounts if name in (str(entry.account_id), entry.username)), None)
    if found is None:
        output.fail(f'there is no account "{name}" here', "`ipsync account list` shows all accounts", WRONG)
    return found


def instant_text(instant: "Instant | None") -> str | None:
    """An instant for JSON, or None."""
    from ipsync.policy.instants import rfc3339

    return None if instant is None else rfc3339(instant)


def ago(instant: "Instant | None", now: "Instant") -> str:
    """How long ago, or in how long, for people: `3 min ago`, `in 19.5 h`."""
    if instant is None:
        return "-"
    distance = now - instant
    return f"{span(distance)} ago" if distance >= 0 else f"in {span(-distance)}"


def span(duration: int) -> str:
    """A duration for people, in the unit that fits."""
    from ipsync.policy.instants import seconds

    amount = seconds(duration)
    for unit, size in (("d", 172_800.0), ("h", 5_400.0), ("min", 90.0)):
        if amount >= size:
            return f"{amount / {'d': 86_400, 'h': 3_600, 'min': 60}[unit]:.1f} {unit}"
    return f"{amount:.0f} s"


def size_text(size_bytes: int) -> str:
    """A size for people: `3.4 MB`."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
