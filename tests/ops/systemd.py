"""The units under a real systemd: start, credentials, reload, watchdog, stop, and a reaper that needs no daemon."""

import json
import re
import shutil
import time
from collections.abc import Iterator

from tests.ops.installed import WINDOW_SECONDS, Installed
from tests.ops.machine import Machine, cached_package, timed, until
from tests.ops.promises import Promise

_UNITS = ("ipsync.service", "ipsync-reaper.service", "ipsync-reaper.timer")
_MOST_EXPOSED = {"ipsync.service": 1.2, "ipsync-reaper.service": 0.4}
_SECRETS = ("admin_token", "api_key", "api_secret", "state_key")
_PURPOSE = "Shows the photos of our members", "Shows them in the hall"
# As delivered it looks every quarter of an hour.
_OFTEN = "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/5\nAccuracySec=1s\n"


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    package = cached_package()
    with Machine() as machine:
        version = machine.ask("systemctl", "--version").splitlines()[0]
        yield Promise("a Debian boots with a systemd of its own", True, f"{version}, {machine.boot_seconds:.1f} s")
        ipsync = Installed(machine)
        ipsync.install(package)
        yield from _what_systemd_says(machine)
        yield _drop_ins(machine)
        yield from _before_it_is_configured(ipsync)
        yield from _start(ipsync)
        yield from _secrets(machine)
        yield _doctor(machine)
        yield from _reload(ipsync)
        yield _watchdog(ipsync)
        yield _stop(ipsync)
        yield from _reaper(ipsync)


def _what_systemd_says(machine: Machine) -> Iterator[Promise]:
    done = machine.run("systemd-analyze", "verify", *(f"/lib/systemd/system/{name}" for name in _UNITS), check=False)
    said = (done.stdout + done.stderr).strip()
    yield Promise(
        "systemd-analyze verify is silent", not said, said.splitlines()[0] if said else f"{len(_UNITS)} units"
    )
    for unit, most in _MOST_EXPOSED.items():
        found = re.search(r"exposure level for \S+ ([\d.]+)", machine.ask("systemd-analyze", "security", unit))
        level = float(found[1]) if found else 10.0
        yield Promise(f"{unit} is exposed by no more than {most}", level <= most, f"{level}")


def _drop_ins(machine: Machine) -> Promise:
    """The examples beside the units, as an operator would copy them."""
    delivered = machine.root / "usr/share/ipsync/systemd/ipsync.service.d"
    names = sorted(path.name for path in delivered.glob("*.conf.example"))
    place = machine.root / "etc/systemd/system/ipsync.service.d"
    place.mkdir(parents=True)
    for name in names:
        shutil.copy(delivered / name, place / name.removesuffix(".example"))
    machine.run("systemctl", "daemon-reload")
    changed = machine.show("ipsync", "DynamicUser", "MemoryHigh")
    done = machine.run("systemd-analyze", "verify", f"/lib/systemd/system/{_UNITS[0]}", check=False)
    said = (done.stdout + done.stderr).strip()
    shutil.rmtree(place)
    machine.run("systemctl", "daemon-reload")
    good = len(names) == 2 and changed == ["no", str(400 << 20)] and not said
    return Promise("the examples of drop-ins are understood", good, said[:200] or ", ".join(names))


def _before_it_is_configured(ipsync: Installed) -> Iterator[Promise]:
    machine = ipsync.machine
    enabled = machine.ask("systemctl", "is-enabled", "ipsync.service", "ipsync-reaper.timer").split()
    state, condition = machine.show("ipsync", "ActiveState", "ConditionResult")
    good = enabled == ["enabled", "enabled"] and (state, condition) == ("inactive", "no")
    yield Promise("installed, it is enabled and waits to be configured", good, f"{' '.join(enabled)}, {state}")
    ipsync.begin_simulator()
    ipsync.configure()
    right = ipsync.text
    ipsync.write(right + '\n[web]\nlisten = "nowhere"\n')
    machine.run("systemctl", "start", "ipsync", check=False)
    time.sleep(12)  # longer than RestartSec=
    state, restarts, code = machine.show("ipsync", "ActiveState", "NRestarts", "ExecMainStatus")
    ipsync.write(right)
    machine.run("systemctl", "reset-failed", "ipsync")
    yield Promise(
        "a wrong configuration ends it and is not tried again",
        (state, restarts, code) == ("failed", "0", "2"),
        f"{state}, exit code {code}, {restarts} restarts in 12 s",
    )


