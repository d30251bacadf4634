"""`ipsync report`: the same numbers as the ledger, for people, scripts and a browser."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror, age, change_rows

On = Callable[..., Outcome]


@pytest.fixture
def lived(on: On, own_mirror: SiteMirror) -> SiteMirror:
    """A mirror with a withdrawal, an owner's request, a drill and something that ran out behind it."""
    numbers = sorted({path.parent.name for path in own_mirror.files()})
    own_mirror.site.change(lambda world: world.state.library.delete(world.state.library.get(int(numbers[0]))))
    assert on(own_mirror, "drill", numbers[2]).code == 0
    assert on(own_mirror, "removal", "add", numbers[1], "--yes").code == 0
    assert on(own_mirror, "sync").code == 0
    assert on(own_mirror, "purge").code == 0
    return own_mirror


def test_the_numbers_are_the_ledgers(on: On, lived: SiteMirror) -> None:
    shown = on(lived, "report", "--json")

    assert shown.code == 0, shown.out
    told = json.loads(shown.out)
    lines = [json.loads(line) for line in on(lived, "ledger", "export").out.splitlines()[1:]]
    gone = [line for line in lines if line["kind"] == "gone"]
    assert told["kept"] is True
    assert {name: count["removals"] for name, count in told["by_reason"].items()} == {
        reason: sum(line["reason"] == reason for line in gone) for reason in {line["reason"] for line in gone}
    }
    assert told["removals"] == len(gone) - 1
    assert told["times"]["drills"]["removals"] == 1
    assert told["times"]["asked"]["hide_seconds"]["max"] == 0
    slack = min(line["erase_by"] - line["gone_at"] for line in gone)
    assert told["slack_seconds_min"] == slack / 1_000_000
    assert told["owner_requests"]["received"] == 1
    assert told["ledger"]["whole"] is True
    assert told["ledger"]["head"]["sequence"] == lines[-1]["sequence"]
    assert sum(told["requests_by_day"].values()) > 0


def test_the_page_holds_nothing_of_anybody(on: On, lived: SiteMirror, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    shown = on(lived, "report", "--since", "1d", "--html", str(page))

    assert shown.code == 0, shown.err
    assert f"The page is {page}." in shown.out
    text = page.read_text(encoding="utf-8")
    assert "How removals were carried out" in text
    assert "Site wall" in text
    members = {str(member.user_id) for member in lived.site.members} | {
        member.username for member in lived.site.members
    }
    documents = set(lived.site.permitted()) | {path.parent.name for path in lived.files()}
    # A signature or a hash may hold any run of digits.
    words = re.sub(r'<dd class="hash">[0-9a-f]+</dd>', "", text)
    assert [name for name in members | documents if re.search(rf"\b{re.escape(name)}\b", words)] == []


def test_people_are_told_in_a_table(on: On, lived: SiteMirror) -> None:
    shown = on(lived, "report")

    assert "owner-request" in shown.out
    assert "least time left" in shown.out
    assert "whole, " in shown.out


def test_another_period_holds_other_removals(on: On, lived: SiteMirror) -> None:
    empty = on(lived, "report", "--since", "2020-01-01", "--until", "2020-02-01")

    assert empty.code == 0
    assert "Nothing had to go." in empty.out
    assert on(lived, "report", "--since", "1s", "--until", "2h").code == 2
    assert on(lived, "report", "--since", "someday").code == 2
    assert on(lived, "report", "--html", str(lived.folder / "no" / "where.html")).code == 2


def test_exit_3_where_it_was_not_kept(on: On, mirror: SiteMirror) -> None:
    age(mirror, 25 * 3600)
    assert on(mirror, "purge").code == 0

    shown = on(mirror, "report", "--json")
    told = json.loads(shown.out)
    assert shown.code == 3
    assert told["kept"] is False
    assert told["breaches"] == told["by_reason"]["expired"]["removals"] == len(told["late"])
    assert told["slack_seconds_min"] < 0
    assert "Not kept" in on(mirror, "report").err


def test_exit_3_where_the_ledger_does_not_hold(on: On, mirror: SiteMirror) -> None:
    change_rows(mirror, "UPDATE ledger_head SET hash = zeroblob(32)")

    shown = on(mirror, "report", "--json")
    assert shown.code == 3
    assert json.loads(shown.out)["ledger"]["whole"] is False


def test_needs_no_network_and_no_key(cli: On, mirror: SiteMirror) -> None:
    env = {name: text for name, text in mirror.env.items() if name in ("IPSYNC_CONFIG", "IPSYNC_STATE_KEY")}

    assert cli("report", env=env).code == 0
