"""`ipsync plan`: what each account costs and what else would fit, for people and for scripts."""

import json
from collections.abc import Callable

import pytest

from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror, change_rows

On = Callable[..., Outcome]


def test_people_see_each_account_and_the_whole(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "plan")

    assert shown.code == 0
    assert "read every" in shown.out
    assert "accounts are admitted up to 50%, so that an outage of 10 h hides nothing" in " ".join(shown.out.split())
    assert "a copy is served for 20 h at most" in " ".join(shown.out.split())


def test_scripts_read_the_same(on: On, mirror: SiteMirror) -> None:
    plan = json.loads(on(mirror, "plan", "--json").out)

    assert plan["what_if"] is False
    assert len(plan["accounts"]) == 2
    assert plan["not_admitted"] == []
    totals = plan["totals"]
    assert totals["pages"] == sum(one["pages"] for one in plan["accounts"])
    assert totals["least_requests_per_day"] == pytest.approx(totals["pages"] * 1.2, abs=0.1)
    assert 0 < totals["utilization"] < totals["most_utilization"] == 0.5
    assert totals["removals_per_day"] == pytest.approx(sum(one["removals_per_day"] for one in plan["accounts"]))
    for one in plan["accounts"]:
        assert one["mean_detection_seconds"] <= one["worst_detection_seconds"] <= 20 * 3600
        assert 0 <= one["documents_that_fit"] <= 100


def test_removals_are_expected_as_they_were_learned_and_where_they_were_not_that_is_said(
    on: On, mirror: SiteMirror
) -> None:
    before = json.loads(on(mirror, "plan", "--json").out)["accounts"]
    assert not any(one["removals_learned"] for one in before)
    assert "as is usual" in " ".join(on(mirror, "plan").out.split())

    busy = before[0]["account_id"]
    change_rows(mirror, f"UPDATE listing_plan SET removals = 30.0, watched_hours = 300.0 WHERE account_id = {busy}")

    after = {one["account_id"]: one for one in json.loads(on(mirror, "plan", "--json").out)["accounts"]}
    assert after[busy]["removals_learned"]
    assert after[busy]["removals_per_day"] > 10 * before[0]["removals_per_day"]
    assert sum(one["removals_learned"] for one in after.values()) == 1
    told = " ".join(on(mirror, "plan").out.split())
    assert "learned of 1 account, and is usual for the others" in told


def test_another_budget_is_imagined_and_nothing_is_changed(on: On, mirror: SiteMirror) -> None:
    plan = json.loads(on(mirror, "plan", "--what-if", "budget=0.08/h", "--json").out)

    assert plan["what_if"] is True
    assert plan["requests_per_hour"] == 0.08
    assert plan["not_admitted"]
    assert "it would need" in plan["not_admitted"][0]["reason"]
    assert json.loads(on(mirror, "plan", "--json").out)["not_admitted"] == []
    told = on(mirror, "plan", "--what-if", "budget=0.01").out
    assert "What would be; nothing was changed." in told
    assert "not kept, because its" in " ".join(told.split())


def test_accounts_and_window_are_imagined(on: On, mirror: SiteMirror) -> None:
    wish = "budget=5000,window=12h,accounts=3500x1400"
    plan = json.loads(on(mirror, "plan", "--what-if", wish, "--json").out)

    assert plan["window_seconds"] == 12 * 3600
    assert plan["outage_seconds"] == 5 * 3600
    assert len(plan["accounts"]) + len(plan["not_admitted"]) == 3500
    assert plan["totals"]["utilization"] <= 0.5
    same = json.loads(on(mirror, "plan", "--what-if", "accounts=4", "--json").out)
    assert len(same["accounts"]) == 4
    told = on(mirror, "plan", "--what-if", "accounts=30000x100000")
    assert "So are" in told.out


def test_members_are_imagined_instead_of_those_here_or_beside_them(on: On, mirror: SiteMirror) -> None:
    instead = on(mirror, "plan", "--what-if", "accounts=2x100").out
    assert "The 2 accounts here are left out; +N adds to them." in " ".join(instead.split())
    beside = json.loads(on(mirror, "plan", "--what-if", "accounts=+2x100", "--json").out)
    assert len(beside["accounts"]) == 4
    assert len([one for one in beside["accounts"] if one["account_id"]]) == 2
    crowded = json.loads(on(mirror, "plan", "--what-if", "budget=0.4/h,accounts=+5000x1000", "--json").out)
    assert [one["account_id"] for one in crowded["accounts"] if one["account_id"]], (
        "who is here stays before who may come"
    )


@pytest.mark.parametrize("wish", ["budget=many", "tokens=3", "window=12", "accounts=0", "budget"])
def test_what_is_not_understood_is_told(on: On, mirror: SiteMirror, wish: str) -> None:
    shown = on(mirror, "plan", "--what-if", wish)

    assert shown.code == 2
    assert "--what-if" in shown.err
    assert "budget=2000/h" in shown.err
