"""`ipsync notify`: try whether notices of incidents arrive."""

from typing import TYPE_CHECKING, Annotated

import typer

from ipsync.cli import FAILED, WRONG, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Try whether notices of incidents arrive.",
    epilog=examples("ipsync notify test", "ipsync notify test mail"),
)


@app.callback()
def _group() -> None:
    """Try whether notices of incidents arrive."""


@app.command("test", epilog=examples("ipsync notify test", "ipsync notify test command --json"))
def send_test(
    ctx: typer.Context,
    channel: Annotated[
        str | None, typer.Argument(metavar="[CHANNEL]", help="One of those configured, e.g. mail; else all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Send a test to everybody named in [notify]. Exit code 1 says that one did not take it."""

    async def send(works: "Works") -> dict[str, str]:
        names = works.notices.channels
        if not names:
            output.fail("nobody is to be told of anything", "fill in [notify] in the configuration", WRONG)
        if channel is not None and channel not in names:
            output.fail(f'there is no channel "{channel}"', f"there are: {', '.join(names)}")
        return await works.notices.try_out(channel)

    results = session.work_on(ctx, send)
    if as_json:
        output.emit_json({"sent": {name: not failure for name, failure in results.items()}, "failures": results})
    for name, failure in results.items():
        if failure:
            output.complain(f"{name}: {failure}.")
        elif not as_json:
            output.say(f"{name}: sent.")
    if any(results.values()):
        output.leave(FAILED)
