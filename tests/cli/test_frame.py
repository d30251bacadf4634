"""The frame: instant help, options on either side, decent failures, exit codes."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

import ipsync
from ipsync.cli import COMMANDS, CommandEntry, Frame
from ipsync.cli.frame import redact
from ipsync.settings import SECRET_NAMES
from tests.fakes.command_line import COMMAND, Outcome, Terminal, ipsync_here
from tests.fakes.command_line import ipsync as ipsync_process
from tests.fakes.configuration import SECRETS, write_configuration

Cli = Callable[..., Outcome]


def test_help_names_every_command_once(cli: Cli) -> None:
    shown = cli("--help")

    assert shown.code == 0
    for entry in COMMANDS:
        assert shown.out.count(f"\n  {entry.name} ") == 1
    assert "Examples:\n    ipsync demo " in shown.out


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_listed_command_exists_and_explains_itself(cli: Cli, entry: CommandEntry) -> None:
    assert find_spec(entry.module), f"{entry.module} is listed and missing"

    shown = cli(entry.name, "--help")

    assert shown.code == 0, shown.err
    assert shown.out.startswith(f"Usage: ipsync {entry.name} ")
    assert ("--config FILE" in shown.out) == entry.is_configured


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from ipsync.cli.frame import run; run(['--help']); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert not loaded & {"aiohttp", "alembic", "asyncio", "msgspec", "pydantic", "rich", "sqlalchemy", "sqlmodel"}


def test_help_feels_instant() -> None:
    """CPU time, the best of three: what other processes do does not count."""

    def cpu_seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    times: list[float] = []
    for _ in range(3):
        before = cpu_seconds()
        assert ipsync_process("--help").code == 0
        times.append(cpu_seconds() - before)

    assert min(times) <= 0.3


def test_version(cli: Cli) -> None:
    assert cli("--version") == Outcome(0, f"ipsync {ipsync.__version__}\n", "")


def test_nothing_to_do_shows_help(cli: Cli) -> None:
    shown = cli()

    assert shown.code == 2
    assert "Usage: ipsync" in shown.out + shown.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["simulatr"], "'simulator'"),
        (["config", "chek"], "'check'"),
        (["config", "check", "--jsn"], "--json"),
        (["--confg", "x", "status"], "--config"),
        (["simulator", "--members", "many"], "--members"),
        (["config", "check", "surplus"], "surplus"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_hint(cli: Cli, arguments: list[str], hint: str) -> None:
    shown = cli(*arguments)

    assert shown.code == 2
    assert hint in shown.err
    assert "Traceback" not in shown.err


def test_config_stands_on_either_side(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path)
    other = tmp_path / "none.toml"

    for arguments in (
        ("--config", file, "config", "check"),
        ("-c", file, "config", "check"),
        ("config", "-c", file, "check"),
        ("config", "check", "--config", file),
        ("config", "check", "-c", file),
        ("config", "check", f"--config={file}"),
        ("--config", other, "config", "check", "--config", file),
    ):
        assert cli(*arguments, env=SECRETS).code == 0, arguments
    assert cli("config", "check", env=SECRETS | {"IPSYNC_CONFIG": str(file)}).code == 0
    assert cli("-c", other, "config", "check", env=SECRETS | {"IPSYNC_CONFIG": str(file)}).code == 2


def test_a_command_without_a_usable_configuration_exits_with_2_and_names_everything(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[removal]\nwindow = "48h"\n[web]\nlisten = "x"')

    shown = cli("db", "upgrade", "-c", file)

    assert shown.code == 2
    assert shown.out == ""
    assert f"error: {file}: removal.window:" in shown.err
    assert f"error: {file}: web.listen:" in shown.err
    assert "Traceback" not in shown.err


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let `ipsync config show` fail."""

    def breaks(error: BaseException) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("ipsync.cli.config._values", fail)

    return breaks


def test_an_unexpected_failure_is_one_sentence(
    cli: Cli, tmp_path: Path, breaking: Callable[[BaseException], None]
) -> None:
    breaking(RuntimeError("the moon is full"))

    shown = cli("config", "show", "-c", write_configuration(tmp_path), env=SECRETS)

    assert shown.code == 1
    assert shown.err == (
        "ipsync: error: RuntimeError: the moon is full\n  -> for the whole story run it again with --debug\n"
    )


@pytest.mark.parametrize("how", ["before", "after", "environment"])
def test_debug_shows_where_a_failure_comes_from(
    cli: Cli, tmp_path: Path, breaking: Callable[[BaseException], None], how: str
) -> None:
    breaking(RuntimeError("the moon is full"))
    command = ["config", "show", "-c", str(write_configuration(tmp_path))]
    arguments = {"before": ["--debug", *command], "after": [*command, "--debug"], "environment": command}[how]

    shown = cli(*arguments, env=SECRETS | ({"IPSYNC_DEBUG": "1"} if how == "environment" else {}))

    assert shown.code == 1
    assert "Traceback" in shown.err
    assert "in show" in shown.err


