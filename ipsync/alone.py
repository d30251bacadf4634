"""One daemon works on a database: take its lock, waiting a little for a command to end.

Knows the lock and nothing of what it protects.
"""

from collections.abc import Callable
from pathlib import Path

from ipsync.policy.instants import SECOND, Duration, seconds
from ipsync.process import Holder, OneProcessLock, ServiceNotifier
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

LOCK_PATIENCE: Duration = 15 * SECOND
"""How long a start waits for a command that works on the same database."""


class DaemonRefusedError(Exception):
    """The daemon does not start; the message says why and what to do."""


async def take_alone(
    lock: OneProcessLock, database: Path, command: str, notifier: ServiceNotifier, is_stopping: Callable[[], bool]
) -> bool:
    """Take the lock of a database.

    Args:
        lock: of the database.
        database: its file, for the words of a refusal.
        command: how the daemon calls itself; another of that name is not waited for.
        notifier: tells systemd what is waited for.
        is_stopping: whether the daemon was asked to stop meanwhile.

    Returns:
        False where it was asked to stop before the lock was its own.

    Raises:
        DaemonRefusedError: another process keeps the lock, or the lock cannot be used.
    """

    def wait_for(holder: Holder) -> None:
        if holder.command == command:
            raise DaemonRefusedError(
                f"another ipsync daemon (process {holder.pid}) works on {database}: stop it "
                "first, or give this one a database of its own (database.url)"
            )
        _log.warning(Event.DAEMON_STARTING, f"Waiting for {holder} to end.", pid=holder.pid)
        notifier.tell(f"STATUS=waiting for {holder} to end")

    try:
        if await lock.take_patiently(command, seconds(LOCK_PATIENCE), wait_for, is_stopping):
            return True
    except FileNotFoundError:
        raise DaemonRefusedError(
            f"there is no folder {lock.path.parent} for the database: make it, or change database.url"
        ) from None
    except OSError as error:
        raise DaemonRefusedError(
            f"{lock.path} cannot be used ({error.strerror}): the daemon's user must be able to read and write "
            "the database and its folder"
        ) from error
    if is_stopping():
        return False
    raise DaemonRefusedError(
        f"{lock.holder() or 'another process'} works on {database}: start the daemon when it has ended"
    )
