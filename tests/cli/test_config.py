"""`ipsync config check` and `show`: every problem at once, every value with its source, no secret."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ipsync.settings.reference import settings_reference
from tests.fakes.command_line import Outcome
from tests.fakes.configuration import KEY, OPERATOR, SECRETS, write_configuration
from tests.fakes.site import SiteMirror

Cli = Callable[..., Outcome]


def test_a_good_configuration_is_summed_up(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[removal]\nwindow = "12h"\n[mirror]\nlicenses = ["cc-by"]')

    shown = cli("config", "check", "-c", file, env=SECRETS)

    assert shown.code == 0
    assert f"OK: {file}" in shown.out
    assert "doc: read" in shown.out
    assert "public documents; media photo, video, audio, other" in shown.out
    assert "licenses cc-by;" in shown.out
    assert "hidden within 10h, erased within 12h" in shown.out
    assert "1000 an hour" in shown.out


def test_every_problem_is_named_with_file_key_reason_and_remedy(cli: Cli, tmp_path: Path) -> None:
    more = '[removal]\nwindwo = "24h"\n[budget]\nper_hour = "many"\nper_day = 0\n'
    (tmp_path / "key").write_text("canary-key")
    (tmp_path / "key").chmod(0o644)
    more += '[secrets]\napi_key_file = "key"\n'
    file = write_configuration(tmp_path, more, operator=OPERATOR.replace("2017-11-28", "2001-01-01"))
    (tmp_path / "privacy-policy.md").unlink()

    shown = cli("config", "check", "-c", file)
    as_json = json.loads(cli("config", "check", "-c", file, "--json").out)

    assert shown.code == 2
    problems = {problem["key"]: problem for problem in as_json["problems"]}
    assert as_json["ok"] is False
    assert as_json["summary"] is None
    assert set(problems) == {
        "removal.windwo",
        "budget.per_hour",
        "budget.per_day",
        "operator.terms_accepted",
        "secrets.api_key_file",
        "secrets.api_secret_file",
        "secrets.admin_token_file",
        "secrets.state_key_file",
    }
    for key, problem in problems.items():
        assert problem["file"] == str(file)
        assert f"error: {file}: {key}: {problem['reason']}\n  -> {problem['remedy']}\n" in shown.out
    assert problems["secrets.api_key_file"]["remedy"] == f"chmod 600 {tmp_path / 'key'}"
    assert '"window"' in problems["removal.windwo"]["remedy"]
    assert "canary" not in shown.out + shown.err + json.dumps(as_json)


def test_a_missing_policy_is_named(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path)
    (tmp_path / "privacy-policy.md").unlink()

    shown = cli("config", "check", "-c", file, env=SECRETS)

    assert shown.code == 2
    assert "operator.privacy_policy" in shown.out


def test_warnings_are_shown_and_no_reason_to_fail(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[removal]\nunverified = "seal"')

    shown = cli("config", "check", "-c", file, env=SECRETS)
    as_json = json.loads(cli("config", "check", "-c", file, "--json", env=SECRETS).out)

    assert shown.code == 0
    assert f"warning: {file}: removal.unverified:" in shown.out
    assert [problem["severity"] for problem in as_json["problems"]] == ["warning"]
    assert as_json["ok"] is True


def test_T04_a_test_key_is_pointed_out(cli: Cli, tmp_path: Path) -> None:
    file = write_configuration(tmp_path, key=KEY + 'status = "awaiting-validation"')

    assert "5 accounts at most" in cli("config", "check", "-c", file, env=SECRETS).out


def test_show_gives_every_setting_with_its_source(cli: Cli, tmp_path: Path) -> None:
    agreement = '[[agreements]]\nowner = 7\nreference = "folder 1"\nuntil = 2030-01-01\n'
    file = write_configuration(tmp_path, '[removal]\nwindow = "12h"\n' + agreement)

    shown = cli("config", "show", "-c", file, "--json", env=SECRETS)
    values = json.loads(shown.out)["settings"]

    assert shown.code == 0
    names = {setting.dotted for setting in settings_reference() if setting.section != "agreements"}
    assert names <= set(values)
    assert values["removal.window"] == {"value": "12h", "source": "file"}
    assert values["removal.outage"] == {"value": "5h", "source": "default"}
    assert values["mirror.visibility"] == {"value": ["public"], "source": "default"}
    assert values["database.url"] == {"value": f"sqlite:///{tmp_path}/ipsync.db", "source": "default"}
    assert values["agreements[0].until"] == {"value": "2030-01-01T00:00:00.000Z", "source": "file"}


def test_T05_show_tells_where_secrets_come_from_and_not_what_they_are(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "api_secret").write_text("canary-credential\n")
    (tmp_path / "token").write_text("canary-token-in-a-file-01\n")
    (tmp_path / "token").chmod(0o600)
    file = write_configuration(tmp_path, '[secrets]\nadmin_token_file = "token"')
    env = {"IPSYNC_API_KEY": SECRETS["IPSYNC_API_KEY"], "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}

    people = cli("config", "show", "-c", file, env=env)
    machines = cli("config", "show", "-c", file, "--json", env=env)

    assert people.code == machines.code == 0
    assert json.loads(machines.out)["secrets"] == {
        "api_key": "set (from environment)",
        "api_secret": "set (from credentials)",
        "admin_token": f"set (from file {tmp_path / 'token'})",
        "state_key": "not set",
        "smtp_password": "not set",
        "webhook_secret": "not set",
    }
    assert "canary" not in people.out + machines.out + people.err + machines.err
    assert "not set" in people.out


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_missing_file_says_what_to_do(cli: Cli, tmp_path: Path, command: str) -> None:
    shown = cli("config", command, "-c", tmp_path / "none.toml", env=SECRETS)

    assert shown.code == 2
    assert "ipsync init" in shown.out + shown.err


def test_F20_a_budget_that_a_start_would_refuse_is_told_beforehand(on: Cli, mirror: SiteMirror) -> None:
    assert on(mirror, "config", "check").code == 0
    mirror.config.write_text(re.sub(r"(?m)^(per_\w+) = .*$", r"\1 = 1", mirror.config.read_text()))

    shown = on(mirror, "config", "check")

    assert shown.code == 2
    told = " ".join(shown.out.split())
    assert "the request budget cannot keep the promise: reading 2 pages takes" in told
    assert "all caps together allow 0.0417" in told
    assert not json.loads(on(mirror, "config", "check", "--json").out)["ok"]
