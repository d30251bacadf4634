"""The example configuration and the others we ship say what the code says."""

import re
import tomllib
from pathlib import Path

import pytest

from ipsync.settings import check, load
from ipsync.settings.reference import example, settings_reference, toml_value, unit_of, written
from ipsync.settings.sections import SECTIONS
from ipsync.settings.units import size_text
from tests.fakes.configuration import SECRETS, write_configuration

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLE = CONFIG / "ipsync.example.toml"


def test_the_example_is_what_the_code_writes() -> None:
    """To renew it: python -m ipsync.settings.reference > config/ipsync.example.toml"""
    assert EXAMPLE.read_text() == example()


def test_the_example_is_valid() -> None:
    settings = load(EXAMPLE, SECRETS)

    assert [warning.key for warning in settings.warnings] == ["operator.contact"]


def test_the_example_equals_the_defaults(tmp_path: Path) -> None:
    shown, default = load(EXAMPLE, SECRETS), load(write_configuration(tmp_path), SECRETS)

    for name in ("api", "budget", "mirror", "ttl", "removal", "web", "notify", "log", "key"):
        assert getattr(shown, name) == getattr(default, name)
    assert shown.agreements == default.agreements == ()
    assert shown.store.path.name == default.store.path.name
    assert shown.database.path.name == default.database.path.name


def test_the_example_names_every_setting_with_unit_default_and_reason() -> None:
    sections = re.split(r"^#?\[+(\w+)\]+$", EXAMPLE.read_text(), flags=re.MULTILINE)
    text_of = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert list(text_of) == list(SECTIONS)

    for setting in settings_reference():
        assert len(setting.description) > 10
        match = re.search(rf"((?:^# .*\n)+)#?{setting.key} = ", text_of[setting.section], re.MULTILINE)
        assert match, setting.dotted
        comment = match[1].replace("\n# ", " ")
        assert setting.unit in comment
        assert setting.description[1:] in comment
        if setting.required:
            assert "must be given" in comment
        else:
            assert f"default: {toml_value(setting.default) if setting.default not in (None, '') else 'none'}" in comment


def test_what_the_example_leaves_out_is_valid_when_taken_in(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=[\[a-z])", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    file = write_configuration(tmp_path)
    file.write_text(text)
    (tmp_path / "secrets").mkdir()
    for name, variable in (
        ("api_key", "IPSYNC_API_KEY"),
        ("api_secret", "IPSYNC_API_SECRET"),
        ("smtp_password", "IPSYNC_ADMIN_TOKEN"),
    ):
        (tmp_path / "secrets" / name).write_text(SECRETS[variable])
        (tmp_path / "secrets" / name).chmod(0o600)
    (tmp_path / "secrets" / "webhook_secret").write_text(f"whsec_{'abcd' * 8}")
    (tmp_path / "secrets" / "webhook_secret").chmod(0o600)
    assert {setting.dotted for setting in settings_reference()} == {
        f"{name}.{key}"
        for name, tables in tomllib.loads(text).items()
        for table in (tables if isinstance(tables, list) else [tables])
        for key in table
    }

    assert not [problem for problem in check(file, SECRETS) if problem.is_error]


@pytest.mark.parametrize("name", ["ipsync.demo.toml"])
def test_the_others_we_ship_are_valid(name: str) -> None:
    settings = load(CONFIG / name, SECRETS)

    assert [warning.key for warning in settings.warnings] == ["operator.contact"]


def test_every_setting_has_a_unit_and_can_be_written_back(tmp_path: Path) -> None:
    settings = load(write_configuration(tmp_path), SECRETS)
    lines: list[str] = []
    for name, kind in SECTIONS.items():
        if name in ("agreements", "secrets"):
            continue
        lines.append(f"[{name}]")
        for key, info in kind.model_fields.items():
            assert unit_of(info).name
            value = written(getattr(settings, name), key)
            if value != "":
                lines.append(f"{key} = {toml_value(value)}")
    other = tmp_path / "written.toml"
    other.write_text("\n".join(lines))

    again = load(other, SECRETS)

    for name in SECTIONS.keys() - {"agreements", "secrets"}:
        assert getattr(again, name) == getattr(settings, name)


@pytest.mark.parametrize(
    ("size_bytes", "text"), [(0, "0B"), (5_000_000, "5MB"), (1024, "1KiB"), (1001, "1001B"), (2_000, "2kB")]
)
def test_sizes_are_written_with_the_largest_unit(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


def test_the_privacy_policy_we_ship_has_no_blanks_left() -> None:
    text = (CONFIG / "privacy-policy.md").read_text()

    assert len(text) > 1000
    assert not re.search(r"\{|\[\[|TODO|XXX", text)