def _start(ipsync: Installed) -> Iterator[Promise]:
    machine = ipsync.machine
    began = time.monotonic()
    machine.run("systemctl", "start", "ipsync")
    took = time.monotonic() - began
    state, status, pid = machine.show("ipsync", "ActiveState", "StatusText", "MainPID")
    events = {record["event"] for record in machine.journal("ipsync")}
    good = state == "active" and {"database.upgraded", "daemon.ready"} <= events
    yield Promise("start ends with READY, on a database it made", good, f"{took:.1f} s, {status}")
    user = machine.ask("stat", "--format=%U %u", f"/proc/{pid}")
    yield Promise("it runs as a user of its own", user.startswith("ipsync ") and user[-2:] != " 0", user)
    took = timed(lambda: ipsync.take_in() or True, "a member is taken in")
    until(ipsync.files, "there are files")
    figure = f"{len(ipsync.served())} documents, {len(ipsync.files())} files after {took:.1f} s"
    yield Promise("a member is taken in beside it and served", bool(ipsync.served()), figure)


def _secrets(machine: Machine) -> Iterator[Promise]:
    (pid,) = machine.show("ipsync", "MainPID")
    given = machine.ask("ls", "/run/credentials/ipsync.service").split()
    texts = [(machine.root / "etc/ipsync/secrets" / name).read_text().strip() for name in _SECRETS]
    seen = machine.ask("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline")
    shown = [name for name, text in zip(_SECRETS, texts, strict=True) if text in seen]
    yield Promise(
        "secrets come as credentials, not by environment or arguments",
        sorted(given) == sorted(_SECRETS) and not shown and bool(seen),
        f"{len(given)} in /run/credentials/ipsync.service, {len(shown)} shown",
    )
    owner = machine.ask("stat", "--format=%u", f"/proc/{pid}")
    asked = ("setpriv", f"--reuid={owner}", "--clear-groups", "cat", "/etc/ipsync/secrets/api_key")
    refused = machine.run(*asked, check=False).stderr.strip()
    yield Promise("its user cannot read their files", refused.endswith("Permission denied"), refused)


def _doctor(machine: Machine) -> Promise:
    done = machine.run("ipsync-as-service", "doctor", "--json", check=False)
    found = json.loads(done.stdout)["findings"]
    wrong = [finding["words"] for finding in found if finding["verdict"] == "wrong"]
    well = [finding["subject"] for finding in found if finding["verdict"] == "ok"]
    left = [
        f"{finding['subject']}: {finding['words']}" for finding in found if finding["verdict"] in ("note", "skipped")
    ]
    figure = "; ".join(wrong) or f"{len(well)} of {len(found)} well, and notes: {'; '.join(left) or 'none'}"
    good = not wrong and {"credentials", "database", "erasing", "service", "daemon", "budget", "files"} <= set(well)
    return Promise("the doctor finds nothing wrong under systemd", good, figure)


def _reload(ipsync: Installed) -> Iterator[Promise]:
    machine, before = ipsync.machine, ipsync.text
    (pid,) = machine.show("ipsync", "MainPID")
    ipsync.write(before.replace(*_PURPOSE) + '\n[web]\nlisten = "127.0.0.1:8481"\n')
    machine.run("systemctl", "reload", "ipsync")
    took = timed(lambda: _PURPOSE[1] in ipsync.request("/privacy"), "the new purpose is shown")
    same = machine.show("ipsync", "MainPID") == [pid]
    yield Promise("reload takes over what may change, in the same process", same, f"operator.purpose, {took:.1f} s")
    said = [record.get("settings", "") for record in machine.journal("ipsync") if record["event"] == "daemon.reloaded"]
    named = next((words for words in said if words), "nothing")
    yield Promise("and says what needs a restart", "web.listen" in named, named)
    ipsync.write(before + '\n[web]\nlisten = "nowhere"\n')
    machine.run("systemctl", "reload", "ipsync")
    timed(lambda: _logged(machine, "daemon.reload-refused"), "the wrong configuration is refused")
    ipsync.write(before)
    state = machine.show("ipsync", "ActiveState", "MainPID")
    good = state == ["active", pid] and bool(ipsync.served())
    yield Promise("a wrong configuration is refused as a whole", good, "the old one holds, documents are served")
    machine.run("systemctl", "reload", "ipsync")
    timed(lambda: _PURPOSE[0] in ipsync.request("/privacy"), "the first configuration holds again")


