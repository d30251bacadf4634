"""`ipsync config`: whether the configuration can be used, and what it says. It changes nothing."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, WRONG, examples, frame_of, output, settings_from

if TYPE_CHECKING:
    from ipsync.in_force import Change
    from ipsync.settings import Problem, Secret, Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Check and show the configuration.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(
    epilog=examples(
        "ipsync config check",
        "ipsync config check --config wall.toml --json",
        "ipsync config check --running && systemctl reload ipsync",
    )
)
def check(
    ctx: typer.Context,
    running: Annotated[
        bool, typer.Option("--running", help="Compare it with what the running daemon goes by.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say what is wrong with the configuration.

    Everything at once, each with file, key, reason and remedy; exit with 2 if there is an error. Warnings are
    no reason to refuse.

    With --running also what differs from what the daemon goes by now. Exit code 3: a reload is not enough for all of
    it. 1: no daemon runs that could be asked.
    """
    from ipsync import settings as configuration

    path = frame_of(ctx).config
    problems: list[configuration.Problem]
    settings: configuration.Settings | None
    try:
        settings = configuration.load(path, os.environ)
        problems = [*_overload(settings), *settings.warnings]
    except configuration.SettingsInvalid as invalid:
        settings = None
        problems = list(invalid.problems)
    summary = None if settings is None or any(problem.is_error for problem in problems) else _summary(settings)
    file = str(configuration.locate(path, os.environ))
    changes = _changes(settings) if running and settings is not None else None
    if json:
        found = [problem.as_json() for problem in problems]
        told: dict[str, Any] = {"ok": summary is not None, "file": file, "problems": found, "summary": summary}
        if running:
            told["changes"] = None if changes is None else [_change_json(change) for change in changes]
        output.emit_json(told)
    else:
        output.print_problems(problems, stderr=False)
        if summary is not None:
            output.say(f"OK: {file}")
            for name, text in summary.items():
                output.say(f"  {name:<8} {text}")
        if changes is not None:
            _say_changes(changes)
    if summary is None:
        output.leave(WRONG)
    if any(change.effect != "reload" for change in changes or ()):
        output.leave(FOUND)


def _overload(settings: "Settings") -> "list[Problem]":
    """Whether a start and a reload would refuse it for what is held already; nothing where no database can tell."""
    if not settings.database.path.exists():
        return []
    import asyncio

    from ipsync.assembly import overload_held
    from ipsync.base import catalog_beside
    from ipsync.ports.catalog import CatalogFailure
    from ipsync.settings import Problem

    async def look() -> "list[Problem]":
        async with catalog_beside(settings) as catalog:
            found = await overload_held(catalog, settings)
        if found is None:
            return []
        return [
            Problem(str(settings.file), "budget", found.words(), "a start and a reload refuse it: allow more requests")
        ]

    try:
        return asyncio.run(look())
    except (CatalogFailure, OSError):
        return []  # what is wrong with the database, those that open it say


def _changes(settings: "Settings") -> "list[Change]":
    """What differs from what the daemon goes by; ends the command where there is none to be asked."""
    from ipsync.in_force import changes_of, read_in_force

    before = read_in_force(settings.database.path)
    if before is None:
        output.fail(
            f"no daemon that can be asked works on {settings.database.path}",
            "start one, or leave --running out; if database.url changed, the old daemon is at the old place",
        )
    return changes_of(before, settings)


def _say_changes(changes: "list[Change]") -> None:
    if not changes:
        output.say("The running daemon goes by it already.")
        return
    headings = {
        "reload": "A reload takes over (systemctl reload ipsync):",
        "restart": "Only a restart takes over (systemctl restart ipsync):",
        "refused": "Refused; the purpose of a key cannot change (T03), use a new database and store:",
    }
    for effect, heading in headings.items():
        mine = [change for change in changes if change.effect == effect]
        if mine:
            output.say(heading)
        for change in mine:
            is_secret = change.key.startswith("secret ")
            words = "differs" if is_secret else f"{_for_people(change.before)} -> {_for_people(change.after)}"
            output.say(f"  {change.key:<28} {words}")


def _change_json(change: "Change") -> dict[str, Any]:
    return {"key": change.key, "running": change.before, "configured": change.after, "effect": change.effect.value}


def _summary(settings: "Settings") -> dict[str, str]:
    """What the configuration comes to, in a few lines."""
    from ipsync.policy.instants import duration_text
    from ipsync.settings.reference import written

    def listed(key: str) -> str:
        value = written(settings.mirror, key)
        return value if isinstance(value, str) else ", ".join(value) or "none"

    lease, budget = settings.lease(), settings.budget
    public = f", for others at {settings.web.public_url}" if settings.web.public_url else ""
    summary = {
        "asks": "members are asked for "
        + ", ".join(f"{area}: {level}" for area, level in settings.permissions.items()),
        "mirrors": f"{listed('visibility')} documents; media {listed('media')}; safety {listed('safety')}; "
        f"licenses {listed('licenses')}; files {listed('renditions')}",
        "removes": f"hidden within {duration_text(lease.serve_age)}, erased within {duration_text(lease.window)}",
        "requests": f"{budget.per_second:g} a second, {budget.per_minute} a minute, {budget.per_hour} an hour, "
        f"{budget.per_day} a day at most",
        "serves": f"{settings.web.listen}{public}",
    }
    if settings.is_testing:
        summary["testing"] = f"the key awaits validation: {settings.accounts_most} accounts at most, this machine only"
    return summary


@app.command(epilog=examples("ipsync config show", "ipsync config show --json"))
def show(ctx: typer.Context, json: JsonOption = False) -> None:
    """Show every setting in force.

    With each, whether it comes from the file or is the default. Secrets are not shown.
    """
    settings = settings_from(ctx, needs=())
    values = _values(settings)
    secrets = {secret.name: _state_of(secret) for secret in settings.secrets.all()}
    if json:
        shown = {key: {"value": value, "source": source} for key, value, source in values}
        output.emit_json({"file": str(settings.file), "settings": shown, "secrets": secrets})
        return
    output.say(f"{settings.file}")
    rows = [(key, _for_people(value), source) for key, value, source in values]
    rows += [(f"secret {name}", state, "") for name, state in secrets.items()]
    output.print_table(("setting", "value", "from"), rows)


def _values(settings: "Settings") -> list[tuple[str, Any, str]]:
    """Key, value as TOML would give it, and source of every setting."""
    from ipsync.settings.reference import written_values

    def source(key: str) -> str:
        return "file" if key in settings.given or key.startswith("agreements[") else "default"

    return [(key, value, source(key)) for key, value in written_values(settings).items()]


def _for_people(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(entry) for entry in value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value in (None, "") else str(value)


def _state_of(secret: "Secret") -> str:
    if not secret:
        return "not set"
    named = secret.source in ("credentials", "environment")
    return f"set (from {secret.source if named else f'file {secret.source}'})"
