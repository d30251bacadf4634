"""`ipsync init`: what it writes can be used at once, and nothing that exists is lost."""

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from ipsync.settings import load
from tests.fakes.command_line import Outcome, Terminal
from tests.fakes.command_line import ipsync as ipsync_process

Cli = Callable[..., Outcome]
OPTIONS = (
    "--yes",
    "--accept-terms",
    "--application",
    'A "wall" \\ ü',
    "--purpose",
    "Shows photos",
    "--contact",
    "me@wall.museum",
)
GIVEN = {"IPSYNC_API_KEY": "canary-key-0123", "IPSYNC_API_SECRET": "canary-secret-4567"}


def test_what_it_writes_passes_config_check(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "new"

    made = cli("init", *OPTIONS, "--directory", folder, env=GIVEN)
    checked = cli("config", "check", "-c", folder / "ipsync.toml")

    assert made.code == 0, made.err
    assert checked.code == 0, checked.out
    assert "warning" not in checked.out
    settings = load(folder / "ipsync.toml", {})
    assert settings.operator.application == 'A "wall" \\ ü'
    assert settings.secrets.api_key.reveal() == "canary-key-0123"
    assert len(settings.secrets.state_key_bytes()) == 32
    assert len(settings.secrets.admin_token.reveal()) >= 40
    # It ends with the doctor, and with what to do next.
    assert "note   credentials: api_key, api_secret from the environment" in made.out
    assert "ok     erasing: an erased text was not found again" in made.out
    assert made.out.index("note   database: there is no database yet") < made.out.index("Next: ipsync db upgrade")
    assert f"Next: ipsync db upgrade --config {folder}/ipsync.toml" in made.out
    assert not [secret for secret in GIVEN.values() if secret in made.out]


def test_a_configuration_of_the_system_points_into_the_folder_of_the_service(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipsync.settings.SYSTEM_FILE", tmp_path / "ipsync.toml")

    made = cli("init", *OPTIONS, "--directory", tmp_path, env=GIVEN)

    written = tomllib.loads((tmp_path / "ipsync.toml").read_text())
    assert written["database"]["url"] == "sqlite:////var/lib/ipsync/ipsync.db"
    assert written["store"]["url"] == "file:/var/lib/ipsync/content"
    assert "systemctl enable --now ipsync ipsync-reaper.timer" in made.out


def test_T05_secrets_are_files_of_their_own_that_only_the_owner_reads(cli: Cli, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = cli("init", *OPTIONS, "--directory", tmp_path, env=GIVEN)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    files = sorted((tmp_path / "secrets").iterdir())
    assert [file.name for file in files] == ["admin_token", "api_key", "api_secret", "state_key"]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        secret = file.read_text().strip()
        assert secret not in (tmp_path / "ipsync.toml").read_text()
        assert secret not in made.out + made.err


def test_T05_no_option_takes_a_secret(cli: Cli) -> None:
    shown = cli("init", "--help").out

    assert "--api-key" not in shown
    assert "--secret " not in shown
    assert "--api-secret" not in shown


def test_two_runs_make_different_secrets(cli: Cli, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert cli("init", *OPTIONS, "--directory", tmp_path / name, env=GIVEN).code == 0

    for secret in ("state_key", "admin_token"):
        made = [(tmp_path / folder / "secrets" / secret).read_text().strip() for folder in ("a", "b")]
        assert made[0] != made[1]
        # 256 random bits: 64 hexadecimal digits, or 43 letters of 6 bits.
        assert {len(text) for text in made} == {64 if secret == "state_key" else 43}


def test_it_refuses_to_overwrite(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "ipsync.toml").write_text("precious")

    shown = cli("init", *OPTIONS, "--directory", tmp_path, env=GIVEN)

    assert shown.code == 2
    assert "--force" in shown.err
    assert (tmp_path / "ipsync.toml").read_text() == "precious"
    assert list(tmp_path.iterdir()) == [tmp_path / "ipsync.toml"]


def test_force_replaces_the_configuration_and_keeps_every_secret(cli: Cli, tmp_path: Path) -> None:
    cli("init", *OPTIONS, "--directory", tmp_path, env=GIVEN)
    before = {file: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    (tmp_path / "privacy-policy.md").write_text("mine")

    again = cli("init", *OPTIONS, "--use", "commercial", "--force", "--directory", tmp_path, env=GIVEN)

    assert again.code == 0
    assert {file: file.read_text() for file in (tmp_path / "secrets").iterdir()} == before
    assert f"Kept as it was: {tmp_path}/secrets/state_key" in again.out
    assert tomllib.loads((tmp_path / "ipsync.toml").read_text())["key"]["use"] == "commercial"
    assert (tmp_path / "privacy-policy.md").read_text() != "mine"


def test_a_privacy_policy_that_exists_is_kept(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "privacy-policy.md").write_text("mine")

    assert cli("init", *OPTIONS, "--directory", tmp_path, env=GIVEN).code == 0

    assert (tmp_path / "privacy-policy.md").read_text() == "mine"


def test_a_planted_link_is_not_followed(cli: Cli, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "new").mkdir()
    (tmp_path / "new/ipsync.toml").symlink_to(victim)

    assert cli("init", *OPTIONS, "--directory", tmp_path / "new", env=GIVEN).code == 2
    assert cli("init", *OPTIONS, "--force", "--directory", tmp_path / "new", env=GIVEN).code == 0

    assert victim.read_text() == "precious"


def test_secrets_may_come_on_standard_input(tmp_path: Path) -> None:
    made = ipsync_process(
        "init", *OPTIONS, "--secrets-from-stdin", cwd=tmp_path, stdin="canary-key-0123\ncanary-secret-4567\n"
    )

    assert made.code == 0, made.err
    settings = load(tmp_path / "ipsync.toml", {})
    assert settings.secrets.api_key.reveal() == "canary-key-0123"
    assert settings.secrets.api_secret.reveal() == "canary-secret-4567"


@pytest.mark.parametrize("given", ["", "only-the-key\n", "a key\nwith spaces\n"])
def test_bad_secrets_on_standard_input_write_nothing(tmp_path: Path, given: str) -> None:
    made = ipsync_process("init", *OPTIONS, "--secrets-from-stdin", cwd=tmp_path, stdin=given)

    assert made.code == 2
    assert list(tmp_path.iterdir()) == []


def test_without_the_key_it_says_where_to_put_it(cli: Cli, tmp_path: Path) -> None:
    made = cli("init", *OPTIONS, "--directory", tmp_path)

    assert made.code == 0
    assert f"{tmp_path}/secrets/api_key and {tmp_path}/secrets/api_secret" in made.out
    for name in ("api_key", "api_secret"):
        (tmp_path / "secrets" / name).touch(0o600)
        (tmp_path / "secrets" / name).write_text("0123456789abcdef\n")
    assert cli("config", "check", "-c", tmp_path / "ipsync.toml").code == 0


def test_everything_missing_is_named_at_once(cli: Cli, tmp_path: Path) -> None:
    shown = cli("init", "--yes", "--directory", tmp_path, "--use", "hobby", "--status", "new", "--api-url", "ftp://x")

    assert shown.code == 2
    for option in ("--application", "--purpose", "--contact", "--use", "--status", "--api-url", "--accept-terms"):
        assert option in shown.err
    assert list(tmp_path.iterdir()) == []


def test_T01_without_the_terms_nothing_is_written(cli: Cli, tmp_path: Path) -> None:
    options = [option for option in OPTIONS if option != "--accept-terms"]

    shown = cli("init", *options, "--directory", tmp_path, env=GIVEN)

    assert shown.code == 2
    assert "terms" in shown.err
    assert list(tmp_path.iterdir()) == []


def test_a_script_without_yes_is_told_so(tmp_path: Path) -> None:
    shown = ipsync_process("init", cwd=tmp_path)

    assert shown.code == 2
    assert "--yes" in shown.err


def test_a_simulator_can_be_named(cli: Cli, tmp_path: Path) -> None:
    url = "http://127.0.0.1:8700/api/"

    assert cli("init", *OPTIONS, "--api-url", url, "--directory", tmp_path, env=GIVEN).code == 0

    assert load(tmp_path / "ipsync.toml", {}).api.media_hosts == ("127.0.0.1",)


def test_questions_are_asked_again_until_the_answer_is_fit(tmp_path: Path) -> None:
    with Terminal("init", cwd=tmp_path) as terminal:
        terminal.expect("Name of the application: ")
        terminal.type("ipernity")
        assert "poses as ipernity" in terminal.expect("Name of the application: ")
        terminal.type("Our wall")
        terminal.expect("in one sentence: ")
        terminal.type("")
        assert "is empty" in terminal.expect("in one sentence: ")
        terminal.type("Shows photos")
        terminal.expect("how to reach you: ")
        terminal.type("me@wall.museum")
        terminal.expect("[non-commercial]: ")
        terminal.type("comercial")
        assert 'did you mean "commercial"' in terminal.expect("[non-commercial]: ")
        terminal.type("")
        terminal.expect("[active]: ")
        terminal.type("awaiting-validation")
        terminal.expect("(yes/no): ")
        terminal.type("yes")
        terminal.expect("later): ")
        terminal.type("canary-key-0123")
        terminal.expect("later): ")
        terminal.type("canary-secret-4567")
        outcome = terminal.end()

    assert outcome.code == 0, outcome.out
    assert "canary" not in outcome.out
    settings = load(tmp_path / "ipsync.toml", {})
    assert settings.operator.application == "Our wall"
    assert settings.key.use == "non-commercial"
    assert settings.is_testing
    assert settings.secrets.api_secret.reveal() == "canary-secret-4567"


def test_T01_a_no_to_the_terms_writes_nothing(tmp_path: Path) -> None:
    options = [option for option in OPTIONS if option not in ("--accept-terms", "--yes")]
    with Terminal("init", *options, "--use", "commercial", "--status", "active", cwd=tmp_path) as terminal:
        terminal.expect("(yes/no): ")
        terminal.type("no")
        outcome = terminal.end()

    assert outcome.code == 1
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_input_at_a_question_writes_nothing(tmp_path: Path) -> None:
    with Terminal("init", cwd=tmp_path) as terminal:
        terminal.expect("Name of the application: ")
        terminal.type("\x04")
        outcome = terminal.end()

    assert outcome.code == 2
    assert list(tmp_path.iterdir()) == []