def test_F35_a_failure_shows_no_secret(cli: Cli, tmp_path: Path, breaking: Callable[[BaseException], None]) -> None:
    file_secret = "canary in a file 0123456789"
    environ = dict(SECRETS)
    environ.pop("IPSYNC_ADMIN_TOKEN")
    (tmp_path / "token").write_text(file_secret.replace(" ", "-"))
    (tmp_path / "token").chmod(0o600)
    file = write_configuration(tmp_path, '[secrets]\nadmin_token_file = "token"')
    everything = " ".join([*environ.values(), file_secret.replace(" ", "-")])
    address = "https://api.ipernity.com/api/x?auth_token=canary-member-token&api_sig=canary-signature&page=2"
    breaking(RuntimeError(f"{everything} {address}"))

    for debug in ([], ["--debug"]):
        shown = cli(*debug, "config", "show", "-c", file, env=environ)
        assert shown.code == 1
        assert "canary" not in shown.out + shown.err
        assert SECRETS["IPSYNC_STATE_KEY"] not in shown.out + shown.err
        assert "page=2" in shown.err


def test_F35_secrets_are_found_in_addresses_too() -> None:
    frame = Frame(secrets=["a+b/c=d&e", "short"])

    text = redact("x a+b/c=d&e y a%2Bb%2Fc%3Dd%26e z short api_key=123 'frob': 'q' \"token\": \"t\"", frame)

    assert text == "x [redacted] y [redacted] z short api_key=[redacted] 'frob': 'q' \"token\": \"[redacted]\""


def test_hostile_text_in_a_failure_does_not_steer_the_terminal(
    cli: Cli, tmp_path: Path, breaking: Callable[[BaseException], None]
) -> None:
    breaking(RuntimeError("\x1b]0;owned\x07 \u202ebad [red]text[/red]"))

    shown = cli("config", "show", "-c", write_configuration(tmp_path), env=SECRETS)

    assert "\x1b" not in shown.err
    assert "\\u202ebad [red]text[/red]" in shown.err


def test_a_failure_of_the_machine_is_said_plainly(
    cli: Cli, tmp_path: Path, breaking: Callable[[BaseException], None]
) -> None:
    breaking(PermissionError(13, "Permission denied", "/srv/content"))

    shown = cli("config", "show", "-c", write_configuration(tmp_path), env=SECRETS)

    assert shown.code == 1
    assert shown.err.startswith("ipsync: error: [Errno 13] Permission denied: '/srv/content'\n")


def test_an_interruption_is_quiet(cli: Cli, tmp_path: Path, breaking: Callable[[BaseException], None]) -> None:
    breaking(KeyboardInterrupt())

    shown = cli("config", "show", "-c", write_configuration(tmp_path), env=SECRETS)

    assert (shown.code, shown.err) == (130, "")


def test_ctrl_c_at_a_question_is_quiet(tmp_path: Path) -> None:
    with Terminal("init", "--directory", tmp_path / "new") as terminal:
        terminal.expect("Name of the application: ")
        terminal.interrupt()
        outcome = terminal.end()

    assert outcome.code == 130
    assert "Traceback" not in outcome.out
    assert not (tmp_path / "new").exists()


def test_a_reader_that_goes_away_is_no_catastrophe(tmp_path: Path) -> None:
    """`ipsync config show | true`"""
    file = write_configuration(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [*COMMAND, "config", "show", "-c", str(file)], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)

    assert done.returncode == 1
    assert done.stderr == b""


@pytest.mark.parametrize("columns", ["1", "10", "40", "0", "nonsense"])
@pytest.mark.parametrize("language", ["C", "de_DE.ISO-8859-1", "C.UTF-8"])
def test_narrow_terminals_and_old_encodings_do_not_crash(tmp_path: Path, columns: str, language: str) -> None:
    file = write_configuration(tmp_path)
    file.write_text(file.read_text().replace("Test wall", "Wänd \u65e5\u672c"))
    env = SECRETS | {
        "COLUMNS": columns,
        "LC_ALL": language,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii" if language == "C" else "",
    }

    with Terminal("config", "show", "-c", file, env=env) as terminal:
        outcome = terminal.end()

    assert outcome.code == 0, outcome.out
    assert "Traceback" not in outcome.out


@pytest.mark.parametrize(("env", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_NO_COLOR_is_respected(tmp_path: Path, env: dict[str, str], colored: bool) -> None:
    file = write_configuration(tmp_path)

    with Terminal("config", "show", "-c", file, env={"TERM": "xterm-256color"} | env, keep_escapes=True) as terminal:
        shown = terminal.end().out

    # Bold is no color, but "dumb" terminals know neither.
    assert ("\x1b[1m" in shown) == (colored or "NO_COLOR" in env)
    assert "\x1b[3" not in shown


def test_the_names_of_secrets_are_those_of_the_settings() -> None:
    from ipsync import cli as frame
    from ipsync.cli.frame import _SECRET_VARIABLES
    from ipsync.settings.secrets import EXTRA_SECRET_NAMES, variable

    assert frame.ALL_SECRETS == SECRET_NAMES
    assert tuple(variable(name) for name in (*SECRET_NAMES, *EXTRA_SECRET_NAMES)) == _SECRET_VARIABLES


def test_the_fake_leaves_the_environment_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPSYNC_CONFIG", "/somewhere")

    ipsync_here(capsys, monkeypatch)("--version", env={"IPSYNC_DEBUG": "1"})

    assert os.environ["IPSYNC_CONFIG"] == "/somewhere"
    assert "IPSYNC_DEBUG" not in os.environ
