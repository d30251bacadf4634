"""What the doctor finds outside the mirror itself: where secrets come from, what systemd runs; names, no content."""

from pathlib import Path

from ipsync.doctor.findings import Finding, Verdict
from ipsync.settings import Settings

_UNITS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system", "run/systemd/system")
_ENABLED = ("multi-user.target.wants/ipsync.service", "timers.target.wants/ipsync-reaper.timer")


def credentials(settings: Settings) -> Finding:
    """Where the secrets come from; reading them has shown that they are there and that no other user may read them.

    Args:
        settings: what is configured.
    """
    needed = ("api_key", "api_secret", "admin_token", "state_key")
    given = {secret.name: secret for secret in settings.secrets.all() if secret}
    missing = [name for name in needed if name not in given]
    if missing:
        return Finding(
            "credentials",
            Verdict.WRONG,
            f"not set: {', '.join(missing)}",
            "ipsync init makes them; docs/how-to/install.md says where they may lie",
        )
    bare = [name for name, secret in given.items() if secret.source == "environment"]
    if bare:
        return Finding(
            "credentials",
            Verdict.NOTE,
            f"{', '.join(bare)} from the environment, which every process started from there inherits",
            "hand them over as systemd credentials, or as files named in [secrets]",
        )
    return Finding("credentials", Verdict.OK, f"{', '.join(given)}: set, and readable by their own user alone")


def services(root: Path) -> Finding:
    """Whether systemd knows daemon and reaper, and starts them with the machine.

    Args:
        root: where the machine's own files lie.
    """
    if not (root / "run/systemd/system").is_dir():
        return Finding("service", Verdict.SKIPPED, "systemd does not run here")
    missing = [
        name
        for name in ("ipsync.service", "ipsync-reaper.service", "ipsync-reaper.timer")
        if not any((root / folder / name).is_file() for folder in _UNITS)
    ]
    if missing:
        return Finding(
            "service",
            Verdict.NOTE,
            f"not installed: {', '.join(missing)}",
            "docs/how-to/run-under-systemd.md; without the reaper nobody erases while the daemon is dead",
        )
    asleep = [name for name in _ENABLED if not (root / "etc/systemd/system" / name).is_symlink()]
    if asleep:
        names = ", ".join(name.rpartition("/")[2] for name in asleep)
        remedy = "systemctl enable --now ipsync ipsync-reaper.timer"
        return Finding("service", Verdict.NOTE, f"not started with the machine: {names}", remedy)
    return Finding("service", Verdict.OK, "daemon and reaper are installed, and start with the machine")
