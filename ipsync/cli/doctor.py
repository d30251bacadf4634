"""`ipsync doctor`: look at everything a mirror stands on, and say what to do about what is not right."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from ipsync.cli import FOUND, examples, frame_of, output, settings_from

if TYPE_CHECKING:
    from ipsync.doctor import Finding
    from ipsync.settings import Settings

app = typer.Typer(add_completion=False)

_MARKS = {"ok": "ok     ", "note": "note   ", "wrong": "WRONG  ", "skipped": "-      "}


@app.command(epilog=examples("ipsync doctor", "ipsync doctor --offline", "ipsync doctor --json | jq '.findings[]'"))
def doctor(
    ctx: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Ask ipernity nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Look at clock, files, disk, database, erasing, API, budget, services and Prometheus, and say what to do.

    Nothing of the mirror is changed. One signed request is sent to ipernity, unless --offline.

    Exit code 3: something is wrong. Notes are no reason for that.
    """
    settings = settings_from(ctx)
    found = examine(settings, offline=offline, silent=as_json, debug=frame_of(ctx).debug)
    wrong = [finding for finding in found if finding.verdict.value == "wrong"]
    if as_json:
        told = [
            {
                "subject": finding.subject,
                "verdict": finding.verdict.value,
                "words": finding.words,
                "remedy": finding.remedy or None,
            }
            for finding in found
        ]
        output.emit_json({"healthy": not wrong, "findings": told})
    elif wrong:
        output.say(f"{len(wrong)} of {len(found)} are wrong.")
    else:
        output.say("Nothing is wrong.")
    if wrong:
        output.leave(FOUND)


def examine(settings: "Settings", *, offline: bool, silent: bool = False, debug: bool = False) -> "list[Finding]":
    """Look at everything, and say each finding as it is made.

    Args:
        settings: what is configured.
        offline: ask ipernity nothing.
        silent: say nothing.
        debug: let the log be seen.
    """
    from ipsync.doctor import Doctor
    from ipsync.telemetry import configure_logging

    secrets = [secret.reveal() for secret in settings.secrets.all() if secret]
    undo = configure_logging("info" if debug else "critical", "console", secrets)
    try:
        return asyncio.run(Doctor(settings).run(offline=offline, tell=None if silent else _tell))
    finally:
        undo()


def _tell(finding: "Finding") -> None:
    output.say(f"{_MARKS[finding.verdict.value]}{finding.subject}: {finding.words}")
    if finding.remedy:
        output.say(f"       -> {finding.remedy}")
