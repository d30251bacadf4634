"""The frame around every command: global options, loading a command when it is asked for, failing decently.

No command lives here, and no command is imported before its name was typed: `ipsync --help` must feel
instant. Help is plain text for the same reason (drawing it with Rich doubles its time), and so that it
looks the same in every terminal.
"""

import importlib
import os
import re
import sys
import traceback
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import ipsync
from ipsync.cli import COMMANDS, FAILED, INTERRUPTED, WRONG, CommandEntry, Frame, examples, frame_of, output

_ENTRIES = {entry.name: entry for entry in COMMANDS}
_SECRET_VARIABLES = (
    "IPSYNC_API_KEY",
    "IPSYNC_API_SECRET",
    "IPSYNC_ADMIN_TOKEN",
    "IPSYNC_STATE_KEY",
    "IPSYNC_SMTP_PASSWORD",
    "IPSYNC_WEBHOOK_SECRET",
)
_PARAMETERS = re.compile(
    r"\b(auth_token|api_sig|api_key|frob|token|secret)(=|%3D|\"?: *\"?)[^\s&\"',;)]+", re.IGNORECASE
)
_SHORTEST_SECRET = 6
_EPILOG = examples(
    "ipsync demo                       # see what it does, without any configuration",
    "ipsync init                       # then: ipsync config check",
    "ipsync --config wall.toml status  # not /etc/ipsync/ipsync.toml",
)


def _remember_config(ctx: typer.Context, value: Path | None) -> None:
    if value is not None:
        frame_of(ctx).config = value


def _remember_debug(ctx: typer.Context, value: bool) -> None:
    if value:
        frame_of(ctx).debug = True


def _print_version(value: bool) -> None:
    if value:
        output.say(f"ipsync {ipsync.__version__}")
        raise typer.Exit


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Without it: $IPSYNC_CONFIG, then /etc/ipsync/ipsync.toml.",
        callback=_remember_config,
        expose_value=False,
    ),
]
DebugOption = Annotated[
    bool,
    typer.Option(
        "--debug",
        help="Show where a failure comes from.",
        callback=_remember_debug,
        expose_value=False,
        envvar="IPSYNC_DEBUG",
    ),
]
LateDebugOption = Annotated[bool, typer.Option("--debug", callback=_remember_debug, expose_value=False, hidden=True)]


class LazyGroup(TyperGroup):
    """The top of the tree: it knows names and summaries, and imports a command when it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the stand-in that help shows by the command itself."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, (command if name is None else load_command(_ENTRIES[name])), rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands below their headings."""
        for panel in dict.fromkeys(entry.panel for entry in COMMANDS):
            with formatter.section(panel):
                formatter.write_dl([(entry.name, entry.summary) for entry in COMMANDS if entry.panel == panel])


def load_command(entry: CommandEntry) -> Any:
    """Import a command and give it, and everything below it, the global options.

    Args:
        entry: its line in the list.
    """
    module = importlib.import_module(entry.module)
    command: Any = typer.main.get_command(module.app)
    command.name = entry.name
    command.help = command.help or entry.summary
    _fit_in(command, is_configured=entry.is_configured)
    return command


def _fit_in(command: Any, *, is_configured: bool) -> None:
    """Make help plain, and let `--config` and `--debug` stand behind a command's name as well."""

    def configured(config: ConfigOption = None, debug: LateDebugOption = False) -> None:
        """Carry the options."""

    def free(debug: LateDebugOption = False) -> None:
        """Carry the option."""

    carrier = typer.Typer(add_completion=False)
    carrier.command()(configured if is_configured else free)
    command.params += typer.main.get_command(carrier).params
    command.rich_markup_mode = None
    for below in getattr(command, "commands", {}).values():
        _fit_in(below, is_configured=is_configured)


def build() -> typer.Typer:
    """Make the Typer application, with a stand-in for each command."""
    application = typer.Typer(
        name="ipsync",
        cls=LazyGroup,
        help=(
            "ipsync mirrors what ipernity members allow an application to keep, and forgets it when they don't. "
            "What an owner hides or deletes is hidden here within 20 hours and erased within 24, whatever fails."
        ),
        epilog=_EPILOG,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )

    @application.callback()
    def globally(
        config: ConfigOption = None,
        debug: DebugOption = False,
        version: Annotated[
            bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
        ] = False,
    ) -> None:
        """Take the global options."""

    for entry in COMMANDS:
        application.command(entry.name, help=entry.summary, rich_help_panel=entry.panel)(_stand_in)
    return application


def _stand_in() -> None:
    """Be shown in help; `LazyGroup` calls the command itself."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: without the program's name.

    Returns:
        The exit code.
    """
    output.prepare_streams()
    frame = Frame()
    try:
        command = typer.main.get_command(build())
        command.main(args=list(arguments), prog_name="ipsync", obj=frame)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = FAILED
    except Exception as error:  # noqa: BLE001  # reason: the last place where a failure can be said decently
        code = _report(error, frame)
    return code if output.flush() else FAILED


def _report(error: Exception, frame: Frame) -> int:
    """Say what went wrong: one sentence, or with `--debug` the traceback; never a secret (F35)."""
    if frame.debug:
        output.complain(redact("".join(traceback.format_exception(error)).rstrip(), frame))
    is_ours = type(error).__module__.partition(".")[0] == "ipsync"
    is_plain = is_ours or isinstance(error, OSError)
    text = str(error) if is_plain and str(error) else f"{type(error).__name__}: {error}".removesuffix(": ")
    remedy = "" if is_ours or frame.debug else "for the whole story run it again with --debug"
    output.print_failure(redact(text, frame), remedy)
    wrong = type(error).__name__ in ("SettingsInvalid", "SecretMissing")
    return WRONG if wrong else FAILED


def redact(text: str, frame: Frame) -> str:
    """Take out of `text` every secret that is known, and everything that looks like one in an address."""
    known = [*frame.secrets, *(os.environ.get(name, "") for name in _SECRET_VARIABLES)]
    for secret in sorted({secret for secret in known if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True):
        for form in (secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)):
            text = text.replace(form, "[redacted]")
    return _PARAMETERS.sub(r"\1\2[redacted]", text)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
