"""`ipsync simulator`: one line when ready, quiet otherwise, gone when told."""

import json
import signal
import subprocess
from collections.abc import Callable

from tests.fakes.command_line import COMMAND, PATIENCE_SECONDS, Outcome


def test_it_says_when_it_is_ready_and_ends_on_sigterm() -> None:
    process = subprocess.Popen(
        [
            *COMMAND,
            "simulator",
            "--listen",
            "127.0.0.1:0",
            "--members",
            "2",
            "--documents",
            "3",
            "--seed",
            "7",
            "--control",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert ready["ready"] is True
    assert ready["api_url"].startswith("http://127.0.0.1:")
    assert {"user_id", "username", "cookie"} <= set(ready["members"][0])
    assert len(ready["members"]) == 2
    assert (process.returncode, out, err) == (0, "", "")


def test_wrong_options_exit_with_2(cli: Callable[..., Outcome]) -> None:
    for arguments in (
        ["--listen", "0.0.0.0:8700"],
        ["--listen", "nowhere"],
        ["--rate-limit", "much"],
        ["--members", "0"],
    ):
        shown = cli("simulator", *arguments)
        assert shown.code == 2, arguments
        assert shown.err
        assert "Traceback" not in shown.err
