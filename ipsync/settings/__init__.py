"""Settings: what an operator decides, read once, checked whole, frozen.

A wrong configuration is refused before anything starts, with every problem named at once: file, key,
reason, remedy. Only this package knows pydantic; it reads no clock, opens no socket and writes nothing.
"""

from ipsync.settings.effective import Settings
from ipsync.settings.problems import Problem, SettingsInvalid, Severity
from ipsync.settings.reading import SYSTEM_FILE, check, load, locate
from ipsync.settings.secrets import SECRET_NAMES, Secret, SecretMissing, Secrets

__all__ = [
    "SECRET_NAMES",
    "SYSTEM_FILE",
    "Problem",
    "Secret",
    "SecretMissing",
    "Secrets",
    "Settings",
    "SettingsInvalid",
    "Severity",
    "check",
    "load",
    "locate",
]
