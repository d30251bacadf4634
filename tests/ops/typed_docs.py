"""What the documents have the reader type, typed: each line in a shell of its own, and the tutorial as one story."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.documents.typed import Line, Run, actual_of, answered, how, lines, plain, substituted
from tests.fakes.command_line import ROOT
from tests.fakes.site import LiveSite, SiteMirror, approve, stocked_mirror
from tests.ops.prometheus import until
from tests.ops.promises import Promise, need
from tests.system.daemons import DaemonProcess

_ALONE = (
    "docs/how-to/answer-an-auditor.md",
    "docs/how-to/leave.md",
    "docs/how-to/back-up-and-restore.md",
    "docs/how-to/install.md",
    "docs/tutorial/on-ipernity.md",
    "README.md",
)
"""Where the reader has no daemon running, or is told to stop it."""

_PATIENCE_SECONDS = 120
_ENDED = 143
"""How what goes on ends when it is told to, where it does not care."""
_TUTORIAL = "docs/tutorial/first-mirror.md"


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    need({"curl": "curl", "openssl": "openssl"})
    every = lines()
    with tempfile.TemporaryDirectory() as place, LiveSite(documents=8) as site:
        stock = stocked_mirror(Path(place) / "stock", site)
        for number, document in enumerate(sorted({line.document for line in every} - {_TUTORIAL})):
            mine = [line for line in every if line.document == document and _is_run(line)]
            if mine:
                folder = Path(place) / str(number)
                yield _document(document, mine, stock.copy_to(folder / "mirror"), folder)
    yield _tutorial([line.text for line in every if line.document == _TUTORIAL])
    left_out = [line for line in every if (way := how(line)) is not None and way.run is Run.ELSEWHERE]
    yield Promise("every other line says why it is not run", True, f"{len(left_out)} of {len(every)}")


def _is_run(line: Line) -> bool:
    way = how(line)
    return way is not None and way.run in (Run.HERE, Run.PROCESS)


def _document(document: str, mine: list[Line], mirror: SiteMirror, folder: Path) -> Promise:
    """Type each line of a document, beside a daemon where the reader has one."""
    environ = _environ(folder) | mirror.env
    if document in _ALONE:
        wrong = _typed(mine, mirror, folder, environ)
    else:
        with DaemonProcess(mirror) as daemon:
            token = _run(
                "ipsync token create --name of-the-test --scope documents --scope media --scope changes", environ
            )
            environ |= {"URL": daemon.address, "TOKEN": token.stdout.split()[0]}
            cursor = _run('curl -s -H "Authorization: Bearer $TOKEN" "$URL/v1/changes?since=now"', environ)
            environ["CURSOR"] = json.loads(cursor.stdout)["next_cursor"]
            wrong = _typed(mine, mirror, folder, environ)
    return Promise(f"{document} can be typed", not wrong, "; ".join(wrong)[:600] or f"{len(mine)} lines")


def _typed(mine: list[Line], mirror: SiteMirror, folder: Path, environ: dict[str, str]) -> list[str]:
    actual = actual_of(mirror, folder) | _elsewhere(mirror, folder, environ)
    wrong = []
    for line in mine:
        way = how(line)
        assert way is not None
        text = answered(substituted(line.text, actual))
        if "--watch" in text:  # it draws on a terminal
            text = f'script -qec "{text}" /dev/null'
        if way.seconds:
            text = f"timeout --preserve-status -k 60 {way.seconds} {text}"
        done = _run(text, environ, cwd=folder)
        codes = (*way.codes, _ENDED) if way.seconds else way.codes
        if done.returncode not in codes or "Traceback" in done.stderr:
            wrong.append(f"`{text}` ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return wrong


def _elsewhere(mirror: SiteMirror, folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """What a reader would have got from earlier, or from somebody else."""
    head = _run("ipsync ledger export --head", environ, cwd=folder).stdout
    (folder / "kept-heads").write_text(head)
    (folder / "ipsync.db-heads").write_text(head)
    shutil.copy(ROOT / "docs/how-to/verify_ledger.py", folder)
    key = json.loads(head.splitlines()[-1]).get("key", "")
    base = mirror.site.simulator.base_url
    return {
        "5bae39282d8b0c08920634d3638bf63a915e26e2cc8f6af2e22e516b39acd0a2": key,
        "/mnt/elsewhere/": f"{folder}/",
        "python verify_ledger.py": f"{sys.executable} verify_ledger.py",
        " && systemctl reload ipsync": "",
        "simulator --listen 127.0.0.1:8700": "simulator --listen 127.0.0.1:0",
        "http://127.0.0.1:8700": base,
        "http://127.0.0.1:8480/metrics": f"{environ.get('URL', '')}/metrics",
        "members/ID": f"members/{mirror.site.members[2].user_id}",
    }


def _tutorial(texts: list[str]) -> Promise:
    """The whole tutorial, by its own lines and in its order; a person says yes in a browser."""
    words = "the tutorial leads from nothing to a mirrored account and back"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        environ = _environ(folder)
        told = [plain(text).replace("/tmp/mirror", str(folder / "mirror")) for text in texts if text != "make demo"]
        with _going_on(f"{told[0]} --listen 127.0.0.1:0", environ) as site:
            assert site.stdout is not None
            ready = json.loads(site.stdout.readline())
            environ |= {"IPSYNC_API_KEY": ready["api_key"], "IPSYNC_API_SECRET": ready["secret"]}
            with contextlib.ExitStack() as stack:
                for text in told[1:]:
                    wrong = _step(text.replace("http://127.0.0.1:8700/api/", ready["api_url"]), ready, environ, stack)
                    if wrong:
                        return Promise(words, False, f"`{text}`: {wrong}")
    return Promise(words, True, f"{len(told)} lines")


def _step(text: str, ready: dict[str, Any], environ: dict[str, str], stack: contextlib.ExitStack) -> str:
    """Do one line of the tutorial. Gives what was wrong with it, or nothing."""
    if text.startswith("export"):
        name, _, value = text.removeprefix("export ").partition("=")
        environ |= {} if "…" in value else {name: value}  # key and secret are the reader's
        return ""
    if text == "ipsync account add":
        return _authorize(ready, environ)
    if text == "ipsync run":
        # The reader has no other program at the usual port; this machine may.
        with Path(environ["IPSYNC_CONFIG"]).open("a") as config:
            config.write('\n[web]\nlisten = "127.0.0.1:0"\n')
        stack.enter_context(_going_on(text, environ))
        until(lambda: "document_id" in _run("ipsync documents list --json", environ).stdout, "documents are mirrored")
        return ""
    done = _run(text.replace("NUMBER", f"{ready['members'][0]['user_id']} --yes"), environ)
    return "" if done.returncode == 0 else f"{done.returncode}: {done.stderr.strip()[-300:]}"


def _authorize(ready: dict[str, Any], environ: dict[str, str]) -> str:
    """Follow the link as a member who is signed in, and say yes."""
    with _going_on("ipsync account add", environ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        link = None
        while link is None and (line := process.stdout.readline()):
            link = re.search(r"http://\S+", line)
        if link is None:
            return "it showed no link"
        approve(link[0], ready["members"][0]["cookie"])
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdin.close()
        said = process.stdout.read()
        return "" if process.wait(_PATIENCE_SECONDS) == 0 else said


@contextlib.contextmanager
def _going_on(text: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A line whose program goes on; it is ended as Ctrl-C ends it."""
    command = ["bash", "-c", f"exec {text}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as going:
        try:
            yield going
        finally:
            if going.poll() is None:
                going.send_signal(signal.SIGINT)
                going.wait(_PATIENCE_SECONDS)


def _environ(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{ROOT / '.venv/bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
    }


def _run(text: str, environ: dict[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return _shell(text, environ, cwd)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess([text], -1, "", f"not within {_PATIENCE_SECONDS} s")


def _shell(text: str, environ: dict[str, str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", text],
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
