"""`ipsync run`: the daemon, in the foreground, as systemd wants it."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ipsync.cli import FAILED, WRONG, examples, output, settings_from

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from ipsync.settings import Settings

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        "ipsync run",
        "ipsync run --config wall.toml --upgrade",
        "systemctl reload ipsync  # or kill -HUP: read the configuration again",
    )
)
def run(
    ctx: typer.Context,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Create or upgrade the database first, as `ipsync db upgrade` does.")
    ] = False,
) -> None:
    """Run the daemon until SIGTERM or Ctrl-C.

    It serves only after what is overdue has been erased. The log goes to standard error. At the end running
    jobs get 20 seconds. SIGHUP reads the configuration again; a wrong one is refused as a whole and the old
    one holds.

    Exit code 2 says that only you can mend it: the configuration, a database without the schema of this
    version, or a mirror that was left.
    """
    import asyncio

    from ipsync.alone import DaemonRefusedError
    from ipsync.assembly import KeyUseChangedError
    from ipsync.daemon import Daemon
    from ipsync.jobs.leave import MirrorLeftError
    from ipsync.ports.catalog import CatalogFailure, CatalogOutdated
    from ipsync.ports.store import StoreFailure
    from ipsync.process import allow_many_files, forbid_core_dumps
    from ipsync.settings import load

    # Before the first secret is read.
    forbid_core_dumps()
    allow_many_files()
    settings = settings_from(ctx)
    path = settings.file

    async def main() -> int:
        return await Daemon(settings, lambda: load(path, os.environ), os.environ).run()

    try:
        if upgrade:
            _bring_up_to_date(settings)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(main())
    except (DaemonRefusedError, CatalogFailure, StoreFailure) as refusal:
        # The log has said it already; a log of JSON must hold nothing else.
        if settings.log.format != "json" or sys.stderr.isatty():
            output.print_failure(str(refusal))
        code = WRONG if isinstance(refusal, CatalogOutdated | KeyUseChangedError | MirrorLeftError) else FAILED
    output.leave(code)


def _bring_up_to_date(settings: "Settings") -> None:
    """Give the database the schema of this version, and log it, before there is a daemon that logs."""
    from ipsync.cli.db import bring_up_to_date
    from ipsync.ports.catalog import CatalogFailure
    from ipsync.telemetry import Event, configure_logging, get_log

    secrets = [secret.reveal() for secret in settings.secrets.all() if secret]
    undo = configure_logging(settings.log.level, settings.log.format, secrets)
    log = get_log(__name__)
    try:
        done = bring_up_to_date(settings)
        if done.before != done.after:
            log.info(Event.DATABASE_UPGRADED, "The database has a new schema.", before=done.before, after=done.after)
    except CatalogFailure as refusal:
        log.critical(Event.BOOT_REFUSED, str(refusal))
        raise
    finally:
        undo()


def _loop_factory() -> "Callable[[], AbstractEventLoop] | None":
    """The faster event loop of `ipsync[speed]` where it is installed, else Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
