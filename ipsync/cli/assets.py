"""`ipsync assets`: put what is not Python where the system looks for it: units, man pages, completion, examples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ipsync.cli import FAILED, WRONG, examples, output

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Install units, man pages, completion and examples.",
    epilog=examples("ipsync assets list", "ipsync assets install --prefix /usr/local --program /opt/ipsync/bin/ipsync"),
)

_DELIVERED_PROGRAM = "/opt/ipsync/bin/ipsync"
Prefix = Annotated[Path, typer.Option(metavar="DIR", help="Below which everything is put.")]
Program = Annotated[str, typer.Option(metavar="PATH", help="Where the units find ipsync.")]


@app.command("list", epilog=examples("ipsync assets list --prefix /usr"))
def list_assets(prefix: Prefix = Path("/usr/local")) -> None:
    """Show which files would be put where."""
    for target, _ in _files(prefix, _DELIVERED_PROGRAM):
        output.say(str(target))


@app.command("install", epilog=examples("ipsync assets install --prefix /usr/local --dry-run"))
def install(
    prefix: Prefix,
    program: Program = _DELIVERED_PROGRAM,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
) -> None:
    """Put units, man pages, completion, rules and examples below a folder. May be repeated after an upgrade.

    Configuration and secrets are never touched: examples go to share/ipsync.
    """
    if not Path(program).is_absolute() or any(character.isspace() for character in program):
        output.fail(f'--program "{program}" is no absolute path without spaces', "give one", WRONG)
    written = 0
    for target, content in _files(prefix, program):
        if dry_run:
            output.say(f"would write {target}")
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o755 if target.parent.name == "sbin" else 0o644)
        except OSError as error:
            output.fail(f"{target} cannot be written: {error.strerror}", "run it as the owner of that folder", FAILED)
        written += 1
    if not dry_run:
        output.say(f"Wrote {written} files below {prefix}.")
        output.say("Next: systemctl daemon-reload && systemctl enable --now ipsync ipsync-reaper.timer")


def _files(prefix: Path, program: str) -> Iterator[tuple[Path, bytes]]:
    """Each file, with what goes into it."""
    from ipsync.assets import asset_folder

    units, config = asset_folder("systemd"), asset_folder("config")
    for path in sorted(units.rglob("*")):
        if path.is_file():
            content = path.read_bytes().replace(_DELIVERED_PROGRAM.encode(), program.encode())
            yield prefix / _unit_place(path.relative_to(units)), content
    for path in sorted(config.rglob("*")):
        if path.is_file():
            yield prefix / "share/ipsync" / path.relative_to(config), path.read_bytes()
    yield from _manuals(prefix)


def _unit_place(name: Path) -> Path:
    if name.parts[0] in ("sysusers.d", "tmpfiles.d"):
        return Path("lib") / name
    if name.suffix == ".example":
        return Path("share/ipsync/systemd") / name
    if name.suffix in (".service", ".timer"):
        return Path("lib/systemd/system") / name
    return Path("sbin") / name


def _manuals(prefix: Path) -> Iterator[tuple[Path, bytes]]:
    import ipsync
    from ipsync.cli.manual import bash_completion, commands, man_page, top_page

    yield prefix / "share/man/man1/ipsync.1", top_page(ipsync.__version__).encode()
    for words, command in commands():
        page = man_page(words, command, ipsync.__version__)
        yield prefix / "share/man/man1" / f"{'-'.join(('ipsync', *words))}.1", page.encode()
    yield prefix / "share/bash-completion/completions/ipsync", bash_completion().encode()
