"""`ipsync status`: the law, the work, the budget, at a glance and for scripts."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.catalog import open_catalog
from ipsync.policy.incidents import Condition, Incident
from ipsync.policy.instants import SECOND
from ipsync.policy.webhooks import Webhook, WebhookState
from ipsync.process import OneProcessLock
from tests.fakes.command_line import Outcome, Terminal
from tests.fakes.site import SiteMirror, age, change_rows, empty_mirror

On = Callable[..., Outcome]


def test_people_see_the_law_first(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "status")

    assert shown.code == 0
    lines = shown.out.splitlines()
    assert re.match(r"within the law +Yes: nothing is held longer than it may be\.", lines[0])
    assert re.match(r"how we know +The nearest deadline is .* UTC, in 2[34](\.\d)? h\.", lines[1])
    assert "at work         nothing: `ipsync run` starts the daemon" in lines
    number = len(mirror.site.permitted(0) | mirror.site.permitted(1))
    assert f"documents       {number} served" in lines
    assert f"leases by age   {number} less than 10 h ago (shown)" in lines
    assert "being removed   nothing" in lines
    assert re.search(
        r"requests left +[\d,]+ of [\d,]+ this minute \(\d+ planned\), .* today \(\d+ planned\)", shown.out
    )
    assert "never more than 100 a second" in shown.out


def test_scripts_read_the_same(on: On, mirror: SiteMirror) -> None:
    status = json.loads(on(mirror, "status", "--json").out)

    assert status["lawful"] is True
    assert status["working"] is None
    assert status["accounts"] == {"active": 2}
    assert status["documents"]["live"] == len(mirror.site.permitted(0) | mirror.site.permitted(1))
    assert set(status["budget"]["windows"]) == {"second", "minute", "hour", "day"}
    assert status["budget"]["windows"]["day"]["planned"] > status["budget"]["windows"]["hour"]["planned"] > 0
    assert status["slack_seconds"] > 80_000
    assert status["verdict"] == "Yes: nothing is held longer than it may be."
    assert len(status["grounds"]) >= 2
    assert (status["incidents"], status["petitions"]) == ([], 0)
    assert sum(age["documents"] for age in status["ages"]) == status["documents"]["live"]
    assert status["ledger"]["entries"] >= 1


def test_what_is_fetched_when_it_is_asked_for_waits_for_nobody(on: On, own_mirror: SiteMirror) -> None:
    own_mirror.edit("[mirror]\n", '[mirror]\nmode = "on-demand"\n')
    change_rows(own_mirror, "UPDATE rendition SET state = 'wanted' WHERE rendition = 'original'")
    told = json.loads(on(own_mirror, "status", "--json").out)
    assert told["wanted_files"] == 0
    assert told["on_demand_files"] > 0
    assert re.search(r"files +\d+ stored \(.*\), [\d,]+ more when they are asked for", on(own_mirror, "status").out)


def test_F31_who_waits_for_room_in_a_quota_is_told(on: On, own_mirror: SiteMirror) -> None:
    assert "quota" not in on(own_mirror, "status").out
    own_mirror.edit("[mirror]\n", '[store]\naccount_size_most = "105MiB"\n\n[mirror]\n')
    assert re.search(r"quota +110\.1 MB for each account\n", on(own_mirror, "status").out)
    change_rows(own_mirror, "UPDATE rendition SET state = 'wanted' WHERE rendition = 'original'")
    shown = " ".join(on(own_mirror, "status").out.split())
    assert "quota 110.1 MB for each account. New files of 2 accounts wait until" in shown
    told = json.loads(on(own_mirror, "status", "--json").out)
    assert told["quota"] == {"size_most": None, "account_size_most": 105 << 20, "accounts_held_up": 2}
    member = str(own_mirror.site.members[0].user_id)
    assert json.loads(on(own_mirror, "account", "show", member, "--json").out)["held_up_by_quota"] is True
    assert "new ones wait, since a quota is reached" in " ".join(on(own_mirror, "account", "show", member).out.split())
    assert "note   quota: a quota is reached" in on(own_mirror, "doctor", "--offline").out


def test_what_needs_a_person_is_told_as_on_the_page(on: On, mirror: SiteMirror) -> None:
    state_key = bytes.fromhex(mirror.env["IPSYNC_STATE_KEY"])
    catalog = open_catalog("sqlite:///ipsync.db", mirror.folder, state_key, inline=True)
    low = Incident(Condition.DISK_LOW, "store", 1_200_000_000, 1_795_000_000 * SECOND)
    over = replace(low, condition=Condition.JOB_FAILING, subject="sync", resolved_at=low.opened_at + SECOND)
    hook = Webhook(0, "https://hooks.example.org/canary", "whsec_canary", WebhookState.ACTIVE, low.opened_at)
    catalog.write_now(lambda tx: [tx.put_incident(low), tx.put_incident(over), tx.add_webhook(hook)])
    catalog.close_now()

    shown = on(mirror, "status")

    assert shown.code == 0
    assert re.search(r"webhooks +1: owed [\d,]+ changes?, the oldest of .* ago; never took anything\n", shown.out)
    assert "canary" not in shown.out
    assert re.search(r"lately over +The job sync keeps failing \(ended .*\)\n", shown.out)
    assert "Yes; one thing needs you: the disk of the copies is nearly full: 1 GB left." in shown.out
    assert "1: The disk of the copies is nearly full: 1 GB left" in shown.out
    told = json.loads(on(mirror, "status", "--json").out)
    assert told["incidents"][0]["condition"] == "disk-low"
    assert [incident["condition"] for incident in told["incidents_over"]] == ["job-failing"]
    assert [(hook["webhook_id"], hook["state"], hook["trouble"]) for hook in told["webhooks"]] == [
        ("1", "active", None)
    ]


@pytest.mark.parametrize(("holder", "told"), [("ipsync run", "the daemon"), ("ipsync sync", "`ipsync sync`")])
def test_who_is_at_work_is_named(on: On, mirror: SiteMirror, holder: str, told: str) -> None:
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take(holder)
    try:
        shown = on(mirror, "status")
    finally:
        lock.release()

    assert f"at work         {told} (process {os.getpid()})" in shown.out


def test_what_should_be_gone_is_found(on: On, mirror: SiteMirror) -> None:
    age(mirror, 23.5 * 3600)

    shown = on(mirror, "status")

    assert shown.code == 3
    assert re.search(r"No: \d+ documents are held that should be gone\. Run: ipsync purge", shown.out)
    assert json.loads(on(mirror, "status", "--json").out)["lawful"] is False
    assert on(mirror, "purge").code == 0
    assert on(mirror, "status").code == 0
    assert mirror.files() == []


def test_an_empty_mirror_is_lawful(on: On, mirror: SiteMirror, tmp_path: Path) -> None:
    shown = on(empty_mirror(tmp_path / "empty", mirror.site), "status")

    assert shown.code == 0
    assert "accounts        none yet" in shown.out
    assert "read within     nothing to read yet" in shown.out


def test_watching_ends_with_ctrl_c(mirror: SiteMirror) -> None:
    with Terminal("status", "--watch", env=mirror.env | {"TERM": "xterm"}) as terminal:
        terminal.expect("within the law")
        terminal.interrupt()
        outcome = terminal.end()

    assert outcome.code == 0
    assert "Traceback" not in outcome.out


def test_watching_on_a_low_terminal_says_what_is_missing(mirror: SiteMirror) -> None:
    size = {"TERM": "xterm", "LINES": "8", "COLUMNS": "80"}
    with Terminal("status", "--watch", env=mirror.env | size) as terminal:
        terminal.expect("within the law")
        shown = terminal.expect(" more lines: a higher terminal shows them, or ipsync status")
        terminal.interrupt()
        assert terminal.end().code == 0

    assert shown.count("\n") == 7


def test_watching_needs_a_terminal(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "status", "--watch")

    assert shown.code == 2
    assert "--json" in shown.err


def test_no_database_is_told_with_the_remedy(on: On, mirror: SiteMirror) -> None:
    (mirror.folder / "ipsync.db").unlink()
    for words in (("status",), ("account", "list"), ("sync",), ("purge",), ("documents", "list")):
        shown = on(mirror, *words)
        assert shown.code == 2, words
        assert "`ipsync db upgrade`" in shown.err
