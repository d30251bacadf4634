"""`ipsync run`: the daemon, in the foreground, as systemd wants it."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from ipsync.cli import FAILED, WRONG, examples, output, settings_from

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        "ipsync run",
        "ipsync run --config wall.toml",
        "systemctl reload ipsync  # or kill -HUP: read the configuration again",
    )
)
def run(ctx: typer.Context) -> None:
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
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(main())
    except (DaemonRefusedError, CatalogFailure, StoreFailure) as refusal:
        # The log has said it already; a log of JSON must hold nothing else.
        if settings.log.format != "json" or sys.stderr.isatty():
            output.print_failure(str(refusal))
        code = WRONG if isinstance(refusal, CatalogOutdated | KeyUseChangedError | MirrorLeftError) else FAILED
    output.leave(code)


def _loop_factory() -> "Callable[[], AbstractEventLoop] | None":
    """The faster event loop of `ipsync[speed]` where it is installed, else Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
