"""Every setting as data, made from the sections themselves, so that no document can drift from the code.

`python -m ipsync.settings.reference` prints the example configuration.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from ipsync.settings.effective import Settings
from ipsync.settings.section import Section
from ipsync.settings.sections import SECTIONS, TERMS_VERSION
from ipsync.settings.units import Unit

EXAMPLES: dict[str, Any] = {
    "operator.application": "Our family wall",
    "operator.purpose": "Shows the photos of our members in the hall of the club house",
    "operator.contact": "webmaster@example.org",
    "operator.terms_accepted": TERMS_VERSION,
    "key.use": "non-commercial",
    "agreements.owner": 12345,
    "agreements.reference": "contract of 2026-11-02, folder 7",
    "agreements.until": date(2027, 12, 31),
    "web.public_url": "https://mirror.example.org",
    "web.front_servers": ["172.18.0.1"],
    "web.accel_prefix": "/_content/",
    "notify.smtp_host": "mail.example.org",
    "notify.smtp_user": "ipsync",
    "notify.mail_from": "ipsync@example.org",
    "notify.mail_to": ["operator@example.org"],
    "notify.webhook_url": "https://hooks.example.org/ipsync",
    "notify.command": ["/usr/local/bin/tell-me", "--incident"],
    "secrets.api_key_file": "secrets/api_key",
    "secrets.api_secret_file": "secrets/api_secret",
    "secrets.admin_token_file": "secrets/admin_token",
    "secrets.state_key_file": "secrets/state_key",
    "secrets.smtp_password_file": "secrets/smtp_password",
    "secrets.webhook_secret_file": "secrets/webhook_secret",
}
"""What the example shows where there is no default."""

_HEAD = """\
ipsync: every setting, its unit, its default and its reason.
Only [operator] and [key] are needed; what you leave out has the default shown here.
The file is named by --config, by $IPSYNC_CONFIG, or is /etc/ipsync/ipsync.toml.
Durations have a unit: "90s", "24h", "30d"; sizes too: "5MB". Relative paths start at this file's folder.
After a change: ipsync config check"""
_WIDTH = 108


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        section: its table, e.g. `removal`.
        key: its name there.
        unit: what it is measured in, for readers.
        default: as TOML would give it; None where there is none.
        required: whether it must be given.
        description: its reason.
    """

    section: str
    key: str
    unit: str
    default: Any
    required: bool
    description: str

    @property
    def dotted(self) -> str:
        """Its full name, e.g. `removal.window`."""
        return f"{self.section}.{self.key}"


def settings_reference() -> tuple[Setting, ...]:
    """Every setting there is, in the order of the file."""
    return tuple(setting for name, kind in SECTIONS.items() for setting in _settings_of(name, kind))


def written(section: Section, key: str) -> Any:
    """A setting's value as TOML would give it: durations and sizes as text, words as words."""
    value = getattr(section, key)
    return None if value is None and key.endswith("_file") else unit_of(type(section).model_fields[key]).write(value)


def written_values(settings: Settings) -> dict[str, Any]:
    """Every setting by its full name, as TOML would give it; agreements as `agreements[0].owner`. Holds no secret."""
    found: dict[str, Any] = {}
    for name, kind in SECTIONS.items():
        if name == "agreements":
            for index, entry in enumerate(settings.agreements):
                found |= {f"{name}[{index}].{key}": written(entry, key) for key in kind.model_fields}
            continue
        section = settings.secret_files if name == "secrets" else getattr(settings, name)
        found |= {f"{name}.{key}": written(section, key) for key in kind.model_fields}
    return found


def unit_of(info: FieldInfo) -> Unit:
    """What a setting is measured in."""
    return next(entry for entry in info.metadata if isinstance(entry, Unit))


def toml_value(value: Any) -> str:
    """Write a value as TOML. Texts must be printable; the readers see to that."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(entry) for entry in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def example() -> str:
    """The example configuration, with every setting."""
    lines = [f"# {line}" for line in _HEAD.splitlines()]
    for name, kind in SECTIONS.items():
        lines += ["", "", *_comment((kind.__doc__ or "").strip())]
        # What has neither a default nor must be given stands as a comment.
        silent = name == "agreements"
        lines.append(f"#[[{name}]]" if silent else f"[{name}]")
        for setting in _settings_of(name, kind):
            lines += ["", *_comment(_about(setting))]
            without = setting.default in (None, "", []) and not setting.required
            value = EXAMPLES[setting.dotted] if setting.required or without else setting.default
            lines.append(f"{'#' if silent or without else ''}{setting.key} = {toml_value(value)}")
    return "\n".join(lines) + "\n"


def _settings_of(name: str, kind: type[Section]) -> Iterator[Setting]:
    for key, info in kind.model_fields.items():
        yield Setting(
            section=name,
            key=key,
            unit=unit_of(info).name,
            default=_default(info),
            required=info.is_required(),
            description=info.description or "",
        )


def _default(info: FieldInfo) -> Any:
    if info.is_required():
        return None
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Path):
        return str(value)
    if value is None and unit_of(info).name == "path":
        return None
    return unit_of(info).write(value)


def _about(setting: Setting) -> str:
    if setting.required:
        default = "must be given"
    else:
        default = f"default: {toml_value(setting.default)}" if setting.default not in (None, "") else "default: none"
    text = setting.description
    return f"{text[0].upper()}{text[1:]}.\nUnit: {setting.unit}; {default}."


def _comment(text: str) -> list[str]:
    wrapped = [part for line in text.splitlines() for part in textwrap.wrap(line, _WIDTH, break_on_hyphens=False)]
    return [f"# {line}" for line in wrapped]


if __name__ == "__main__":
    print(example(), end="")
