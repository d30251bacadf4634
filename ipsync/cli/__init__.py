"""The command line. Importing this costs nothing: Typer, pydantic, SQL and HTTP wait until a command needs them.

To add a command: write `ipsync/cli/NAME.py` with a Typer application called `app` (one command, or
several), and add a line to `COMMANDS`. A command function takes `ctx: typer.Context` and begins with
`settings = settings_from(ctx)`; `--config` before or after the command's name is seen to here, so `-c`
is taken. It imports what is heavy inside the function, prints through `ipsync.cli.output`, and ends
with `fail(...)` where it cannot go on. Its `epilog` is `examples(...)` of its use.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 something found, 130 interrupted.
That nothing here has the id or name that was typed is a failure like another: 1.
"""

import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import typer

    from ipsync.settings import Settings

DONE = 0
FAILED = 1
WRONG = 2
FOUND = 3
INTERRUPTED = 130

ALL_SECRETS = ("api_key", "api_secret", "admin_token", "state_key")


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One line of the list of commands.

    Attributes:
        name: what is typed; `ipsync.cli.NAME` holds it, with `_` for `-`.
        panel: the heading it stands under.
        summary: one line for `ipsync --help`.
        is_configured: whether it reads the configuration, and so takes `--config`.
    """

    name: str
    panel: str
    summary: str
    is_configured: bool = True

    @property
    def module(self) -> str:
        """The module that holds it."""
        return f"ipsync.cli.{self.name.replace('-', '_')}"


_TRY, _WORK, _LOOK, _KEEP = "First steps", "The mirror", "What there is", "Upkeep"

COMMANDS = (
    CommandEntry("demo", _TRY, "Watch ipsync mirror a simulated ipernity, and forget.", is_configured=False),
    CommandEntry("init", _TRY, "Ask a few questions and write a configuration.", is_configured=False),
    CommandEntry("simulator", _TRY, "Run an ipernity of our own, to try and to test.", is_configured=False),
    CommandEntry("run", _WORK, "Run the daemon."),
    CommandEntry("account", _WORK, "Take members in, look after them, let them go."),
    CommandEntry("token", _WORK, "Give applications tokens to read the mirror with, and take them back."),
    CommandEntry("webhook", _WORK, "Tell other programs of every change, as it happens."),
    CommandEntry("sync", _WORK, "Read what members share once, and mirror it."),
    CommandEntry("removal", _WORK, "Comply with owners' requests, and show how that went."),
    CommandEntry("purge", _WORK, "Erase what is due, now."),
    CommandEntry("reap", _WORK, "Erase what is overdue where no daemon does it."),
    CommandEntry("plan", _LOOK, "Show what each account costs, and what else would fit."),
    CommandEntry("status", _LOOK, "Show what is mirrored, what is being erased, what is left of the budget."),
    CommandEntry("incidents", _LOOK, "Show what needed a person, and who was told."),
    CommandEntry("documents", _LOOK, "Show mirrored documents."),
    CommandEntry("albums", _LOOK, "Show mirrored albums."),
    CommandEntry("folders", _LOOK, "Show mirrored folders."),
    CommandEntry("articles", _LOOK, "Show mirrored articles."),
    CommandEntry("profiles", _LOOK, "Show mirrored profiles of members."),
    CommandEntry("ledger", _LOOK, "Check, export and ask the record of removals."),
    CommandEntry("audit", _LOOK, "Look whether everything held may be held, and everything gone is gone."),
    CommandEntry("report", _LOOK, "Tell how the promise was kept over a period, as a page or JSON."),
    CommandEntry("drill", _LOOK, "Take one document back, as it were, and measure how it goes."),
    CommandEntry("doctor", _KEEP, "Look at everything the mirror stands on, and say what to do."),
    CommandEntry("config", _KEEP, "Check and show the configuration."),
    CommandEntry("backup", _KEEP, "Keep what would not come back by itself, and nothing of any work."),
    CommandEntry("restore", _KEEP, "Put a backup back."),
    CommandEntry("db", _KEEP, "Create or upgrade the database."),
    CommandEntry("notify", _KEEP, "Try whether notices of incidents arrive."),
    CommandEntry("assets", _KEEP, "Install units, man pages, completion and examples.", is_configured=False),
    CommandEntry("leave", _KEEP, "Erase everything, with proof, and end the use of the API."),
)
"""Every command there is, in the order of the help."""


@dataclass(slots=True)
class Frame:
    """What one invocation knows before any command runs.

    Attributes:
        config: what `--config` said, or None.
        debug: whether failures show their traceback.
        secrets: texts that must not be printed, whatever fails.
    """

    config: Path | None = None
    debug: bool = False
    secrets: list[str] = field(default_factory=list)


def settings_from(ctx: "typer.Context", *, needs: Collection[str] = ALL_SECRETS) -> "Settings":
    """Read the configuration that this invocation means, or print every problem and exit with 2.

    Args:
        ctx: of the command.
        needs: the secrets without which the command can do nothing, e.g. `("state_key",)`; by default all.
    """
    from ipsync.cli import output
    from ipsync.settings import SettingsInvalid, load

    frame = frame_of(ctx)
    try:
        settings = load(frame.config, os.environ, needs=needs)
    except SettingsInvalid as invalid:
        output.print_problems(invalid.problems)
        output.leave(WRONG)
    frame.secrets += [secret.reveal() for secret in settings.secrets.all() if secret]
    return settings


def frame_of(ctx: "typer.Context") -> Frame:
    """The invocation's frame."""
    return ctx.ensure_object(Frame)


def examples(*lines: str) -> str:
    """Write examples of use as the epilog of a command.

    Args:
        lines: what is typed, with a comment where it helps.
    """
    # The mark \b keeps the lines as they are.
    return "\b\n" + "\n".join(("Examples:", *(f"  {line}" for line in lines)))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit: the console script.

    Args:
        arguments: without the program's name; None for those of the process.
    """
    from ipsync.cli.frame import run

    code = run(sys.argv[1:] if arguments is None else list(arguments))
    sys.exit(code)
