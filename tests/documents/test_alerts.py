"""The alert rules speak of metrics that exist, and each alert has its tests and its page."""

import re

from ipsync.telemetry import Metrics
from ipsync.telemetry.metrics import ACCOUNT_STATES, JOBS, OUTCOMES, WINDOWS
from tests.documents.reading import ROOT, slug

PROMETHEUS = ROOT / "config" / "prometheus"
RULES = (PROMETHEUS / "ipsync.rules.yml").read_text()
TESTS = (PROMETHEUS / "ipsync.rules.test.yml").read_text()
PAGE = (ROOT / "docs" / "how-to" / "alerts.md").read_text()

ALERTS = re.findall(r"- alert: (\w+)", RULES)
LABELS = {"outcome": OUTCOMES, "window": WINDOWS, "state": ACCOUNT_STATES, "exported_job": JOBS, "job": ("ipsync",)}


def test_every_metric_that_a_rule_asks_for_is_delivered() -> None:
    delivered = {sample.name for family in Metrics().registry.collect() for sample in family.samples}
    # Where nothing has happened yet, a labelled metric has no sample; its name is known all the same.
    delivered |= {f"{family.name}{end}" for family in Metrics().registry.collect() for end in ("", "_total")}
    asked = set(re.findall(r"\bipsync_[a-z_0-9]+", RULES))
    assert asked - delivered == set()


def test_every_panel_of_the_dashboard_asks_for_what_is_delivered() -> None:
    delivered = {f"{family.name}{end}" for family in Metrics().registry.collect() for end in ("", "_total", "_bucket")}
    board = (ROOT / "config" / "grafana" / "ipsync.json").read_text()
    asked = set(re.findall(r"\b(?:ipsync|process)_[a-z_0-9]+", board))
    assert len(asked) > 20
    assert asked - delivered == set()


def test_the_console_page_tells_what_the_dashboard_tells_and_loads_nothing() -> None:
    board = (ROOT / "config" / "grafana" / "ipsync.json").read_text()
    page = (PROMETHEUS / "consoles" / "ipsync.html").read_text()
    metric = re.compile(r"\b(?:ipsync|process)_[a-z_0-9]+")
    asked = set(metric.findall(page))
    delivered = {f"{family.name}{end}" for family in Metrics().registry.collect() for end in ("", "_total", "_bucket")}
    assert set(metric.findall(board)) <= asked <= delivered
    # Nothing but Prometheus itself is asked; the one address is the name of a language.
    assert re.findall(r"https?://\S+?(?=')", page) == ["http://www.w3.org/2000/svg"]
    assert re.findall(r"(?:src|href)=\"(?!\{\{ pathPrefix \}\}|\?range=|data:,)", page) == []


def test_every_label_that_a_rule_asks_for_has_such_a_value() -> None:
    asked = re.findall(r'(\w+)=~?"([^"]+)"', re.sub(r"le=\"[^\"]+\"", "", RULES))
    assert len(asked) > 8
    for label, words in asked:
        assert set(words.split("|")) <= set(LABELS[label]), (label, words)


def test_every_alert_has_a_page_that_says_what_to_do() -> None:
    headings = {slug(line[3:]) for line in PAGE.splitlines() if line.startswith("## ")}
    for alert in ALERTS:
        assert f"runbook: docs/how-to/alerts.md#{alert.lower()}" in RULES
        assert alert.lower() in headings, alert
        section = PAGE.split(f"## {alert}\n")[1].split("\n## ")[0]
        assert "Look:" in section
        assert "Do: " in section


def test_every_alert_is_tested_to_fire_and_to_stay_silent() -> None:
    assert len(ALERTS) == len(set(ALERTS)) >= 20
    for alert in ALERTS:
        assert re.search(rf"name: {alert} fires", TESTS), alert
        assert re.search(rf"name: {alert} stays silent", TESTS), alert


def test_no_data_is_an_alarm() -> None:
    assert 'absent(up{job="ipsync"})' in RULES
    assert "unless on (job, instance) ipsync_min_slack_seconds" in RULES
