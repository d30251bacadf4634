"""`ipsync simulator`: an ipernity of our own on a loopback address. It knows nothing of any configuration."""

from typing import Annotated

import typer

from ipsync.cli import examples, output

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        "ipsync simulator --members 5 --documents 1000",
        "ipsync simulator --listen 127.0.0.1:0 --control --rate-limit 10/s,600/m",
    )
)
def simulate(
    listen: Annotated[
        str, typer.Option(help="Loopback address and port; port 0 takes any free one.")
    ] = "127.0.0.1:8700",
    members: Annotated[int, typer.Option(min=1, help="How many members.")] = 3,
    documents: Annotated[int, typer.Option(min=0, help="How many documents each of them has.")] = 40,
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 1,
    control: Annotated[bool, typer.Option("--control", help="Serve /_control/: truth, figures, faults.")] = False,
    callback: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the web flow of authorization returns to.")
    ] = None,
    rate_limit: Annotated[
        str, typer.Option(metavar="LIMITS", help="Refuse more than this, e.g. 10/s,600/m,5000/h.")
    ] = "",
) -> None:
    """Run an ipernity of our own, to try and to test.

    It prints one line of JSON when it is ready (addresses, key, secret, members) and serves until it is
    interrupted.
    """
    from ipsync.simulator import Options, run

    output.leave(
        run(
            Options(
                listen=listen,
                members=members,
                documents=documents,
                seed=seed,
                control=control,
                callback=callback,
                rate_limit=rate_limit,
            )
        )
    )
