"""No key, token or other secret in the checkout or in what is built from it (T05, F35)."""

import base64
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.documents.reading import ROOT, files, name_of
from tests.hygiene.allowed import exceptions
from tests.hygiene.scanner import Finding, leaked, scan

# Put together here, so that this file does not hold what the scanner looks for.
_PLANTED = {
    "private key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "cloud key": "region = 'AKIA" + "Q3EGQ6XW5ZV7M2KD'",
    "forge token": "git clone with ghp_" + "0aB9cD8eF7gH6iJ5kL4mN3oP2qR1sT0uV9wX",
    "registry token": "pypi-AgEIcH" + "lwaS5vcmcCJDNkOTk4YjRmLTdhZTEtNDM2NS1h",
    "chat token": "xoxb-" + "4837261950-Zk3vQp7LmR2t",
    "payment key": "sk_live_" + "9f8e7d6c5b4a3Z2y1X0w",
    "webhook secret": "whsec_Zm9v" + "YmFyYmF6cXV4MTIzNDU2Nzg5",
    "signed token": "eyJhbGciOi" + "JIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4",
    "password in an address": "postgresql://ipsync:" + "hunter2" + "@db.example.org/ipsync",
    "value of a secret name": 'IPSYNC_API_SECRET: "q8Zr4-' + 'Tn0xLw7"',
    "authorization": "curl -H 'Authorization: Bearer " + "m3kQ9zP1vX7yB5nD2'",
    "random hex": "d41f9a7be38c06527f" + "1ed94ab3c85f60",
    "random base64": "kX9v2LpQ7rTz0Yw4Bn6M" + "c8Hd1Jf3Gs5Va+Ke/Iu2Ox",
}
_HARMLESS = [
    'api_secret_file = "/etc/ipsync/secrets/api_secret"',
    "auth_token = settings.secrets.admin_token.reveal()",
    'IPSYNC_ADMIN_TOKEN="$(openssl rand -hex 32)"',
    "token: str = secrets.token_urlsafe(32)",
    "    --hash=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    'Authorization: Bearer "$(cat admin_token)"',
    "def test_T05_a_secret_of_which_only_the_first_hundred_characters_are_read_is_refused() -> None:",
    'password = "correct horse battery staple"',
]
_NEVER_SHIPPED = {".db", ".key", ".pem", ".p12", ".env", ".log", ".sqlite", ".jsonl"}


def test_T05_no_secret_is_in_the_checkout_and_every_exception_is_needed() -> None:
    found = [finding for path in files() for finding in _scan(path.read_bytes(), name_of(path))]
    allowed = exceptions()
    assert allowed.left(found) == [], "see tests/hygiene/exceptions.toml where it is none"
    assert allowed.unused(found) == []
    assert all(len(reason) > 20 for reason in allowed.reasons.values())


@pytest.mark.parametrize("rule", _PLANTED)
def test_a_planted_secret_is_found(rule: str) -> None:
    text = f"# The first line.\n{_PLANTED[rule]}\n\nThe last line.\n"
    found = scan(text, "planted")
    assert [(finding.place, finding.line, finding.rule) for finding in found] == [("planted", 2, rule)]
    assert exceptions().left(found) == found
    assert _PLANTED[rule][-10:] not in repr(found), "a report tells no secret"


@pytest.mark.parametrize("line", _HARMLESS)
def test_a_name_of_a_secret_is_none(line: str) -> None:
    assert scan(line, "harmless") == []


def test_an_exception_holds_in_its_places_only() -> None:
    allowed = exceptions()
    digest, places = next(iter(allowed.places.items()))
    here, elsewhere = (Finding(place, 1, "random hex", digest) for place in (places[0], "ipsync/daemon.py"))
    assert allowed.left([here, elsewhere]) == [elsewhere]


def test_a_known_secret_is_found_however_it_is_spelled() -> None:
    secret = "canary-secret/4567+89="
    data = {
        secret.encode(),
        b"?q=canary-secret%2F4567%2B89%3D&",
        secret.encode().hex().encode(),
        *(base64.b64encode(ahead + secret.encode() + b"!") for ahead in (b"", b"a", b"ab", b"user:")),
    }
    assert all(leaked([secret], text) for text in data)
    assert not leaked([secret], b"canary-secret/4567+88=")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return sorted(folder.iterdir())


def test_what_is_built_holds_what_it_needs_and_no_secret(built: list[Path]) -> None:
    wheel, sdist = (dict(_members(path)) for path in built)
    assert {"ipsync/daemon.py", "ipsync/_assets/systemd/ipsync.service"} <= wheel.keys()
    assert {"ipsync/daemon.py", "pyproject.toml", "Makefile"} <= sdist.keys()
    allowed = exceptions()
    for shipped in (sdist, wheel):
        paths = [PurePosixPath(name) for name in shipped]
        assert [path for path in paths if path.suffix in _NEVER_SHIPPED or path.name in {".env", ".netrc"}] == []
        assert [path for path in paths if {".git", ".venv", "secrets", "__pycache__"} & set(path.parts)] == []
    assert not [name for name in wheel if name.startswith(("tests/", "benchmarks/", "docs/"))]
    # What lies hidden beside the sources, an .env say, is not built into them.
    assert {name for name in sdist if name.startswith(".")} <= {".gitignore", ".importlinter"}
    # All else of the sdist is the checkout again.
    found = [finding for name, data in wheel.items() for finding in _scan(data, name.replace("ipsync/_assets/", ""))]
    assert allowed.left(found) == []


def _scan(data: bytes, name: str) -> list[Finding]:
    try:
        return scan(data.decode(), name)
    except UnicodeDecodeError:
        return []


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in a package, without the folder that an sdist has on top."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist())
        return
    with tarfile.open(path) as sdist:
        for member in sdist:
            if member.isfile() and (file := sdist.extractfile(member)):
                yield member.name.partition("/")[2], file.read()
