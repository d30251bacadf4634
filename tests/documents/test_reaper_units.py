"""The reaper's units: no network, no secret but one, and what systemd itself says of them."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.documents.reading import ROOT, read

SERVICE, TIMER, DAEMON = "systemd/ipsync-reaper.service", "systemd/ipsync-reaper.timer", "systemd/ipsync.service"


def _values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", read(unit), re.MULTILINE)


def test_the_reaper_has_no_network() -> None:
    assert _values(SERVICE, "PrivateNetwork") == ["yes"]
    assert _values(SERVICE, "IPAddressDeny") == ["any"]
    assert _values(SERVICE, "RestrictAddressFamilies") == ["AF_UNIX"]


def test_the_reaper_has_the_one_secret_it_needs() -> None:
    assert _values(SERVICE, "LoadCredential") == ["state_key:/etc/ipsync/secrets/state_key"]


def test_the_reaper_is_the_same_user_in_the_same_folder() -> None:
    for key in (
        "DynamicUser",
        "User",
        "UMask",
        "StateDirectory",
        "StateDirectoryMode",
        "WorkingDirectory",
        "LimitCORE",
    ):
        assert _values(SERVICE, key) == _values(DAEMON, key), key


def test_the_reaper_is_shut_in_at_least_as_tightly_as_the_daemon() -> None:
    hardening = read(DAEMON).split("AmbientCapabilities=", 1)[1].split("[Install]", 1)[0].split()
    lines = set(read(SERVICE).split())
    assert [line for line in hardening if line not in lines | {"AF_UNIX"} and "AF_INET" not in line] == []


def test_the_reaper_leaves_proc_readable() -> None:
    assert not _values(SERVICE, "ProcSubset")


def test_to_have_erased_something_is_no_failure_of_the_unit() -> None:
    assert _values(SERVICE, "SuccessExitStatus") == ["3"]
    assert _values(SERVICE, "ExecStart") == ["/opt/ipsync/bin/ipsync reap"]


def test_the_timer_looks_often_and_makes_up_for_what_was_missed() -> None:
    assert _values(TIMER, "OnCalendar") == ["*:0/15"]
    assert _values(TIMER, "Persistent") == ["true"]
    assert _values(TIMER, "WantedBy") == ["timers.target"]


def test_systemd_finds_nothing_odd_and_next_to_no_exposure(tmp_path: Path) -> None:
    """`verify` succeeds whatever it finds, so that any word of it counts."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        return  # without systemd there is nobody to ask; the other tests of this file hold all the same
    for unit in (SERVICE, TIMER):
        text = read(unit).replace("/opt/ipsync/bin/ipsync", "/bin/true")
        (tmp_path / Path(unit).name).write_text(text)
    units = [tmp_path / Path(unit).name for unit in (SERVICE, TIMER)]
    verified = subprocess.run([tool, "verify", *units], capture_output=True, text=True, check=False)
    assert (verified.stdout + verified.stderr).strip() == ""
    security = subprocess.run(
        [tool, "security", "--offline=yes", "--no-pager", "--threshold=4", ROOT / SERVICE],
        capture_output=True,
        text=True,
        check=False,
    )
    # The threshold is in tenths.
    assert security.returncode == 0, security.stdout[-300:]
