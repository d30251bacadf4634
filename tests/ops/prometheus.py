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
CONFIG = _ROOT / "config" / "prometheus"
_DASHBOARD = _ROOT / "config" / "grafana" / "ipsync.json"
_WINDOW_SECONDS = 60
DAY_SECONDS = 24 * 3600
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
    rules, tests = CONFIG / "ipsync.rules.yml", CONFIG / "ipsync.rules.test.yml"
    yield ran("promtool", "check", "rules", str(rules), words="the rules are well formed")
    count = len(re.findall(r"^  - name:", tests.read_text(), re.MULTILINE))
    yield ran(
        "promtool", "test", "rules", str(tests), words="each alert fires and stays silent", figure=f"{count} cases"
    )
    yield ran(
        "promtool",
        "check",
        "config",
        str(CONFIG / "prometheus.example.yml"),
        words="the example configuration is right",
    )
    yield ran(
        "amtool",
        "check-config",
        str(CONFIG / "alertmanager.example.yml"),
        words="the example of Alertmanager is right",
    )
    yield from _live()


def _live() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder, LiveSite() as site:
        mirror = stocked_mirror(Path(folder) / "mirror", site)
        mirror.configure(window=f"{_WINDOW_SECONDS}s")
        with DaemonProcess(mirror) as daemon, prometheus_of(Path(folder), daemon.address, _WINDOW_SECONDS) as address:
            yield _lint(daemon.address)
            yield from _loop(site, address)
            be_busy(mirror, site, daemon.address, address)
            yield _names_of_jobs(address)
            yield _panels(address)


def _lint(address: str) -> Promise:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        text = answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    own = [line for line in done.stderr.decode().splitlines() if line.startswith("ipsync_")]
    return Promise("promtool finds nothing to say of our metrics", not own, own[0] if own else f"{len(text):,} bytes")


def _loop(site: LiveSite, address: str) -> Iterator[Promise]:
    """A fault is set in the simulator, the alert fires; the fault goes, the alert resolves."""
    quiet = until(lambda: value(address, "ipsync_oldest_lease_age_seconds") is not None, "it is scraped")
    yield Promise("a real Prometheus scrapes the daemon", True, f"after {quiet:.1f} s")
    if _fires(address):
        yield Promise("no alert without a reason", False, _ALERT)
    site.fault("http_status", ["*"], value=503)
    fired = until(lambda: _fires(address), f"{_ALERT} fires")
    yield Promise("while ipernity fails the alert fires", True, f"{_ALERT} after {fired:.1f} s")
    site.heal()
    resolved = until(lambda: not _fires(address), f"{_ALERT} resolves")
    yield Promise("when the fault is gone it resolves", True, f"after {resolved:.1f} s")


def _names_of_jobs(address: str) -> Promise:
    """Our label `job` meets the scrape's own: the rules must call it what Prometheus keeps it as."""
    query = 'count(ipsync_job_last_success_timestamp_seconds{job="ipsync", exported_job=~"purge|expiry|confirm"})'
    found = value(address, query)
    return Promise("the jobs have the names in Prometheus that the rules know", found == "3", f"{found} of 3")


def be_busy(
    mirror: SiteMirror, site: LiveSite, daemon: str, prometheus: str, nudge: Callable[[], None] = lambda: None
) -> None:
    """Let something of everything happen: removals, answers, pages. A `nudge` has it found out at once."""
    before = _removed(prometheus)
    gone = sorted(site.permitted(0) | site.permitted(1))[:3]  # who is mirrored
    for document_id in gone:
        site.delete(int(document_id))
    nudge()
    for path in ("/privacy", "/healthz", "/v1/documents"):
        request = urllib.request.Request(
            daemon + path, headers={"Authorization": f"Bearer {mirror.env['IPSYNC_ADMIN_TOKEN']}"}
        )
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=10):
            pass
    until(lambda: _removed(prometheus) >= before + len(gone), "the removals are done")
    time.sleep(5)  # rates need two scrapes after the event


def _removed(address: str) -> float:
    return float(value(address, "sum(ipsync_removals_total)") or 0)


def _panels(address: str) -> Promise:
    """Ask each query of the dashboard; an answer proves the panel."""
    board = json.loads(_DASHBOARD.read_text())
    empty, asked = [], 0
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            asked += 1
            # A day has not passed here; the shape of the query is what is shown.
            query = re.sub(r"\[(1h|1d|30d|5m)\]", "[2m]", target["expr"])
            if value(address, query) is None:
                empty.append(f"{panel['title']} ({query})")
    return Promise("each panel of the dashboard has an answer", not empty, "; ".join(empty) or f"{asked} queries")


@contextlib.contextmanager
def prometheus_of(folder: Path, daemon: str, window_seconds: float) -> Iterator[str]:
    """A Prometheus that scrapes a daemon each second, with our rules and consoles. Gives its address."""
    place = folder / "prometheus"
    place.mkdir()
    rules = (CONFIG / "ipsync.rules.yml").read_text()
    if window_seconds < DAY_SECONDS:  # the marks of a day, shortened like the window
        rules = re.sub(r"(\d+) \* 3600", lambda found: f"{int(found[1]) * window_seconds / 24:g}", rules)
        rules = re.sub(r"\bfor: \w+", "for: 0s", rules)
    (place / "rules.yml").write_text(rules)
    (place / "prometheus.yml").write_text(_SCRAPE.format(target=daemon.removeprefix("http://")))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "prometheus",
        f"--config.file={place / 'prometheus.yml'}",
        f"--storage.tsdb.path={place / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.console.templates={CONFIG / 'consoles'}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _fires(address: str) -> bool:
    alerts = get(f"{address}/api/v1/alerts")["data"]["alerts"]
    return any(alert["labels"]["alertname"] == _ALERT and alert["state"] == "firing" for alert in alerts)


def value(address: str, query: str) -> str | None:
    """The first value of the answer to a query; None where there is none."""
    try:
        found = get(f"{address}/api/v1/query?query={urllib.parse.quote(query)}")["data"]["result"]
    except OSError:
        return None
    return found[0]["value"][1] if found else None


def get(url: str) -> Any:
    """The JSON at an address."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def until(condition: Callable[[], bool], words: str) -> float:
    """Wait for something. Returns the seconds that it took.

    Raises:
        TimeoutError: it does not come.
    """
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE_SECONDS:
        with contextlib.suppress(OSError):
            if condition():
                return time.monotonic() - began
        time.sleep(0.5)
    raise TimeoutError(f"not within {_PATIENCE_SECONDS} s: {words}")
