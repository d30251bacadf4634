"""`ipsync init`: a first configuration, by questions or by options.

Secrets are asked for without echo, or taken from the environment or standard input; never from the
command line (T05). What is written passes `ipsync config check`. Secrets that exist are kept whatever
is asked for: a new `state_key` would make every stored token unreadable.
"""

import getpass
import os
import secrets
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from ipsync.cli import WRONG, examples, output

app = typer.Typer(add_completion=False)

CONFIG_FILE = "ipsync.toml"
POLICY_FILE = "privacy-policy.md"
SECRETS_FOLDER = "secrets"
STATE_FOLDER = Path("/var/lib/ipsync")
"""Where a mirror lies whose configuration is the system's: the service may write nowhere else."""
_GENERATED: dict[str, Callable[[], str]] = {
    "state_key": lambda: secrets.token_hex(32),
    "admin_token": lambda: secrets.token_urlsafe(32),
}
_GIVEN = {"api_key": "API key", "api_secret": "secret of the API key"}


@dataclass(slots=True)
class Answers:
    """What the operator decided; the texts of the secrets hide from repr."""

    application: str = ""
    purpose: str = ""
    contact: str = ""
    use: str = "non-commercial"
    status: str = "active"
    api_url: str = ""
    terms_accepted: bool = False
    given: dict[str, str] = field(default_factory=dict, repr=False)


@app.command(
    epilog=examples(
        "ipsync init                            # asks, and writes into this folder",
        "ipsync init --directory /etc/ipsync",
        'ipsync init --yes --accept-terms --application "Our wall" --contact you@example.org \\',
        '            --purpose "Shows the photos of our members" --secrets-from-stdin < key-and-secret',
    )
)
def init(
    directory: Annotated[Path, typer.Option("--directory", "-d", metavar="FOLDER", help="Where to write.")] = Path(),
    application: Annotated[str, typer.Option(help="The application's name, as registered with its key.")] = "",
    purpose: Annotated[str, typer.Option(help="What the copies are for, in one sentence.")] = "",
    contact: Annotated[str, typer.Option(help="Your e-mail address, or a page that says how to reach you.")] = "",
    use: Annotated[str, typer.Option(help='What the key is for: "non-commercial" or "commercial".')] = "",
    status: Annotated[str, typer.Option(help='"active", or "awaiting-validation" for a new key.')] = "",
    api_url: Annotated[str, typer.Option(help="Another API than ipernity's, e.g. a simulator's.")] = "",
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="You have read and accept the terms of the ipernity API.")
    ] = False,
    secrets_from_stdin: Annotated[
        bool, typer.Option("--secrets-from-stdin", help="Read the API key and its secret from two lines of input.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take options and defaults.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing configuration and privacy policy; secrets are kept.")
    ] = False,
) -> None:
    """Ask a few questions and write a configuration, a privacy policy and the secrets.

    The API key and its secret are asked for without echo, or taken from $IPSYNC_API_KEY and
    $IPSYNC_API_SECRET. The other secrets are made up here.
    """
    folder = directory.absolute()
    _refuse_overwriting(folder, force=force)
    answers = Answers(
        application, purpose, contact, use or "non-commercial", status or "active", api_url, terms_accepted=accept_terms
    )
    answers.given = _secrets_at_hand(from_stdin=secrets_from_stdin)
    if yes:
        _demand(answers)
    elif sys.stdin.isatty():
        _ask_everything(answers, folder, has_use=bool(use), has_status=bool(status))
    else:
        output.fail(
            "init asks questions, and there is nobody to answer them",
            "run it in a terminal, or give --yes with --application, --purpose, --contact and --accept-terms",
            WRONG,
        )
    written = _write(folder, answers, force=force)
    _tell(folder, written)


def _refuse_overwriting(folder: Path, *, force: bool) -> None:
    existing = folder / CONFIG_FILE
    if os.path.lexists(existing) and not force:
        output.fail(f"{existing} exists", "choose another --directory, or replace it with --force", WRONG)


def _secrets_at_hand(*, from_stdin: bool) -> dict[str, str]:
    from ipsync.settings.problems import Unfit
    from ipsync.settings.secrets import fit_secret, variable

    found: dict[str, str] = {}
    for name, label in _GIVEN.items():
        text = sys.stdin.readline().strip() if from_stdin else os.environ.get(variable(name), "").strip()
        if from_stdin and not text:
            output.fail(f"the {label} is missing on standard input", "give two lines: API key, then its secret", WRONG)
        if text:
            try:
                fit_secret(name, text)
            except Unfit as unfit:
                output.fail(f"the {label} {unfit.reason}", unfit.remedy, WRONG)
            found[name] = text
    return found


