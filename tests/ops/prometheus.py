"""Prometheus, for real: rules and their tests, a daemon that is scraped, an alert that fires and resolves."""

import contextlib
import json
import re
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.fakes.site import LiveSite, SiteMirror, stocked_mirror
from tests.ops.promises import Promise, need, ran
from tests.system.daemons import DaemonProcess

_ROOT = Path(__file__).resolve().parents[2]
_CONFIG = _ROOT / "config" / "prometheus"
_DASHBOARD = _ROOT / "config" / "grafana" / "ipsync.json"
_WINDOW_SECONDS = 60
_PATIENCE_SECONDS = 120
_ALERT = "IpsyncOldestLease"

_SCRAPE = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: ipsync
    static_configs: [{{targets: ["{target}"]}}]
"""


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    need({"prometheus": "prometheus", "promtool": "prometheus", "amtool": "prometheus-alertmanager"})
    rules, tests = _CONFIG / "ipsync.rules.yml", _CONFIG / "ipsync.rules.test.yml"
    yield ran("promtool", "check", "rules", str(rules), words="the rules are well formed")
    count = len(re.findall(r"^  - name:", tests.read_text(), re.MULTILINE))
    yield ran(
        "promtool", "test", "rules", str(tests), words="each alert fires and stays silent", figure=f"{count} cases"
    )
    yield ran(
        "promtool",
        "check",
        "config",
        str(_CONFIG / "prometheus.example.yml"),
        words="the example configuration is right",
    )
    yield ran(
        "amtool",
        "check-config",
        str(_CONFIG / "alertmanager.example.yml"),
        words="the example of Alertmanager is right",
    )
    yield from _live()


def _live() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder, LiveSite() as site:
        mirror = stocked_mirror(Path(folder) / "mirror", site)
        mirror.configure(window=f"{_WINDOW_SECONDS}s")
        with DaemonProcess(mirror) as daemon, _prometheus(Path(folder), daemon.address) as address:
            yield _lint(daemon.address)
            yield from _loop(site, address)
            _be_busy(mirror, site, daemon.address, address)
            yield _panels(address)


def _lint(address: str) -> Promise:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        text = answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    own = [line for line in done.stderr.decode().splitlines() if line.startswith("ipsync_")]
    return Promise("promtool finds nothing to say of our metrics", not own, own[0] if own else f"{len(text):,} bytes")


def _loop(site: LiveSite, address: str) -> Iterator[Promise]:
    """A fault is set in the simulator, the alert fires; the fault goes, the alert resolves."""
    quiet = _until(lambda: _value(address, "ipsync_oldest_lease_age_seconds") is not None, "it is scraped")
    yield Promise("a real Prometheus scrapes the daemon", True, f"after {quiet:.1f} s")
    if _fires(address):
        yield Promise("no alert without a reason", False, _ALERT)
    site.fault("http_status", ["*"], value=503)
    fired = _until(lambda: _fires(address), f"{_ALERT} fires")
    yield Promise("while ipernity fails the alert fires", True, f"{_ALERT} after {fired:.1f} s")
    site.heal()
    resolved = _until(lambda: not _fires(address), f"{_ALERT} resolves")
    yield Promise("when the fault is gone it resolves", True, f"after {resolved:.1f} s")


def _be_busy(mirror: SiteMirror, site: LiveSite, daemon: str, prometheus: str) -> None:
    """Let something of everything happen: removals, answers, pages."""
    gone = sorted(site.permitted())[:3]
    for document_id in gone:
        site.delete(int(document_id))
    for path in ("/privacy", "/healthz", "/v1/documents"):
        request = urllib.request.Request(
            daemon + path, headers={"Authorization": f"Bearer {mirror.env['IPSYNC_ADMIN_TOKEN']}"}
        )
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=10):
            pass
    _until(lambda: _removed(prometheus) >= len(gone), "the removals are done")
    time.sleep(5)  # rates need two scrapes after the event


def _removed(address: str) -> float:
    return float(_value(address, "sum(ipsync_removals_total)") or 0)


def _panels(address: str) -> Promise:
    """Ask each query of the dashboard; an answer proves the panel."""
    board = json.loads(_DASHBOARD.read_text())
    empty, asked = [], 0
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            asked += 1
            # A day has not passed here; the shape of the query is what is shown.
            query = re.sub(r"\[(1h|1d|30d|5m)\]", "[2m]", target["expr"])
            if _value(address, query) is None:
                empty.append(f"{panel['title']} ({query})")
    return Promise("each panel of the dashboard has an answer", not empty, "; ".join(empty) or f"{asked} queries")


@contextlib.contextmanager
def _prometheus(folder: Path, daemon: str) -> Iterator[str]:
    place = folder / "prometheus"
    place.mkdir()
    rules = (_CONFIG / "ipsync.rules.yml").read_text()
    # The marks of a day, shortened like the window.
    rules = re.sub(r"(\d+) \* 3600", lambda found: f"{int(found[1]) * _WINDOW_SECONDS / 24:g}", rules)
    (place / "rules.yml").write_text(re.sub(r"\bfor: \w+", "for: 0s", rules))
    (place / "prometheus.yml").write_text(_SCRAPE.format(target=daemon.removeprefix("http://")))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "prometheus",
        f"--config.file={place / 'prometheus.yml'}",
        f"--storage.tsdb.path={place / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _fires(address: str) -> bool:
    alerts = _get(f"{address}/api/v1/alerts")["data"]["alerts"]
    return any(alert["labels"]["alertname"] == _ALERT and alert["state"] == "firing" for alert in alerts)


def _value(address: str, query: str) -> str | None:
    """The first value of the answer to a query; None where there is none."""
    try:
        found = _get(f"{address}/api/v1/query?query={urllib.parse.quote(query)}")["data"]["result"]
    except OSError:
        return None
    return found[0]["value"][1] if found else None


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def _until(condition: Callable[[], bool], words: str) -> float:
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE_SECONDS:
        with contextlib.suppress(OSError):
            if condition():
                return time.monotonic() - began
        time.sleep(0.5)
    raise TimeoutError(f"not within {_PATIENCE_SECONDS} s: {words}")
