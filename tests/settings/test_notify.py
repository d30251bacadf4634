"""Whom to tell: what `[notify]` takes, and what it refuses."""

from pathlib import Path

import pytest

from ipsync.settings import SettingsInvalid, load
from tests.fakes.configuration import SECRETS, write_configuration

MAIL = 'smtp_host = "mail.wall.test"\nmail_from = "ipsync@wall.test"\nmail_to = ["a@wall.test", "a@wall.test"]\n'


def test_nobody_is_told_unless_asked(tmp_path: Path) -> None:
    notify = load(write_configuration(tmp_path), SECRETS).notify
    assert (notify.has_mail, notify.command) == (False, ())


def test_mail_and_command(tmp_path: Path) -> None:
    more = f'[notify]\n{MAIL}smtp_user = "ipsync"\ncommand = ["/bin/tell", "--loud"]'
    secrets = SECRETS | {"IPSYNC_SMTP_PASSWORD": "pass word"}
    settings = load(write_configuration(tmp_path, more), secrets)
    assert (settings.notify.mail_to, settings.notify.smtp_port) == (("a@wall.test",), 587)
    assert settings.notify.command == ("/bin/tell", "--loud")
    assert settings.secrets.smtp_password.reveal() == "pass word"
    assert settings.secrets.smtp_password in settings.secrets.all()


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('smtp_host = "a b"', "notify.smtp_host"),
        ('smtp_host = "mail.wall.test"', "notify.mail_to"),
        (f'{MAIL}smtp_tls = "none"', "notify.smtp_tls"),
        (f'{MAIL}smtp_user = "ipsync"', "secrets.smtp_password_file"),
        ('mail_to = ["a@wall.test"]', "notify.mail_to"),
        ('mail_from = "a@wall.test\\r\\nBcc: b"', "notify.mail_from"),
        ('mail_to = "a@wall.test"', "notify.mail_to"),
        ('command = "tell --loud"', "notify.command"),
        ("command = [1]", "notify.command"),
        ('command = [""]', "notify.command"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(tmp_path: Path, more: str, key: str) -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        load(write_configuration(tmp_path, f"[notify]\n{more}"), SECRETS)
    assert key in [problem.key for problem in invalid.value.problems]


@pytest.mark.parametrize("url", ["http://hooks.wall.test/x", "https://10.0.0.1/x", "https://u:p@hooks.wall.test/", "x"])
def test_F34_a_webhook_leads_out_and_by_https(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        load(write_configuration(tmp_path, f'[notify]\nwebhook_url = "{url}"'), SECRETS)
    assert "notify.webhook_url" in [problem.key for problem in invalid.value.problems]


def test_a_webhook_needs_its_secret(tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[notify]\nwebhook_url = "https://hooks.wall.test/x"')
    for given in ({}, {"IPSYNC_WEBHOOK_SECRET": "too short"}):
        with pytest.raises(SettingsInvalid):
            load(file, SECRETS | given)
    settings = load(file, SECRETS | {"IPSYNC_WEBHOOK_SECRET": f"whsec_{'abcd' * 8}"})
    assert settings.notify.webhook_url == "https://hooks.wall.test/x"


def test_a_server_on_this_machine_may_do_without_encryption(tmp_path: Path) -> None:
    more = f'[notify]\n{MAIL.replace("mail.wall.test", "127.0.0.1")}smtp_tls = "none"'
    assert load(write_configuration(tmp_path, more), SECRETS).notify.is_local_mail


def test_commands_that_tell_nobody_do_without_the_password(tmp_path: Path) -> None:
    more = f'[notify]\n{MAIL}smtp_user = "ipsync"'
    assert load(write_configuration(tmp_path, more), SECRETS, needs=("state_key",)).notify.has_mail