def _readers() -> dict[str, Callable[[object], Any]]:
    """How each answer is checked: as the settings do it."""
    from ipsync.settings import addresses, sections, units

    return {
        "application": addresses.read_application,
        "purpose": units.read_line,
        "contact": addresses.read_contact,
        "use": units.word(sections.USES),
        "status": units.word(sections.STATUSES),
        "api_url": addresses.read_folder_url,
    }


def _demand(answers: Answers) -> None:
    """Without questions: refuse all that is missing or wrong, at once."""
    from ipsync.settings.problems import Unfit

    wrong: list[str] = []
    for name, read in _readers().items():
        if name == "api_url" and not answers.api_url:
            continue
        try:
            read(getattr(answers, name))
        except Unfit as unfit:
            wrong.append(f"--{name.replace('_', '-')} {unfit.reason}: {unfit.remedy}")
    if not answers.terms_accepted:
        wrong.append("--accept-terms is missing: read the terms of the ipernity API at www.ipernity.com first")
    if wrong:
        output.fail("some options are missing or wrong", "\n  -> ".join(wrong), WRONG)


def _ask_everything(answers: Answers, folder: Path, *, has_use: bool, has_status: bool) -> None:
    output.say(f"This writes {CONFIG_FILE}, {POLICY_FILE} and {SECRETS_FOLDER}/ into {folder}. Ctrl-C leaves.\n")
    answers.application = answers.application or _ask("Name of the application", "application")
    answers.purpose = answers.purpose or _ask("What the copies are for, in one sentence", "purpose")
    answers.contact = answers.contact or _ask("Your e-mail address, or a page how to reach you", "contact")
    if not has_use:
        answers.use = _ask("The API key is for use that is", "use", answers.use)
    if not has_status:
        answers.status = _ask("The API key is", "status", answers.status)
    _demand_options(answers)
    if not answers.terms_accepted:
        output.say("\nThe terms of use of the ipernity API (version of 2017-11-28) are at www.ipernity.com.")
        if _line("Have you read them, and do you accept them? (yes/no): ").lower() not in ("yes", "y"):
            output.fail("the terms are not accepted, so nothing was written", "read them, then run this again")
        answers.terms_accepted = True
    for name, label in _GIVEN.items():
        if name not in answers.given and not os.path.lexists(folder / SECRETS_FOLDER / name):
            _ask_secret(answers, name, label)


def _demand_options(answers: Answers) -> None:
    """Options that were given beside questions are checked like answers."""
    from ipsync.settings.problems import Unfit

    for name, read in _readers().items():
        value = getattr(answers, name)
        try:
            if value:
                read(value)
        except Unfit as unfit:
            output.fail(f"--{name.replace('_', '-')} {unfit.reason}", unfit.remedy, WRONG)


def _ask(question: str, name: str, default: str = "") -> str:
    """Ask until the answer is fit."""
    from ipsync.settings.problems import Unfit

    read = _readers()[name]
    while True:
        answer = _line(f"{question}{f' [{default}]' if default else ''}: ") or default
        try:
            read(answer)
        except Unfit as unfit:
            output.say(f"  That {unfit.reason}: {unfit.remedy}.")
        else:
            return answer.strip()


def _ask_secret(answers: Answers, name: str, label: str) -> None:
    from ipsync.settings.problems import Unfit
    from ipsync.settings.secrets import fit_secret

    while True:
        text = _answer(lambda: getpass.getpass(f"The {label} (hidden; empty: later): ")).strip()
        if not text:
            return
        try:
            fit_secret(name, text)
        except Unfit as unfit:
            output.say(f"  That {unfit.reason}: {unfit.remedy}.")
        else:
            answers.given[name] = text
            return


def _line(prompt: str) -> str:
    return _answer(lambda: input(prompt)).strip()