def _watchdog(ipsync: Installed) -> Promise:
    """As delivered: WatchdogSec=60s, RestartSec=10s."""
    machine = ipsync.machine
    (pid,) = machine.show("ipsync", "MainPID")
    machine.run("kill", "-STOP", pid)
    killed = timed(lambda: machine.show("ipsync", "MainPID") != [pid], "the watchdog kills it")
    result = "watchdog" in machine.ask("journalctl", "--unit=ipsync", "--output=cat", "--no-pager", "--grep=watchdog")
    again = timed(lambda: machine.show("ipsync", "SubState") == ["running"] and ipsync.served(), "it serves again")
    restarts = machine.show("ipsync", "NRestarts")[0]
    good = result and killed < 75 and restarts == "1"
    return Promise(
        "one that hangs is killed and started again", good, f"after {killed:.0f} s; serves {again:.0f} s later"
    )


def _stop(ipsync: Installed) -> Promise:
    """While ipernity answers nothing: jobs under way are waited for, then cut off, and the process ends by itself."""
    machine = ipsync.machine
    (limit,) = machine.show("ipsync", "TimeoutStopUSec")
    ipsync.control("faults", {"kind": "hang", "methods": ["*"], "share": 1})
    time.sleep(8)  # requests are under way
    began = time.monotonic()
    machine.run("systemctl", "stop", "ipsync")
    took = time.monotonic() - began
    ipsync.control("faults", None, "DELETE")
    result, code = machine.show("ipsync", "Result", "ExecMainStatus")
    good = (result, code) == ("success", "0") and took < 45 and _logged(machine, "daemon.stopped") > 0
    return Promise(
        "stop drains within its time, though ipernity hangs", good, f"{took:.1f} s of {limit}, exit code {code}"
    )


def _reaper(ipsync: Installed) -> Iterator[Promise]:
    machine = ipsync.machine
    machine.run("systemctl", "start", "ipsync")
    until(lambda: len(ipsync.served()) > 0 and ipsync.files(), "it serves again")
    titles = ipsync.tokens()
    there = len(titles & ipsync.found(titles))
    machine.run("systemctl", "mask", "--now", "ipsync")
    files, began = len(ipsync.files()), time.monotonic()
    place = machine.root / "etc/systemd/system/ipsync-reaper.timer.d"
    place.mkdir(parents=True)
    (place / "often.conf").write_text(_OFTEN)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "ipsync-reaper.timer")
    until(lambda: not ipsync.files() and not ipsync.found(titles), "the reaper has erased everything")
    took = time.monotonic() - began
    (state,) = machine.show("ipsync", "ActiveState")
    good = files > 0 and there > 0 and state == "inactive" and took < WINDOW_SECONDS
    figure = f"{files} files and {there} works' words gone {took:.0f} s after it was masked; window {WINDOW_SECONDS} s"
    yield Promise("while the daemon is masked the reaper's timer erases", good, figure)
    machine.run("systemctl", "stop", "ipsync-reaper.timer")  # on a slow machine it would begin again at once
    until(lambda: machine.show("ipsync-reaper.service", "ActiveState") == ["inactive"], "it has ended")
    result, code = machine.show("ipsync-reaper.service", "Result", "ExecMainStatus")
    yield Promise("that is no failure of its unit", result == "success", f"{result}, exit code {code}")
    machine.run("systemctl", "unmask", "ipsync")
    machine.run("systemctl", "start", "ipsync")
    took = timed(ipsync.served, "it serves again")
    yield Promise("unmasked, it mirrors anew what is still shared", True, f"after {took:.1f} s")


def _logged(machine: Machine, event: str) -> int:
    return sum(record["event"] == event for record in machine.journal("ipsync"))
