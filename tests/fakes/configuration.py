"""Configurations for tests: the fewest lines that are valid, in a folder of the test's own."""

from pathlib import Path

SECRETS = {
    "IPSYNC_API_KEY": "canary-api-key-6fa87ba5",
    "IPSYNC_API_SECRET": "canary-api-secret-e9a599f0",
    "IPSYNC_ADMIN_TOKEN": "canary-admin-token-0123456789",
    "IPSYNC_STATE_KEY": "00112233445566778899aabbccddeeff" * 2,
}
"""An environment that gives all four secrets."""

OPERATOR = """\
[operator]
application = "Test wall"
purpose = "Tests ipsync"
contact = "tester@ipsync.test"
terms_accepted = "2017-11-28"
"""
KEY = """\
[key]
use = "non-commercial"
"""


def write_configuration(folder: Path, more: str = "", *, operator: str = OPERATOR, key: str = KEY) -> Path:
    """Write a configuration with its privacy policy, and return the file.

    Args:
        folder: where; it must exist.
        more: further sections, as TOML.
        operator: the whole section.
        key: the whole section.
    """
    (folder / "privacy-policy.md").write_text("We keep copies of what members share, and erase them when they stop.\n")
    file = folder / "ipsync.toml"
    file.write_text(f"{operator}\n{key}\n{more}")
    return file