def _answer(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except EOFError:
        output.fail("no answer", "nothing was written; run it again, or give --yes and options", WRONG)


@dataclass(frozen=True, slots=True)
class _Written:
    config: Path
    kept: tuple[Path, ...]
    missing: tuple[str, ...]


def _write(folder: Path, answers: Answers, *, force: bool) -> _Written:
    """Write secrets, then policy, then configuration: a crash leaves nothing that looks finished."""
    from ipsync.assets import asset_folder
    from ipsync.settings import SYSTEM_FILE

    kept: list[Path] = []
    secret_folder = folder / SECRETS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    secret_folder.mkdir(mode=0o700, exist_ok=True)
    texts = {name: make() for name, make in _GENERATED.items()} | answers.given
    for name, text in texts.items():
        if not _create(secret_folder / name, text + "\n", mode=0o600):
            kept.append(secret_folder / name)
    policy = (asset_folder("config") / POLICY_FILE).read_text(encoding="utf-8")
    if not _create(folder / POLICY_FILE, policy, mode=0o644, replace=force):
        kept.append(folder / POLICY_FILE)
    missing = tuple(name for name in _GIVEN if not os.path.lexists(secret_folder / name))
    is_service = folder / CONFIG_FILE == SYSTEM_FILE
    _create(folder / CONFIG_FILE, _configuration(answers, is_service=is_service), mode=0o644, replace=force)
    return _Written(folder / CONFIG_FILE, tuple(kept), missing)


def _create(path: Path, text: str, *, mode: int, replace: bool = False) -> bool:
    """Write a new file whole or not at all; False where one exists and is to be kept."""
    if os.path.lexists(path) and not replace:
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return True


def _configuration(answers: Answers, *, is_service: bool) -> str:
    from ipsync.settings.reference import toml_value
    from ipsync.settings.secrets import SECRET_NAMES
    from ipsync.settings.sections import TERMS_VERSION

    lines = [
        "# ipsync: what is not here has its default; `ipsync config show` shows everything.",
        "",
        "[operator]",
        f"application = {toml_value(answers.application.strip())}",
        f"purpose = {toml_value(answers.purpose.strip())}",
        f"contact = {toml_value(answers.contact.strip())}",
        f"terms_accepted = {toml_value(TERMS_VERSION)}",
        f"privacy_policy = {toml_value(POLICY_FILE)}",
        "",
        "[key]",
        f"use = {toml_value(answers.use)}",
        f"status = {toml_value(answers.status)}",
    ]
    if answers.api_url:
        lines += ["", "[api]", f"url = {toml_value(answers.api_url)}"]
    lines += ["", "[mirror]", 'visibility = ["public"]', 'renditions = ["240", "original"]']
    if is_service:
        lines += ["", "[database]", f"url = {toml_value(f'sqlite:///{STATE_FOLDER}/ipsync.db')}"]
        lines += ["", "[store]", f"url = {toml_value(f'file:{STATE_FOLDER}/content')}"]
    lines += ["", "[secrets] # or systemd credentials, or $IPSYNC_API_KEY and so on"]
    lines += [f"{name}_file = {toml_value(f'{SECRETS_FOLDER}/{name}')}" for name in SECRET_NAMES]
    return "\n".join(lines) + "\n"


def _tell(folder: Path, written: _Written) -> None:
    """Say what was done and what comes next."""
    from ipsync.settings import SYSTEM_FILE

    output.say(f"Written: {written.config}, with {POLICY_FILE} and {SECRETS_FOLDER}/ beside it.")
    for path in written.kept:
        output.say(f"Kept as it was: {path}")
    output.say(f"Read {folder / POLICY_FILE} and make it yours: members see it.")
    option = "" if written.config == SYSTEM_FILE else f" --config {shlex.quote(str(written.config))}"
    if written.missing:
        names = " and ".join(_GIVEN[name] for name in written.missing)
        files = " and ".join(str(folder / SECRETS_FOLDER / name) for name in written.missing)
        output.say(f"Next: put the {names} into {files} (mode 0600), then: ipsync config check{option}")
        return
    _examine(written.config)
    if written.config == SYSTEM_FILE:
        output.say("Next, under systemd: systemctl enable --now ipsync ipsync-reaper.timer; it makes the database")
        output.say("Then: ipsync-as-service account add")
        return
    output.say(f"Next: ipsync db upgrade{option}")
    output.say(f"Then: ipsync account add{option}, and ipsync run{option}")


def _examine(config: Path) -> None:
    """Read what was written as every command will, and look at what it stands on.

    What is wrong with it now comes from files that were kept. ipernity is not asked: there is no database yet in which
    the request could be counted.
    """
    from ipsync.cli.doctor import examine
    from ipsync.settings import SettingsInvalid, load

    try:
        settings = load(config, os.environ)
    except SettingsInvalid as invalid:
        output.print_problems(invalid.problems)
        output.leave(WRONG)
    output.print_problems(settings.warnings)
    output.say("What it stands on (ipsync doctor says it again, and asks ipernity too):")
    examine(settings, offline=True)
