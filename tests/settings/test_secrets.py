"""Secrets: where they come from, and that nothing shows them by accident."""

import base64
import copy
import json
import os
import pickle
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ipsync.settings import SECRET_NAMES, Secret, SecretMissing, Settings, SettingsInvalid, check, load
from ipsync.settings.secrets import find_secrets, key_bytes
from tests.fakes.configuration import SECRETS, write_configuration


def secret_file(folder: Path, name: str, text: str, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in SECRETS.items() if key != name}


def test_credentials_come_before_environment_before_files(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in ("api_key", "api_secret", "admin_token"):
        secret_file(tmp_path, name, f"{name}-out-of-a-file-0123456789\n")
    file = write_configuration(
        tmp_path,
        '[secrets]\napi_key_file = "api_key"\napi_secret_file = "api_secret"\nadmin_token_file = "admin_token"\n',
    )
    environ = {
        "IPSYNC_API_KEY": "api-key-out-of-the-environment",
        "IPSYNC_API_SECRET": "api-secret-out-of-the-environment",
        "IPSYNC_STATE_KEY": SECRETS["IPSYNC_STATE_KEY"],
        "CREDENTIALS_DIRECTORY": str(credentials),
    }
    secret_file(credentials, "api_key", "api-key-out-of-credentials", mode=0o444)

    secrets = load(file, environ).secrets

    assert (secrets.api_key.reveal(), secrets.api_key.source) == ("api-key-out-of-credentials", "credentials")
    assert (secrets.api_secret.reveal(), secrets.api_secret.source) == (
        "api-secret-out-of-the-environment",
        "environment",
    )
    assert secrets.admin_token.reveal() == "admin_token-out-of-a-file-0123456789"
    assert secrets.admin_token.source == str(tmp_path / "admin_token")


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Root may read everything; nobody else may read what has no mode."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_F29_a_secret_that_is_not_for_us_keeps_nobody_from_work_that_does_without(tmp_path: Path) -> None:
    """The reaper reads a configuration that names files of secrets which only the daemon is given."""
    files = {name: secret_file(tmp_path, name, "sealed", mode=0) for name in ("api_key", "admin_token")}
    environ = {"IPSYNC_STATE_KEY": SECRETS["IPSYNC_STATE_KEY"]}

    with as_somebody_else():
        secrets, problems = find_secrets(files, environ, "ipsync.toml", ("state_key",))
        _, refused = find_secrets(files, environ, "ipsync.toml", ("state_key", "api_key"))

    assert problems == []
    assert not secrets.api_key
    assert secrets.state_key
    assert [problem.key for problem in refused] == ["secrets.api_key_file"]


def test_F29_a_secret_that_was_not_handed_over_keeps_nobody_from_work_that_does_without(tmp_path: Path) -> None:
    """In a container the files of the daemon's secrets are not there for the reaper at all."""
    files = {name: tmp_path / "secrets" / name for name in SECRET_NAMES}
    environ = {"IPSYNC_STATE_KEY": SECRETS["IPSYNC_STATE_KEY"]}

    secrets, problems = find_secrets(files, environ, "ipsync.toml", ("state_key",))
    _, refused = find_secrets(files, environ, "ipsync.toml", SECRET_NAMES)

    assert problems == []
    assert not secrets.api_key
    assert secrets.state_key
    missing = [f"secrets.{name}_file" for name in SECRET_NAMES if name != "state_key"]
    assert [problem.key for problem in refused] == missing


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_missing_secret_names_all_three_ways(tmp_path: Path, name: str) -> None:
    variable = f"IPSYNC_{name.upper()}"

    [problem] = check(write_configuration(tmp_path), without(variable))

    assert problem.key == f"secrets.{name}_file"
    assert "$CREDENTIALS_DIRECTORY" in problem.remedy
    assert f"${variable}" in problem.remedy
    assert f"{name}_file" in problem.remedy


def test_work_that_needs_no_secret_goes_without(tmp_path: Path) -> None:
    settings = load(write_configuration(tmp_path), {}, needs=())

    assert not settings.secrets.api_key
    with pytest.raises(SecretMissing, match="IPSYNC_API_KEY"):
        settings.secrets.api_key.reveal()
    with pytest.raises(SecretMissing):
        settings.secrets.state_key_bytes()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o660, 0o666])
def test_T05_a_secret_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, "key", "canary-in-a-file", mode)
    file = write_configuration(tmp_path, '[secrets]\napi_key_file = "key"')

    [problem] = check(file, without("IPSYNC_API_KEY"))

    assert problem.key == "secrets.api_key_file"
    assert problem.remedy == f"chmod 600 {path}"
    assert f"{mode:04o}" in problem.reason


