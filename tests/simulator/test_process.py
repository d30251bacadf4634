"""The simulator as a process: one line when ready, a clean end, loopback only."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from ipsync.simulator import Simulator
from ipsync.simulator.serving.server import Options, parse_listen, run

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "ipsync.simulator", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_when_ready_and_a_clean_end(start: Start, number: signal.Signals) -> None:
    process = start("--listen", "127.0.0.1:0", "--members", "2", "--documents", "5", "--seed", "9", "--control")
    assert process.stdout
    ready = json.loads(process.stdout.readline())
    assert set(ready) == {"ready", "api_url", "authorize_url", "api_key", "secret", "members"}
    assert ready["ready"] is True
    assert ready["api_url"].startswith("http://127.0.0.1:")
    assert ready["api_url"].endswith("/api/")
    assert ready["authorize_url"] == ready["api_url"].replace("/api/", "/apps/authorize")
    assert len(ready["members"]) == 2
    assert set(ready["members"][0]) == {"user_id", "username", "cookie"}
    with urllib.request.urlopen(ready["api_url"].replace("/api/", "/_control/truth")) as answer:
        assert len(json.load(answer)["documents"]) == 10
    os.kill(process.pid, number)
    rest, complaints = process.communicate(timeout=60)
    assert (process.returncode, rest, complaints) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listen", "0.0.0.0:0"), "loopback"),
        (("--listen", "example.org:0"), "loopback"),
        (("--listen", "127.0.0.1"), "host:port"),
        (("--listen", "127.0.0.1:99999"), "host:port"),
        (("--listen", "127.0.0.1:0", "--rate-limit", "many"), "rate limit"),
        (("--listen", "127.0.0.1:0", "--members", "0"), "at least one member"),
    ],
)
def test_options_that_can_not_be_used(start: Start, arguments: tuple[str, ...], words: str) -> None:
    process = start(*arguments)
    out, complaints = process.communicate(timeout=20)
    assert process.returncode == 2
    assert out == ""
    assert words in complaints
    assert "Traceback" not in complaints


def test_an_address_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(Options(listen=f"127.0.0.1:{taken.getsockname()[1]}", members=1, documents=0)) == 1
    assert "can't listen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8700", ("127.0.0.1", 8700)),
        ("[::1]:1", ("::1", 1)),
        ("localhost:0", ("localhost", 0)),
        ("127.8.9.10:5", ("127.8.9.10", 5)),
    ],
)
def test_addresses_to_listen_on(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_other_addresses_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Simulator(host=host)


def test_importing_the_package_loads_no_web_server() -> None:
    code = "import sys, ipsync.simulator; ipsync.simulator.World(1, 1); print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_it_imports_nothing_of_the_rest_of_ipsync() -> None:
    code = (
        "import sys, ipsync.simulator.serving.server;"
        "print([m for m in sys.modules if m.startswith('ipsync.') and not m.startswith('ipsync.simulator')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
