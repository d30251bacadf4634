"""Every metric of the design exists, with its labels, and no label opens to the world."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import ipsync
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.removals import Reason
from ipsync.telemetry import Metrics
from ipsync.telemetry.metrics import JOBS, OTHER

# The list of design §8, and what this project adds to it: name, type, labels.
DESIGNED = {
    "ipsync_requests_total": ("counter", {"method", "outcome"}),
    "ipsync_budget_remaining": ("gauge", {"window"}),
    "ipsync_budget_limit": ("gauge", {"window"}),
    "ipsync_utilization": ("gauge", set()),
    "ipsync_oldest_lease_age_seconds": ("gauge", set()),
    "ipsync_min_slack_seconds": ("gauge", set()),
    "ipsync_documents": ("gauge", {"state"}),
    "ipsync_removals_total": ("counter", {"reason"}),
    "ipsync_time_to_hide_seconds": ("histogram", set()),
    "ipsync_time_to_erase_seconds": ("histogram", set()),
    "ipsync_deadline_breaches_total": ("counter", set()),
    "ipsync_overdue_documents": ("gauge", set()),
    "ipsync_tripwires": ("gauge", set()),
    "ipsync_sweep_pages_total": ("counter", set()),
    "ipsync_store_bytes": ("gauge", set()),
    "ipsync_job_last_success_timestamp_seconds": ("gauge", {"job"}),
}
ADDED = {
    "ipsync_build_info": ("gauge", {"version"}),
    "ipsync_media_downloads_total": ("counter", {"outcome"}),
    "ipsync_media_bytes_total": ("counter", set()),
    "ipsync_http_requests_total": ("counter", {"route", "status"}),
    "ipsync_store_free_bytes": ("gauge", set()),
    "ipsync_store_quota_bytes": ("gauge", set()),
    "ipsync_accounts_held_up_by_quota": ("gauge", set()),
    "ipsync_clock_behind_seconds": ("gauge", set()),
    "ipsync_reaper_last_run_timestamp_seconds": ("gauge", set()),
    "ipsync_accounts": ("gauge", {"state"}),
    "ipsync_removals_open": ("gauge", {"stage"}),
    "ipsync_petitions_waiting": ("gauge", set()),
    "ipsync_ledger_entries": ("gauge", set()),
    "ipsync_change_streams": ("gauge", set()),
    "ipsync_webhook_debt": ("gauge", {"webhook"}),
    "ipsync_webhook_oldest_debt_seconds": ("gauge", {"webhook"}),
    "ipsync_webhook_deliveries_total": ("counter", {"outcome"}),
}


@pytest.fixture
def metrics():
    return Metrics()


def use_everything(metrics, word):
    metrics.count_request("doc.getList", "ok")
    metrics.count_request(word, word)
    metrics.set_budget("hour", 1000, 990)
    metrics.set_budget(word, 1, 1)
    metrics.set_utilization(0.25)
    metrics.set_leases(3 * HOUR, 20 * HOUR, 0)
    metrics.set_documents("live", 5)
    metrics.set_documents(word, 5)
    metrics.count_removal(1, Reason.UNSHARED, 60 * SECOND, HOUR, breach=False)
    metrics.count_removal(2, word, DAY, 25 * HOUR, breach=True)
    metrics.count_sweep_page()
    metrics.set_store_bytes(1234)
    metrics.set_job_success("sync", 1_700_000_000 * SECOND)
    metrics.set_job_success(word, 1)
    metrics.set_machine(10**9, SECOND, None)
    metrics.set_account_states({"active": 3, word: 1})
    metrics.set_open_removals({"suspected": 2, word: 1})
    metrics.set_petitions(1)
    metrics.set_ledger(17)
    metrics.telling.set_webhooks({1: (3, HOUR)})
    metrics.telling.count_delivery(word)
    metrics.count_media("stored", 100)
    metrics.count_media(word, 0)
    metrics.count_http("media", 206)
    metrics.count_http(word, 9999)


def families(metrics):
    return list(text_string_to_metric_families(metrics.render()[0].decode()))


def shown(metrics):
    found = {}
    for family in families(metrics):
        if not family.name.startswith("ipsync_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, labels)
    return found


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def test_the_metrics_are_those_of_the_design(metrics):
    use_everything(metrics, "x")
    assert shown(metrics) == DESIGNED | ADDED


def test_the_process_speaks_too(metrics):
    names = {family.name for family in families(metrics)}
    assert {"process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds", "python_info"} <= names


@pytest.mark.parametrize("word", ["Anna's holiday", "ipernity-member-17", "<script>", "", 'a"\n} 1'])
def test_no_foreign_word_becomes_a_label(metrics, word):
    use_everything(metrics, word)
    labels = {text for family in families(metrics) for sample in family.samples for text in sample.labels.values()}
    assert word not in labels
    assert OTHER in labels
    allowed = re.compile(r"[a-z]+(-[a-z]+)*|[a-z]+\.[a-zA-Z]+|\d{3}|[\d.]+(e\+?\d+)?|\+Inf|CPython|Linux|[\w.+-]+")
    assert all(allowed.fullmatch(label) for label in labels if label)


def test_durations_are_shown_in_seconds(metrics):
    use_everything(metrics, "x")
    assert value(metrics, "ipsync_oldest_lease_age_seconds") == 10_800
    assert value(metrics, "ipsync_min_slack_seconds") == 72_000
    assert value(metrics, "ipsync_job_last_success_timestamp_seconds", job="sync") == 1_700_000_000
    assert value(metrics, "ipsync_time_to_hide_seconds_sum") == 60 + 86_400
    assert value(metrics, "ipsync_time_to_erase_seconds_bucket", le="3600.0") == 1
    assert value(metrics, "ipsync_time_to_erase_seconds_bucket", le="86400.0") == 1
    assert value(metrics, "ipsync_time_to_erase_seconds_count") == 2
    assert value(metrics, "ipsync_deadline_breaches_total") == 1


def test_a_rate_can_be_asked_for_before_anything_happened(metrics):
    assert value(metrics, "ipsync_deadline_breaches_total") == 0
    assert all(value(metrics, "ipsync_removals_total", reason=reason.value) == 0 for reason in Reason)
    assert value(metrics, "ipsync_documents", state="live") == 0


def test_the_machine_is_told_in_base_units(metrics):
    metrics.set_machine(5_000, 90 * SECOND, 1_700_000_000 * SECOND)
    assert value(metrics, "ipsync_store_free_bytes") == 5_000
    assert value(metrics, "ipsync_clock_behind_seconds") == 90
    assert value(metrics, "ipsync_reaper_last_run_timestamp_seconds") == 1_700_000_000


def test_two_daemons_in_one_process_do_not_mix():
    first, second = Metrics(), Metrics()
    first.count_sweep_page()
    assert value(first, "ipsync_sweep_pages_total") == 1
    assert value(second, "ipsync_sweep_pages_total") == 0


def test_the_version_is_told(metrics):
    assert value(metrics, "ipsync_build_info", version=ipsync.__version__) == 1


def test_the_page_has_the_type_prometheus_expects_and_nothing_superfluous(metrics):
    use_everything(metrics, "x")
    text, content_type = metrics.render()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"_created" not in text


def test_every_job_that_is_nudged_has_a_name_of_its_own():
    nudged = set()
    for path in Path(ipsync.__file__).parent.rglob("*.py"):
        nudged.update(re.findall(r"\bNudge\(\s*\"([^\"]+)\"", path.read_text()))
    assert {"sync", "purge", "policy", "requests", "health"} <= nudged
    assert nudged <= set(JOBS)
