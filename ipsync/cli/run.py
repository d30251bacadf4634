"""`ipsync run`: the daemon, in the foreground, as systemd wants it."""

import os

import typer

from ipsync.cli import FAILED, frame_of, output, settings_from

app = typer.Typer(add_completion=False)


@app.command(
    epilog="\n\n".join(
        (
            "Examples:",
            "ipsync run",
            "ipsync run --config wall.toml",
            "systemctl reload ipsync (or kill -HUP): read the configuration again",
        )
    )
)
def run(ctx: typer.Context) -> None:
    """Run the daemon until SIGTERM or Ctrl-C.

    It serves only after what is overdue has been erased. SIGHUP reads the configuration again; a wrong
    one is refused as a whole and the old one holds.
    """
    import asyncio

    from ipsync.daemon import Daemon, DaemonRefusedError
    from ipsync.ports.catalog import CatalogFailure
    from ipsync.settings import load

    settings = settings_from(ctx)
    path = settings.file

    async def main() -> int:
        return await Daemon(settings, lambda: load(path, os.environ), os.environ).run()

    try:
        code = asyncio.run(main())
    except (DaemonRefusedError, CatalogFailure) as refusal:
        output.fail(str(refusal), code=FAILED)
    except OSError as error:
        if error.errno is None or "address" not in str(error):
            raise
        output.fail(
            f"cannot listen at {settings.web.listen}: {error.strerror}",
            f"another program listens there, or the address is not this machine's: change web.listen in {path}",
        )
    if frame_of(ctx).debug:
        output.complain(f"exit code {code}")
    output.leave(code)