def test_T05_a_credential_is_guarded_by_the_system(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    secret_file(tmp_path / "credentials", "other-name", "canary-in-a-file", 0o440)
    file = write_configuration(tmp_path, '[secrets]\napi_key_file = "credentials/other-name"')
    environ = without("IPSYNC_API_KEY") | {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}

    assert load(file, environ).secrets.api_key.reveal() == "canary-in-a-file"


@pytest.mark.parametrize("content", ["", "\n\n", "x" * 5000, "a b", "zwei\nzeilen", "käse"])
def test_a_file_without_one_fit_text_is_refused(tmp_path: Path, content: str) -> None:
    secret_file(tmp_path, "key", content)
    file = write_configuration(tmp_path, '[secrets]\napi_key_file = "key"')

    [problem] = check(file, without("IPSYNC_API_KEY"))

    assert problem.key == "secrets.api_key_file"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    file = write_configuration(tmp_path, '[secrets]\napi_key_file = "none"\napi_secret_file = "."')

    problems = check(file, {**without("IPSYNC_API_KEY"), "IPSYNC_API_SECRET": ""})

    assert [problem.key for problem in problems] == ["secrets.api_key_file", "secrets.api_secret_file"]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_T05_a_secret_in_the_configuration_file_is_refused_and_not_repeated(tmp_path: Path, name: str) -> None:
    file = write_configuration(tmp_path, f'[secrets]\n{name} = "canary-written-into-the-file"')

    with pytest.raises(SettingsInvalid) as caught:
        load(file, SECRETS)

    [problem] = caught.value.problems
    assert problem.key == f"secrets.{name}"
    assert "never stands" in problem.reason
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("weak", ["short", "0" * 40, "has a space in it 0123456789", "ümläut-0123456789-0123456789"])
def test_a_weak_admin_token_is_refused_and_not_repeated(tmp_path: Path, weak: str) -> None:
    [problem] = check(write_configuration(tmp_path), SECRETS | {"IPSYNC_ADMIN_TOKEN": weak})

    assert problem.key == "IPSYNC_ADMIN_TOKEN"
    assert weak not in str(problem)


@pytest.mark.parametrize("weak", ["0123456789abcdef", "a" * 64])
def test_a_weak_state_key_is_refused(tmp_path: Path, weak: str) -> None:
    [problem] = check(write_configuration(tmp_path), SECRETS | {"IPSYNC_STATE_KEY": weak})

    assert problem.key == "IPSYNC_STATE_KEY"
    assert weak not in str(problem)


def test_a_state_key_is_hex_or_base64_or_long_text() -> None:
    key = bytes(range(100, 132))

    assert key_bytes(key.hex()) == key
    assert key_bytes(key.hex().upper()) == key
    assert key_bytes(base64.b64encode(key).decode()) == key
    assert key_bytes(base64.urlsafe_b64encode(bytes([255] * 32)).decode().rstrip("=")) == bytes([255] * 32)
    assert key_bytes("a long sentence that nobody else would say, ever") == (
        b"a long sentence that nobody else would say, ever"
    )


def test_F35_a_secret_is_not_shown_by_accident() -> None:
    secret = Secret("api_key", "canary-of-the-secret", "environment")
    missing = Secret("api_key", "", "")

    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>50}",
        f"{secret:>50}",
        "{}".format(secret),  # noqa: UP032  # reason: every way of formatting is tried
        "%s %r" % (secret, secret),  # noqa: UP031  # reason: every way of formatting is tried
        repr([secret]),
        repr({"k": secret}),
        str(dir(secret)),
        ascii(secret),
    ]

    assert not any("canary" in text for text in shown)
    assert repr(missing) == "<secret api_key, not set>"
    for write in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError) as caught:
            write(secret)
        assert "canary" not in str(caught.value)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError):
        hash(secret)
    assert copy.deepcopy(secret) is secret
    assert copy.copy(secret) is secret
    assert secret == Secret("other", "canary-of-the-secret", "")
    assert secret != missing
    assert secret != "canary-of-the-secret"


def test_F35_settings_do_not_show_their_secrets(tmp_path: Path) -> None:
    settings = load(write_configuration(tmp_path), SECRETS)

    def work(settings: Settings) -> None:
        raise RuntimeError(f"{settings}")

    with pytest.raises(RuntimeError) as caught:
        work(settings)
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())

    for value in SECRETS.values():
        assert value not in repr(settings)
    assert SECRETS["IPSYNC_API_SECRET"] not in repr(settings.secrets)
    assert "<secret api_secret>" in text
